"""What a report shows: the figures of the database, and how far each source can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

from syncer.store.report import Figures
from syncer.store.status import SourceStatus
from syncer.trust import Trust


@dataclass(frozen=True, slots=True)
class Standing:
    """How one source stands; `status` is None when the database does not know it yet."""

    name: str
    configured: bool
    trust: Trust
    status: SourceStatus | None


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
