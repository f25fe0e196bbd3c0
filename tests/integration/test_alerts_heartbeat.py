"""A dead-man's switch hears how each full pull went: well only if it is proven and alerts reach somebody."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from syncer.errors import Busy, Stopped
from syncer.simulator import World

from .conftest import Rig
from .recipients import Inbox, inboxes

Simulated = Callable[..., Rig]


@pytest.fixture
def switch() -> Iterator[Inbox]:
    with inboxes(1) as (one,):
        yield one


def beats(switch: Inbox) -> list[str]:
    return [message["path"].partition("?")[0].removeprefix("/beat") for message in switch.received]


def runs(switch: Inbox) -> list[str]:
    return [message["path"].partition("rid=")[2] for message in switch.received]


def url(switch: Inbox) -> str:
    return f"http://127.0.0.1:{switch.port}/beat"


def test_start_and_end_of_a_run_have_one_id_and_the_next_run_another(simulated: Simulated, switch: Inbox) -> None:
    rig = simulated({"heartbeat_url": url(switch)}, world=World(30))
    rig.sync()
    rig.sync("recent")
    rig.sync()
    assert beats(switch) == ["/start", "", "/start", ""]
    first, second = runs(switch)[::2]
    assert runs(switch) == [first, first, second, second]
    assert first
    assert first != second


def test_a_run_that_finds_another_one_at_work_or_is_stopped_tells_no_end(simulated: Simulated, switch: Inbox) -> None:
    rig = simulated({"heartbeat_url": url(switch), "page_size": "10"}, world=World(30))

    def another(_: object) -> None:
        with pytest.raises(Busy):
            rig.sync()

    assert isinstance(rig.sync(on_page=another, stop_after=1).error, Stopped)
    assert beats(switch) == ["/start"]
    rig.sync()
    assert beats(switch) == ["/start", "/start", ""]


def test_a_proven_pull_is_no_success_while_nobody_can_be_told(simulated: Simulated, switch: Inbox) -> None:
    with inboxes(1) as (only,):
        only.answer = lambda _: (404, b"gone")
        rig = simulated({"heartbeat_url": url(switch), "notify": only.url(name="only")}, world=World(30))
        rig.sync()
        with rig.app().database() as database:
            rig.app().alerting.send(database)
        rig.sync()
        assert beats(switch)[:2] == ["/start", ""]
        assert beats(switch)[-2:] == ["/start", "/fail"]
        said = switch.received[-1]["text"]
        assert said.startswith("The pull is proven, but no recipient of alerts can be reached (only: ")
        assert "duration: " in said


def test_a_switch_that_hangs_holds_no_pull_up(simulated: Simulated, switch: Inbox) -> None:
    rig = simulated({"heartbeat_url": url(switch), "page_size": "10"}, world=World(30))
    switch.hang()
    listed = []

    def look(_: object) -> None:
        listed.append(len(switch.received))
        if len(listed) == 3:
            switch.released.set()

    assert rig.sync(on_page=look).outcome == "complete"
    assert listed[:3] == [0, 0, 0]
    assert beats(switch) == ["/start", ""]
