"""Makes any JSON value fit for PostgreSQL and a terminal, losing nothing that can be shown; pure."""

from __future__ import annotations

import json
import math
import re
from typing import Any

DEEPEST = 32
"""Levels of nesting that are kept; deeper values overflow the stacks of json and of PostgreSQL's jsonb."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


class TooDeep(ValueError):
    """A value is nested deeper than `DEEPEST`."""


def visible(text: str) -> str:
    """Return `text` with each NUL and lone surrogate written as a backslash, `u` and four hex digits."""
    return _UNSTORABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def storable(value: Any, depth: int = 0) -> Any:
    """Return a JSON value with all its texts `visible`, and with numbers that JSON does not know (NaN) as text.

    Raises `TooDeep`.
    """
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, (dict, list)) and depth >= DEEPEST:
        raise TooDeep
    if isinstance(value, dict):
        return {visible(key): storable(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [storable(item, depth + 1) for item in value]
    return value


def as_json(value: Any, limit: int) -> str:
    """Return the JSON text of a decoded value, `visible` and of `limit` characters at most."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "(nested too deep to be shown)"
    return visible(text[:limit])[:limit]


def one_line(text: str, limit: int = 300) -> str:
    """Return what somebody else's message may show on a terminal: one line, no control characters, cut at `limit`."""
    line = " ".join(_UNPRINTABLE.sub(" ", text[: 4 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
