"""`syncer lookup`: asks the API itself and stores what it answers."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncer.cli.common import Config, Json, SourceName, json_errors, make_app, note, one_source, print_json, stopping
from syncer.errors import SettingsError
from syncer.words import counted, visible

if TYPE_CHECKING:
    from syncer.model import BackupFile, Order
    from syncer.pull.lookup import LookupResult

# So many ids that were not found are shown one a line.
_SHOWN = 20


def lookup(
    *,
    file_id: Annotated[
        list[str] | None,
        typer.Option("--file-id", metavar="ID", help="Ask for this file; may be repeated. - reads ids, one a line."),
    ] = None,
    prefix: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Ask for every file whose name begins with this.")
    ] = None,
    newest: Annotated[bool, typer.Option("--newest", help="With --prefix: newest createTime first.")] = False,
    source: SourceName = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Ask the API for files by id or by name, and store what it answers.

    Goes ahead of a running pull in the quota, and may run beside it. Ids that the API does not know are listed as
    missing, which is no failure; nothing is marked gone by a lookup. Ids are asked for 100 a call.
    """
    from syncer.store.database import connect
    from syncer.store.inventory import instant

    with json_errors(wanted=json):
        wanted = _wanted(file_id, prefix, newest=newest)
        app = make_app(config)
        chosen = one_source(app, source)
        chosen.require_credentials()
    began = time.monotonic()
    with json_errors(wanted=json, source=chosen.name), stopping(app, hangup=True), app.database() as url:
        with app.lookup(url, chosen) as asking:
            result = asking.by_prefix(prefix, _order(newest=newest)) if prefix else asking.by_ids(wanted)
        with connect(url) as connection:
            now = instant(connection)
    seconds = time.monotonic() - began
    if json:
        print_json(document(chosen.name, result, wanted, seconds))
    else:
        _print(result, wanted, now, seconds)


def _wanted(file_ids: list[str] | None, prefix: str | None, *, newest: bool) -> list[str]:
    """Return the ids to ask for; none when a prefix is. Raises SettingsError for anything but one of the two."""
    if (not file_ids) == (prefix is None):
        raise SettingsError("Name either files (--file-id ID, may be repeated) or a --prefix, one of the two.")
    if prefix == "":
        raise SettingsError("--prefix must not be empty: an empty one lists everything, which `syncer sync` does.")
    if newest and prefix is None:
        raise SettingsError("--newest goes with --prefix: files by id come in the order they were asked for.")
    ids = [each.strip() for given in file_ids or [] for each in (sys.stdin if given == "-" else [given])]
    if any(not each for each in file_ids or []):
        raise SettingsError("--file-id must not be empty.")
    ids = [each for each in ids if each]
    if prefix is None and not ids:
        raise SettingsError("--file-id - found no ids on standard input: give one a line.")
    return ids


def document(source: str, result: LookupResult, wanted: list[str], seconds: float) -> dict[str, Any]:
    """Return the JSON document of a lookup; `undecided` ids got no clear answer, and count as existing."""
    return {
        "source": source,
        "files": [_file(file) for file in _in_order(result, wanted)],
        "missing": result.missing,
        "undecided": result.undecided,
        "rejected": result.rejected,
        "complete": result.complete,
        "api_calls": result.api_calls,
        "seconds": round(seconds, 3),
    }


def _in_order(result: LookupResult, wanted: list[str]) -> list[BackupFile]:
    """Return files asked for by id in the order of the ids, others as they were listed."""
    places = {file_id: place for place, file_id in enumerate(wanted)}
    return sorted(result.files.values(), key=lambda file: places.get(file.file_id, 0))


def _file(file: BackupFile) -> dict[str, Any]:
    return {
        **file._asdict(),
        "extra": dict(file.extra),
        "unreadable": sorted(file.unreadable),
    }


def _order(*, newest: bool) -> Order:
    from syncer.model import Order

    return Order.NEWEST_FIRST if newest else Order.OLDEST_FIRST


def _print(result: LookupResult, wanted: list[str], now: datetime, seconds: float) -> None:
    """Write what was found as a table, on a pipe as whole values; what was not found goes to standard error."""
    from syncer.cli import tables
    from syncer.model import BackupFile
    from syncer.store.inventory import FIELDS

    rows = [_row(file) for file in _in_order(result, wanted)]
    terminal = sys.stdout.isatty()
    with tables.stdout(plain=not terminal) as stream:
        if terminal:
            width = shutil.get_terminal_size().columns
            tables.write_table(stream, tables.file_columns(now, created_first=not wanted), rows, width=width)
        else:
            tables.write_tabs(stream, [each for each in FIELDS if each in BackupFile._fields], rows)
    for title, ids in (("missing", result.missing), ("no clear answer", result.undecided)):
        for each in ids[:_SHOWN]:
            note(f"{title}: {visible(each)}")
        if len(ids) > _SHOWN:
            note(f"{title}: {len(ids) - _SHOWN:,} more (--json lists all)")
    if not result.complete:
        note("A reply before the listing's end may have been lost: files may be missing, ask again.")
    rejected = f", {result.rejected:,} not understood (see report.rejected)" if result.rejected else ""
    absent = f", {len(result.missing):,} missing" if wanted else ""
    note(
        f"{counted(len(rows), 'file')} found and stored{absent}{rejected}; {counted(result.api_calls, 'call')} "
        f"in {seconds:.1f} s"
    )


def _row(file: BackupFile) -> Mapping[str, Any]:
    return {"gone_at": None} | file._asdict()
