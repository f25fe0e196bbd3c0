"""Owns the embedded PostgreSQL server: started by its first user, stopped by its last, mended after any kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from syncer.errors import DatabaseUnavailable
from syncer.postgres import process
from syncer.postgres.account import Account, choose_account
from syncer.postgres.binaries import find_binaries, read_environment, within_reach
from syncer.postgres.cluster import data_directory, initialise, refuse_other_majors, room_left
from syncer.postgres.locks import exclusive, open_own, try_lock
from syncer.postgres.probe import Answer, ask
from syncer.postgres.sockets import PORT, make_private, socket_directory, socket_url

_POLL = 0.03
_STOP_WITHIN = 60.0
_LARGEST_LOG = 10 * 2**20
_ORPHANS_LEAVE_WITHIN = 10.0
_DEFAULTS = {"max_connections": "50", "shared_buffers": "64MB", "max_wal_size": "256MB", "jit": "off"}


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
        self.directory = Path(directory).resolve()
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
        _refuse_windows()
        with _explained(self.directory), self._exclusive():
            self.started_server = self._bring_up()
            users = open_own(self.directory / "users")
            try_lock(users, shared=True)  # free for sharing: its exclusive holders hold our lock as well
            self._users = users
        return self

    def ensure_running(self) -> bool:
        """Start the server anew if it died since `start`; return whether that was needed."""
        if self._users is None or self._data is None:
            raise DatabaseUnavailable("The embedded PostgreSQL was not started, or was stopped.")
        with _explained(self.directory), self._exclusive():
            return self._bring_up()

    def stop(self) -> bool:
        """Cease to use the server; the last user stops it. Return True if that was us and it stopped."""
        if self._users is None:
            return False
        users, self._users = self._users, None
        try:
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

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        _make_home(self.directory)
        with exclusive(self.directory / "lock", self._start_timeout):
            yield

    def _bring_up(self) -> bool:
        """Make the server answer; return whether it had to be started. The lock must be held."""
        binaries = find_binaries(self._wishes)
        self._data = data = data_directory(self.directory, binaries.major)
        refuse_other_majors(self.directory, binaries.major)
        deadline = time.monotonic() + self._start_timeout
        if data.exists() and self._answers(data, deadline):
            return False
        account = choose_account(self._wishes.user, data, self.directory)
        env = self._wishes.passed_on
        account.require_way_to(self.directory, env)
        binaries = within_reach(binaries, account, self.directory, self._wishes)
        initialise(self.directory, binaries, account, env, durable=self._settings.get("fsync") != "off")
        make_private(self._sockets, account)
        process.drop_stale_locks(data, self._sockets)
        try:
            self._launch(binaries.postgres, data, account, deadline)
        except DatabaseUnavailable:
            raise
        except BaseException:
            self._shut_down()
            raise
        return True

    def _answers(self, data: Path, deadline: float) -> bool:
        """Wait while the server is busy starting, recovering or stopping; return whether it is there."""
        while (answer := ask(self.url, data)) is Answer.NOT_YET:
            if time.monotonic() > deadline:
                raise self._failure(
                    f"did not become ready within {self._start_timeout:g} s; it may still recover"
                )
            time.sleep(_POLL)
        return answer is Answer.READY

    def _launch(self, postgres: Path, data: Path, account: Account, deadline: float) -> None:
        _rotate(self._log)
        patience = min(deadline, time.monotonic() + _ORPHANS_LEAVE_WITHIN)
        while True:
            beginning = self._log.stat().st_size if self._log.exists() else 0
            pid = self._spawn(postgres, data, account)
            while process.is_running(pid):
                if self._answers(data, deadline):
                    return
                if time.monotonic() > deadline:
                    raise self._failure(f"did not answer within {self._start_timeout:g} s")
                time.sleep(_POLL)
            # the children of a killed server take a moment to notice, and hold its shared memory until then
            if "still in use" not in _tail(self._log, beginning) or time.monotonic() > patience:
                raise self._failure("did not start", beginning)
            time.sleep(5 * _POLL)

    def _spawn(self, postgres: Path, data: Path, account: Account) -> int:
        """Start the server in a session of its own, safe from the terminal's Ctrl-C, and return its number.

        The shell in between makes it nobody's child: whoever started it may end, and need not reap it.
        """
        settings = _DEFAULTS | self._settings | {
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": '"' + str(self._sockets).replace('"', '""') + '"',
            "unix_socket_permissions": "0700",
            "lc_messages": "C",
        }  # fmt: skip
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        log = open_own(self._log)
        try:
            shell = subprocess.run(
                ["/bin/sh", "-c", '"$@" >&2 & echo $!', "sh", postgres, "-D", data, *options],
                cwd=self.directory,
                env=self._wishes.passed_on,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                check=True,
                **account.run_as,
            )
        finally:
            os.close(log)
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

    def _failure(self, what: str, beginning: int = 0) -> DatabaseUnavailable:
        lines = _tail(self._log, beginning).strip().splitlines()[-10:]
        return DatabaseUnavailable(
            "\n".join(
                [
                    f"The embedded PostgreSQL in {self.directory} {what} ({room_left(self.directory)}).",
                    *(["The end of its log:", *lines] if lines else ["Its log says nothing."]),
                    f"Mend what the log names (all of it is in {self._log}) and try again, or set SYNCER_DATA_DIR to "
                    "another directory, or SYNCER_DATABASE_URL to another database.",
                ]
            )
        )


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


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > _LARGEST_LOG:
        log.replace(log.with_suffix(".log.1"))


def _tail(log: Path, beginning: int) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(beginning, log.stat().st_size - 4096))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
