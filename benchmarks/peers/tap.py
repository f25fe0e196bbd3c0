"""A Singer tap, in a few lines: the listing as records on standard output, for any target."""

from __future__ import annotations

import json
import sys

from pages import pages

TEXTS = ("fileId", "name", "type", "createTime", "expireTime", "url")
NUMBERS = ("size", "duration", "status")


def tell(message: object) -> None:
    """Write one message."""
    sys.stdout.write(json.dumps(message) + "\n")


properties = {name: {"type": ["string", "null"]} for name in TEXTS} | {
    name: {"type": ["integer", "null"]} for name in NUMBERS
}
schema = {"type": "object", "properties": properties}
tell({"type": "SCHEMA", "stream": "file", "key_properties": ["fileId"], "schema": schema})
for page in pages():
    for entry in page:
        tell({"type": "RECORD", "stream": "file", "record": entry})
tell({"type": "STATE", "value": {}})
