"""Rows shown to people cannot move the cursor or break the line; rows for programs come back as they were."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from syncer import export, words
from syncer.cli import tables
from syncer.store.inventory import FIELDS

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
HOSTILE = ["\x1b[2J\x1b[H", "a\rb", "a\nb\tc", "\u202eexe.gpj", "a\u200bb", "\x9b31m", "\u2028", "a\x7fb"]


def row(**fields: Any) -> dict[str, Any]:
    return (
        dict.fromkeys(FIELDS)
        | {
            "source": "default",
            "file_id": "9031868222808082655",
            "name": "6000_3dS-wEDrQl8_2016-11-30-10-32-51_2016-11-30-10-34-31",
            "size_bytes": 3_100_000_000,
            "state": "live",
            "created_at": NOW - timedelta(days=2),
            "expires_at": NOW + timedelta(days=12, hours=1),
        }
        | fields
    )


def table(*rows: dict[str, Any], width: int = 80, **options: bool) -> list[str]:
    stream = io.StringIO()
    tables.write_table(stream, tables.file_columns(NOW, **options), rows, width=width)
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_cannot_move_the_cursor_or_break_the_line(name: str) -> None:
    lines = table(row(name=name))
    assert len(lines) == 2
    assert all(each.isprintable() for each in lines)
    piped = io.StringIO()
    tables.write_tabs(piped, ("name", "url"), [row(name=name, url=name)])
    assert piped.getvalue().count("\n") == 2
    assert piped.getvalue().count("\t") == 2
    assert not set("\x1b\r\u202e\u200b\x9b\u2028\x7f") & set(piped.getvalue())


@given(TEXT, st.integers(2, 40))
def test_a_shortened_text_fits_and_keeps_both_ends(text: str, width: int) -> None:
    shortened = tables.shorten(text, width)
    assert cell_len(shortened) <= width
    left, _, right = shortened.partition("…")
    assert shortened == text or (text.startswith(left) and text.endswith(right))


@pytest.mark.parametrize("width", [80, 100, 60, 132])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"created_first": True},
        {"states": True, "gone": True},
        {"sources": True, "states": True, "gone": True, "created_first": True},
    ],
)
def test_no_line_is_wider_than_the_terminal(width: int, options: dict[str, bool]) -> None:
    rows = [row(), row(name="冷备" * 40, size_bytes=None, expires_at=None), row(name=None, created_at=None)]
    assert max(cell_len(each) for each in table(*rows, width=width, **options)) <= width


def test_a_longer_row_behind_the_first_ones_still_fits() -> None:
    rows = [row(name="short", file_id="1") for _ in range(300)] + [row()]
    assert max(len(each) for each in table(*rows)) <= 80


def test_a_table_at_80_columns_reads_like_this(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "zone", lambda: "UTC")
    monkeypatch.setattr(tables, "local", lambda at, form="%Y-%m-%d %H:%M": at.strftime(form) if at else "")
    overdue = row(name="a", size_bytes=None, expires_at=NOW - timedelta(hours=3))
    assert table(row(), overdue) == [
        "EXPIRES (UTC)     LEFT       SIZE  NAME                      FILE ID",
        "2026-12-04 13:00  12 d     3.1 GB  6000_3dS-wED…30-10-34-31  9031868222808082655",
        "2026-11-22 09:00  3 h ago          a                         9031868222808082655",
    ]


@given(st.lists(st.tuples(TEXT, TEXT), max_size=5))
def test_csv_comes_back_as_it_was_but_for_the_apostrophe_before_a_formula(pairs: list[tuple[str, str]]) -> None:
    stream = io.StringIO(newline="")
    rows = [{"name": name, "url": url} for name, url in pairs]
    assert export.write_csv(stream, ("name", "url"), rows) == len(rows)
    stream.seek(0)
    back = list(csv.reader(stream))[1:]
    for got, expected in zip(back, pairs, strict=True):
        for cell, text in zip(got, expected, strict=True):
            assert cell in (text, f"'{text}")
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_csv_is_rfc_4180_and_a_negative_number_is_no_formula() -> None:
    stream = io.StringIO(newline="")
    export.write_csv(stream, ("name", "size_bytes", "created_at"), [row(name='=1+"a"', size_bytes=-5)])
    assert stream.getvalue() == 'name,size_bytes,created_at\r\n"\'=1+""a""",-5,2026-11-20T12:00:00+00:00\r\n'


@given(st.lists(st.dictionaries(TEXT, TEXT, max_size=3), max_size=4))
def test_json_is_one_array_of_the_rows(rows: list[dict[str, str]]) -> None:
    stream = io.StringIO()
    assert export.write_json(stream, rows) == len(rows)
    assert json.loads(stream.getvalue()) == rows


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (None, ""),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9_949, "9.9 kB"),
        (9_950, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (3_100_000_000_000, "3.1 TB"),
        (2**63 - 1, "9.2 EB"),
    ],
)
def test_sizes_are_said_in_three_digits_at_most(amount: int | None, shown: str) -> None:
    assert words.size(amount) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.4, "0 s"), (59.9, "59 s"), (60, "1 min"), (7199, "119 min"), (7200, "2 h"), (172800, "2 d"), (-90, "1 min")],
)
def test_spans_are_cut_never_rounded_up(seconds: float, shown: str) -> None:
    assert words.span(seconds) == shown
