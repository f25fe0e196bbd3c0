"""Logs: one event a line on standard error, JSON when that is no terminal; what cannot be written is dropped.

Libraries that log by Python's own logging, its warnings, and errors that nobody expected become events too. The last
step before the line takes secrets out.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from syncer.cli.progress import aside
from syncer.words import visible

if TYPE_CHECKING:
    from syncer.settings import Settings

_LINES = frozenset({"exception", "traceback"})
_SEEN: list[Settings] = []
_REMEMBERED = 10
_OF_RICH = ("rich.console", "rich.pretty", "rich.traceback")
_NAMES = frozenset({"event", "level", "timestamp"})


def configure(settings: Settings, *, level: str | None = None) -> None:
    """Send log events of `level` (else of SYNCER_LOG_LEVEL) and above to standard error, without secrets."""
    from syncer.settings.redaction import Redaction

    terminal = sys.stderr.isatty()
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not terminal)
    structlog = _structlog(with_rich=terminal)
    number = logging.getLevelNamesMapping()[(level or settings.log_level).upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _Clean(Redaction(*_remembered(settings)), for_people=not as_json),
            structlog.processors.JSONRenderer(ensure_ascii=False)
            if as_json
            else structlog.dev.ConsoleRenderer(colors=terminal),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: _Logger(),
        cache_logger_on_first_use=False,
    )
    _take_over_from_libraries(number)
    if as_json:
        sys.excepthook = _crashed
        threading.excepthook = _thread_crashed


def _remembered(settings: Settings) -> list[Settings]:
    """Return these settings and the last ones before them: a pull that runs goes on with the secrets it began with."""
    _SEEN.append(settings)
    del _SEEN[:-_REMEMBERED]
    return _SEEN


def _structlog(*, with_rich: bool) -> Any:
    """Import structlog; without a terminal it does without rich, which it would load for its tracebacks alone."""
    blocked = [] if with_rich else [name for name in _OF_RICH if name not in sys.modules]
    for name in blocked:
        sys.modules[name] = None  # type: ignore[assignment] # Python's own way of saying that there is no such module
    try:
        import structlog
    finally:
        for name in blocked:
            del sys.modules[name]
    return structlog


class _Clean:
    """Takes secrets out of every value; for people also what could move a cursor or begin another line."""

    def __init__(self, redact: Callable[[str], str], *, for_people: bool) -> None:
        self._redact, self._for_people = redact, for_people

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for name, value in event.items():
            if name not in _NAMES:
                event[name] = self._clean(value, lines=name in _LINES)
        return event

    def _clean(self, value: object, *, lines: bool = False) -> object:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, dict):
            return {str(key): self._clean(each) for key, each in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean(each) for each in value]
        text = self._redact(value if isinstance(value, str) else repr(value))
        if not self._for_people:
            return text.encode(errors="backslashreplace").decode()
        return "\n".join(map(visible, text.split("\n"))) if lines else visible(text)


class _FromLibraries(logging.Handler):
    """Makes an event of what a library logs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record; that it cannot be formatted is the library's mistake, and ends nothing."""
        import structlog

        with suppress(Exception):
            fields: dict[str, Any] = {"logger": record.name, "message": record.getMessage()}
            if record.exc_info:
                fields["exc_info"] = record.exc_info
            structlog.get_logger(record.name).log(record.levelno, "library_message", **fields)


def _take_over_from_libraries(number: int) -> None:
    """Let libraries speak when they warn; at `debug` also of what they do, but not of the addresses they call."""
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers = [each for each in root.handlers if not isinstance(each, _FromLibraries)] + [_FromLibraries()]
    root.setLevel(logging.INFO if number <= logging.DEBUG else max(number, logging.WARNING))


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    import structlog

    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    structlog.get_logger("syncer").error("crashed", error=f"{kind.__name__}: {error}", exc_info=(kind, error, trace))


def _thread_crashed(what: threading.ExceptHookArgs) -> None:
    if what.exc_value is not None and not isinstance(what.exc_value, SystemExit):
        _crashed(what.exc_type, what.exc_value, what.exc_traceback)


class _Logger:
    """Writes finished lines. That a log has no reader, or no room, ends no process."""

    def __getattr__(self, level: str) -> Any:
        return self._write

    @staticmethod
    def _write(line: str) -> None:
        # ValueError is that of a closed stream.
        with suppress(OSError, ValueError), aside():
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()
