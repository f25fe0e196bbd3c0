"""The image: really built by buildah on a Debian base, and really run, without a container engine. Needs root."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from checks.box import base_system
from checks.outcome import DEPLOY, ROOT, SYNCER, beyond, check, expect, run, tool

_USER = 10001
# In namespaces of its own, as the image's user: its root read-only, only /tmp and the volume can be written.
_RUN = """
set -e
mount --bind "$1" "$1"; mount -t proc proc "$1/proc"; mount --rbind /dev "$1/dev"
mount -t tmpfs -o mode=1777 tmpfs "$1/tmp"
mount --bind "$2" "$1/var/lib/syncer"; mount -o remount,ro,bind "$1"
cd "$1"; root=$1; user=$3; shift 3
exec env -i PATH=/opt/syncer/bin:/usr/bin:/bin:/usr/sbin HOME=/var/lib/syncer SYNCER_DATA_DIR=/var/lib/syncer \\
  PYTHONDONTWRITEBYTECODE=1 chroot --userspec="$user:$user" "$root" "$@"
"""


def wheels(folder: Path) -> None:
    """Put syncer's wheel and all that it needs, by the locked hashes and for the base's Python, into `folder`."""
    folder.mkdir(exist_ok=True)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    for name in ("runtime", "build"):
        wanted = ("--require-hashes", "-r", ROOT / "requirements" / f"{name}.txt")
        python = ("--python-version", "3.11", "--only-binary", ":all:")
        run(*pip, "download", *python, *wanted, "--dest", folder)
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT)


class _Buildah:
    def __init__(self, folder: Path) -> None:
        self._program = tool("buildah", "apt-get install buildah")
        self._store = ("--root", folder / "storage", "--runroot", folder / "run")

    def __call__(self, *arguments: object) -> str:
        """Run it, and return the last line that it prints."""
        return run(self._program, *self._store, *arguments).stdout.rstrip().rpartition("\n")[2]

    def quiet(self, *arguments: object) -> None:
        run(self._program, *self._store, *arguments, check=False)


@contextmanager
def _built() -> Iterator[tuple[_Buildah, str]]:
    """Build the image, wheels from a folder instead of an index, and yield a container of it."""
    base = base_system()
    folder = Path(tempfile.mkdtemp(prefix="syncer-image-"))
    buildah = _Buildah(folder)
    try:
        wheels(folder / "wheels")
        (folder / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")
        scratch = buildah("from", "scratch")
        buildah("add", "--quiet", scratch, base, "/")
        buildah("commit", "--quiet", scratch, "localhost/base:check")
        buildah(
            *("bud", "--quiet", "--isolation", "chroot", "--format", "docker"),
            *("--build-arg", "BASE=localhost/base:check"),
            *("--volume", f"{folder / 'wheels'}:/wheels:ro", "--volume", f"{folder / 'pip.conf'}:/etc/pip.conf:ro"),
            *("--file", DEPLOY / "Dockerfile", "--tag", "localhost/syncer:check", ROOT),
        )
        yield buildah, buildah("from", "localhost/syncer:check")
    finally:
        buildah.quiet("rm", "--all")
        buildah.quiet("rmi", "--all", "--force")
        shutil.rmtree(folder, ignore_errors=True)


@check("image-run", "the image is built on a Debian base; it runs as a user, on a read-only root", quick=False)
def _image() -> None:
    with _built() as (buildah, container):
        described = run(*_inspect(buildah), "localhost/syncer:check").stdout
        config = json.loads(described)["Docker"]["config"]
        expect(config["User"] == f"{_USER}:{_USER}", f"its user is {config['User']}")
        expect(config["Healthcheck"]["Test"][0] == "CMD", "it has no health check")
        expect((config["Entrypoint"], config["Cmd"]) == (["syncer"], ["daemon"]), "it does not run the daemon")
        labels = config["Labels"]
        version = run(SYNCER, "--version").stdout.split()[-1]
        expect(labels["org.opencontainers.image.version"] == version, f"its label says {labels}, syncer is {version}")
        inside = ("run", "--isolation", "chroot", container, "--")
        expect(buildah(*inside, "syncer", "--version") == f"syncer {version}", "it is another version")
        expect(buildah(*inside, "id", "-u") == str(_USER), "it does not run as its user")
        expect("pip" not in buildah(*inside, "ls", "/opt/syncer/bin"), "pip is in the image")
        _run_read_only(Path(buildah("mount", container)))


def _inspect(buildah: _Buildah) -> tuple[object, ...]:
    return (buildah._program, *buildah._store, "inspect", "--type", "image")  # noqa: SLF001 - of this module


def _run_read_only(root: Path) -> None:
    with tempfile.TemporaryDirectory() as data:
        os.chown(data, _USER, _USER)

        def inside(*command: str) -> str:
            namespaces = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
            return run(*namespaces, "sh", "-c", _RUN, "sh", root, data, _USER, *command).stdout

        expect("Read-only file system" in inside("sh", "-c", "touch /opt/syncer/x || true"), "its root can be written")
        demo = inside("syncer", "demo")
        expect(re.search(r"full pull \d+ complete, proven", demo), f"the demo shows no proven pull:\n{demo}")
        doctor = inside("sh", "-c", "syncer doctor || true")
        expect("SYNCER_SECRET_ID" in doctor or "credentials" in doctor, f"the doctor says:\n{doctor}")


beyond(
    "image-registry",
    "the base image and those of the compose file exist in their registries",
    "no container registry is asked: pull them once where they will run",
)
