"""How far a copy can be trusted, as one sentence: is this all there is, and how old is that knowledge; pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from syncer import words
from syncer.store.status import SourceStatus


class Level(StrEnum):
    """What can be said of a copy.

    `proven` and not old; `stale`: proven, but two full pulls should have begun since; `unproven`: pulled, but no full
    pull of the present scope has proved that nothing is missing; `never`: no pull has ended.
    """

    PROVEN = "proven"
    STALE = "stale"
    UNPROVEN = "unproven"
    NEVER = "never"


class Doubt(StrEnum):
    """What is to be told beside a proof: its sweep was refused, or a later full pull ended unproven."""

    SWEEP_REFUSED = "sweep_refused"
    LATER_UNPROVEN = "later_unproven"


@dataclass(frozen=True, slots=True)
class Trust:
    """A level, and the sentence that says it; `as_of` is the instant as of which the copy is complete."""

    level: Level
    as_of: datetime | None
    sentence: str
    doubt: Doubt | None = None


_DOUBTS = {
    None: "",
    Doubt.SWEEP_REFUSED: "; its sweep was refused, so files that are gone may still be shown",
    Doubt.LATER_UNPROVEN: "; a later full pull ended unproven",
}

# How long a proof holds of a source whose schedule nobody knows, such as one no longer in the settings.
_UNKNOWN_SCHEDULE = timedelta(days=1)

NEVER = Trust(Level.NEVER, None, "never pulled: run `syncer sync`")


def judge(
    status: SourceStatus,
    *,
    now: datetime,
    next_due: Callable[[datetime], datetime] | None,
    shown: Callable[[datetime], str],
) -> Trust:
    """Judge one source as of `now`.

    `next_due` returns when a full pull is due after an instant (None when nobody knows: then it is a day),
    `shown` writes an instant for the reader.
    """
    if status.proven is None:
        return _unproven(status)
    as_of, present = status.proven.started_at, status.present
    held = f"{words.counted(present.files, 'file')}, {words.size(present.bytes)}"
    age = f"{shown(as_of)} ({words.span((now - as_of).total_seconds())} ago)"
    if status.prefix:
        age += f" for names with prefix {status.prefix!r}"
        held += " stored in all, other names included"
    doubt = None
    if status.proven.error is not None:
        doubt = Doubt.SWEEP_REFUSED
    elif status.ended is not None and status.ended.pull_id > status.proven.pull_id:
        doubt = Doubt.LATER_UNPROVEN
    told = f"{held}{_DOUBTS[doubt]}"
    stale_at = as_of + _UNKNOWN_SCHEDULE if next_due is None else next_due(next_due(as_of))
    if now >= stale_at:
        sentence = f"STALE: complete as of {age}, proven then, but not since; {told}"
        return Trust(Level.STALE, as_of, sentence, doubt)
    return Trust(Level.PROVEN, as_of, f"complete as of {age}, proven; {told}", doubt)


def _unproven(status: SourceStatus) -> Trust:
    present = status.present
    held = f"{words.counted(present.files, 'file')} so far"
    if status.ended is not None:
        why = status.ended.reason or "the last full pull could not show that nothing is missing"
        return Trust(Level.UNPROVEN, None, f"not proven: {why}; {held}")
    if status.unfinished is not None:
        why = "no full pull with these settings (account, prefix) has finished"
        return Trust(Level.UNPROVEN, None, f"not proven yet: {why}; {held}")
    if status.recent is not None or status.last_run is not None or present.files:
        return Trust(Level.UNPROVEN, None, f"not proven yet: no full pull has finished (run `syncer sync`); {held}")
    return NEVER
