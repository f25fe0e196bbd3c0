"""What a failing database is called, and what to do about it."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from sqlalchemy import exc

from syncer.postgres.sockets import socket_directory, socket_url
from syncer.store.database import explain

EMBEDDED = socket_url(socket_directory(Path("/srv/täglich/postgres")))
OWN = "postgresql://me:hunter2@db.example/copy"


def said(error: Exception, url: str) -> str:
    return str(explain(exc.OperationalError("SELECT 1", None, error), url))


@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.DiskFull("could not extend file"),
        psycopg.errors.IoError('could not write to file "pg_wal/xlogtemp.1": No space left on device'),
    ],
)
def test_a_full_disk_says_where_to_make_room_and_that_nothing_was_lost(error: Exception) -> None:
    told = "The disk is full: make room {} (%s). Nothing was lost; the next run resumes." % error  # noqa: UP031 - braces
    assert said(error, EMBEDDED) == told.format("in /srv/täglich/postgres")
    assert said(error, OWN) == told.format("where the database at postgresql://me:***@db.example/copy lives")


def test_the_embedded_server_is_named_by_its_directory_and_others_by_their_address() -> None:
    gone = psycopg.OperationalError("server closed the connection")
    assert said(gone, EMBEDDED).startswith("The embedded PostgreSQL in /srv/täglich/postgres failed: server closed")
    assert said(gone, OWN).startswith("The database at postgresql://me:***@db.example/copy failed: ")
    for socket in ("/var/run/postgresql", "/run", "relative/postgres/run"):
        assert said(gone, f"postgresql:///copy?host={socket}").startswith("The database at postgresql:///copy?")
