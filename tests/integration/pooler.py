"""A real pgbouncer in front of a test's database, pooling by transaction."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from syncer.postgres.account import choose_account

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Pooler:
    """A pgbouncer in `home`; `url` is the database through it, `admin` its console."""

    def __init__(self, home: Path, url: str, admin: str) -> None:
        self.url, self._home, self._admin = url, home, admin
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        assert PGBOUNCER is not None
        self._process = subprocess.Popen(
            [PGBOUNCER, "-q", str(self._home / "pgbouncer.ini")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            **choose_account("nobody").run_as,
        )  # fmt: skip
        _await(self._admin)

    def kill(self) -> None:
        """Kill it, and with it every connection through it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        (self._home / "pid").unlink(missing_ok=True)

    def drop_server_sessions(self) -> None:
        """Let it close its sessions at the server as soon as their transactions end.

        One that is still logging in is closed at once, for which the pooler turns clients away for 15 seconds: nobody
        may be using it meanwhile.
        """
        self._order("RECONNECT")

    def use_sessions_once(self) -> None:
        """Let it close every session at the server with its first transaction from now on, as if all had grown old."""
        self._order("SET server_lifetime = 0")

    def session_count(self) -> int:
        """Return how many sessions at the server it has opened so far, by its log."""
        return (self._home / "log").read_text().count("new connection to server")

    def drop_clients(self) -> None:
        """Let it close every connection of its clients, and take new ones."""
        database = str(make_url(self.url).database)
        self._order(f"KILL {database}")
        self._order(f"RESUME {database}")

    def _order(self, words: str) -> None:
        with psycopg.connect(self._admin, autocommit=True, prepare_threshold=None) as console:
            console.execute(words, prepare=False)  # type: ignore[arg-type] # the console speaks no SQL


@contextmanager
def pooling(database: str, *, sessions: int) -> Iterator[Pooler]:
    """Run pgbouncer for the block, with so many sessions at the server for all its clients together."""
    assert PGBOUNCER is not None
    server = make_url(database)
    host = str(server.query.get("host") or server.host)
    home = Path(tempfile.mkdtemp(prefix="syncer-pooler-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    password = f" password={server.password}" if server.password else ""
    (home / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={host} port={server.query.get('port') or server.port or 5432} "
        f"user={server.username}{password}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        f"admin_users = {server.username}\npool_mode = transaction\ndefault_pool_size = {sessions}\n"
        f"server_lifetime = 3600\nlogfile = {home}/log\npidfile = {home}/pid\n"
    )
    account = choose_account("nobody")
    for path in (home, *home.iterdir()):
        account.give(path)
    local = f"postgresql://{server.username}@127.0.0.1:{port}"
    pooler = Pooler(home, f"{local}/{server.database}", f"{local}/pgbouncer")
    try:
        pooler.start()
        yield pooler
    finally:
        pooler.kill()
        shutil.rmtree(home)


def _await(console: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            psycopg.connect(console, autocommit=True).close()
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return
