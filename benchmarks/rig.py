"""What the benchmarks stand on: a PostgreSQL server and a simulator of their own, commands measured as processes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString, Self
from urllib.request import urlopen

import psycopg

from syncer.postgres.process import postmaster_pid
from syncer.postgres.server import EmbeddedPostgres
from syncer.simulator import SECRET_ID, SECRET_KEY, World
from syncer.store.migrate import upgrade

BIN = Path(sys.executable).parent
POSTGRES_15 = Path(os.environ.get("POSTGRES15", "/usr/lib/postgresql/15/bin"))
# As on a server of one's own: every commit is on the disk before it counts. Autovacuum is off, so that dead rows stay
# to be counted, and no checkpoint comes by itself: each block begins with one (the dearest case for WAL).
SETTINGS = {
    "shared_buffers": "512MB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_compression": os.environ.get("WAL_COMPRESSION", "off"),  # off is PostgreSQL's own default
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
        total = sum(_stat(self._postmaster)[11:15])
        for pid in _children(self._postmaster):
            try:
                total += sum(_stat(pid)[11:13])
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended, and is counted with the postmaster's from now on
        return total / _TICKS

    def wal(self) -> int:
        """Return how many bytes of WAL were ever written."""
        return round(self.ask("postgres", "SELECT pg_current_wal_insert_lsn() - '0/0'"))

    def ask(self, database: str, sql: LiteralString) -> float:
        """Return the one number that a query answers."""
        with self.connect(database) as connection:
            found = connection.execute(sql).fetchone()
        assert found is not None
        return float(found[0])

    def checkpoint(self) -> None:
        """Write everything to the disk: what follows pays for the first touch of each page anew."""
        with self.connect("postgres") as connection:
            connection.execute("CHECKPOINT")

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


@dataclass(frozen=True, slots=True)
class Usage:
    """A process that has ended well: its CPU seconds (its children's too), peak memory in MB, standard output."""

    seconds: float
    cpu: float
    peak_mb: float
    output: str


def run(command: list[str | Path], environ: Mapping[str, str]) -> Usage:
    """Run a command to its end, which must be a good one."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.monotonic()
        process = subprocess.Popen(command, env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        peak = 0
        while True:
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            peak = max(peak, _peak_kb(process.pid))
            time.sleep(0.01)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode != 0:
            raise SystemExit(f"{command}: exit {process.returncode}\n{err.read().decode()}")
        return Usage(seconds, usage.ru_utime + usage.ru_stime, peak * 1024 / 1e6, out.read().decode())


def _peak_kb(pid: int) -> int:
    """Return the most memory that the process, or the largest of its descendants, ever held.

    `wait4` says the same with its parent's counted in.
    """
    try:
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
        below = max(map(_peak_kb, _children(pid)), default=0)
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return max(int(found[1]) if found else 0, below)


def _children(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def _stat(pid: int) -> list[int]:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return [0, *map(int, fields[1:])]


class Listing:
    """The simulator as a process of its own that lists `files` files; `control` opens its control surface."""

    def __init__(self, files: int, *options: str) -> None:
        self.files = files
        self.process = subprocess.Popen(
            [BIN / "syncer", "simulate", "--files", str(files), "--port", "0", "--control", *options],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        self.url = self.process.stderr.readline().removeprefix("serving ").strip()
        self.process.stderr.readline()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    def change(self, share: float) -> int:
        """Give this share of the files, spread evenly, another name; return how many."""
        chosen = self._chosen(share)
        for start in range(0, len(chosen), 1000):
            names = {file_id: {"name": f"renamed-{file_id}"} for file_id in chosen[start : start + 1000]}
            self._post("mutate", {"change": names})
        return len(chosen)

    def delete(self, share: float) -> int:
        """Take this share of the files, spread evenly, out of the listing; return how many."""
        chosen = self._chosen(share)
        self._post("mutate", {"delete": chosen})
        return len(chosen)

    def _chosen(self, share: float) -> list[str]:
        """Return the ids of this share of the files; ids follow from the seed, whenever the world began."""
        world, step = World(self.files, now=0.0), round(1 / share)
        return [world.file(slot).file_id for slot in range(step // 2, self.files, step)]

    def calls(self) -> int:
        """Return how many calls were made of it."""
        with urlopen(self._control("state"), timeout=60) as reply:
            return int(json.load(reply)["calls"])

    def log(self) -> list[dict[str, Any]]:
        """Return the calls made of it, ten thousand at most."""
        with urlopen(self._control("calls"), timeout=60) as reply:
            return list(json.load(reply))

    def _post(self, name: str, wish: object) -> None:
        with urlopen(self._control(name), json.dumps(wish).encode(), timeout=60):
            pass

    def _control(self, name: str) -> str:
        return self.url.replace("/v2/index.php", f"/_simulator/{name}")


def settings(listing: Listing, url: str) -> dict[str, str]:
    """Return the whole environment of a `syncer` process: all its safety on, the quota off."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": tempfile.gettempdir(),
        "SYNCER_API_URL": listing.url,
        "SYNCER_SECRET_ID": SECRET_ID,
        "SYNCER_SECRET_KEY": SECRET_KEY,
        "SYNCER_CALLS_PER_MINUTE": "0",
        "SYNCER_DATABASE_URL": url,
    }


def sync(server: Server, database: str, listing: Listing, *options: str, **more: str) -> Cost:
    """Run `syncer sync` once as a user does, and measure it whole."""
    environ = settings(listing, server.url(database)) | more
    with server.measured() as meter:
        meter.usage = run([BIN / "syncer", "sync", "--json", *options], environ)
    return meter.cost


@contextmanager
def servers() -> Iterator[Iterator[Server]]:
    """Yield the servers to measure on, one after the other: the embedded PostgreSQL, and 15 where it is installed."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # which leaves no server behind
    home = Path(tempfile.mkdtemp(prefix="syncer-benchmark-"))
    home.chmod(0o755)

    def each() -> Iterator[Server]:
        wanted = [None, *([POSTGRES_15] if POSTGRES_15.is_dir() else [])]
        for number, programs in enumerate(wanted):
            with Server(home / f"server{number}", programs) as server:
                yield server
            shutil.rmtree(home / f"server{number}", ignore_errors=True)

    try:
        yield each()
    finally:
        shutil.rmtree(home, ignore_errors=True)
