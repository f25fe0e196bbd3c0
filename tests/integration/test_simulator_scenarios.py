"""Every scenario's end can be reached: a small, careful client plays it and holds the very table that it promises."""

from __future__ import annotations

import http.client
import json
import time
from itertools import count
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from syncer.simulator import PATH, SECRET_ID, SECRET_KEY, Simulator
from syncer.simulator.scenarios import SCENARIOS, Step
from syncer.simulator.signature import signature, string_to_sign
from syncer.simulator.times import ZERO, beijing

NOW = 1_795_000_000
CANDIDATES = ("fileId", "name", "size", "type", "duration", "status", "createTime", "expireTime", "url")


class Clock:
    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


class Ended(Exception):
    def __init__(self, outcome: str, exit_code: int) -> None:
        super().__init__(outcome, exit_code)
        self.said = outcome, exit_code


class TransportError(Exception):
    pass


class Client:
    """The least that survives every scenario; it keeps its table in memory, and its checkpoint between pulls."""

    nonces = count(1)

    def __init__(self, server: Simulator, clock: Clock) -> None:
        self.server = server
        self.clock = clock
        self.rows: dict[str, tuple[dict[str, Any], bool]] = {}
        self.checkpoint: tuple[str, set[str], bool] | None = None
        self.swept = False

    # The wire.

    def call(self, own: dict[str, str]) -> tuple[dict[str, Any], bool]:
        """Return the answer, and whether an earlier attempt may have been answered."""
        maybe = False
        for _ in range(12):
            try:
                answer = self.once(own)
            except ConnectionRefusedError:
                continue
            except (OSError, http.client.HTTPException, TransportError, ValueError):
                maybe = True
                continue
            code = int(answer["code"]) if "code" in answer else 6000
            if 4000 <= code < 4300 or code == 4500:
                raise Ended("failed", 3)
            if code == 4400:
                self.clock.now += 61
            elif code in {0, 10008, 70005, 70006, 70008}:
                return answer | {"code": code}, maybe
            maybe = True
        raise Ended("failed", 4)

    def once(self, own: dict[str, str]) -> dict[str, Any]:
        params = {
            "Action": "VodBackupGet",
            "Region": "gz",
            "Timestamp": str(int(self.clock())),
            "Nonce": str(next(self.nonces)),
            "SecretId": SECRET_ID,
            **own,
        }
        params["Signature"] = signature(SECRET_KEY, string_to_sign("GET", "127.0.0.1", PATH, params), None)
        connection = http.client.HTTPConnection(urlsplit(self.server.url).netloc, timeout=5)
        try:
            connection.request("GET", f"{PATH}?{urlencode(params)}")
            answer = json.loads(self.body(connection.getresponse()))
        finally:
            connection.close()
        if not isinstance(answer, dict):
            raise TransportError
        return answer

    @staticmethod
    def body(response: http.client.HTTPResponse) -> bytes:
        deadline = time.perf_counter() + 0.3
        received = b""
        while chunk := response.read1(65536):
            received += chunk
            if time.perf_counter() > deadline or len(received) > 1_000_000:
                raise TransportError
        if response.status != 200 or response.getheader("Content-Encoding"):
            raise TransportError
        if response.length:
            raise TransportError
        return received

    # The pull.

    def pull(self, step: Step) -> None:
        self.swept = False
        known = set(self.rows)
        if step.pull == "recent":
            self.recent()
            return
        listed, readable = self.list_all(step.stop_after)
        self.checkpoint = None
        if readable:
            self.sweep(known - listed, listed)

    def recent(self) -> None:
        context = ""
        while True:
            answer, _ = self.call(
                {"pageSize": "100", "orderby": "1", "context": context} if context else {"orderby": "1"}
            )
            ids = {str(entry["fileId"]) for entry in answer["fileSet"]}
            done = ids <= self.rows.keys()
            self.commit(answer)
            context = answer["context"]
            if done or not context:
                return

    def list_all(self, stop_after: int | None) -> tuple[set[str], bool]:
        context, listed, readable = self.checkpoint or ("", set(), True)
        seen = {context}
        lost = 0
        for page in count(1):
            if stop_after is not None and page > stop_after:
                self.checkpoint = context, listed, readable
                raise Ended("stopped", 143)
            answer, maybe = self.call({"pageSize": "100", "context": context} if context else {"pageSize": "100"})
            if answer["code"] in {70005, 70006}:
                lost += 1
                context, seen = "", {""}
                if lost == 3:
                    raise Ended("failed", 4)
                continue
            if answer["code"] == 70008:
                if maybe:
                    self.prove_tail(listed)
                return listed, readable
            ids, whole = self.commit(answer)
            listed |= ids
            readable = readable and whole
            context = answer["context"]
            if not context:
                return listed, readable
            if context in seen:
                raise Ended("failed", 4)
            seen.add(context)
        raise AssertionError

    def prove_tail(self, listed: set[str]) -> None:
        ledger = set(listed)
        newest = max(self.rows[file_id][0]["createTime"] for file_id in ledger)
        context = ""
        while True:
            own = {"pageSize": "100", "orderby": "1"} | ({"context": context} if context else {})
            answer, _ = self.call(own)
            ids, _ = self.commit(answer)
            listed |= ids
            oldest = min(entry["createTime"] for entry in answer["fileSet"])
            context = answer["context"]
            if (ids & ledger and oldest < newest) or not context:
                return

    def commit(self, answer: dict[str, Any]) -> tuple[set[str], bool]:
        rows = [decode(entry) for entry in answer["fileSet"]]
        kept = {row["fileId"]: row for row in rows if row is not None}
        self.rows |= {file_id: (row, False) for file_id, row in kept.items()}
        return set(kept), None not in rows

    def sweep(self, suspects: set[str], listed: set[str]) -> None:
        suspects = {file_id for file_id in suspects if not self.rows[file_id][1]}
        present = sum(not gone for _, gone in self.rows.values())
        if len(suspects) > 0.2 * present:
            raise Ended("complete", 6)
        canary = min(listed)
        for file_id in suspects:
            if not self.exists(file_id, canary):
                self.rows[file_id] = self.rows[file_id][0], True
        self.swept = True

    def exists(self, file_id: str, canary: str) -> bool:
        answer, _ = self.call({"fileId.0": file_id, "fileId.1": canary})
        return any(str(entry["fileId"]) == file_id for entry in answer.get("fileSet", []))

    def table(self) -> dict[str, tuple[dict[str, Any], str]]:
        now = beijing(int(self.clock()))
        table = {}
        for file_id, (fields, gone) in self.rows.items():
            past = fields["expireTime"] is not None and fields["expireTime"] <= now
            table[file_id] = fields, ("expired" if past else "vanished") if gone else ("overdue" if past else "live")
        return table


def decode(entry: Any) -> dict[str, Any] | None:
    if not isinstance(entry, dict):
        return None
    row = {name: entry.get(name) for name in CANDIDATES}
    if not isinstance(row["fileId"], str | int) or not row["fileId"]:
        return None
    row["fileId"] = str(row["fileId"])
    row["name"] = None if row["name"] in {None, ""} else str(row["name"])
    for name in ("size", "duration", "status"):
        value = row[name]
        if isinstance(value, str) and value.isdigit():
            value = int(value)
        row[name] = value if type(value) is int and value < 1 << 63 else None
    for name in ("createTime", "expireTime"):
        value = row[name]
        row[name] = None if not value or value == ZERO or len(value) != len(ZERO) else value
    return row


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_careful_client_ends_where_the_scenario_says(name: str) -> None:
    scenario, clock = SCENARIOS[name], Clock()
    with scenario.simulator(clock=clock) as server:
        client = Client(server, clock)
        said = []
        for step in scenario.steps:
            server.next_step()
            try:
                client.pull(step)
            except Ended as end:
                said.append(end.said)
            else:
                said.append(("complete", 0))
        assert said == [(step.outcome, step.exit_code) for step in scenario.steps]
        promised = scenario.table(server)
        if scenario.exact:
            assert client.table() == promised
        else:
            assert client.table().keys() <= promised.keys()
            assert all(promised[file_id] == row for file_id, row in client.table().items())
        assert client.swept == scenario.swept


def test_scenarios_play_what_they_say_and_not_a_plain_pull() -> None:
    states: dict[str, set[str]] = {}
    codes: dict[str, set[int | None]] = {}
    faults: dict[str, set[str]] = {}
    for name, scenario in SCENARIOS.items():
        clock = Clock()
        with scenario.simulator(clock=clock) as server:
            client = Client(server, clock)
            for step in scenario.steps:
                server.next_step()
                try:
                    client.pull(step)
                except Ended:
                    continue
            states[name] = {state for _, state in scenario.table(server).values()}
            codes[name] = {call.code for call in server.calls}
            faults[name] = {call.fault.kind for call in server.calls if call.fault}
    assert states["files-appear-and-go"] == {"live", "overdue", "expired", "vanished"}
    assert states["one-missing-id-fails-all"] == states["positional-deletion"] == {"live", "vanished"}
    assert states["vanished-and-returned"] == states["mass-disappearance"] == states["unreadable-ids"] == {"live"}
    assert states["wrong-key"] == states["down"] == states["maintenance"] == states["clock-off"] == set()
    assert codes["plain-empty-context"] == {0}
    assert codes["plain-70008"] == codes["lost-last-reply-then-70008"] == codes["equal-create-times"] == {0, 70008}
    assert codes["context-dies-mid-pull"] == codes["context-dies-on-resume"] == {0, 70005}
    assert codes["single-use-contexts"] == {0, 70006}
    assert codes["one-missing-id-fails-all"] == {0, 10008}
    assert codes["positional-deletion"] == {0}
    assert codes["quota-tight"] == {0, 4400}
    assert (codes["clock-off"], codes["wrong-key"], codes["maintenance"]) == ({4500}, {4100}, {6200})
    assert codes["down"] == set()
    assert len(faults["thirty-percent-faults"]) > 5
    assert (faults["dripping-server"], faults["endless-body"]) == ({"drip"}, {"endless"})
    assert faults["empty-page-midway"] == {"empty-page"}
