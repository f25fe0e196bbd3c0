"""The command line: one typer application, and the one place where an error becomes a sentence and an exit code."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from syncer.cli import (
    alerts,
    daemon,
    demo,
    doctor,
    files,
    lookup,
    metrics,
    migrate,
    report,
    simulate,
    status,
    sync,
    transfer,
)
from syncer.cli.common import flush_errors, print_error
from syncer.errors import SyncerError

app = typer.Typer(
    name="syncer",
    help="Keeps a trustworthy copy of Tencent Cloud VOD's cold-backup listing in PostgreSQL.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    sync.sync,
    status.status,
    files.files,
    report.report,
    lookup.lookup,
    doctor.doctor,
    daemon.daemon,
    metrics.metrics,
    migrate.migrate,
    transfer.export,
    simulate.simulate,
    demo.demo,
):
    app.command()(command)
app.command("import")(transfer.import_)
app.add_typer(alerts.app, name="alerts")


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        from importlib.metadata import version

        print(f"syncer {version('syncer')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; every failure that a user can cause ends as a sentence on standard error."""
    # A stream that was closed before the start (>&-) is None: what is written to it goes nowhere.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115, PTH123 - open for the life of the process
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123 - open for the life of the process
    try:
        app()
    except SyncerError as error:
        print_error(error)
        sys.exit(error.exit_code)
    finally:
        flush_errors()


if __name__ == "__main__":
    main()
