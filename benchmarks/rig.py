"""What the benchmarks stand on: a PostgreSQL server of their own, and `syncer sync` measured whole."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString, Self

import psycopg
from listing import Listing
from processes import BIN, Usage, children, run, stat
from tables import file_system, say

from syncer.postgres.process import postmaster_pid
from syncer.postgres.server import EmbeddedPostgres
from syncer.simulator import SECRET_ID, SECRET_KEY
from syncer.store.migrate import upgrade

POSTGRES_15 = Path(os.environ.get("POSTGRES15", "/usr/lib/postgresql/15/bin"))
# As on a server of one's own: every commit is on the disk before it counts. Autovacuum is off, so that dead rows stay
# to be counted. No checkpoint comes by itself: each block begins with one, and `checkpoints` makes those that a pull at
# the quota's pace would meet. What else the embedded server is started with holds too: no JIT, no parallel queries.
SETTINGS = {
    "shared_buffers": "512MB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_compression": os.environ.get("WAL_COMPRESSION", "off"),  # pulls switch it on for themselves
}
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a block cost: seconds of wall clock and CPU, bytes of WAL, the client's peak memory in millions of bytes."""

    seconds: float
    client_cpu: float
    server_cpu: float
    wal: int
    peak_mb: float
    output: str = ""

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document that `syncer sync --json` printed."""
        return dict(json.loads(self.output))


class Server:
    """A PostgreSQL server on the disk, in which each block of a benchmark has a database of its own."""

    def __init__(self, directory: Path, programs: Path | None) -> None:
        environ = {**os.environ, **({} if programs is None else {"SYNCER_PG_BIN": str(programs)})}
        self._server = EmbeddedPostgres(directory, server_settings=SETTINGS, environ=environ)
        self._data = directory

    def __enter__(self) -> Self:
        self._server.start()
        with self.connect("postgres") as connection:
            found = connection.execute("SHOW server_version").fetchone()
        assert found is not None
        self.version = str(found[0]).split()[0]
        data = self._data / f"data-{self.version.partition('.')[0]}"
        pid = postmaster_pid(data)
        assert pid is not None
        self._postmaster = pid
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def url(self, database: str, scheme: str = "postgresql") -> str:
        """Return the URL of one of the server's databases."""
        return self._server.url.replace("@/postgres?", f"@/{database}?").replace("postgresql", scheme, 1)

    def connect(self, database: str) -> psycopg.Connection:
        """Return an autocommitting connection in UTC."""
        return psycopg.connect(self.url(database), autocommit=True, options="-c timezone=UTC")

    @contextmanager
    def database(self, name: str, *, migrated: bool = True) -> Iterator[str]:
        """Make a database for the block, with the schema if `migrated`; yields its name."""
        with self.connect("postgres") as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {name}")
        if migrated:
            upgrade(self.url(name))
        try:
            yield name
        finally:
            with self.connect("postgres") as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def scratch(self, name: str, text: str) -> Iterator[Path]:
        """Make a file beside the server for the block."""
        place = self._data.parent / name
        place.write_text(text, encoding="utf-8")
        yield place
        place.unlink()

    def cpu(self) -> float:
        """Return the CPU seconds of all the server's processes so far, those that ended included."""
        total = sum(stat(self._postmaster)[11:15])
        for pid in children(self._postmaster):
            try:
                total += sum(stat(pid)[11:13])
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended, and is counted with the postmaster's from now on
        return total / _TICKS

    def wal(self) -> int:
        """Return how many bytes of WAL were ever written."""
        return round(self.ask("postgres", "SELECT pg_current_wal_insert_lsn() - '0/0'"))

    def ask(self, database: str, sql: LiteralString, *values: object) -> float:
        """Return the one number that a query answers."""
        with self.connect(database) as connection:
            found = connection.execute(sql, values).fetchone()
        assert found is not None
        return float(found[0])

    def checkpoint(self) -> None:
        """Write everything to the disk: what follows pays for the first touch of each page anew."""
        with self.connect("postgres") as connection:
            connection.execute("CHECKPOINT")

    @contextmanager
    def checkpoints(self, listing: Listing, calls: int) -> Iterator[None]:
        """Make a checkpoint whenever another so many calls have been made of the listing, for as long as the block."""
        ended = threading.Event()

        def watch() -> None:
            due = listing.calls() + calls
            while not ended.wait(0.02):
                if listing.calls() >= due:
                    self.checkpoint()
                    due += calls

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()

    @contextmanager
    def measured(self) -> Iterator[Meter]:
        """Measure the block, begun with a checkpoint; the meter's `cost` is filled in at its end."""
        self.checkpoint()
        meter = Meter()
        wal, cpu, own, began = self.wal(), self.cpu(), time.process_time(), time.monotonic()
        yield meter
        seconds = time.monotonic() - began
        client = time.process_time() - own if meter.usage is None else meter.usage.cpu
        peak = 0.0 if meter.usage is None else meter.usage.peak_mb
        output = "" if meter.usage is None else meter.usage.output
        time.sleep(0.2)  # a backend that has just ended
        meter.cost = Cost(seconds, client, self.cpu() - cpu, self.wal() - wal, peak, output)


class Meter:
    """What a measured block found out: set `usage` for work done by a process of its own."""

    usage: Usage | None = None
    cost: Cost


def settings(listing: Listing, url: str) -> dict[str, str]:
    """Return the whole environment of a `syncer` process, all its safety on; the quota counts calls and never waits."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": tempfile.gettempdir(),
        "SYNCER_API_URL": listing.url,
        "SYNCER_SECRET_ID": SECRET_ID,
        "SYNCER_SECRET_KEY": SECRET_KEY,
        "SYNCER_CALLS_PER_MINUTE": "1000000",
        "SYNCER_DATABASE_URL": url,
    }


def sync(server: Server, database: str, listing: Listing, *options: str, **more: str) -> Cost:
    """Run `syncer sync` once as a user does, and measure it whole."""
    environ = settings(listing, server.url(database)) | more
    with server.measured() as meter:
        meter.usage = run([BIN / "syncer", "sync", "--json", *options], environ)
    return meter.cost


def expect(document: Mapping[str, Any], **values: object) -> None:
    """End the run unless the document of a `syncer sync` says each of these values."""
    if wrong := {name: document.get(name) for name, value in values.items() if document.get(name) != value}:
        raise SystemExit(f"the pull ended with {wrong}, where {values} was expected: {json.dumps(document)}")


@contextmanager
def servers() -> Iterator[Iterator[Server]]:
    """Yield the servers to measure on, one after the other: the embedded PostgreSQL, and 15 where it is installed."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # which leaves no server behind
    if file_system() in {"tmpfs", "ramfs"}:
        raise SystemExit(
            f"{tempfile.gettempdir()} is in memory, where a commit is free; name a directory on a disk: TMPDIR=..."
        )
    home = Path(tempfile.mkdtemp(prefix="syncer-benchmark-"))
    home.chmod(0o755)

    def each() -> Generator[Server]:
        with Server(home / "server", None) as server:
            yield server
        if not POSTGRES_15.is_dir():
            say(f"PostgreSQL 15 is left out: it is not in {POSTGRES_15} (POSTGRES15=... says where it is).\n")
            return
        shutil.rmtree(home / "server", ignore_errors=True)
        with Server(home / "server15", POSTGRES_15) as server:
            yield server

    try:
        with closing(each()) as found:  # a script that takes only the first leaves it waiting there
            yield found
    finally:
        shutil.rmtree(home, ignore_errors=True)
