"""`syncer daemon`: pulls every source on its schedules until it is told to stop."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from syncer.cli.common import Config, make_app, print_error, reloading, stopping
from syncer.errors import SyncerError


def daemon(
    *,
    poll_every: Annotated[
        float,
        typer.Option(min=0.1, max=60, metavar="SECONDS", help="How often to look for what is due.", hidden=True),
    ] = 5.0,
    alerts_every: Annotated[
        float,
        typer.Option(min=0.1, max=3600, metavar="SECONDS", help="How often to evaluate and send alerts.", hidden=True),
    ] = 60.0,
    config: Config = None,
) -> None:
    """Pull every source on its schedules, until SIGTERM.

    What is due is decided in the database: times missed while no daemon ran are made up for at once, and several
    daemons share the work. A stop finishes the page in hand; the next start goes on from there. SIGHUP reads the
    settings anew, files with secrets included; what is wrong with them is logged, and the old ones stay.
    """
    app = make_app(config)

    from syncer.cli.logs import configure
    from syncer.daemon.service import Daemon
    from syncer.settings import load_settings
    from syncer.web.server import WebServer

    page = WebServer(app.settings)
    service = Daemon(
        app,
        poll_seconds=poll_every,
        alerts_seconds=alerts_every,
        attachments=[page.attach],
        read_settings=lambda: load_settings(os.environ, config),
        settings_taken=configure,
    )
    with stopping(app), reloading(service.reload):
        try:
            service.run()
        except SyncerError as error:
            if service.stuck:
                # A thread hangs in a call that heeds no stop; waiting for it is what the interpreter would do.
                print_error(error)
                sys.stderr.flush()
                os._exit(error.exit_code)
            raise
