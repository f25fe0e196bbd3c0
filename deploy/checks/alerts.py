"""Every alert rule fires in a real Prometheus that scrapes real daemons, whose API is broken in every way in turn."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import yaml

from checks.outcome import SYNCER, Failed, check, expect, tool
from checks.prometheus import FOLDER, rules
from syncer.postgres.server import EmbeddedPostgres

_PATIENCE = 240.0
# A heart that beats once, and a version of another day: what no fault of the API brings about.
_ODD_DAEMON = """
import importlib.metadata, sys
from syncer.cli.main import main
from syncer.pulse import Pulse
beat, beaten = Pulse.scheduler_beat, []
Pulse.scheduler_beat = lambda self: beaten or beaten.append(beat(self))
version = importlib.metadata.version
importlib.metadata.version = lambda name: "0.0.1" if name == "syncer" else version(name)
sys.argv = ["syncer", "daemon"]
main()
"""


class _Stage:
    """A simulator in place of the API, a database, daemons, and a Prometheus that looks every second."""

    def __init__(self, folder: Path, server: EmbeddedPostgres, stack: ExitStack) -> None:
        from syncer.simulator import Simulator, World

        self.folder, self.server, self.database, self._stack = folder, server, server.url, stack
        self.simulator = Simulator(World(files=1500))
        self.simulator.up()
        stack.callback(self.simulator.down)
        self.pages: list[int] = [_free_port() for _ in range(2)]
        self._address = f"http://127.0.0.1:{_free_port()}"
        self.fired: set[str] = set()

    def settings(self, name: str, page: int) -> Path:
        """Write the settings of a daemon: one source that works, one whose API nobody serves."""
        from syncer.simulator import SECRET_ID, SECRET_KEY

        file = self.folder / f"{name}.toml"
        file.write_text(
            f'database_url = "{self.database}"\nweb_address = "127.0.0.1:{page}"\nlog_level = "error"\n'
            f'secret_id = "{SECRET_ID}"\nsecret_key = "{SECRET_KEY}"\nquota_account = "check"\n'
            'calls_per_minute = 0\nretry_for = "1s"\nrequest_timeout = "2s"\nnotify = "webhook+http://127.0.0.1:9/"\n'
            f'[[sources]]\nname = "works"\napi_url = "{self.simulator.url}"\n'
            '[[sources]]\nname = "never"\napi_url = "http://127.0.0.1:9/"\nprefix = "x"\n'
        )
        return file

    def start(self, name: str, *command: object, config: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a process that ends with the stage; what it says goes to a file."""
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "SYNCER_DATA_DIR": str(self.folder)}
        if config is not None:
            environ["SYNCER_CONFIG"] = str(config)
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen([str(word) for word in command], env=environ, stdout=log, stderr=log)
        self._stack.callback(_end, process)
        return process

    def prometheus(self) -> None:
        """Start Prometheus on the rules as they are, but for the time that they wait (`for`)."""
        shortened = yaml.safe_load((FOLDER / "rules" / "syncer.yml").read_text())
        for rule in shortened["groups"][0]["rules"]:
            rule["for"] = "2s"
        (self.folder / "rules.yml").write_text(yaml.safe_dump(shortened))
        targets = [f"127.0.0.1:{page}" for page in self.pages]
        scrape = {"job_name": "syncer", "static_configs": [{"targets": [*targets, "127.0.0.1:9"]}]}
        document = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "scrape_configs": [scrape],
        }
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(document))
        program = tool("prometheus", "apt-get install prometheus")
        self.start(
            "prometheus",
            program,
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'tsdb'}",
            f"--web.listen-address={self._address.removeprefix('http://')}",
        )

    def ask(self, path: str, **query: str) -> Any:
        """Ask Prometheus; None while it does not answer."""
        try:
            asked = f"{self._address}{path}?{urllib.parse.urlencode(query)}"
            with urllib.request.urlopen(asked, timeout=5) as answer:  # noqa: S310 - our own
                return json.load(answer)["data"]
        except OSError:
            return None

    def look(self) -> set[str]:
        """Note which rules fire now, and return all that have."""
        found = self.ask("/api/v1/alerts")
        for alert in found["alerts"] if found else ():
            if alert["state"] == "firing":
                self.fired.add(alert["labels"]["alertname"])
        return self.fired

    def until(self, *names: str, pulling: bool = False) -> None:
        """Wait until the rules have fired, and meanwhile pull again and again if so wished."""
        deadline = time.monotonic() + _PATIENCE
        while not set(names) <= self.look():
            if time.monotonic() > deadline:
                logs = "\n".join(log.read_text(errors="replace")[-1000:] for log in self.folder.glob("*.log"))
                missing = sorted(set(names) - self.fired)
                raise Failed(f"{missing} did not fire within {_PATIENCE:g} s; fired: {sorted(self.fired)}\n{logs}")
            if pulling:
                self._pull()
            time.sleep(1)

    def _pull(self) -> None:
        """Pull once, whatever comes of it."""
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "SYNCER_DATA_DIR": str(self.folder)}
        environ["SYNCER_CONFIG"] = str(self.folder / "first.toml")
        command = [str(SYNCER), "sync", "--source", "works"]
        subprocess.run(command, env=environ, check=False, capture_output=True, timeout=120)

    def sql(self, statement: str) -> None:
        """Change a fact in the database."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute(statement)


@check("alerts-fire", "every alert rule fires in a real Prometheus, on real daemons and a broken API", quick=False)
def _fire() -> None:
    tool("prometheus", "apt-get install prometheus")
    with _stage() as stage:
        _play(stage)
        missing = {rule["alert"] for rule in rules()} - stage.fired
        expect(not missing, f"these never fired: {sorted(missing)}")


def _play(stage: _Stage) -> None:
    from syncer.simulator.faults import always, coded, http_error

    config = stage.settings("first", stage.pages[0])
    odd = stage.settings("odd", stage.pages[1])
    daemon = stage.start("daemon", SYNCER, "daemon", config=config)
    stage.start("odd", sys.executable, "-c", _ODD_DAEMON, config=odd)
    stage.prometheus()
    # Files that expire soon, a recipient that does not answer, a target that is gone, a source that never works.
    stage.until("SyncerAlertOpen", "SyncerMessagesNotDelivered", "SyncerReplicaDown", "SyncerNeverProven")
    _let_prometheus_see_a_success(stage)
    for fault, rule in (
        (coded(70005), "SyncerListingLost"),
        (coded(4400), "SyncerQuotaRefused"),
        (http_error(503), "SyncerPullsFailing"),
        (http_error(503), "SyncerApiFailing"),
    ):
        stage.simulator.faults = always(fault)
        stage.until(rule, pulling=True)
    stage.sql("UPDATE syncer.pull SET started_at = started_at - interval '13 hours' WHERE proven")
    stage.until("SyncerDataStale", "SyncerVersionsDiffer", "SyncerSchedulerStalled")
    config.write_text(config.read_text() + "nonsense = 1\n")
    daemon.send_signal(signal.SIGHUP)
    stage.until("SyncerReloadFailed")
    stage.server.stop()
    stage.until("SyncerMetricsIncomplete", "SyncerDatabaseAway")
    _end(daemon)
    stage.until("SyncerDown")


def _let_prometheus_see_a_success(stage: _Stage) -> None:
    """Wait until what was counted before the faults is in Prometheus, for rules go by what is added."""
    deadline = time.monotonic() + _PATIENCE
    query = 'syncer_last_proven_pull_timestamp_seconds{source="works"}'
    while not (stage.ask("/api/v1/query", query=query) or {"result": []})["result"]:
        expect(time.monotonic() < deadline, "no proven pull came to Prometheus")
        time.sleep(1)


@contextmanager
def _stage() -> Iterator[_Stage]:
    from syncer.store.migrate import upgrade

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="syncer-alerts-")))
        folder.chmod(0o755)
        server = stack.enter_context(EmbeddedPostgres(folder / "postgres"))
        upgrade(server.url)
        yield _Stage(folder, server, stack)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
