"""Places in lists as they stand in an address: opaque to people, checked when they come back."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime

from syncer.store.listing import Place
from syncer.web.visit import NotUnderstood


def written(place: Place | None) -> str | None:
    """Return a place as a word."""
    if place is None:
        return None
    parts = [None if place.at is None else place.at.isoformat(), place.source, place.file_id]
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")


def read(word: str) -> Place | None:
    """Return the place that a word names, None for an empty one. Raises NotUnderstood."""
    if not word:
        return None
    try:
        at, source, file_id = json.loads(base64.urlsafe_b64decode(word + "=" * (-len(word) % 4)))
        instant = None if at is None else datetime.fromisoformat(at)
        if not isinstance(source, str) or not isinstance(file_id, str) or (instant and instant.tzinfo is None):
            raise NotUnderstood
    except (ValueError, TypeError, RecursionError, binascii.Error):
        raise NotUnderstood from None
    return Place(instant, storable(source), storable(file_id))


def storable(text: str) -> str:
    """Return a text that the database can be asked for. Raises NotUnderstood for any other."""
    if any(char == "\0" or "\ud800" <= char <= "\udfff" for char in text):
        raise NotUnderstood
    return text


def number(text: str) -> int:
    """Return the number of an alert or a pull. Raises NotUnderstood."""
    if not text.isascii() or not text.isdecimal() or len(text) > 18:  # noqa: PLR2004 - digits of a bigint
        raise NotUnderstood
    return int(text)
