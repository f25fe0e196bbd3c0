"""Ten million files, once and whole: the first load, a pull that sweeps what has gone, and how soon the views answer.

    python benchmarks/ten_million.py [FILES]

Needs some 15 GB of disk, and on two cores about an hour.
"""

from __future__ import annotations

import sys
import time

from pulls import late_against_first
from rig import Listing, Server, servers, sync
from tables import machine, note, say, table, verdict

GONE = 0.001
QUESTIONS = (
    "SELECT * FROM report.sources",
    "SELECT * FROM report.inventory_daily ORDER BY day",
    "SELECT * FROM report.expiry_calendar ORDER BY day",
    "SELECT tier, sum(size_bytes) FROM report.expiring WHERE expires_at < now() + interval '1 day' GROUP BY 1",
    "SELECT * FROM report.pulls ORDER BY pull_id DESC LIMIT 20",
    "SELECT * FROM report.changes WHERE changed_at > now() - interval '1 hour' LIMIT 1000",
    "SELECT * FROM report.backups ORDER BY source, file_id LIMIT 100",
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
            late = late_against_first(server, ours)
            gone = listing.delete(GONE)
            note("a pull that sweeps")
            second = sync(server, ours, listing)
            swept = sweep_seconds(server, ours)
            with server.connect(ours) as connection:
                connection.execute("VACUUM (ANALYZE)")
            answers = [(question, answered_in(server, ours, question)) for question in QUESTIONS]
            size = server.ask(ours, "SELECT pg_database_size(current_database())") / 1e9
    say(f"## {files:,} files, PostgreSQL {server.version}\n")
    peak = max(first.peak_mb, second.peak_mb)
    table(
        ["figure", "target", "measured", "kept"],
        [
            ["first load, s", "", f"{first.seconds:,.0f}", "yes" if first.document["files"] == files else "**no**"],
            ["its last tenth of pages against the first", "at most 1.3", f"{late:.2f}", verdict(late, 1.3)],
            [f"pull with {gone:,} files gone, s", "", f"{second.seconds:,.0f}", verdict(second.document["gone"], gone)],
            ["its sweep, questions by id included, s", "seconds", f"{swept:.1f}", verdict(swept, MOST_SWEEP)],
            ["peak memory, MB", f"at most {MOST_MB}", f"{peak:.1f}", verdict(peak, MOST_MB)],
            ["database, GB", "", f"{size:.1f}", ""],
        ],
    )
    table(
        ["question", "s", "kept"],
        [[f"`{question}`", f"{seconds:.2f}", verdict(seconds, MOST_ANSWER)] for question, seconds in answers],
    )
    say(machine())


def sweep_seconds(server: Server, database: str) -> float:
    """Return the time from the last page of the second pull to its end."""
    return server.ask(
        database,
        """
        SELECT extract(epoch FROM p.finished_at - max(g.committed_at)) FROM syncer.pull p
        JOIN syncer.page g USING (source, pull_id) GROUP BY p.pull_id, p.finished_at ORDER BY p.pull_id DESC LIMIT 1
        """,
    )


def answered_in(server: Server, database: str, question: str) -> float:
    """Return the better of three times, in seconds."""
    times = []
    with server.connect(database) as connection:
        for _ in range(3):
            began = time.monotonic()
            connection.execute(question).fetchall()
            times.append(time.monotonic() - began)
    return min(times)


if __name__ == "__main__":
    main()
