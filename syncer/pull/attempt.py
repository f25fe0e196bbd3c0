"""One run's part of a pull: reads pages and commits each, sweeps, notes how it ended. The loop around the machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, assert_never

from syncer.errors import Endless, Stopped, SweepRefused, SyncerError
from syncer.model import Calls, ContextLost, EndOfListing, Page, PullKind, Source, Suspicion
from syncer.pull import machine
from syncer.pull.circle import ContextsSeen
from syncer.pull.confirm import Confirmation
from syncer.pull.machine import GiveUp, Phase, PullState
from syncer.pull.sweep import UNASKED, UNCONFIRMED, brake_holds, refusal
from syncer.pull.waiting import Waiting
from syncer.store import ledger, pages, pulls, sweeps
from syncer.store.database import Connection
from syncer.store.pages import Checkpoint, Claim
from syncer.store.pulls import End, Ending, Loss, Scope, Settled, StoredPull, Turn
from syncer.tracing import Span, span

# A run stops to believe that files are new once it was so often mistaken.
_MOST_MISTAKES = 3
# Seconds of waiting for quota that are worth a write of their own with a page.
_WAIT_TOLD = 30.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to pull and within which bounds; times in seconds, `brake` a share of the present files.

    `seen_epoch` is the lease's when the pull was found due: whoever had the source since has served it.
    """

    kind: PullKind
    scope: Scope
    account: str
    holder: str
    lease_seconds: float
    brake: float
    overlap_seconds: float
    allow_sweep: bool = False
    seen_epoch: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is, after a commit.

    `page` and `listed` (entries) count this listing, `generation` how often a lost context made it begin anew,
    `waited` the seconds waited for quota and retries; `expected_files` is what the last finished full pull listed,
    `oldest` and `newest` bound the createTimes that this listing has shown.
    """

    kind: PullKind
    phase: Phase
    page: int
    listed: int
    generation: int
    waited: float
    expected_files: int | None
    oldest: datetime | None
    newest: datetime | None


class Attempt:
    """The run itself: `state` is what is committed, plus what this run alone knows of it."""

    def __init__(
        self,
        *,
        connection: Connection,
        source: Source,
        plan: Plan,
        claim: Claim,
        stored: StoredPull,
        waiting: Waiting,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self.connection, self.source, self.plan, self.claim = connection, source, plan, claim
        self.pull_id, self.allow_sweep = stored.pull_id, stored.allow_sweep
        self.waiting, self.on_progress = waiting, on_progress
        self.calls_before = source.calls
        self.known: Settled = pulls.settled(connection, plan.scope)
        self.expected = pulls.expected_files(connection, plan.scope)
        self.listed = pulls.listed(connection, claim.source, stored.pull_id, stored.generation)
        self.state = _state_of(plan.kind, stored)
        self.at_hand: pages.Written | None = None
        self.only_new, self.mistakes = False, 0
        self.seen = ContextsSeen(ledger.contexts_given_out(connection, claim.source, stored.pull_id, stored.generation))

    def carry_out(self) -> tuple[str, str | None, SyncerError | None]:
        """Read the listing, prove its end, sweep; return outcome, reason and what went wrong."""
        try:
            self._read()
            end = self._conclusion()
            pulls.finish(self.connection, self.claim, self.pull_id, end, calls=self._new_calls())
        except SyncerError as error:
            outcome = "stopped" if isinstance(error, Stopped) else "failed"
            pulls.interrupt(
                self.connection, self.claim, self.pull_id, outcome=outcome, error=str(error), calls=self._new_calls()
            )
            return outcome, None, error
        return end.outcome, end.reason, None if end.error is None else SweepRefused(end.error)

    def _read(self) -> None:
        while self.state.phase in {Phase.LISTING, Phase.TAIL}:
            if not self.source.asked_ahead:  # else a page may be at hand, which a stop need not lose
                self.waiting.stop.check()
            at = self.state
            with span("page", source=self.claim.source, pull_id=self.pull_id, part=at.phase.value) as traced:
                traced.note(generation=at.generation, page=at.page + 1)
                self._read_page(traced)

    def _read_page(self, traced: Span) -> None:
        answer = self.source.list_page(**self._question(self.state))
        match answer:
            case Page():
                traced.note(entries=answer.entries)
                self._commit(answer)
            case EndOfListing():
                end = EndOfListing(answer.ambiguous or self.state.asked_before > 0 or self._answered_before())
                cause = Ending(end.ambiguous, self.state.phase, self._context_hash())
                self._turn(machine.on_end(self.state, end), cause)
            case ContextLost():
                loss = Loss(answer.code, self.state.phase, self._context_hash())
                self._turn(machine.on_lost(self.state, answer), loss)
            case _:
                assert_never(answer)

    def _question(self, state: PullState) -> dict[str, Any]:
        """Return the arguments of the source's `list_page` that ask for the page after `state`."""
        scope = self.plan.scope
        return {
            "order": state.order, "prefix": scope.prefix, "page_size": scope.page_size, "context": state.context
        }  # fmt: skip

    def _commit(self, page: Page) -> None:
        """Commit a page with the checkpoint behind it, then see what its commit has shown."""
        before, token = self.state, ledger.context_hash(page.context)
        after = machine.on_page(before, page, seen_before=token in self.seen)
        if isinstance(after, GiveUp):
            self._turn(after)
            return
        written = self.at_hand if self.at_hand and self.at_hand.page is page else pages.write(page)
        believed_new = self._believed_new()
        fate = pages.commit_page(
            self.connection,
            self.claim,
            self._checkpoint(before, after),
            written,
            settled_run=self.known.run_id,
            calls=self._new_calls(least_wait=_WAIT_TOLD),
            believed_new=believed_new,
            meanwhile=self._meanwhile(after),
        )
        self.only_new = 0 < fate.inserted == len(page.files)
        self.mistakes += believed_new and fate.inserted < len(page.files)
        self.seen.add(token)
        self.state = after
        self.listed += page.entries
        if after.phase is Phase.TAIL:
            met = ledger.listed_before(self.connection, self.claim.source, self.pull_id, after.generation, page)
            after = machine.on_tail_page(after, page, met=met)
        elif self.plan.kind is PullKind.RECENT:
            after = machine.on_recent_page(after, page, known=fate.known, boundary=self._boundary())
        if after.phase is not self.state.phase:
            self._turn(after)
        self._report()

    def _meanwhile(self, after: PullState) -> Callable[[], None] | None:
        """Return what asks for the page after `after`, and writes it for its commit, while the one before is committed.

        Nothing where that page may not be wanted: a recent pull and a tail end with any page, a stop with the one at
        hand. And nothing without a call to spare, as is the rule at 100 calls a minute; where there is one, client and
        database work at the same time.
        """
        if self.plan.kind is not PullKind.FULL or after.phase is not Phase.LISTING or self.waiting.stop.asked():
            return None
        ask = self.source.ahead(**self._question(after))
        if ask is None:
            return None

        def meanwhile() -> None:
            page = ask()
            self.at_hand = None if page is None else pages.write(page)

        return meanwhile

    def _believed_new(self) -> bool:
        """Return whether the files of the next page are likely to be new: those of the page before were.

        Once a full pull of this scope has settled most files are known, and each mistake leaves a page of dead rows.
        """
        return self.only_new and not self.known.full and self.mistakes < _MOST_MISTAKES

    def _context_hash(self) -> bytes | None:
        return ledger.context_hash(self.state.context)

    def _answered_before(self) -> bool:
        """Return whether an earlier listing may have had a page for the context that is now answered with 70008."""
        return ledger.answered_before(self.connection, self.claim.source, self.state.context)

    def _checkpoint(self, before: PullState, after: PullState) -> Checkpoint:
        part = Phase.TAIL if before.phase is Phase.TAIL else Phase.LISTING
        return Checkpoint(
            pull_id=self.pull_id,
            generation=before.generation,
            part=part,
            page=after.page,
            context_in=before.context,
            phase=after.phase,
            context=after.context,
            reason=after.reason,
            oldest=after.oldest,
            newest=after.newest,
        )

    def _turn(self, after: PullState | GiveUp, cause: Loss | Ending | None = None) -> None:
        """Commit that the pull goes on without its context: anew, in another phase, or (giving up) next time."""
        state = after.state if isinstance(after, GiveUp) else after
        pulls.turn(
            self.connection,
            self.claim,
            self.pull_id,
            Turn(
                phase=state.phase,
                generation=state.generation,
                page=state.page,
                farthest=state.farthest,
                oldest=state.oldest,
                newest=state.newest,
                reason=state.reason,
            ),
            cause=cause,
            calls=self._new_calls(),
        )
        if state.generation != self.state.generation:
            self.listed = 0
        self.state, self.seen, self.only_new = state, ContextsSeen(), False
        if isinstance(after, GiveUp):
            raise Endless(after.message)
        self._report()

    def _conclusion(self) -> End:
        """Return how the pull ends: a full one whose end is sure sweeps first, unless something may be missing."""
        settled, refused, doubts = self.state.proven, None, list[str]()
        if settled and self.plan.kind is PullKind.FULL:
            doubts = _doubts(self._totals())
            if not doubts:
                refused, doubts = self._sweep()
        return End(
            outcome="complete" if settled else "unproven",
            reason="; but ".join([self.state.reason or "", *doubts]),
            settled=settled,
            proven=settled and not doubts,
            error=refused,
        )

    def _totals(self) -> dict[str, Any]:
        return pulls.totals(self.connection, self.claim.source, self.pull_id)

    def _sweep(self) -> tuple[str | None, list[str]]:
        """Mark as gone what the pull did not list and the API does not know.

        Returns why that was refused, and what it showed that speaks against the listing.
        """

        def allowed(suspicion: Suspicion) -> bool:
            return self.allow_sweep or not brake_holds(suspicion, self.plan.brake)

        if not sweeps.gathered(self.connection, self.claim.source, self.pull_id):
            suspicion, sweep = sweeps.gather(self.connection, self.claim, self.pull_id, allowed=allowed)
            if not sweep:
                return refusal(suspicion, self.plan.brake), [UNASKED.format(suspicion.suspects)]
        confirmed = Confirmation(
            connection=self.connection,
            source=self.source,
            claim=self.claim,
            pull_id=self.pull_id,
            stop=self.waiting.stop,
            new_calls=self._new_calls,
        ).carry_out()
        return None, _drift(self._totals()) if confirmed else [UNCONFIRMED]

    def _boundary(self) -> datetime | None:
        """Files created before this were listed by the last cleanly finished pull; None before any full one.

        A whole second, for createTimes are: a file made later in the second in which that pull began looks older.
        """
        if not self.known.full or self.known.started_at is None:
            return None
        return self.known.started_at.replace(microsecond=0) - timedelta(seconds=self.plan.overlap_seconds)

    def _new_calls(self, *, least_wait: float = 0.0) -> Calls:
        """Return what the calls since the last commit came to, and count them as committed."""
        return self.source.take_calls(least_wait=least_wait)

    def _report(self) -> None:
        self.on_progress(
            Progress(
                kind=self.plan.kind,
                phase=self.state.phase,
                page=self.state.page,
                listed=self.listed,
                generation=self.state.generation,
                waited=self.waiting.waited,
                expected_files=self.expected,
                oldest=self.state.oldest,
                newest=self.state.newest,
            )
        )


def _state_of(kind: PullKind, stored: StoredPull) -> PullState:
    state = PullState(
        kind=kind,
        phase=Phase(stored.phase),
        generation=stored.generation,
        page=stored.page,
        context=stored.context,
        farthest=stored.farthest,
        oldest=stored.oldest,
        newest=stored.newest,
        reason=stored.reason,
        proven=stored.phase == Phase.SWEEP,
    )
    return machine.resumed(state) if stored.resumed else state


def _doubts(totals: dict[str, Any]) -> list[str]:
    """Return why a listing that was read to its end still does not prove that nothing is missing."""
    doubts = []
    if totals["unidentified"]:
        doubts.append(f"{totals['unidentified']:,} entries had no readable file id (see report.rejected)")
    if totals["short"]:
        doubts.append(f"{totals['short']:,} pages held fewer files than their own fileCount said")
    return doubts


def _drift(totals: dict[str, Any]) -> list[str]:
    if not totals["drifted"]:
        return []
    return [f"it skipped {totals['drifted']:,} files that exist: the listing moved while it was read"]
