"""`syncer metrics`: what Prometheus would be told, for those who run no daemon."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from syncer.cli.common import Config, make_app, say, stopping
from syncer.errors import DatabaseUnavailable, SchemaMismatch, SyncerError


def metrics(
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Replace this file by them in one step, instead of printing."),
    ] = None,
    config: Config = None,
) -> None:
    """Print the metrics in Prometheus's text form, as the daemon serves them under /metrics.

    For cron without a daemon: `--output` into the textfile directory of node_exporter. A database that cannot be
    reached is told in the metrics too (syncer_metrics_collector_up 0), and by the exit code.
    """
    from syncer.metering import expose

    app = make_app(config)
    with stopping(app):
        trouble: SyncerError | None = None
        try:
            with app.database() as url:
                text = expose(url, app.settings)
        except (DatabaseUnavailable, SchemaMismatch) as error:
            trouble, text = error, expose(None, app.settings)
        _deliver(text, output)
        if trouble is not None:
            raise trouble


def _deliver(text: bytes, output: Path | None) -> None:
    if output is None:
        say(text.decode().rstrip("\n"))
        return
    try:
        _replace(output, text)
    except OSError as error:
        raise SyncerError(
            f"{output} cannot be written: {error.strerror}. Name a file in a directory that this user may write to."
        ) from None


def _replace(path: Path, text: bytes) -> None:
    """Put `text` in place of the file at once, readable by all: who reads it is another user, and never sees half."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(text)
            os.fchmod(stream.fileno(), 0o644)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
