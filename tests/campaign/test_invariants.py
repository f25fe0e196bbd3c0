"""Every check can fail: a lie written behind syncer's back is found out by the guarantee that it breaks."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from campaign.databases import Database
from campaign.invariants import GUARANTEES, Broken, Step, quota_is_kept
from campaign.model import HOUR, Model, Setup

Connection = psycopg.Connection[Any]
LIES: dict[str, Callable[[Model, Connection], object]] = {}


def lie(deed: Callable[[Model, Connection], object]) -> Callable[[Model, Connection], object]:
    LIES[deed.__name__] = deed
    return deed


@lie
def no_listed_file_is_marked_gone(model: Model, connection: Connection) -> None:
    model.pull()
    connection.execute("UPDATE syncer.file SET gone_at = now() WHERE file_id = %s", [model.account.ids()[4]])


@lie
def only_a_proven_pull_marks_files_gone(model: Model, connection: Connection) -> None:
    model.pull()
    connection.execute("UPDATE syncer.pull SET gone = 1, outcome = 'unproven'")


@lie
def a_proven_pull_listed_everything(model: Model, connection: Connection) -> None:
    model.pull()
    connection.execute("UPDATE syncer.pull SET finished_at = NULL")
    model.watch.begin(connection)
    connection.execute("UPDATE syncer.pull SET finished_at = now()")
    connection.execute(
        "UPDATE syncer.page SET file_ids = '{}', first_number = NULL, file_offsets = NULL WHERE page = 2"
    )


@lie
def a_complete_recent_pull_found_what_is_new(model: Model, connection: Connection) -> None:
    model.pull("recent")
    connection.execute("UPDATE syncer.pull SET finished_at = NULL")
    model.watch.begin(connection)
    connection.execute("UPDATE syncer.pull SET finished_at = now()")
    connection.execute("DELETE FROM syncer.file WHERE file_id = %s", [model.account.ids()[4]])


@lie
def rows_and_checkpoint_never_part(model: Model, connection: Connection) -> None:
    model.pull()
    connection.execute("DELETE FROM syncer.page WHERE page = 2")


@lie
def committed_pages_are_not_pulled_again(model: Model, connection: Connection) -> None:
    from campaign.blows import Stop

    model.pull("full", Stop(1))  # the page at hand is committed too
    requests.get(model.simulator.url, params=model.simulator.signed(orderby="1", pageSize="5"), timeout=10)


@lie
def one_process_writes_a_source(model: Model, connection: Connection) -> None:
    model.pull()
    connection.execute("UPDATE syncer.pull SET reason = reason")


@lie
def what_is_shown_was_so(model: Model, connection: Connection) -> None:
    model.pull()
    connection.execute("UPDATE syncer.file SET size_bytes = 1 WHERE file_id = %s", [model.account.ids()[4]])


@lie
def totals_are_those_of_the_files(model: Model, connection: Connection) -> None:
    model.pull()
    connection.execute("UPDATE syncer.stock SET bytes = bytes + 1 WHERE kind = 'expiry'")


@lie
def what_was_known_stays(model: Model, connection: Connection) -> None:
    model.pull()
    connection.execute("DELETE FROM syncer.file WHERE file_id = %s", [model.account.ids()[4]])


@lie
def time_travel_agrees(model: Model, connection: Connection) -> None:
    model.pull()
    model.rename(3, "another.mp4")
    model.pull()
    connection.execute("DELETE FROM syncer.change")


@lie
def entered_tiers_are_announced(model: Model, connection: Connection) -> None:
    model.add(hours=20)
    model.pull()
    connection.execute("UPDATE syncer.alert SET resolved_at = now()")


@lie
def what_only_reads_changes_nothing(model: Model, connection: Connection) -> None:
    model.pull()
    connection.execute("DELETE FROM syncer.outbox")
    connection.execute("UPDATE syncer.run SET api_calls = 0")


@lie
def marked_sent_was_received(model: Model, connection: Connection) -> None:
    model.add(hours=20)
    model.pull()
    connection.execute("UPDATE syncer.outbox SET sent_at = now()")


@pytest.mark.parametrize("guarantee", [each.__name__ for each in GUARANTEES])
def test_a_lie_is_found_out(campaign_database: Database, tmp_path: Path, guarantee: str) -> None:
    with Model(campaign_database, str(tmp_path), Setup(files=12, page_size=5)) as model:
        with campaign_database.connect() as connection:
            LIES[guarantee](model, connection)
            found = model.watch.broken(connection, Step(kinds=frozenset({"full"}), evaluated=True, reads=True))
        assert guarantee in found


def test_a_tier_that_nobody_was_told_of_is_found_out_after_a_day(campaign_database: Database, tmp_path: Path) -> None:
    with Model(campaign_database, str(tmp_path), Setup(files=0)) as model:
        model.add(hours=9 * 24)
        model.pull()
        with campaign_database.connect() as connection:
            # no reminder comes, and what was told is forgotten
            connection.execute("UPDATE syncer.alert SET acknowledged_at = now()")
        assert model.watch.scene is not None
        model.watch.scene.covered.clear()
        model.evaluate()
        model.pass_time(26 * HOUR)
        with pytest.raises(Broken, match="entered_tiers_are_announced"):
            model.evaluate()


def test_a_file_that_came_just_before_a_pull_must_be_found_by_it(campaign_database: Database, tmp_path: Path) -> None:
    with Model(campaign_database, str(tmp_path), Setup(files=12, page_size=5)) as model:
        model.pull()
        new = model.account.add(created=model.simulator.world.now())
        model.account.syncer_begins()
        model._sync("recent", None)
        with campaign_database.connect() as connection:
            assert model.watch.broken(connection, Step(kinds=frozenset({"recent"}))) == set()
            model.watch.begin(connection)
        other = model.account.add(created=model.simulator.world.now())
        model.account.syncer_begins()
        model._sync("recent", None)
        with campaign_database.connect() as connection:
            connection.execute("DELETE FROM syncer.file WHERE file_id = %s", [other])
            found = model.watch.broken(connection, Step(kinds=frozenset({"recent"})))
        assert "a_complete_recent_pull_found_what_is_new" in found
        assert new != other


@pytest.mark.parametrize(
    ("times", "kept"),
    [
        ([number * 0.61 for number in range(300)], True),
        ([number * 0.59 for number in range(300)], False),
        ([number * 0.61 for number in range(200)] + [70.0 + number * 0.1 for number in range(20)], False),
    ],
)
def test_a_quota_that_was_exceeded_is_found_out(times: list[float], *, kept: bool) -> None:
    if kept:
        quota_is_kept(times, per_minute=100, late=0.0)
    else:
        with pytest.raises(Broken, match="quota_is_kept"):
            quota_is_kept(times, per_minute=100, late=0.3)


def test_the_document_names_every_guarantee_and_no_other() -> None:
    document = (Path(__file__).resolve().parents[2] / "docs" / "guarantees.md").read_text(encoding="utf-8")
    table = document[document.index("| what you may rely on") : document.index("## What is not guaranteed")]
    named = set(re.findall(r"`(\w+_\w+)`", table))
    others = {
        "quota_is_kept",
        "everything_is_found_in_the_end",
        "every_message_arrives_in_the_end",
        "a_killed_migration_is_taken_up",
        "an_import_is_whole_or_nothing",
        "a_file_is_written_whole",
        "every_command_works_in_the_end",
        "no_server_is_left_in_the_end",
        "the_embedded_server_comes_back",
        "a_failure_is_told_in_a_sentence",
        "no_secret_is_told",
        "a_command_comes_to_its_end",
    }
    assert named == {each.__name__ for each in GUARANTEES} | others


def test_what_is_broken_comes_out_of_a_lanes_process_in_words() -> None:
    found = pickle.loads(pickle.dumps(Broken("a_guarantee", "what was seen")))
    assert (str(found), found.guarantee) == ("a_guarantee: what was seen", "a_guarantee")
