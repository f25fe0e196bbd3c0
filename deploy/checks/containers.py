"""The Dockerfile and the compose file, as far as reading them tells."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import psycopg
import yaml

from checks.outcome import DEPLOY, beyond, check, expect, run, tool

COMPOSE = DEPLOY / "compose" / "compose.yaml"


@check("image-lint", "hadolint finds nothing in the Dockerfile")
def _lint() -> None:
    run(tool("hadolint", "deploy/check installs it by pip"), DEPLOY / "Dockerfile")


@check("scripts", "the shell scripts are sound")
def _scripts() -> None:
    scripts = [DEPLOY / "check", DEPLOY / "compose" / "make-secrets", DEPLOY / "compose" / "10-roles.sh"]
    for script in scripts:
        run("sh", "-n", script)
        expect(os.access(script, os.X_OK), f"{script} is not executable")
    run(tool("shellcheck", "apt-get install shellcheck"), *scripts)


@check("compose-schema", "the compose file keeps to the compose specification")
def _schema() -> None:
    run(tool("check-jsonschema", "deploy/check installs it by pip"), "--builtin-schema", "vendor.compose-spec", COMPOSE)


@check("compose-files", "what the compose file names is there, and its secrets are made")
def _files() -> None:
    document: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    for service in document["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            known = (COMPOSE.parent / source).exists() if source.startswith(".") else source in document["volumes"]
            expect(known, f"the volume {volume} has no source")
    with tempfile.TemporaryDirectory() as folder:
        maker = Path(shutil.copy(DEPLOY / "compose" / "make-secrets", folder))
        for _ in range(2):  # a second run changes nothing
            run("sh", maker)
            made = {path.name: path.read_text() for path in Path(folder, "secrets").iterdir()}
        wanted = {Path(secret["file"]).name for secret in document["secrets"].values()}
        expect(made.keys() == wanted, f"make-secrets makes {sorted(made)}, the compose file wants {sorted(wanted)}")
        expect(made["syncer_password"] in made["database_url"], "database_url does not hold syncer's password")
        expect(Path(folder, "secrets").stat().st_mode & 0o077 == 0, "others may enter the folder of the secrets")


@check("compose-settings", "syncer takes the settings that the compose file and the manifests give it")
def _settings() -> None:
    from syncer.settings import RESERVED_VARIABLES, SETTINGS

    known = {setting.variable for setting in SETTINGS} | {f"{setting.variable}_FILE" for setting in SETTINGS}
    files = [*DEPLOY.rglob("*.yaml"), *DEPLOY.rglob("*.service"), DEPLOY / "Dockerfile", DEPLOY / "crontab"]
    named = {name for file in files for name in re.findall(r"SYNCER_[A-Z_]+[A-Z]", file.read_text())}
    unknown = named - known - RESERVED_VARIABLES
    expect(not unknown, f"these are no settings: {', '.join(sorted(unknown))}")


@check("compose-roles", "the database's first start makes the roles with their passwords", quick=False)
def _roles() -> None:
    from syncer.postgres.server import EmbeddedPostgres

    tool("psql", "apt-get install postgresql-client")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        maker = Path(shutil.copy(DEPLOY / "compose" / "make-secrets", folder))
        run("sh", maker)
        script = (DEPLOY / "compose" / "10-roles.sh").read_text()
        script = script.replace("/run/secrets", f"{folder}/secrets").replace("/syncer/", f"{DEPLOY}/")
        with (
            EmbeddedPostgres(folder / "postgres") as server,
            psycopg.connect(server.url, autocommit=True) as connection,
        ):
            connection.execute("CREATE DATABASE syncer")
            host = connection.info.host
            run("sh", "-c", script, env={"PATH": os.environ["PATH"], "PGHOST": host})
            made = connection.execute(
                "SELECT rolname FROM pg_authid WHERE rolpassword LIKE 'SCRAM%' AND rolname LIKE 'syncer%' ORDER BY 1"
            ).fetchall()
            expect(made == [("syncer",), ("syncer_owner",), ("syncer_reader",)], f"roles with passwords: {made}")


beyond(
    "compose-up",
    "the services of the compose file come up together",
    "no container engine runs here: after `up`, run `exec syncer syncer doctor` as docs/install.md says",
)
