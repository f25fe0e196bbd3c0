"""What a database looks like between two pulls: sizes, dead rows, the pace that a listing kept."""

from __future__ import annotations

from rig import Server


def size(server: Server, database: str, table: str = "file") -> float:
    """Return the bytes of one of syncer's tables with its indexes."""
    return server.ask(database, "SELECT pg_total_relation_size(%s::regclass)", f"syncer.{table}")


def database_size(server: Server, database: str) -> float:
    """Return the bytes of the whole database."""
    return server.ask(database, "SELECT pg_database_size(current_database())")


def dead(server: Server, database: str, *tables: str) -> float:
    """Return how many dead rows tables of this name hold, together."""
    server.ask(database, "SELECT 1 FROM pg_stat_force_next_flush()")
    return server.ask(database, "SELECT sum(n_dead_tup) FROM pg_stat_user_tables WHERE relname = ANY (%s)", [*tables])


def late_against_first(server: Server, database: str) -> float:
    """Return the time that the last tenth of the first listing's pages took against the first tenth, by the ledger.

    Means, so that a stall now and then counts.
    """
    return server.ask(
        database,
        """
        SELECT avg(took) FILTER (WHERE tenth = 10) / avg(took) FILTER (WHERE tenth = 1)
        FROM (SELECT extract(epoch FROM committed_at - lag(committed_at) OVER (ORDER BY page)) AS took,
                     ntile(10) OVER (ORDER BY page) AS tenth
              FROM syncer.page
              WHERE part = 'listing' AND pull_id = (SELECT min(pull_id) FROM syncer.page)) AS pages
        """,
    )
