"""What a report shows: the figures of the database, and how far each source can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from syncer.store.report import Figures
from syncer.store.status import Reading, SourceStatus
from syncer.trust import NEVER, Trust, judge


@dataclass(frozen=True, slots=True)
class Standing:
    """How one source stands; `status` is None when the database does not know it yet."""

    name: str
    configured: bool
    trust: Trust
    status: SourceStatus | None


def stand(
    reading: Reading, schedules: Mapping[str, Callable[[datetime], datetime]], only: str | None = None
) -> tuple[Standing, ...]:
    """Judge the sources of the settings first, then those that only the database knows; or one of them.

    `schedules` tell of each source in the settings when its next full pull is due after an instant.
    """
    known = {each.source: each for each in reading.sources}
    names = [name for name in dict.fromkeys([*schedules, *known]) if only in (None, name)]
    return tuple(_standing(name, known.get(name), schedules.get(name), reading.instant) for name in names)


def _standing(
    name: str, status: SourceStatus | None, next_due: Callable[[datetime], datetime] | None, now: datetime
) -> Standing:
    trust = NEVER if status is None else judge(status, now=now, next_due=next_due, shown=datetime.isoformat)
    return Standing(name, next_due is not None, trust, status)


@dataclass(frozen=True, slots=True)
class ReportData:
    """All of it. `source` is the one that was asked for, None for all."""

    source: str | None
    standings: tuple[Standing, ...]
    figures: Figures

    @property
    def several(self) -> bool:
        """Whether rows must say which source they belong to."""
        return len(self.standings) > 1
