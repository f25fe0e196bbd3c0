"""Which absences may be believed: the brake and the questions by file id, as pure decisions.

The first three gates (a proven pull, its scope, absence from every generation of files known before it began) are
one query of the store; the fourth is `brake_holds`. What is left is asked for by id, so that nothing that the API
still knows is ever marked gone.
"""

from __future__ import annotations

from collections.abc import Sequence

from syncer.model import FilesMissing, LookupAnswer, Suspicion

# VodBackupGet takes at most 100 ids a call; one place is for the canary.
CONFIRM_BATCH = 99
# In scopes smaller than this a share means little: the brake then allows the share of this many files.
SMALL_SCOPE = 50


def brake_holds(suspicion: Suspicion, brake: float) -> bool:
    """Return whether the sweep must be refused: more would go than the share `brake` of the present files."""
    return suspicion.missing > brake * max(suspicion.present, SMALL_SCOPE)


def refusal(suspicion: Suspicion, brake: float) -> str:
    """Return the sentence that says what to check before the brake is released."""
    return (
        f"The pull is complete, but it did not list {suspicion.missing:,} of {suspicion.present:,} known, unexpired "
        f"files, more than SYNCER_SWEEP_BRAKE ({brake:g}) allows: nothing was marked gone. Check that the account, "
        "the credentials and the prefix are the right ones and that somebody really deleted these files; then run "
        "once: syncer sync --allow-sweep"
    )


def split(batch: Sequence[str], answer: LookupAnswer, *, halves: bool) -> tuple[list[str], list[Sequence[str]]]:
    """Judge the answer to a question for the ids of `batch`: return those surely missing and the batches to ask next.

    Whether one missing id fails a whole call (10008) or is left out is not documented. An answer with files tells
    which are missing; a 10008 does so only for a single id, so a longer batch is asked again in parts: `halves`
    when most ids should exist, else one by one.
    """
    if not isinstance(answer, FilesMissing):
        answered = {file.file_id for file in answer.files}
        return [each for each in batch if each not in answered], []
    if len(batch) == 1:
        return list(batch), []
    if not halves:
        return [], [[each] for each in batch]
    middle = len(batch) // 2
    return [], [batch[:middle], batch[middle:]]
