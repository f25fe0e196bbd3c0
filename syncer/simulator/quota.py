"""The quota: so many calls in 60 seconds, counted in a sliding or a fixed window."""

from __future__ import annotations

from collections import defaultdict, deque

from syncer.simulator.behaviour import Behaviour, Window

WINDOW = 60.0


class Quota:
    """Counts the calls of an account, or of each key."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._calls: defaultdict[str, deque[float]] = defaultdict(deque)

    def admit(self, secret_id: str, now: float) -> bool:
        """Count a call at `now` (seconds); False if it exceeds the quota."""
        rules = self._behaviour
        if not rules.calls_per_minute:
            return True
        calls = self._calls[secret_id if rules.quota_per_key else ""]
        begin = now - now % WINDOW if rules.quota_window is Window.FIXED else now - WINDOW
        while calls and (calls[0] < begin or (calls[0] == begin and rules.quota_window is Window.SLIDING)):
            calls.popleft()
        admitted = len(calls) < rules.calls_per_minute
        if admitted or rules.refused_calls_count:
            calls.append(now)
        return admitted
