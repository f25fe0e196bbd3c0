"""Entries that try a decoder: what the API might send, beside what a perfect client makes of it."""

from __future__ import annotations

import json
from typing import Any

from syncer.simulator.times import ZERO
from syncer.simulator.world import World

ABSENT = object()
"""Stands for a field that is left out."""

READABLE: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({"size": "12,345"}, {"size": None}),
    ({"size": ""}, {"size": None}),
    ({"size": "7865592"}, {"size": 7865592}),
    ({"size": 10**30}, {"size": None}),
    ({"size": {"bytes": 5}}, {"size": None}),
    ({"duration": True}, {"duration": None}),
    ({"duration": None}, {"duration": None}),
    ({"size": ABSENT, "type": ABSENT}, {"size": None, "type": None}),
    ({"status": ABSENT, "url": None}, {"status": None, "url": None}),
    ({"fileId": "19031868222808082655"}, {"fileId": "19031868222808082655"}),
    ({"fileId": 9031868222708082655}, {"fileId": "9031868222708082655"}),
    ({"name": 60001234}, {"name": "60001234"}),
    ({"name": ""}, {"name": None}),
    ({"name": "nul \0 inside"}, {"name": "nul \0 inside"}),
    ({"name": "lone \ud83d surrogate"}, {"name": "lone \ud83d surrogate"}),
    ({"name": '备份 "quoted" \\ 😀 =1+1 <b>'}, {"name": '备份 "quoted" \\ 😀 =1+1 <b>'}),
    ({"expireTime": ""}, {"expireTime": None}),
    ({"expireTime": ZERO}, {"expireTime": None}),
    ({"expireTime": "2016-12-30 10:34:33,"}, {"expireTime": None}),
    ({"createTime": None}, {"createTime": None}),
    ({"storageClass": "cold", "tags": ["a", None, {"b": 1}]}, {}),
)
"""What differs from a usual entry on the wire, and in what a perfect client holds; the file's id can be read."""

UNREADABLE: tuple[str, ...] = (
    "null",
    '"9031868222808082655"',
    "{}",
    '{"fileId":null,"name":"no id"}',
    '{"fileId":"","name":"empty id"}',
    '{"fileId":["9031868222808082655"],"name":"a list"}',
    '{"fileId":1e30,"name":"a float"}',
)
"""Whole entries, as JSON text, of which not even the file's id can be read."""


def add_readable(world: World) -> None:
    """Add a file for each oddity of READABLE."""
    for sent, held in READABLE:
        file = world.draft(file_id=str(sent["fileId"])) if "fileId" in sent else world.draft()
        fields = world.decoded(file)
        created, expires = world.times(file)
        wire = fields | {"createTime": created, "expireTime": expires} | sent
        raw = json.dumps({name: value for name, value in wire.items() if value is not ABSENT})
        world.add(**file._asdict() | {"raw": raw, "fields": fields | held})


def add_unreadable(world: World) -> None:
    """Add an entry for each text of UNREADABLE."""
    for number, raw in enumerate(UNREADABLE):
        world.add(file_id=f"unreadable-{number}", raw=raw, fields={"fileId": None})
