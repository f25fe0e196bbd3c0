"""The control surface under /_simulator/: lets a test in another process look at a simulator and steer it.

GET  listing?prefix=&order=   what a perfect client lists now
GET  table?swept=1            what a perfect client's table holds now: [[fields, state], ...]
GET  calls                    the log
GET  state                    files listed, calls made, the scenario's step
POST mutate                   {"add": 3 | {fields}, "delete": [ids], "restore": [ids], "change": {id: {fields}},
                              "kill_contexts": true}; the ids of added files are answered
POST fault                    {"kind": "http", "status": 503, ...} and when: "calls": [7, 8], "next": 3, "rate": 0.3 or
                              nothing for always; fields as in faults.Fault; {} for no more faults
POST step                     begin the scenario's next step
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from syncer.simulator.faults import Fault, Faults, Kind, always, on

if TYPE_CHECKING:
    from syncer.simulator.http import Request
    from syncer.simulator.simulator import Simulator

ROOT = "/_simulator/"


def steer(simulator: Simulator, request: Request) -> tuple[int, bytes]:
    """Answer a control request with a status and a JSON body; 400 with the reason for one that makes no sense."""
    name = request.path.removeprefix(ROOT)
    try:
        if request.method == "GET" and name in _LOOKS:
            answer = _LOOKS[name](simulator, request.params)
        elif request.method == "POST" and name in _DEEDS:
            answer = _DEEDS[name](simulator, json.loads(request.body or b"{}"))
        else:
            return 404, b'{"error":"no such control"}'
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        return 400, json.dumps({"error": f"{type(error).__name__}: {error}"}).encode()
    return 200, json.dumps(answer).encode()


def _listing(simulator: Simulator, params: Mapping[str, str]) -> Any:
    return simulator.listing(params.get("prefix", ""), int(params.get("order", "0")))


def _table(simulator: Simulator, params: Mapping[str, str]) -> Any:
    return list(simulator.table(swept=params.get("swept", "1") != "0").values())


def _calls(simulator: Simulator, _: Mapping[str, str]) -> Any:
    return [asdict(call) for call in simulator.calls]


def _state(simulator: Simulator, _: Mapping[str, str]) -> Any:
    with simulator.lock:
        return {"files": len(simulator.world.view()), "calls": simulator.call_count, "steps_left": len(simulator.steps)}


def _mutate(simulator: Simulator, wish: Mapping[str, Any]) -> Any:
    unknown = wish.keys() - {"add", "delete", "restore", "change", "kill_contexts"}
    if unknown:
        raise ValueError(f"unknown mutations: {sorted(unknown)}")
    with simulator.lock:
        world = simulator.world
        add = wish.get("add", 0)
        added = [world.add(**add)] if isinstance(add, dict) else [world.add() for _ in range(add)]
        world.delete(*wish.get("delete", ()))
        world.restore(*wish.get("restore", ()))
        for file_id, changes in wish.get("change", {}).items():
            world.change(file_id, **changes)
        if wish.get("kill_contexts"):
            simulator.kill_contexts()
        return {"added": [file.file_id for file in added]}


def _fault(simulator: Simulator, wish: Mapping[str, Any]) -> Any:
    fields = {key: value for key, value in wish.items() if key not in {"calls", "next", "rate"}}
    with simulator.lock:
        if not fields:
            simulator.faults = Faults()
            return {}
        fault = Fault(**fields | {"kind": Kind(fields["kind"])})
        if "rate" in wish:
            simulator.faults = Faults(rate=float(wish["rate"]), kinds=(fault,))
        elif "calls" in wish or "next" in wish:
            following = range(simulator.call_count + 1, simulator.call_count + 1 + int(wish.get("next", 0)))
            simulator.faults = on(wish.get("calls", following), fault)
        else:
            simulator.faults = always(fault)
        return {}


def _step(simulator: Simulator, _: Mapping[str, Any]) -> Any:
    simulator.next_step()
    return {"steps_left": len(simulator.steps)}


_LOOKS: dict[str, Callable[[Simulator, Mapping[str, str]], Any]] = {
    "listing": _listing,
    "table": _table,
    "calls": _calls,
    "state": _state,
}
_DEEDS: dict[str, Callable[[Simulator, Mapping[str, Any]], Any]] = {"mutate": _mutate, "fault": _fault, "step": _step}
