"""`syncer demo`: simulator, embedded PostgreSQL, a full and a recent pull, and what they found; no account needed."""

from __future__ import annotations

import os
import shlex
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from syncer.cli.common import stopping
from syncer.errors import Busy

if TYPE_CHECKING:
    from syncer.app import App
    from syncer.simulator import Simulator
    from syncer.store.database import Connection
    from syncer.store.inventory import Selection
    from syncer.web.server import WebServer

_FILES = 2500
_ADDED = 40
_DAY = 86_400
_LATENCY = 0.02
_SHOWN = 4
_WIDTH = 78
_NEW_FILE_EVERY = 5.0
# The demo has settings of its own; of the user's it takes where data and page are, and which PostgreSQL.
_KEPT = ("SYNCER_DATA_DIR", "SYNCER_PG_BIN", "SYNCER_PG_USER", "SYNCER_WEB_ADDRESS")


def demo(
    *,
    stay: Annotated[
        bool, typer.Option("--stay", help="Go on as the daemon, against the simulator, until Ctrl-C.")
    ] = False,
) -> None:
    """Show the whole of it in seconds, without an account.

    Starts the API in miniature and a PostgreSQL of the demo's own, pulls twice in full and once what is new, and
    shows what expires next, what changed and what went. Your own data is not touched.
    """
    with _simulated() as simulator:
        app = _make_app(simulator)
        page = _page(app) if stay else None
        with stopping(app), app.server() as server, _alone(app):
            from syncer.settings import Secret
            from syncer.store import migrate
            from syncer.store.scratch import recreate

            url = recreate(server, "demo")
            migrate.upgrade(url)
            app.settings = replace(app.settings, database_url=Secret(url))
            _tell_story(app, url, simulator)
            if page is not None:
                _stay(app, url, simulator, page)
            _say_how_to_go_on(app)


def _make_app(simulator: Simulator) -> App:
    from syncer.app import App
    from syncer.cli.entry import loaded
    from syncer.cli.logs import configure
    from syncer.settings import load_settings
    from syncer.simulator import SECRET_ID, SECRET_KEY

    own = {
        "SYNCER_API_URL": simulator.url,
        "SYNCER_SECRET_ID": SECRET_ID,
        "SYNCER_SECRET_KEY": SECRET_KEY,
        "SYNCER_CALLS_PER_MINUTE": "0",
        "SYNCER_FULL_SCHEDULE": "*/2 * * * *",
        "SYNCER_RECENT_SCHEDULE": "* * * * *",
    }
    settings = load_settings({name: os.environ[name] for name in _KEPT if name in os.environ} | own)
    configure(settings, level="error")  # the faults below are the point of the story; the daemon speaks again
    loaded()
    return App(replace(settings, data_dir=settings.data_dir / "demo"))


@contextmanager
def _simulated() -> Iterator[Simulator]:
    """Serve a world in which some calls fail and one context dies."""
    from syncer.simulator import Behaviour, Faults, Simulator, World, coded, http_error, reset_before

    simulator = Simulator(
        World(_FILES),
        behaviour=Behaviour(latency=_LATENCY, expired_linger=None),
        faults=Faults({4: http_error(503), 9: reset_before(), 22: coded(6000)}),
        schedule={15: Simulator.kill_contexts},
    )
    with simulator:
        yield simulator


@contextmanager
def _alone(app: App) -> Iterator[None]:
    """Hold the demo's directory for the block; Busy if another demo has it."""
    from syncer.postgres.locks import open_own, try_lock

    lock = open_own(app.settings.data_dir / "lock")
    try:
        if not try_lock(lock, shared=False):
            raise Busy(f"Another syncer demo runs on {app.settings.data_dir}. End it first (Ctrl-C where it runs).")
        yield
    finally:
        os.close(lock)


def _tell_story(app: App, url: str, simulator: Simulator) -> None:
    now = simulator.world.now()
    expiring = simulator.world.add(created=now - 30 * _DAY + _DAY // 3, expires=now)
    _say("syncer demo: Tencent's API in miniature, and a PostgreSQL of its own.")
    _say()
    _say(
        "1. A full pull lists everything, a page of 100 in each transaction. This API is unkind: some calls fail, "
        "and its cursor dies half-way; the pull retries, and begins the listing anew."
    )
    _pull(app, url, "full")
    _say(f"2. Meanwhile {_ADDED} files come, one is extended, one deleted, one expires. A recent pull, newest first:")
    _change(simulator, expiring.file_id)
    _pull(app, url, "recent")
    _say(
        "3. The next full pull is proven, nothing can be missing: so what it does not list is asked for by id, and "
        "marked as gone. What is unchanged costs no write."
    )
    _pull(app, url, "full")
    _show(url)


def _pull(app: App, url: str, kind: str) -> None:
    """Run what `syncer sync` runs, and say what it did."""
    from syncer.cli.progress import progress_printer
    from syncer.cli.sync import sentence
    from syncer.model import PullKind

    began = time.monotonic()
    with progress_printer(sys.stderr, "demo") as progress:
        result = app.sync(url, app.settings.sources[0], PullKind(kind), on_progress=progress)
    if result.error is not None:
        raise result.error
    for line in sentence(result, time.monotonic() - began).splitlines():
        _say(line.removeprefix("default: "), indent="   ")
    _say()


def _change(simulator: Simulator, expiring: str) -> None:
    """Let files come, one be extended, one be deleted before its time, and the expiring one go."""
    world = simulator.world
    ids = world.ids()
    for _ in range(_ADDED):
        world.add()
    extended = world.slot_of(ids[20])
    assert extended is not None
    world.change(ids[20], expires=(world.file(extended).expires or world.now()) + 60 * _DAY)
    world.delete(ids[_FILES // 2], expiring)


def _show(url: str) -> None:
    """Show the tables that a report is made of, the first two as `syncer files` does."""
    from syncer.store.database import connect, snapshot
    from syncer.store.inventory import Selection, State
    from syncer.store.scratch import changed

    with connect(url) as connection, snapshot(connection):
        _say("4. What expires next (syncer files):")
        _files(connection, Selection())
        _say()
        _say("   What went: expired at its time, or vanished (deleted before its time):")
        _files(connection, Selection(states=frozenset({State.VANISHED, State.EXPIRED})))
        _say()
        _say("   What changed (the view report.changes):")
        for row in changed(connection, _SHOWN):
            _say_raw(f"{row['field']}: {row['old_value']} -> {row['new_value']}")
            _say_raw(f"  of {row['name']}")
    _say()


def _files(connection: Connection, selection: Selection) -> None:
    import shutil

    from syncer.cli import tables
    from syncer.store import inventory

    gone = inventory.State.VANISHED in selection.states
    columns = tables.file_columns(inventory.instant(connection), states=gone, gone=gone)
    width = shutil.get_terminal_size().columns
    with inventory.reading(connection, selection, _SHOWN) as rows, tables.stdout() as stream:
        tables.write_table(stream, columns, rows, width=width)


def _page(app: App) -> WebServer:
    """Take the page's address before the story begins: that it cannot be had is better said at once."""
    from syncer.web.server import WebServer

    return WebServer(app.settings)


def _stay(app: App, url: str, simulator: Simulator, page: WebServer) -> None:
    """Go on as the daemon while files come, until a signal ends it."""
    from syncer.cli.logs import configure
    from syncer.daemon.service import Daemon

    configure(app.settings, level="info")
    _say("The daemon goes on: what is new every minute, all of it every two, and a new file every")
    _say(f"{_NEW_FILE_EVERY:.0f} seconds. Ctrl-C ends it. Look at the page, or the tables, meanwhile:")
    if page.url:
        _say_raw(f"  {page.url}")
    _say_raw(f"  {_psql()} {shlex.quote(url)}")
    ended = threading.Event()

    def create() -> None:
        while not ended.wait(_NEW_FILE_EVERY):
            simulator.world.add()

    author = threading.Thread(target=create, name="demo-files", daemon=True)
    author.start()
    try:
        Daemon(app, attachments=[page.attach]).run()
    finally:
        ended.set()
        author.join()


def _psql() -> str:
    """Return a psql to use: the user's own, else the one beside the embedded server."""
    import shutil

    from syncer.postgres.binaries import find_binaries, read_environment

    own = find_binaries(read_environment(os.environ)).directory / "psql"
    return "psql" if shutil.which("psql") or not own.exists() else shlex.quote(str(own))


def _say_how_to_go_on(app: App) -> None:
    command = _command()
    _say("With your own account:")
    _say_raw("  export SYNCER_SECRET_ID=...  SYNCER_SECRET_KEY=...")
    for arguments, what in (
        ("doctor", "checks settings, database, clock, key"),
        ("sync", "pulls the full listing"),
        ("daemon", "keeps it true from then on"),
        ("demo --stay", "this demo again, going on as the daemon"),
    ):
        line = f"  {command + ' ' + arguments:28}  # {what}"
        _say_raw(line if len(line) <= _WIDTH else f"  {command} {arguments}")
    _say_raw(f"The demo's database is in {app.settings.data_dir}; delete it whenever you like.")


def _command() -> str:
    """Return how this command was called, as short as it works from here."""
    import shutil
    from pathlib import Path

    called = Path(sys.argv[0])
    found = shutil.which("syncer")
    if found is not None and Path(found).absolute() == called.absolute():
        return "syncer"
    near = called.absolute().is_relative_to(Path.cwd())
    return shlex.quote(str(called.absolute().relative_to(Path.cwd()) if near else called))


def _say(text: str = "", indent: str = "") -> None:
    later = indent or ("   " if text[1:3] == ". " else "")
    _say_raw(textwrap.fill(text, _WIDTH, initial_indent=indent, subsequent_indent=later, break_long_words=False))


def _say_raw(line: str) -> None:
    print(line, flush=True)
