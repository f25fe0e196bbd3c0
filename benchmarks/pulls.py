"""What pulls cost against the limit: first load, unchanged, one file in a hundred changed, recent; and COPY.

    python benchmarks/pulls.py [FILES [ROUNDS]] [--random-ids]

Each round plays all of them one after the other, so that a ratio is of one moment; figures are medians of the rounds.
Every pull must end as it should, with the counts that it should, else the run ends.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack

from limit import copy_at_once, copy_by_pages, rows_of
from listing import Listing
from pulls_report import COPY, COPY_ONCE, Round, limits
from rig import Server, expect, servers, sync
from state import database_size, dead, late_against_first, size
from tables import machine, middle, note, say, table

UNCHANGED = 5
ONE_IN_A_HUNDRED = 0.01
PAGE = 100
CALLS_PER_CHECKPOINT = 500
"""At a hundred calls a minute that is PostgreSQL's own checkpoint_timeout, five minutes."""
CHANCE = 3
"""Calls of a pull that may be made twice: one in some 100,000 draws a nonce that was used within two hours."""
PACED = f", a checkpoint every {CALLS_PER_CHECKPOINT} calls"


def main() -> None:
    """Measure on every server there is, and print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="?", type=int, default=100_000)
    parser.add_argument("rounds", nargs="?", type=int, default=3)
    parser.add_argument("--random-ids", action="store_true", help="ids are random numbers of 19 digits")
    options = parser.parse_args()
    ids = "random ids" if options.random_ids else "ids that rise with time"
    say(f"## Pulls of {options.files:,} files, {ids}\n")
    with servers() as each:
        for server in each:
            rounds = []
            for number in range(options.rounds):
                note(f"PostgreSQL {server.version}: round {number + 1} of {options.rounds}")
                rounds.append(play(server, options.files, random_ids=options.random_ids))
            show(server, options.files, rounds)
    say(machine())


def play(server: Server, files: int, *, random_ids: bool) -> Round:
    """Play one round: what a database goes through with us, then the same rows by COPY."""
    played = Round()
    with Listing(files, random_ids=random_ids) as listing, server.database("ours") as ours:

        def pull(name: str, changed: int = 0, *, inserted: int = 0, database: str = ours) -> None:
            pages, read, verdict, options = -(-files // PAGE), files, "proven", list[str]()
            if name.startswith("recent"):
                pages, read, verdict, options = 1, min(files, PAGE), "partial", ["--recent"]
            before = listing.calls()
            with ExitStack() as stack:
                if name.endswith(PACED):
                    stack.enter_context(server.checkpoints(listing, CALLS_PER_CHECKPOINT))
                cost = sync(server, database, listing, *options)
            calls = listing.calls() - before
            expect(
                cost.document, outcome="complete", verdict=verdict, files=read, pages=pages, inserted=inserted,
                updated=changed, unchanged=read - inserted - changed, rejected=0, gone=0, api_calls=calls,
            )  # fmt: skip
            if not pages <= calls <= pages + CHANCE:
                raise SystemExit(f"{calls} calls were made for {pages} pages")
            played.costs[name].append(cost)
            played.calls[name] = calls

        pull("first load", inserted=files)
        played.late = late_against_first(server, ours)
        before, before_all = size(server, ours), database_size(server, ours)
        played.stored, played.ledger = before / files, size(server, ours, "page") / files
        for _ in range(UNCHANGED):
            pull("unchanged")
        played.growth = size(server, ours) / before
        played.grown = (database_size(server, ours) - before_all) / UNCHANGED / files
        played.dead = dead(server, ours, "file")
        played.dead_beside = dead(server, ours, "pull", "lease", "quota", "counter")
        pages = rows_of(server, ours)
        pull(f"unchanged{PACED}")
        pull("recent, nothing new")
        pull("1 % changed", listing.change(ONE_IN_A_HUNDRED))
        with server.database("paced") as paced:  # for a table that has seen changes writes otherwise
            sync(server, paced, listing)
            pull(f"1 % changed{PACED}", listing.change(ONE_IN_A_HUNDRED), database=paced)
    for name, copy in ((COPY, copy_by_pages), (COPY_ONCE, copy_at_once)):
        with server.database("copied") as database:
            played.costs[name].append(copy(server, database, pages))
            held = server.ask(database, "SELECT count(*) FROM syncer.file")
        if held != files:
            raise SystemExit(f"{name}: the table holds {held:.0f} rows and not {files}")
    return played


def show(server: Server, files: int, rounds: list[Round]) -> None:
    """Print what was measured on one server, and how it keeps to the limits."""
    say(f"### PostgreSQL {server.version}, medians of {len(rounds)}\n")

    def of(name: str, what: str) -> float:
        return middle(played.of(name, what) for played in rounds)

    table(
        ["", "s", "rows/s", f"CPU s a million (scaled from {files:,}): client", "PostgreSQL", "WAL bytes a row",
         "peak MB", "calls"],
        [
            [
                name,
                f"{of(name, 'seconds'):.2f}",
                f"{files / of(name, 'seconds'):,.0f}",
                f"{of(name, 'client_cpu') * 1_000_000 / files:.1f}",
                f"{of(name, 'server_cpu') * 1_000_000 / files:.1f}",
                f"{of(name, 'wal') / files:.1f}",
                f"{peak:.1f}" if (peak := of(name, "peak_mb")) else "",
                f"{rounds[0].calls[name]:,}" if name in rounds[0].calls else "",
            ]
            for name in rounds[0].costs
        ],
    )  # fmt: skip
    table(["figure", "target", "measured", "kept"], limits(files, rounds))
    say(
        f"On the disk after the first load: {middle(each.stored for each in rounds):.0f} bytes a file with all "
        f"indexes, and {middle(each.ledger for each in rounds):.1f} bytes a file in the ledger of each full pull.\n"
    )


if __name__ == "__main__":
    main()
