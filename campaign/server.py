"""A PostgreSQL server of the campaign's own, with fsync on, and every way in which it can fail under its users."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg import sql

from campaign.databases import PASSWORD, USER
from campaign.processes import kill_with_children, servers
from syncer.postgres.process import is_running, postmaster_pid
from syncer.postgres.server import EmbeddedPostgres

_SETTINGS = {"max_connections": "60", "checkpoint_timeout": "30s"}
_DISK = "24m"
# It names a socket in the pooler's own directory; nothing listens on the network.
_POOLER_PORT = 6439
_POOLER = """[databases]
* = host={sockets}
[pgbouncer]
unix_socket_dir = {run}
listen_port = {port}
auth_type = trust
auth_file = {run}/users
pool_mode = transaction
default_pool_size = 4
server_idle_timeout = 5
ignore_startup_parameters = extra_float_digits, options
logfile = {run}/log
"""


class Server:
    """The server, a small disk of its own for what tables it is told to keep there, and a pooler; a context manager."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="syncer-campaign-", dir="/var/tmp"))
        self.home.chmod(0o755)
        self._postgres = EmbeddedPostgres(self.home / "postgres", server_settings=_SETTINGS)
        self._disk: Path | None = None
        self._pooler: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._postgres.start()
        self._mount_disk()
        return self

    def __exit__(self, *_: object) -> None:
        if self._pooler is not None:
            self._pooler.kill()
            self._pooler.wait()
        self._postgres.stop()
        for pid in servers(self.home):  # of a demo that was killed
            kill_with_children(pid)
        if self._disk is not None:
            subprocess.run(["umount", "-l", self._disk], check=False)
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def url(self) -> str:
        """The superuser's URL."""
        return self._postgres.url

    @property
    def can_fill_up(self) -> bool:
        """Whether there is a small disk to be filled; only root may mount one."""
        return self._disk is not None

    def admin(self) -> psycopg.Connection[Any]:
        """Open an autocommitting session of the superuser."""
        return psycopg.connect(f"{self.url}", autocommit=True, options="-c default_transaction_read_only=off")

    # How it fails.

    def kill(self, *, children: bool = False) -> None:
        """Kill the postmaster (-9): its children notice, nothing is written any more, not even what is in memory.

        Its `children` are killed with it, or end by themselves.
        """
        if children:
            kill_with_children(self._postmaster())
        else:
            os.kill(self._postmaster(), signal.SIGKILL)

    def restart(self) -> None:
        """Stop the server as for an upgrade, everybody's transactions cut off, and start it."""
        self._end(signal.SIGINT)
        self.mend()

    def become_standby(self) -> None:
        """Start again as a standby that nobody has promoted yet: everything can be read and nothing written."""
        self._end(signal.SIGINT)
        (self._data / "standby.signal").touch()
        self.mend()

    def promote(self) -> None:
        """Make a standby the primary again."""
        with self.admin() as connection:
            connection.execute("SELECT pg_promote(true, 30) WHERE pg_is_in_recovery()")

    def cut_off(self, *, gently: bool) -> None:
        """End the sessions of syncer's processes, or (gently) only the statements that they are in."""
        call = "pg_cancel_backend" if gently else "pg_terminate_backend"
        with suppress(psycopg.Error), self.admin() as connection:
            connection.execute(f"SELECT {call}(pid) FROM pg_stat_activity WHERE usename = %s", [USER])

    def fill_disk(self) -> None:
        """Leave no room on the small disk."""
        assert self._disk is not None
        with suppress(OSError), (self._disk / "filler").open("wb") as filler:
            while True:
                filler.write(bytes(65536))
                filler.flush()

    def empty_disk(self) -> None:
        """Make room again."""
        if self._disk is not None:
            (self._disk / "filler").unlink(missing_ok=True)

    def limit_connections(self, most: int) -> None:
        """Let syncer's user have so many sessions (-1: any number)."""
        with self.admin() as connection:
            connection.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT {}").format(sql.Identifier(USER), most))

    @contextmanager
    def attended(self) -> Iterator[None]:
        """Do nothing: it runs anyhow."""
        yield

    def recover(self) -> None:
        """Mend everything, and wait until nothing is left of the commands' statements."""
        self.empty_disk()
        self.mend()
        self.promote()
        self.limit_connections(-1)
        self.settle()

    def mend(self) -> None:
        """Start the server if it does not run, and wait until it takes connections."""
        self._postgres.ensure_running()

    def settle(self) -> None:
        """Wait until no statement of a process that is gone is still running."""
        ends = time.monotonic() + 20
        while time.monotonic() < ends:
            with suppress(psycopg.Error), self.admin() as connection:
                busy = connection.execute(
                    "SELECT FROM pg_stat_activity WHERE usename = %s AND state <> 'idle'", [USER]
                ).fetchall()
                if not busy:
                    return
            time.sleep(0.05)
        raise TimeoutError("sessions of processes that are gone are still busy after 20 s")

    # The pooler.

    @contextmanager
    def pooled(self, database: str) -> Iterator[str]:
        """Yield a URL that leads through pgbouncer in transaction mode."""
        run = self.home / "pooler"
        if self._pooler is None or self._pooler.poll() is not None:
            run.mkdir(exist_ok=True)
            run.chmod(0o777)
            (run / "users").write_text(f'"{USER}" "{PASSWORD}"\n', encoding="utf-8")
            text = _POOLER.format(sockets=self._postgres._sockets, run=run, port=_POOLER_PORT)
            (run / "pooler.ini").write_text(text, encoding="utf-8")
            as_user = ["-u", "nobody"] if os.geteuid() == 0 else []
            self._pooler = subprocess.Popen(
                ["pgbouncer", "-q", *as_user, run / "pooler.ini"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            ends = time.monotonic() + 20
            while not (run / f".s.PGSQL.{_POOLER_PORT}").exists() and time.monotonic() < ends:
                time.sleep(0.05)
        yield f"postgresql://{USER}:{PASSWORD}@/{database}?host={run}&port={_POOLER_PORT}"

    def kill_pooler(self) -> None:
        """Kill the pooler (-9); the next `pooled` starts one."""
        if self._pooler is not None:
            self._pooler.kill()
            self._pooler.wait()

    @staticmethod
    def has_pooler() -> bool:
        """Return whether pgbouncer is installed."""
        return shutil.which("pgbouncer") is not None

    @property
    def _data(self) -> Path:
        return next(self.home.glob("postgres/data-*"))

    def _postmaster(self) -> int:
        pid = postmaster_pid(self._data)
        assert pid is not None
        return pid

    def _end(self, order: signal.Signals) -> None:
        pid = self._postmaster()
        os.kill(pid, order)
        ends = time.monotonic() + 30
        while is_running(pid) and time.monotonic() < ends:
            time.sleep(0.02)

    def _mount_disk(self) -> None:
        disk = self.home / "disk"
        disk.mkdir()
        mount = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={_DISK},mode=0777", "none", disk], capture_output=True, check=False
        )
        if mount.returncode:
            return
        self._disk = disk
        tables = disk / "tables"
        tables.mkdir()
        owner = self._data.stat()
        os.chown(tables, owner.st_uid, owner.st_gid)
        tables.chmod(0o700)
        with self.admin() as connection:
            connection.execute(sql.SQL("CREATE TABLESPACE small LOCATION {}").format(sql.Literal(str(tables))))
