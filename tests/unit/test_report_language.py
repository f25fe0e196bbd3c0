"""Every sentence exists in both languages, with the same places for values; numbers and spans read well."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import syncer.report
from syncer.report.catalogue import MESSAGES, Message
from syncer.report.language import Lang, Language

NOW = datetime(2026, 11, 22, 15, 59, tzinfo=UTC)
ROOM = Path(syncer.report.__file__).parent
EN, ZH = Language(Lang.EN, NOW), Language(Lang.ZH, NOW)


def test_a_message_has_every_language() -> None:
    assert Message._fields == tuple(Lang)
    for key, message in MESSAGES.items():
        assert all(message) or key == "gap", key


def test_chinese_is_chinese() -> None:
    for key, message in MESSAGES.items():
        assert key in {"gap", "with_bytes"} or re.search("[一-鿿]", message.zh), key
        assert not re.search("[一-鿿]", message.en), key


def test_the_languages_have_the_same_places() -> None:
    for key, message in MESSAGES.items():
        wanted = [set(re.findall(r"\{(\w+)", part)) for part in message.en.split("|")]
        assert all(each == set(re.findall(r"\{(\w+)", message.zh)) for each in wanted), key


def test_every_message_is_used_and_every_used_one_exists() -> None:
    code = "\n".join(path.read_text("utf-8") for path in ROOM.glob("*.py") if path.name != "catalogue.py")
    called = set(re.findall(r'(?:say|put|count)\(\s*"(\w+)"', code))
    assert called <= set(MESSAGES)
    words = set(re.findall(r"\w+", code))
    made = ("unit_", "level_", "kind_", "verdict_", "outcome_", "doubt_")
    assert {key for key in MESSAGES if key not in words and not key.startswith(made)} == set()


@pytest.mark.parametrize(
    ("number", "english", "chinese", "short"),
    [
        (0, "0 files", "0 个文件", "0"),
        (1, "1 file", "1 个文件", "1"),
        (999, "999 files", "999 个文件", "999"),
        (1204, "1,204 files", "1,204 个文件", "1.2k"),
        (9_960, "9,960 files", "9,960 个文件", "10k"),
        (999_499, "999,499 files", "999,499 个文件", "999k"),
        (999_500, "999,500 files", "999,500 个文件", "1.0M"),
        (12_000_000, "12,000,000 files", "12,000,000 个文件", "12M"),
    ],
)
def test_numbers(number: int, english: str, chinese: str, short: str) -> None:
    assert EN.count("files", number) == english
    assert ZH.count("files", number) == chinese
    assert EN.short(number) == short


def test_spans() -> None:
    assert [EN.span(s) for s in (5, 1080, 18000, 86400 * 12)] == ["5 s", "18 min", "5 h", "12 days"]
    assert [ZH.span(s) for s in (5, 1080, 18000, 86400 * 12)] == ["5 秒", "18 分钟", "5 小时", "12 天"]


def test_days_are_those_of_beijing() -> None:
    """One minute to midnight there: an hour earlier is today, two minutes later is not."""
    assert ">22:59</time>" in EN.moment(NOW - timedelta(hours=1))
    assert ">2026-11-23 00:01</time>" in EN.moment(NOW + timedelta(minutes=2))
    assert ">2026-11-22 23:59</time>" in EN.full_moment(NOW)
