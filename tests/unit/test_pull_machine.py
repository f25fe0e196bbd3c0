"""The machine's decisions, example by example, and the property that matters: proven means that nothing is missing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncer.model import BackupFile, ContextLost, EndOfListing, Order, Page, PullKind, RejectedEntry
from syncer.pull import machine
from syncer.pull.machine import FRUITLESS_LISTINGS, GiveUp, Phase, PullState, Reading

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def file(number: int, *, minute: int | None = None) -> BackupFile:
    return BackupFile(str(number), created_at=NOON + timedelta(minutes=number if minute is None else minute))


def page(*files: BackupFile, context: str | None = "next", rejected: tuple[RejectedEntry, ...] = ()) -> Page:
    return Page(files, rejected, entries=len(files) + len(rejected), context=context)


FULL = PullState(PullKind.FULL)
RECENT = PullState(PullKind.RECENT)


def state_after(result: PullState | GiveUp) -> PullState:
    assert isinstance(result, PullState)
    return result


class TestFullPull:
    def test_lists_newest_first_and_proves_its_end_from_the_oldest(self) -> None:
        assert FULL.order is Order.NEWEST_FIRST
        assert replace(FULL, phase=Phase.TAIL).order is Order.OLDEST_FIRST

    def test_goes_on_with_the_context_of_the_page(self) -> None:
        after = state_after(machine.on_page(FULL, page(file(2), file(1)), seen_before=False))
        assert (after.phase, after.page, after.context) == (Phase.LISTING, 1, "next")

    def test_an_empty_page_with_a_context_is_not_the_end(self) -> None:
        after = state_after(machine.on_page(FULL, page(), seen_before=False))
        assert after.phase is Phase.LISTING
        assert not after.proven

    def test_an_empty_context_proves_the_end(self) -> None:
        after = state_after(machine.on_page(FULL, page(file(1), context=None), seen_before=False))
        assert (after.phase, after.proven) == (Phase.SWEEP, True)

    def test_70008_proves_the_end_when_its_context_was_sent_once(self) -> None:
        after = machine.on_end(replace(FULL, page=3, context="c"), EndOfListing(ambiguous=False))
        assert (after.phase, after.proven) == (Phase.SWEEP, True)

    def test_70008_after_a_reply_that_may_be_lost_asks_for_proof_from_the_other_end(self) -> None:
        after = machine.on_end(replace(FULL, page=3, context="c"), EndOfListing(ambiguous=True))
        assert (after.phase, after.context, after.proven) == (Phase.TAIL, None, False)

    def test_70008_to_a_resumed_context_is_ambiguous_for_the_run_that_died_may_have_had_the_page(self) -> None:
        resumed = machine.resumed(replace(FULL, page=3, context="c"))
        assert machine.on_end(resumed, EndOfListing(ambiguous=False)).phase is Phase.TAIL

    def test_two_pages_received_after_a_resume_end_the_doubt(self) -> None:
        state = machine.resumed(replace(FULL, page=3, context="c"))
        for number, context in enumerate(("d", "e", None)):
            assert machine.on_end(state, EndOfListing(ambiguous=False)).proven == (number == 2), number
            state = state_after(machine.on_page(state, page(file(number), context=context), seen_before=False))

    @pytest.mark.parametrize("seen", [True, False])
    def test_a_context_given_out_before_gives_up_and_begins_anew_next_time(self, seen: bool) -> None:
        state = replace(FULL, page=4, context="again")
        result = machine.on_page(state, page(file(1), context="again"), seen_before=seen)
        assert isinstance(result, GiveUp)
        assert (result.state.generation, result.state.context, result.state.page) == (2, None, 0)


class TestLostContext:
    LOST = ContextLost(70005, "context invalid")

    def test_begins_the_next_generation(self) -> None:
        after = state_after(machine.on_lost(replace(FULL, page=5, context="c", oldest=NOON), self.LOST))
        assert (after.generation, after.page, after.context, after.farthest) == (2, 0, None, 5)
        assert after.oldest is None

    def test_never_gives_up_while_each_listing_gets_further(self) -> None:
        state = FULL
        for reached in range(1, 50):
            state = state_after(machine.on_lost(replace(state, page=reached), self.LOST))
        assert (state.generation, state.fruitless) == (50, 0)

    def test_gives_up_after_three_listings_in_a_row_that_got_no_further(self) -> None:
        state = state_after(machine.on_lost(replace(FULL, page=5), self.LOST))
        for _ in range(FRUITLESS_LISTINGS - 1):
            state = state_after(machine.on_lost(replace(state, page=5), self.LOST))
        assert isinstance(machine.on_lost(replace(state, page=5), self.LOST), GiveUp)

    def test_gives_up_when_not_even_a_first_page_comes(self) -> None:
        state = FULL
        for _ in range(FRUITLESS_LISTINGS - 1):
            state = state_after(machine.on_lost(state, self.LOST))
        assert isinstance(machine.on_lost(state, self.LOST), GiveUp)

    def test_a_listing_that_got_further_earns_new_patience(self) -> None:
        state = state_after(machine.on_lost(replace(FULL, page=5), self.LOST))
        state = state_after(machine.on_lost(replace(state, page=5), self.LOST))
        state = state_after(machine.on_lost(replace(state, page=6), self.LOST))
        assert state.fruitless == 0

    def test_ends_the_proof_of_the_end_as_unproven_after_three_times(self) -> None:
        state = replace(FULL, phase=Phase.TAIL, oldest=NOON)
        for _ in range(FRUITLESS_LISTINGS):
            assert state.phase is Phase.TAIL
            state = state_after(machine.on_lost(state, self.LOST))
        assert (state.phase, state.proven) == (Phase.DONE, False)


class TestTail:
    STATE = replace(FULL, phase=Phase.TAIL, oldest=NOON + timedelta(minutes=10))

    def read(self, *pages: tuple[Page, bool]) -> PullState:
        state = self.STATE
        for each, met in pages:
            state = machine.on_tail_page(state_after(machine.on_page(state, each, seen_before=False)), each, met=met)
        return state

    def test_is_proven_where_it_meets_what_was_listed_beyond_equal_times(self) -> None:
        assert self.read((page(file(9), file(10), file(11)), True)).proven

    def test_goes_on_while_the_newest_time_is_only_equal_to_the_oldest_listed(self) -> None:
        state = self.read((page(file(9), file(10)), True))
        assert (state.phase, state.proven) == (Phase.TAIL, False)

    def test_goes_on_while_no_listed_id_was_met(self) -> None:
        assert not self.read((page(file(9), file(11)), False)).proven

    def test_is_proven_by_its_own_end(self) -> None:
        assert self.read((page(file(8), file(9), context=None), False)).proven

    def test_proves_nothing_where_the_server_ignores_the_order(self) -> None:
        newest_first = page(file(30), file(20), file(11))
        assert not self.read((newest_first, True)).proven

    def test_proves_nothing_where_a_page_is_out_of_order(self) -> None:
        assert not self.read((page(file(11), file(5)), True)).proven

    def test_proves_nothing_where_it_did_not_begin_before_what_was_listed(self) -> None:
        assert not self.read((page(file(30)), True)).proven

    def test_ends_unproven_at_an_ambiguous_end(self) -> None:
        after = machine.on_end(self.STATE, EndOfListing(ambiguous=True))
        assert (after.phase, after.proven) == (Phase.DONE, False)

    def test_ends_unproven_in_a_circle(self) -> None:
        after = state_after(machine.on_page(self.STATE, page(file(1)), seen_before=True))
        assert (after.phase, after.proven, after.page) == (Phase.DONE, False, 1)


class TestRecent:
    BOUNDARY = NOON + timedelta(minutes=10)

    def read(self, each: Page, *, known: int, boundary: datetime | None = BOUNDARY) -> PullState:
        state = state_after(machine.on_page(RECENT, each, seen_before=False))
        return machine.on_recent_page(state, each, known=known, boundary=boundary)

    def test_stops_at_a_page_of_known_files_older_than_the_last_finished_pull(self) -> None:
        assert self.read(page(file(9), file(8)), known=2).proven

    def test_goes_on_while_one_file_is_not_known(self) -> None:
        assert not self.read(page(file(9), file(8)), known=1).proven

    def test_goes_on_while_the_page_is_not_older_than_the_boundary(self) -> None:
        assert not self.read(page(file(12), file(10)), known=2).proven

    def test_goes_on_to_the_end_before_any_full_pull(self) -> None:
        assert not self.read(page(file(9), file(8)), known=2, boundary=None).proven

    def test_goes_on_after_an_empty_page(self) -> None:
        assert not self.read(page(), known=0).proven

    def test_goes_on_over_an_entry_without_a_readable_id(self) -> None:
        odd = RejectedEntry(0, "no file id", "{}")
        assert not self.read(page(file(9), rejected=(odd,)), known=1).proven

    def test_goes_on_where_the_server_ignores_the_order(self) -> None:
        assert not self.read(page(file(1), file(9)), known=2).proven

    def test_an_ambiguous_end_is_unproven(self) -> None:
        after = machine.on_end(replace(RECENT, page=2, context="c"), EndOfListing(ambiguous=True))
        assert (after.phase, after.proven) == (Phase.DONE, False)


def test_reading_follows_the_order_across_pages() -> None:
    first = state_after(machine.on_page(RECENT, page(file(9), file(8)), seen_before=False))
    after = state_after(machine.on_page(first, page(file(12), file(7), context="third"), seen_before=False))
    assert after.reading == Reading(first=file(8).created_at, last=file(7).created_at, ordered=False)


@dataclass
class Api:
    """A listing of `count` files (equal createTimes in runs of `tie`) whose last page is answered once only."""

    count: int
    size: int
    tie: int
    ends_with_70008: bool
    served_last: bool = field(default=False)

    def ask(self, order: Order, context: str | None) -> Page | EndOfListing:
        numbers = list(range(self.count))
        if order is Order.NEWEST_FIRST:
            numbers.reverse()
        start = 0 if context is None else int(context.split(":")[1])
        if start >= self.count and context is not None:
            return EndOfListing(ambiguous=False)
        served = numbers[start : start + self.size]
        end = start + self.size
        last = end >= self.count
        if last and context is not None and order is Order.NEWEST_FIRST:
            if self.served_last:
                return EndOfListing(ambiguous=False)
            self.served_last = True
        following = None if last and not self.ends_with_70008 else f"{order}:{end}"
        return page(*(file(each, minute=each // self.tie) for each in served), context=following)


EVENTS = st.sampled_from(["answered", "answered", "answered", "lost", "killed after", "killed before", "context dies"])


@settings(max_examples=400)
@given(
    api=st.builds(
        Api,
        count=st.integers(0, 12),
        size=st.integers(1, 4),
        tie=st.integers(1, 4),
        ends_with_70008=st.booleans(),
    ),
    events=st.lists(EVENTS, max_size=40),
)
def test_proven_means_that_every_file_was_listed_whatever_was_lost(api: Api, events: list[str]) -> None:
    state, pages_of = FULL, {1: set[str]()}
    ambiguous = False
    maybe_answered: set[str | None] = set()
    queue = iter(events)
    for _ in range(200):
        if state.phase not in {Phase.LISTING, Phase.TAIL}:
            break
        event = next(queue, "answered")
        if event == "killed before":
            state, ambiguous = machine.resumed(state), False
            continue
        if event == "context dies" and state.context is not None:
            maybe_answered.add(state.context)
            result = machine.on_lost(state, TestLostContext.LOST)
            state = result.state if isinstance(result, GiveUp) else result
            pages_of.setdefault(state.generation, set())
            ambiguous = False
            continue
        answer = api.ask(state.order, state.context)
        if event == "lost":
            ambiguous = True
            continue
        if event == "killed after":
            state, ambiguous = machine.resumed(state), False
            continue
        if isinstance(answer, EndOfListing):
            state = machine.on_end(state, EndOfListing(ambiguous=ambiguous or state.context in maybe_answered))
        else:
            maybe_answered.add(state.context)
            seen = pages_of[state.generation]
            met = any(each.file_id in seen for each in answer.files)
            before = state.phase
            state = state_after(machine.on_page(state, answer, seen_before=False))
            seen |= {each.file_id for each in answer.files}
            if before is Phase.TAIL:
                state = machine.on_tail_page(state, answer, met=met)
        ambiguous = False
    if state.proven:
        assert pages_of[state.generation] == {str(each) for each in range(api.count)}
