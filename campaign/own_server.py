"""syncer's own embedded PostgreSQL under the commands' hands: they start it, stop it and bring it up again."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from campaign.databases import Database
from campaign.look import install_witness
from campaign.processes import kill_with_children, servers
from syncer.postgres.server import EmbeddedPostgres
from syncer.store.migrate import upgrade

BLOWS = frozenset(
    {
        "SIGKILL",
        "SIGTERM or SIGINT",
        "SIGSTOP, a rival, SIGCONT",
        "postmaster killed -9",
        "PostgreSQL and its children killed -9",
        "everything killed -9",
        "network",
        "nobody listens",
    }
)

_COMES_UP = 1.0


class OwnServer:
    """A directory of data for the commands, and what the campaign does to the server in it; a context manager.

    Nothing here mends it: the next command must. To look at it the campaign becomes one more of its users.
    """

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="syncer-campaign-", dir="/var/tmp"))
        self.home.chmod(0o755)
        self._directory = self.home / "data" / "postgres"

    def __enter__(self) -> Self:
        with self.attended(), self.database.connect() as connection:
            upgrade(self.database.url)
            install_witness(connection)
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def database(self) -> Database:
        """The database of the commands; its user is the server's own, as syncer's is."""
        url = EmbeddedPostgres(self._directory).url
        return Database(url, url, "postgres")

    @contextmanager
    def attended(self) -> Iterator[None]:
        """Keep the server up for the block, once nothing is left of the commands' statements."""
        with EmbeddedPostgres(self._directory), self.database.connect() as connection:
            ends = time.monotonic() + 20
            while connection.execute(
                "SELECT FROM pg_stat_activity WHERE backend_type = 'client backend' AND state <> 'idle'"
                " AND pid <> pg_backend_pid()"
            ).fetchall():
                if time.monotonic() > ends:
                    raise TimeoutError("sessions of processes that are gone are still busy after 20 s")
                time.sleep(0.05)
            yield

    def kill(self, *, children: bool = False) -> None:
        """Kill the server (-9), with its children or without, should it run or come up soon."""
        ends = time.monotonic() + _COMES_UP
        while not (found := servers(self._directory)) and time.monotonic() < ends:
            time.sleep(0.005)
        for pid in found:
            if children:
                kill_with_children(pid)
            else:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def mend(self) -> None:
        """Do nothing: whoever uses it next starts it."""

    def end(self) -> None:
        """Kill what runs and remove everything."""
        for pid in servers(self.home):
            kill_with_children(pid)
        shutil.rmtree(self.home, ignore_errors=True)
