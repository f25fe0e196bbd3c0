"""`syncer export` and `import`: what is read is what was written, and the next pull goes on from there."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from syncer.errors import SettingsError
from syncer.postgres.binaries import find_binaries, read_environment
from syncer.simulator import World
from syncer.store import transfer
from syncer.store.database import connect
from syncer.store.migrate import HEAD, upgrade

from .conftest import Rig
from .reporting import as_login, past_rig, play_a_past, run_roles

TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'syncer'::regnamespace AND relkind = 'r' ORDER BY 1"
NUMBERS = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'syncer' ORDER BY 1"


def exported(database: str) -> bytes:
    file = io.BytesIO()
    with connect(database) as connection:
        transfer.write(connection, file, version="0.0")
    return file.getvalue()


def imported(database: str, content: bytes) -> dict[str, int]:
    with connect(database) as connection:
        return transfer.read(connection, io.BytesIO(content))


def contents(database: str) -> dict[str, Any]:
    with psycopg.connect(database) as connection:
        tables = [name for (name,) in connection.execute(TABLES)]
        assert len(tables) > 15
        found: dict[str, Any] = {
            name: sorted(row for (row,) in connection.execute(f"SELECT t::text FROM syncer.{name} t"))  # type: ignore[arg-type] # a table's own name
            for name in tables
        }
        return found | {"numbers": connection.execute(NUMBERS).fetchall()}


@contextmanager
def moved(rig: Rig, database: str) -> Iterator[Rig]:
    """Yield the same user's syncer on another database; the old one is left as it is."""
    old, rig.database = rig.database, database
    rig.environ["SYNCER_DATABASE_URL"] = database
    try:
        yield rig
    finally:
        rig.database = old
        rig.environ["SYNCER_DATABASE_URL"] = old


@pytest.fixture
def fresh(empty_database: str) -> str:
    upgrade(empty_database)
    return empty_database


def evaluated(rig: Rig) -> None:
    app = rig.app()
    with app.database() as url:
        app.alerting.evaluate(url, app.settings.sources)


def messages(rig: Rig) -> list[dict[str, Any]]:
    return rig.rows("SELECT source, message_id, key FROM syncer.outbox ORDER BY message_id")


@pytest.mark.parametrize("block", [transfer._BLOCK, 2_000])
def test_a_past_with_everything_in_it_is_moved_whole(
    simulated: Callable[..., Rig], fresh: str, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(transfer, "_BLOCK", block)
    rig = past_rig(simulated)
    rig.environ["SYNCER_NOTIFY"] = "webhook+http://127.0.0.1:9/"
    (now,) = rig.rows("SELECT now()")
    play_a_past(rig, now["now"])
    rig.simulator.world.change(rig.simulator.world.ids()[7], name="tab\t, line\n, \\., \\N, ü, 录像")
    rig.sync("full")
    rig.sync("full", stop_after=1)
    evaluated(rig)
    before = contents(rig.database)
    counts = imported(fresh, exported(rig.database))
    assert contents(fresh) == before
    assert counts == {name: len(before[name]) for name in counts}
    told = messages(rig)
    assert told
    with moved(rig, fresh):
        evaluated(rig)
        assert messages(rig) == told, "what was announced is announced again"
        resumed = rig.sync("full")
        assert (resumed.error, resumed.resumed, resumed.totals["verdict"]) == (None, True, "proven")
        assert resumed.totals["inserted"] == 0
        assert rig.sync("recent").totals["pages"] == 1


def test_a_database_in_use_is_left_alone(simulated: Callable[..., Rig], fresh: str) -> None:
    rig = simulated()
    rig.sync("full")
    content = exported(rig.database)
    imported(fresh, content)
    before = contents(fresh)
    with pytest.raises(SettingsError, match="in use already"):
        imported(fresh, content)
    assert contents(fresh) == before


def test_nothing_of_a_damaged_file_is_kept(simulated: Callable[..., Rig], fresh: str) -> None:
    rig = simulated()
    rig.sync("full")
    content = exported(rig.database)
    lines = content.splitlines(keepends=True)
    row = next(number for number, line in enumerate(lines) if b'"table": "file"' in line) + 1
    empty = contents(fresh)
    damaged = {
        "cut": content[: len(content) // 2],
        "cut at a line": b"".join(lines[:-1]),
        "a row less": b"".join(lines[:row] + lines[row + 1 :]),
        "a row twice": b"".join([*lines[:row], lines[row], *lines[row:]]),
        "no row": b"".join([*lines[:row], b"nonsense\n", *lines[row:]]),
        "another table": content.replace(b'"table": "file"', b'"table": "elif"'),
        "another column": content.replace(b'"file_id", "name"', b'"name", "file_id"'),
        "a number": b"17\n" + content,
        "text": b"hello",
        "nothing": b"",
    }
    for what, broken in damaged.items():
        with pytest.raises(SettingsError, match=r"damaged|not whole|does not know"):
            imported(fresh, broken)
        assert contents(fresh) == empty, what
    packed = gzip.compress(content)
    with pytest.raises(SettingsError, match="damaged"), connect(fresh) as connection:
        transfer.read(connection, gzip.GzipFile(fileobj=io.BytesIO(packed[:-20])))
    assert contents(fresh) == empty


def test_a_file_of_another_schema_is_refused(database: str, fresh: str) -> None:
    header, rest = exported(database).split(b"\n", 1)
    other = json.dumps(json.loads(header) | {"schema": "9999"}).encode()
    with pytest.raises(SettingsError, match=f"schema 9999, this one has schema {HEAD}"):
        imported(fresh, other + b"\n" + rest)


def test_what_others_keep_in_the_database_is_no_hindrance(empty_database: str) -> None:
    run_roles(empty_database)
    owner = as_login(empty_database, "syncer_owner")
    upgrade(owner)
    with psycopg.connect(empty_database, autocommit=True) as administrator:
        administrator.execute("CREATE SCHEMA theirs")
        administrator.execute("CREATE TABLE theirs.list (n integer GENERATED ALWAYS AS IDENTITY)")
    assert exported(owner)


def test_numbers_go_on_also_when_the_rows_that_bore_them_are_gone(database: str, fresh: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO syncer.source (source, account) VALUES ('s', 'a')")
        for _ in range(3):
            connection.execute(
                "INSERT INTO syncer.run (source, kind, holder, started_at) VALUES ('s', 'full', 'h', now())"
            )
        connection.execute("DELETE FROM syncer.run")
        last = connection.execute(NUMBERS).fetchall()
    imported(fresh, exported(database))
    with psycopg.connect(fresh) as connection:
        assert connection.execute(NUMBERS).fetchall() == last


def test_the_source_that_is_being_pulled_is_named(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as holder:
        holder.execute("INSERT INTO syncer.source (source, account) VALUES ('s', 'a'), ('t', 'a')")
        holder.execute(
            "INSERT INTO syncer.lease (source, holder, held_until)"
            " VALUES ('s', 'somebody', now() + interval '1 minute'), ('t', NULL, NULL)"
        )
    with connect(database) as connection:
        assert transfer.pulling(connection) == [("s", "somebody")]


def test_an_export_keeps_to_its_instant(simulated: Callable[..., Rig]) -> None:
    """What is committed while it runs is in no table of it."""
    rig = simulated(world=World(files=100))
    rig.sync("full")

    class Slow(io.BytesIO):
        def write(self, data: Any) -> int:
            if b'"table": "file"' in bytes(data):
                rig.simulator.world.add()
                assert rig.sync("full").totals["inserted"] == 1
            return super().write(data)

    file = Slow()
    with connect(rig.database) as connection:
        counts = transfer.write(connection, file, version="0.0")
    assert (counts["pull"], counts["run"], counts["file"]) == (1, 1, 100)


def test_a_dump_is_restored_and_the_next_pull_goes_on(
    simulated: Callable[..., Rig], empty_database: str, tmp_path: Path
) -> None:
    """PostgreSQL's own tools, as docs/upgrade.md tells it: owner, rights and the checkpoint come back."""
    tools = find_binaries(read_environment(os.environ)).directory
    if not (tools / "pg_restore").exists():
        pytest.skip(f"no pg_dump and pg_restore in {tools}")
    rig = simulated({"page_size": "50"}, world=World(files=300))
    rig.sync("full")
    rig.sync("full", stop_after=2)
    before = contents(rig.database)
    run_roles(empty_database)
    dump = tmp_path / "syncer.dump"
    subprocess.run([tools / "pg_dump", "--format=custom", f"--file={dump}", rig.database], check=True)
    subprocess.run([tools / "pg_restore", "--exit-on-error", f"--dbname={empty_database}", dump], check=True)
    run_roles(empty_database)
    assert contents(empty_database) == before
    with moved(rig, as_login(empty_database, "syncer")):
        resumed = rig.sync("full")
        assert (resumed.error, resumed.resumed, resumed.totals["verdict"]) == (None, True, "proven")
        rig.assert_equals_listing()
    with psycopg.connect(as_login(empty_database, "syncer_reader")) as connection:
        assert connection.execute("SELECT count(*) FROM report.backups").fetchone() == (300,)
