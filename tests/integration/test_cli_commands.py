"""The commands' answers and exit codes, run inside this process; tests/acceptance runs the installed ones."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from syncer.cli.main import main
from syncer.simulator import SECRET_ID, SECRET_KEY, Simulator, World
from syncer.store.migrate import HEAD

HOSTILE = "\x1b[2J=evil\u202e\nname"


@dataclass(frozen=True)
class Ended:
    code: object
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        return [line.split("\t") for line in self.out.splitlines()]


@dataclass
class Shell:
    """Runs a command with the settings in `environ`, and no others."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    environ: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, given: str = "") -> Ended:
        with self.monkeypatch.context() as patch:
            for name, value in self.environ.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["syncer", *arguments])
            patch.setattr(sys, "stdin", io.StringIO(given))
            with pytest.raises(SystemExit) as ended:
                main()
        out, err = self.capsys.readouterr()
        assert SECRET_KEY not in out + err
        return Ended(ended.value.code, out, err)

    def among(self, environ: dict[str, str]) -> Shell:
        return Shell(self.monkeypatch, self.capsys, environ)


@pytest.fixture
def api() -> Iterator[Simulator]:
    with Simulator(World(250)) as simulator:
        yield simulator


@pytest.fixture
def bare(database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """A shell without credentials."""
    return Shell(monkeypatch, capsys, {"SYNCER_DATABASE_URL": database})


@pytest.fixture
def syncer(bare: Shell, api: Simulator) -> Shell:
    return bare.among(
        bare.environ
        | {
            "SYNCER_API_URL": api.url,
            "SYNCER_SECRET_ID": SECRET_ID,
            "SYNCER_SECRET_KEY": SECRET_KEY,
            "SYNCER_CALLS_PER_MINUTE": "0",
        }
    )


def execute(database: str, statement: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(statement)


def test_a_hostile_name_is_shown_and_kept(bare: Shell, syncer: Shell, api: Simulator, database: str) -> None:
    assert syncer("sync").code == 0
    execute(database, f"UPDATE syncer.file SET name = {_quoted(HOSTILE)}")
    piped = bare("files")
    assert {row[2] for row in piped.rows[1:]} == {"\\x1b[2J=evil\\u202e\\nname"}
    assert {row["name"] for row in bare("files", "--format", "json").document} == {HOSTILE}
    assert {row["name"] for row in csv.DictReader(io.StringIO(bare("files", "--format", "csv").out))} == {HOSTILE}
    execute(database, "UPDATE syncer.file SET name = '=cmd|'' /C calc''!A0'")
    assert {row["name"] for row in csv.DictReader(io.StringIO(bare("files", "--format", "csv").out))} == {
        "'=cmd|' /C calc'!A0"
    }


def test_files_are_chosen_by_prefix_state_source_and_expiry(bare: Shell, syncer: Shell, database: str) -> None:
    assert syncer("sync").code == 0
    execute(database, "UPDATE syncer.file SET gone_at = now(), name = '100%_x' WHERE file_id LIKE '%1'")
    gone = bare("files", "--state", "vanished", "--format", "json").document
    assert gone
    assert {row["state"] for row in gone} == {"vanished"}
    assert len(bare("files", "--state", "all", "--prefix", "100%_", "--format", "json").document) == len(gone)
    assert bare("files", "--prefix", "%", "--format", "json").document == []
    assert "No file matches" in bare("files", "--prefix", "%").err
    assert len(bare("files", "--state", "live", "--state", "vanished", "--format", "json").document) == 250
    assert bare("files", "--expiring-within", "1s", "--format", "json").document == []
    assert len(bare("files", "--source", "default", "--newest", "--limit", "2", "--format", "json").document) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["files", "--newest", "--oldest"],
        ["files", "--expiring-within", "soon"],
        ["files", "--source", "nobody"],
        ["files", "--state", "lost"],
        ["status", "--source", "nobody"],
        ["lookup"],
        ["lookup", "--file-id", "1", "--prefix", "x"],
        ["lookup", "--prefix", ""],
        ["lookup", "--file-id", "1", "--newest"],
        ["lookup", "--file-id", "-"],
        ["doctor", "--source", "nobody"],
    ],
)
def test_wrong_usage_is_2_and_a_sentence(syncer: Shell, arguments: list[str]) -> None:
    ended = syncer(*arguments)
    assert ended.code == 2
    assert ended.out + ended.err


def test_failures_are_json_documents_too(bare: Shell, empty_database: str) -> None:
    assert bare("files", "--format", "json", "--newest", "--oldest").document["exit_code"] == 2
    assert bare("lookup", "--file-id", "1", "--json").document["exit_code"] == 2
    foreign = bare.among({"SYNCER_DATABASE_URL": empty_database})
    for arguments in (["files", "--format", "json"], ["status", "--json"]):
        ended = foreign(*arguments)
        assert (ended.code, ended.document["exit_code"]) == (5, 5)
        assert "syncer migrate" in ended.document["error"]
    doctor = foreign("doctor", "--json")
    assert (doctor.code, doctor.document["exit_code"], doctor.document["result"]) == (5, 5, "failed")
    assert "syncer migrate" in doctor.document["error"]


def test_a_schema_from_the_future_is_5_and_a_sentence_for_every_command(bare: Shell, database: str) -> None:
    execute(database, "UPDATE syncer.alembic_version SET version_num = '9999'")
    try:
        for arguments in (["migrate", "--json"], ["status", "--json"]):
            ended = bare(*arguments)
            assert (ended.code, ended.document["exit_code"]) == (5, 5)
            assert "9999, which is newer than this version" in ended.document["error"]
    finally:
        execute(database, f"UPDATE syncer.alembic_version SET version_num = '{HEAD}'")


def test_a_lookup_by_id_stores_and_lists_what_is_missing(syncer: Shell, api: Simulator, bare: Shell) -> None:
    known = api.world.ids()[:3]
    document = syncer("lookup", "--file-id", "-", "--json", given="\n".join([*known, "", "nope"])).document
    assert [file["file_id"] for file in document["files"]] == known
    assert (document["missing"], document["undecided"], document["source"]) == (["nope"], [], "default")
    assert document["api_calls"] >= 1
    piped = syncer("lookup", "--file-id", known[2], "--file-id", known[0], "--file-id", "nope")
    assert piped.code == 0
    assert [row[0] for row in piped.rows[1:]] == [known[2], known[0]]
    assert "missing: nope" in piped.err
    assert len(bare("files").rows) == 4
    assert bare("status", "--json").document["sources"][0]["trust"] == "unproven"


def test_a_lookup_by_prefix_runs_newest_first_when_asked(syncer: Shell) -> None:
    oldest = syncer("lookup", "--prefix", "600", "--json").document["files"]
    newest = syncer("lookup", "--prefix", "600", "--newest", "--json").document["files"]
    assert len(oldest) == len(newest) > 100
    assert oldest[0]["created_at"] < oldest[-1]["created_at"]
    assert newest[0]["created_at"] > newest[-1]["created_at"]


def test_status_tells_sources_that_the_settings_no_longer_name(bare: Shell, database: str) -> None:
    execute(database, "INSERT INTO syncer.source (source, account) VALUES ('old-account', 'x')")
    out = bare("status").out
    assert "old-account (no longer in the settings): never pulled" in out
    assert "default: never pulled" in out
    sources = {each["source"]: each for each in bare("status", "--json").document["sources"]}
    assert (sources["old-account"]["configured"], sources["default"]["configured"]) == (False, True)
    assert bare("status", "--source", "old-account").out.startswith("old-account")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
