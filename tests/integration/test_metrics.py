"""The metrics of a real database: they agree with the views, and what is wrong with one part spoils no other."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from syncer.cli.main import main
from syncer.metering import Metering, expose
from syncer.metrics import reading, samples
from syncer.metrics.catalogue import COLLECTOR_UP, FAMILIES
from syncer.metrics.reading import PARTS, Facts, Part
from syncer.pulse import Pulse
from syncer.settings import load_settings
from syncer.simulator import Behaviour, Faults, World, coded
from syncer.store import leases
from syncer.store import metrics as store
from syncer.store.database import Connection, connect, rows

from .conftest import Rig

Simulated = Callable[..., Rig]
Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def values(text: bytes) -> Values:
    """Return every sample by its name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse(text.decode())
        for sample in family.samples
    }


def of(found: Values, name: str, **labels: str) -> float | None:
    return found.get((f"syncer_{name}", tuple(sorted(labels.items()))))


def scrape(rig: Rig) -> Values:
    return values(expose(rig.database, load_settings(rig.environ)))


def test_after_a_pull_they_agree_with_the_views(simulated: Simulated) -> None:
    world = World(120)
    rig = simulated({"page_size": "50"}, world=world, faults=Faults({2: coded(6000)}))
    world.delete(world.ids()[0])
    before = scrape(rig)
    assert of(before, "pulls_total", source="default", kind="full", outcome="complete") == 0
    assert of(before, "last_proven_pull_timestamp_seconds", source="default") is None
    rig.sync()
    world.delete(world.ids()[5])
    rig.sync()
    found = scrape(rig)
    (stand,) = rig.rows(
        "SELECT extract(epoch FROM proven_started_at)::float8 AS proven, present_files, present_bytes, overdue_files,"
        " extract(epoch FROM known_until)::float8 AS known FROM report.sources"
    )
    assert of(found, "last_proven_pull_timestamp_seconds", source="default") == stand["proven"]
    assert of(found, "known_until_timestamp_seconds", source="default") == stand["known"]
    assert of(found, "pull_running", source="default", kind="full") == 0
    for row in rig.rows(
        "SELECT state, count(*) AS files, sum(size_bytes)::float8 AS bytes FROM report.backups GROUP BY 1"
    ):
        assert of(found, "files", source="default", state=row["state"]) == row["files"]
        assert of(found, "bytes", source="default", state=row["state"]) == row["bytes"]
    for days in (1, 3, 7, 14, 30):
        (row,) = rig.rows(
            "SELECT count(*) AS files FROM report.backups"
            " WHERE state = 'live' AND expires_at <= now() + %s * interval '1 day'",
            days,
        )
        assert of(found, "expiring_files", source="default", within=f"{days}d") == row["files"]
    assert of(found, "expiring_files", source="default", within="+Inf") == of(
        found, "files", source="default", state="live"
    )
    assert of(found, "pulls_total", source="default", kind="full", outcome="complete") == 2
    assert of(found, "api_calls_total", source="default", code="6000") == 1
    assert of(found, "rows_total", source="default", kind="full", fate="gone") == 1
    assert of(found, "alerts", source="default", rule="vanished", severity="critical", state="open") == 1
    assert of(found, "last_pull_end_timestamp_seconds", source="default", kind="full", outcome="complete") == (
        pytest.approx(time.time(), abs=300)  # noqa: TID251 - the wall's clock is the point
    )
    assert all(of(found, "metrics_collector_up", collector=part.name) == 1 for part in PARTS)


def test_promtool_and_both_parsers_take_them(simulated: Simulated) -> None:
    rig = simulated({"page_size": "10"}, world=World(40), behaviour=Behaviour(context_pages=2))
    rig.sync()
    pulse = Pulse(lambda: datetime.now(UTC), time.monotonic)  # noqa: TID251 - as the daemon has it
    pulse.scheduler_beat()
    pulse.database_answered()
    metering = Metering(lambda: load_settings(rig.environ), rig.database, pulse)
    text, plain = metering.scrape()
    opened, content_type = metering.scrape("application/openmetrics-text; version=1.0.0")
    assert plain.startswith("text/plain")
    assert content_type.startswith("application/openmetrics-text")
    names = {family.name for family in parse_openmetrics(opened.decode())}
    assert "syncer_context_death_age_seconds" in names
    assert {"process_resident_memory_bytes", "syncer_scheduler_heartbeat_timestamp_seconds"} <= names
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not on this machine")
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_every_metric_of_the_catalogue_is_served(simulated: Simulated, database: str) -> None:
    rig = simulated({"page_size": "10"}, world=World(40), behaviour=Behaviour(context_pages=2))
    rig.sync()
    with connect(database) as connection:
        rows(connection, "UPDATE syncer.source SET next_full_at = now(), next_recent_at = now()")
    pulse = Pulse(lambda: datetime.now(UTC), time.monotonic)  # noqa: TID251 - as the daemon has it
    pulse.scheduler_beat()
    pulse.database_answered()
    found = {name for name, _ in values(Metering(lambda: load_settings(rig.environ), database, pulse)())}
    expected = {each.name + "_count" * (each.type == "histogram") for each in FAMILIES}
    # A forecast and a proof need pulls of their own; other tests have them.
    assert expected - found <= {
        "syncer_pull_forecast_end_timestamp_seconds",
        "syncer_outbox_oldest_timestamp_seconds",
        "syncer_last_proven_pull_timestamp_seconds",
        "syncer_known_until_timestamp_seconds",
        "syncer_alerts",
    }


def test_a_running_pull_is_shown_with_its_forecast(simulated: Simulated) -> None:
    rig = simulated({"page_size": "10"}, world=World(60))
    rig.sync()
    seen: list[Values] = []
    rig.sync(on_page=lambda _: seen.append(scrape(rig)))
    running = seen[3]
    assert of(running, "pull_running", source="default", kind="full") == 1
    forecast = of(running, "pull_forecast_end_timestamp_seconds", source="default")
    assert forecast is not None
    assert forecast > time.time() - 60  # noqa: TID251 - the wall's clock is the point
    assert of(running, "pages_total", source="default", kind="full") == 10


def test_odd_rows_break_nothing(simulated: Simulated) -> None:
    rig = simulated({"page_size": "10"}, world=World(20))
    rig.sync()
    with connect(rig.database) as connection:
        rows(connection, "UPDATE syncer.file SET expires_at = 'infinity', size_bytes = 9223372036854775807")
        rows(connection, "UPDATE syncer.source SET next_full_at = '-infinity', next_recent_at = 'infinity'")
        rows(connection, "UPDATE syncer.pull SET started_at = '4713-01-01 BC'")
        rows(connection, "INSERT INTO syncer.source (source, account) VALUES (E'odd \"\\n\\\\ name', 'a')")
    found = scrape(rig)
    assert all(of(found, "metrics_collector_up", collector=part.name) == 1 for part in PARTS)
    assert of(found, "next_pull_timestamp_seconds", source="default", kind="recent") == float("inf")
    assert of(found, "bytes", source="default", state="live") == pytest.approx(20 * 2.0**63)
    assert "odd" not in str(found), "a source that the settings do not name is not shown"


class Broken:
    """Facts with a part that fails, between two that do not."""

    def __init__(self, database: str, read: Callable[[Connection], Any]) -> None:
        self.opened = 0
        self._database = database
        nothing = Part("before", lambda _: [], samples.alerts)
        broken = Part("broken", read, samples.alerts)
        self.facts = Facts(self._open, time.monotonic, (nothing, broken, PARTS[0]))

    def _open(self) -> AbstractContextManager[Connection]:
        self.opened += 1
        return connect(self._database)

    def up(self) -> dict[str, float]:
        return {
            sample.labels[0]: float(str(sample.value))
            for sample in self.facts.samples(["default"])
            if sample.family is COLLECTOR_UP
        }


def test_a_part_that_fails_leaves_the_others(database: str) -> None:
    broken = Broken(database, lambda connection: rows(connection, "SELECT no_such_column").all())
    assert broken.up() == {"before": 1, "broken": 0, "sources": 1}


def test_a_part_that_never_ends_is_given_up(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "STATEMENT_SECONDS", 0.3)
    broken = Broken(database, lambda connection: rows(connection, "SELECT pg_sleep(60)").all())
    began = time.monotonic()
    assert broken.up() == {"before": 1, "broken": 0, "sources": 1}
    assert time.monotonic() - began < 30


def test_a_part_whose_facts_make_no_sense_leaves_the_others(database: str) -> None:
    class Odd:
        source = "default"

    broken = Broken(database, lambda _: [Odd()])
    assert broken.up() == {"before": 1, "broken": 0, "sources": 1}


def test_facts_are_kept_for_a_while_and_then_read_anew(database: str) -> None:
    now = 0.0
    asked: list[float] = []

    def read(_: Connection) -> list[Any]:
        asked.append(now)
        return []

    facts = Facts(lambda: connect(database), lambda: now, (Part("one", read, samples.alerts),))
    for now in (0.0, 1.0, 4.9, 5.0, 9.0, 10.1):  # noqa: B007 - the clock
        list(facts.samples([]))
    assert asked == [0.0, 5.0, 10.1]


def test_a_database_that_is_away_is_told_and_the_process_still_speaks(simulated: Simulated) -> None:
    rig = simulated(world=World(1))
    settings = load_settings(rig.environ)
    for url in (None, "postgresql://nobody@127.0.0.1:1/none"):
        found = values(expose(url, settings))
        assert all(of(found, "metrics_collector_up", collector=part.name) == 0 for part in PARTS)
        assert of(found, "quota_calls_per_minute", source="default") == 0
        assert not [name for name, _ in found if name == "syncer_pulls_total"], "unknown is not zero"


def run(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], *arguments: str) -> object:
    """Run `syncer metrics`; return its exit code."""
    with monkeypatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["syncer", "metrics", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    return ended.value.code


def test_the_command_prints_them(
    simulated: Simulated, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = simulated(world=World(5))
    rig.sync()
    capsys.readouterr()
    assert run(monkeypatch, rig.environ) == 0
    found = values(capsys.readouterr().out.encode())
    assert of(found, "files", source="default", state="live") == 5
    assert not [name for name, _ in found if name.startswith("process_")], "a process that ends at once is no news"


def test_the_command_replaces_a_file_in_one_step_and_says_so_when_the_database_is_away(
    simulated: Simulated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = simulated(world=World(5))
    (directory := tmp_path / "textfiles").mkdir()
    file = directory / "syncer.prom"
    assert run(monkeypatch, rig.environ, "--output", str(file)) == 0
    assert of(values(file.read_bytes()), "metrics_collector_up", collector="files") == 1
    away = rig.environ | {"SYNCER_DATABASE_URL": "postgresql://nobody:secret-word@127.0.0.1:1/none"}
    assert run(monkeypatch, away, "--output", str(file)) == 5
    assert of(values(file.read_bytes()), "metrics_collector_up", collector="files") == 0
    assert file.stat().st_mode & 0o777 == 0o644
    assert [each.name for each in directory.iterdir()] == ["syncer.prom"], "nothing is left beside it"
    assert run(monkeypatch, rig.environ, "--output", str(tmp_path / "no" / "such")) == 1
    told = capsys.readouterr()
    assert "cannot be written" in told.err
    assert "secret-word" not in told.out + told.err


def test_how_sources_stand_costs_the_same_after_years_of_pulls(database: str) -> None:
    with connect(database) as connection:
        leases.ensure_source(connection, "default", account="a", prefix="")
        rows(
            connection,
            "INSERT INTO syncer.pull (source, kind, listing, prefix, page_size, allow_sweep, first_run, started_at,"
            " finished_at, outcome, proven, settled_run, phase)"
            " SELECT 'default', CASE WHEN n %% 200 = 0 THEN 'full' ELSE 'recent' END, 'l', '', 100, false, n,"
            " now() - (6000 - n) * interval '10 minutes', now() - (6000 - n) * interval '10 minutes', 'complete',"
            " CASE WHEN n %% 200 = 0 THEN true END, n, 'done' FROM generate_series(1, 5999) n",
        )
        rows(connection, "VACUUM ANALYZE")  # what other tests left behind them would be read too
        (stand,) = store.standings(connection)
        assert stand.known_until is not None
        assert stand.known_until > (stand.proven_at or 0)
        (plan,) = rows(connection, f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {store._STANDINGS}").scalar_one()
        assert plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] < 400
