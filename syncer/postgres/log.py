"""The server's log file: kept small, and quoted when the server fails."""

from __future__ import annotations

import shutil
from pathlib import Path

_LARGEST = 10 * 2**20  # bytes
_QUOTED_LINES = 10


def rotate(log: Path) -> None:
    """Put a log of more than 10 MiB aside, in place of the one put aside before."""
    if size(log) > _LARGEST:
        log.replace(log.with_name(f"{log.name}.1"))


def size(log: Path) -> int:
    """Return the log's size in bytes, 0 if there is none."""
    return log.stat().st_size if log.exists() else 0


def tail(log: Path, beginning: int = 0) -> str:
    """Return the last lines of what was written after the byte `beginning`."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(beginning, size(log) - 4096))
        return last_lines(file.read().decode(errors="replace"))


def last_lines(text: str) -> str:
    """Return as much of the end as fits into an error's message."""
    return "\n".join(text.strip().splitlines()[-_QUOTED_LINES:])


def room_left(directory: Path) -> str:
    """Say how much room the directory's file system has left: a full one leaves no other trace."""
    return f"{shutil.disk_usage(directory).free / 2**20:.0f} MiB free now"


def explain_failure(what: str, said: str, directory: Path) -> str:
    """Say what PostgreSQL failed to do in `directory`, quote what it `said`, and what the operator can do."""
    quoted = f"It said:\n{said}" if said else "It said nothing."
    return (
        f"The embedded PostgreSQL in {directory} {what} ({room_left(directory)}). {quoted}\n"
        "Mend what is named there and try again, or set SYNCER_DATA_DIR to another directory, or "
        "SYNCER_DATABASE_URL to another database."
    )
