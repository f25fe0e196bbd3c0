"""What a check has found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from syncer.errors import Stopped, SyncerError


class Level(StrEnum):
    """`warning`: it works, but not as it should; `failed`: it cannot work."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what was found, and what to do about it (empty when nothing is).

    `source` is None for what all sources share. `exit_code` is the process's exit status when this is the first
    check that failed.
    """

    name: str
    level: Level
    found: str
    advice: str = ""
    source: str | None = None
    exit_code: int = 0


def ok(name: str, found: str, *, source: str | None = None) -> Check:
    """Return a check that found nothing wrong."""
    return Check(name, Level.OK, found, source=source)


def warning(name: str, found: str, advice: str, *, source: str | None = None) -> Check:
    """Return a check that found something to look at."""
    return Check(name, Level.WARNING, found, advice, source=source)


def failed(
    name: str, why: SyncerError | type[SyncerError], found: str = "", advice: str = "", *, source: str | None = None
) -> Check:
    """Return a check that failed for `why`, whose exit code it takes, and whose sentence unless `found` is given."""
    return Check(name, Level.FAILED, found or str(why), advice, source=source, exit_code=why.exit_code)


def guarded(name: str, make: Callable[[], Iterable[Check]], *, source: str | None = None) -> Iterator[Check]:
    """Yield what `make` finds; that it fails is the finding then, and the other checks go on. Raises Stopped."""
    try:
        yield from make()
    except Stopped:
        raise
    except SyncerError as error:
        yield failed(name, error, source=source)
