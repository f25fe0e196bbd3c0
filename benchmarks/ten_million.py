"""Ten million files, once and whole: the first load, a pull that sweeps what has gone, and how soon the views answer.

    python benchmarks/ten_million.py [FILES]

Needs some 15 GB of disk, and on two cores about an hour. The quota counts and never waits here: at 100 calls a minute
the pull is bound by its calls, and so is its sweep, which asks for what is missing by id.
"""

from __future__ import annotations

import sys
import time

from listing import Listing
from rig import Server, expect, servers, sync
from state import database_size, late_against_first
from tables import machine, middle, note, say, table, verdict

GONE = 0.001
PER_MINUTE = 100
TIMES = 3
# Views of a row per file, page, change or run: an operator reads a piece of them, by the key they are kept by.
BY_KEY = {
    "alert_files": "source, alert_id, file_id",
    "backups": "source, file_id",
    "changes": "source, changed_at, file_id, field",
    "expiring": "source, expires_at",
    "pages": "source, pull_id, generation, part, page",
    "rejected": "source, rejected_at",
    "runs": "source, run_id",
}
QUESTIONS = (
    "SELECT tier, sum(size_bytes) FROM report.expiring WHERE expires_at < now() + interval '1 day' GROUP BY 1",
    "SELECT * FROM report.changes WHERE changed_at > now() - interval '1 hour' LIMIT 1000",
    "SELECT * FROM report.alert_files WHERE source = 'default' AND alert_id = 1 LIMIT 1000",
    "SELECT state, count(*) FROM report.backups WHERE source = 'default' AND gone_at IS NOT NULL GROUP BY state",
)
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
            gone = listing.delete(GONE)
            note("a pull that sweeps")
            second = sync(server, ours, listing)
            left = files - gone
            expect(second.document, outcome="complete", verdict="proven", files=left, unchanged=left, gone=gone)
            swept = sweep_seconds(server, ours)
            with server.connect(ours) as connection:
                connection.execute("VACUUM (ANALYZE)")
            note("the views")
            answers = [(question, *answered_in(server, ours, question)) for question in questions(server, ours)]
            gigabytes = database_size(server, ours) / 1e9
    say(f"## {files:,} files, PostgreSQL {server.version}\n")
    peak = max(first.peak_mb, second.peak_mb)
    asked = second.document["api_calls"] - second.document["pages"]
    table(
        ["figure", "target", "measured", "kept"],
        [
            ["first load, s", "", f"{first.seconds:,.0f}", "yes"],
            ["its last tenth of pages against the first", "at most 1.3", f"{late:.2f}", verdict(late, 1.3)],
            [f"pull with {gone:,} files gone, all of them found gone, s", "", f"{second.seconds:,.0f}", "yes"],
            ["its sweep without waiting for the quota, s", "seconds", f"{swept:.1f}", verdict(swept, MOST_SWEEP)],
            [f"calls of the sweep; minutes at {PER_MINUTE} a minute", "", f"{asked:,}; {asked / PER_MINUTE:.1f}", ""],
            ["peak memory, MB", f"at most {MOST_MB}", f"{peak:.1f}", verdict(peak, MOST_MB)],
            ["database, GB", "", f"{gigabytes:.1f}", ""],
        ],
    )
    table(
        ["question", "the first time, s", f"median of {TIMES}, s", "kept"],
        [
            [f"`{question}`", f"{once:.2f}", f"{usual:.2f}", verdict(max(once, usual), MOST_ANSWER)]
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


def answered_in(server: Server, database: str, question: str) -> tuple[float, float]:
    """Return how long an answer took the first time, and the median of all times, in seconds."""
    times = []
    with server.connect(database) as connection:
        for _ in range(TIMES):
            began = time.monotonic()
            connection.execute(question.encode()).fetchall()
            times.append(time.monotonic() - began)
    return times[0], middle(times)


if __name__ == "__main__":
    main()
