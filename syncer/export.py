"""Rows for programs and spreadsheets: CSV without formulas, and JSON; as streams, so that memory stays flat."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, TextIO

Row = Mapping[str, Any]

# What a spreadsheet may read as a formula, the full-width forms too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - meant to look alike


def csv_lines(fields: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of RFC 4180 with a heading, each with its end.

    Texts that a spreadsheet would run as a formula begin with an apostrophe.
    """
    line = io.StringIO(newline="")
    writer = csv.writer(line)
    for cells in itertools.chain([fields], ([_defused(row[field]) for field in fields] for row in rows)):
        writer.writerow(cells)
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def write_csv(stream: TextIO, fields: Sequence[str], rows: Iterable[Row]) -> int:
    """Write `csv_lines`; return how many rows there were."""
    number = -1
    for number, line in enumerate(csv_lines(fields, rows)):  # noqa: B007 - the heading is number 0
        stream.write(line)
    return number


def _defused(value: object) -> str:
    text = as_text(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


def as_text(value: object) -> str:
    """Return a value as text: empty for none, ISO 8601 for days and instants, JSON for what has parts."""
    if value is None:
        return ""
    if isinstance(value, dict | list | bool):
        return json.dumps(value, ensure_ascii=False, default=_plain)
    return str(_plain(value) if isinstance(value, date | timedelta) else value)


def write_json(stream: TextIO, rows: Iterable[Row]) -> int:
    """Write one JSON array, an object a line; return how many rows there were."""
    number = 0
    stream.write("[")
    for text in _objects(rows):
        stream.write(("," if number else "") + "\n" + text)
        number += 1
    stream.write("\n]\n" if number else "]\n")
    return number


def _objects(rows: Iterable[Row]) -> Iterator[str]:
    for row in rows:
        yield json.dumps(dict(row), ensure_ascii=False, default=_plain)


def _plain(value: object) -> str | float:
    """Return what stands for a value that JSON lacks: ISO 8601 for days and instants, seconds for spans."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
