"""Lays a message out as plain lines within a service's limit, with nothing in them that a terminal or a chat obeys."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from hashlib import sha256

from syncer.alerts.message import Language, Message

# Control characters, lone surrogates, and the marks that turn the direction of writing (a name could lie with them).
_UNWANTED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LEFT_OUT = {"en": "… {} more lines left out", "zh": "……另有 {} 行未列出"}


def title(message: Message) -> str:
    """Return the title as one line."""
    return " ".join(_clean(message.title).split())


def reference(message: Message) -> str:
    """Return a short mark of the idempotency key: two messages with the same one are one message sent twice."""
    return f"syncer {sha256(message.key.encode('utf-8', 'replace')).hexdigest()[:8]}"


def body_lines(message: Message) -> list[str]:
    """Return the text's lines and, last, the reference, which also holds the word `syncer` for keyword filters."""
    return [*_clean(message.text).rstrip("\n").split("\n"), reference(message)]


def fitted(lines: Sequence[str], language: Language, limit: int, measure: Callable[[str], int]) -> list[str]:
    """Return the lines whose measures add up to `limit` at most.

    Whole lines are left out before the last one, and a line says how many; a first line that is too long by itself
    is cut. `measure` must count what joins lines, too.
    """
    if sum(map(measure, lines)) <= limit:
        return list(lines)
    first, *middle, last = lines
    room = limit - measure(last) - measure(_LEFT_OUT[language].format(len(lines)))
    while measure(first) > room and first:
        first = f"{first[: len(first) * 3 // 4].rstrip('…')}…" if len(first) > 1 else ""
    room -= measure(first)
    kept: list[str] = []
    for line in middle:
        room -= measure(line)
        if room < 0:
            break
        kept.append(line)
    left_out = len(middle) - len(kept)
    return [first, *kept, *([_LEFT_OUT[language].format(left_out)] if left_out else []), last]


def utf8_size(line: str) -> int:
    """Return the bytes of a line and its line break."""
    return len(line.encode()) + 1


def _clean(text: str) -> str:
    return _UNWANTED.sub(" ", text.replace("\r\n", "\n"))
