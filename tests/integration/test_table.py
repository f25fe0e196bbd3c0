"""From an entry on the wire to a row of report.*: what is kept, what is changed, what is put aside."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from syncer.simulator import World

from .conftest import Rig

Simulated = Callable[..., Rig]
ENTRY: Mapping[str, Any] = {
    "fileId": "9031868222808082655",
    "name": "6000_3dS-wEDrQl8_2016-11-30-10-32-51_2016-11-30-10-34-31",
    "size": "7865592",
    "type": "mp4",
    "duration": 35,
    "status": 2,
    "createTime": "2016-11-30 10:34:33",
    "expireTime": "2036-12-30 10:34:33",
    "url": "http://1000.vod2.myqcloud.com/vodgzp/9031868222808082655/0.mp4",
}


class OneFile:
    """A listing of one entry, sent as its JSON text says."""

    def __init__(self, simulated: Simulated, **changes: Any) -> None:
        self.rig = simulated(world=World(0))
        self.world = self.rig.simulator.world
        self.world.add(file_id=ENTRY["fileId"], raw=self._text(changes))

    @staticmethod
    def _text(changes: Mapping[str, Any]) -> str:
        return json.dumps({name: value for name, value in {**ENTRY, **changes}.items() if value is not ...})

    def sends(self, **changes: Any) -> None:
        self.world.change(ENTRY["fileId"], raw=self._text(changes))

    def sync(self) -> dict[str, Any]:
        assert self.rig.sync().outcome == "complete"
        return self.rig.backups()[ENTRY["fileId"]]

    def changes(self) -> dict[str, tuple[str | None, str | None]]:
        found = self.rig.rows("SELECT field, old_value, new_value FROM report.changes")
        return {row["field"]: (row["old_value"], row["new_value"]) for row in found}


def test_every_field_of_the_document_arrives_with_its_type(simulated: Simulated) -> None:
    row = OneFile(simulated).sync()
    assert row["created_at"] == datetime(2016, 11, 30, 2, 34, 33, tzinfo=UTC)
    assert row["expires_at"] == datetime(2036, 12, 30, 2, 34, 33, tzinfo=UTC)
    assert {name: row[name] for name in ("name", "size_bytes", "file_type", "duration_seconds", "status", "url")} == {
        "name": ENTRY["name"],
        "size_bytes": 7865592,
        "file_type": "mp4",
        "duration_seconds": 35,
        "status": 2,
        "url": ENTRY["url"],
    }
    assert (row["created_raw"], row["expires_raw"]) == (ENTRY["createTime"], ENTRY["expireTime"])
    assert (row["state"], row["extra"], row["source"]) == ("live", None, "default")


@pytest.mark.parametrize("size", [0, 2**53 + 1, 2**63 - 1])
def test_sizes_are_exact_to_the_last_byte(simulated: Simulated, size: int) -> None:
    assert OneFile(simulated, size=size).sync()["size_bytes"] == size


def test_unknown_fields_are_kept_as_they_came(simulated: Simulated) -> None:
    extra = {"storageClass": "cold", "tags": ["a", None, {"b": 1.5}], "big": 2**70}
    file = OneFile(simulated, **extra)
    assert file.sync()["extra"] == extra
    file.sync()
    assert file.changes() == {}
    file.sends(storageClass="deep")
    assert file.sync()["extra"] == {"storageClass": "deep"}
    assert file.changes().keys() == {"extra"}


def test_a_field_that_cannot_be_read_keeps_what_was_known_and_the_entry_is_put_aside(simulated: Simulated) -> None:
    file = OneFile(simulated)
    file.sync()
    file.sends(size="12,345", expireTime="2016-12-30 10:34:33,", name={"a": 1})
    row = file.sync()
    assert (row["size_bytes"], row["name"], row["expires_raw"]) == (
        7865592,
        ENTRY["name"],
        "2016-12-30 10:34:33,",
    )
    assert row["expires_at"] == datetime(2036, 12, 30, 2, 34, 33, tzinfo=UTC)
    rejected = file.rig.rows("SELECT * FROM report.rejected")
    assert {each["file_id"] for each in rejected} == {ENTRY["fileId"]}
    assert json.loads(rejected[0]["raw"])["size"] == "12,345"
    assert "size" in " ".join(each["reason"] for each in rejected)


def test_a_field_that_is_absent_or_null_is_forgotten_and_that_is_a_change(simulated: Simulated) -> None:
    file = OneFile(simulated)
    file.sync()
    file.sends(duration=None, type=..., size="")
    row = file.sync()
    assert (row["duration_seconds"], row["file_type"], row["size_bytes"]) == (None, None, None)
    assert file.changes() == {
        "duration_seconds": ("35", None),
        "file_type": ("mp4", None),
        "size_bytes": ("7865592", None),
    }


def test_a_rejected_entry_is_kept_once_with_its_raw_text(simulated: Simulated) -> None:
    raw = '{"fileId": null, "name": "no id \\u0000 \\ud83d"}'
    rig = simulated(world=World(3))
    rig.simulator.world.add(file_id="odd", raw=raw, fields={"fileId": None})
    for _ in range(3):
        result = rig.sync()
        assert (result.outcome, result.totals["rejected"]) == ("complete", 1)
    (row,) = rig.rows("SELECT * FROM report.rejected")
    assert (row["file_id"], row["page"], row["position"]) == (None, 1, 0)
    assert "no id" in row["raw"]
    first = min(each["pull_id"] for each in rig.rows("SELECT pull_id FROM report.pulls"))
    assert row["pull_id"] == first
    assert len(rig.backups()) == 3


def test_changes_tell_which_pull_saw_what(simulated: Simulated) -> None:
    file = OneFile(simulated)
    before = file.sync()
    file.sends(name="renamed", expireTime="2037-01-01 00:00:00")
    result = file.rig.sync()
    row = file.rig.backups()[ENTRY["fileId"]]
    assert (result.totals["updated"], result.totals["inserted"]) == (1, 0)
    changes = file.rig.rows("SELECT * FROM report.changes ORDER BY field")
    assert [each["field"] for each in changes] == ["expires_at", "expires_raw", "name"]
    assert {(each["pull_id"], each["kind"]) for each in changes} == {(result.pull_id, "full")}
    assert changes[2]["old_value"] == ENTRY["name"]
    assert row["changed_at"] > before["changed_at"]
    assert row["first_seen_at"] == before["first_seen_at"]


def test_an_unchanged_file_keeps_its_row_to_the_bit(simulated: Simulated) -> None:
    file = OneFile(simulated)
    file.sync()
    before = file.rig.rows("SELECT ctid::text, xmin::text, f.* FROM syncer.file f")
    file.sync()
    file.rig.sync("recent")
    assert file.rig.rows("SELECT ctid::text, xmin::text, f.* FROM syncer.file f") == before


def test_an_id_listed_twice_on_a_page_is_one_file_and_the_last_wins(simulated: Simulated) -> None:
    rig = simulated(world=World(0))
    for number, name in enumerate(("first", "second")):
        raw = json.dumps({**ENTRY, "name": name})
        rig.simulator.world.add(file_id=f"twin-{number}", created=rig.simulator.world.now() - number, raw=raw)
    assert rig.sync().outcome == "complete"
    assert len(rig.backups()) == 1
    # newest first: the older entry comes last
    assert rig.backups()[ENTRY["fileId"]]["name"] == "second"


def test_names_with_percent_signs_braces_and_quotes_arrive_as_they_are(simulated: Simulated) -> None:
    name = "100%s %(source)s {c} ' \" \\ ; DROP TABLE 备份 😀 \x1b[31m"
    assert OneFile(simulated, name=name).sync()["name"] == name


def test_files_without_a_readable_time_are_live(simulated: Simulated) -> None:
    row = OneFile(simulated, createTime="0000-00-00 00:00:00", expireTime="").sync()
    assert (row["created_at"], row["expires_at"], row["state"]) == (None, None, "live")
