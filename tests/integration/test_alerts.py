"""Alerts on a real database, told to real HTTP servers."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from campaign.statements import killed_before_statement
from syncer.alerts.dispatch import send_due
from syncer.errors import SettingsError
from syncer.settings import Tier, load_settings
from syncer.store.alert_files import Watch, count, count_since
from syncer.store.alert_groups import sample
from syncer.store.alert_marks import Mark
from syncer.store.database import connect

from .place import DAY, HOUR, Place, kinds
from .recipients import Inbox, inboxes


def test_a_sample_of_names_is_from_all_over_and_the_same_each_time(place: Place) -> None:
    for number in range(100):
        place.file(f"file-{number:03}", DAY)
    watch = Watch("a", "expiring", span=2 * DAY)
    with connect(place.url) as connection:
        chosen = sample(connection, watch, 20)
        assert chosen == sample(connection, watch, 20)
    numbers = sorted(int(name.removeprefix("file-")) for name in chosen)
    assert (len(set(numbers)), numbers[5] < 50 < numbers[14]) == (20, True)


def test_a_first_run_over_an_old_account_sends_one_digest_a_tier(place: Place, inbox: Inbox) -> None:
    place.settings = {"notify": inbox.url(), "expiry_tiers": "7d"}
    place.pull()
    place.sql(
        "INSERT INTO syncer.file (source, file_id, name, size_bytes, created_at, expires_at, first_seen_at, changed_at,"
        " first_run) SELECT 'a', n::text, '600' || n %% 3 || '_live_2026-01-01-00-00-00_2026-01-01-00-05-00',"
        " 2574750830, syncer.instant() - interval '25 days', syncer.instant() + n * interval '5 minutes',"
        " syncer.instant(), syncer.instant(), 1 FROM generate_series(1, %s) n",
        1204,
    )
    assert place.step() == [("expiring", "7d", "", "raised")]
    (message,) = inbox.received
    assert message["title"] == "[a] 1,204 files (3.1 TB) expire within 7 days"
    facts = message["facts"]
    assert (facts["files"], len(facts["most_urgent"]), facts["most_urgent"][0]["file_id"]) == (1204, 10, "1")
    assert sum(each["files"] for each in facts["by_prefix"]) == 1204
    assert "complete as of 2026-03-10 12:00 UTC" in message["text"]
    assert len(place.sql(facts["sql"])) == 1204
    assert place.step(timedelta(minutes=1)) == []


def test_newcomers_come_in_one_digest_a_window_later_and_urgent_ones_at_once(place: Place, inbox: Inbox) -> None:
    place.settings = {"notify": inbox.url(), "expiry_tiers": "7d,1d", "remind_after": "30d", "data_deadline": "30d"}
    place.pull()
    place.file("first", 6 * DAY)
    place.step()
    place.now += HOUR
    place.file("crosses", 7 * DAY + HOUR)
    place.file("new", 6 * DAY)
    place.step()
    assert place.step(2 * HOUR) == []
    assert ("expiring", "7d", "", "updated") in place.step(22 * HOUR)
    assert inbox.received[-1]["facts"]["new_files"] == 2
    place.now += HOUR
    place.file("late", DAY + 2 * HOUR)
    assert place.step() == [("expiring", "7d", "", "updated")]
    assert inbox.received[-1]["facts"]["new_files"] == 1
    place.now += HOUR
    place.extend("late", 6 * DAY)
    place.lose("new")
    place.step()
    place.now += HOUR
    place.lose("new", back=True)
    place.step()
    place.step(23 * HOUR)
    assert (inbox.received[-1]["facts"]["kind"], inbox.received[-1]["facts"]["new_files"]) == ("updated", 2)


def test_what_a_transaction_writes_that_was_open_during_an_evaluation_is_a_newcomer_afterwards(
    place: Place, database: str
) -> None:
    place.settings = {"expiry_tiers": "7d"}
    place.now = datetime.now(UTC)  # noqa: TID251 - as real as the other transaction's
    place.pull()
    place.file("seen", 6 * DAY)
    watch = Watch("a", "expiring", "7d", span=7 * DAY)
    with psycopg.connect(database, application_name="syncer") as slow:
        slow.execute("SELECT syncer.instant()")
        time.sleep(0.05)
        alerting = place.alerting()
        alerting.evaluate(database, alerting.settings.sources)
        slow.execute(
            "INSERT INTO syncer.file (source, file_id, expires_at, first_seen_at, changed_at, first_run)"
            " VALUES ('a', 'unseen', now() + interval '6 days', now(), now(), 1)"
        )
    ((at, begun),) = place.sql("SELECT announced_at, announced_open FROM syncer.alert WHERE rule = 'expiring'")
    with connect(database) as connection:
        members, newcomers = count(connection, watch), count_since(connection, watch, Mark(at, tuple(begun)))
    assert (members.files, newcomers.files) == (2, 1)


@pytest.mark.parametrize("name", ["pg_dump", "syncer"])
def test_a_transaction_that_reads_for_long_has_nothing_announced_again(place: Place, database: str, name: str) -> None:
    place.settings = {"expiry_tiers": "1d"}
    place.now = datetime.now(UTC)  # noqa: TID251 - as real as the other transaction's
    place.pull()
    with psycopg.connect(database, application_name=name) as reader:
        reader.execute("SELECT 1")
        time.sleep(0.05)
        place.now = datetime.now(UTC)  # noqa: TID251 - as real as the other transaction's
        place.file("soon", 2 * HOUR)
        alerting = place.alerting()
        steps = [each.step for _ in "ab" for each in alerting.evaluate(database, alerting.settings.sources)["a"]]
    assert steps == ["raised"]


@pytest.mark.parametrize("tiers", ["7d,1d", "25%,5%", "10d,25%,2d,5%", "6d,20%"])
def test_tiers_are_disjoint_and_evaluation_view_and_messages_agree(place: Place, tiers: str) -> None:
    place.settings = {"expiry_tiers": tiers}
    place.toml = (
        '[[sources.groups]]\nname = "exams"\nprefix = "exam"\ntiers = "12d,10%"\n'
        '[[sources.groups]]\nname = "finals"\nprefix = "exam-final"\n'
    )
    place.pull()
    for number in range(1, 40):
        name = ("exam-final", "exam", "lecture", "other")[number % 4]
        for life in (5, 30, 180):
            place.file(f"{name}-{number}-{life}", number * 9 * HOUR, life=life * DAY)
    place.file("late", -2 * DAY)
    place.file("gone", 9 * DAY)
    place.lose("gone")
    place.evaluate()
    settings = load_settings(place.environ).sources[0]
    rows = place.sql(
        "SELECT a.rule, a.tier, a.name_group, a.files, count(f.file_id) FROM report.alerts a"
        " LEFT JOIN report.alert_files f USING (source, alert_id) WHERE a.rule IN ('expiring', 'overdue', 'vanished')"
        " GROUP BY a.alert_id, 1, 2, 3, 4"
    )
    assert len(rows) >= 6
    assert all(files == seen for *_, files, seen in rows)
    doubled = place.sql("SELECT file_id FROM report.alert_files GROUP BY file_id HAVING count(*) > 1")
    assert doubled == []
    expected = Counter(
        nearest(settings.expiry_tiers, expires - place.now, expires - created)
        for created, expires in place.sql(
            "SELECT created_at, expires_at FROM report.backups WHERE state = 'live' AND name !~ '^exam'"
        )
    )
    del expected[""]
    assert {tier: files for rule, tier, group, files, _ in rows if rule == "expiring" and not group} == expected


def nearest(tiers: Sequence[Tier], remaining: timedelta, lifetime: timedelta) -> str:
    """Return the tier that a file is in: of those it has entered the one that begins last; a span before a share."""
    entered = [
        (tier.threshold(lifetime), tier.share is not None, tier.name)
        for tier in tiers
        if remaining <= tier.threshold(lifetime)
    ]
    return min(entered)[2] if entered else ""


def test_an_outage_of_a_day_raises_the_blindness_alerts_reminds_and_resolves_them(place: Place, inbox: Inbox) -> None:
    place.settings = {"notify": inbox.url(), "remind_after": "8h", "escalate_after": "100d"}
    place.pull()
    place.file("quiet", 90 * DAY)
    assert place.step() == []
    for _ in range(24):
        place.now += HOUR
        place.failure()
        place.step()
    assert sorted(set(kinds(inbox))) == sorted(
        [("failing", "raised"), ("failing", "reminder"), ("stale", "raised"), ("stale", "reminder")]
    )
    assert kinds(inbox).count(("failing", "raised")) == kinds(inbox).count(("stale", "raised")) == 1
    assert kinds(inbox).count(("failing", "reminder")) == 2
    place.now += HOUR
    place.pull()
    assert {step for *_, step in place.step()} == {"resolved"}
    place.step(2 * HOUR)
    assert kinds(inbox)[-2:] in ([("stale", "resolved"), ("failing", "resolved")],
                                 [("failing", "resolved"), ("stale", "resolved")])  # fmt: skip
    before = len(inbox.received)
    place.step(HOUR)
    assert len(inbox.received) == before


def test_a_cause_that_comes_and_goes_within_an_hour_is_told_once(place: Place, inbox: Inbox) -> None:
    place.settings = {"notify": inbox.url()}
    place.pull(error="the brake")
    place.step()
    for _ in range(5):
        place.now += timedelta(minutes=10)
        place.pull()
        assert place.step() == [("sweep-refused", "", "", "resolved")]
        place.now += timedelta(minutes=10)
        place.pull(error="the brake")
        assert place.step() == [("sweep-refused", "", "", "reopened")]
    assert kinds(inbox) == [("sweep-refused", "raised")]
    ((reopened,),) = place.sql("SELECT reopened FROM report.alerts")
    assert reopened == 5
    place.now += timedelta(minutes=10)
    place.pull()
    place.step()
    place.step(2 * HOUR)
    assert kinds(inbox) == [("sweep-refused", "raised"), ("sweep-refused", "resolved")]


def test_a_recipient_that_refuses_is_reported_to_the_others_who_get_theirs(place: Place) -> None:
    with inboxes(3) as (good, bad, wecom):
        bad.answer = lambda _: (404, b"gone")
        wecom.answer = lambda _: (200, b'{"errcode": 93000, "errmsg": "invalid webhook url"}')
        place.settings = {
            "notify": f"{good.url()} {bad.url()} wecom://key-1?base=http://127.0.0.1:{wecom.port}",
            "remind_after": "20d",
            "data_deadline": "90d",
            "escalate_after": "100d",
        }
        place.pull(error="the brake")
        place.step()
        assert kinds(good) == [("sweep-refused", "raised")]
        assert (len(bad.refused), len(wecom.refused)) == (1, 1)
        raised = place.step(timedelta(minutes=1))
        assert [(rule, step) for rule, _, _, step in raised] == [("recipient", "raised")] * 2
        assert kinds(good)[1:] == [("recipient", "raised")] * 2
        place.step(HOUR)
        place.step(HOUR)
        # Of each other it was new to them; what was refused is tried once a day.
        assert (len(bad.refused), len(wecom.refused)) == (2, 2)
        bad.answer = lambda _: (200, b"{}")
        place.pull(error="the brake")
        place.step(DAY)
        # Of itself it is not told, of the other deaf one it is.
        assert sorted(kinds(bad)) == [("recipient", "raised"), ("sweep-refused", "raised")]
        assert ("recipient", "resolved") in {(rule, step) for rule, _, _, step in place.step(timedelta(minutes=1))}


def test_a_recipient_that_hangs_holds_up_nobody_and_gets_its_message_later(place: Place) -> None:
    with inboxes(2) as (good, slow):
        slow.hang()
        place.settings = {"notify": f"{slow.url()} {good.url()}"}
        place.pull(error="the brake")
        place.evaluate()
        alerting = place.alerting()
        notifiers = {("a", each.identity): each for each in alerting.recipients(alerting.settings.sources[0])}
        with connect(place.url) as connection:
            sent = send_due(connection, notifiers, monotonic=time.monotonic, seconds=0.5)
        assert (sent.accepted, sent.hung) == (1, 1)
        assert kinds(good) == [("sweep-refused", "raised")]
        slow.released.set()
        place.now += HOUR
        assert place.send().accepted == 1
        assert {message["key"] for message in slow.received} == {message["key"] for message in good.received}


def test_a_recipient_that_is_away_gets_everything_in_order_when_it_is_back(place: Place, inbox: Inbox) -> None:
    inbox.answer = lambda _: (503, b"away")
    place.settings = {"notify": inbox.url(), "remind_after": "6h"}
    place.pull(error="the brake")
    for _ in range(13):
        place.step(HOUR)
    tried = len(inbox.refused)
    assert 8 < tried <= 14
    inbox.answer = lambda _: (200, b"{}")
    place.step(HOUR)
    assert [kind for rule, kind in kinds(inbox) if rule == "sweep-refused"][:3] == ["raised", "reminder", "reminder"]
    assert len({message["key"] for message in inbox.received}) == len(inbox.received)


def test_a_kill_between_sending_and_marking_repeats_one_message_and_loses_none(place: Place, inbox: Inbox) -> None:
    place.settings = {"notify": inbox.url()}
    place.pull(error="the brake")
    place.failure("refused")
    place.evaluate()
    for number in range(1, 30):
        place.sql("UPDATE syncer.outbox SET sent_at = NULL")
        inbox.received.clear()
        with killed_before_statement(number) as sent:
            place.send()
        deadline = time.monotonic() + 5
        while threading.active_count() > 3 and time.monotonic() < deadline and len(sent) == number:
            time.sleep(0.01)  # the thread that was sending when its process died
        place.send()
        keys = [message["key"] for message in inbox.received]
        assert len(set(keys)) == 2, sent[-1]
        assert len(keys) <= 3, sent[-1]
        if len(sent) < number:
            break
    else:
        pytest.fail("never ran to its end")


def test_two_senders_at_once_send_each_message_once(place: Place) -> None:
    with inboxes(4) as four:
        place.settings = {"notify": " ".join(each.url() for each in four)}
        place.pull(error="the brake")
        place.failure("refused")
        place.evaluate()
        threads = [threading.Thread(target=place.send) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for each in four:
            assert len(each.received) == 2


def test_an_evaluation_killed_anywhere_is_made_up_for_by_the_next(place: Place, inbox: Inbox) -> None:
    place.settings = {"notify": inbox.url(), "expiry_tiers": "7d"}
    place.pull()
    place.file("one", 6 * DAY)
    for number in range(1, 60):
        with killed_before_statement(number) as sent:
            place.evaluate()
        if len(sent) < number:
            break
        assert place.sql("SELECT * FROM syncer.alert") == [], sent[-1]
        assert place.sql("SELECT * FROM syncer.outbox") == [], sent[-1]
    assert place.evaluate() == []
    place.send()
    assert kinds(inbox) == [("expiring", "raised")]


def test_escalation_goes_to_the_others_unless_somebody_takes_notice(place: Place) -> None:
    with inboxes(2) as (first, boss):
        place.settings = {"notify": first.url(), "escalate": boss.url(lang="zh"), "escalate_after": "4h"}
        place.pull(error="the brake")
        place.step()
        assert boss.received == []
        assert ("sweep-refused", "", "", "escalated") in place.step(4 * HOUR)
        assert kinds(boss) == [("sweep-refused", "escalated")]
        assert "无人确认" in boss.received[0]["title"]
        place.now += HOUR
        place.pull()
        place.step()
        place.step(2 * HOUR)
        assert kinds(boss)[-1] == kinds(first)[-1] == ("sweep-refused", "resolved")


def test_the_commands(place: Place, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    from syncer.cli.main import app

    monkeypatch.setattr("syncer.cli.logs.configure", lambda *_: None)  # the runner closes what it logs to
    place.settings = {"notify": inbox.url()}
    place.pull(error="the brake")
    for name, value in place.environ.items():
        monkeypatch.setenv(name, value)

    def run(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, ["alerts", *words])
        assert result.exit_code == code, (words, result.output, result.exception)
        return result.stdout

    assert "sweep-refused" in run("evaluate")
    assert '"accepted": 1' in run("send", "--json")
    number = str(place.sql("SELECT alert_id FROM report.alerts")[0][0])
    assert "sweep-refused" in run("list")
    assert '"alerts": [{' in run("list", "--json")
    assert "sweep-refused" in run("list", "--source", "a")
    assert "no source" in str(CliRunner().invoke(app, ["alerts", "list", "--source", "typo"]).exception)
    assert "the brake" in run("show", number)
    assert '"messages": [{' in run("show", number, "--json")
    assert "acknowledged" in run("ack", number, "--by", "me")
    assert "snoozed for 8h" in run("snooze", number, "8h")
    assert "accepted" in run("test")
    assert inbox.received[-1]["status"] == "test"
    inbox.answer = lambda _: (404, b"")
    assert "404" in run("test", code=1)
    with inboxes(1) as (other,):
        monkeypatch.setenv("SYNCER_NOTIFY", other.url())
        assert run("test").count(": ") == 1  # who is no recipient any more is not spoken of
    monkeypatch.setenv("SYNCER_NOTIFY", inbox.url())
    assert "resolved" in run("resolve", number)
    assert run("evaluate") != ""
    assert "not open" in str(CliRunner().invoke(app, ["alerts", "ack", number]).exception)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_million_expiring_files_are_evaluated_in_seconds_with_flat_memory_and_few_messages(
    place: Place, inbox: Inbox
) -> None:
    place.settings = {"notify": inbox.url()}
    place.pull(files=1_000_000)
    place.sql(
        "INSERT INTO syncer.file (source, file_id, name, size_bytes, created_at, expires_at, first_seen_at, changed_at,"
        " first_run) SELECT 'a', n::text, '600' || n %% 8 || '_s' || n %% 50 ||"
        " '_2026-01-01-00-00-00_2026-01-01-00-05-00', n, syncer.instant() - interval '10 days',"
        " syncer.instant() + n * interval '2.5 seconds', syncer.instant(), syncer.instant(), 1"
        " FROM generate_series(1, %s) n",
        1_000_000,
    )
    tracemalloc.start()
    began = time.monotonic()
    first = place.evaluate()
    took = time.monotonic() - began
    place.now += timedelta(minutes=1)
    began = time.monotonic()
    place.evaluate()
    again = time.monotonic() - began
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    place.send()
    assert len(first) == 3
    assert len(inbox.received) == 3
    assert sum(message["facts"]["files"] for message in inbox.received) == 1_000_000
    figures = f"first {took:.1f} s, again {again:.1f} s, at most {peak / 1e6:.1f} MB"
    assert took < 60, figures
    assert again < 20, figures
    assert peak < 20e6, figures


Simulated = Callable[..., Any]


def test_a_pull_evaluates_at_its_end_and_tells_the_heartbeat_only_when_proven(simulated: Simulated) -> None:
    from syncer.simulator import World

    with inboxes(1) as (switch,):
        rig = simulated({"heartbeat_url": f"http://127.0.0.1:{switch.port}/beat"}, world=World(30))
        rig.sync()
        assert paths(switch) == ["/beat/start", "/beat"]
        assert len({message["path"].partition("rid=")[2] for message in switch.received}) == 1
        assert "duration: " in switch.received[-1]["text"]
        assert rig.rows("SELECT 1 FROM syncer.alert WHERE rule = 'expiring'")
        rig.sync("recent")
        rig.simulator.down()
        rig.environ["SYNCER_RETRY_FOR"] = "100ms"
        assert rig.sync().outcome == "failed"
        assert paths(switch)[2:] == ["/beat/start", "/beat/fail"]
        assert "duration: " in switch.received[-1]["text"]


def paths(inbox: Inbox) -> list[str]:
    return [message["path"].partition("?")[0] for message in inbox.received]


def test_an_evaluation_that_must_wait_holds_no_pull_up(simulated: Simulated) -> None:
    rig = simulated()
    rig.sync()
    with psycopg.connect(rig.database) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtext('syncer.alert'), hashtext('default'))")
        began = time.monotonic()
        result = rig.sync("recent")
        assert (result.outcome, result.error) == ("complete", None)
        assert time.monotonic() - began < 15


def test_a_mistake_in_an_address_is_told_before_a_pull_and_shows_nothing_of_it(simulated: Simulated) -> None:
    from syncer.simulator import World

    rig = simulated({"notify": "wecomm://very-secret"}, world=World(3))
    with pytest.raises(SettingsError, match="SYNCER_NOTIFY") as caught:
        rig.sync()
    assert "very-secret" not in str(caught.value)
    assert rig.simulator.call_count == 0
