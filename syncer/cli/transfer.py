"""`syncer export` and `syncer import`: everything that syncer knows as one file, to keep or to move."""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer

from syncer.cli.common import Config, Json, json_errors, make_app, note, print_json, say, writing
from syncer.errors import SettingsError
from syncer.words import counted

_STANDARD = Path("-")


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What to write; - is standard output.")],
    *,
    json: Json = False,
    config: Config = None,
) -> None:
    """Write everything that syncer knows into one file, as of one instant.

    Files, history, pulls with their checkpoints, alerts and what waits to be sent; no settings and no credentials.
    `syncer import` reads it into an empty database.
    """
    from importlib.metadata import version

    from syncer.store import transfer
    from syncer.store.database import connect

    with json_errors(wanted=json):
        app = make_app(config)
        with app.database() as url, connect(url) as connection:
            for source, holder in transfer.pulling(connection):
                note(f"{source} is being pulled by {holder}: what it commits from now on is not in the file.")
            with _new(file) as plain, gzip.GzipFile(filename="", fileobj=plain, mode="wb", mtime=0) as packed:
                rows = transfer.write(connection, packed, version=version("syncer"))
    if json and file != _STANDARD:
        print_json({"file": str(file), "rows": rows})
    else:
        note(f"Exported {counted(sum(rows.values()), 'row')} of {counted(len(rows), 'table')}.")


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `syncer export` wrote; - is standard input.")],
    *,
    json: Json = False,
    config: Config = None,
) -> None:
    """Read into an empty, migrated database what `syncer export` wrote, whole or not at all.

    The next pull goes on where the last one was, and no alert is told again. Let nothing pull into the old database
    any more.
    """
    from syncer.store import transfer
    from syncer.store.database import connect

    with json_errors(wanted=json):
        app = make_app(config)
        with _old(file) as packed, app.database() as url, connect(url) as connection:
            rows = transfer.read(connection, packed)
    if json:
        print_json({"file": str(file), "rows": rows})
    else:
        say(f"Imported {counted(sum(rows.values()), 'row')} of {counted(len(rows), 'table')}.")


@contextmanager
def _new(path: Path) -> Iterator[IO[bytes]]:
    """Open a file to write that appears, whole and for its owner alone, when the block is done."""
    if path == _STANDARD:
        if sys.stdout.isatty():
            raise SettingsError("An export is no text for a terminal: name a file, or send it on with a pipe.")
        with writing():
            yield sys.stdout.buffer
        return
    if path.exists():
        raise SettingsError(f"{path} is there already; name another file.")
    part = path.with_name(f"{path.name}.part")
    try:
        with open(part, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as plain:
            yield plain
        part.rename(path)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _old(path: Path) -> Iterator[gzip.GzipFile]:
    """Open a file to read, unpacked."""
    if path == _STANDARD:
        yield gzip.GzipFile(fileobj=sys.stdin.buffer)
        return
    try:
        packed = gzip.GzipFile(path)
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from error
    with packed:
        yield packed
