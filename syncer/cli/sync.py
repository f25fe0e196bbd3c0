"""`syncer sync`: one pull, to its end."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncer.cli.common import (
    Config,
    Json,
    SourceName,
    json_errors,
    make_app,
    one_source,
    print_json,
    reported,
    say,
    stopping,
)
from syncer.errors import SettingsError

if TYPE_CHECKING:
    from syncer.pull.run import RunResult


def sync(
    *,
    full: Annotated[
        bool, typer.Option("--full", help="List everything: resume or start a full pull (default).")
    ] = False,
    recent: Annotated[bool, typer.Option("--recent", help="Fetch what is new, newest first.")] = False,
    source: SourceName = None,
    allow_sweep: Annotated[
        bool, typer.Option("--allow-sweep", help="Release the brake for one new full pull (see exit code 6).")
    ] = False,
    json: Json = False,
    config: Config = None,
) -> None:
    """Pull the listing once, to its end.

    Resumes the unfinished full pull or starts one; --recent fetches only what is new. Every page is committed with
    its checkpoint, so a stopped or killed sync goes on where it was.
    """
    from syncer.cli.progress import progress_printer
    from syncer.model import PullKind

    with json_errors(wanted=json):
        if full and recent:
            raise SettingsError("--full and --recent exclude each other: name one.")
        if recent and allow_sweep:
            raise SettingsError("--allow-sweep goes with a full pull: a recent pull never sweeps.")
        app = make_app(config)
        chosen = one_source(app, source)
        chosen.require_credentials()
        kind = PullKind.RECENT if recent else PullKind.FULL
    began = time.monotonic()
    with (
        json_errors(wanted=json, source=chosen.name, kind=kind.value),
        stopping(app, hangup=True),
        app.database() as url,
    ):
        from structlog.contextvars import bound_contextvars

        bound = bound_contextvars(source=chosen.name, kind=kind.value)
        with bound, progress_printer(sys.stderr, chosen.name) as progress:
            result = app.sync(url, chosen, kind, allow_sweep=allow_sweep, on_progress=progress)
        seconds = time.monotonic() - began
        if json:
            print_json(document(result, seconds))
        else:
            say(sentence(result, seconds))
        if result.error is not None:
            raise reported(result.error)


def document(result: RunResult, seconds: float) -> dict[str, Any]:
    """Return the JSON document of a run: counters are the whole pull's, `api_calls` and `seconds` this run's."""
    totals = result.totals
    names = ("pages", "files", "inserted", "updated", "unchanged", "rejected", "gone", "drifted", "restarts")
    fields: dict[str, Any] = {
        "source": result.source,
        "kind": result.kind.value,
        "pull_id": result.pull_id,
        "outcome": result.outcome,
        "verdict": totals["verdict"],
        "reason": result.reason,
        "resumed": result.resumed,
        **{name: totals[name] for name in names},
        "api_calls": result.api_calls,
        "seconds": round(seconds, 3),
        "pull_api_calls": totals["api_calls"],
        "pull_seconds": round(totals["seconds"], 3),
    }
    if result.error is not None:
        fields |= {"error": str(result.error), "exit_code": result.error.exit_code}
    return fields


def sentence(result: RunResult, seconds: float) -> str:
    """Return what a run did, for a person."""
    totals = result.totals
    proven = {"proven": ", proven", "unproven": ", but not proven"}.get(totals["verdict"], "")
    outcome = {
        "complete": f"complete{proven}",
        "unproven": "ended, but unproven",
        "failed": "failed; its checkpoint stands",
        "stopped": "stopped; its checkpoint stands",
    }[result.outcome]
    counts = ", ".join(
        f"{totals[name]:,} {label}"
        for name, label in (
            ("inserted", "new"),
            ("updated", "changed"),
            ("unchanged", "unchanged"),
            ("gone", "gone"),
            ("rejected", "rejected"),
        )
        if totals[name] or name in {"inserted", "unchanged"}
    )
    why = f"\n{result.reason}" if result.reason and result.error is None else ""
    return (
        f"{result.source}: {result.kind} pull {result.pull_id} {outcome}: {_counted(totals['files'], 'file')} listed "
        f"on {_counted(totals['pages'], 'page')} ({counts}); "
        f"{_counted(result.api_calls, 'call')} in {seconds:.1f} s{why}"
    )


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
