"""Recipients that come, move, leave, fall silent: they are told what is open, and somebody hears of it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from syncer.store import outbox
from syncer.store.database import connect

from .place import DAY, HOUR, Place, kinds
from .recipients import Inbox, inboxes

REFUSED = (404, b"gone")
MINUTE = timedelta(minutes=1)


def own_settings(place: Place, **settings: str) -> None:
    place.settings = {"data_deadline": "90d", "remind_after": "30d", "escalate_after": "100d", **settings}


def trouble(place: Place) -> None:
    """Let an alert of severity warning be open."""
    place.pull(error="the brake")


def run(place: Place, monkeypatch: pytest.MonkeyPatch, *words: str) -> Any:
    from syncer.cli.main import app

    monkeypatch.setattr("syncer.cli.logs.configure", lambda *_: None)  # the runner closes what it logs to
    for name, value in place.environ.items():
        monkeypatch.setenv(name, value)
    return CliRunner().invoke(app, words)


def test_a_recipient_that_is_added_is_told_of_what_is_open_at_the_next_evaluation_and_once(place: Place) -> None:
    with inboxes(3) as (first, late, choosy):
        own_settings(place, notify=first.url(), expiry_tiers="7d,1d")
        trouble(place)
        place.file("one", 6 * DAY)
        place.step()
        place.sql("UPDATE syncer.alert SET acknowledged_at = syncer.instant(), acknowledged_by = 'anna'")
        own_settings(place, notify=f"{first.url()} {late.url()} {choosy.url(min='critical')}", expiry_tiers="7d,1d")
        steps = place.step(MINUTE)
        assert sorted(steps) == [("expiring", "7d", "", "standing"), ("sweep-refused", "", "", "standing")]
        assert sorted(kinds(late)) == [("expiring", "standing"), ("sweep-refused", "standing")]
        assert all(message["status"] == "raised" for message in late.received)
        assert all("Acknowledged by anna." in message["text"] for message in late.received)
        assert choosy.received == []
        assert place.step(HOUR) == []
        assert len(late.received) == 2
        assert len(first.received) == 2


def test_who_hears_of_escalated_alerts_only_is_told_of_these_when_it_is_added(place: Place) -> None:
    with inboxes(3) as (first, boss, later):
        own_settings(place, notify=first.url(), escalate=boss.url(), escalate_after="4h")
        trouble(place)
        place.step()
        own_settings(place, notify=first.url(), escalate=f"{boss.url()} {later.url()}", escalate_after="4h")
        place.step(HOUR)
        assert later.received == []
        place.step(3 * HOUR)
        assert kinds(later) == [("sweep-refused", "escalated")]
        with inboxes(1) as (last,):
            own_settings(place, notify=first.url(), escalate=f"{boss.url()} {last.url()}", escalate_after="4h")
            place.step(HOUR)
            assert kinds(last) == [("sweep-refused", "standing")]


def test_a_named_recipient_gets_at_its_new_address_what_was_kept_and_at_once(place: Place, inbox: Inbox) -> None:
    inbox.answer = lambda message: REFUSED if message["path"].startswith("/old") else (200, b"{}")
    own_settings(place, notify=inbox.url("/old", name="ops"))
    trouble(place)
    place.step()
    assert (len(inbox.refused), inbox.received) == (1, [])
    own_settings(place, notify=inbox.url("/new", name="ops"))
    place.step(MINUTE)
    assert kinds(inbox) == [("sweep-refused", "raised")]
    assert inbox.received[0]["path"].startswith("/new")
    assert len(place.sql("SELECT 1 FROM syncer.recipient")) == 1


def test_without_a_name_a_new_address_is_a_new_recipient_and_the_old_one_is_shown_and_forgotten(
    place: Place, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox.answer = lambda message: REFUSED if message["path"].startswith("/old") else (200, b"{}")
    own_settings(place, notify=inbox.url("/old"))
    trouble(place)
    place.step()
    own_settings(place, notify=inbox.url("/new"))
    place.step(MINUTE)
    assert kinds(inbox) == [("sweep-refused", "standing")]
    assert "in the settings no longer" in run(place, monkeypatch, "alerts", "list").stdout
    place.step((outbox.ABSENT_DAYS + 1) * DAY)
    ((waiting,),) = place.sql("SELECT count(*) FROM syncer.outbox WHERE sent_at IS NULL AND given_up_at IS NULL")
    assert waiting == 0
    own_settings(place, notify=inbox.url("/old"))
    inbox.answer = lambda _: (200, b"{}")
    place.step(HOUR)
    assert inbox.received[-1]["path"].startswith("/old"), "one that comes back is told what is open"
    own_settings(place, notify=inbox.url("/new"))
    for _ in range(2):
        place.pull()
        place.step(40 * DAY)
    assert len(place.sql("SELECT 1 FROM syncer.recipient")) == 1


def test_what_was_told_of_an_alert_that_stays_open_is_not_told_again_when_old_messages_are_pruned(
    place: Place, inbox: Inbox
) -> None:
    own_settings(place, notify=inbox.url())
    trouble(place)
    place.step()
    place.sql("UPDATE syncer.alert SET acknowledged_at = syncer.instant()")
    for _ in range(3):
        place.step(40 * DAY)
    assert [kind for kind in kinds(inbox) if kind[0] == "sweep-refused"] == [("sweep-refused", "raised")]


def test_a_recipient_that_accepts_nothing_for_hours_is_reported_to_the_others(place: Place) -> None:
    with inboxes(2) as (good, away):
        away.answer = lambda _: (503, b"away")
        own_settings(place, notify=f"{good.url(name='good')} {away.url(name='away')}")
        trouble(place)
        place.step()
        place.step(2 * HOUR)
        assert ("recipient", "raised") not in kinds(good)
        assert ("recipient", "raised") in [(rule, step) for rule, _, _, step in place.step(HOUR + MINUTE)]
        message = good.received[-1]
        assert "away has accepted nothing for 3 h (1 waiting)" in message["title"]
        assert "503" in message["text"]
        away.answer = lambda _: (200, b"{}")
        place.step(2 * HOUR)
        assert ("recipient", "resolved") in [(rule, step) for rule, _, _, step in place.step(MINUTE)]


def test_a_recipient_is_not_blamed_while_nothing_waits_or_nobody_sends(place: Place, inbox: Inbox) -> None:
    own_settings(place, notify=inbox.url())
    trouble(place)
    place.step()
    place.step(2 * DAY)
    assert place.step(HOUR) == []
    place.failure("refused")
    place.evaluate()
    place.now += 5 * HOUR
    assert "recipient" not in {rule for rule, *_ in place.evaluate()}
    with connect(place.url) as connection:
        alerting = place.alerting()
        hearing = alerting.hearing(connection, alerting.settings.sources[0])
    assert "nothing sends it" in str(hearing.trouble)


def test_when_the_only_recipient_refuses_those_of_the_escalation_are_told_at_once(place: Place) -> None:
    with inboxes(2) as (only, boss):
        only.answer = lambda _: REFUSED
        own_settings(place, notify=only.url(name="only"), escalate=boss.url())
        trouble(place)
        place.step()
        place.step(MINUTE)
        assert kinds(boss) == [("recipient", "raised")]
        assert "only refuses messages for good" in boss.received[0]["title"]


def test_when_nobody_can_be_reached_every_place_says_so_and_the_switch_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with inboxes(2) as (only, switch):
        only.answer = lambda _: REFUSED
        own_settings(place, notify=only.url(name="only"), heartbeat_url=f"http://127.0.0.1:{switch.port}/beat")
        trouble(place)
        place.step()
        assert switch.received == []
        place.step(MINUTE)
        assert [message["path"] for message in switch.received] == ["/beat/fail"]
        assert "refuses messages for good" in switch.received[0]["text"]
        with capture_logs() as logs:
            place.send()
        assert [each["log_level"] for each in logs if each["event"] == "alerts_unheard"] == ["error"]
        sentence = "no recipient of alerts can be reached (only:"
        assert sentence in " ".join(run(place, monkeypatch, "alerts", "list").stdout.split())
        assert sentence in " ".join(run(place, monkeypatch, "status").stdout.split())
        result = run(place, monkeypatch, "alerts", "send")
        assert getattr(result.exception, "exit_code", None) == 7
        document = json.loads(run(place, monkeypatch, "alerts", "send", "--json").stdout.splitlines()[-1])
        assert (document["exit_code"], document["hearing"][0]["unreachable"][0]["name"]) == (7, "only")
        only.answer = lambda _: (200, b"{}")
        place.step(DAY)
        assert run(place, monkeypatch, "alerts", "send").exit_code == 0
        assert len(switch.received) == 1


def test_that_nobody_is_named_while_alerts_are_open_is_said(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nobody is told" not in run(place, monkeypatch, "status").stdout
    trouble(place)
    place.evaluate()
    sentence = "1 alert is open and nobody is told: set SYNCER_NOTIFY"
    for words in (["status"], ["alerts", "list"]):
        assert sentence in " ".join(run(place, monkeypatch, *words).stdout.split())
    document = json.loads(run(place, monkeypatch, "status", "--json").stdout)
    assert document["sources"][0]["alerts_trouble"] == sentence
    assert run(place, monkeypatch, "alerts", "send").exit_code == 0


def test_a_mistake_in_an_address_keeps_nobody_from_the_status(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.settings = {"notify": "wecomm://sesame"}
    result = run(place, monkeypatch, "status")
    assert result.exit_code == 0
    assert "SYNCER_NOTIFY: address 1" in " ".join(result.stdout.split())
    assert "sesame" not in result.stdout


def test_one_name_cannot_mean_an_ordinary_recipient_and_another_of_the_escalation(place: Place) -> None:
    from syncer.errors import SettingsError

    place.settings = {"notify": "wecom://a?name=ops", "escalate": "wecom://b?name=ops"}
    alerting = place.alerting()
    with pytest.raises(SettingsError, match="SYNCER_ESCALATE"):
        alerting.check(alerting.settings.sources[0])


def test_the_hearing_is_logged_once_until_it_changes(place: Place, inbox: Inbox) -> None:
    inbox.answer = lambda _: REFUSED
    own_settings(place, notify=inbox.url())
    trouble(place)
    place.evaluate()
    alerting = place.alerting()
    with capture_logs() as logs:
        for _ in range(3):
            alerting.send(place.url)
        inbox.answer = lambda _: (200, b"{}")
        place.now += DAY
        alerting.send(place.url)
    events = [each["event"] for each in logs if each["event"].startswith("alerts_")]
    assert events == ["alerts_unheard", "alerts_heard"]
