"""Tells a living postmaster from its remains: a dead process, a zombie, a number used again by somebody else."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


def is_running(pid: int) -> bool:
    """Tell whether the process exists and is no zombie."""
    if (PROC / "self").exists():
        try:
            status = (PROC / str(pid) / "stat").read_text(errors="replace")
        except OSError:
            return False
        return status.rpartition(")")[2].split()[0] not in ("Z", "X")
    state = _ps(pid, "stat")
    return bool(state) and not state.startswith("Z")


def is_postmaster_of(pid: int, data: Path) -> bool:
    """Tell whether the process is a living server of the data directory `data`.

    A server makes its data directory its working directory; where that cannot be seen, its command line names it.
    """
    if (PROC / "self").exists():
        try:
            return (PROC / str(pid) / "cwd").samefile(data)
        except OSError:
            return False
    return is_running(pid) and f"-D {data} " in _ps(pid, "command") + " "


def _ps(pid: int, column: str) -> str:
    shown = subprocess.run(["/bin/ps", "-ww", "-o", f"{column}=", "-p", str(pid)], capture_output=True, check=False)
    return os.fsdecode(shown.stdout).strip()


def postmaster_pid(data: Path) -> int | None:
    """Return the process number of the living server of `data`, or None."""
    pid = _pid_in(data / "postmaster.pid")
    return pid if pid is not None and is_postmaster_of(pid, data) else None


def drop_stale_locks(data: Path, sockets: Path) -> None:
    """Remove the lock files in `data` and `sockets` that no living server of `data` holds.

    PostgreSQL believes a lock file whose process number exists, a zombie's or a stranger's too.
    """
    for lock in (data / "postmaster.pid", *sockets.glob(".s.PGSQL.*.lock")):
        pid = _pid_in(lock)
        if pid is None or not is_postmaster_of(pid, data):
            lock.unlink(missing_ok=True)


def _pid_in(lock: Path) -> int | None:
    with suppress(FileNotFoundError, ValueError, IndexError):
        return abs(int(lock.read_text(errors="replace").split()[0]))
    return None
