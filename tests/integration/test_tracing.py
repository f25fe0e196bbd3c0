"""Traces: a real receiver hears of the run, its pages and calls; one that hangs holds nothing up; secrets stay here."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from syncer.simulator import SECRET_ID, SECRET_KEY, Faults, World, coded

from .conftest import Rig

pytestmark = pytest.mark.one_server

Simulated = Callable[..., Rig]
SYNCER = Path(sys.executable).with_name("syncer")


@contextmanager
def receiver(answer: Callable[[], None] = lambda: None) -> Iterator[tuple[str, list[bytes]]]:
    """Receive what is exported; yield the address and the bodies so far."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            answer()
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", bodies
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def sync(rig: Rig, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [SYNCER, "sync"], env=kept | rig.environ | environ, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_run_its_pages_and_their_calls_are_told(simulated: Simulated) -> None:
    rig = simulated({"page_size": "10"}, world=World(25), faults=Faults({2: coded(6000)}))
    with receiver() as (endpoint, bodies):
        done = sync(rig, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    assert done.returncode == 0, done.stderr
    whole = b"".join(bodies)
    for secret in (SECRET_ID, SECRET_KEY, "Signature", rig.simulator.url):
        assert secret.encode() not in whole
    requests = [ExportTraceServiceRequest.FromString(body) for body in bodies]
    resources = [each.resource for request in requests for each in request.resource_spans]
    assert {a.value.string_value for each in resources for a in each.attributes if a.key == "service.name"} == {
        "syncer"
    }
    spans = [
        span
        for request in requests
        for each in request.resource_spans
        for scope in each.scope_spans
        for span in scope.spans
    ]
    told = {span.span_id: span for span in spans}

    def attributes(span: Any) -> dict[str, Any]:
        return {
            each.key.removeprefix("syncer."): each.value.int_value or each.value.string_value
            for each in span.attributes
        }

    (run,) = [span for span in spans if span.name == "pull"]
    assert attributes(run) | {"run_id": 0, "pull_id": 0, "resumed": 0} == {
        "source": "default", "kind": "full", "outcome": "complete", "run_id": 0, "pull_id": 0, "resumed": 0,
    }  # fmt: skip
    pages = sorted((span for span in spans if span.name == "page"), key=lambda span: span.start_time_unix_nano)
    assert [attributes(page)["page"] for page in pages] == [1, 2, 3]
    assert [attributes(page)["entries"] for page in pages] == [10, 10, 5]
    assert {page.parent_span_id for page in pages} == {run.span_id}
    calls = [span for span in spans if span.name == "api_call"]
    assert sorted(attributes(call)["code"] for call in calls) == ["0", "0", "0", "6000"]
    assert all(told[call.parent_span_id].name == "page" for call in calls)


def test_a_receiver_that_hangs_holds_no_pull_up(simulated: Simulated) -> None:
    rig, freed = simulated(world=World(5)), threading.Event()
    with receiver(lambda: freed.wait(100) and None) as (endpoint, bodies):
        began = time.monotonic()
        done = sync(rig, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
        seconds = time.monotonic() - began
        freed.set()
    assert done.returncode == 0, done.stderr
    assert bodies, "it was tried"
    assert seconds < 60


def test_without_the_extra_the_pull_goes_on_and_says_so(simulated: Simulated, tmp_path: Path) -> None:
    rig = simulated(world=World(5))
    (tmp_path / "opentelemetry").mkdir()
    (tmp_path / "opentelemetry" / "__init__.py").touch()
    done = sync(rig, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0
    assert "tracing_unavailable" in done.stderr


def test_nobody_who_does_not_ask_loads_it(simulated: Simulated) -> None:
    rig = simulated(world=World(5))
    program = (
        "import sys\nfrom syncer.cli.main import main\nsys.argv = ['syncer', 'sync']\n"
        "try:\n    main()\nfinally:\n"
        "    print(*{name.split('.')[0] for name in sys.modules} & {'opentelemetry', 'prometheus_client', 'uvicorn'})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": os.environ["PATH"]} | rig.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == "", done.stderr
