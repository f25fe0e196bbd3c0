"""A hundred rounds of the kill campaign; `make campaign` plays a thousand."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from campaign.commands import COMMANDS, NOT_PLAYED
from campaign.copies import Copy, must_be_whole
from campaign.databases import Database
from campaign.invariants import GUARANTEES, Broken
from campaign.kills import Campaign, parts
from campaign.stage import Part
from campaign.tally import Tally
from syncer.cli.main import app
from syncer.store import leases, transfer
from syncer.store.database import connect


def test_rounds_are_played_in_worlds_each_of_which_can_be_played_again() -> None:
    assert [(each.world, each.rounds) for each in parts(100, seed=3)] == [(1, 40), (2, 40), (3, 20)]
    again = Part(3, 2, 40, blow="disk full", command="sync").again
    assert again == "python -m campaign.kills --seed 3 --worlds 2 --blow 'disk full' --command 'sync'"


def test_figures_of_lanes_add_up() -> None:
    total = Tally(rounds=1, calls=5, exits=Counter({0: 2, -9: 1}))
    total.add(Tally(rounds=2, calls=1_000, exits=Counter({0: 1}), broken=["it"]))
    table = total.table("3", lanes=2, minutes=1.25)
    assert f"| 3 | 3 | 2 | {len(GUARANTEES) + 1} | 1 | 0 | 1,005 | 0 | 1.2 |" in table
    assert "| 0 | 3 |\n| -9 | 1 |" in table


def test_every_command_is_played_but_for_those_that_are_named_with_a_reason() -> None:
    listed = set(_names(get_command(app)))
    assert listed == {command.name for command in COMMANDS} | NOT_PLAYED.keys()
    assert all(NOT_PLAYED.values())


def _names(group: Any) -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from (f"{name} {inner}" for inner in _names(command))
        else:
            yield name


def test_half_an_import_is_found_out(campaign_database: Database, tmp_path: Path) -> None:
    copy = Copy(campaign_database, tmp_path / "exported.gz")
    campaign_database.clear()
    with connect(campaign_database.url) as connection:
        leases.ensure_source(connection, "s", account="a", prefix="")
        with gzip.open(copy.file, "wb") as file:
            transfer.write(connection, file, version="0")
    copy.check()
    with connect(campaign_database.url) as connection, gzip.open(copy.file) as file:
        transfer.read(connection, file)
    with campaign_database.connect() as half:
        half.execute("DELETE FROM syncer.lease")
    with pytest.raises(Broken, match="an_import_is_whole_or_nothing"):
        copy.check()


@pytest.mark.parametrize(
    ("name", "whole", "half"),
    [
        ("new.gz", gzip.compress(b'{}\n{"rows": {}}\n', mtime=0), gzip.compress(b"{}\n", mtime=0)),
        ("new.gz", gzip.compress(b'{"rows": {}}\n', mtime=0), gzip.compress(b'{"rows": {}}\n', mtime=0)[:-9]),
        ("new.html", b"<html></html>\n", b"<html>\n"),
        ("new.prom", b"a 1\n", b"a"),
    ],
)
def test_half_a_file_is_found_out(tmp_path: Path, name: str, whole: bytes, half: bytes) -> None:
    file = tmp_path / name
    must_be_whole(file, done=False)
    file.write_bytes(whole)
    must_be_whole(file, done=True)
    with pytest.raises(Broken, match="not there"):
        must_be_whole(file, done=True)
    file.write_bytes(half)
    with pytest.raises(Broken, match="a_file_is_written_whole"):
        must_be_whole(file, done=False)


@pytest.mark.timeout(3600)
def test_a_hundred_rounds_break_nothing() -> None:
    # two lanes that take equally long; in the third world the database is syncer's own
    tally = Campaign([Part(3, 3, 22), Part(3, 2, 54), Part(3, 1, 24)], lanes=2).play()
    assert (tally.rounds, tally.broken) == (100, [])
