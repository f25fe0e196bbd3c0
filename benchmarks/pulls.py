"""What pulls cost against the limit: first load, unchanged, one file in a hundred changed, recent; and COPY.

    python benchmarks/pulls.py [FILES [ROUNDS]]

Each round plays all of them one after the other, so that a ratio is of one moment; figures are medians of the rounds.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import dataclass, field
from typing import LiteralString

from limit import copy_at_once, copy_by_pages, rows_of
from rig import Cost, Listing, Server, servers, sync
from tables import machine, middle, note, say, table, verdict

UNCHANGED = 5
ONE_IN_A_HUNDRED = 0.01


@dataclass
class Figures:
    """The costs of each block by its name, a list of rounds each; beside them growth, dead rows, times, bytes kept."""

    costs: dict[str, list[Cost]] = field(default_factory=lambda: defaultdict(list))
    growth: list[float] = field(default_factory=list)
    dead: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    stored: list[float] = field(default_factory=list)
    ledger: list[float] = field(default_factory=list)
    calls: dict[str, int] = field(default_factory=dict)

    def of(self, name: str, what: str) -> float:
        """Return the median of one cost of a block."""
        return middle(getattr(cost, what) for cost in self.costs[name])


def main() -> None:
    """Measure on every server there is, and print the tables."""
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3  # noqa: PLR2004 - the second argument
    say(f"## Pulls of {files:,} files\n")
    with servers() as each:
        for server in each:
            figures = Figures()
            for number in range(rounds):
                note(f"PostgreSQL {server.version}: round {number + 1} of {rounds}")
                play(server, files, figures)
            show(server, files, rounds, figures)
    say(machine())


def play(server: Server, files: int, figures: Figures) -> None:
    """Play one round: what a database goes through with us, then the same rows by COPY."""
    costs = figures.costs
    with Listing(files) as listing, server.database("ours") as ours:

        def pull(name: str, *options: str) -> None:
            before = listing.calls()
            costs[name].append(sync(server, ours, listing, *options))
            figures.calls[name] = listing.calls() - before

        pull("first load")
        figures.late.append(late_against_first(server, ours))
        before = size(server, ours)
        figures.stored.append(before / files)
        figures.ledger.append(size(server, ours, "syncer.page") / files)
        for _ in range(UNCHANGED):
            pull("unchanged")
        figures.growth.append(size(server, ours) / before)
        figures.dead.append(dead(server, ours))
        pages = rows_of(server, ours)
        pull("recent, nothing new", "--recent")
        listing.change(ONE_IN_A_HUNDRED)
        pull("1 % changed")
    for name, copy in (("COPY, 100 rows and a checkpoint a commit", copy_by_pages), ("COPY, one commit", copy_at_once)):
        with server.database("copied") as database:
            costs[name].append(copy(server, database, pages))


def size(server: Server, database: str, table: LiteralString = "syncer.file") -> float:
    """Return the bytes of a table with its indexes."""
    return server.ask(database, f"SELECT pg_total_relation_size('{table}')")


def dead(server: Server, database: str) -> float:
    """Return how many dead rows the table of files holds."""
    server.ask(database, "SELECT 1 FROM pg_stat_force_next_flush()")
    return server.ask(database, "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'file'")


def late_against_first(server: Server, database: str) -> float:
    """Return how long the last tenth of a listing's pages took against the first tenth, by the ledger."""
    return server.ask(
        database,
        """
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY took) FILTER (WHERE tenth = 10)
             / percentile_cont(0.5) WITHIN GROUP (ORDER BY took) FILTER (WHERE tenth = 1)
        FROM (SELECT extract(epoch FROM committed_at - lag(committed_at) OVER (ORDER BY page)) AS took,
                     ntile(10) OVER (ORDER BY page) AS tenth
              FROM syncer.page WHERE pull_id = (SELECT min(pull_id) FROM syncer.page)) AS pages
        """,
    )


def show(server: Server, files: int, rounds: int, figures: Figures) -> None:
    """Print what was measured on one server, and how it keeps to the limits."""
    say(f"### PostgreSQL {server.version}, medians of {rounds}\n")
    per_million = 1_000_000 / files
    table(
        ["", "s", "rows/s", "CPU s a million: client", "PostgreSQL", "WAL bytes a row", "peak MB", "calls"],
        [
            [
                name,
                f"{figures.of(name, 'seconds'):.2f}",
                f"{files / figures.of(name, 'seconds'):,.0f}",
                f"{figures.of(name, 'client_cpu') * per_million:.1f}",
                f"{figures.of(name, 'server_cpu') * per_million:.1f}",
                f"{figures.of(name, 'wal') / files:.1f}",
                f"{peak:.1f}" if (peak := figures.of(name, "peak_mb")) else "",
                f"{figures.calls[name]:,}" if name in figures.calls else "",
            ]
            for name in figures.costs
        ],
    )
    table(["figure", "target", "measured", "kept"], limits(files, figures))
    say(
        f"On the disk after the first load: {middle(figures.stored):.0f} bytes a file with all indexes, and "
        f"{middle(figures.ledger):.1f} bytes a file in the ledger of each full pull.\n"
    )


def limits(files: int, figures: Figures) -> list[list[str]]:
    """Return the rows that hold the figures against their targets; ratios are of the same round."""

    def ratio(of: str, to: str) -> float:
        return middle(
            one.seconds / other.seconds
            for one, other in zip(figures.costs[of], figures.costs[to][-len(figures.costs[of]) :], strict=True)
        )

    def cpu(name: str) -> float:
        return (figures.of(name, "client_cpu") + figures.of(name, "server_cpu")) * 1_000_000 / files

    load = ratio("COPY, 100 rows and a checkpoint a commit", "first load")
    unchanged = figures.of("unchanged", "seconds") / figures.of("first load", "seconds")
    wal, changed = (figures.of(name, "wal") / files for name in ("unchanged", "1 % changed"))
    rows = [
        ("first load, rows/s against COPY of 100 rows and a checkpoint a commit", 0.5, load, True),
        ("unchanged against first load, time", 0.8, unchanged, False),
        ("WAL of an unchanged pull, bytes a row", 12, wal, False),
        ("WAL with one in a hundred changed, bytes a row", 100, changed, False),
        ("dead rows after five unchanged pulls", 0, max(figures.dead), False),
        ("size after five unchanged pulls", 1.0, max(figures.growth), False),
        ("CPU of client and PostgreSQL, a million files, first load", 35, cpu("first load"), False),
        ("CPU of client and PostgreSQL, a million files, unchanged", 30, cpu("unchanged"), False),
        ("peak memory, MB", 80, max(cost.peak_mb for costs in figures.costs.values() for cost in costs), False),
        ("last tenth of the first load's pages against the first", 1.3, middle(figures.late), False),
    ]
    return [
        [name, f"{'at least' if least else 'at most'} {target:g}", f"{value:.2f}", verdict(value, target, least=least)]
        for name, target, value, least in rows
    ]


if __name__ == "__main__":
    main()
