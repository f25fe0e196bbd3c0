"""Traces of pulls for OpenTelemetry: a run, its pages, their API calls; costs nothing where nobody asked for them.

Switched on by the standard OTEL_EXPORTER_OTLP_ENDPOINT (or ..._TRACES_ENDPOINT), spoken to by HTTP; needs the extra
`otel`. Spans are sent by a thread of their own and dropped when they cannot be: a pull never waits for them.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

SWITCHES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
# How long the end of a process may wait for the last spans, and one attempt at sending some may take.
_FLUSH_SECONDS, _EXPORT_SECONDS = 2.0, 5.0
_tracer: Tracer | None = None

Value = str | int | float | bool | None


class Span(Protocol):
    """Something that takes time; never told an address, a name or a secret."""

    def note(self, **attributes: Value) -> None:
        """Add what became known; None is not told."""


class _Untraced:
    def note(self, **attributes: Value) -> None:
        """Do nothing."""


_UNTRACED = _Untraced()


@contextmanager
def span(name: str, **attributes: Value) -> Iterator[Span]:
    """Trace the block, within the span around it; an error ends it as one, by its kind alone."""
    if _tracer is None:
        yield _UNTRACED
        return
    from opentelemetry.trace import Status, StatusCode

    with _tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False) as begun:

        class Traced:
            def note(self, **attributes: Value) -> None:
                begun.set_attributes({f"syncer.{key}": value for key, value in attributes.items() if value is not None})

        traced = Traced()
        traced.note(**attributes)
        try:
            yield traced
        except BaseException as error:
            begun.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def wanted(environ: Mapping[str, str]) -> bool:
    """Return whether the environment asks for traces."""
    return any(environ.get(name) for name in SWITCHES)


def start(environ: Mapping[str, str], version: str) -> None:
    """Send the spans of this process from now on. Raises ImportError when the extra `otel` is not installed."""
    global _tracer  # noqa: PLW0603 - one process has one tracer, as it has one log
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    name = {} if environ.get("OTEL_SERVICE_NAME") else {"service.name": "syncer"}
    provider = TracerProvider(resource=Resource.create({"service.version": version, **name}), shutdown_on_exit=False)
    own = None if environ.get("OTEL_EXPORTER_OTLP_TIMEOUT") else _EXPORT_SECONDS
    processor = BatchSpanProcessor(OTLPSpanExporter(timeout=own))
    provider.add_span_processor(processor)
    _tracer = provider.get_tracer("syncer", version)

    def flush() -> None:
        # A receiver that hangs must not keep the process.
        sending = threading.Thread(target=processor.force_flush, name="spans", daemon=True)
        sending.start()
        sending.join(_FLUSH_SECONDS)

    atexit.register(flush)


def stop() -> None:
    """Trace nothing more; for tests."""
    global _tracer  # noqa: PLW0603 - as above
    _tracer = None
