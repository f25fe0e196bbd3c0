"""`syncer files`: the table of backups, as a person or a spreadsheet looks at it."""

from __future__ import annotations

import itertools
import shutil
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncer.cli.common import Config, json_errors, known_source, make_app, note, reported
from syncer.errors import SettingsError, SyncerError
from syncer.words import counted

if TYPE_CHECKING:
    from syncer.app import App
    from syncer.cli.tables import Column
    from syncer.store.database import Connection
    from syncer.store.inventory import Selection

_TERMINAL_LIMIT = 50


class Format(StrEnum):
    """How the rows are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


class StateChoice(StrEnum):
    """The states of report.backups, and `all` for every file ever seen."""

    LIVE = "live"
    OVERDUE = "overdue"
    EXPIRED = "expired"
    VANISHED = "vanished"
    ALL = "all"


def files(
    *,
    prefix: Annotated[str, typer.Option(metavar="TEXT", help="Only names that begin with this, as written.")] = "",
    state: Annotated[
        list[StateChoice] | None,
        typer.Option(metavar="STATE", help="live, overdue, expired, vanished or all; may be repeated. [live]"),
    ] = None,
    source: Annotated[str | None, typer.Option(metavar="NAME", help="Only this source.")] = None,
    expiring_within: Annotated[
        str, typer.Option(metavar="D", help="Only what expires from now until then: 12h, 7d.")
    ] = "",
    newest: Annotated[bool, typer.Option("--newest", help="Newest createTime first.")] = False,
    oldest: Annotated[bool, typer.Option("--oldest", help="Oldest createTime first.")] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="At most so many, 0: all. [50 for a table on a terminal, else all]",
            show_default=False,
        ),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="How to write them.")] = Format.TABLE,
    config: Config = None,
) -> None:
    """List the backups that the database knows: by default the live ones, what expires next first.

    It asks the database alone, never the API, and needs no credentials. On a terminal a table shortens long names in
    the middle and gives local times; into a pipe it is complete: tab-separated columns under a heading, times in UTC,
    sizes in bytes. Characters that could move the cursor or turn the writing are shown as escapes (backslash, x1b).

    --format csv is RFC 4180; a text that begins with = + - @, their full-width forms, or a tab or line end gets a
    leading apostrophe, so that no spreadsheet runs it as a formula. --format json is one array, as the texts are.
    Both are written as UTF-8.
    """
    with json_errors(wanted=form is Format.JSON):
        selection = _selection(prefix, state, source, expiring_within, newest=newest, oldest=oldest)
        app = make_app(config)
        terminal = form is Format.TABLE and sys.stdout.isatty()
        most = _TERMINAL_LIMIT if limit is None and terminal else limit or None
        output = _Output(form, terminal=terminal)
        try:
            _list(app, selection, most, output)
        except SyncerError as error:
            # half an array is on standard output: a second document would hide that it is not whole
            raise reported(error) if output.began else error from None


def _selection(
    prefix: str, states: list[StateChoice] | None, source: str | None, within: str, *, newest: bool, oldest: bool
) -> Selection:
    from syncer.settings import parse_duration
    from syncer.store.inventory import Selection, Sorting, State

    if newest and oldest:
        raise SettingsError("--newest and --oldest exclude each other: name one.")
    try:
        span = parse_duration(within) if within else None
    except ValueError as error:
        raise SettingsError(f"--expiring-within {error}.") from None
    chosen = frozenset(State(each.value) for each in states or [] if each is not StateChoice.ALL)
    if not states:
        chosen = frozenset({State.LIVE})
    elif StateChoice.ALL in states:
        chosen = frozenset(State)
    sorting = Sorting.NEWEST if newest else Sorting.OLDEST if oldest else Sorting.EXPIRY
    return Selection(states=chosen, prefix=prefix, source=source, expiring_within=span, sorting=sorting)


def _list(app: App, selection: Selection, limit: int | None, output: _Output) -> None:
    """Write what the selection holds, and say on standard error when that is not all, or nothing."""
    from syncer.store import inventory
    from syncer.store.database import connect, snapshot

    with app.database() as url, connect(url) as connection:
        known_source(app, connection, selection.source)
        with snapshot(connection):
            now = inventory.instant(connection)
            names = inventory.source_names(connection)
            with inventory.reading(connection, selection, limit) as rows:
                number = output.write(rows, selection, now, several=len(names) > 1 and selection.source is None)
            if number == 0:
                _say(_why_nothing(connection, selection))
            elif number == limit and (whole := inventory.count(connection, selection)) > number:
                _say(f"{number:,} of {whole:,}; --limit 0 shows all")


def _why_nothing(connection: Connection, selection: Selection) -> str:
    from syncer.store import inventory

    if not inventory.anything_pulled(connection, selection.source):
        return "Nothing was pulled yet: run `syncer sync`, then look again."
    known = inventory.count(connection, inventory.Selection(states=frozenset(inventory.State), source=selection.source))
    if not known:
        return "No file is known: no pull has listed any yet (see `syncer status`)."
    return f"No file matches; {counted(known, 'file')} of every state are known (--state all shows them)."


def _say(sentence: str) -> None:
    sys.stdout.flush()
    note(sentence)


class _Output:
    """Standard output in one format; `began` once anything may have been written."""

    def __init__(self, form: Format, *, terminal: bool) -> None:
        self._form, self._terminal = form, terminal
        self.began = False

    def write(self, rows: Iterator[Mapping[str, Any]], selection: Selection, now: datetime, *, several: bool) -> int:
        """Write the rows; return how many there were."""
        from syncer import export
        from syncer.cli import tables
        from syncer.store.inventory import FIELDS

        first = list(itertools.islice(rows, 1))
        rows = itertools.chain(first, rows)
        self.began = True
        with tables.stdout(plain=not self._terminal) as stream:
            if self._form is Format.JSON:
                return export.write_json(stream, rows)
            if self._form is Format.CSV:
                return export.write_csv(stream, FIELDS, rows)
            if not self._terminal:
                return tables.write_tabs(stream, FIELDS, rows)
            width = shutil.get_terminal_size().columns
            return tables.write_table(stream, _columns(selection, now, several=several), rows, width=width)


def _columns(selection: Selection, now: datetime, *, several: bool) -> list[Column]:
    from syncer.cli import tables
    from syncer.store.inventory import Sorting, State

    return tables.file_columns(
        now,
        created_first=selection.sorting is not Sorting.EXPIRY,
        sources=several,
        states=len(selection.states) > 1,
        gone=not selection.states.isdisjoint({State.EXPIRED, State.VANISHED}),
    )
