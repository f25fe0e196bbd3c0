"""Turns the bytes of an answer into a page, the API's own error, or the verdict that it is no answer; pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from syncer.model import BackupFile, Page, RejectedEntry
from syncer.net.text import as_json, one_line, visible
from syncer.source.columns import read_plain
from syncer.source.entries import read_entry


@dataclass(frozen=True, slots=True)
class ApiError:
    """A coded answer other than success: a number, or a text where a host answers in the API's newer form."""

    code: int | str
    message: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """The bytes are no answer of the API: a fault of the transport, whatever the HTTP status says."""

    reason: str


Answer = Page | ApiError | Malformed

_LONGEST_NUMBER = 1000
"""Digits of an integer that are read as one; Python itself refuses 4300 and more, and the whole page with them."""


_LONGEST_MESSAGE = 4000
"""Characters of a message that are kept: whoever shows it hides secrets first and cuts it then."""


def _long_number(digits: str) -> int | str:
    return int(digits) if len(digits) <= _LONGEST_NUMBER else digits


# strict=False lets control characters stand in texts: a raw line break in one name must not cost the page.
_QUICK = json.JSONDecoder(strict=False)
_PATIENT = json.JSONDecoder(strict=False, parse_int=_long_number)


def decode(body: bytes) -> Answer:
    """Read an answer of VodBackupGet; never raises, whatever the bytes are.

    The standard `json` reads what stricter decoders refuse a whole page for: lone surrogates, NaN, a byte order mark.
    Bytes that are no UTF-8 become lone surrogates and are shown escaped.
    """
    try:
        text, valid = body.decode(), True
    except UnicodeDecodeError:
        text, valid = body.decode(errors="surrogateescape"), False
    try:
        document = _parse(text.removeprefix("\ufeff"))
    except ValueError:
        return Malformed("it is not JSON" if text.strip() else "it is empty")
    except RecursionError:
        return Malformed("it is JSON nested too deep")
    if not isinstance(document, dict):
        return Malformed("it is not a JSON object")
    code = _code(document.get("code"))
    if code is None:
        return _newer_form(document)
    if code != 0:
        return ApiError(code, _message(document.get("message")))
    return _page(document, escape=not valid or _may_hold_unstorable(body))


def _may_hold_unstorable(body: bytes) -> bool:
    """Tell of every way in which a text that PostgreSQL cannot hold may come: most pages are spared the search.

    In bytes, which are searched ten times as fast as text, and for one byte first, which is faster still.
    """
    if b"\0" in body:
        return True
    return b"\\" in body and b"\\u" in body and any(mark in body for mark in (b"\\u0000", b"\\ud", b"\\uD"))


def _parse(text: str) -> Any:
    """Parse JSON; a number of thousands of digits, which `int` refuses, is left as text. Raises ValueError."""
    try:
        return _QUICK.decode(text)
    except json.JSONDecodeError:
        raise
    except ValueError:
        return _PATIENT.decode(text)


def _code(value: Any) -> int | None:
    """Read a code: an integer here, digits in a text in sibling calls."""
    if type(value) is str and len(value) <= len("-2147483648"):
        digits = value.removeprefix("-")
        value = int(value) if digits.isascii() and digits.isdigit() else None
    return value if type(value) is int and abs(value) < 2**31 else None


def _message(value: Any) -> str:
    if value is None:
        return ""
    return one_line(value if isinstance(value, str) else as_json(value, _LONGEST_MESSAGE), _LONGEST_MESSAGE)


def _newer_form(document: dict[str, Any]) -> ApiError | Malformed:
    """Read `{"Response": {"Error": {"Code", "Message"}}}`, in which hosts of the newer API answer."""
    response = document.get("Response")
    error = response.get("Error") if isinstance(response, dict) else None
    code = error.get("Code") if isinstance(error, dict) else None
    if not isinstance(error, dict) or not isinstance(code, str) or not code.strip():
        return Malformed("it is JSON without a readable code")
    return ApiError(one_line(code, 100), _message(error.get("Message")))


def _page(document: dict[str, Any], *, escape: bool) -> Page | Malformed:
    count = _code(document.get("fileCount"))
    listed = document.get("fileSet")
    if listed is None and count == 0:
        listed = []
    if not isinstance(listed, list):
        return Malformed("its fileSet is not a list")
    context = document.get("context")
    if type(context) is int:
        context = str(context)
    if context is not None and (not isinstance(context, str) or context != visible(context)):
        return Malformed("its context is not a text")
    rejected: list[RejectedEntry] = []
    read = None if escape else read_plain(listed)
    if read is None:
        read = _read_one_by_one(listed, rejected, escape=escape)
    files = {file.file_id: file for file in read}
    return Page(tuple(files.values()), tuple(rejected), len(listed), context or None, count)


def _read_one_by_one(listed: list[Any], rejected: list[RejectedEntry], *, escape: bool) -> list[BackupFile]:
    """Return the files that the entries describe; append what could not be read of them to `rejected`."""
    files: list[BackupFile] = []
    for position, entry in enumerate(listed):
        file, rejection = read_entry(entry, position, escape=escape)
        if file is not None:
            files.append(file)
        if rejection is not None:
            rejected.append(rejection)
    return files
