"""`syncer doctor`: says what is in order, what is not, and what to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncer.cli.common import Config, Json, beside, json_errors, make_app, print_json, say, stopping
from syncer.errors import SettingsError

if TYPE_CHECKING:
    from syncer.doctor import Check

_COLOURS = {"ok": "green", "warning": "yellow", "failed": "red"}
_LEVEL, _INDENT = 9, 25


def doctor(
    *,
    source: Annotated[str | None, typer.Option("--source", metavar="NAME", help="Only this source.")] = None,
    notify: Annotated[
        bool, typer.Option("--notify", help="Send a test message to everybody who is told of alerts.")
    ] = False,
    json: Json = False,
    config: Config = None,
) -> None:
    """Check settings, database, clocks, credentials, quota, alerts; costs two API calls a source at most.

    Each check says what was found and what to do. It goes on as far as it can when something is broken. The exit code
    is that of the first check that failed: 2 settings, 3 the API refuses, 4 the API cannot be reached, 5 the database;
    0 when there are only warnings.
    """
    from syncer.doctor import Level

    checks: list[Check] = []
    with json_errors(wanted=json):
        for check in _checks(source, config, notify=notify):
            if not json:
                if check.source is not None and (not checks or checks[-1].source != check.source):
                    say(f"\nsource {check.source}")
                _print(check)
            checks.append(check)
    first = next((check for check in checks if check.level is Level.FAILED), None)
    worst = max((check.level for check in checks), key=list(Level).index)
    if json:
        print_json(_document(checks, worst, first))
    elif first is None:
        say("\nAll is well." if worst is Level.OK else "\nIt works; see the warnings.")
    raise typer.Exit(0 if first is None else first.exit_code)


def _checks(source: str | None, config: Path | None, *, notify: bool) -> Iterator[Check]:
    from syncer.doctor import examine
    from syncer.doctor.check import failed

    try:
        app = make_app(config)
        chosen = app.settings.sources if source is None else (app.settings.source(source),)
    except SettingsError as error:
        yield failed("settings", error, advice="Mend the settings; `syncer demo` needs none.")
        return
    with stopping(app):
        now = lambda: datetime.now(UTC)  # noqa: E731, TID251 - compared with other clocks
        yield from examine(app, chosen, clock=now, notify=notify)


def _document(checks: Iterable[Check], worst: str, first: Check | None) -> dict[str, Any]:
    document: dict[str, Any] = {"result": worst, "checks": [asdict(check) for check in checks]}
    if first is not None:
        document |= {"error": f"{first.name}: {first.found} {first.advice}".strip(), "exit_code": first.exit_code}
    return document


def _print(check: Check) -> None:
    level = f"{check.level:<{_LEVEL}}"
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        level = typer.style(level, fg=_COLOURS[check.level])
    body = beside(f"{check.found}\n{check.advice}", _INDENT)
    say(f"{level}{check.name:<{_INDENT - _LEVEL}}{body}")
