"""Measures what many sources cost daemons: a poll when nothing is due, a claim, an evaluation of alerts.

By hand: python benchmarks/replicas.py postgresql://... [sources]
The database must be migrated and empty. The sources get a history of 300,000 runs and pulls together, but
no files.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psycopg

from syncer.alerting import Alerting
from syncer.app import App
from syncer.daemon.dispatcher import Dispatcher, prepare
from syncer.daemon.identity import Identity
from syncer.model import PullKind
from syncer.pulse import Pulse
from syncer.settings import Settings, SourceSettings, load_settings
from syncer.store import schedule
from syncer.store.database import connect

# Rows of history altogether.
ROWS = 300_000

HISTORY = """
WITH run AS (
  INSERT INTO syncer.run (source, kind, holder, started_at, finished_at, outcome, api_calls)
  SELECT source, CASE WHEN n %% 36 = 0 THEN 'full' ELSE 'recent' END, 'benchmark', at, at + interval '2 seconds',
         'complete', 1
  FROM syncer.source CROSS JOIN generate_series(%(runs)s, 1, -1) n
  CROSS JOIN LATERAL (SELECT now() - n * interval '10 minutes' AS at) t
  RETURNING source, kind, run_id, started_at, finished_at
)
INSERT INTO syncer.pull (source, kind, listing, prefix, page_size, allow_sweep, first_run, started_at, finished_at,
                         outcome, proven, settled_run, phase, pages, files, api_calls)
SELECT source, kind, 'benchmark', '', 100, false, run_id, started_at, finished_at, 'complete',
       CASE WHEN kind = 'full' THEN true END, run_id, 'done', 1, 100, 1
FROM run
"""


def settings(url: str, directory: Path, sources: int) -> Settings:
    """Return the settings of so many sources, each an account of its own."""
    config = directory / "syncer.toml"
    config.write_text(
        "".join(
            f'[[sources]]\nname = "source-{number:05}"\nsecret_id = "id-{number}"\nsecret_key = "none"\n'
            for number in range(sources)
        )
    )
    return load_settings({"SYNCER_DATABASE_URL": url, "SYNCER_WEB_ADDRESS": "off"}, config)


def timed(deed: Callable[[], object], times: int) -> str:
    """Return how long a deed takes, in milliseconds: the quickest is what a busy machine disturbs least."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        deed()
        took.append(1000 * (time.perf_counter() - began))
    return f"quickest {min(took):.1f} ms, median {statistics.median(took):.1f} ms, longest {max(took):.1f} ms"


def main(url: str, sources: int) -> None:
    """Fill the database, measure, and print a line a figure."""
    with tempfile.TemporaryDirectory() as directory:
        began = time.perf_counter()
        app = App(settings(url, Path(directory), sources))
        print(f"read the settings of {sources:,} sources: {1000 * (time.perf_counter() - began):,.0f} ms")
    names = [source.name for source in app.settings.sources]
    with connect(url) as connection:
        began = time.perf_counter()
        prepare(connection, app)
        print(f"first preparation of their rows: {1000 * (time.perf_counter() - began):,.0f} ms")
        print(f"preparation when nothing changed: {timed(lambda: prepare(connection, app), 5)}")
    with psycopg.connect(url, autocommit=True) as raw:
        raw.execute(HISTORY, {"runs": ROWS // sources})
        raw.execute("UPDATE syncer.source SET next_full_at = now() + '1 day', next_recent_at = now() + '1 day'")
        raw.execute("VACUUM ANALYZE")
    dispatcher = Dispatcher(
        lambda: app, url, Pulse(lambda: None, time.monotonic), identity=Identity(), poll_seconds=5.0,  # type: ignore[arg-type,return-value]
        leaving=lambda: False, done=lambda: None,
    )  # fmt: skip
    with connect(url) as connection:
        dispatcher.look(connection)
        print(f"a poll, nothing due: {timed(lambda: dispatcher.look(connection), 50)}")
        with psycopg.connect(url, autocommit=True) as raw:
            raw.execute("UPDATE syncer.source SET next_recent_at = now() - '1 minute'::interval")
        look = partial(schedule.due, connection, names, PullKind.RECENT, most=100)
        print(f"the facts of 100 of {sources:,} due sources: {timed(look, 20)}")
        facts = look()
        claims = iter(facts)
        print(f"a claim: {timed(lambda: schedule.claim(connection, next(claims), seconds=10), 50)}")
    alerting: Alerting = app.alerting
    for which in ("first", "again"):
        some = iter(app.settings.sources)
        evaluate = partial(evaluate_next, alerting, url, some)
        print(f"an evaluation of one source's alerts, {which}: {timed(evaluate, 50)}")


def evaluate_next(alerting: Alerting, url: str, sources: Iterator[SourceSettings]) -> None:
    """Evaluate the alerts of the next source."""
    alerting.evaluate(url, [next(sources)])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000)  # noqa: PLR2004 - the last argument
