"""`syncer report`: the inventory and what expires, for people who do not write SQL; and its tables for programs."""

from __future__ import annotations

import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from syncer.cli.common import Config, json_errors, known_source, make_app, note, reported
from syncer.errors import SettingsError, SyncerError

if TYPE_CHECKING:
    from syncer.app import App
    from syncer.report.data import ReportData
    from syncer.settings import Settings
    from syncer.store.database import Connection

_STDOUT = Path("-")


class Format(StrEnum):
    """What is written."""

    HTML = "html"
    CSV = "csv"
    JSON = "json"


class LangChoice(StrEnum):
    """The languages of the page."""

    EN = "en"
    ZH = "zh"


class TableChoice(StrEnum):
    """The tables of `--format csv|json`: a test holds them equal to the store's."""

    BACKUPS = "backups"
    EXPIRING = "expiring"
    CALENDAR = "calendar"
    DAILY = "daily"
    CHANGES = "changes"
    PULLS = "pulls"
    RUNS = "runs"
    SOURCES = "sources"
    REJECTED = "rejected"
    TYPES = "types"
    PREFIXES = "prefixes"
    AGES = "ages"
    ALERTS = "alerts"


def report(
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where to, - for standard output. [a page on a terminal: syncer-report-YYYY-MM-DD.html here]",
            show_default=False,
        ),
    ] = None,
    source: Annotated[str | None, typer.Option(metavar="NAME", help="Only this source.")] = None,
    lang: Annotated[LangChoice, typer.Option(help="The page's language.")] = LangChoice.EN,
    form: Annotated[Format, typer.Option("--format", help="A page, or one table for programs.")] = Format.HTML,
    table: Annotated[
        TableChoice | None, typer.Option(help="Which table, with --format csv or json.", show_default=False)
    ] = None,
    config: Config = None,
) -> None:
    """Write the inventory and expiry report: one HTML file that needs nothing else and opens offline.

    First how far each source can be trusted, then what expires next, an expiry calendar, the stored volume over time,
    what vanished early, what changed, storage by type and prefix, the last pulls. It asks the database alone, never
    the API, and needs no credentials. The page is written whole or not at all, for its owner and group to read.

    --format csv and json write one table whole (--table): the view of schema report behind the page, as it is.
    """
    with json_errors(wanted=form is Format.JSON):
        if (table is None) != (form is Format.HTML):
            names = ", ".join(TableChoice)
            raise SettingsError(f"--format csv and json need --table, and only they take it: {names}.")
        app = make_app(config)
        with app.database() as url:
            from syncer.store.database import connect

            with connect(url) as connection:
                known_source(app, connection, source)
                if table is None:
                    _page(app, connection, source, lang, output)
                else:
                    _table(connection, table, source, form, output)


def _page(app: App, connection: Connection, source: str | None, lang: LangChoice, output: Path | None) -> None:
    from syncer.report.language import Lang
    from syncer.report.page import render

    data = _read(app.settings, connection, source)
    if output is None:
        output = Path(f"syncer-report-{data.figures.today}.html") if sys.stdout.isatty() else _STDOUT
    with _open(output) as stream:
        stream.write(render(data, Lang(lang)))
    if output != _STDOUT:
        note(f"the report is in {output}")


def _read(settings: Settings, connection: Connection, source: str | None) -> ReportData:
    """Read the figures, and judge the sources."""
    from syncer.report.data import ReportData, stand
    from syncer.store.report import read

    figures = read(connection, source)
    schedules = {each.name: each.full_schedule.next_after for each in settings.sources}
    return ReportData(source, stand(figures.reading, schedules, source), figures)


def _table(connection: Connection, table: TableChoice, source: str | None, form: Format, output: Path | None) -> None:
    from syncer import export
    from syncer.store import exports
    from syncer.store.database import snapshot

    began = False
    try:
        with snapshot(connection), exports.reading(connection, exports.EXPORTS[table], source) as (fields, rows):
            began = output in (None, _STDOUT)
            with _open(output or _STDOUT) as stream:
                if form is Format.JSON:
                    export.write_json(stream, rows)
                else:
                    export.write_csv(stream, fields, rows)
    except SyncerError as error:
        # half an array is on standard output: a second document would hide that it is not whole
        raise reported(error) if began else error from None


@contextmanager
def _open(output: Path) -> Iterator[TextIO]:
    """Yield where to write: standard output, or a file that appears whole and only when the block has gone well.

    What is no regular file (a pipe, /dev/stdout) is written as it is. Raises SettingsError when it cannot be written.
    """
    if output == _STDOUT:
        from syncer.cli import tables

        with tables.stdout(plain=True) as stream:
            yield stream
        return
    try:
        if output.exists() and not stat.S_ISREG(output.stat().st_mode):
            with output.open("w", encoding="utf-8", newline="\n") as stream:
                yield stream
        else:
            with _replacing(output.resolve()) as stream:
                yield stream
    except OSError as error:
        raise SettingsError(f"--output {output}: {error.strerror or error}.") from None


@contextmanager
def _replacing(path: Path) -> Iterator[TextIO]:
    """Yield a new file beside `path`, readable by owner and group, that takes its place at the end."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="\n") as stream:  # noqa: PTH123 - it is open already
            yield stream
            stream.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
