"""Asks whether a server answers on a socket, and whether it is the one of a given data directory."""

from __future__ import annotations

from enum import Enum, auto
from pathlib import Path

import psycopg

from syncer.errors import DatabaseUnavailable

_ANSWER_WITHIN = 5  # seconds
_NOT_YET = ("the database system is", "server closed the connection unexpectedly", "timeout expired")
_FULL = ("too many clients", "connection slots are reserved")


class Answer(Enum):
    """What was heard on the socket."""

    READY = auto()
    NOT_YET = auto()  # starting, recovering, stopping, or too busy to answer
    SILENCE = auto()


def ask(url: str, data: Path) -> Answer:
    """Connect to `url`; READY only if the server there works on the data directory `data`.

    It does if its own postmaster.pid is the one in `data`, by whatever path each of us knows the directory.
    Raises DatabaseUnavailable if it is another server, or one that turns us away for good.
    """
    try:
        with psycopg.connect(url, connect_timeout=_ANSWER_WITHIN) as connection:
            row = connection.execute("SELECT pg_read_file('postmaster.pid')").fetchone()
    except psycopg.Error as error:
        return _meaning(str(error), data)
    assert row is not None
    lock_file = data / "postmaster.pid"
    if lock_file.exists() and _identity(row[0]) == _identity(lock_file.read_text()):
        return Answer.READY
    raise DatabaseUnavailable(
        f"Another PostgreSQL server, not that of {data}, answers at {url}. Stop it, or set SYNCER_DATA_DIR to another "
        "directory."
    )


def _identity(lock_file: str) -> list[str]:
    return lock_file.splitlines()[:3]  # process number, data directory, start time


def _meaning(message: str, data: Path) -> Answer:
    if any(text in message for text in _FULL):
        return Answer.READY
    if any(text in message for text in _NOT_YET):
        return Answer.NOT_YET
    if "FATAL" in message or "ERROR" in message:
        raise DatabaseUnavailable(f"The PostgreSQL server of {data} runs but turns us away: {message.strip()}")
    return Answer.SILENCE
