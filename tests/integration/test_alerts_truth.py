"""What messages say is so: why an alert ended, that it grew worse; one bad message holds no other one up."""

from __future__ import annotations

from datetime import timedelta

import pytest

from .place import DAY, HOUR, Place
from .recipients import Inbox, inboxes


def test_files_that_expired_are_never_said_to_be_extended(place: Place, inbox: Inbox) -> None:
    place.settings = {"notify": inbox.url(), "expiry_tiers": "1d", "data_deadline": "90d"}
    place.pull()
    place.file("lost", 2 * HOUR)
    place.file("far", 20 * DAY)
    assert place.step() == [("expiring", "1d", "", "raised")]
    place.now += HOUR
    place.extend("far", 29 * DAY)
    assert place.step(2 * HOUR) == [("expiring", "1d", "", "resolved")]
    place.step(2 * HOUR)
    assert inbox.received[-1]["facts"]["resolution"] == "expired"


def test_files_that_were_deleted_or_extended_are_not_said_to_have_expired(place: Place, inbox: Inbox) -> None:
    place.settings = {
        "notify": inbox.url(),
        "expiry_tiers": "7d,1d",
        "data_deadline": "90d",
        "alert_silence": "vanished",
    }
    place.pull()
    place.file("deleted", 20 * HOUR)
    place.file("extended", 3 * DAY)
    place.step()
    assert ["Not counted: files in a nearer tier" in each["text"] for each in inbox.received] == [False, True]
    place.now += HOUR
    place.lose("deleted")
    place.extend("extended", 29 * DAY)
    place.step(HOUR)
    place.step(2 * HOUR)
    endings = {each["facts"]["tier"]: each["facts"]["resolution"] for each in inbox.received[2:]}
    assert endings == {"1d": "gone", "7d": "extended"}


@pytest.mark.parametrize("tiers", ["25%", "50%,2d", "10d,25%,1d"])
def test_why_an_alert_of_shares_and_spans_ended(place: Place, inbox: Inbox, tiers: str) -> None:
    place.settings = {"notify": inbox.url(), "expiry_tiers": tiers, "data_deadline": "90d"}
    place.pull()
    place.file("extended", 5 * DAY, life=20 * DAY)
    place.file("far", 90 * DAY, life=90 * DAY)
    place.step()
    place.now += HOUR
    place.extend("extended", 80 * DAY)
    place.step(HOUR)
    place.step(2 * HOUR)
    assert [each["facts"]["resolution"] for each in inbox.received] == [None, "extended"]


def test_that_an_alert_grew_worse_is_said_of_no_new_files(place: Place, inbox: Inbox) -> None:
    place.settings = {"notify": inbox.url(), "data_deadline": "90d"}
    place.pull(error="the brake")
    place.step()
    place.settings["alert_rules"] = "sweep-refused.severity=critical"
    assert place.step(HOUR) == [("sweep-refused", "", "", "updated")]
    assert "0 files" not in inbox.received[-1]["title"]
    assert "more" not in inbox.received[-1]["title"]


def test_a_message_that_is_refused_holds_up_no_later_one(place: Place) -> None:
    with inboxes(1) as (picky,):
        picky.answer = lambda message: (400, b"no") if message["rule"] == "sweep-refused" else (200, b"{}")
        place.settings = {"notify": picky.url(), "expiry_tiers": "1d", "data_deadline": "90d"}
        place.pull(error="the brake")
        place.step()
        place.file("urgent", 20 * HOUR)
        place.step(HOUR)
        place.step(timedelta(minutes=1))
        assert [each["rule"] for each in picky.received] == ["expiring"]
