"""Every field of every state that the machine returns, and every word that people are told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from syncer.model import BackupFile, ContextLost, EndOfListing, Order, Page, PullKind
from syncer.pull import machine
from syncer.pull.machine import GiveUp, PageTimes, Phase, PullState, Reading

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def at(minute: int) -> datetime:
    return NOON + timedelta(minutes=minute)


def page(*minutes: int, context: str | None = "next") -> Page:
    files = tuple(BackupFile(f"{number}-{minute}", created_at=at(minute)) for number, minute in enumerate(minutes))
    return Page(files, (), len(files), context)


FULL = PullState(PullKind.FULL)
# A state whose every field differs from its default, so that each one that should be reset is seen to be.
BUSY = PullState(
    PullKind.FULL,
    generation=4,
    page=7,
    context="here",
    farthest=5,
    fruitless=2,
    asked_before=1,
    oldest=at(10),
    newest=at(20),
    reading=Reading(first=at(19), last=at(10), ordered=True),
)


def test_a_page_without_dates_has_no_bounds_and_breaks_no_order() -> None:
    assert machine.page_times(page()) == PageTimes(None, None, ascending=True, descending=True)


def test_files_of_one_second_stand_in_either_order() -> None:
    assert machine.page_times(page(5, 5)) == PageTimes(at(5), at(5), ascending=True, descending=True)


def test_a_page_moves_the_bounds_outwards_and_forgets_that_its_context_was_asked_for() -> None:
    after = machine.on_page(BUSY, page(10, 9), seen_before=False)
    reading = Reading(first=at(19), last=at(9), ordered=True)
    assert after == replace(BUSY, page=8, context="next", asked_before=0, oldest=at(9), reading=reading)
    inside = machine.on_page(BUSY, page(25, 12), seen_before=False)
    reading = Reading(first=at(19), last=at(12), ordered=False)
    assert inside == replace(BUSY, page=8, context="next", asked_before=0, newest=at(25), reading=reading)


def test_a_tail_s_page_leaves_the_listing_s_bounds_alone() -> None:
    tail = replace(BUSY, phase=Phase.TAIL, reading=None)
    after = machine.on_page(tail, page(1, 2), seen_before=False)
    reading = Reading(first=at(1), last=at(2), ordered=True)
    assert after == replace(tail, page=8, context="next", asked_before=0, reading=reading)


@pytest.mark.parametrize(
    ("order", "minutes", "ordered"),
    [
        (Order.NEWEST_FIRST, (10, 9), True),  # the same time on both sides of the seam
        (Order.NEWEST_FIRST, (11, 9), False),
        (Order.OLDEST_FIRST, (10, 11), True),
        (Order.OLDEST_FIRST, (9, 11), False),
    ],
)
def test_the_order_is_followed_over_the_seam_of_two_pages(
    order: Order, minutes: tuple[int, int], *, ordered: bool
) -> None:
    phase = Phase.TAIL if order is Order.OLDEST_FIRST else Phase.LISTING
    state = replace(FULL, phase=phase, reading=Reading(first=at(10), last=at(10), ordered=True))
    after = machine.on_page(state, page(*minutes), seen_before=False)
    assert isinstance(after, PullState)
    assert after.reading == Reading(first=at(10), last=at(minutes[1]), ordered=ordered)


def test_a_circle_ends_the_listing_with_a_sentence() -> None:
    after = machine.on_page(BUSY, page(9), seen_before=True)
    anew = PullState(PullKind.FULL, generation=5, farthest=7, fruitless=0)
    assert after == GiveUp(
        anew,
        "The API gave the same context again after page 8: its listing runs in a circle. The pages so far are stored; "
        "the next run lists anew. If it persists, report it to the API's support.",
    )


def test_the_last_page_of_a_tail_proves_nothing_by_itself() -> None:
    tail = replace(BUSY, phase=Phase.TAIL)
    after = machine.on_page(tail, page(9, context=None), seen_before=False)
    assert (after.phase, after.proven, after.reason) == (Phase.TAIL, tail.proven, tail.reason)
    assert (after.oldest, after.newest) == (tail.oldest, tail.newest)


def test_a_circle_of_the_tail_leaves_the_pull_unproven() -> None:
    tail = replace(BUSY, phase=Phase.TAIL, proven=True)
    assert machine.on_page(tail, page(9, context="here"), seen_before=False) == replace(
        tail,
        phase=Phase.DONE,
        page=8,
        context=None,
        proven=False,
        reason="the listing from the other end, read to prove this one's end, runs in a circle",
    )


@pytest.mark.parametrize(("kind", "phase"), [(PullKind.FULL, Phase.SWEEP), (PullKind.RECENT, Phase.DONE)])
def test_an_empty_context_ends_a_listing(kind: PullKind, phase: Phase) -> None:
    after = machine.on_page(replace(BUSY, kind=kind), page(10, 9, context=None), seen_before=False)
    assert isinstance(after, PullState)
    assert (after.phase, after.proven, after.context) == (phase, True, None)
    assert after.reason == "the listing ended with an empty context after page 8"


@pytest.mark.parametrize(("first", "proven"), [(10, True), (9, True), (11, False)])
def test_a_tail_meets_the_listing(first: int, *, proven: bool) -> None:
    """Its own beginning must be no newer than the oldest file that was listed."""
    tail = replace(BUSY, phase=Phase.TAIL, reading=Reading(first=at(first), last=at(11), ordered=True))
    after = machine.on_tail_page(tail, page(11), met=True)
    told = "the reply to the last page was lost, and a listing from the other end met what was listed"
    assert after == (replace(tail, phase=Phase.SWEEP, context=None, proven=True, reason=told) if proven else tail)


def test_a_tail_that_was_read_whole_is_proof() -> None:
    tail = replace(BUSY, phase=Phase.TAIL)
    after = machine.on_tail_page(tail, page(1, context=None), met=False)
    told = "the reply to the last page was lost, and a listing from the other end was read whole"
    assert after == replace(tail, phase=Phase.SWEEP, context=None, proven=True, reason=told)


@pytest.mark.parametrize(("minutes", "done"), [((9,), True), ((9, 8), True), ((10,), False)])
def test_a_recent_pull_stops_where_nothing_is_new(minutes: tuple[int, ...], *, done: bool) -> None:
    recent = replace(BUSY, kind=PullKind.RECENT)
    after = machine.on_recent_page(recent, page(*minutes), known=len(minutes), boundary=at(10))
    told = "page 7 held nothing new and is older than the last finished pull"
    assert after == (replace(recent, phase=Phase.DONE, context=None, proven=True, reason=told) if done else recent)


def test_a_sure_end() -> None:
    state = replace(BUSY, asked_before=0)
    told = "the API said that the listing was complete (70008) after page 7"
    assert machine.on_end(state, EndOfListing(ambiguous=False)) == replace(
        state, phase=Phase.SWEEP, context=None, proven=True, reason=told
    )


@pytest.mark.parametrize("ambiguous", [True, False])
def test_an_end_that_may_hide_a_page(ambiguous: bool) -> None:
    end = EndOfListing(ambiguous=ambiguous)
    assert machine.on_end(BUSY, end) == replace(
        BUSY, phase=Phase.TAIL, page=0, context=None, asked_before=0, reading=None, fruitless=0
    )
    recent = replace(BUSY, kind=PullKind.RECENT, proven=True)
    told = "the listing ended (70008) after a reply that may have been lost"
    assert machine.on_end(recent, end) == replace(recent, phase=Phase.DONE, context=None, proven=False, reason=told)
    tail = replace(BUSY, phase=Phase.TAIL, proven=True)
    told = "replies may have been lost at both ends of the listing (70008), so a page may be missing"
    assert machine.on_end(tail, end) == replace(tail, phase=Phase.DONE, context=None, proven=False, reason=told)


def test_a_lost_context_begins_the_next_listing_with_nothing_but_what_was_reached() -> None:
    anew = PullState(PullKind.FULL, generation=5, farthest=7, fruitless=0)
    assert machine.on_lost(BUSY, ContextLost(70005, "gone")) == anew
    assert machine.on_lost(replace(BUSY, farthest=7, fruitless=0), ContextLost(70005, "gone")) == replace(
        anew, fruitless=1
    )


def test_listings_that_get_no_further_are_given_up_with_a_sentence() -> None:
    after = machine.on_lost(replace(BUSY, farthest=9), ContextLost(70006, "misused"))
    assert after == GiveUp(
        PullState(PullKind.FULL, generation=5, farthest=9, fruitless=3),
        "The API refused the context (70006 misused) in 3 listings in a row, none of which got further than page 9: "
        "contexts do not live long enough to read the listing. What was listed is stored; the next run tries again. "
        "A narrower SYNCER_PREFIX makes listings shorter.",
    )


def test_a_tail_whose_contexts_die_is_read_anew_and_then_given_up() -> None:
    tail = replace(BUSY, phase=Phase.TAIL, fruitless=1)
    assert machine.on_lost(tail, ContextLost(70005, "gone")) == replace(tail, context=None, reading=None, fruitless=2)
    last = replace(tail, fruitless=2)
    told = "contexts kept dying (70005) while the end was being proven"
    assert machine.on_lost(last, ContextLost(70005, "gone")) == replace(
        last, phase=Phase.DONE, context=None, proven=False, reason=told
    )


def test_a_resumed_listing_was_asked_before_and_a_resumed_tail_begins_anew() -> None:
    assert machine.resumed(replace(BUSY, asked_before=0)) == replace(BUSY, asked_before=2, fruitless=0)
    tail = replace(BUSY, phase=Phase.TAIL)
    assert machine.resumed(tail) == replace(tail, context=None, reading=None, fruitless=0)
