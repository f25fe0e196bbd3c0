"""What facts become as samples: cumulative buckets, zeros that can be foreseen, nothing below zero."""

from __future__ import annotations

from syncer.metrics import catalogue, samples
from syncer.metrics.catalogue import FAMILIES, Family
from syncer.metrics.exposition import render
from syncer.metrics.samples import Histogram, Sample
from syncer.store.counters import Counter
from syncer.store.metrics import DeathCount, OutboxCount, Standing, Stock


def values(found: list[Sample], family: Family) -> dict[tuple[str, ...], float | Histogram]:
    return {sample.labels: sample.value for sample in found if sample.family is family}


def test_stock_is_counted_cumulatively_by_time_to_expiry() -> None:
    facts = [Stock("a", -1, 2, 20.0), Stock("a", 0, 1, 10.0), Stock("a", 2, 3, 30.0), Stock("a", 5, 4, 40.0)]
    found = list(samples.stock(facts, ["a", "b"]))
    files = values(found, catalogue.EXPIRING_FILES)
    assert [files["a", within] for within in ("1d", "3d", "7d", "14d", "30d", "+Inf")] == [1, 1, 4, 4, 4, 8]
    assert values(found, catalogue.EXPIRING_BYTES)["a", "+Inf"] == 80
    assert values(found, catalogue.FILES)["a", "live"] == 8
    assert values(found, catalogue.FILES)["a", "overdue"] == 2
    assert values(found, catalogue.FILES)["b", "live"] == files["b", "+Inf"] == 0


def test_an_instant_that_nobody_knows_has_no_sample() -> None:
    found = list(samples.standings([Standing("a", None, 5.0, None, 7.0, "recent", None)], ["a"]))
    assert not values(found, catalogue.PROVEN)
    assert values(found, catalogue.KNOWN_UNTIL) == {("a",): 5.0}
    assert values(found, catalogue.NEXT_PULL) == {("a", "recent"): 7.0}
    assert values(found, catalogue.RUNNING) == {("a", "full"): 0, ("a", "recent"): 1}


def test_calls_without_another_outcome_brought_a_page() -> None:
    facts = [
        Counter("a", "api_calls", "full", "", 10),
        Counter("a", "api_calls", "lookup", "", 2),
        Counter("a", "api_outcomes", "", "4400", 3),
        Counter("a", "api_outcomes", "", "http_429", 1),
    ]
    found = list(samples.totals(facts, ["a"]))
    assert values(found, catalogue.API_CALLS) == {("a", "0"): 8, ("a", "4400"): 3, ("a", "http_429"): 1}
    assert values(found, catalogue.QUOTA_REFUSED) == {("a",): 4}


def test_counters_that_can_be_foreseen_begin_at_zero() -> None:
    found = list(samples.totals([Counter("a", "pulls", "full", "abandoned", 1, 9.0)], ["a"]))
    pulls = values(found, catalogue.PULLS)
    assert (pulls["a", "full", "failed"], pulls["a", "full", "abandoned"]) == (0, 1)
    assert values(found, catalogue.LAST_END) == {("a", "full", "abandoned"): 9.0}
    assert values(found, catalogue.ROWS)["a", "recent", "inserted"] == 0
    assert values(found, catalogue.API_CALLS) == {("a", "0"): 0}
    assert {sample.family for sample in found} >= {
        catalogue.PAGES,
        catalogue.RESTARTS,
        catalogue.API_RETRIES,
        catalogue.QUOTA_WAIT,
        catalogue.QUOTA_REFUSED,
    }


def test_the_oldest_message_counts_whatever_its_state() -> None:
    found = list(samples.outbox([OutboxCount("a", "waiting", 2, 50.0), OutboxCount("a", "parked", 1, 40.0)], ["a"]))
    assert values(found, catalogue.OUTBOX) == {("a", "waiting"): 2, ("a", "retrying"): 0, ("a", "parked"): 1}
    assert values(found, catalogue.OUTBOX_OLDEST) == {("a",): 40.0}


def test_ages_at_death_are_a_histogram() -> None:
    (sample,) = samples.deaths([DeathCount("a", 0, 2, 60.0), DeathCount("a", 8, 1, 90_000.0)], ["a"])
    assert isinstance(sample.value, Histogram)
    assert sample.value.buckets[0] == ("60.0", 2)
    assert sample.value.buckets[-2:] == (("86400.0", 2), ("+Inf", 3))
    assert sample.value.sum == 90_060


def test_odd_names_are_escaped() -> None:
    text, content_type = render([Sample(catalogue.KNOWN_UNTIL, ('a"b\\c\nd',), float("inf"))])
    assert 'syncer_known_until_timestamp_seconds{source="a\\"b\\\\c\\nd"} +Inf\n' in text.decode()
    assert content_type.startswith("text/plain; version=0.0.4")


def test_names_are_as_prometheus_wants_them() -> None:
    assert len({family.name for family in FAMILIES}) == len(FAMILIES) > 25
    for family in FAMILIES:
        assert family.name.startswith("syncer_")
        assert family.name.endswith("_total") == (family.type == "counter")
        assert not set(family.labels) & {"file_id", "name", "url", "pull_id"}, "a series a file would be no metric"
        assert family.help.endswith(".")
