"""An acknowledgement covers what was told until then: what comes later is told, reminded and escalated as anew."""

from __future__ import annotations

from typing import Any

from syncer.store import alerts
from syncer.store.database import connect

from .place import DAY, HOUR, Place, kinds
from .recipients import Inbox, inboxes


def expiring(inbox: Inbox) -> list[dict[str, Any]]:
    return [message for message in inbox.received if message["rule"] == "expiring"]


def acknowledge(place: Place) -> None:
    ((number,),) = place.sql("SELECT alert_id FROM report.alerts WHERE rule = 'expiring' AND resolved_at IS NULL")
    with connect(place.url) as connection:
        assert alerts.acknowledge(connection, number, by="anna")


def state(place: Place) -> tuple[str, int | None]:
    ((found, rest),) = place.sql("SELECT state, unacknowledged_files FROM report.alerts WHERE rule = 'expiring'")
    return found, rest


def test_files_that_join_an_acknowledged_alert_are_told_reminded_and_escalated_and_the_others_stay_quiet(
    place: Place,
) -> None:
    with inboxes(2) as (first, boss):
        place.settings = {
            "notify": first.url(), "escalate": boss.url(), "expiry_tiers": "30d,7d", "escalate_after": "4h",
            "remind_after": "24h", "data_deadline": "90d",
        }  # fmt: skip
        place.pull()
        for number in range(3):
            place.file(f"known-{number}", 20 * DAY + number * HOUR)
        # The tier is for information only: a group's rules make it a warning, so that it escalates.
        place.settings["alert_rules"] = "expiring.severity=warning"
        place.step()
        acknowledge(place)
        assert state(place) == ("acknowledged", 0)
        place.step(3 * DAY)
        assert (len(expiring(first)), expiring(boss)) == (1, []), "acknowledged: nobody is reminded or escalated to"
        place.file("later-1", 19 * DAY)
        place.file("later-2", 19 * DAY)
        place.step(HOUR)
        update = expiring(first)[-1]
        assert (update["facts"]["kind"], update["facts"]["new_files"], update["facts"]["files"]) == ("updated", 2, 5)
        assert "3 files more are acknowledged already." in update["text"]
        assert {each["file_id"] for each in update["facts"]["most_urgent"]} == {"later-1", "later-2"}
        assert state(place) == ("raised", 2)
        place.step(4 * HOUR)
        escalated = expiring(boss)[-1]
        assert escalated["title"].startswith("[a] nobody acknowledged for 4 h: 2 files (200 B)")
        assert {each["file_id"] for each in escalated["facts"]["most_urgent"]} == {"later-1", "later-2"}
        place.step(DAY)
        reminder = expiring(first)[-1]
        assert reminder["title"] == "[a] still: 2 files (200 B) expire within 30 days"
        assert (reminder["facts"]["files"], reminder["facts"]["unacknowledged_files"]) == (5, 2)
        acknowledge(place)
        before = len(expiring(first)) + len(expiring(boss))
        place.step(3 * DAY)
        assert len(expiring(first)) + len(expiring(boss)) == before
        assert state(place) == ("acknowledged", 0)


def test_what_was_not_told_yet_is_not_covered(place: Place, inbox: Inbox) -> None:
    place.settings = {"notify": inbox.url(), "expiry_tiers": "30d,7d", "remind_after": "48h", "data_deadline": "90d"}
    place.pull()
    place.file("told", 20 * DAY)
    place.step()
    place.now += HOUR
    place.file("gathering", 20 * DAY)
    place.step(HOUR)
    acknowledge(place)
    place.step(DAY)
    assert [kind for _, kind in kinds(inbox)] == ["raised", "updated"]
    assert state(place) == ("raised", 1)


def test_an_alert_is_quiet_again_when_what_came_later_has_gone(place: Place, inbox: Inbox) -> None:
    place.settings = {"notify": inbox.url(), "expiry_tiers": "30d,7d", "remind_after": "24h", "data_deadline": "90d"}
    place.pull()
    place.file("told", 20 * DAY)
    place.step()
    acknowledge(place)
    place.now += HOUR
    place.file("later", 20 * DAY)
    place.step(DAY + HOUR)
    assert expiring(inbox)[-1]["facts"]["kind"] == "updated"
    place.extend("later", 90 * DAY)
    place.step(HOUR)
    assert state(place) == ("acknowledged", 0)
    before = len(expiring(inbox))
    place.step(5 * DAY)
    assert len(expiring(inbox)) == before


def test_of_what_was_called_settled_only_new_files_are_spoken_of(place: Place, inbox: Inbox) -> None:
    place.settings = {"notify": inbox.url(), "expiry_tiers": "30d,7d", "remind_after": "24h", "data_deadline": "90d"}
    place.pull()
    place.file("told", 20 * DAY)
    place.step()
    ((number,),) = place.sql("SELECT alert_id FROM report.alerts WHERE resolved_at IS NULL")
    with connect(place.url) as connection:
        assert alerts.settle(connection, number, by="anna")
    assert place.step(2 * DAY) == []
    place.file("new", 18 * DAY)
    assert place.step(HOUR) == [("expiring", "30d", "", "raised")]
    assert place.step(DAY) == [("expiring", "30d", "", "reminder")]
    assert expiring(inbox)[-1]["facts"]["unacknowledged_files"] == 1
    assert [kind for _, kind in kinds(inbox)] == ["raised", "raised", "reminder"]


def test_what_is_no_matter_of_files_is_acknowledged_while_it_lasts(place: Place, inbox: Inbox) -> None:
    place.settings = {"notify": inbox.url(), "remind_after": "24h", "data_deadline": "90d"}
    place.pull(error="the brake")
    place.step()
    ((number,),) = place.sql("SELECT alert_id FROM report.alerts WHERE resolved_at IS NULL")
    with connect(place.url) as connection:
        assert alerts.acknowledge(connection, number, by="anna")
    place.step(10 * DAY)
    assert kinds(inbox) == [("sweep-refused", "raised")]


def test_an_acknowledgement_that_came_while_more_was_being_told_does_not_cover_that(place: Place, inbox: Inbox) -> None:
    place.settings = {"notify": inbox.url(), "expiry_tiers": "30d,7d", "remind_after": "48h", "data_deadline": "90d"}
    place.pull()
    place.file("told", 20 * DAY)
    place.step()
    ((mark,),) = place.sql("SELECT announced_at FROM report.alerts")
    place.now += DAY
    place.file("later", 20 * DAY)
    place.step(HOUR)
    # The evaluation that told of it had read the alert before the acknowledgement was committed.
    place.sql(
        "UPDATE syncer.alert SET acknowledged_at = syncer.instant(), acknowledged_by = 'anna', unacknowledged = 0,"
        f" acknowledged_open = '{{}}', acknowledged_mark = '{mark.isoformat()}'"
    )
    place.step(HOUR)
    assert state(place) == ("raised", 1)
    place.step(2 * DAY)
    assert expiring(inbox)[-1]["facts"]["kind"] == "reminder"
    assert expiring(inbox)[-1]["facts"]["unacknowledged_files"] == 1
