"""File locks that the kernel releases when their holder dies, however it dies."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from syncer.errors import DatabaseUnavailable

_POLL = 0.02


def open_own(path: Path) -> int:
    """Open `path` for appending, made for the owner of its directory if it is new; return the descriptor.

    No symbolic link is followed, for root may do this in a directory of another user.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    with suppress(FileExistsError):
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
        owner = path.parent.stat()
        if owner.st_uid != os.geteuid():
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        return descriptor
    return os.open(path, flags)


@contextmanager
def exclusive(path: Path, seconds: float) -> Iterator[None]:
    """Hold the lock file `path` alone; DatabaseUnavailable if another process keeps it for `seconds`."""
    descriptor = open_own(path)
    try:
        deadline = time.monotonic() + seconds
        while not try_lock(descriptor, shared=False):
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(
                    f"Another process has been starting or stopping PostgreSQL for {seconds:g} s: it holds {path}. "
                    "Look for a stopped or hanging syncer process, end it, and try again."
                )
            time.sleep(_POLL)
        yield
    finally:
        os.close(descriptor)


def try_lock(descriptor: int, *, shared: bool) -> bool:
    """Take the lock of an open file if it is to be had at once; a lock already held is changed to this kind."""
    import fcntl  # POSIX alone has it

    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
