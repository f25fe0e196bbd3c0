"""What the commands share: their settings, signals, JSON documents and error sentences."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import stat
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from syncer.cli.entry import interrupted, loaded
from syncer.errors import SettingsError, SyncerError

if TYPE_CHECKING:
    from syncer.app import App
    from syncer.settings import SourceSettings
    from syncer.store.database import Connection

Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="TOML file with settings (or SYNCER_CONFIG).")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
SourceName = Annotated[
    str | None, typer.Option("--source", metavar="NAME", help="Which source; needed when there are several.")
]


def make_app(config: Path | None) -> App:
    """Return the application on the settings of this process. Raises SettingsError."""
    from syncer.cli.logs import configure
    from syncer.settings import load_settings

    settings = load_settings(os.environ, config)
    configure(settings)  # before what logs is imported: structlog comes cheaper so
    from syncer.app import App

    _trace()
    loaded()
    return App(settings)


def _trace() -> None:
    """Send traces where the environment asks for them; that they cannot be sent is told, and holds nothing up."""
    from syncer import tracing

    if tracing.wanted(os.environ):
        from importlib.metadata import version

        import structlog

        try:
            tracing.start(os.environ, version("syncer"))
        except ImportError:
            structlog.get_logger("syncer").warning("tracing_unavailable", advice="install syncer with its extra: otel")


def one_source(app: App, name: str | None) -> SourceSettings:
    """Return the source that `name` means, or the only one. Raises SettingsError."""
    if name is not None:
        return app.settings.source(name)
    if len(app.settings.sources) > 1:
        known = ", ".join(source.name for source in app.settings.sources)
        raise SettingsError(f"There are several sources ({known}): name one with --source.")
    return app.settings.sources[0]


def known_source(app: App, connection: Connection, name: str | None) -> None:
    """Raise SettingsError if neither the database nor the settings know the source `name`; None is any."""
    from syncer.store.inventory import source_names

    if name is not None and name not in source_names(connection):
        app.settings.source(name)


@contextmanager
def stopping(app: App, *, hangup: bool = False) -> Iterator[None]:
    """Let SIGINT and SIGTERM ask for a stop at the next page; a second one ends the process at once.

    With `hangup` a terminal that closes (SIGHUP) asks for it too, unless `nohup` had it ignored. It says so more than
    once: the shell passes on what the terminal has said already.
    """

    def ask(number: int, _frame: object) -> None:
        app.stop(number)
        if number != signal.SIGHUP:
            signal.signal(number, signal.SIG_DFL)

    numbers = [signal.SIGINT, signal.SIGTERM]
    if hangup and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, ask) for number in numbers}
    if interrupted():
        app.stop(signal.SIGINT)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def reloading(ask: Callable[[], None]) -> Iterator[None]:
    """Let SIGHUP ask for new settings."""
    before = signal.signal(signal.SIGHUP, lambda *_: ask())
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


@contextmanager
def json_errors(*, wanted: bool, **context: Any) -> Iterator[None]:
    """When `wanted`, print a failure as a JSON document with `error` and `exit_code` too, beside the sentence."""
    try:
        yield
    except SyncerError as error:
        if wanted and not isinstance(error, _Reported):
            print_json({**context, **error_document(error)})
        raise


class _Reported(SyncerError):
    """An error whose JSON document has been printed with its result."""


def reported(error: SyncerError) -> SyncerError:
    """Return `error` marked as already printed on standard output; its sentence and exit code stay."""
    marked = _Reported(str(error))
    marked.exit_code = error.exit_code
    return marked


def error_document(error: SyncerError) -> dict[str, Any]:
    """Return the fields that say in JSON what went wrong."""
    return {"error": str(error), "exit_code": error.exit_code}


def print_error(error: SyncerError) -> None:
    """Print what happened, why, and what to do, on standard error; without a reader that changes no exit code."""
    for line in str(error).splitlines():
        note(f"syncer: {line}")


def note(text: str) -> None:
    """Print `text` on standard error, if that can be written."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def flush_errors() -> None:
    """Drop what standard error does not take: Python would try again when it ends, and make that exit code 120."""
    try:
        sys.stderr.flush()
    except OSError:
        _write_nowhere(sys.stderr)


def say(text: str = "") -> None:
    """Print `text` on standard output as `writing` does."""
    with writing():
        print(text)


@contextmanager
def writing() -> Iterator[None]:
    """Write to standard output in the block; that its reader has gone (head, less) ends the block and is no failure.

    Raises SyncerError when it cannot be written otherwise, such as to a full disk.
    """
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        gone = _reader_has_gone(error)
        _write_nowhere(sys.stdout)
        if not gone:
            raise SyncerError(
                f"Standard output cannot be written: {error.strerror}. What was done before stands."
            ) from None


def _reader_has_gone(error: OSError) -> bool:
    # A terminal that was closed answers EIO; a file that does so lies on a broken disk.
    return error.errno == errno.EPIPE or (
        error.errno == errno.EIO and stat.S_ISCHR(os.fstat(sys.stdout.fileno()).st_mode)
    )


def _write_nowhere(stream: TextIO) -> None:
    """Let nothing more go to `stream`: Python would try to write the rest when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def wrapped(text: str, *, first: str = "", rest: str = "") -> str:
    """Return text in lines that fit the terminal; as one line when there is none."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    return textwrap.fill(
        text, width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def beside(text: str, column: int) -> str:
    """Return the lines of `text` to stand from `column` on, beside a label that is already there."""
    indent = " " * column
    return "\n".join(wrapped(line, first=indent, rest=indent) for line in text.splitlines()).lstrip()


def print_json(document: object) -> None:
    """Print one JSON document on standard output; instants as ISO 8601."""
    say(json.dumps(document, ensure_ascii=False, default=_plain, indent=2 if sys.stdout.isatty() else None))


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
