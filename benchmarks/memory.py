"""Peak memory and CPU of a first load and an unchanged pull by the number of files, and the pace of its last pages.

    python benchmarks/memory.py [FILES FILES ...] [--rounds N]

By default 100,000 and 1,000,000 files, once; the last is held against the first.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from listing import Listing
from rig import Cost, Server, expect, servers, sync
from state import late_against_first
from tables import machine, middle, note, say, table, verdict

MOST_GROWTH = 1.05
MOST_MB = 80
MOST_LATE = 1.3
MILLION = 1_000_000
MOST_CPU = {"first load": 35, "unchanged": 30}
"""Seconds of client and PostgreSQL together for a million files."""


@dataclass(frozen=True)
class Round:
    """What one round of one size found."""

    costs: dict[str, Cost]
    late: float

    @property
    def peak_mb(self) -> float:
        """The larger peak of both pulls."""
        return max(cost.peak_mb for cost in self.costs.values())


def main() -> None:
    """Measure each size on the embedded PostgreSQL, and print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("sizes", nargs="*", type=int, metavar="FILES", default=[100_000, MILLION])
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    played: dict[int, list[Round]] = {}
    with servers() as each:
        server = next(each)
        for number in range(options.rounds):
            for files in options.sizes:
                note(f"round {number + 1} of {options.rounds}: {files:,} files")
                played.setdefault(files, []).append(play(server, files))
    say(f"## Memory, CPU and pace by size, PostgreSQL {server.version}, medians of {options.rounds}\n")
    head = ["", "s", "CPU s: client", "PostgreSQL", "peak MB", "last tenth of the pages against the first"]
    table(head, [row(files, name, rounds) for files, rounds in played.items() for name in MOST_CPU])
    table(["figure", "target", "measured", "kept"], limits(played))
    say(machine())


def play(server: Server, files: int) -> Round:
    """Load a listing, and pull it again."""
    with Listing(files) as listing, server.database("ours") as ours:
        first = sync(server, ours, listing)
        expect(first.document, outcome="complete", verdict="proven", files=files, inserted=files)
        late = late_against_first(server, ours)
        again = sync(server, ours, listing)
        expect(again.document, outcome="complete", verdict="proven", files=files, unchanged=files, gone=0)
    return Round({"first load": first, "unchanged": again}, late)


def row(files: int, name: str, rounds: list[Round]) -> list[str]:
    """Return the row of one size's first load or unchanged pull."""

    def of(what: str) -> float:
        return middle(getattr(played.costs[name], what) for played in rounds)

    late = f"{middle(played.late for played in rounds):.2f}" if name == "first load" else ""
    return [f"{files:,} files, {name}", f"{of('seconds'):.0f}", f"{of('client_cpu'):.1f}", f"{of('server_cpu'):.1f}",
            f"{of('peak_mb'):.1f}", late]  # fmt: skip


def limits(played: dict[int, list[Round]]) -> list[list[str]]:
    """Return the rows that hold the last size against its targets, and against the first."""
    (smallest, few), (files, many) = next(iter(played.items())), list(played.items())[-1]
    growths = (large.peak_mb / small.peak_mb for small, large in zip(few, many, strict=True))
    rows: list[tuple[str, str, float, float]] = [
        (f"peak memory at {files:,} files, MB", ".1f", MOST_MB, max(each.peak_mb for each in many)),
        (f"peak memory, {files:,} files against {smallest:,}", ".3f", MOST_GROWTH, middle(growths)),
        ("last tenth of the pages against the first", ".2f", MOST_LATE, middle(each.late for each in many)),
    ]
    scaled = "" if files == MILLION else f" (scaled from {files:,})"
    for name, most in MOST_CPU.items():
        both = middle(each.costs[name].client_cpu + each.costs[name].server_cpu for each in many) * MILLION / files
        rows.append((f"CPU of client and PostgreSQL, s a million files{scaled}, {name}", ".1f", most, both))
    return [[name, f"at most {most:g}", f"{value:{form}}", verdict(value, most)] for name, form, most, value in rows]


if __name__ == "__main__":
    main()
