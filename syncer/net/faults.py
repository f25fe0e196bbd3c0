"""The words for a request that brought no answer; pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """Why there is no answer."""

    NAME = "name not resolved"
    REFUSED = "connection refused"
    FORBIDDEN = "address forbidden"
    NO_CONNECTION = "no connection"
    CERTIFICATE = "certificate"
    TLS = "tls"
    TIMEOUT = "timeout"
    BROKEN = "connection broken"
    TOO_LARGE = "too large"
    MALFORMED = "malformed"
    HTTP = "http"


@dataclass(frozen=True, slots=True)
class Fault:
    """No answer came.

    `sent`: bytes of the request went out over an established connection, so the server may have processed it.
    `words` are safe to show. `status` is the HTTP status of a response that held no answer, if there was one.
    """

    kind: FaultKind
    words: str
    sent: bool
    status: int | None = None
