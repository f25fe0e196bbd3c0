"""Where the server's Unix socket lives, and the URL that leads to it."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path
from urllib.parse import quote

from syncer.errors import DatabaseUnavailable
from syncer.postgres.account import Account

PORT = 5432
SUPERUSER = "postgres"
_LONGEST = 100  # bytes; the kernel's own limit is 107 on Linux, 103 on macOS


def socket_directory(home: Path) -> Path:
    """Return the directory for the socket of the server under `home`.

    A socket's path must be short, and a comma parts two hosts in a connection string: for such a `home` it is a
    directory of the temporary directory instead.
    """
    inside = home / "run"
    if len(os.fsencode(inside / f".s.PGSQL.{PORT}")) <= _LONGEST and "," not in str(inside):
        return inside
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"syncer-{os.geteuid()}-{digest}"


def socket_url(sockets: Path, database: str = "postgres") -> str:
    """Return a URL for psycopg and SQLAlchemy; every part is in it, so that no PG... variable changes its meaning."""
    where = quote(os.fsencode(sockets), safe="/")
    return f"postgresql://{SUPERUSER}@/{quote(database, safe='')}?host={where}&port={PORT}"


def server_socket_settings(sockets: Path) -> dict[str, str]:
    """Return the settings that make a server listen in `sockets`, for its own user, and nowhere else."""
    quoted = str(sockets).replace('"', '""')
    return {
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_directories": f'"{quoted}"',
        "unix_socket_permissions": "0700",
    }


def make_private(directory: Path, account: Account) -> None:
    """Make `directory` and let `account` alone into it.

    Raises DatabaseUnavailable if it is there already and belongs to somebody else: whoever owns the socket's
    directory could put a server of his own there.
    """
    directory.mkdir(mode=stat.S_IRWXU, exist_ok=True)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if status.st_uid not in (os.geteuid(), account.uid):
            raise DatabaseUnavailable(
                f"The directory for PostgreSQL's socket, {directory}, belongs to another user ({status.st_uid}). "
                "Remove it, or set SYNCER_DATA_DIR to a directory with a shorter path."
            )
        if status.st_uid != account.uid:
            os.fchown(descriptor, account.uid, account.gid)
        if stat.S_IMODE(status.st_mode) != stat.S_IRWXU:
            os.fchmod(descriptor, stat.S_IRWXU)
    finally:
        os.close(descriptor)
