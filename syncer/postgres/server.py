"""Owns the embedded PostgreSQL server: started by its first user, stopped by its last, mended after any kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from syncer.errors import DatabaseUnavailable
from syncer.postgres import log, process
from syncer.postgres.account import Account, choose_account
from syncer.postgres.binaries import find_binaries, read_environment, within_reach
from syncer.postgres.cluster import data_directory, initialise, refuse_other_majors
from syncer.postgres.locks import exclusive, open_own, try_lock
from syncer.postgres.log import explain_failure
from syncer.postgres.probe import Answer, ask
from syncer.postgres.sockets import make_private, server_socket_settings, socket_directory, socket_url

_POLL = 0.03
_STOP_WITHIN = 60.0
_ORPHANS = "still in use"
_DEFAULTS = {
    "max_connections": "50",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",  # bounds the time of crash recovery too
    "wal_compression": "on",  # halves what a pull with changed files writes
    "jit": "off",  # costs small queries more than it gains
    "max_parallel_workers_per_gather": "0",  # a container's /dev/shm is often too small for it
}


class _StillStartingError(DatabaseUnavailable):
    """The server lives but is not ready: it is left alone, so that a long recovery gets done."""


class EmbeddedPostgres:
    """A PostgreSQL server in `directory`, shared by every process that starts this class on the same directory.

    It listens on a Unix socket that its own user (and root) may use, and on no network. `server_settings` are given
    to the server by the process that starts it; the others find it as it is. `start_timeout` is in seconds and
    bounds the waiting for crash recovery too. The environment's SYNCER_PG_BIN and SYNCER_PG_USER are heeded.

    An object belongs to one thread. A process killed in whatever way leaves the server running for the next user
    to find and, as the last one, to stop; a killed server is recovered by the next `start` or `ensure_running`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        server_settings: Mapping[str, str] = MappingProxyType({}),
        start_timeout: float = 120,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        _refuse_windows()
        self.directory = directory.resolve()
        self.started_server = False
        self._settings = dict(server_settings)
        self._start_timeout = start_timeout
        self._wishes = read_environment(os.environ if environ is None else environ)
        self._sockets = socket_directory(self.directory)
        self._log = self.directory / "postgres.log"
        self._data: Path | None = None
        self._users: int | None = None

    @property
    def url(self) -> str:
        """The `postgresql://` URL of the server's database `postgres`, for psycopg and SQLAlchemy."""
        return socket_url(self._sockets)

    def start(self) -> Self:
        """Become a user of the server, and start it if it does not run; `started_server` tells which it was.

        Raises DatabaseUnavailable, with the end of the server's log, if there is no way.
        """
        if self._users is not None:
            self.started_server = self.ensure_running()
            return self
        with _explained(self.directory):
            _make_home(self.directory)
            with self._exclusive():
                self.started_server = self._bring_up()
                self._users = open_own(self.directory / "users")
                try_lock(self._users, shared=True)  # to be had at once: who takes it alone holds our lock as well
        return self

    def ensure_running(self) -> bool:
        """Start the server anew if it died since `start`; return whether that was needed."""
        if self._users is None or self._data is None:
            raise DatabaseUnavailable("The embedded PostgreSQL was not started, or was stopped.")
        if ask(self.url, self._data) is Answer.READY:
            return False
        with _explained(self.directory), self._exclusive():
            return self._bring_up()

    def stop(self) -> bool:
        """Cease to use the server; the last user stops it. Return True if that was us and it stopped.

        If the directory was removed meanwhile there is nothing to do: the server notices, and ends by itself.
        """
        if self._users is None:
            return False
        users, self._users = self._users, None
        try:
            if not self.directory.exists():
                return False
            with _explained(self.directory), self._exclusive():
                return try_lock(users, shared=False) and self._shut_down()
        finally:
            os.close(users)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _exclusive(self) -> AbstractContextManager[None]:
        return exclusive(self.directory / "lock", self._start_timeout)

    def _bring_up(self) -> bool:
        """Make the server answer; return whether it had to be started. The lock must be held."""
        binaries = find_binaries(self._wishes)
        self._data = data = data_directory(self.directory, binaries.major)
        refuse_other_majors(self.directory, binaries.major)
        deadline = time.monotonic() + self._start_timeout
        if data.exists() and self._answers(data, deadline):
            return False
        env = self._wishes.passed_on
        account = choose_account(self._wishes.user, data, self.directory)
        account.require_way_to(self.directory, env)
        binaries = within_reach(binaries, account, self.directory, env)
        initialise(self.directory, binaries, account, env, durable=self._settings.get("fsync") != "off")
        make_private(self._sockets, account)
        process.drop_stale_locks(data, self._sockets)
        try:
            self._launch(binaries.postgres, data, account, deadline)
        except _StillStartingError:
            raise
        except BaseException:
            self._shut_down()
            raise
        return True

    def _answers(self, data: Path, deadline: float) -> bool:
        """Wait while the server is busy starting, recovering or stopping; return whether it is there."""
        while (answer := ask(self.url, data)) is Answer.NOT_YET:
            self._check(deadline)
            time.sleep(_POLL)
        return answer is Answer.READY

    def _check(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            what = f"is not ready after {self._start_timeout:g} s and goes on starting"
            raise _StillStartingError(explain_failure(what, log.tail(self._log), self.directory))

    def _launch(self, postgres: Path, data: Path, account: Account, deadline: float) -> None:
        log.rotate(self._log)
        while True:
            beginning = log.size(self._log)
            pid = self._spawn(postgres, data, account)
            while process.is_running(pid):
                if self._answers(data, deadline):
                    return
                self._check(deadline)
                time.sleep(_POLL)
            said = log.tail(self._log, beginning)
            # the children of a killed server take a moment to notice, and hold its shared memory until then
            if _ORPHANS not in said or time.monotonic() > deadline:
                raise DatabaseUnavailable(explain_failure("did not start", said, self.directory))
            time.sleep(5 * _POLL)

    def _spawn(self, postgres: Path, data: Path, account: Account) -> int:
        """Start the server in a session of its own, safe from the terminal's Ctrl-C, and return its number.

        The shell in between makes it nobody's child: whoever started it may end, and need not reap it.
        """
        settings = _DEFAULTS | self._settings | server_socket_settings(self._sockets) | {"lc_messages": "C"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        output = open_own(self._log)
        try:
            shell = subprocess.run(
                ["/bin/sh", "-c", 'exec "$@" >&2 & echo $!', "sh", postgres, "-D", data, *options],
                cwd=self.directory,
                env=self._wishes.passed_on,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=output,
                start_new_session=True,
                check=True,
                **account.run_as,
            )
        finally:
            os.close(output)
        return int(shell.stdout)

    def _shut_down(self) -> bool:
        """Stop the server, at once if it will not stop in good order; return whether it is stopped."""
        assert self._data is not None
        for order, seconds in ((signal.SIGINT, _STOP_WITHIN), (signal.SIGQUIT, 10.0)):
            pid = process.postmaster_pid(self._data)
            if pid is None:
                return True
            os.kill(pid, order)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if not process.is_running(pid):
                    return True
                time.sleep(_POLL)
        return False


def _refuse_windows() -> None:
    if sys.platform == "win32":
        raise DatabaseUnavailable(
            "The embedded PostgreSQL needs Linux or macOS. On Windows set SYNCER_DATABASE_URL to a database, or run "
            "syncer in WSL."
        )


def _make_home(directory: Path) -> None:
    """Make the directory and what is missing above it; what is above it and there already stays as it is."""
    root = os.geteuid() == 0
    for path in (*reversed(directory.parents), directory):
        if not path.exists():
            path.mkdir(mode=0o700 if path == directory else 0o777, exist_ok=True)
            if root:  # the server's user must get through, and may do no more
                path.chmod(0o711 if path == directory else 0o755)


@contextmanager
def _explained(directory: Path) -> Iterator[None]:
    """Turn what the operating system refuses into a sentence for the operator."""
    try:
        yield
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise DatabaseUnavailable(
            f"The embedded PostgreSQL cannot use {directory} ({what}). Make room or mend the permissions there, or set "
            "SYNCER_DATA_DIR to another directory."
        ) from error
