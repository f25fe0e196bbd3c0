"""Instants as the API writes them: Beijing time (UTC+8) without a zone."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

DAY = 86_400
ZERO = "0000-00-00 00:00:00"
_BEIJING = 8 * 3600
_MINUTES = [f"{minute // 60:02}:{minute % 60:02}" for minute in range(1440)]
_SECONDS = [f":{second:02}" for second in range(60)]


@lru_cache(maxsize=1024)
def _day(days: int) -> str:
    return datetime.fromtimestamp(days * DAY, UTC).strftime("%Y-%m-%d ")


def beijing(instant: int) -> str:
    """Write UNIX seconds as the document does: `2016-11-30 10:34:33`."""
    instant += _BEIJING
    rest = instant % DAY
    return _day(instant // DAY) + _MINUTES[rest // 60] + _SECONDS[rest % 60]
