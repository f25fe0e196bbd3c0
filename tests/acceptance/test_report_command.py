"""`syncer report` as it is installed: where it writes, what it refuses, what a program gets."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from .conftest import run_inside

SYNCER = Path(sys.executable).with_name("syncer")
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(database: str, tmp_path: Path) -> Run:
    """Return a function that runs the command in an empty directory, without credentials."""
    environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "SYNCER_DATABASE_URL": database}
    here = tmp_path / "here"
    here.mkdir()

    def start(*arguments: str, umask: int = 0o022, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            [SYNCER, "report", *arguments],
            cwd=here,
            env=environ,
            stdout=stdout,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            umask=umask,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in ended.stderr
        return ended

    return start


@pytest.fixture
def run_here(run: Run, database: str, here: Path) -> Run:
    """Return a function that does the same inside this process."""
    environ = {"SYNCER_DATABASE_URL": database}
    return lambda *arguments, umask=0o022: run_inside(environ, "report", *arguments, directory=here, umask=umask)


@pytest.fixture
def here(run: Run, tmp_path: Path) -> Path:
    return tmp_path / "here"


def test_into_a_pipe_the_page_is_written_to_standard_output(run: Run, run_here: Run, here: Path) -> None:
    for ended in (run(), run_here("--output", "-")):
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.startswith('<!DOCTYPE html>\n<html lang="en">')
        assert ended.stdout.endswith("</html>\n")
        assert "Never pulled" in ended.stdout
    assert list(here.iterdir()) == []


def test_on_a_terminal_it_is_a_file_and_the_command_says_which(run: Run, here: Path) -> None:
    ours, theirs = pty.openpty()
    try:
        ended = run(stdout=theirs)
    finally:
        os.close(theirs)
        os.close(ours)
    (page,) = here.iterdir()
    assert re.fullmatch(r"syncer-report-\d{4}-\d\d-\d\d\.html", page.name)
    assert ended.stderr == f"the report is in {page.name}\n"


def test_a_page_replaces_the_old_one_whole_and_is_not_for_everybody(run_here: Run, here: Path) -> None:
    page = here / "page.html"
    page.write_text("old")
    page.chmod(0o666)
    assert run_here("--output", "page.html", "--lang", "zh").returncode == 0
    assert '<html lang="zh-CN">' in page.read_text("utf-8")
    assert page.stat().st_mode & 0o777 == 0o640
    assert run_here("--output", "page.html", umask=0o077).returncode == 0
    assert page.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in here.iterdir()] == ["page.html"]


def test_a_link_stays_a_link(run_here: Run, here: Path) -> None:
    (here / "target").mkdir()
    (here / "link.html").symlink_to("target/page.html")
    assert run_here("--output", "link.html").returncode == 0
    assert (here / "link.html").is_symlink()
    assert (here / "target" / "page.html").read_text("utf-8").startswith("<!DOCTYPE")


def test_what_is_no_regular_file_is_written_and_not_replaced(run: Run, here: Path) -> None:
    os.mkfifo(here / "pipe")
    with subprocess.Popen(["cat", here / "pipe"], stdout=subprocess.PIPE, encoding="utf-8") as reader:
        assert run("--output", "pipe").returncode == 0
        assert reader.stdout is not None
        assert reader.stdout.read().endswith("</html>\n")
    assert (here / "pipe").is_fifo()


@pytest.mark.parametrize("output", ["missing/page.html", ".", "x" * 300])
def test_a_place_that_cannot_be_written_is_a_sentence(run_here: Run, here: Path, output: str) -> None:
    ended = run_here("--output", output)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"syncer: --output {output}: ")
    assert list(here.iterdir()) == []


def test_a_failure_leaves_the_old_page(run_here: Run, here: Path, database: str) -> None:
    page = here / "page.html"
    page.write_text("old")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER VIEW report.pulls RENAME TO elsewhere")
        try:
            ended = run_here("--output", "page.html")
        finally:
            connection.execute("ALTER VIEW report.elsewhere RENAME TO pulls")
    assert ended.returncode == 5
    assert "syncer migrate" in ended.stderr
    assert [each.read_text() for each in here.iterdir()] == ["old"]


def test_tables_for_programs(run_here: Run, here: Path, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO syncer.source (source, account) VALUES ('a', 'x'), ('b', 'x')")
    found = json.loads(run_here("--format", "json", "--table", "sources").stdout)
    assert [each["source"] for each in found] == ["a", "b"]
    ended = run_here("--format", "csv", "--table", "sources", "--source", "b", "--output", "sources.csv")
    assert ended.stdout == ""
    (only,) = csv.DictReader(io.StringIO((here / "sources.csv").read_bytes().decode(), newline=""))
    assert only["source"] == "b"
    assert json.loads(run_here("--format", "json", "--table", "backups").stdout) == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--format", "csv"], "--table"),
        (["--format", "json"], "--table"),
        (["--table", "pulls"], "--format"),
        (["--source", "nobody"], "nobody"),
    ],
)
def test_mistakes_are_explained(run_here: Run, here: Path, arguments: list[str], named: str) -> None:
    ended = run_here(*arguments)
    assert ended.returncode == 2
    assert named in ended.stderr
    assert list(here.iterdir()) == []
    if "json" in arguments:
        assert json.loads(ended.stdout)["exit_code"] == 2


def test_a_reader_who_goes_early_is_no_failure(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO syncer.file (source, file_id, name, first_seen_at, changed_at, first_run) "
            "SELECT 'default', n::text, repeat('x', 90), now(), now(), 1 FROM generate_series(1, 20000) AS n"
        )
    environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "SYNCER_DATABASE_URL": database}
    command = [SYNCER, "report", "--format", "csv", "--table", "backups"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) == 0
