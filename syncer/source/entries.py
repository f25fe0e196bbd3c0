"""Reads one entry of a page field by field, so that one bad field never costs the rest; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from syncer.model import BackupFile, RejectedEntry
from syncer.net.text import TooDeep, as_json, storable, visible

RAW_LIMIT: Final = 16 * 1024
"""Characters of a rejected entry's JSON text that are kept."""

LONGEST_ID: Final = 200
LARGEST_BIGINT: Final = 2**63 - 1
LARGEST_INTEGER: Final = 2**31 - 1
TIME_LENGTH: Final = len("2016-11-30 10:34:33")
BEIJING: Final = timedelta(hours=8)


class _UnreadableError(Exception):
    """A field holds something that is not what the document says; the text is the reason."""


def read_entry(entry: Any, position: int, *, escape: bool) -> tuple[BackupFile | None, RejectedEntry | None]:
    """Return the file that `entry` (a decoded JSON value) describes, and its rejection if any field is unreadable.

    There is no file when the entry is no object or has no readable fileId. `escape` makes texts visible that
    PostgreSQL cannot hold; that is no fault of a name, but of an id: the API will not know the escaped one.
    Never raises.
    """
    problems: dict[str, str] = {}
    try:
        file_id = _file_id(entry)
    except _UnreadableError as error:
        return None, RejectedEntry(position, str(error), as_json(entry, RAW_LIMIT))
    if escape:
        entry = {visible(name): visible(value) if type(value) is str else value for name, value in entry.items()}
        if file_id != visible(file_id):
            file_id = visible(file_id)
            problems["file_id"] = "fileId holds a character that cannot be stored, shown escaped"
    values: list[Any] = [file_id]
    for field, name, read in _FIELDS:
        try:
            values.append(read(entry.get(name)))
        except _UnreadableError as error:
            values.append(None)
            problems[field] = f"{name} {error}"
    extra = {} if _KNOWN.issuperset(entry) else _extra(entry, problems)
    if not problems:
        return BackupFile._make((*values, extra, _NONE)), None
    file = BackupFile._make((*values, extra, frozenset(problems.keys() - _KEPT)))
    return file, RejectedEntry(position, "; ".join(problems.values()), as_json(entry, RAW_LIMIT), file_id)


def _kind(value: Any) -> str:
    """Name a JSON type in words."""
    kinds = {
        type(None): "null",
        bool: "a truth value",
        float: "a fraction",
        dict: "an object",
        list: "a list",
        str: "a text",
    }
    return kinds.get(type(value), "a number")


def _file_id(entry: Any) -> str:
    """Read a text, or an integer of any length exactly: ids of 20 digits exceed 64 bits."""
    if not isinstance(entry, dict):
        raise _UnreadableError(f"the entry is {_kind(entry)} and not an object")
    value = entry.get("fileId")
    if type(value) is int and 0 <= value < 10**LONGEST_ID:
        return str(value)
    if type(value) is not str:
        raise _UnreadableError("fileId is absent" if value is None else f"fileId is {_kind(value)} that is no id")
    if not value.strip():
        raise _UnreadableError("fileId is empty")
    if len(value) > LONGEST_ID:
        raise _UnreadableError(f"fileId is longer than {LONGEST_ID} characters")
    return value


def _text(value: Any) -> str | None:
    """Read a text; an integer counts as one, for the document gives `name` as Integer."""
    if type(value) is str:
        return value or None
    if value is None:
        return None
    if type(value) is int:
        return str(value)
    raise _UnreadableError(f"is {_kind(value)} and not a text")


def _integer(value: Any, least: int, most: int) -> int | None:
    """Read an integer or ASCII digits, null, empty or absent; truth values and fractions are no integers."""
    if value is None or value == "":
        return None
    if type(value) is str:
        if not (value.isascii() and value.isdigit()):
            raise _UnreadableError("is a text that is no number")
        digits = value.lstrip("0") or "0"
        value = int(digits) if len(digits) < len(str(LARGEST_BIGINT)) + 1 else LARGEST_BIGINT + 1
    elif type(value) is not int:
        raise _UnreadableError(f"is {_kind(value)} and not an integer")
    if not least <= value <= most:
        raise _UnreadableError("is negative" if value < 0 else "is too large")
    return int(value)


def _amount(value: Any) -> int | None:
    return _integer(value, 0, LARGEST_BIGINT)


def _status(value: Any) -> int | None:
    return _integer(value, -LARGEST_INTEGER, LARGEST_INTEGER)


def _instant(value: Any) -> datetime | None:
    """Read `YYYY-MM-DD HH:MM:SS`, a time of UTC+8 without daylight saving; empty and all-zero times mean none."""
    # The marks and the hour are checked here because `fromisoformat` also reads weeks, and 24:00 in newer Pythons.
    if type(value) is str and len(value) == TIME_LENGTH and value[4:17:3] == "-- ::" and value[11:13] != "24":
        try:
            return datetime.fromisoformat(value + "+00:00") - BEIJING
        except (ValueError, OverflowError):
            _accept_no_instant(value)
            return None
    _accept_no_instant(value)
    return None


def _accept_no_instant(value: Any) -> None:
    """Accept the ways to say "no time", and raise for everything else."""
    if value is None or (type(value) is int and value == 0):
        return
    if type(value) is not str:
        raise _UnreadableError(f"is {_kind(value)} and not a time")
    if value.strip("0-: "):
        raise _UnreadableError("is no time of the form YYYY-MM-DD HH:MM:SS")


def _as_it_came(value: Any) -> str | None:
    """Keep the API's own text of a time, whatever it is."""
    if value is None or value == "":
        return None
    return value if type(value) is str else as_json(value, RAW_LIMIT)


_FIELDS: Final[tuple[tuple[str, str, Callable[[Any], Any]], ...]] = (
    ("name", "name", _text),
    ("size_bytes", "size", _amount),
    ("file_type", "type", _text),
    ("duration_seconds", "duration", _amount),
    ("status", "status", _status),
    ("created_at", "createTime", _instant),
    ("created_raw", "createTime", _as_it_came),
    ("expires_at", "expireTime", _instant),
    ("expires_raw", "expireTime", _as_it_came),
    ("url", "url", _text),
)
"""Fields of `BackupFile` in its own order, each with its name in the answer and its reader."""

_KNOWN: Final = frozenset({"fileId", *(name for _, name, _ in _FIELDS)})
_NONE: Final = frozenset[str]()
_KEPT: Final = frozenset({"file_id", "extra"})
"""Fields that hold something in spite of a problem, so that they are not `unreadable`."""


def _extra(entry: Mapping[str, Any], problems: dict[str, str]) -> dict[str, Any]:
    """Return the fields that the document does not describe; one that is too deep to store is a problem."""
    extra: dict[str, Any] = {}
    for name in entry.keys() - _KNOWN:
        try:
            extra.update(storable({name: entry[name]}))
        except TooDeep:
            problems["extra"] = "an unknown field is nested too deep"
    return extra
