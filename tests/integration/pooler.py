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
    """A running pgbouncer; `url` is the database through it, `admin` its console."""

    def __init__(self, url: str, admin: str) -> None:
        self.url, self._admin = url, admin

    def drop_server_sessions(self) -> None:
        """Let it close its sessions at the server as soon as their transactions end, as it does when they grow old."""
        with psycopg.connect(self._admin, autocommit=True, prepare_threshold=None) as console:
            console.execute("RECONNECT", prepare=False)


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
    process = subprocess.Popen(
        [PGBOUNCER, "-q", str(home / "pgbouncer.ini")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        **account.run_as,
    )  # fmt: skip
    try:
        local = f"postgresql://{server.username}@127.0.0.1:{port}"
        _await(f"{local}/pgbouncer")
        yield Pooler(f"{local}/{server.database}", f"{local}/pgbouncer")
    finally:
        process.kill()
        process.wait()
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
