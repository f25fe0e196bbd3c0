"""What a pull does next: pure decisions from its state and an answer. Knows no database, no wire and no clock.

A full pull lists newest first. Should the API page by position, then files that expire while we read (the oldest)
go from behind the place we have reached and shift nothing past us; files that arrive only shift pages into an
overlap. Listing oldest first would lose a neighbour for every file that expires on the way.

The phases of a full pull: `listing` until the listing's end; `tail` only when that end is ambiguous, reading from
the other (oldest) end until it meets what was listed; then `sweep`, or nothing when the pull is unproven.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from syncer.model import ContextLost, EndOfListing, Order, Page, PullKind

# Listings in a row, each ended by a lost context, of which none got further than any before it (DESIGN: the pull).
FRUITLESS_LISTINGS = 3
# Contexts that a run may have sent without a trace: the checkpoint's, and the one after it, which is asked with while
# the page that brought it is being committed.
ASKED_AT_ONCE = 2


class Phase(StrEnum):
    """Where a pull is; stored with its checkpoint."""

    LISTING = "listing"
    TAIL = "tail"
    SWEEP = "sweep"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class PullState:
    """The checkpoint of a pull as the machine sees it.

    `page` counts the pages of this listing, `farthest` the most that any earlier listing of this pull reached,
    `fruitless` the listings in a row (of this run) that were cut short without getting further. `asked_before` counts
    the contexts, from `context` on, that a run which is gone may already have sent. `oldest` and `newest` bound the
    listing's createTimes.
    """

    kind: PullKind
    phase: Phase = Phase.LISTING
    generation: int = 1
    page: int = 0
    context: str | None = None
    farthest: int = 0
    fruitless: int = 0
    asked_before: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    reading: Reading | None = None
    reason: str | None = None
    proven: bool = False

    @property
    def order(self) -> Order:
        """Direction of the listing that is being read."""
        return Order.OLDEST_FIRST if self.phase is Phase.TAIL else Order.NEWEST_FIRST


@dataclass(frozen=True, slots=True)
class Reading:
    """What one listing has shown of its order: `last` is the edge it has come to, `ordered` whether it kept order.

    `first` is the oldest createTime of its first dated page. Nobody promises that `orderby` is honoured, so nothing
    is concluded from an order that was not seen.
    """

    first: datetime | None = None
    last: datetime | None = None
    ordered: bool = True


@dataclass(frozen=True, slots=True)
class PageTimes:
    """The readable createTimes of a page: its bounds, and whether the entries kept each of the two orders."""

    oldest: datetime | None
    newest: datetime | None
    ascending: bool
    descending: bool


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The listing never ends; `state` is where the next run begins, `message` what to tell people."""

    state: PullState
    message: str


def page_times(page: Page) -> PageTimes:
    """Return the bounds and the order of a page's readable createTimes."""
    times = [file.created_at for file in page.files if file.created_at is not None]
    if not times:
        return PageTimes(None, None, ascending=True, descending=True)
    ascending = sorted(times)
    return PageTimes(
        ascending[0], ascending[-1], ascending=times == ascending, descending=times == sorted(times, reverse=True)
    )


def on_page(state: PullState, page: Page, *, seen_before: bool) -> PullState | GiveUp:
    """Return the state to commit together with `page`.

    `seen_before` says that this listing already gave out the page's context: it runs in a circle.
    """
    times = page_times(page)
    if page.context is not None and (seen_before or page.context == state.context):
        if state.phase is Phase.TAIL:
            return _unproven(
                replace(state, page=state.page + 1),
                "the listing from the other end, read to prove this one's end, runs in a circle",
            )
        return GiveUp(
            _anew(state),
            f"The API gave the same context again after page {state.page + 1}: its listing runs in a circle. "
            "The pages so far are stored; the next run lists anew. If it persists, report it to the API's support.",
        )
    after = replace(
        state,
        page=state.page + 1,
        context=page.context,
        asked_before=max(0, state.asked_before - 1),
        reading=_read_on(state.reading or Reading(), times, state.order),
    )
    if state.phase is Phase.TAIL:
        return after
    after = replace(
        after,
        oldest=_least(state.oldest, times.oldest),
        newest=_greatest(state.newest, times.newest),
    )
    if page.context is None:
        return _proven(after, f"the listing ended with an empty context after page {after.page}")
    return after


def on_tail_page(state: PullState, page: Page, *, met: bool) -> PullState:
    """Return the state after a tail page was committed.

    `met` says that an id of the page is in this generation's ledger, whose pages went from newer to older. Proven when
    the tail was read from its very beginning, in order, to a page that holds both a listed id and a createTime strictly
    newer than the oldest one listed: equal times have no order.
    """
    if page.context is None:
        return _proven(state, "the reply to the last page was lost, and a listing from the other end was read whole")
    times, reading = page_times(page), state.reading or Reading()
    bridged = (
        met
        and reading.ordered
        and state.oldest is not None
        and reading.first is not None
        and reading.first <= state.oldest
        and times.newest is not None
        and times.newest > state.oldest
    )
    if bridged:
        return _proven(
            state, "the reply to the last page was lost, and a listing from the other end met what was listed"
        )
    return state


def on_recent_page(state: PullState, page: Page, *, known: int, boundary: datetime | None) -> PullState:
    """Return the state after a recent pull's page was committed.

    `known` counts its files that a cleanly finished pull had listed before; `boundary` is the start of the last such
    pull less the overlap, None before any full pull has finished (then the listing is read to its end).
    """
    if state.phase is not Phase.LISTING or boundary is None or page.entries == 0:
        return state
    times, reading = page_times(page), state.reading or Reading()
    nothing_new = known == len(page.files) and not any(entry.file_id is None for entry in page.rejected)
    if nothing_new and reading.ordered and times.oldest is not None and times.oldest < boundary:
        return _proven(state, f"page {state.page} held nothing new and is older than the last finished pull")
    return state


def on_end(state: PullState, end: EndOfListing) -> PullState:
    """Return the state after 70008: an end that must be proven unless nobody can have received a page before it."""
    ambiguous = end.ambiguous or state.asked_before > 0
    if not ambiguous:
        return _proven(state, f"the API said that the listing was complete (70008) after page {state.page}")
    if state.kind is PullKind.RECENT:
        return _unproven(state, "the listing ended (70008) after a reply that may have been lost")
    if state.phase is Phase.TAIL:
        return _unproven(
            state, "replies may have been lost at both ends of the listing (70008), so a page may be missing"
        )
    return replace(state, phase=Phase.TAIL, page=0, context=None, asked_before=0, reading=None, fruitless=0)


def on_lost(state: PullState, lost: ContextLost) -> PullState | GiveUp:
    """Return the state after 70005 or 70006: list anew under the next generation, as long as listings get further."""
    if state.phase is Phase.TAIL:
        if state.fruitless + 1 >= FRUITLESS_LISTINGS:
            return _unproven(state, f"contexts kept dying ({lost.code}) while the end was being proven")
        return replace(state, context=None, reading=None, fruitless=state.fruitless + 1)
    again = _anew(state)
    if again.fruitless < FRUITLESS_LISTINGS:
        return again
    return GiveUp(
        again,
        f"The API refused the context ({lost.code} {lost.message}) in {FRUITLESS_LISTINGS} listings in a row, none of "
        f"which got further than page {again.farthest}: contexts do not live long enough to read the listing. "
        "What was listed is stored; the next run tries again. A narrower SYNCER_PREFIX makes listings shorter.",
    )


def resumed(state: PullState) -> PullState:
    """Return the state in which a new run takes up an unfinished pull: what the last one sent is not known.

    A tail is read anew from its beginning, it is short.
    """
    if state.phase is Phase.TAIL:
        return replace(state, context=None, reading=None, fruitless=0)
    return replace(state, asked_before=ASKED_AT_ONCE, fruitless=0)


def _anew(state: PullState) -> PullState:
    """Begin the next generation: a listing from its beginning, with what the last one reached remembered."""
    further = state.page > state.farthest
    return replace(
        state,
        generation=state.generation + 1,
        page=0,
        context=None,
        farthest=max(state.farthest, state.page),
        fruitless=0 if further else state.fruitless + 1,
        asked_before=0,
        oldest=None,
        newest=None,
        reading=None,
    )


def _proven(state: PullState, reason: str) -> PullState:
    phase = Phase.SWEEP if state.kind is PullKind.FULL else Phase.DONE
    return replace(state, phase=phase, context=None, proven=True, reason=reason)


def _unproven(state: PullState, reason: str) -> PullState:
    return replace(state, phase=Phase.DONE, context=None, proven=False, reason=reason)


def _read_on(reading: Reading, times: PageTimes, order: Order) -> Reading:
    """Follow a listing's order over one more page."""
    if times.oldest is None or times.newest is None:
        return reading
    kept, edge, far = (
        (times.ascending, times.oldest, times.newest)
        if order is Order.OLDEST_FIRST
        else (times.descending, times.newest, times.oldest)
    )
    if reading.last is not None:
        kept = kept and (reading.last <= edge if order is Order.OLDEST_FIRST else reading.last >= edge)
    first = times.oldest if reading.first is None else reading.first
    return Reading(first=first, last=far, ordered=reading.ordered and kept)


def _least(a: datetime | None, b: datetime | None) -> datetime | None:
    return min((each for each in (a, b) if each is not None), default=None)


def _greatest(a: datetime | None, b: datetime | None) -> datetime | None:
    return max((each for each in (a, b) if each is not None), default=None)
