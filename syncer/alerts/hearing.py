"""Whether anybody hears of a source's alerts; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from syncer import words
from syncer.store.reach import Deaf

# Messages are sent each minute or ten; when one that nobody tried to send waits so long, nothing sends at all.
IDLE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Hearing:
    """Who can be told of a source's alerts at `instant`.

    `recipients` are the people that the settings name, `deaf` those of them who cannot be reached. `open_alerts` are
    open; `untried_since` is since when a message waits that nobody tried to send. With a `mistake` in the settings
    nobody is told at all. A source that `left` the settings is evaluated by nobody.
    """

    source: str
    instant: datetime
    recipients: int = 0
    deaf: Sequence[Deaf] = ()
    open_alerts: int = 0
    untried_since: datetime | None = None
    mistake: str | None = None
    left: bool = False

    @property
    def unheard(self) -> str | None:
        """Why nobody who is named hears of the alerts; None while somebody does, or nobody is named."""
        if not self.recipients or len(self.deaf) < self.recipients:
            return None
        reasons = "; ".join(f"{each.name}: {each.error or 'no answer'}".rstrip(". ") for each in self.deaf)
        return f"no recipient of alerts can be reached ({reasons})"

    @property
    def trouble(self) -> str | None:
        """What is wrong with telling people, in a sentence without its full stop; None when nothing is."""
        if self.mistake or self.unheard:
            return self.mistake or self.unheard
        what = words.counted(self.open_alerts, "alert")
        if self.left:
            what = f"{what} {'is' if self.open_alerts == 1 else 'are'} open of a source that left the settings"
            return f"{what}; nothing evaluates them: end them with `syncer alerts resolve --source {self.source}`"
        if not self.recipients and self.open_alerts:
            return f"{what} {'is' if self.open_alerts == 1 else 'are'} open and nobody is told: set SYNCER_NOTIFY"
        if self.untried_since is not None and self.untried_since <= self.instant - IDLE:
            age = words.span((self.instant - self.untried_since).total_seconds())
            return f"a message waits since {age} and nothing sends it: run the daemon, or `syncer alerts send` by cron"
        if self.deaf:
            names = ", ".join(each.name for each in self.deaf)
            return f"{len(self.deaf)} of {self.recipients} recipients cannot be reached: {names}"
        return None
