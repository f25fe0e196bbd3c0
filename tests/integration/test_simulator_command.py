"""The simulate command as a process: it says what to export, serves, and leaves quietly."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from syncer.simulator.scenarios import SCENARIOS

PROGRAM = "import typer; from syncer.cli.simulate import simulate; app = typer.Typer(); app.command()(simulate); app()"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-c", PROGRAM, "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert re.fullmatch(r"serving http://[\d.:]+/\S*\n", process.stderr.readline())
            yield process, process.stderr.readline()
        finally:
            if process.poll() is None:
                process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_what_to_export_and_leaves_quietly_at_a_signal(number: signal.Signals) -> None:
    with running("--files", "25", "--control") as (process, line):
        assert line.startswith("export SYNCER_API_URL="), "a line to paste"
        exports = dict(re.findall(r"(SYNCER_\w+)=(\S+)", line))
        assert exports.keys() == {
            "SYNCER_API_URL",
            "SYNCER_SECRET_ID",
            "SYNCER_SECRET_KEY",
            "SYNCER_CALLS_PER_MINUTE",
        }
        assert exports["SYNCER_CALLS_PER_MINUTE"] == "0"
        connection = http.client.HTTPConnection(urlsplit(exports["SYNCER_API_URL"]).netloc, timeout=10)
        connection.request("GET", "/_simulator/state")
        assert json.loads(connection.getresponse().read())["files"] == 25
        connection.close()
        process.send_signal(number)
        assert process.wait(10) == 0
        assert process.stdout is not None
        assert process.stderr is not None
        assert (process.stdout.read(), process.stderr.read()) == ("", "")


def test_it_plays_a_scenario_whose_first_step_has_begun() -> None:
    with running("--scenario", "maintenance", "--control") as (process, line):
        url = urlsplit(re.findall(r"SYNCER_API_URL=(\S+)", line)[0])
        connection = http.client.HTTPConnection(url.netloc, timeout=10)
        connection.request("GET", url.path)
        assert json.loads(connection.getresponse().read())["code"] == 6200
        connection.close()
        process.terminate()
        assert process.wait(10) == 0


def test_the_control_surface_is_closed_without_its_option() -> None:
    with running() as (_, line):
        url = urlsplit(re.findall(r"SYNCER_API_URL=(\S+)", line)[0])
        connection = http.client.HTTPConnection(url.netloc, timeout=10)
        connection.request("GET", "/_simulator/state")
        assert connection.getresponse().status == 404
        connection.close()


def test_it_lists_its_scenarios_and_refuses_an_unknown_one_and_a_taken_port() -> None:
    listed = run("--list-scenarios")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert [line.split()[0] for line in listed.stdout.splitlines()] == list(SCENARIOS)
    unknown = run("--scenario", "nonsense")
    assert unknown.returncode == 2
    assert "list-scenarios" in unknown.stderr
    with running() as (_, line):
        taken = run("--port", re.findall(r":(\d+)/", line)[0])
        assert taken.returncode == 2
        assert "choose another --port" in taken.stderr
