"""Which servers and children there are, and the end of all of them at once, as a machine that loses power would."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from syncer.postgres.process import postmaster_pid

_PROC = Path("/proc")


def servers(directory: Path) -> list[int]:
    """Return the PostgreSQL servers whose data are anywhere below a directory."""
    # os.walk lets a directory vanish under it, as those of demos do; glob would raise.
    found = (postmaster_pid(Path(home)) for home, _, names in os.walk(directory) if "postmaster.pid" in names)
    return [pid for pid in found if pid is not None]


def kill_with_children(pid: int) -> None:
    """Kill (-9) a process and its children; it is stopped first, so that it can neither help nor replace them."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    for each in (*_children(pid), pid):
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)


def _children(parent: int) -> list[int]:
    found = []
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError):
                stat = (entry / "stat").read_text(errors="replace")
                if int(stat.rpartition(")")[2].split()[1]) == parent:
                    found.append(int(entry.name))
    return found
