"""Any bytes become an answer, and a bad field or entry costs itself alone."""

from __future__ import annotations

import json
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer.model import BackupFile, Page
from syncer.net.text import DEEPEST
from syncer.source.columns import read_plain
from syncer.source.decode import ApiError, Malformed, decode
from syncer.source.entries import RAW_LIMIT, read_entry

GOOD: dict[str, Any] = {
    "fileId": "9031868222808082655",
    "name": "6000_3dS-wEDrQl8",
    "size": 7865592,
    "type": "mp4",
    "duration": 35,
    "status": 2,
    "createTime": "2016-11-30 10:34:33",
    "expireTime": "2016-12-30 10:34:33",
    "url": "http://1000.vod2.myqcloud.com/vodgzp/9031868222808082655/0.mp4",
}


def answer(*entries: Any, **fields: Any) -> bytes:
    return json.dumps({"code": 0, "message": "", "context": "", "fileSet": list(entries), **fields}).encode()


def page(*entries: Any, **fields: Any) -> Page:
    decoded = decode(answer(*entries, **fields))
    assert isinstance(decoded, Page), decoded
    return decoded


def only(**fields: Any) -> BackupFile:
    (file,) = page({**GOOD, **fields}).files
    return file


def without(name: str) -> BackupFile:
    (file,) = page({key: value for key, value in GOOD.items() if key != name}).files
    return file


# --- the page


def test_an_entry_as_the_document_shows_it_is_read_whole() -> None:
    got = page(GOOD, context="abc+/==", fileCount=1)
    assert got.files == (
        BackupFile(
            file_id="9031868222808082655",
            name="6000_3dS-wEDrQl8",
            size_bytes=7865592,
            file_type="mp4",
            duration_seconds=35,
            status=2,
            created_at=datetime(2016, 11, 30, 2, 34, 33, tzinfo=UTC),
            created_raw="2016-11-30 10:34:33",
            expires_at=datetime(2016, 12, 30, 2, 34, 33, tzinfo=UTC),
            expires_raw="2016-12-30 10:34:33",
            url="http://1000.vod2.myqcloud.com/vodgzp/9031868222808082655/0.mp4",
        ),
    )
    assert (got.rejected, got.entries, got.context, got.file_count, got.ambiguous) == ((), 1, "abc+/==", 1, False)


@pytest.mark.parametrize("code", [0, "0", "00"])
def test_the_code_may_be_a_number_or_digits(code: Any) -> None:
    assert page(GOOD, code=code).entries == 1


@pytest.mark.parametrize(("context", "read"), [("", None), (None, None), ("x", "x"), (12, "12"), (10**30, str(10**30))])
def test_an_empty_context_is_none_and_a_number_is_its_text(context: Any, read: str | None) -> None:
    assert page(context=context).context == read


def test_an_absent_context_is_none() -> None:
    assert decode(b'{"code":0,"fileSet":[]}') == Page((), (), 0, None)


@pytest.mark.parametrize("context", [True, 1.5, [], {}, "a\x00", "a\ud800"])
def test_any_other_context_is_malformed(context: Any) -> None:
    assert decode(answer(GOOD, context=context)) == Malformed("its context is not a text")


@pytest.mark.parametrize("count", [0, "0"])
def test_a_null_or_absent_file_set_is_empty_where_the_count_says_so(count: Any) -> None:
    assert page(fileSet=None, fileCount=count).entries == 0
    assert isinstance(decode(json.dumps({"code": 0, "fileCount": count}).encode()), Page)


@pytest.mark.parametrize(
    "fields", [{"fileSet": None}, {"fileSet": None, "fileCount": 1}, {"fileSet": {}}, {"fileSet": "x"}]
)
def test_a_file_set_that_is_no_list_is_malformed_and_never_an_empty_page(fields: dict[str, Any]) -> None:
    assert decode(answer(**{"fileCount": None, **fields})) == Malformed("its fileSet is not a list")


def test_the_last_entry_of_a_file_id_wins_and_all_are_counted() -> None:
    got = page(GOOD, {**GOOD, "name": "second"}, {**GOOD, "fileId": "1"})
    assert [(file.file_id, file.name) for file in got.files] == [(GOOD["fileId"], "second"), ("1", GOOD["name"])]
    assert got.entries == 3


@pytest.mark.parametrize(("count", "read"), [(1, 1), ("1", 1), (None, None), ("", None), ("many", None), (True, None)])
def test_the_file_count_is_kept_where_it_is_a_number(count: Any, read: int | None) -> None:
    assert page(GOOD, fileCount=count).file_count == read


# --- errors


@pytest.mark.parametrize("code", [70008, "70008"])
def test_a_code_other_than_zero_is_an_error_with_its_message(code: Any) -> None:
    assert decode(answer(code=code, message="(1000)拉取已经完成")) == ApiError(70008, "(1000)拉取已经完成")


def test_the_newer_form_is_an_error_with_a_text_code() -> None:
    body = b'{"Response":{"Error":{"Code":"AuthFailure.SecretIdNotFound","Message":"no"},"RequestId":"r"}}'
    assert decode(body) == ApiError("AuthFailure.SecretIdNotFound", "no")


def test_a_message_shows_one_line_without_control_characters() -> None:
    assert decode(answer(code=1, message="a\n\x1b[31mb\ud800\x00" + "c" * 9999)) == ApiError(
        1, "a [31mb " + "c" * 3991 + "…"
    )


@pytest.mark.parametrize("message", [None, 5, [], {"a": 1}])
def test_a_message_of_any_type_is_survived(message: Any) -> None:
    got = decode(answer(code=1, message=message))
    assert isinstance(got, ApiError)
    assert got.message == ("" if message is None else json.dumps(message))


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"<html>", b"{", b'{"code":0,"fileSet":[', b"[]", b"null", b"0", b'"x"', b"{}", b'{"code":null}',
        b'{"code":true}',
        b'{"code":0.0,"fileSet":[]}', b'{"code":"","fileSet":[]}', b'{"code":"x"}', b'{"code":1e400}',
        b'{"code":99999999999}',
        b'{"Response":{}}', b'{"Response":{"Error":{}}}', b'{"Response":{"Error":{"Code":""}}}', b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\xff\xfe", '{"code":0,"fileSet":[]}'.encode("utf-16"), b"1" * 5000, b'{"code":' + b"0" * 5000 + b"}",
    ],
)  # fmt: skip
def test_what_is_no_object_with_a_readable_code_is_malformed(body: bytes) -> None:
    assert isinstance(decode(body), Malformed)


# --- fields


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize(
    ("name", "field"),
    [("name", "name"), ("size", "size_bytes"), ("type", "file_type"), ("duration", "duration_seconds"), ("status",
    "status"),
     ("createTime", "created_at"), ("createTime", "created_raw"), ("expireTime", "expires_at"), ("url", "url")],
)  # fmt: skip
def test_null_empty_and_absent_are_none_without_complaint(name: str, field: str, value: Any) -> None:
    for file in (only(**{name: value}), without(name)):
        assert getattr(file, field) is None
        assert file.unreadable == frozenset()


@pytest.mark.parametrize(
    ("value", "read"), [(0, 0), ("0", 0), ("007", 7), (2**63 - 1, 2**63 - 1), (str(2**63 - 1), 2**63 - 1)]
)
def test_a_size_is_an_integer_or_digits_up_to_a_bigint(value: Any, read: int) -> None:
    assert only(size=value).size_bytes == read


@pytest.mark.parametrize("name", ["size", "duration", "status"])
@pytest.mark.parametrize(
    "value", [True, 1.0, 1e400, float("nan"), "1.0", "1e3", "12,345", " 1", "-1", "x", "٣", [], {}, 2**63, "9" * 5000]
)
def test_anything_else_is_an_unreadable_number_and_the_row_is_kept(name: str, value: Any) -> None:
    got = page({**GOOD, name: value})
    field = {"size": "size_bytes", "duration": "duration_seconds"}.get(name, name)
    assert getattr(got.files[0], field) is None
    assert got.files[0].unreadable == {field}
    assert got.files[0].name == GOOD["name"]
    assert got.rejected[0].file_id == GOOD["fileId"]
    assert got.rejected[0].reason.startswith(name + " is ")


def test_a_negative_size_is_unreadable() -> None:
    assert only(size=-1).unreadable == {"size_bytes"}


@pytest.mark.parametrize(("value", "readable"), [(2**31 - 1, True), (2**31, False), ("2147483648", False), (-1, True)])
def test_a_status_is_no_larger_than_an_int4(value: Any, readable: bool) -> None:
    assert (only(status=value).unreadable == frozenset()) is readable


def test_an_integer_of_thousands_of_digits_costs_one_field_and_not_the_page() -> None:
    body = answer(GOOD, {**GOOD, "fileId": "2"}).replace(b"7865592", b"9" * 5000, 1)
    got = decode(body)
    assert isinstance(got, Page)
    assert [file.size_bytes for file in got.files] == [None, GOOD["size"]]


@pytest.mark.parametrize(
    ("value", "read"),
    [("18446744073709551616", "18446744073709551616"), (18446744073709551617, "18446744073709551617"), (0, "0")],
)
def test_a_file_id_is_a_text_or_an_integer_of_any_length_exactly(value: Any, read: str) -> None:
    assert only(fileId=value).file_id == read


@pytest.mark.parametrize("value", [None, "", "  ", True, 1.5, -1, [], {}, "x" * 201, 10**200])
def test_any_other_file_id_is_rejected_without_a_file(value: Any) -> None:
    got = page(GOOD, {**GOOD, "fileId": value})
    assert [file.file_id for file in got.files] == [GOOD["fileId"]]
    (rejection,) = got.rejected
    assert (rejection.position, rejection.file_id) == (1, None)
    assert "fileId" in rejection.reason
    assert GOOD["name"] in rejection.raw


@pytest.mark.parametrize("entry", [None, 1, "x", [], True, 1.5])
def test_an_entry_that_is_no_object_is_rejected(entry: Any) -> None:
    got = page(entry, GOOD)
    assert (len(got.files), got.entries) == (1, 2)
    assert got.rejected[0].raw == json.dumps(entry)


@pytest.mark.parametrize("value", ["0000-00-00 00:00:00", "0000-00-00", "0"])
def test_an_all_zero_time_is_none_without_complaint_and_its_text_is_kept(value: str) -> None:
    file = only(expireTime=value)
    assert (file.expires_at, file.expires_raw, file.unreadable) == (None, value, frozenset())


@pytest.mark.parametrize(
    "value",
    ["soon", "2016-02-30 10:00:00", "2016-13-01 10:00:00", "2016-11-30 24:00:00", "2016-11-30 10:60:00",
    "2016-11-30", "2016-11-30T10:34:33",
     "2016-11-30 10:34:33 ", "2016-W48-3 10:34:33", "20161130 10:34:33xx", "2016-11-30 10:34:33+08:00",
     "0001-01-01 00:00:00", "\uff12016-11-30 10:34:33"],
)  # fmt: skip
def test_any_other_time_is_unreadable_and_its_text_is_kept(value: str) -> None:
    got = page({**GOOD, "createTime": value})
    assert (got.files[0].created_at, got.files[0].created_raw, got.files[0].unreadable) == (None, value, {"created_at"})
    assert "createTime" in got.rejected[0].reason


@pytest.mark.parametrize("value", [1480473273, 1.5, True, [], {"a": 1}])
def test_a_time_that_is_no_text_is_unreadable_and_kept_as_json(value: Any) -> None:
    file = only(expireTime=value)
    assert (file.expires_raw, file.unreadable) == (json.dumps(value), {"expires_at"})


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 31)))  # noqa: DTZ001 - the API's times have no zone
def test_every_time_of_the_calendar_is_read_as_beijing_time(local: datetime) -> None:
    local = local.replace(microsecond=0)
    assert only(createTime=local.isoformat(" ")).created_at == (local - timedelta(hours=8)).replace(tzinfo=UTC)


@pytest.mark.parametrize("name", ["name", "type", "url"])
def test_an_integer_counts_as_a_text_and_other_types_do_not(name: str) -> None:
    field = {"type": "file_type"}.get(name, name)
    assert getattr(only(**{name: 12}), field) == "12"
    for value in (True, 1.5, [], {}):
        assert only(**{name: value}).unreadable == {field}


# --- texts


def test_a_nul_or_lone_surrogate_is_shown_escaped_and_the_row_is_kept_without_complaint() -> None:
    got = page({**GOOD, "name": "a\x00b\ud800c", "url": "u\udfff"})
    assert (got.files[0].name, got.files[0].url) == (r"a\u0000b\ud800c", r"u\udfff")
    assert got.rejected == ()


def test_a_raw_control_character_and_bytes_that_are_no_utf8_cost_nothing() -> None:
    body = answer(GOOD).replace(b"6000_3dS", b"\x00\n\xff\xed\xa0\x80")
    got = decode(body)
    assert isinstance(got, Page)
    assert got.files[0].name == "\\u0000\n" + r"\udcff\udced\udca0\udc80" + "-wEDrQl8"


def test_real_characters_beyond_the_basic_plane_are_left_alone() -> None:
    assert only(name="备份 \U0001f4be").name == "备份 \U0001f4be"


def test_a_byte_order_mark_is_no_fault() -> None:
    assert isinstance(decode(b"\xef\xbb\xbf" + answer(GOOD)), Page)


def test_whatever_cannot_be_stored_is_escaped_however_many_kinds_there_are() -> None:
    body = answer(GOOD).replace(b"6000_3dS-wEDrQl8", rb"\u0000\uDFFF\ud800")
    decoded = decode(body)
    assert isinstance(decoded, Page)
    assert decoded.files[0].name == r"\u0000\udfff\ud800"


def test_an_id_that_cannot_be_stored_as_it_is_is_kept_escaped_and_reported() -> None:
    got = page({**GOOD, "fileId": "a\x00"})
    assert got.files[0].file_id == r"a\u0000"
    assert got.files[0].unreadable == frozenset()
    assert got.rejected[0].file_id == r"a\u0000"


def test_unknown_fields_are_kept_escaped_and_deep() -> None:
    file = only(tags=[{"k\x00": ["\ud800", float("nan"), None, 1.5, True]}])
    assert file.extra == {"tags": [{r"k\u0000": [r"\ud800", "nan", None, 1.5, True]}]}


def test_an_unknown_field_that_is_too_deep_to_store_is_reported_and_the_others_are_kept() -> None:
    deep: Any = 1
    for _ in range(DEEPEST + 1):
        deep = [deep]
    got = page({**GOOD, "deep": deep, "flat": 1})
    assert got.files[0].extra == {"flat": 1}
    assert got.files[0].unreadable == frozenset()
    assert got.rejected[0].reason == "an unknown field is nested too deep"


def test_the_raw_text_of_a_rejected_entry_is_capped() -> None:
    (rejection,) = page({**GOOD, "fileId": None, "name": "\x00" * 50_000}).rejected
    assert len(rejection.raw) == RAW_LIMIT


# --- properties

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None))
    | st.sampled_from(["", "0", "1", "0000-00-00"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
entries = st.dictionaries(st.sampled_from([*GOOD, "other"]), values) | values


def texts(value: Any) -> list[str]:
    """Every text within a value, keys included."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.items() for text in texts(list(item))]
    return [text for item in value for text in texts(item)] if isinstance(value, (list, tuple, frozenset)) else []


@given(st.binary() | values.map(json.dumps).map(str.encode) | st.binary().map(lambda junk: answer(GOOD)[:-3] + junk))
def test_no_bytes_raise(body: bytes) -> None:
    assert isinstance(decode(body), (Page, ApiError, Malformed))


@given(st.dictionaries(st.sampled_from(["code", "message", "fileSet", "context", "fileCount", "Response"]), values))
def test_no_document_raises(document: dict[str, Any]) -> None:
    assert isinstance(decode(json.dumps({"code": 0, **document}).encode()), (Page, ApiError, Malformed))


@given(st.lists(entries, max_size=5), st.lists(entries, max_size=5))
def test_a_good_entry_is_never_lost_beside_bad_ones(before: list[Any], after: list[Any]) -> None:
    good = {**GOOD, "fileId": "the good one"}
    got = page(*before, good, *after)
    assert page(good).files[0] in got.files
    assert got.entries == len(before) + 1 + len(after)


@given(st.lists(entries, max_size=5))
def test_every_entry_is_a_file_or_a_rejection_and_all_of_it_can_be_stored(listed: list[Any]) -> None:
    got = page(*listed)
    known = {file.file_id for file in got.files}
    unreadable = {rejection.position for rejection in got.rejected if rejection.file_id is None}
    assert len(known) + len(unreadable) <= len(listed)
    assert known or len(unreadable) == len(listed)
    for file in got.files:
        assert file.unreadable <= set(BackupFile._fields)
        assert all(getattr(file, name) is None for name in file.unreadable)
        assert not file.unreadable or file.file_id in {rejection.file_id for rejection in got.rejected}
        json.dumps(file.extra, allow_nan=False)
    for text in texts(astuple(got)):
        text.encode()
        assert "\x00" not in text


# --- a page that leaves no doubt is read field by field

TIMES = (
    "2016-11-30 10:34:33", "2016-11-30 24:00:00", "2016-W48-3 10:34:33", "2016-11-30T10:34:33", "2016-11-30 10:34:61",
    "2016-11-30 10.34.33", "2016/11/30 10:34:33", "0000-00-00 00:00:00", "0001-01-01 00:00:00", "9999-12-31 23:59:59",
    "\uff12016-11-30 10:34:33", "2016-11-30 10:34", "2016-11-30 10:34:33.000000",
)  # fmt: skip
ANYTHING = (
    st.none()
    | st.booleans()
    | st.floats()
    | st.sampled_from([*TIMES, "", " ", "x" * 200, "x" * 201, [], {}])
    | st.text(max_size=3)
    | st.sampled_from([0, -1, 2**31 - 1, 2**31, 2**63 - 1, 2**63, -(2**31) + 1, -(2**31), 10**30])
)
ENTRIES = st.fixed_dictionaries({}, optional=dict.fromkeys([*GOOD, "more"], ANYTHING)).map(lambda odd: {**GOOD, **odd})


@given(st.lists(ENTRIES | st.just(GOOD), max_size=3))
def test_what_is_read_field_by_field_is_what_each_entry_by_itself_says(entries: list[dict[str, Any]]) -> None:
    read = read_plain(entries)
    assert read is None or [(file, None) for file in read] == [
        read_entry(entry, position, escape=False) for position, entry in enumerate(entries)
    ]


@given(st.sampled_from(list(GOOD)), ANYTHING)
def test_a_page_with_one_odd_value_is_read_as_that_entry_by_itself(name: str, value: Any) -> None:
    entry = {**GOOD, name: value}
    read = read_plain([GOOD, entry])
    assert read is None or (read[1], None) == read_entry(entry, 1, escape=False)


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"name": None, "type": "", "url": None, "size": None, "duration": 2**63 - 1, "status": -(2**31) + 1},
        {
            "createTime": "0002-01-01 00:00:00",
            "expireTime": "9999-12-31 23:59:59",
            "size": 0,
            "duration": 0,
            "fileId": "x" * 200,
        },
    ],
)
def test_pages_as_the_document_has_them_are_read_field_by_field(odd: dict[str, Any]) -> None:
    assert read_plain([GOOD, {**GOOD, **odd}]) is not None


@pytest.mark.parametrize(
    "odd",
    [{"more": 1}, {"createTime": ""}, {"size": "12"}, {"size": -1}, {"status": 2**31}, {"fileId": 12}, {"fileId": " "}],
)
def test_a_page_with_a_doubt_is_left_to_be_read_entry_by_entry(odd: dict[str, Any]) -> None:
    assert read_plain([GOOD, {**GOOD, **odd}]) is None
    assert read_plain([]) is None
