"""While a call is retried for long, status and page say why; a short trouble costs no write."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from syncer.cli import status
from syncer.pull import waiting
from syncer.simulator import Simulator, World
from syncer.store.database import connect
from syncer.store.status import read

from .conftest import Rig
from .daemon_process import eventually
from .web_page import served

Simulated = Callable[..., Rig]
SLOW = {"page_size": "10", "lease": "3s", "retry_for": "10m"}


def why(rig: Rig) -> str | None:
    """Return why the call in hand is retried, as a reading has it."""
    with connect(rig.database) as connection:
        leases = [each.lease for each in read(connection).sources]
    return next((each.retrying for each in leases if each is not None), None)


def test_status_and_page_say_why_a_call_is_retried_and_since_when(
    simulated: Simulated, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(waiting, "_NOTED_AFTER_SECONDS", 0.5)
    rig = simulated(SLOW, world=World(60))
    rig.simulator.schedule = {4: Simulator.down}
    for name, value in rig.environ.items():
        monkeypatch.setenv(name, value)
    pull = threading.Thread(target=rig.sync)
    pull.start()
    eventually(lambda: why(rig), "it is told that the call is retried")
    status.status()
    shown = " ".join(capsys.readouterr().out.split())
    status.status(json=True)
    document: Any = json.loads(capsys.readouterr().out)["sources"][0]["lease"]
    with served(rig.environ, rig.database) as page:
        text = page.html("/").text
    rig.simulator.schedule = {}
    rig.simulator.up()
    pull.join(60)
    assert "retrying since " in shown
    assert "connection" in document["retrying"].lower()
    assert document["retrying_since"]
    assert "A call has been retried since" in text
    assert rig.rows("SELECT retrying, retrying_since FROM syncer.lease") == [{"retrying": None, "retrying_since": None}]
    rig.assert_equals_listing()


def test_a_call_that_gets_through_takes_it_back_while_the_pull_goes_on(
    simulated: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_NOTED_AFTER_SECONDS", 0.5)
    rig, seen = simulated(SLOW, world=World(60)), list[str | None]()
    rig.simulator.schedule = {4: Simulator.down}
    pull = threading.Thread(target=lambda: rig.sync(on_page=lambda _: seen.append(why(rig))))
    pull.start()
    eventually(lambda: why(rig), "it is told that the call is retried")
    rig.simulator.schedule = {}
    rig.simulator.up()
    pull.join(60)
    assert seen == [None] * 6
