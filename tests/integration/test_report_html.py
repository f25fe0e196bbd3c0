"""The report's figures are those of the views, of the commands and of each other; its tables are the views."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from syncer import export
from syncer.cli.report import TableChoice, _read
from syncer.report.language import Lang
from syncer.report.page import render
from syncer.report.sections import SECTIONS
from syncer.settings import load_settings
from syncer.simulator import World
from syncer.store import exports, inventory, report, status
from syncer.store.database import Connection, connect, rows, snapshot
from syncer.store.exports import EXPORTS
from syncer.trust import Level

from .conftest import Rig

NAMES = ("=cmd()", "plain", '<script>"', "\u202eturned")
FILE = """
INSERT INTO syncer.file (source, file_id, name, size_bytes, file_type, created_at, expires_at, gone_at, first_seen_at,
                         changed_at, extra, first_run)
SELECT %(source)s, n::text, (%(names)s::text[])[1 + n %% 4], 1000 + n, CASE WHEN n %% 3 > 0 THEN 'mp4' END,
       now() - interval '20 days', now() + n * interval '1 day' + interval '1 hour',
       CASE WHEN n %% 10 = 9 THEN now() - interval '1 day' END, now() - interval '19 days', now(), '{"a": [1]}', 1
FROM generate_series(-5, %(last)s) AS n
"""
REST = """
INSERT INTO syncer.change (source, changed_at, file_id, field, old_value, new_value, run_id, previous_at)
  SELECT 'a', now() - n * interval '1 day', n::text, CASE WHEN n % 4 = 0 THEN 'gone_at' ELSE 'name' END, 'b', 'c', 1,
         now() - interval '50 days' FROM generate_series(1, 40) AS n;
INSERT INTO syncer.pull (source, kind, listing, prefix, page_size, allow_sweep, first_run, started_at, finished_at,
                         outcome, proven, settled_run, phase, pages, files)
  SELECT s, 'full', 'x', '', 100, false, 1, now() - interval '18 minutes', now(), 'complete', true, 1, 'done', 3, 300
  FROM unnest(ARRAY['a', 'b']) AS s;
INSERT INTO syncer.inventory_day (source, day, as_of, pull_id, proven, live_files, live_bytes, overdue_files)
  SELECT 'a', (now() AT TIME ZONE INTERVAL '08:00')::date - n, now(), 1, true, 100, 1000, 0
  FROM unnest(ARRAY[0, 1, 4, 300]) AS n;
INSERT INTO syncer.rejected (source, digest, rejected_at, run_id, position, reason, raw)
  SELECT 'a', int4send(n), now() - n * interval '20 days', 1, n, '=reason', '{}' FROM generate_series(0, 2) AS n;
"""


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with psycopg.connect(database, autocommit=True, cursor_factory=psycopg.ClientCursor) as raw:
        raw.execute("INSERT INTO syncer.source (source, account) VALUES ('a', 'x'), ('b', 'x')")
        for source, last in (("a", 250), ("b", 20)):
            raw.execute(FILE, {"source": source, "last": last, "names": list(NAMES)})
        raw.execute(REST)
    with connect(database) as opened:
        yield opened


def one(connection: Connection, sql: str) -> tuple[object, ...]:
    return tuple(rows(connection, sql).one())


@pytest.mark.parametrize("source", [None, "a", "b", "nobody"])
def test_the_figures_are_those_of_the_views(connection: Connection, source: str | None) -> None:
    found = report.read(connection, source)
    where = "true" if source is None else f"source = '{source}'"

    expiring = f"SELECT count(*), coalesce(sum(size_bytes), 0) FROM report.expiring WHERE {where}"
    assert (sum(e.files for e in found.calendar), sum(e.bytes for e in found.calendar)) == one(connection, expiring)
    in_tiers = f"SELECT count(*), coalesce(sum(size_bytes), 0) FROM report.expiring WHERE {where} AND tier IS NOT NULL"
    assert (sum(e.files for e in found.tiers), sum(e.bytes for e in found.tiers)) == one(connection, in_tiers)
    vanished = (
        f"SELECT count(*), coalesce(sum(size_bytes), 0) FROM report.backups WHERE {where} AND state = 'vanished'"
        " AND gone_at > now() - interval '30 days'"
    )
    assert (found.vanished_total.files, found.vanished_total.bytes) == one(connection, vanished)
    for groups, view in ((found.types, "storage_by_type"), (found.prefixes, "storage_by_prefix")):
        total = f"SELECT coalesce(sum(files), 0), coalesce(sum(bytes), 0) FROM report.{view} WHERE {where}"
        assert (groups.files, groups.bytes) == one(connection, total)
    changes = f"SELECT count(*) FROM report.changes WHERE {where} AND changed_at > now() - interval '30 days'"
    assert (sum(e.changes for e in found.changes),) == one(connection, changes)
    rejected = f"SELECT count(*) FROM report.rejected WHERE {where}"
    assert (found.rejected.number,) == one(connection, rejected)


def test_the_figures_are_those_of_status_and_files(connection: Connection) -> None:
    found = report.read(connection, None)
    assert [each.tallies for each in found.reading.sources] == [
        each.tallies for each in status.read(connection).sources
    ]
    live = inventory.count(connection, inventory.Selection())
    assert sum(each.files for each in found.calendar) == live
    assert sum(each.tallies["live"].files for each in found.reading.sources) == live
    assert found.types.files == sum(each.present.files for each in found.reading.sources)
    with snapshot(connection), inventory.reading(connection, inventory.Selection(), report.SHOWN_FILES) as files:
        assert [each["file_id"] for each in files] == [each.file_id for each in found.expiring]


def test_what_is_far_away_is_added_up(connection: Connection) -> None:
    *days, later = report.read(connection, "a").calendar
    assert later.day is None
    assert later.files > 0
    assert len(days) < report.CALENDAR_DAYS + 1
    last = days[-1].day
    assert last is not None
    assert last < report.read(connection, "a").today + timedelta(days=report.CALENDAR_DAYS)


def test_days_without_a_pull_are_there(connection: Connection) -> None:
    days = report.read(connection, "a").daily
    assert len(days) == report.CURVE_DAYS
    assert [each.pulled for each in days[-6:]] == [False, True, False, False, True, True]


def test_a_share_of_a_lifetime_is_a_tier_too(connection: Connection, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as raw:
        raw.execute("INSERT INTO syncer.tier (source, position, name, share) VALUES ('a', 1, '90%', 0.9)")
    (tier,) = report.read(connection, "a").tiers
    assert tier.tier == "90%"
    assert (tier.files,) == one(connection, "SELECT count(*) FROM report.expiring WHERE source = 'a' AND tier = '90%%'")


@pytest.mark.parametrize("source", [None, "it's"])
def test_every_statement_that_the_page_shows_can_be_run(connection: Connection, source: str | None) -> None:
    for section in SECTIONS:
        rows(connection, section.sql(source)).all()


def test_the_page_is_made_of_what_is_there(connection: Connection, database: str) -> None:
    settings = load_settings({"SYNCER_DATABASE_URL": database, "SYNCER_SECRET_ID": "i", "SYNCER_SECRET_KEY": "k"})
    data = _read(settings, connection, None)
    assert [(each.name, each.configured, each.trust.level) for each in data.standings] == [
        ("default", True, Level.NEVER),
        ("a", False, Level.PROVEN),
        ("b", False, Level.PROVEN),
    ]
    for lang in Lang:
        text = render(data, lang)
        assert "&lt;script&gt;" in text
        assert "<script" not in text


def at(connection: Connection, moment: datetime) -> None:
    rows(connection, "SELECT set_config('syncer.now', %(at)s, false)", at=moment.isoformat())


def test_an_old_proof_is_said_first_and_a_fresh_one_is_not(simulated: Callable[..., Rig]) -> None:
    rig = simulated(world=World(30))
    rig.sync()
    settings = rig.app().settings
    with connect(rig.database) as connection:
        begun = rows(connection, "SELECT started_at FROM syncer.pull").scalar_one()
        assert "<aside" not in render(_read(settings, connection, None), Lang.EN)
        at(connection, begun + timedelta(hours=13))
        page = render(_read(settings, connection, None), Lang.EN)
        assert page.index("Not proven since") < page.index("<h1>")
        assert "13 h ago" in page


def test_a_source_that_left_the_settings_is_old_after_a_day(connection: Connection, database: str) -> None:
    others = load_settings({"SYNCER_DATABASE_URL": database, "SYNCER_SECRET_ID": "i", "SYNCER_SECRET_KEY": "k"})
    begun = rows(connection, "SELECT started_at FROM syncer.pull WHERE source = 'a'").scalar_one()
    for hours, level in ((23, Level.PROVEN), (25, Level.STALE)):
        at(connection, begun + timedelta(hours=hours))
        assert [each.trust.level for each in _read(others, connection, "a").standings] == [level]


def test_the_command_offers_every_table() -> None:
    assert list(TableChoice) == list(EXPORTS)


@pytest.mark.parametrize("table", list(EXPORTS))
@pytest.mark.parametrize("source", [None, "a"])
def test_a_table_is_its_view(connection: Connection, table: str, source: str | None) -> None:
    where = "" if source is None else " WHERE source = 'a'"
    whole = rows(connection, f"SELECT * FROM {EXPORTS[table].view}{where}")
    fields, number = tuple(whole.keys()), len(whole.all())
    with snapshot(connection), exports.reading(connection, exports.EXPORTS[table], source) as (columns, found):
        assert columns == fields
        document = io.StringIO()
        export.write_json(document, found)
    assert len(json.loads(document.getvalue())) == number
    assert number or table in {"alerts", "runs"}


def test_a_table_in_csv_holds_no_formula_and_plain_values(connection: Connection) -> None:
    with snapshot(connection), exports.reading(connection, exports.EXPORTS["backups"], "a") as (columns, found):
        stream = io.StringIO(newline="")
        export.write_csv(stream, columns, found)
    read = list(csv.DictReader(io.StringIO(stream.getvalue(), newline="")))
    assert {each["name"] for each in read} == {"'=cmd()", *NAMES[1:], ""}
    assert {each["extra"] for each in read} == {'{"a": [1]}'}
    assert datetime.fromisoformat(read[0]["expires_at"]).tzinfo == UTC


def test_spans_days_and_truths_have_plain_forms(connection: Connection) -> None:
    with snapshot(connection), exports.reading(connection, exports.EXPORTS["sources"], "a") as (_, found):
        (source,) = found
        assert json.loads("".join(export._objects([source])))["knowledge_age"] == pytest.approx(1080, abs=60)
    with snapshot(connection), exports.reading(connection, exports.EXPORTS["daily"], "a") as (columns, found):
        stream = io.StringIO(newline="")
        export.write_csv(stream, columns, itertools.islice(found, 1))
    (day,) = csv.DictReader(io.StringIO(stream.getvalue(), newline=""))
    assert day["pulled"] == "true"
    assert len(day["day"]) == len("2026-11-22")


def test_a_table_comes_through_a_cursor_of_the_server(connection: Connection) -> None:
    with snapshot(connection):
        with exports.reading(connection, exports.EXPORTS["backups"], None) as (_, found):
            next(found)
            assert rows(connection, "SELECT count(*) FROM pg_cursors").scalar() == 1
        assert rows(connection, "SELECT count(*) FROM pg_cursors").scalar() == 0
