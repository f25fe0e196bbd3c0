"""How alerts end otherwise than by themselves, who is told, and messages that their recipient never takes."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from syncer.store.alerts import settle
from syncer.store.database import connect

from .place import DAY, HOUR, Place
from .recipients import OK, Answer, inboxes
from .test_alerts_recipients import own_settings, run, trouble

MINUTE = timedelta(minutes=1)
ALERTMANAGER = "alertmanager+http://127.0.0.1:{}"


def opened(place: Place) -> int:
    return int(place.sql("SELECT max(alert_id) FROM syncer.alert WHERE resolved_at IS NULL")[0][0])


@pytest.mark.parametrize("how", ["command", "silence"])
def test_alertmanager_is_told_of_an_end_by_hand_or_by_silence_and_nobody_else_is(place: Place, how: str) -> None:
    with inboxes(2) as (person, manager):
        notify = f"{person.url()} {ALERTMANAGER.format(manager.port)}"
        own_settings(place, notify=notify)
        trouble(place)
        place.step()
        assert (len(person.received), len(manager.received)) == (1, 1)
        began = place.now
        if how == "command":
            with connect(place.url) as connection:
                assert settle(connection, opened(place), by="anna")
        else:
            own_settings(place, notify=notify, alert_silence="sweep-refused")
        place.step(MINUTE)
        if how == "silence":
            place.step(2 * HOUR)  # what a mistaken setting silenced may come back within the hour
        for _ in range(2):
            place.step()
        assert len(manager.received) == 2
        assert len(person.received) == 1, "people know, or do not want to"
        over = manager.received[1]["alerts"][0]
        assert over["labels"]["alertname"] == "syncer_sweep-refused"
        assert over["endsAt"] < (began + 3 * HOUR).isoformat(), "it is over, not in seven days"


def test_who_acknowledged_and_who_resolved_is_shown_with_the_time(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncer.cli.alerts._user", lambda: "ben")
    trouble(place)
    place.evaluate()
    number = str(opened(place))
    assert run(place, monkeypatch, "alerts", "ack", number, "--by", "anna").exit_code == 0
    assert run(place, monkeypatch, "alerts", "resolve", number).exit_code == 0
    shown = " ".join(run(place, monkeypatch, "alerts", "show", number).stdout.split())
    assert "acknowledged: " in shown
    assert " by anna " in shown
    assert "resolved: " in shown
    assert " by ben" in shown
    document = json.loads(run(place, monkeypatch, "alerts", "show", number, "--json").stdout)
    assert (document["acknowledged_by"], document["resolved_by"]) == ("anna", "ben")
    assert place.sql("SELECT acknowledged_by, resolved_by FROM report.alerts WHERE resolved_by IS NOT NULL") == [
        ("anna", "ben")
    ]


def test_a_message_that_its_recipient_never_takes_is_named_and_its_alert_told_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with inboxes(2) as (choosy, other):
        picky = True

        def answer(message: dict[str, Any]) -> Answer:
            return (400, b"forbidden word") if picky and message["rule"] == "sweep-refused" else OK

        choosy.answer = answer
        own_settings(place, notify=f"{choosy.url(name='choosy')} {other.url(name='other')}", remind_after="36h")
        trouble(place)
        place.step()
        place.failure()
        for _ in range(3):
            place.failure()
        place.step(MINUTE)
        assert [each["rule"] for each in choosy.received] == ["failing"]
        assert "sweep-refused" in [each["rule"] for each in other.received]
        for _ in range(2):
            place.step(DAY)  # what was refused is tried once a day
        refused = int(place.sql("SELECT alert_id FROM syncer.alert WHERE rule = 'sweep-refused'")[0][0])
        sentence = f"choosy took no message about alert {refused}"
        listed = " ".join(run(place, monkeypatch, "alerts", "list").stdout.split())
        assert sentence in listed
        assert "forbidden word" in listed
        document = json.loads(run(place, monkeypatch, "alerts", "list", "--json").stdout)
        assert [each["alert_id"] for each in document["lost"]] == [refused]
        assert sentence in " ".join(run(place, monkeypatch, "doctor").stdout.split())
        picky = False
        place.step(2 * DAY)
        assert ("sweep-refused", "reminder") in [(each["rule"], each["facts"]["kind"]) for each in choosy.received]
        assert sentence not in " ".join(run(place, monkeypatch, "alerts", "list").stdout.split())


def test_alerts_of_a_source_that_left_the_settings_are_named_with_the_command_that_ends_them(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble(place)
    place.evaluate()
    place.toml = '[[sources]]\nname = "b"\n'
    assert "no longer" not in run(place, monkeypatch, "alerts", "list").stdout
    assert run(place, monkeypatch, "alerts", "resolve", "--source", "a").exception is not None, "it is evaluated"
    place.source = "c"
    sentence = "nothing evaluates them: end them with `syncer alerts resolve --source a`"
    for words in (["alerts", "list"], ["status"]):
        assert sentence in " ".join(run(place, monkeypatch, *words).stdout.split()), words
    assert run(place, monkeypatch, "alerts", "resolve").exception is not None
    assert run(place, monkeypatch, "alerts", "resolve", "1", "--source", "a").exception is not None
    ended = run(place, monkeypatch, "alerts", "resolve", "--source", "a")
    assert ended.stdout == "1 alert of a resolved\n"
    assert place.sql("SELECT count(*) FROM syncer.alert WHERE resolved_at IS NULL") == [(0,)]
    assert sentence not in " ".join(run(place, monkeypatch, "status").stdout.split())
