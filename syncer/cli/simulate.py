"""`syncer simulate`: serves the API in miniature, for trying out and for tests."""

from __future__ import annotations

import signal
import sys
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from syncer.simulator import Simulator


# The system gives a signal to any thread that is awake: then this one learns of it only when it next wakes by itself.
_GLANCE_SECONDS = 0.2


class Ending(StrEnum):
    """How a listing ends."""

    EMPTY_CONTEXT = "empty-context"
    CODE_70008 = "70008"


def simulate(
    *,
    files: Annotated[int, typer.Option(min=0, max=100_000_000, help="How many files the world holds.")] = 1000,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8099,
    host: Annotated[str, typer.Option(help="The address to serve on.")] = "127.0.0.1",
    seed: Annotated[int, typer.Option(help="The same seed makes the same files and the same faults.")] = 1,
    random_ids: Annotated[bool, typer.Option("--random-ids", help="Ids are random and do not rise with time.")] = False,
    scenario: Annotated[str, typer.Option(help="Play a named scenario; the options below do not count then.")] = "",
    list_scenarios: Annotated[bool, typer.Option("--list-scenarios", help="Name the scenarios and stop.")] = False,
    end: Annotated[Ending, typer.Option(help="How a listing ends.")] = Ending.EMPTY_CONTEXT,
    context_lifetime: Annotated[float, typer.Option(min=0, help="Seconds a context lives; 0: for ever.")] = 0.0,
    single_use: Annotated[bool, typer.Option("--single-use", help="A context can be used once.")] = False,
    positional: Annotated[bool, typer.Option("--positional", help="A deletion shifts the files behind it.")] = False,
    missing_id_fails_all: Annotated[
        bool, typer.Option("--missing-id-fails-all", help="One unknown id fails a whole query by id.")
    ] = False,
    fault_rate: Annotated[
        float, typer.Option(min=0, max=1, help="The share of calls that fail, and pass later.")
    ] = 0.0,
    latency: Annotated[float, typer.Option(min=0, help="Seconds before each answer.")] = 0.0,
    calls_per_minute: Annotated[int, typer.Option(min=0, help="The quota; 0: none.")] = 0,
    control: Annotated[bool, typer.Option("--control", help="Open the control surface /_simulator/.")] = False,
) -> None:
    """Serve the API in miniature on this machine until Ctrl-C; what to export comes on standard error."""
    from syncer.simulator import Behaviour, End, Faults, Paging, Simulator, World
    from syncer.simulator.scenarios import SCENARIOS

    if list_scenarios:
        for known in SCENARIOS.values():
            typer.echo(f"{known.name:34}{known.sentence}")
        return
    if scenario:
        if scenario not in SCENARIOS:
            raise typer.BadParameter(f"no scenario {scenario!r}; see --list-scenarios", param_hint="--scenario")
        _serve(SCENARIOS[scenario].simulator(host=host, port=port, control=control))
        return
    behaviour = Behaviour(
        end=End(end.value),
        context_lifetime=context_lifetime or None,
        context_uses=1 if single_use else None,
        paging=Paging.POSITIONAL if positional else Paging.ANCHORED,
        missing_id_fails_all=missing_id_fails_all,
        latency=latency,
        calls_per_minute=calls_per_minute,
    )
    faults = Faults(rate=fault_rate, seed=seed)
    world = World(files, seed=seed, random_ids=random_ids)
    _serve(Simulator(world, behaviour=behaviour, faults=faults, host=host, port=port, control=control))


def _serve(simulator: Simulator) -> None:
    """Serve until SIGINT or SIGTERM; exit 2 if the address cannot be had."""
    from syncer.cli.entry import interrupted, loaded
    from syncer.pull.waiting import StopRequest
    from syncer.simulator import SECRET_ID, SECRET_KEY

    stop = StopRequest()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: stop(number))
    if interrupted():
        stop()
    loaded()
    try:
        simulator.up()
    except OSError as error:
        typer.echo(f"cannot serve there: {error.strerror}; choose another --port (0 takes a free one)", err=True)
        raise typer.Exit(2) from error
    try:
        if simulator.steps:
            simulator.next_step()
        typer.echo(
            f"serving {simulator.url}\nexport SYNCER_API_URL={simulator.url} SYNCER_SECRET_ID={SECRET_ID}"
            f" SYNCER_SECRET_KEY={SECRET_KEY} SYNCER_CALLS_PER_MINUTE=0",
            err=True,
        )
        sys.stderr.flush()
        while not stop.asked():
            time.sleep(_GLANCE_SECONDS)
    finally:
        simulator.down()
