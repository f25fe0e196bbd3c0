"""A real systemd in a folder: boots a Debian root in namespaces of its own, and runs commands in it. Needs root."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from checks.outcome import Failed, Skipped, run

PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-venv,ca-certificates"
MIRROR = "http://deb.debian.org/debian"
_INIT = """
set -e
mount --make-rprivate /; mount --bind "$1" "$1"; cd "$1"
mount -t proc proc proc; mount -t sysfs -o ro sysfs sys 2>/dev/null || mount --rbind /sys sys
mount -t tmpfs tmpfs run; mount -t tmpfs tmpfs tmp; mount -t tmpfs -o mode=755 tmpfs dev
for d in null zero full random urandom tty; do touch dev/$d; mount --bind /dev/$d dev/$d; done
ln -s /proc/self/fd dev/fd; mkdir -p -m 1777 dev/pts dev/shm
mount -t cgroup2 cgroup2 sys/fs/cgroup
ip link set lo up 2>/dev/null || true
mkdir -p old; pivot_root . old; umount -l /old || true; mount --make-rshared /
exec /usr/bin/env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin \\
  /lib/systemd/systemd --log-target=console </dev/null
"""


def cache() -> Path:
    """Return the folder where the base system is kept from run to run."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "syncer-deploy-check"


def base_system() -> Path:
    """Return a minimal Debian with systemd and python3, made once by debootstrap. It is never changed."""
    if os.geteuid() != 0:
        raise Skipped("it needs root")
    if shutil.which("debootstrap") is None:
        raise Skipped("debootstrap is not installed (apt-get install debootstrap)")
    root = cache() / "bookworm"
    if not root.exists():
        cache().mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=cache(), prefix="making-"))
        made = run(
            "debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", unfinished, MIRROR, check=False
        )
        if made.returncode:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise Skipped(f"debootstrap failed, perhaps no mirror can be reached: {made.stdout.splitlines()[-1:]}")
        unfinished.chmod(0o755)
        unfinished.rename(root)
    return root


class Box:
    """A copy of the base system under its own systemd, for the length of a `with` block."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="syncer-box-"))
        self.root = self._folder / "root"
        self._groups = self._folder / "cgroup"
        self._unshare: subprocess.Popen[bytes] | None = None
        self._systemd = 0
        run("cp", "-a", "--reflink=auto", base_system(), self.root)

    def __enter__(self) -> Self:
        return self

    def before_boot(self, script: str) -> None:
        """Run a shell script in the root, without systemd."""
        run("chroot", self.root, "/bin/sh", "-c", script)

    def boot(self) -> None:
        """Start systemd and wait until it takes commands."""
        self._groups.mkdir()
        run("mount", "-t", "cgroup2", "cgroup2", self._groups)
        self._own_group.mkdir()
        with (self._folder / "console.log").open("wb") as console:
            self._unshare = subprocess.Popen(
                [
                    "/bin/sh",
                    "-c",
                    'echo $$ >"$1/cgroup.procs"; shift; exec "$@"',
                    "sh",
                    self._own_group,
                    *("unshare", "--cgroup", "--pid", "--mount", "--uts", "--ipc", "--net", "--fork", "--kill-child"),
                    *("/bin/bash", "-c", _INIT, "bash", self.root),
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            children = Path(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children")
            found = children.read_text().split() if children.exists() else []
            if found:
                self._systemd = int(found[0])
                state = self("systemctl", "is-system-running", check=False).stdout
                if state.startswith(("running", "degraded")):
                    return
            time.sleep(0.5)
        raise Failed(f"systemd did not boot:\n{self.console()[-2000:]}")

    def __call__(self, *command: str, check: bool = True, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command inside."""
        return run("nsenter", "-t", self._systemd, "-a", "-r", "-w", *command, check=check, seconds=seconds)

    def console(self) -> str:
        """Return what systemd said."""
        return (self._folder / "console.log").read_text(errors="replace")

    def show(self, unit: str, name: str) -> str:
        """Return a property of a unit."""
        return self("systemctl", "show", "--value", "--property", name, unit).stdout.strip()

    @property
    def _own_group(self) -> Path:
        return self._groups / f"syncer-box-{os.getpid()}"

    def __exit__(self, *_: object) -> None:
        if self._unshare is not None:
            if self._systemd:
                os.kill(self._systemd, signal.SIGKILL)  # the first process of its namespace: all others end with it
            self._unshare.kill()
            self._unshare.wait()
        if self._groups.is_mount():
            for group in sorted(self._own_group.glob("**/"), key=lambda path: len(path.parts), reverse=True):
                _remove_group(group)
            run("umount", self._groups, check=False)
        shutil.rmtree(self._folder, ignore_errors=True)


def _remove_group(group: Path) -> None:
    for _ in range(50):
        try:
            group.rmdir()
        except OSError:
            time.sleep(0.1)
        else:
            return
