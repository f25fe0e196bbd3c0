"""Renders rows as a stream: a table for a terminal, tab-separated text for a pipe, CSV and JSON for programs."""

from __future__ import annotations

import io
import itertools
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TextIO

import typer
from rich.cells import cell_len

from syncer import words
from syncer.cli.common import writing
from syncer.export import Row, as_text
from syncer.words import visible

# Rows that are looked at before the first is written, to find how wide the columns must be.
_LOOK_AHEAD = 200
_NARROWEST_NAME = 14
_GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a terminal's table. A `flexible` one gets the room that is left, and is shortened to it.

    `spare` above 0 lets the column go when the terminal is too narrow, the highest first.
    """

    title: str
    text: Callable[[Row], str]
    right: bool = False
    flexible: bool = False
    spare: int = 0


@contextmanager
def stdout(*, plain: bool = False) -> Iterator[TextIO]:
    """Yield standard output for the block, as `writing` does; a reader who goes early ends the command with it.

    `plain` is for programs, which get UTF-8; a terminal gets a question mark for what it cannot show.
    """
    stream = sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        if plain:
            stream.reconfigure(encoding="utf-8", newline="\n")
        else:
            stream.reconfigure(errors="replace")
    with writing():
        yield stream
        return
    raise typer.Exit(0)


def shorten(text: str, width: int) -> str:
    """Return `text` in at most `width` cells, its middle left out: the ends are what tells names apart."""
    if cell_len(text) <= width:
        return text
    left, room = [], (width - 1) - (width - 1) // 2
    for each in text:
        room -= cell_len(each)
        if room < 0:
            break
        left.append(each)
    right, room = [], width - 1 - cell_len("".join(left))
    for each in reversed(text):
        room -= cell_len(each)
        if room < 0:
            break
        right.append(each)
    return "".join(left) + "…" + "".join(reversed(right))


def local(instant: datetime | None, form: str = "%Y-%m-%d %H:%M") -> str:
    """Return an instant in this machine's time zone; empty for none."""
    return "" if instant is None else instant.astimezone().strftime(form)


def zone() -> str:
    """Return the name of this machine's time zone, both names where clocks change: `UTC`, `CET/CEST`."""
    return "/".join(dict.fromkeys(time.tzname))


def remaining(expires_at: datetime | None, now: datetime) -> str:
    """Return how long until an expiry: `12 d`, or `3 d ago`."""
    if expires_at is None:
        return ""
    seconds = (expires_at - now).total_seconds()
    return words.span(seconds) if seconds > 0 else f"{words.span(seconds)} ago"


def file_columns(
    now: datetime, *, created_first: bool = False, sources: bool = False, states: bool = False, gone: bool = False
) -> list[Column]:
    """Return the columns in which files are shown to a person, as of `now`."""

    def moment(title: str, name: str, form: str = "%Y-%m-%d %H:%M", spare: int = 0) -> Column:
        return Column(title, lambda row: local(row[name], form), spare=spare)

    if created_first:
        columns = [moment(f"CREATED ({zone()})", "created_at"), moment("EXPIRES", "expires_at", "%Y-%m-%d", spare=1)]
    else:
        columns = [moment(f"EXPIRES ({zone()})", "expires_at")]
    columns.append(Column("LEFT", lambda row: "" if row["gone_at"] else remaining(row["expires_at"], now), spare=4))
    if gone:
        columns.append(moment("GONE", "gone_at", spare=3))
    if states:
        columns.append(Column("STATE", lambda row: str(row["state"])))
    columns.append(Column("SIZE", lambda row: words.size(row["size_bytes"]), right=True))
    if sources:
        columns.append(Column("SOURCE", lambda row: visible(row["source"])))
    columns.append(Column("NAME", lambda row: visible(row["name"] or ""), flexible=True))
    columns.append(Column("FILE ID", lambda row: visible(row["file_id"]), spare=2))
    return columns


def write_table(stream: TextIO, columns: Sequence[Column], rows: Iterable[Row], *, width: int) -> int:
    """Write rows under a heading so that no line is wider than `width` cells; return how many there were."""
    waiting = iter(rows)
    seen = list(itertools.islice(waiting, _LOOK_AHEAD))
    if not seen:
        return 0
    chosen, widths = _layout(columns, seen, width)
    _write_line(stream, [column.title for column in chosen], chosen, widths)
    number = 0
    for row in itertools.chain(seen, waiting):
        _write_line(stream, [column.text(row) for column in chosen], chosen, widths)
        number += 1
    return number


def _layout(columns: Sequence[Column], seen: Sequence[Row], width: int) -> tuple[list[Column], list[int]]:
    """Choose the columns that fit, and their widths."""
    needed = {
        column.title: max(cell_len(column.title), *(cell_len(column.text(row)) for row in seen)) for column in columns
    }
    chosen = list(columns)
    wanted = min(_NARROWEST_NAME, *(needed[each.title] for each in columns if each.flexible))
    while (room := width - _fixed(chosen, needed)) < wanted and any(column.spare for column in chosen):
        chosen.remove(max(chosen, key=lambda column: column.spare))
    room = max(room, wanted)
    return chosen, [min(needed[each.title], room) if each.flexible else needed[each.title] for each in chosen]


def _fixed(columns: Sequence[Column], needed: Mapping[str, int]) -> int:
    return sum(needed[each.title] for each in columns if not each.flexible) + _GAP * (len(columns) - 1)


def _write_line(stream: TextIO, cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> None:
    parts = []
    for cell, column, width in zip(cells, columns, widths, strict=True):
        text = shorten(cell, width)
        padding = " " * (width - cell_len(text))
        parts.append(padding + text if column.right else text + padding)
    stream.write((" " * _GAP).join(parts).rstrip() + "\n")


def write_tabs(stream: TextIO, fields: Sequence[str], rows: Iterable[Row]) -> int:
    """Write a heading and a line a row, whole values between tabs; return how many rows there were.

    No value holds a tab or a line end: both are written as escapes, like every other unseen character.
    """
    stream.write("\t".join(fields) + "\n")
    number = 0
    for row in rows:
        stream.write("\t".join(visible(as_text(row[field])) for field in fields) + "\n")
        number += 1
    return number
