"""Ten million files, once and whole: the first load, a pull that sweeps what has gone, how soon views and page answer.

    python benchmarks/ten_million.py [FILES]

Needs some 15 GB of disk, and on two cores about an hour. The quota counts and never waits here: at 100 calls a minute
the pull is bound by its calls, and so is its sweep, which asks for what is missing by id. What is known so far is told
on standard error too, for whoever ends it early.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from listing import Listing
from rig import Cost, Server, expect, servers, sync
from state import database_size, late_against_first, size
from tables import machine, middle, note, say, table, verdict

from syncer.metrics.reading import PARTS
from syncer.store import status, stock
from syncer.store.database import Connection, connect

GONE = 0.001
PER_MINUTE = 100
TIMES = 3
# Views of a row per file, page, change or run: an operator reads a piece of them, by the key they are kept by. Of
# streams the largest are asked for; here nearly each file is a stream of its own.
BY_KEY = {
    "alert_files": "source, alert_id, file_id",
    "backups": "source, file_id",
    "changes": "source, changed_at, file_id, field",
    "expiring": "source, expires_at",
    "pages": "source, pull_id, generation, part, page",
    "rejected": "source, rejected_at",
    "runs": "source, run_id",
    "storage_by_prefix": "bytes DESC",
}
QUESTIONS = (
    "SELECT tier, sum(size_bytes) FROM report.expiring WHERE expires_at < now() + interval '1 day' GROUP BY 1",
    "SELECT * FROM report.changes WHERE changed_at > now() - interval '1 hour' LIMIT 1000",
    "SELECT * FROM report.alert_files WHERE source = 'default' AND alert_id = 1 LIMIT 1000",
    "SELECT source, pull_id, generation, pages, entries, ended, complete FROM report.proof",
    "SELECT state, count(*) FROM report.backups WHERE source = 'default' AND gone_at IS NOT NULL GROUP BY state",
)
# What daemons, `syncer status` and the page ask in one go, in this process.
READINGS: dict[str, Callable[[Connection], object]] = {
    "a scrape of `/metrics`": lambda connection: [part.read(connection) for part in PARTS],
    "`syncer status`": status.read,
    "the page's figures": stock.count,
}
# What the views say of all files together, and what counting them gives: both must be the same.
TOTALS = """
SELECT (SELECT array_agg((state, files, bytes)::text ORDER BY state) FROM report.storage_by_state)
     = (SELECT array_agg((state, files, bytes)::text ORDER BY state) FROM (
          SELECT state, count(*) AS files, coalesce(sum(size_bytes), 0)::bigint AS bytes
          FROM report.backups GROUP BY 1) counted)
"""
MOST_MB, MOST_SWEEP, MOST_ANSWER = 80, 60, 1


def main() -> None:
    """Play it on the embedded PostgreSQL, and print the tables."""
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    with servers() as each:
        server = next(each)
        with Listing(files) as listing, server.database("ours") as ours:
            note("first load")
            first = sync(server, ours, listing)
            expect(first.document, outcome="complete", verdict="proven", files=files, inserted=files)
            late = late_against_first(server, ours)
            tell(first)
            gone = listing.delete(GONE)
            note("a pull that sweeps")
            second = sync(server, ours, listing)
            left = files - gone
            expect(second.document, outcome="complete", verdict="proven", files=left, unchanged=left, gone=gone)
            swept = sweep_seconds(server, ours)
            tell(second)
            with server.connect(ours) as connection:
                connection.execute("VACUUM (ANALYZE)")
            note("the views")
            answers = [(f"`{question}`", *asked(server, ours, question)) for question in questions(server, ours)]
            answers += [(name, *read_in(server, ours, reading)) for name, reading in READINGS.items()]
            if not server.ask(ours, f"SELECT ({TOTALS})::int"):
                raise SystemExit("the totals are not those of the files")
            gigabytes, kept = database_size(server, ours) / 1e9, size(server, ours, "stock") / 1e6
    say(f"## {files:,} files, PostgreSQL {server.version}\n")
    peak = max(first.peak_mb, second.peak_mb)
    calls = second.document["api_calls"] - second.document["pages"]
    table(
        ["figure", "target", "measured", "kept"],
        [
            ["first load, s", "", f"{first.seconds:,.0f}", "yes"],
            ["its last tenth of pages against the first", "at most 1.3", f"{late:.2f}", verdict(late, 1.3)],
            [f"pull with {gone:,} files gone, all of them found gone, s", "", f"{second.seconds:,.0f}", "yes"],
            ["its sweep without waiting for the quota, s", "seconds", f"{swept:.1f}", verdict(swept, MOST_SWEEP)],
            [f"calls of the sweep; minutes at {PER_MINUTE} a minute", "", f"{calls:,}; {calls / PER_MINUTE:.1f}", ""],
            ["peak memory, MB", f"at most {MOST_MB}", f"{peak:.1f}", verdict(peak, MOST_MB)],
            ["database, GB", "", f"{gigabytes:.1f}", ""],
            ["of it totals, MB", "", f"{kept:.1f}", ""],
        ],
    )
    table(
        ["question", "the first time, s", f"median of {TIMES}, s", "kept"],
        [
            [question, f"{once:.2f}", f"{usual:.2f}", verdict(max(once, usual), MOST_ANSWER)]
            for question, once, usual in answers
        ],
    )
    say(machine())


def questions(server: Server, database: str) -> list[str]:
    """Return a question to every view of schema `report`, whole or by key, and some that people ask besides."""
    with server.connect(database) as connection:
        views = connection.execute("SELECT viewname FROM pg_views WHERE schemaname = 'report' ORDER BY 1").fetchall()
    return [
        f"SELECT * FROM report.{view}" + (f" ORDER BY {BY_KEY[view]} LIMIT 1000" if view in BY_KEY else "")
        for (view,) in views
    ] + list(QUESTIONS)


def sweep_seconds(server: Server, database: str) -> float:
    """Return the time from the last page of the second pull to its end."""
    return server.ask(
        database,
        """
        SELECT extract(epoch FROM p.finished_at - max(g.committed_at)) FROM syncer.pull p
        JOIN syncer.page g USING (source, pull_id) GROUP BY p.pull_id, p.finished_at ORDER BY p.pull_id DESC LIMIT 1
        """,
    )


def asked(server: Server, database: str, question: str) -> tuple[float, float]:
    """Return how long the answer to a question in SQL took, as `answered_in` does."""
    with server.connect(database) as connection:
        taken = answered_in(lambda: connection.execute(question.encode()).fetchall())
    note(f"{taken[0]:8.2f} {taken[1]:8.2f} s  {question}")
    return taken


def read_in(server: Server, database: str, reading: Callable[[Connection], object]) -> tuple[float, float]:
    """Return how long one of READINGS took, as `answered_in` does."""
    with connect(server.url(database)) as connection:
        return answered_in(lambda: reading(connection))


def answered_in(ask: Callable[[], object]) -> tuple[float, float]:
    """Return how long an answer took the first time, and the median of all times, in seconds."""
    times = []
    for _ in range(TIMES):
        began = time.monotonic()
        ask()
        times.append(time.monotonic() - began)
    return times[0], middle(times)


def tell(cost: Cost) -> None:
    """Say what a pull cost as soon as it has ended."""
    note(
        f"{cost.seconds:,.0f} s, CPU {cost.client_cpu:.0f} s of the client and {cost.server_cpu:.0f} s of PostgreSQL, "
        f"{cost.wal / 1e6:,.0f} MB of WAL, peak memory {cost.peak_mb:.1f} MB"
    )


if __name__ == "__main__":
    main()
