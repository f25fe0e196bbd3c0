"""How far a copy can be trusted, as one sentence: is this all there is, and how old is that knowledge; pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
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


@dataclass(frozen=True, slots=True)
class Trust:
    """A level, and the sentence that says it; `as_of` is the instant as of which the copy is complete."""

    level: Level
    as_of: datetime | None
    sentence: str


NEVER = Trust(Level.NEVER, None, "never pulled: run `syncer sync`")


def judge(
    status: SourceStatus,
    *,
    now: datetime,
    next_due: Callable[[datetime], datetime] | None,
    shown: Callable[[datetime], str],
) -> Trust:
    """Judge one source as of `now`.

    `next_due` returns when a full pull is due after an instant (None when nobody knows: then nothing is stale),
    `shown` writes an instant for the reader.
    """
    if status.proven is None:
        return _unproven(status)
    as_of, present = status.proven.started_at, status.present
    held = f"{words.counted(present.files, 'file')}, {words.size(present.bytes)}"
    age = f"{shown(as_of)} ({words.span((now - as_of).total_seconds())} ago)"
    doubt = ""
    if status.proven.error is not None:
        doubt = "; its sweep was refused, so files that are gone may still be shown"
    elif status.ended is not None and status.ended.pull_id > status.proven.pull_id:
        doubt = "; a later full pull ended unproven"
    if next_due is not None and now >= next_due(next_due(as_of)):
        return Trust(Level.STALE, as_of, f"STALE: complete as of {age}, proven then, but not since; {held}{doubt}")
    return Trust(Level.PROVEN, as_of, f"complete as of {age}, proven; {held}{doubt}")


def _unproven(status: SourceStatus) -> Trust:
    present = status.present
    held = f"{words.counted(present.files, 'file')} so far"
    if status.ended is not None:
        why = status.ended.reason or "the last full pull could not show that nothing is missing"
        return Trust(Level.UNPROVEN, None, f"not proven: {why}; {held}")
    if status.unfinished is not None:
        return Trust(Level.UNPROVEN, None, f"not proven yet: no full pull of this scope has finished; {held}")
    if status.recent is not None or status.last_run is not None or present.files:
        return Trust(Level.UNPROVEN, None, f"not proven yet: no full pull has finished (run `syncer sync`); {held}")
    return NEVER
