"""The commands that the kill campaign plays: all that the command line lists, and what must be known to judge each."""

from __future__ import annotations

from dataclasses import dataclass

FILE_IDS, ALERT, NEW, EXPORT = "{ids}", "{alert}", "{new}", "{export}"
"""Stand in a command's words for some ids, an open alert's number, a file to be written, and what was exported."""


@dataclass(frozen=True)
class Command:
    """A command, and how often it is drawn (`weight`).

    `calls` says that it talks with the API, and so takes seconds.

    `reads`: it changes nothing that the world's database knows. `lasts`: it ends by a signal alone. `statuses` are
    those that it may end with beside what every command may. `servers`: it needs a database server of the campaign's.
    `tells_key`: what it says is how to use the API that it serves.
    """

    text: str
    weight: int = 1
    reads: bool = False
    lasts: bool = False
    calls: bool = False
    statuses: frozenset[int] = frozenset()
    servers: bool = False
    tells_key: bool = False

    def __str__(self) -> str:
        """Return it as it is typed."""
        return self.text

    @property
    def words(self) -> list[str]:
        """Its words, some of which stand for what is chosen when it starts."""
        return self.text.split()

    @property
    def name(self) -> str:
        """Its name as the command line lists it."""
        words = self.words
        return " ".join(words[: 2 if words[0] == "alerts" else 1])


_NO_SUCH_ALERT = frozenset({2})

COMMANDS = (
    Command("sync", calls=True, weight=4),
    Command("sync --full --json", calls=True, weight=2),
    Command("sync --allow-sweep", calls=True, weight=2),
    Command("sync --recent", calls=True, weight=2),
    Command("sync --recent --json", calls=True, weight=2),
    Command("daemon", calls=True, weight=2, lasts=True),
    Command("lookup --prefix 6001", calls=True),
    Command(f"lookup --file-id {FILE_IDS}", calls=True),
    Command("alerts evaluate", weight=2),
    Command("alerts send", weight=2),
    Command("alerts test", statuses=frozenset({1})),  # a recipient refused
    Command(f"alerts ack {ALERT}", statuses=_NO_SUCH_ALERT),
    Command(f"alerts snooze {ALERT} 1h --json", statuses=_NO_SUCH_ALERT),
    Command(f"alerts resolve {ALERT}", statuses=_NO_SUCH_ALERT),
    Command("alerts list --json", reads=True),
    Command(f"alerts show {ALERT}", reads=True, statuses=_NO_SUCH_ALERT),
    Command("migrate"),
    Command("report --format json --table backups", reads=True),
    Command(f"report --output {NEW}.html", reads=True),
    Command("files --format csv", reads=True),
    Command("status --json", reads=True),
    Command("doctor --json", calls=True, reads=True),
    Command("metrics", reads=True),
    Command(f"metrics --output {NEW}.prom", reads=True),
    Command(f"export {NEW}.gz", reads=True),
    Command(f"import {EXPORT}", weight=2, reads=True, statuses=frozenset({2}), servers=True),  # two at once
    Command("simulate --port 0", calls=True, reads=True, lasts=True, tells_key=True),
    Command("demo", calls=True, reads=True),
)

NOT_PLAYED: dict[str, str] = {}
"""Commands that the campaign leaves out, each with the reason why."""
