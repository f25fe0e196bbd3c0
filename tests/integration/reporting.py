"""What the tests of schema report share: a database with a past, and a reader's login."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
from psycopg.rows import dict_row
from sqlalchemy import make_url

from syncer.simulator.behaviour import Behaviour
from syncer.simulator.world import World

from .conftest import Rig

ROOT = Path(__file__).resolve().parents[2]
ROLES = ROOT / "deploy" / "roles.sql"


def load(path: str) -> ModuleType:
    """Return a script of the checkout as a module."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def at(database: str, instant: datetime | None) -> Iterator[None]:
    """Let every session of the block take `instant` for now, as far as tables and views are concerned."""
    name = make_url(database).database
    with psycopg.connect(database, autocommit=True) as connection:
        if instant is not None:
            connection.execute(f"ALTER DATABASE {name} SET syncer.now = '{instant.isoformat()}'")
        try:
            yield
        finally:
            connection.execute(f"ALTER DATABASE {name} RESET syncer.now")


DAY = timedelta(days=1)


def past_rig(simulated: Callable[..., Rig], files: int = 60) -> Rig:
    """Return a rig whose API goes on listing what has expired; pages are short, so that pulls have several."""
    return simulated({"page_size": "20"}, world=World(files=files), behaviour=Behaviour(expired_linger=100 * 86_400))


def play_a_past(rig: Rig, now: datetime) -> list[datetime]:
    """Fill the database with twelve days up to `now`: files come, change, expire, go, return, are rejected; a context
    is lost; a person looks something up. Returns the instants of the six pulls.
    """
    world = rig.simulator.world
    ids = world.ids()
    today = int(now.timestamp())
    soon = [world.add(created=today - 50 * 86_400, expires=today - days * 86_400).file_id for days in (1, 6)]
    deeds: list[Callable[[], object]] = [
        lambda: world.change(ids[50], expires=today + 43_200),
        lambda: (world.change(ids[3], name="renamed"), world.change(ids[4], expires=today + 86_400 * 300)),
        lambda: (world.delete(*ids[10:14]), world.add(), world.change(ids[3], name="renamed again")),
        lambda: (world.add(), world.delete(soon[1])),
        lambda: (world.restore(*ids[10:12]), world.change(ids[10], name="back under another name"), lose_context(rig)),
        lambda: (
            world.delete(ids[11]),
            world.add(raw='{"fileId": "77", "name": "odd", "size": "large"}', file_id="77"),
        ),
    ]
    instants = [now - 12 * DAY + number * timedelta(days=2, hours=9) for number in range(6)]
    for number, (instant, deed) in enumerate(zip(instants, deeds, strict=True)):
        deed()
        with at(rig.database, instant):
            result = rig.sync("recent" if number == 3 else "full")
            assert result.error is None, result.error
            if number == 2:
                look_up(rig, ids[20:22])
    return instants


def lose_context(rig: Rig) -> None:
    """Let the contexts of the next pull's second page be refused."""
    rig.simulator.schedule = {rig.simulator.call_count + 2: lambda simulator: simulator.kill_contexts()}


def look_up(rig: Rig, ids: list[str]) -> None:
    """Ask for files by id, as `syncer lookup` does."""
    app = rig.app()
    with app.database() as url, app.lookup(url, app.settings.source("default")) as lookup:
        lookup.by_ids(ids)


@contextmanager
def reader(database: str) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """Connect as a login that deploy/roles.sql makes, under a name of the test's own; it is dropped afterwards."""
    login = f"syncer_reader_{os.getpid()}"
    with psycopg.connect(database, autocommit=True) as owner:
        make_roles(owner, login)
        url = make_url(database).set(username=login).render_as_string(hide_password=False)
        try:
            with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
                yield connection
        finally:
            owner.execute(f"DROP OWNED BY {login}")
            owner.execute(f"DROP ROLE {login}")


def make_roles(owner: psycopg.Connection[Any], login: str) -> None:
    """Run deploy/roles.sql as an administrator would, with another name for its login."""
    owner.execute(ROLES.read_text().replace("syncer_reader", login))  # type: ignore[arg-type] # the file's own SQL


def as_login(database: str, login: str) -> str:
    """Return the database's URL for a login that deploy/roles.sql makes."""
    return make_url(database).set(username=login).render_as_string(hide_password=False)


def run_roles(database: str) -> None:
    """Run deploy/roles.sql as an administrator does."""
    with psycopg.connect(database, autocommit=True) as administrator:
        administrator.execute(ROLES.read_text())  # type: ignore[arg-type] # the file's own SQL


VERDICTS = """
SELECT p.pull_id, p.kind, p.verdict, p.reason, p.outcome, f.ended, f.complete,
       CASE WHEN p.kind = 'recent' OR p.finished_at IS NULL OR p.outcome NOT IN ('complete', 'unproven') THEN 'partial'
            WHEN f.complete AND p.unidentified = 0 AND p.short_pages = 0 AND p.drifted = 0 AND p.error IS NULL
              THEN 'proven'
            ELSE 'unproven' END AS from_ledger,
       (SELECT bool_and(holds) FROM report.pull_proof(p.pull_id) WHERE point < 11) AS every_point,
       (SELECT holds FROM report.pull_proof(p.pull_id) WHERE point = 11) AS last_point
FROM report.pulls p JOIN report.proof f USING (source, pull_id) WHERE f.last
"""


def check_verdicts(rig: Rig) -> list[dict[str, Any]]:
    """Assert that each pull's ledger says by itself what report.pulls says; return what it says."""
    found = rig.rows(VERDICTS)
    for row in found:
        assert row["verdict"] == row["from_ledger"], row
        assert (row["verdict"] == "proven") == row["last_point"], row
        assert row["every_point"] == row["last_point"], row
    return found
