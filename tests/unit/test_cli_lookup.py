"""A lookup's answer comes in the order of the question."""

from __future__ import annotations

import json

from syncer.cli.lookup import document
from syncer.model import BackupFile
from syncer.pull.lookup import LookupResult


def test_files_by_id_come_as_they_were_asked_for_whatever_the_api_answers() -> None:
    answered = {each: BackupFile(each) for each in ("1", "2", "3")}
    found = document("default", LookupResult(files=answered), ["3", "x", "1", "2"], 0.1)
    assert [file["file_id"] for file in found["files"]] == ["3", "1", "2"]


def test_files_by_prefix_come_as_they_were_listed() -> None:
    answered = {each: BackupFile(each) for each in ("2", "3", "1")}
    found = document("default", LookupResult(files=answered), [], 0.1)
    assert [file["file_id"] for file in found["files"]] == ["2", "3", "1"]


def test_what_could_not_be_read_is_named() -> None:
    odd = BackupFile("1", extra={"tag": [1]}, unreadable=frozenset({"size_bytes", "name"}))
    (file,) = document("default", LookupResult(files={"1": odd}), ["1"], 0.1)["files"]
    assert (file["extra"], file["unreadable"]) == ({"tag": [1]}, ["name", "size_bytes"])
    assert json.dumps(file)
