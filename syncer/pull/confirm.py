"""Asks the API for a proven pull's suspects by id, and marks those that it does not know as gone."""

from __future__ import annotations

from collections.abc import Callable

from syncer.model import Calls, FilesMissing, LookupAnswer, Page, Source
from syncer.pull.sweep import CONFIRM_BATCH, judge
from syncer.pull.waiting import StopRequest
from syncer.store import pages, sweeps
from syncer.store.database import Connection
from syncer.store.pages import Claim


class Confirmation:
    """The questions of one sweep.

    An absence is believed only while the API is seen to answer questions by id: each question carries a canary, a
    file that the pull has just listed. `new_calls` takes what the API calls since the last commit
    came to.
    """

    def __init__(
        self,
        *,
        connection: Connection,
        source: Source,
        claim: Claim,
        pull_id: int,
        stop: StopRequest,
        new_calls: Callable[[], Calls],
    ) -> None:
        self._connection, self._source, self._claim = connection, source, claim
        self._pull_id, self._stop, self._new_calls = pull_id, stop, new_calls
        self._canaries = sweeps.canaries(connection, claim.source, pull_id)
        # A pull that listed nothing has no canary to send.
        self._blind = not self._canaries

    def carry_out(self) -> bool:
        """Ask for every suspect; return False when no canary was answered: then the others stay as they are."""
        while ids := sweeps.next_suspects(self._connection, self._claim.source, self._pull_id, CONFIRM_BATCH):
            asked = self._ask(ids)
            if asked is None:
                sweeps.let_go(self._connection, self._claim.source, self._pull_id)
                return False
            batches = self._resolve(*asked)
            while batches:
                batch = batches.pop()
                batches += self._resolve(batch, self._lookup(batch))
        return True

    def _ask(self, ids: list[str]) -> tuple[list[str], LookupAnswer] | None:
        """Ask for `ids` and a canary, until a canary is answered; None when none is left."""
        if self._blind:
            return ids, self._lookup(ids)
        while self._canaries:
            question = [self._canaries[0], *ids]
            answer = self._lookup(question)
            # 10008 says that one of many is missing: that the canary is not must be seen by itself.
            proof = self._lookup(question[:1]) if isinstance(answer, FilesMissing) else answer
            if isinstance(proof, Page) and any(file.file_id == question[0] for file in proof.files):
                return (ids if isinstance(answer, FilesMissing) else question), answer
            self._canaries.pop(0)
        return None

    def _lookup(self, ids: list[str]) -> LookupAnswer:
        self._stop.check()
        return self._source.lookup(ids)

    def _resolve(self, batch: list[str], answer: LookupAnswer) -> list[list[str]]:
        """Store what the answer shows; return what must be asked again."""
        judgement = judge(batch, answer, parts=len(batch))
        if isinstance(answer, Page):
            pages.commit_confirmed(self._connection, self._claim, answer)
        sweeps.resolve(
            self._connection,
            self._claim,
            self._pull_id,
            missing=judgement.missing,
            alive=judgement.alive + judgement.undecided,
            calls=self._new_calls(),
        )
        return judgement.again
