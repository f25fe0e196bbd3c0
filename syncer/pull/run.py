"""One run: claims the source, takes up or begins a pull, takes it as far as it goes, and notes how that ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

from structlog.contextvars import bound_contextvars

from syncer.errors import CLOCK_CODES, Endless, Refused, Stopped, SweepRefused, SyncerError, Unavailable
from syncer.model import Order, PullKind, Source
from syncer.pull.attempt import Attempt, Plan, Progress
from syncer.pull.waiting import Retrying, Waiting
from syncer.store import leases, pulls
from syncer.store.database import Connection, another
from syncer.store.pages import Claim
from syncer.store.pulls import StoredPull
from syncer.tracing import span


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended. `totals` are the committed counters of the whole pull, `api_calls` those of this run.

    `error` is why it failed, was stopped, or did not sweep; the caller raises or reports it.
    """

    source: str
    kind: PullKind
    pull_id: int
    outcome: str
    reason: str | None
    resumed: bool
    totals: dict[str, Any]
    api_calls: int
    error: SyncerError | None


def run_pull(
    connection: Connection,
    source: Source,
    plan: Plan,
    *,
    waiting: Waiting,
    on_begin: Callable[[], None] = lambda: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> RunResult:
    """Take one pull to its end, or to the failure that the result names; `on_begin` is called once the source is ours.

    `connection` must be the caller's own and live as long as the run: the lease is bound to its session. Raises Busy
    when another process holds the source, and what the API's first answer means when the settings have changed under
    an unfinished pull; failures of the database pass through.
    """
    scope = plan.scope
    leases.ensure_source(connection, scope.source, account=plan.account, prefix=scope.prefix)
    with _claimed(connection, plan, waiting) as epoch, ExitStack() as told:
        run_id = pulls.begin_run(connection, scope.source, plan.kind, holder=plan.holder)
        told.enter_context(bound_contextvars(run=run_id))
        traced = told.enter_context(span("pull", source=scope.source, kind=plan.kind.value, run_id=run_id))
        claim = Claim(scope.source, epoch, plan.lease_seconds, run_id)
        on_begin()
        try:
            stored = _take_up(connection, source, plan, claim)
        except SyncerError as failure:
            pulls.end_lone_run(
                connection,
                scope.source,
                run_id,
                outcome="failed",
                error=str(failure),
                calls=source.take_calls(),
                trouble=_trouble(failure),
            )
            raise
        told.enter_context(bound_contextvars(pull=stored.pull_id))
        traced.note(pull_id=stored.pull_id, resumed=stored.resumed)
        attempt = Attempt(
            connection=connection,
            source=source,
            plan=plan,
            claim=claim,
            stored=stored,
            waiting=waiting,
            on_progress=on_progress,
        )
        outcome, reason, error = attempt.carry_out()
        traced.note(outcome=outcome)
        pulls.end_run(
            connection,
            scope.source,
            run_id,
            pull_id=stored.pull_id,
            outcome=outcome,
            error=None if error is None else str(error),
            calls=source.calls - attempt.calls_before,
            trouble=_trouble(error),
        )
        return RunResult(
            source=scope.source,
            kind=plan.kind,
            pull_id=stored.pull_id,
            outcome=outcome,
            reason=reason,
            resumed=stored.resumed,
            totals=pulls.totals(connection, scope.source, stored.pull_id),
            api_calls=source.calls - attempt.calls_before,
            error=error,
        )


@contextmanager
def _claimed(connection: Connection, plan: Plan, waiting: Waiting) -> Iterator[int]:
    """Hold the source's lease for the block, renewed while it waits, and give it back whatever happens."""
    name, seconds = plan.scope.source, plan.lease_seconds
    epoch = leases.claim(
        connection, name, holder=plan.holder, seconds=seconds, sleep=waiting, seen_epoch=plan.seen_epoch
    )

    def renew(retrying: Retrying | None) -> None:
        why, since = (None, None) if retrying is None else (retrying.why, retrying.seconds)
        leases.renew(connection, name, epoch=epoch, seconds=seconds, retrying=why, retrying_for=since)

    try:
        with waiting.renewing(renew, interval=seconds / 3):
            yield epoch
        leases.release(connection, name, epoch=epoch, holder=plan.holder)
    except BaseException:
        _abandon(connection, plan, epoch)
        raise


def _abandon(connection: Connection, plan: Plan, epoch: int) -> None:
    """Give the source back after a failure, which stays the one to report: by another connection if this one died."""
    for way in (nullcontext(connection), another(connection)):
        with suppress(Exception), way as alive:
            leases.abandon(alive, plan.scope.source, epoch=epoch, holder=plan.holder)
            return


def _take_up(connection: Connection, source: Source, plan: Plan, claim: Claim) -> StoredPull:
    if plan.kind is PullKind.RECENT:
        return pulls.begin_recent(connection, claim, plan.scope)
    if pulls.would_abandon(connection, plan.scope, allow_sweep=plan.allow_sweep):
        # A mistyped key must not cost a checkpoint: an unfinished pull is given up only once the API has answered
        # with the new settings.
        source.list_page(
            order=Order.NEWEST_FIRST, prefix=plan.scope.prefix, page_size=plan.scope.page_size, context=None
        )
    return pulls.take_up_full(connection, claim, plan.scope, allow_sweep=plan.allow_sweep)


def _trouble(error: SyncerError | None) -> str | None:
    """Return what kind of failure an error is, for the rules of alerts; None for none, a stop or a refused sweep."""
    match error:
        case None | Stopped() | SweepRefused():
            return None
        case Refused():
            return "clock" if error.code in CLOCK_CODES else "refused"
        case Unavailable():
            return "unavailable"
        case Endless():
            return "endless"
        case _:
            return "other"
