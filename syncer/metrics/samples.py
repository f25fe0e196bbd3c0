"""Makes samples of facts: pure, one function for each question that the store answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

from syncer.metrics import catalogue as c
from syncer.metrics.catalogue import Family
from syncer.store.counters import Counter
from syncer.store.metrics import (
    DEATH_SECONDS,
    WITHIN_DAYS,
    AlertCount,
    DeathCount,
    Gone,
    OutboxCount,
    Standing,
    Stock,
)

KINDS = ("full", "recent")
OUTCOMES = ("complete", "unproven", "failed", "stopped")
FATES = ("inserted", "updated", "unchanged", "rejected", "gone", "drifted")
OUTBOX_STATES = ("waiting", "retrying", "parked")
WITHIN = (*(f"{days}d" for days in WITHIN_DAYS), "+Inf")
QUOTA_CODES = frozenset({"4400", "http_429"})
SUCCESS = "0"


class Histogram(NamedTuple):
    """What was counted up to each bound (the last: in all), and the sum of the values."""

    buckets: tuple[tuple[str, float], ...]
    sum: float


class Sample(NamedTuple):
    """One value of a metric under its labels."""

    family: Family
    labels: tuple[str, ...]
    value: float | Histogram


def standings(facts: Iterable[Standing], _: Sequence[str]) -> Iterator[Sample]:
    """Say how each source stands; an instant that is not known has no sample."""
    for each in facts:
        for family, labels, instant in (
            (c.PROVEN, (), each.proven_at),
            (c.KNOWN_UNTIL, (), each.known_until),
            (c.NEXT_PULL, ("full",), each.next_full_at),
            (c.NEXT_PULL, ("recent",), each.next_recent_at),
            (c.FORECAST, (), each.forecast_at),
        ):
            if instant is not None:
                yield Sample(family, (each.source, *labels), instant)
        for kind in KINDS:
            yield Sample(c.RUNNING, (each.source, kind), float(each.running == kind))


def stock(facts: Iterable[Stock], sources: Sequence[str]) -> Iterator[Sample]:
    """Count what is listed: live by the time to expiry, cumulatively, and overdue."""
    overdue = len(WITHIN)
    cells = {source: [(0.0, 0.0)] * (overdue + 1) for source in sources}
    for each in facts:
        cells[each.source][each.bucket] = (each.files, each.bytes)
    for source, counted in cells.items():
        files = bytes_ = 0.0
        for within, (more_files, more_bytes) in zip(WITHIN, counted[:overdue], strict=True):
            files, bytes_ = files + more_files, bytes_ + more_bytes
            yield Sample(c.EXPIRING_FILES, (source, within), files)
            yield Sample(c.EXPIRING_BYTES, (source, within), bytes_)
        for state, (state_files, state_bytes) in (("live", (files, bytes_)), ("overdue", counted[overdue])):
            yield Sample(c.FILES, (source, state), state_files)
            yield Sample(c.BYTES, (source, state), state_bytes)


def gone(facts: Iterable[Gone], sources: Sequence[str]) -> Iterator[Sample]:
    """Count what is no longer listed."""
    found = {(each.source, each.state): (each.files, each.bytes) for each in facts}
    for key in product(sources, ("expired", "vanished")):
        files, bytes_ = found.get(key, (0, 0.0))
        yield Sample(c.FILES, key, files)
        yield Sample(c.BYTES, key, bytes_)


def alerts(facts: Iterable[AlertCount], _: Sequence[str]) -> Iterator[Sample]:
    """Count the alerts that stand; those that do not have no sample."""
    for each in facts:
        yield Sample(c.ALERTS, (each.source, each.rule, each.severity, each.state), each.number)


def outbox(facts: Iterable[OutboxCount], sources: Sequence[str]) -> Iterator[Sample]:
    """Count the messages on their way."""
    found, oldest = dict[tuple[str, str], int](), dict[str, float]()
    for each in facts:
        found[each.source, each.state] = each.number
        oldest[each.source] = min(each.oldest_at, oldest.get(each.source, each.oldest_at))
    for key in product(sources, OUTBOX_STATES):
        yield Sample(c.OUTBOX, key, found.get(key, 0))
    for source, instant in oldest.items():
        yield Sample(c.OUTBOX_OLDEST, (source,), instant)


def deaths(facts: Iterable[DeathCount], _: Sequence[str]) -> Iterator[Sample]:
    """Make a histogram of the ages at which contexts died."""
    cells, seconds = dict[str, list[int]](), dict[str, float]()
    for each in facts:
        cells.setdefault(each.source, [0] * (len(DEATH_SECONDS) + 1))[each.bucket] = each.number
        seconds[each.source] = seconds.get(each.source, 0.0) + each.seconds
    bounds = (*(f"{edge:.1f}" for edge in DEATH_SECONDS), "+Inf")
    for source, counted in cells.items():
        cumulative = tuple((bound, float(sum(counted[: place + 1]))) for place, bound in enumerate(bounds))
        yield Sample(c.DEATH_AGE, (source,), Histogram(cumulative, seconds[source]))


def totals(facts: Iterable[Counter], sources: Sequence[str]) -> Iterator[Sample]:
    """Give every counter; those that can be foreseen begin at zero, so that their first step is seen."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for each in facts:
        found.setdefault(each.name, {})[each.source, each.kind, each.label] = each.value
        if each.name == "pulls" and each.grew_at is not None:
            yield Sample(c.LAST_END, (each.source, each.kind, each.label), each.grew_at)
    pulls = dict.fromkeys(product(sources, KINDS, OUTCOMES), 0.0) | found.get("pulls", {})
    yield from _counters(c.PULLS, pulls)
    rows = dict.fromkeys(product(sources, KINDS, FATES), 0.0) | found.get("rows", {})
    yield from _counters(c.ROWS, rows)
    for name, family in (("pages", c.PAGES), ("restarts", c.RESTARTS)):
        yield from _counters(family, dict.fromkeys(product(sources, KINDS), 0.0) | _short(found.get(name, {}), 2))
    for name, family in (("api_retries", c.API_RETRIES), ("quota_wait_seconds", c.QUOTA_WAIT)):
        yield from _counters(family, dict.fromkeys(((each,) for each in sources), 0.0) | _short(found.get(name, {}), 1))
    yield from _calls(found, sources)


def _calls(found: Mapping[str, Mapping[tuple[str, ...], float]], sources: Sequence[str]) -> Iterator[Sample]:
    """Give the calls by code: what is left of all of them is those that brought a page."""
    pages, refused = dict.fromkeys(sources, 0.0), dict.fromkeys(sources, 0.0)
    for (source, _kind, _label), value in found.get("api_calls", {}).items():
        pages[source] += value
    for (source, _kind, code), value in found.get("api_outcomes", {}).items():
        yield Sample(c.API_CALLS, (source, code), value)
        pages[source] -= value
        refused[source] += value if code in QUOTA_CODES else 0.0
    for source in sources:
        yield Sample(c.API_CALLS, (source, SUCCESS), max(0.0, pages[source]))
        yield Sample(c.QUOTA_REFUSED, (source,), refused[source])


def _counters(family: Family, values: Mapping[tuple[str, ...], float]) -> Iterator[Sample]:
    return (Sample(family, labels, value) for labels, value in values.items())


def _short(values: Mapping[tuple[str, ...], float], labels: int) -> dict[tuple[str, ...], float]:
    """Return the values under the first of their labels alone; the others say nothing here."""
    return {key[:labels]: value for key, value in values.items()}
