"""The simulated API as a whole: world, behaviour, faults and clock behind one address."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from syncer.simulator.api import Answer, Api, Twist
from syncer.simulator.behaviour import Behaviour
from syncer.simulator.control import ROOT, steer
from syncer.simulator.deliveries import Deliveries
from syncer.simulator.faults import SERVED, Fault, Faults, Kind
from syncer.simulator.gate import Gate, Refusal
from syncer.simulator.http import Request, head, html
from syncer.simulator.server import Server
from syncer.simulator.signature import signature, string_to_sign
from syncer.simulator.wire import Outgoing, send
from syncer.simulator.world import World

SECRET_ID = "simulated-secret-id"  # noqa: S105 - invented, opens nothing but the simulator
SECRET_KEY = "simulated-secret-key"  # noqa: S105 - the same
PATH = "/v2/index.php"
_HIDDEN = ("Signature", "Token")
_TWISTS = {Kind.EMPTY_PAGE: Twist(empty=True), Kind.SAME_CONTEXT: Twist(same_context=True)}


def wall_clock() -> float:
    """Return the machine's UNIX time in seconds."""
    return time.time()  # noqa: TID251 - the simulator is a root of its own; whoever tests passes a clock


@dataclass(frozen=True, slots=True)
class Call:
    """One line of the log: `code` is the answer's (None: never served), `fault` what spoilt it; no secrets."""

    number: int
    time: float
    method: str
    params: Mapping[str, str]
    code: int | None
    fault: Fault | None
    files: int


class Simulator:
    """The API in miniature on 127.0.0.1, as a context manager.

    `world` is what there is to list, `behaviour` how it is listed, `faults` what goes wrong. `schedule` holds what is
    done to the simulator once call k was served, before its reply leaves. `credentials` are secret keys by SecretId;
    with `token`, calls must carry it. The string to sign holds `signed_host`, or else the Host header without its port.
    `clock` returns UNIX seconds. `log` is how many calls are remembered. `control` opens the control surface (see
    control). `steps` are a scenario's: what is to be done to the simulator before each pull (see scenarios).
    """

    def __init__(
        self,
        world: World | None = None,
        *,
        behaviour: Behaviour | None = None,
        faults: Faults | None = None,
        credentials: Mapping[str, str] | None = None,
        clock: Callable[[], float] = wall_clock,
        schedule: Mapping[int, Callable[[Simulator], object]] | None = None,
        token: str | None = None,
        signed_host: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        log: int = 10_000,
        control: bool = False,
        steps: Sequence[Callable[[Simulator], object]] = (),
    ) -> None:
        self.world = World() if world is None else world
        self.behaviour = behaviour or Behaviour()
        self.faults = faults or Faults()
        self.credentials = dict(credentials) if credentials is not None else {SECRET_ID: SECRET_KEY}
        self.clock = clock
        self.schedule = dict(schedule or {})
        self.lock = self.world.lock
        self.world.begin(clock)
        self.world.linger = self.behaviour.expired_linger
        self._api = Api(self.world, self.behaviour, seed=self.world.seed)
        self._gate = Gate(self.behaviour, self.credentials, signed_host=signed_host, token=token)
        self.steps = deque(steps)
        self._control = control
        self._log: deque[Call] = deque(maxlen=log)
        self._count = 0
        self._poked = 1 << 60
        self._signed_host = signed_host
        self._deliveries = Deliveries(self.world)
        self._server = Server(self._handle, host=host, port=port)

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def up(self) -> None:
        """Serve (again, on the same port); OSError if the port is taken."""
        self._server.start()

    def down(self) -> None:
        """Refuse connections and end the open ones; the world, the log and the contexts stay."""
        self._server.stop()

    @property
    def url(self) -> str:
        """The endpoint, with its path."""
        host, port = self._server.address
        return f"http://{host}:{port}{PATH}"

    @property
    def calls(self) -> list[Call]:
        """The log, oldest call first."""
        with self.lock:
            return list(self._log)

    @property
    def call_count(self) -> int:
        """How many calls came, also those no longer in the log."""
        return self._count

    def next_step(self) -> None:
        """Begin the scenario's next step; IndexError if there is none."""
        self.steps.popleft()(self)

    def signed(self, method: str = "GET", **own: str) -> dict[str, str]:
        """Return a call's parameters with common ones added and signed as a correct client does, to poke about with.

        A parameter given as "" is left out. The host signed is the address served, or `signed_host`.
        """
        with self.lock:
            self._poked += 1
            secret_id, key = next(iter(self.credentials.items()))
            params = {
                "Action": "VodBackupGet",
                "Region": "gz",
                "Timestamp": str(int(self.clock())),
                "Nonce": str(self._poked),
                "SecretId": secret_id,
                "SignatureMethod": "HmacSHA256",
            }
        params = {name: value for name, value in (params | own).items() if value}
        text = string_to_sign(method, self._signed_host or self._server.address[0], PATH, params)
        return {"Signature": signature(key, text, params.get("SignatureMethod"))} | params

    def kill_contexts(self) -> None:
        """Let every context issued so far answer 70005."""
        with self.lock:
            self._api.contexts.kill()

    def listing(self, prefix: str = "", order: int = 0) -> list[dict[str, Any]]:
        """Return what a perfect client holds after a pull made now, decoded: see World.fields."""
        with self.lock:
            slots = list(self.world.view(prefix))
            rows = (self.world.fields(slot) for slot in (slots if order == 0 else reversed(slots)))
            return [row for row in rows if row["fileId"] is not None]

    def table(self, *, swept: bool = True) -> dict[str, tuple[dict[str, Any], str]]:
        """Return what a perfect client's table holds now: by fileId, the fields last delivered, and the state.

        Only files whose entry left in a whole reply are in it. `swept` says whether the client has had cause to
        notice what is gone: if not, what is gone keeps the state of what is listed.
        """
        with self.lock:
            return self._deliveries.table(swept=swept, now=self.clock())

    def _handle(self, request: Request, connection: socket.socket, number: int) -> bool:
        keep = request.keep_alive and (self.behaviour.keep_alive is None or number < self.behaviour.keep_alive)
        if self._control and request.path.startswith(ROOT):
            status, body = steer(self, request)
            connection.sendall(head(status, length=len(body), kind="application/json", keep_alive=keep) + body)
            return keep
        if request.path != PATH or request.method not in {"GET", "POST"}:
            page = html(404 if request.path != PATH else 405)
            connection.sendall(head(404 if request.path != PATH else 405, length=len(page), keep_alive=keep) + page)
            return keep
        stopping = self._server.stopping
        if self.behaviour.latency and stopping.wait(self.behaviour.latency):
            return False
        answer, fault = self._answer(request)

        def wait(seconds: float) -> bool:
            return stopping.wait(seconds)

        reusable = send(Outgoing(connection, answer.body, keep, wait, lambda: self._deliver(answer)), fault)
        with self.lock:
            self._api.look_ahead()
        return reusable

    def _answer(self, request: Request) -> tuple[Answer, Fault | None]:
        with self.lock:
            self._count += 1
            now = self.clock()
            fault = self.faults.choose(self._count, request.params)
            answer = self._serve(request, fault, now) if fault is None or fault.processed else None
            self._note(request, now, answer, fault)
            if self._count in self.schedule:
                self.schedule[self._count](self)
        if fault is not None and fault.kind in {Kind.CODE, Kind.NEW_ERROR}:
            answer = self._api.error(fault.code, "服务器内部错误", new_form=fault.kind is Kind.NEW_ERROR)
        return answer or Answer(0, b""), fault

    def _serve(self, request: Request, fault: Fault | None, now: float) -> Answer:
        twist = Twist()
        if fault is not None:
            duplicates = fault.count if fault.kind is Kind.DUPLICATES else 0
            twist = _TWISTS.get(fault.kind, Twist(duplicates=duplicates))
        try:
            self._gate.check(request.method, request.host, request.path, request.params, now)
            return self._api.serve(request.params, call=self._count, now=now, twist=twist)
        except Refusal as refusal:
            return self._api.error(refusal.code, refusal.message)

    def _note(self, request: Request, now: float, answer: Answer | None, fault: Fault | None) -> None:
        params = {name: "…" if name in _HIDDEN else value for name, value in request.params.items()}
        code = None if answer is None else answer.code
        if fault is not None and fault.kind in {Kind.CODE, Kind.NEW_ERROR}:
            code = fault.code
        files = 0 if answer is None or (fault is not None and fault.kind not in SERVED) else len(answer.slots)
        self._log.append(Call(self._count, now, request.method, params, code, fault, files))

    def _deliver(self, answer: Answer) -> None:
        with self.lock:
            self._deliveries.note(answer.slots)


__all__ = ["PATH", "SECRET_ID", "SECRET_KEY", "Call", "Simulator", "wall_clock"]
