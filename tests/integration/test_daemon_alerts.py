"""Real daemons judge and send by themselves; two of them tell nobody twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from syncer.simulator import World

from .conftest import Rig
from .daemon_process import DaemonProcess, eventually
from .recipients import inboxes

pytestmark = pytest.mark.one_server

Simulated = Callable[..., Rig]
NEVER = {"full_schedule": "0 0 29 2 *", "recent_schedule": "0 0 29 2 *"}


def test_two_daemons_evaluate_and_send_each_message_once(simulated: Simulated) -> None:
    with inboxes(1) as (inbox,):
        rig = simulated({**NEVER, "notify": inbox.url()}, world=World(120))
        daemons = [DaemonProcess(rig.environ, "--alerts-every", "0.3") for _ in range(2)]
        try:
            eventually(lambda: any(message["rule"] == "expiring" for message in inbox.received), "the message")
            rig.rows("UPDATE syncer.pull SET error = 'the brake' WHERE kind = 'full' RETURNING 1")
            eventually(lambda: any(message["rule"] == "sweep-refused" for message in inbox.received), "the message")
        finally:
            for each in daemons:
                each.close()
        # The last message may have been under way when its daemon was told to stop.
        composed = {row["key"] for row in rig.rows("SELECT key FROM syncer.outbox")}
        sent = {row["key"] for row in rig.rows("SELECT key FROM syncer.outbox WHERE sent_at IS NOT NULL")}
        received = Counter(message["key"] for message in inbox.received)
        assert sent <= set(received) <= composed
        assert set(received.values()) == {1}
