"""Which absences may be believed: the brake and the questions by file id, as pure decisions.

The first three gates (a proven pull, its scope, absence from every generation of files known before it began) are
one query of the store; the fourth is the brake. What is left is asked for by id, so that nothing that the API
still knows is ever marked gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from syncer.model import FilesMissing, LookupAnswer, Page, Suspicion

# VodBackupGet takes at most 100 ids a call; one place is for the canary.
CONFIRM_BATCH = 99
LOOKUP_BATCH = 100
# In scopes smaller than this a share means little: the brake then allows the share of this many files.
SMALL_SCOPE = 50
# VodBackupGet's default pageSize: an answer of just so many files to a question for more may have been cut.
DEFAULT_PAGE_SIZE = 10


def brake_holds(suspicion: Suspicion, brake: float) -> bool:
    """Return whether the sweep must be refused: more would go than the share `brake` of the present files.

    Nothing goes because another account was listed, however little it is.
    """
    if suspicion.elsewhere:
        return suspicion.suspects > 0
    return suspicion.missing > brake * max(suspicion.present, SMALL_SCOPE)


def refusal(suspicion: Suspicion, brake: float) -> str:
    """Return the sentence that says what to check before the brake is released."""
    if suspicion.elsewhere:
        return (
            f"The pull is complete, but it listed another account, endpoint or region than the last one, and "
            f"{suspicion.suspects:,} known files are not there: nothing was marked gone. Check SYNCER_SECRET_ID, "
            "SYNCER_API_URL and SYNCER_REGION. If only the key of the same account was changed, or the account was "
            "changed on purpose, run once: syncer sync --allow-sweep"
        )
    return (
        f"The pull is complete, but it did not list {suspicion.missing:,} of {suspicion.present:,} known, unexpired "
        f"files, more than SYNCER_SWEEP_BRAKE ({brake:g}) allows: nothing was marked gone. Check that the account, "
        "the credentials and the prefix are the right ones and that somebody really deleted these files; then run "
        "once: syncer sync --allow-sweep"
    )


UNASKED = "its sweep was refused, so whether {:,} known files that it did not list still exist was not asked"
UNCONFIRMED = "the API did not answer questions by file id for files that it had just listed, so nothing more was swept"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an answer to a question for ids shows: ids surely missing, ids that exist, and batches to ask next.

    `undecided` are ids that not even a question for each alone could decide: they count as existing.
    """

    missing: list[str] = field(default_factory=list)
    alive: list[str] = field(default_factory=list)
    again: list[list[str]] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)


def judge(batch: Sequence[str], answer: LookupAnswer, *, parts: int) -> Judgement:
    """Judge the answer to a question for the ids of `batch`.

    Whether one missing id fails a whole call (10008) or is left out is not documented. A 10008 decides for a single
    id only; a longer batch is asked again in `parts` (2 when most ids should exist, more when few should). An
    answer with files shows which ids are missing unless it may have been cut or holds an entry without a readable id.
    """
    if isinstance(answer, FilesMissing):
        if len(batch) == 1:
            return Judgement(missing=list(batch))
        return Judgement(again=_split(batch, -(-len(batch) // parts)))
    answered = {file.file_id for file in answer.files}
    absent = [each for each in batch if each not in answered]
    alive = [each for each in batch if each in answered]
    if not absent or not _doubtful(batch, answer):
        return Judgement(missing=absent, alive=alive)
    if len(batch) == 1:
        return Judgement(undecided=absent)
    smaller = 1 if len(batch) < DEFAULT_PAGE_SIZE else DEFAULT_PAGE_SIZE - 1
    return Judgement(alive=alive, again=_split(absent, smaller))


def _doubtful(batch: Sequence[str], page: Page) -> bool:
    cut = page.context is not None or len(batch) > DEFAULT_PAGE_SIZE == page.entries
    short = page.file_count is not None and page.entries < page.file_count
    return cut or short or any(entry.file_id is None for entry in page.rejected)


def _split(ids: Sequence[str], size: int) -> list[list[str]]:
    return [list(ids[start : start + size]) for start in range(0, len(ids), size)]
