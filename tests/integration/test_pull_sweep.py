"""Nothing that the API still lists is ever marked gone, and what went is marked with the right word."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from syncer.errors import Refused, SweepRefused
from syncer.simulator import (
    Behaviour,
    End,
    Fault,
    Faults,
    Kind,
    Paging,
    Simulator,
    Ties,
    World,
    coded,
    http_error,
    lost_reply,
    on,
)
from syncer.store.database import connect
from syncer.store.sweeps import canaries

from .conftest import MakeRig, Rig
from .deaths import Deaths

Simulated = Callable[..., Rig]
SMALL: Mapping[str, str] = {"page_size": "10"}


@contextmanager
def at(rig: Rig, moment: datetime) -> Iterator[None]:
    """Let the whole database believe that it is `moment`."""
    with psycopg.connect(rig.database, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET syncer.now = {}").format(name, sql.Literal(moment.isoformat()))
        )
        try:
            yield
        finally:
            connection.execute(sql.SQL("ALTER DATABASE {} RESET syncer.now").format(name))


def states(rig: Rig) -> dict[str, int]:
    found = rig.rows("SELECT state, count(*) AS files FROM report.backups GROUP BY state")
    return {row["state"]: row["files"] for row in found}


ODD_IDS = ("0012", "a-file", "9223372036854775808", "-0", "1_000", "\u0661\u0662", " 77")
FAR_IDS = tuple(str(4_000_000_000_000_000_000 // number) for number in range(1, 13))


def test_ids_are_kept_as_they_are_and_as_numbers_or_what_lies_between_them_where_that_is_smaller(
    simulated: Simulated,
) -> None:
    rig = simulated(SMALL, world=World(28))
    world = rig.simulator.world
    for number, file_id in enumerate((*FAR_IDS, *ODD_IDS)):
        world.add(file_id=file_id, created=world.now() + number)
    rig.sync()
    pages = rig.rows("SELECT file_ids, file_numbers, file_offsets FROM syncer.page ORDER BY page")
    assert {next(way for way, ids in page.items() if ids is not None) for page in pages} == {
        "file_ids",
        "file_numbers",
        "file_offsets",
    }
    assert {int(each) for each in FAR_IDS[:9]} <= {number for page in pages for number in page["file_numbers"] or ()}
    shown = [file_id for page in rig.rows("SELECT file_ids FROM report.pages") for file_id in page["file_ids"]]
    assert sorted(shown) == sorted(world.ids())
    world.delete("0012", "a-file", *FAR_IDS[:2])
    rig.sync()
    assert states(rig) == {"live": 43, "vanished": 4}
    rig.assert_equals_listing()


@pytest.mark.parametrize("random_ids", [False, True])
def test_canaries_are_from_here_and_there_in_the_last_listing(simulated: Simulated, random_ids: bool) -> None:
    rig = simulated(SMALL, world=World(120, random_ids=random_ids))
    rig.simulator.schedule = {3: lambda simulator: simulator.kill_contexts()}
    pull = rig.sync().pull_id
    shown = {
        row["page"]: row["file_ids"] for row in rig.rows("SELECT page, file_ids FROM report.pages WHERE generation = 2")
    }
    as_texts = (
        "UPDATE syncer.page SET first_number = NULL, file_offsets = NULL, file_numbers = NULL, file_ids = {}"
        " WHERE page <= {} RETURNING 1"
    )
    with connect(rig.database, pinned=True) as connection:
        assert canaries(connection, "default", pull) == [
            file_id for page in (1, 4, 7, 9, 11) for file_id in shown[page][:2]
        ]
        rig.rows(as_texts.format("ARRAY['a-' || page, 'b-' || page, 'c']", 4))
        assert canaries(connection, "default", pull)[:4] == ["a-1", "b-1", "a-4", "b-4"]
        rig.rows(as_texts.format("'{}'", 1))
        assert canaries(connection, "default", pull)[:2] == ["a-2", "b-2"]
        rig.rows(as_texts.format("'{}'", 100))
        assert canaries(connection, "default", pull) == []


def test_a_deleted_file_is_vanished_with_the_instant_and_kept(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    rig.sync()
    gone = rig.simulator.world.ids()[40]
    before = rig.backups()[gone]
    rig.simulator.world.delete(gone)
    assert rig.sync().totals["gone"] == 1
    row = rig.backups()[gone]
    assert row["state"] == "vanished"
    assert row["gone_at"] is not None
    kept = before.keys() - {"state", "gone_at", "changed_at"}
    assert {name: row[name] for name in kept} == {name: before[name] for name in kept}


def test_a_file_that_returns_is_live_again_with_its_history(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    first = rig.sync()
    file_id = rig.simulator.world.ids()[40]
    seen = rig.backups()[file_id]["first_seen_at"]
    rig.simulator.world.delete(file_id)
    second = rig.sync()
    rig.simulator.world.restore(file_id)
    third = rig.sync()
    row = rig.backups()[file_id]
    assert (row["state"], row["gone_at"], row["first_seen_at"]) == ("live", None, seen)
    changes = rig.rows("SELECT * FROM report.changes WHERE file_id = %s ORDER BY changed_at", file_id)
    assert [(each["pull_id"], each["field"], each["old_value"] is None) for each in changes] == [
        (second.pull_id, "gone_at", True),
        (third.pull_id, "gone_at", False),
    ]
    assert first.pull_id < second.pull_id < third.pull_id


def test_expired_overdue_and_vanished_as_days_pass(simulated: Simulated) -> None:
    start = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 - the test stands on the real clock
    clock = start.timestamp()
    rig = simulated(
        {**SMALL, "prefix": "t-"},
        world=World(0, now=clock),
        behaviour=Behaviour(expired_linger=None),
    )
    world = rig.simulator.world
    day = 86_400
    for number in range(30):
        world.add(name=f"t-{number}", created=int(clock) - number, expires=int(clock) + 2 * day)
    expiring = world.add(name="t-expires", created=int(clock) - 100, expires=int(clock) + day).file_id
    lingering = world.add(name="t-lingers", created=int(clock) - 101, expires=int(clock) + day).file_id
    deleted = world.add(name="t-deleted", created=int(clock) - 102, expires=int(clock) + 30 * day).file_id
    forever = world.add(name="t-forever", created=int(clock) - 103, expires=None).file_id
    rig.sync()
    world.delete(expiring, deleted)
    with at(rig, start + timedelta(days=1, seconds=1)):
        result = rig.sync()
        assert result.totals["gone"] == 2
        kinds = {file_id: rig.backups()[file_id]["state"] for file_id in (expiring, lingering, deleted, forever)}
        assert kinds == {expiring: "expired", lingering: "overdue", deleted: "vanished", forever: "live"}
    with at(rig, start + timedelta(days=40)):
        # what vanished before its expiry stays vanished when the expiry passes
        assert rig.backups()[deleted]["state"] == "vanished"
        assert rig.backups()[forever]["state"] == "live"


def test_expired_files_do_not_count_against_the_brake(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    start = datetime.now(UTC)  # noqa: TID251 - the test stands on the real clock
    rig.sync()
    world = rig.simulator.world
    soon = rig.rows("SELECT file_id FROM report.backups WHERE expires_at < now() + interval '20 days'")
    assert len(soon) > 40
    world.delete(*(row["file_id"] for row in soon))
    with at(rig, start + timedelta(days=20)):
        result = rig.sync()
        assert (result.error, result.totals["gone"]) == (None, len(soon))
        assert states(rig) == {"expired": len(soon), "live": 100 - len(soon)}


def test_the_brake_refuses_a_share_above_its_own_and_marks_nothing(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    rig.sync()
    rig.simulator.world.delete(*rig.simulator.world.ids()[:21])
    calls = rig.simulator.call_count
    result = rig.sync()
    assert isinstance(result.error, SweepRefused)
    assert (result.outcome, result.totals["gone"], states(rig)) == ("complete", 0, {"live": 100})
    assert "21 of 100" in str(result.error)
    assert "--allow-sweep" in str(result.error)
    assert rig.simulator.call_count - calls == 8, "nothing was asked for by id"
    assert not rig.rows("SELECT FROM syncer.suspect")
    (pull,) = rig.rows("SELECT * FROM report.pulls WHERE pull_id = %s", result.pull_id)
    assert (pull["error"], pull["verdict"]) == (str(result.error), "unproven")
    assert "whether 21 known files that it did not list still exist was not asked" in pull["reason"]


def test_the_brake_lets_its_very_share_pass(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    rig.sync()
    rig.simulator.world.delete(*rig.simulator.world.ids()[:20])
    result = rig.sync()
    assert (result.error, result.totals["gone"]) == (None, 20)


@pytest.mark.parametrize(("gone", "refused"), [(10, False), (11, True)])
def test_in_a_small_scope_a_number_rules_instead_of_the_share(
    simulated: Simulated, gone: int, *, refused: bool
) -> None:
    rig = simulated(SMALL, world=World(12))
    rig.sync()
    rig.simulator.world.delete(*rig.simulator.world.ids()[:gone])
    assert (rig.sync().error is not None) == refused


def test_allow_sweep_sweeps_once(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    rig.sync()
    rig.simulator.world.delete(*rig.simulator.world.ids()[:30])
    assert rig.sync().error is not None
    allowed = rig.sync(allow_sweep=True)
    assert (allowed.error, allowed.totals["gone"]) == (None, 30)
    rig.simulator.world.delete(*rig.simulator.world.ids()[:30])
    assert rig.sync().error is not None


def test_an_unfinished_pull_with_allow_sweep_keeps_it_when_resumed_without(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    rig.sync()
    rig.simulator.world.delete(*rig.simulator.world.ids()[:30])
    first = rig.sync(allow_sweep=True, stop_after=3)
    result = rig.sync()
    assert (result.pull_id, result.resumed, result.error, result.totals["gone"]) == (first.pull_id, True, None, 30)


def test_allow_sweep_does_not_take_up_a_pull_that_was_begun_without(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    rig.sync()
    rig.sync(stop_after=3)
    result = rig.sync(allow_sweep=True)
    assert not result.resumed


@pytest.mark.one_server
def test_the_brake_holds_whenever_the_run_that_braked_is_killed(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(30))
    rig.sync()
    rig.simulator.world.delete(*rig.simulator.world.ids()[:15])
    deaths = Deaths(rig, 10)
    while deaths.more:
        with deaths.next() as sent:
            rig.sync()
        unfinished = bool(rig.rows("SELECT FROM syncer.pull WHERE finished_at IS NULL"))
        result = rig.sync()
        assert result.resumed == unfinished
        assert isinstance(result.error, SweepRefused), sent[-1]
        assert states(rig) == {"live": 30}


LOSSES: Mapping[str, Fault] = {
    "lost reply": lost_reply(),
    "coded error": coded(1001, processed=True),
    "cut body": Fault(Kind.CUT),
    "malformed": Fault(Kind.MALFORMED),
    "proxy error": Fault(Kind.HTTP, status=502),
}
VARIANTS: Mapping[str, tuple[Mapping[str, Any], Behaviour]] = {
    "plain": ({}, Behaviour(last_page_once=True)),
    "with 70008": ({}, Behaviour(last_page_once=True, end=End.CODE_70008)),
    "equal times": ({"same_second": 50}, Behaviour(last_page_once=True, ties=Ties.PER_LISTING)),
    "one time": ({"same_second": 1000}, Behaviour(last_page_once=True, ties=Ties.PER_LISTING)),
    "no times": ({"zero_times": True}, Behaviour(last_page_once=True)),
    "order ignored": ({}, Behaviour(last_page_once=True, orderby_ignored=True)),
    "positional": ({}, Behaviour(last_page_once=True, paging=Paging.POSITIONAL)),
    "pages cut": ({}, Behaviour(last_page_once=True, page_size_cap=7)),
    "one missing id fails all": ({}, Behaviour(last_page_once=True, missing_id_fails_all=True)),
    "empty lookups": ({}, Behaviour(last_page_once=True, all_missing_fails=False)),
}


# What tells the variants apart is what the API does; another version of the database server sees the plain one.
HERE = {
    name: pytest.param(*variant, marks=() if name == "plain" else pytest.mark.one_server)
    for name, variant in VARIANTS.items()
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
@pytest.mark.parametrize(("world", "behaviour"), HERE.values(), ids=HERE.keys())
def test_no_listed_file_is_marked_gone_when_the_reply_with_the_last_page_is_lost(
    simulated: Simulated, world: Mapping[str, Any], behaviour: Behaviour, loss: Fault
) -> None:
    rig = simulated(SMALL, world=World(55, **world), behaviour=behaviour)
    assert rig.sync().outcome == "complete"
    added = [rig.simulator.world.add().file_id for _ in range(2)]
    last = -(-57 // min(10, behaviour.page_size_cap))
    rig.simulator.faults = on([rig.simulator.call_count + last], loss)
    result = rig.sync()
    assert rig.simulator.calls[-1].number > rig.simulator.call_count - 1
    assert result.outcome in {"complete", "unproven"}
    assert states(rig).keys() == {"live"}
    if result.totals["verdict"] == "proven":
        assert set(added) <= rig.backups().keys()
        rig.assert_equals_listing()


def test_a_lost_last_page_is_never_called_proven_where_the_server_lists_oldest_first_whatever_is_asked(
    simulated: Simulated,
) -> None:
    rig = simulated(SMALL, world=World(45), behaviour=Behaviour(last_page_once=True, orderby_ignored=True))
    rig.simulator.faults = on([5], lost_reply())
    result = rig.sync()
    assert len(rig.backups()) == 45 or result.totals["verdict"] == "unproven"


def test_a_lookup_capped_at_ten_does_not_mark_the_rest_as_gone(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(200), behaviour=Behaviour(paging=Paging.POSITIONAL))
    rig.sync()
    skipped_while_read(rig, 30)
    cap_lookups(rig, 10)
    result = rig.sync()
    assert result.totals["drifted"] >= 20
    assert result.totals["verdict"] == "unproven"
    assert (
        rig.table().items()
        >= {row["fileId"]: (row, "live") for row in rig.simulator.listing() if row["fileId"] in rig.table()}.items()
    )
    assert all(rig.table()[row["fileId"]][1] == "live" for row in rig.simulator.listing())


def skipped_while_read(rig: Rig, number: int) -> None:
    """Let `number` files be deleted that the next pull has just read, so that it skips as many."""

    def delete(simulator: Any) -> None:
        simulator.world.delete(*simulator.world.ids()[-number:])

    rig.simulator.schedule = {rig.simulator.call_count + 5: delete}


def cap_lookups(rig: Rig, most: int) -> None:
    """Let a question by id be answered with the first `most` files only, as if pageSize were not read."""
    api = rig.simulator._api
    lookup = api._lookup

    def capped(file_ids: Any) -> Any:
        answer = lookup(file_ids)
        body = json.loads(answer.body)
        if "fileSet" in body:
            body["fileSet"] = body["fileSet"][:most]
            body["fileCount"] = len(body["fileSet"])
        return type(answer)(answer.code, json.dumps(body).encode(), answer.slots[:most])

    api._lookup = capped  # type: ignore[method-assign] # a server that nobody can rule out


def spoil_lookups(rig: Rig, entry: object) -> None:
    """Let each answer to a question by id hold `entry` in place of its last file."""
    api = rig.simulator._api
    lookup = api._lookup

    def spoilt(file_ids: Any) -> Any:
        answer = lookup(file_ids)
        body = json.loads(answer.body)
        if body.get("fileSet"):
            body["fileSet"][-1] = entry
        return type(answer)(answer.code, json.dumps(body).encode(), answer.slots)

    api._lookup = spoilt  # type: ignore[method-assign] # a server that nobody can rule out


@pytest.mark.parametrize("entry", [{"fileId": None, "name": "no id"}, None, {}, "text"], ids=repr)
def test_entries_without_ids_among_the_confirmations_mark_nothing_as_gone(simulated: Simulated, entry: object) -> None:
    rig = simulated(SMALL, world=World(100), behaviour=Behaviour(paging=Paging.POSITIONAL))
    rig.sync()
    skipped_while_read(rig, 5)
    spoil_lookups(rig, entry)
    rig.sync()
    table = rig.table()
    assert all(table[row["fileId"]][1] == "live" for row in rig.simulator.listing())


def test_confirmations_that_fail_in_thirty_of_a_hundred_mark_only_what_is_gone(simulated: Simulated) -> None:
    rig = simulated({**SMALL, "retry_for": "20s"}, world=World(100))
    rig.sync()
    rig.simulator.world.delete(*rig.simulator.world.ids()[20:35])
    kinds = (coded(1001), lost_reply(), Fault(Kind.CUT), Fault(Kind.MALFORMED), http_error(502))
    rig.simulator.faults = Faults(rate=0.3, kinds=kinds, begin=rig.simulator.call_count + 1, seed=5)
    result = rig.sync()
    assert (result.outcome, result.totals["gone"]) == ("complete", 15)
    assert rig.table() == rig.simulator.table()


def test_a_file_outside_the_prefix_is_never_swept(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(200))
    rig.sync()
    outside = [row["fileId"] for row in rig.simulator.listing() if not row["name"].startswith("6001")]
    rig.simulator.world.delete(*outside[:20])
    rig.environ["SYNCER_PREFIX"] = "6001"
    result = rig.sync(allow_sweep=True)
    assert result.error is None
    assert (result.outcome, result.totals["verdict"], result.totals["gone"]) == ("complete", "proven", 0)
    assert states(rig) == {"live": 200}


def test_a_file_renamed_out_of_the_prefix_is_not_gone(simulated: Simulated) -> None:
    rig = simulated({**SMALL, "prefix": "6001"}, world=World(200))
    rig.sync()
    inside = rig.simulator.world.ids("6001")
    rig.simulator.world.change(inside[3], name="elsewhere")
    result = rig.sync()
    row = rig.backups()[inside[3]]
    assert (row["state"], row["name"]) == ("live", "elsewhere")
    assert (result.totals["gone"], result.totals["drifted"], result.totals["verdict"]) == (0, 0, "proven")


def test_a_pull_with_unreadable_ids_or_short_pages_sweeps_nothing(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    rig.sync()
    world = rig.simulator.world
    world.delete(*world.ids()[:3])
    world.add(file_id="odd", raw='{"fileId": null}', fields={"fileId": None})
    result = rig.sync()
    assert (result.totals["gone"], result.totals["verdict"], result.outcome) == (0, "unproven", "complete")
    assert "no readable file id" in str(result.reason)
    assert states(rig) == {"live": 100}


def test_a_file_that_a_lookup_stored_while_a_pull_ran_is_not_its_affair(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    rig.sync()
    rig.sync(stop_after=5)
    added = rig.simulator.world.add().file_id
    app = rig.app()
    with app.database() as url, app.lookup(url, app.settings.source("default")) as lookup:
        assert added in lookup.by_ids([added]).files
    result = rig.sync()
    assert (result.resumed, result.totals["gone"], result.totals["drifted"]) == (True, 0, 0)
    assert rig.backups()[added]["state"] == "live"


def test_files_listed_only_by_a_generation_whose_context_died_are_not_suspects(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    rig.sync()
    newest = rig.simulator.world.ids()[-5:]

    def die(simulator: Any) -> None:
        simulator.world.delete(*newest)
        simulator.kill_contexts()

    rig.simulator.schedule = {rig.simulator.call_count + 4: die}
    first = rig.sync()
    assert (first.totals["restarts"], first.totals["gone"]) == (1, 0)
    second = rig.sync()
    assert second.totals["gone"] == 5
    assert rig.table() == rig.simulator.table()


def test_nothing_goes_when_the_api_answers_no_question_by_id(simulated: Simulated) -> None:
    """An API whose questions by id are broken must not turn what the listing skipped into what vanished."""
    rig = simulated(SMALL, world=World(200), behaviour=Behaviour(paging=Paging.POSITIONAL))
    rig.sync()
    skipped_while_read(rig, 5)
    cap_lookups(rig, 0)
    result = rig.sync()
    assert result.totals["gone"] == 0
    assert (result.outcome, result.totals["verdict"]) == ("complete", "unproven")
    assert result.reason is not None
    assert "by file id" in result.reason
    assert rig.rows("SELECT count(*) AS left FROM syncer.suspect") == [{"left": 0}]
    assert all(rig.table()[row["fileId"]][1] == "live" for row in rig.simulator.listing())


def test_another_account_marks_nothing_as_gone_however_little_it_is(make_rig: MakeRig) -> None:
    with Simulator(World(9, seed=3)) as ours, Simulator(World(9, seed=77)) as theirs:
        make_rig(ours).sync()
        rig = make_rig(theirs)
        for _ in range(2):
            result = rig.sync()
            assert rig.error_of(result).exit_code == 6
            assert "another account" in str(result.error)
            assert result.totals["gone"] == 0
        assert rig.sync(allow_sweep=True).totals["gone"] == 9
        assert rig.sync().error is None


def test_a_mistyped_key_costs_no_checkpoint(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(200))
    stopped = rig.sync(stop_after=5)
    key = rig.environ["SYNCER_SECRET_ID"]
    rig.environ["SYNCER_SECRET_ID"] = "typo"
    with pytest.raises(Refused):
        rig.sync()
    rig.environ["SYNCER_SECRET_ID"] = key
    result = rig.sync()
    assert result.resumed
    assert result.pull_id == stopped.pull_id
