"""Logs: one event a line on standard error, JSON when that is no terminal; what cannot be written is dropped."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import Any


def configure(level: str, form: str) -> None:
    """Send log events of `level` and above to standard error; `form` is auto, json or console."""
    import structlog

    as_json = form == "json" or (form == "auto" and not sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False)
            if as_json
            else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: _Logger(),
        cache_logger_on_first_use=False,
    )


class _Logger:
    """Writes finished lines. That a log has no reader, or no room, ends no process."""

    def __getattr__(self, level: str) -> Any:
        return self._write

    @staticmethod
    def _write(line: str) -> None:
        # ValueError is that of a closed stream.
        with suppress(OSError, ValueError):
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()
