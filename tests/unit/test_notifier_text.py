"""Laying a message out: within limits, whole lines, nothing that a terminal or a chat obeys."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from syncer.alerts.message import Language, Message
from syncer.alerts.notifiers.text import body_lines, fitted, reference, title, utf8_size

MESSAGE = Message("k", "info", "raised", "s", "r", "t", "x", {}, datetime(2026, 5, 1, tzinfo=UTC))


@given(
    st.lists(st.text(st.characters(blacklist_characters="\n", blacklist_categories=["Cs"]), max_size=60), max_size=80)
)
def test_any_lines_fit_and_every_line_is_shown_or_counted(middle: list[str]) -> None:
    languages: tuple[tuple[Language, str], ...] = (("en", "… {} more lines left out"), ("zh", "……另有 {} 行未列出"))
    for language, words in languages:
        lines = fitted(["the first", *middle, "the last"], language, 500, utf8_size)
        assert sum(map(utf8_size, lines)) <= 500
        assert (lines[0], lines[-1]) == ("the first", "the last")
        shown = lines[1:-1]
        if shown != middle:
            *shown, count = shown
            assert count == words.format(len(middle) - len(shown))
        assert shown == middle[: len(shown)]


def test_a_title_that_is_too_long_by_itself_is_cut() -> None:
    lines = fitted(["客" * 5000, "a", "the last"], "zh", 300, utf8_size)
    assert sum(map(utf8_size, lines)) <= 300
    assert lines[0].endswith("客…")
    assert lines[-1] == "the last"


def test_a_title_is_one_line() -> None:
    assert title(replace(MESSAGE, title="a\r\nBcc: x\n\tb")) == "a Bcc: x b"


def test_control_characters_and_marks_of_direction_are_gone() -> None:
    evil = "a\x1b[31m\x00b\u202ecod.exe\u2066\ud800\r\nnext\u2028line"
    *lines, _ = body_lines(replace(MESSAGE, text=evil))
    assert lines == ["a [31m b cod.exe  ", "next line"]


def test_the_reference_is_the_key_s_and_holds_the_keyword() -> None:
    assert reference(MESSAGE) == reference(replace(MESSAGE, text="other"))
    assert reference(MESSAGE) != reference(replace(MESSAGE, key="k2"))
    assert reference(MESSAGE).startswith("syncer ")
