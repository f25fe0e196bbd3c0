"""Reads a page's entries field by field over all of them, where none leaves a doubt: most pages are so; pure.

Judging a hundred entries one by one costs three times as much. Nothing is decided here that `read_entry` would decide
otherwise: where an entry is not plain, the whole page is left to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import repeat
from operator import add, itemgetter, sub
from types import MappingProxyType
from typing import Any, Final

from syncer.model import BackupFile
from syncer.source.entries import BEIJING, LARGEST_BIGINT, LARGEST_INTEGER, LONGEST_ID, TIME_LENGTH

_NAMES: Final = ("fileId", "name", "size", "type", "duration", "status", "createTime", "expireTime", "url")
_VALUES: Final = itemgetter(*_NAMES)
_TEXTS: Final = frozenset({str, type(None)})
_NUMBERS: Final = frozenset({int, type(None)})
_MARKS: Final = [(place, mark) for place, mark in enumerate("0000-00-00 00:00:00") if mark != "0"]
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_NONE: Final = frozenset[str]()
_parse: Final = datetime.fromisoformat


class _DoubtError(Exception):
    """A value that may be plain to `read_entry`, and is not here."""


def read_plain(listed: Sequence[Any]) -> list[BackupFile] | None:
    """Return the files of decoded entries, one of each, without a problem among them; None if that is not certain."""
    try:
        rows = list(map(_VALUES, listed))
        if {*map(len, listed)} != {len(_NAMES)}:  # a field that the document does not describe
            return None
        ids, names, sizes, types, durations, statuses, created, expires, urls = zip(*rows, strict=True)
        columns = (
            _ids(ids),
            _texts(names),
            _numbers(sizes, 0, LARGEST_BIGINT),
            _texts(types),
            _numbers(durations, 0, LARGEST_BIGINT),
            _numbers(statuses, -LARGEST_INTEGER, LARGEST_INTEGER),
            _instants(created),
            created,
            _instants(expires),
            expires,
            _texts(urls),
        )
    except (KeyError, TypeError, ValueError, OverflowError, _DoubtError):
        return None
    return list(map(BackupFile._make, zip(*columns, repeat(_NOTHING), repeat(_NONE))))


def _ids(values: tuple[Any, ...]) -> Sequence[str]:
    if {*map(type, values)} != {str} or max(map(len, values)) > LONGEST_ID or not all(map(str.strip, values)):
        raise _DoubtError
    return values


def _texts(values: tuple[Any, ...]) -> Sequence[str | None]:
    if not _TEXTS.issuperset(map(type, values)):
        raise _DoubtError
    return [value or None for value in values]


def _numbers(values: tuple[Any, ...], least: int, most: int) -> Sequence[int | None]:
    if not _NUMBERS.issuperset(map(type, values)):
        raise _DoubtError
    present = [value for value in values if value is not None]
    if present and not (least <= min(present) and max(present) <= most):
        raise _DoubtError
    return values


def _instants(values: tuple[Any, ...]) -> Sequence[datetime]:
    """Read times that are all written out; what `fromisoformat` takes besides is refused as `read_entry` refuses it."""
    if {*map(len, values)} != {TIME_LENGTH}:
        raise _DoubtError
    together = "".join(values)
    for place, mark in _MARKS:
        if together[place::TIME_LENGTH] != mark * len(values):
            raise _DoubtError
    if "24" in {value[11:13] for value in values}:
        raise _DoubtError
    return list(map(sub, map(_parse, map(add, values, repeat("+00:00"))), repeat(BEIJING)))
