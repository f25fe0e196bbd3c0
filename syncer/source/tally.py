"""Counts the attempts at calls: over the life of a connection, and since they were last taken to be committed; pure."""

from __future__ import annotations

from collections import Counter

from syncer.model import Calls

SUCCESS = "0"


class Tally:
    """What attempts have come to: `made` counts all, `outcomes` the same by the API's code or the kind of fault.

    `retries` counts attempts after a call's first, `waited` the seconds that calls were held up for the quota.
    """

    def __init__(self) -> None:
        self.made = self.retries = 0
        self.outcomes: Counter[str] = Counter()
        self.waited = 0.0
        self._taken = Calls()
        self._outcomes_taken: Counter[str] = Counter()

    def take(self, *, least_wait: float = 0.0) -> Calls:
        """Return what has come since the last time, and count it as taken.

        Seconds waited that are all there is to tell beside answers with a page are left for later while they are
        fewer than `least_wait`: a total of them is no worse for it, and a page is cheaper to commit.
        """
        taken = self._outcomes_taken
        fresh = {
            name: count - taken[name]
            for name, count in self.outcomes.items()
            if name != SUCCESS and count > taken[name]
        }
        retries, waited = self.retries - self._taken.retries, self.waited - self._taken.quota_wait_seconds
        if not fresh and not retries and waited < least_wait:
            waited = 0.0
        calls = Calls(self.made - self._taken.made, fresh, retries, waited)
        taken.update(fresh)
        self._taken = Calls(self.made, {}, self.retries, self._taken.quota_wait_seconds + waited)
        return calls
