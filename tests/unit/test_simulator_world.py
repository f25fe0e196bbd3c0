"""The simulated files: the same for the same seed, cheap by the million, and changed as they are told."""

from __future__ import annotations

import json
import tracemalloc
from itertools import pairwise

import pytest

from syncer.simulator import World
from syncer.simulator.entries import Entries
from syncer.simulator.odd import READABLE, UNREADABLE, add_readable, add_unreadable

NOW = 1_795_000_000
DAY = 86_400


class Clock:
    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_the_same_seed_makes_the_same_files_and_another_seed_others() -> None:
    first, again, other = World(50, seed=7, now=NOW), World(50, seed=7, now=NOW), World(50, seed=8, now=NOW)
    assert [first.file(n) for n in range(50)] == [again.file(n) for n in range(50)]
    assert [first.file(n) for n in range(50)] != [other.file(n) for n in range(50)]


def test_files_look_like_the_documents_and_rise_with_time() -> None:
    world = World(3000, now=NOW)
    files = [world.file(slot) for slot in world.view()]
    ids = [file.file_id for file in files]
    assert all(len(file_id) == 19 for file_id in ids)
    assert ids == sorted(set(ids))
    assert [file.created for file in files] == sorted(file.created for file in files)
    assert all(NOW - 30 * DAY <= file.created <= NOW for file in files)
    assert all(file.expires is not None and file.expires > NOW + 6 * 3600 - 1 for file in files)
    assert len({file.name for file in files}) == 3000
    assert 0 < sum(file.duration is None for file in files) < 600
    fields = world.fields(0)
    assert fields["url"].startswith(f"http://1000.vod2.myqcloud.com/vodgzp/{fields['fileId']}/")


def test_random_ids_have_nineteen_digits_in_no_order_and_are_found_again() -> None:
    world = World(3000, now=NOW, random_ids=True)
    ids = [world.file(slot).file_id for slot in world.view()]
    assert len(set(ids)) == 3000
    assert all(len(file_id) == 19 for file_id in ids)
    assert 1000 < sum(one < other for one, other in pairwise(ids)) < 2000
    assert [world.slot_of(file_id) for file_id in ids] == list(range(3000))
    assert [world.slot_of(unknown) for unknown in ("5", "0" + ids[0], str(int(ids[0]) + 1))] == [None] * 3


def test_a_million_files_cost_a_few_bytes_each() -> None:
    tracemalloc.start()
    world = World(1_000_000, now=NOW)
    world.file(999_999)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 6_000_000


def test_every_file_is_found_by_its_id_and_nothing_else_is() -> None:
    world = World(500, now=NOW)
    assert [world.slot_of(world.file(slot).file_id) for slot in range(500)] == list(range(500))
    for stranger in (
        "",
        "0",
        "9031868222808082654",
        "x",
        "99031868222808082655",
        "٣",
        str(int(world.file(9).file_id) + 1),
    ):
        assert world.slot_of(stranger) is None


def test_a_file_that_is_added_stands_where_its_time_says() -> None:
    world = World(100, now=NOW)
    between = world.file(40).created + 1
    old, new = world.add(created=between, name="between"), world.add()
    assert world.ids().index(old.file_id) == 41
    assert world.ids()[-1] == new.file_id
    assert world.decoded(new)["createTime"] == world.decoded(new._replace(created=NOW))["createTime"]


def test_deleting_restoring_and_changing_do_what_they_say() -> None:
    world = World(100, now=NOW)
    before = world.ids()
    world.delete(*before[10:20])
    world.delete(before[50])
    assert world.ids() == before[:10] + before[20:50] + before[51:]
    with pytest.raises(KeyError):
        world.delete(before[50])
    world.restore(*before[10:20], before[50])
    assert world.ids() == before
    world.change(before[3], name="renamed", expires=NOW + 1)
    assert world.fields(3)["name"] == "renamed"
    assert world.view("renamed").tolist() == [3]
    with pytest.raises(ValueError, match="keeps its id"):
        world.change(before[3], created=1)
    with pytest.raises(ValueError, match="already"):
        world.add(file_id=before[3])


def test_a_prefix_selects_by_name() -> None:
    world = World(400, now=NOW)
    chosen = [slot for slot in range(400) if world.file(slot).name.startswith("6003_")]
    assert world.view("6003_").tolist() == chosen
    assert 0 < len(chosen) < 400


def test_files_leave_the_listing_when_the_clock_passes_their_expiry() -> None:
    clock = Clock()
    world = World(300)
    world.begin(clock)
    expiries = {world.file(slot).file_id: world.file(slot).expires or 0 for slot in range(300)}
    added = world.add(expires=NOW + 5)
    for days in (0, 1, 10, 31, 70, 400):
        clock.now = NOW + days * DAY
        expected = [file_id for file_id in expiries if expiries[file_id] > clock.now]
        assert world.ids() == expected + ([added.file_id] if days == 0 else [])


def test_an_extended_file_stays_and_lingering_ones_stay_a_while() -> None:
    clock = Clock()
    world = World(10)
    world.begin(clock)
    world.linger = 60.0
    file_id = world.ids()[0]
    world.change(file_id, expires=NOW + 10)
    clock.now = NOW + 69
    assert file_id in world.ids()
    world.change(file_id, expires=NOW + 100)
    clock.now = NOW + 159
    assert file_id in world.ids()
    clock.now = NOW + 161
    assert file_id not in world.ids()


def test_groups_share_a_second_and_zero_times_hide_it() -> None:
    world = World(96, now=NOW, same_second=32, zero_times=True)
    assert [len({world.file(slot).created for slot in range(start, start + 32)}) for start in (0, 32, 64)] == [1, 1, 1]
    assert world.fields(0)["createTime"] is None
    entry = json.loads(Entries(world, digit_strings=False).write([0]))
    assert entry["createTime"] == entry["expireTime"] == "0000-00-00 00:00:00"


def test_entries_are_the_fields_and_digit_strings_when_asked() -> None:
    world = World(200, now=NOW)
    text = Entries(world, digit_strings=False).write(range(200)).decode()
    assert json.loads(f"[{text}]") == [world.fields(slot) for slot in range(200)]
    entry = json.loads(Entries(world, digit_strings=True).write([0]))
    assert entry["size"] == str(world.fields(0)["size"])


def test_a_change_is_not_hidden_by_what_was_written_before() -> None:
    world = World(5, now=NOW)
    entries = Entries(world, digit_strings=False)
    entries.write([0, 1])
    world.change(world.ids()[0], name='new "name"\0')
    assert json.loads(f"[{entries.write([0, 1]).decode()}]")[0]["name"] == 'new "name"\0'


def test_odd_entries_are_json_that_differs_from_what_is_held() -> None:
    world = World(0, now=NOW)
    add_readable(world)
    wire = json.loads(f"[{Entries(world, digit_strings=False).write(world.view()).decode()}]")
    held = [world.fields(slot) for slot in world.view()]
    assert len(wire) == len(held) == len(READABLE)
    assert [str(entry["fileId"]) for entry in wire] == [row["fileId"] for row in held]
    assert all(set(row) == set(World(1, now=NOW).fields(0)) for row in held)
    add_unreadable(world)
    assert len(world.view()) == len(READABLE) + len(UNREADABLE)


def test_a_world_without_a_clock_says_so() -> None:
    with pytest.raises(RuntimeError, match="no time yet"):
        World(5).file(0)
