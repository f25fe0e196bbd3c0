"""A person's question to the API, by file id or by prefix; what it answers is stored, nothing is marked gone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import assert_never

from syncer.errors import Endless, Stopped, SyncerError
from syncer.model import BackupFile, ContextLost, EndOfListing, FilesMissing, Order, Page, PullKind, Source
from syncer.pull import machine
from syncer.pull.circle import ContextsSeen
from syncer.pull.machine import GiveUp, Phase, PullState
from syncer.pull.sweep import LOOKUP_BATCH, judge
from syncer.pull.waiting import StopRequest
from syncer.store import leases, ledger, pages, pulls
from syncer.store.database import Connection
from syncer.store.pulls import Scope


@dataclass
class LookupResult:
    """What the API answered: the files by id, the ids it does not know, and those it could not decide.

    `complete` is False when a listing came to an end (70008) that may hide a page.
    """

    files: dict[str, BackupFile] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)
    rejected: int = 0
    api_calls: int = 0
    complete: bool = True


@dataclass
class Lookup:
    """Lookups in one source. They hold no lease: a lookup may go on beside a pull, and its calls go first."""

    connection: Connection
    source: Source
    scope: Scope
    account: str
    holder: str
    stop: StopRequest

    def by_ids(self, file_ids: Sequence[str]) -> LookupResult:
        """Ask for any number of ids, 100 a call; an id given twice is asked for once."""
        result = LookupResult()
        wanted = list(dict.fromkeys(file_ids))
        batches = [wanted[start : start + LOOKUP_BATCH] for start in range(0, len(wanted), LOOKUP_BATCH)]
        with self._run(result) as run_id:
            while batches:
                self.stop.check()
                batch = batches.pop(0)
                answer = self.source.lookup(batch, interactive=True)
                if not isinstance(answer, FilesMissing):
                    self._store(run_id, answer, result)
                judgement = judge(batch, answer, parts=2)
                result.missing += judgement.missing
                result.undecided += judgement.undecided
                batches = judgement.again + batches
        return result

    def by_prefix(self, prefix: str, order: Order) -> LookupResult:
        """List every file whose name begins with `prefix`. Raises Endless like a pull."""
        result = LookupResult()
        with self._run(result) as run_id:
            for page in self._listing(prefix, order, result):
                self._store(run_id, page, result)
        return result

    def _listing(self, prefix: str, order: Order, result: LookupResult) -> Iterator[Page]:
        """Yield the pages of a listing to its end, by the rules of a pull that is not resumed."""
        state, seen = PullState(PullKind.RECENT), ContextsSeen()
        while state.phase is Phase.LISTING:
            self.stop.check()
            answer = self.source.list_page(
                order=order, prefix=prefix, page_size=self.scope.page_size, context=state.context, interactive=True
            )
            match answer:
                case Page():
                    token = ledger.context_hash(answer.context)
                    state = _going_on(machine.on_page(state, answer, seen_before=token in seen))
                    seen.add(token)
                    yield answer
                case EndOfListing():
                    state = machine.on_end(state, answer)
                case ContextLost():
                    state, seen = _going_on(machine.on_lost(state, answer)), ContextsSeen()
                case _:
                    assert_never(answer)
        result.complete = state.proven

    def _store(self, run_id: int, page: Page, result: LookupResult) -> None:
        pages.commit_lookup(self.connection, self.scope.source, run_id, page)
        result.files.update((file.file_id, file) for file in page.files)
        result.rejected += len(page.rejected)

    @contextmanager
    def _run(self, result: LookupResult) -> Iterator[int]:
        """Note the lookup as a run, and how it ended."""
        leases.ensure_source(self.connection, self.scope.source, account=self.account, prefix=self.scope.prefix)
        run_id = pulls.begin_run(self.connection, self.scope.source, "lookup", holder=self.holder)
        try:
            yield run_id
        except SyncerError as error:
            self._end(run_id, "stopped" if isinstance(error, Stopped) else "failed", str(error))
            raise
        self._end(run_id, "complete", None)
        result.api_calls = self.source.calls

    def _end(self, run_id: int, outcome: str, error: str | None) -> None:
        pulls.end_lone_run(
            self.connection,
            self.scope.source,
            run_id,
            outcome=outcome,
            error=error,
            calls=self.source.take_calls(),
        )


def _going_on(after: PullState | GiveUp) -> PullState:
    if isinstance(after, GiveUp):
        raise Endless(after.message)
    return after
