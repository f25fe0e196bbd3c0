"""A reading of a small, unkind database for the report's tests, and a reader of the page that forgives nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser

from syncer.report.data import ReportData, Standing
from syncer.store.report import (
    ChangeFacts,
    ExpiryDay,
    FieldChanges,
    Figures,
    FileFacts,
    Group,
    Groups,
    InventoryDay,
    PullRow,
    RejectedFigures,
    TierFigures,
)
from syncer.store.status import ContextDeaths, PullFacts, Reading, SourceStatus, Tally
from syncer.trust import NEVER, Level, Trust

NOW = datetime(2026, 11, 22, 4, 58, tzinfo=UTC)
TODAY = date(2026, 11, 22)
HOSTILE = (
    "<script>alert('x')</script>",
    "\" onmouseover='x' &amp; </td></table><img src=http://evil.example/x>",
    "\u202egnp.exe\u202c\u200b\x1b[2J\u2028",
    "<!-- " + "x" * 5000 + " -->",
    "{files} %s ${x} {{y}}",
)
FULL = PullFacts(
    pull_id=7,
    kind="full",
    outcome="complete",
    proven=True,
    reason="the listing ended with an empty context",
    error=None,
    started_at=NOW - timedelta(minutes=18),
    finished_at=NOW - timedelta(minutes=6),
    pages=13,
    files=1204,
    inserted=0,
    updated=0,
    gone=0,
    rejected=0,
    restarts=0,
    api_calls=13,
)
STATUS = SourceStatus(
    source="default",
    prefix="",
    tallies={
        "live": Tally(1200, 3_000_000_000_000),
        "overdue": Tally(4, 104_555_222_111),
        "expired": Tally(),
        "vanished": Tally(),
    },
    proven=FULL,
    ended=FULL,
    recent=None,
    known_until=NOW - timedelta(minutes=8),
    unfinished=None,
    lease=None,
    last_run=None,
    deaths=ContextDeaths(0, None),
    quota=None,
)
PROVEN = Standing("default", True, Trust(Level.PROVEN, FULL.started_at, "-"), STATUS)
STALE = replace(PROVEN, name="old", trust=Trust(Level.STALE, NOW - timedelta(days=21), "-"))
UNPROVEN = replace(PROVEN, name="odd", trust=Trust(Level.UNPROVEN, None, "-"), status=replace(STATUS, proven=None))
UNKNOWN = Standing("new", True, NEVER, None)
EMPTY = Figures(
    reading=Reading(NOW, ()),
    today=TODAY,
    tiers=(),
    expiring=(),
    calendar=(),
    daily=(),
    vanished=(),
    vanished_total=Group("", 0, 0),
    changes=(),
    latest_changes=(),
    types=Groups((), 0, 0, 0),
    prefixes=Groups((), 0, 0, 0),
    pulls=(),
    rejected=RejectedFigures(0, 0, None),
)


def _file(name: str | None, *, gone: bool = False) -> FileFacts:
    return FileFacts("default", "4564972818", name, 3_104_555_222_111, NOW + timedelta(days=3), NOW if gone else None)


def _pull(number: int, outcome: str, verdict: str, reason: str | None) -> PullRow:
    ended = None if outcome == "running" else NOW
    return PullRow("default", number, "full", outcome, verdict, reason, None, NOW, ended, 13, 1204, 1, 2, 3, 4, 5)


def _day(ago: int, *, pulled: bool = True) -> InventoryDay:
    stock = (1000 + ago, 2_000_000_000_000 + ago * 10**10) if pulled else (None, None)
    return InventoryDay("default", TODAY - timedelta(days=ago), *stock, 1, 2, 3, 4, 5, pulled, pulled)


FULL_FIGURES = replace(
    EMPTY,
    tiers=(TierFigures("7d", 1204, 3_104_555_222_111, NOW + timedelta(hours=3)),),
    expiring=tuple(_file(name) for name in (*HOSTILE, None)),
    calendar=(
        ExpiryDay(TODAY, 3, 10**9),
        ExpiryDay(TODAY + timedelta(days=3), 1204, 3_104_555_222_111),
        ExpiryDay(TODAY + timedelta(days=40), 1, 0),
        ExpiryDay(None, 9, 5),
    ),
    daily=(_day(4), _day(3), _day(2, pulled=False), _day(1, pulled=False), _day(0)),
    vanished=tuple(_file(name, gone=True) for name in HOSTILE),
    vanished_total=Group("", 1204, 3_104_555_222_111),
    changes=(FieldChanges("name", 12, NOW),),
    latest_changes=tuple(ChangeFacts("default", NOW, "1", "name", name, None) for name in HOSTILE),
    types=Groups((Group("mp4", 3, 75), Group("", 1, 25)), 2, 4, 100),
    prefixes=Groups(tuple(Group(name, 1, 10) for name in HOSTILE), 9, 20, 100),
    pulls=(
        _pull(3, "running", "partial", None),
        _pull(2, "unproven", "unproven", HOSTILE[0]),
        _pull(1, "complete", "proven", "ok"),
    ),
    rejected=RejectedFigures(12, 3, NOW),
)


def report(*standings: Standing, figures: Figures = FULL_FIGURES, source: str | None = None) -> ReportData:
    return ReportData(source, standings, figures)


class Page(HTMLParser):
    """Reads a page: every tag must be closed in its order, every attribute named once."""

    VOID = frozenset({"meta"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.trail: list[tuple[str, int]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        assert len(named) == len(attrs), attrs
        self.tags.append((tag, named))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, self.getpos()

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def attributes(self, name: str) -> list[str]:
        return [value for _, named in self.tags for key, value in named.items() if key == name and value is not None]

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [named for each, named in self.tags if each == tag]
