"""Says numbers and foreign texts as a person can read them; pure, shared by the command line and the page."""

from __future__ import annotations

import unicodedata

_SIZES = ("kB", "MB", "GB", "TB", "PB", "EB")
_THOUSAND = 1000.0
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
# Control characters, unseen and direction-changing format characters, lone surrogates, line and paragraph separators.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def size(amount: int | None) -> str:
    """Return bytes in decimal units with up to three digits: `0 B`, `3.1 TB`, `120 MB`; empty for unknown."""
    if amount is None:
        return ""
    value, unit = float(amount), "B"
    for larger in _SIZES:
        # 999.5 would be written as 1000
        if abs(value) < _THOUSAND - 0.5:
            break
        value, unit = value / _THOUSAND, larger
    digits = 1 if unit != "B" and abs(value) < 9.95 else 0  # noqa: PLR2004 - 9.95 would be written as 10.0
    return f"{value:.{digits}f} {unit}"


def span(seconds: float) -> str:
    """Return a length of time in one unit, cut and never rounded up: `45 s`, `18 min`, `5 h`, `12 d`."""
    whole = int(abs(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < 2 * _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < 2 * _DAY:
        return f"{whole // _HOUR} h"
    return f"{whole // _DAY} d"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 file`, `1,204 files`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def visible(text: str) -> str:
    """Return `text` with every character that could move a cursor, turn the writing or hide written as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(each) if unicodedata.category(each) in _UNSEEN else each for each in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
