"""The figures of a kill campaign: counted by its lanes, added up, printed as Markdown."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from campaign.invariants import GUARANTEES


@dataclass
class Tally:
    """What a campaign did so far; `broken` tells each guarantee that did not hold, and how to see it again."""

    rounds: int = 0
    blows: Counter[str] = field(default_factory=Counter)
    commands: Counter[str] = field(default_factory=Counter)
    exits: Counter[int] = field(default_factory=Counter)
    pulls: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    broken: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Add what another one counted."""
        self.rounds += other.rounds
        self.calls += other.calls
        self.broken += other.broken
        for own, more in zip(self._counters(), other._counters(), strict=True):
            own.update(more)

    def _counters(self) -> tuple[Counter[Any], ...]:
        return self.blows, self.commands, self.exits, self.pulls

    def table(self, what: str, *, lanes: int, minutes: float) -> str:
        """Return the figures as Markdown; `what` says which seed and worlds were played."""
        figures = {
            "rounds": f"{self.rounds:,}",
            "seed": what,
            "lanes": str(lanes),
            "guarantees checked after each": str(len(GUARANTEES) + 1),
            "broken": str(len(self.broken)),
            "commands": f"{self.commands.total():,}",
            "API calls": f"{self.calls:,}",
            "pulls": f"{self.pulls.total():,}",
            "minutes": f"{minutes:.1f}",
        }
        lines = [_row(*figures), "|---" * len(figures) + "|", _row(*figures.values())]
        for title, counter in (("blow", self.blows), ("command", self.commands), ("exit status", self.exits)):
            lines += ["", f"| {title} | times |", "|---|---|"]
            counted: list[tuple[object, int]] = list(counter.items())
            for name, times in sorted(counted, key=lambda item: (-item[1], str(item[0]))):
                lines.append(f"| {name} | {times:,} |")
        return "\n".join(lines)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
