"""What is said of an entry that cannot be understood, word for word, and the limits to the last digit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from syncer.model import BackupFile, Page, RejectedEntry
from syncer.source.decode import ApiError, Malformed, decode
from syncer.source.entries import RAW_LIMIT, read_entry

GOOD = {"fileId": "7"}


def read(entry: Any) -> tuple[BackupFile | None, RejectedEntry]:
    file, rejection = read_entry(entry, 3, escape=False)
    assert rejection is not None
    assert rejection.position == 3
    return file, rejection


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (None, "the entry is null and not an object"),
        (True, "the entry is a truth value and not an object"),
        (1.5, "the entry is a fraction and not an object"),
        ([], "the entry is a list and not an object"),
        ("x", "the entry is a text and not an object"),
        (5, "the entry is a number and not an object"),
        ({}, "fileId is absent"),
        ({"fileId": None}, "fileId is absent"),
        ({"fileId": {}}, "fileId is an object that is no id"),
        ({"fileId": -1}, "fileId is a number that is no id"),
        ({"fileId": " "}, "fileId is empty"),
        ({"fileId": "x" * 201}, "fileId is longer than 200 characters"),
    ],
)
def test_why_there_is_no_file(entry: Any, reason: str) -> None:
    file, rejection = read(entry)
    assert file is None
    assert rejection.reason == reason


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("name", [], "name is a list and not a text"),
        ("url", False, "url is a truth value and not a text"),
        ("size", "12,3", "size is a text that is no number"),
        ("size", 1.5, "size is a fraction and not an integer"),
        ("size", True, "size is a truth value and not an integer"),
        ("size", -1, "size is negative"),
        ("size", 2**63, "size is too large"),
        ("size", "9" * 30, "size is too large"),
        ("duration", None, None),
        ("status", -(2**31), "status is negative"),
        ("status", 2**31, "status is too large"),
        ("createTime", 5, "createTime is a number and not a time"),
        ("createTime", {}, "createTime is an object and not a time"),
        ("createTime", True, "createTime is a truth value and not a time"),
        ("createTime", 0.0, "createTime is a fraction and not a time"),
        ("expireTime", "soon", "expireTime is no time of the form YYYY-MM-DD HH:MM:SS"),
        ("expireTime", "X0000-00-00", "expireTime is no time of the form YYYY-MM-DD HH:MM:SS"),
        ("expireTime", 0, None),
        ("expireTime", 1, "expireTime is a number and not a time"),
        ("expireTime", "2016-11-30 24:00:00", "expireTime is no time of the form YYYY-MM-DD HH:MM:SS"),
    ],
)
def test_why_a_field_is_unreadable(field: str, value: Any, reason: str | None) -> None:
    _, rejection = read_entry({**GOOD, field: value}, 0, escape=False)
    assert (None if rejection is None else rejection.reason) == reason


@pytest.mark.parametrize(
    ("field", "value", "held"),
    [
        ("size", 0, 0),
        ("size", 2**63 - 1, 2**63 - 1),
        ("size", str(2**63 - 1), 2**63 - 1),
        ("size", "000120", 120),
        ("size", "0" * 40 + "7", 7),
        ("size", "000", 0),
        ("status", "-5", None),
        ("status", -(2**31) + 1, -(2**31) + 1),
        ("status", 2**31 - 1, 2**31 - 1),
        ("status", "7", 7),
        ("createTime", 0, None),
        ("createTime", "", None),
    ],
)
def test_what_is_held_at_the_limits(field: str, value: Any, held: int | None) -> None:
    file, _ = read_entry({**GOOD, field: value}, 0, escape=False)
    assert file is not None
    column = {"size": "size_bytes", "createTime": "created_at"}.get(field, field)
    assert getattr(file, column) == held


def test_every_bad_field_is_told() -> None:
    _, rejection = read({**GOOD, "size": -1, "status": "x"})
    assert rejection.reason == "size is negative; status is a text that is no number"


def test_an_id_of_two_hundred_characters_is_one() -> None:
    file, rejection = read_entry({"fileId": "x" * 200}, 0, escape=False)
    assert file is not None
    assert (file.file_id, rejection) == ("x" * 200, None)


def test_an_id_that_cannot_be_stored_is_shown_escaped_and_told() -> None:
    file, rejection = read_entry({"fileId": "a\x00b"}, 0, escape=True)
    assert file is not None
    assert file.file_id == "a\\u0000b"
    assert rejection is not None
    assert rejection.reason == "fileId holds a character that cannot be stored, shown escaped"


def test_what_is_kept_of_a_rejected_entry_and_of_an_odd_time_is_limited() -> None:
    long = "x" * (RAW_LIMIT + 50)
    assert len(read({"fileId": long})[1].raw) == RAW_LIMIT
    file, rejection = read({"fileId": "7", "size": long, "createTime": [long]})
    assert len(rejection.raw) == RAW_LIMIT
    assert file is not None
    assert file.created_raw is not None
    assert len(file.created_raw) == RAW_LIMIT


@pytest.mark.parametrize("digits", [999, 1000, 1001])
def test_integers_of_a_thousand_digits_are_numbers_and_longer_ones_texts(digits: int) -> None:
    """A number that Python refuses makes the page be read once more, with long numbers left as texts."""
    number, monstrous = "1" * digits, "2" * 5000
    body = f'{{"code":0,"fileSet":[{{"fileId":"7","a":{number},"b":{monstrous}}}]}}'
    answer = decode(body.encode())
    assert isinstance(answer, Page)
    assert answer.files[0].extra == {"a": int(number) if digits <= 1000 else number, "b": monstrous}


@pytest.mark.parametrize("document", [{}, {"code": "x"}, {"Response": {"Error": {"Code": " "}}}, {"Response": 5}])
def test_json_without_a_readable_code(document: dict[str, Any]) -> None:
    assert decode(json.dumps(document).encode()) == Malformed("it is JSON without a readable code")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "it is empty"),
        (b" \r\n", "it is empty"),
        (b"<html>", "it is not JSON"),
        (b"[1]", "it is not a JSON object"),
        (b'{"code":0,"fileSet":' + b"[" * 5000, "it is JSON nested too deep"),
    ],
)
def test_why_a_body_is_no_answer(body: bytes, reason: str) -> None:
    assert decode(body) == Malformed(reason)


@pytest.mark.parametrize(
    ("code", "read"),
    [
        (-(2**31) + 1, -(2**31) + 1),
        ("-2147483647", -(2**31) + 1),
        ("-5", -5),
        (2**31, None),
        ("5-", None),
        ("--5", None),
    ],
)
def test_a_code_is_an_integer_of_32_bits_or_its_digits(code: Any, read: int | None) -> None:
    expected = Malformed("it is JSON without a readable code") if read is None else ApiError(read, "")
    assert decode(json.dumps({"code": code}).encode()) == expected


def test_bytes_that_are_no_utf8_are_shown_escaped() -> None:
    answer = decode(b'{"code":0,"fileSet":[{"fileId":"7","name":"a\xffb"}]}')
    assert isinstance(answer, Page)
    assert answer.files[0].name == "a\\udcffb"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"a\\ud800b", "a\\ud800b"),
        (b"a\\uD800b", "a\\ud800b"),
        (b"a\\u0000b", "a\\u0000b"),
        (b"a\x00b", "a\\u0000b"),
        (b"\x00 \\u0000 \\ud800 \\uD800", "\\u0000 \\u0000 \\ud800 \\ud800"),
    ],
)
def test_what_cannot_be_stored_is_shown_escaped_however_it_is_written(written: bytes, shown: str) -> None:
    answer = decode(b'{"code":0,"fileSet":[{"fileId":"7","name":"' + written + b'"}]}')
    assert isinstance(answer, Page)
    assert answer.files[0].name == shown


def test_codes_and_messages_of_any_length_are_cut() -> None:
    newer = decode(json.dumps({"Response": {"Error": {"Code": "C" * 500, "Message": "m"}}}).encode())
    assert newer == ApiError("C" * 99 + "…", "m")
    told = decode(json.dumps({"code": 1, "message": ["m" * 9000]}).encode())
    assert isinstance(told, ApiError)
    assert told.message == ('["' + "m" * 9000)[:4000]
