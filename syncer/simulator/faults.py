"""What can go wrong with a call, and the seeded or exact plan of when it does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random


class Kind(StrEnum):
    """The kinds of fault; what each looks like on the wire."""

    CODE = "code"  # a coded answer, HTTP 200
    NEW_ERROR = "new-error"  # {"Response": {"Error": ...}}, HTTP 200
    HTTP = "http"  # an HTML page with an error status
    HTML_200 = "html-200"  # an HTML page with status 200
    RESET = "reset"  # the connection is reset (RST) instead of a reply
    CLOSE = "close"  # the connection is closed (FIN) instead of a reply
    CUT = "cut"  # Content-Length promises more than comes
    NO_LENGTH = "no-length"  # no Content-Length, closed in the middle
    DRIP = "drip"  # the body comes byte by byte, `seconds` apart
    DRIP_HEADERS = "drip-headers"  # the head comes byte by byte, `seconds` apart
    MALFORMED = "malformed"  # the JSON text is broken, the HTTP around it whole
    DELAY = "delay"  # the answer comes after `seconds`
    ENDLESS = "endless"  # a body that never ends
    GZIP_GARBAGE = "gzip-garbage"  # Content-Encoding: gzip, and bytes that are not
    SAME_CONTEXT = "same-context"  # the page carries the context it was asked with
    EMPTY_PAGE = "empty-page"  # an empty fileSet with a context; the listing stays where it is
    DUPLICATES = "duplicates"  # the page's first `count` entries come twice


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `processed` says whether the call was served, with its side effects, before its reply was spoilt."""

    kind: Kind
    code: int = 0
    status: int = 503
    seconds: float = 0.01
    count: int = 1
    processed: bool = True


SERVED = frozenset({Kind.DRIP, Kind.DRIP_HEADERS, Kind.DELAY, Kind.SAME_CONTEXT, Kind.EMPTY_PAGE, Kind.DUPLICATES})
"""The kinds whose answer reaches a patient client whole."""


def coded(code: int, *, processed: bool = False) -> Fault:
    """Answer with a code: of the API at large (1001, 6000, 4400) or of the call (70005)."""
    return Fault(Kind.CODE, code=code, processed=processed)


def http_error(status: int) -> Fault:
    """Answer with an HTML page of a proxy, unserved."""
    return Fault(Kind.HTTP, status=status, processed=False)


def reset_before() -> Fault:
    """Reset the connection before the call is served."""
    return Fault(Kind.RESET, processed=False)


def lost_reply() -> Fault:
    """Serve the call with all its side effects, then reset the connection instead of answering."""
    return Fault(Kind.RESET)


TRANSIENT: tuple[Fault, ...] = (
    *(coded(code) for code in (1, 1001, 1003, 2000, 5100, 6000, 6200, 4400)),
    *(http_error(status) for status in (500, 502, 503)),
    Fault(Kind.HTML_200, processed=False),
    reset_before(),
    lost_reply(),
    Fault(Kind.CLOSE),
    Fault(Kind.CUT),
    Fault(Kind.NO_LENGTH),
    Fault(Kind.MALFORMED),
    Fault(Kind.GZIP_GARBAGE),
    Fault(Kind.NEW_ERROR, code=6000, processed=False),
)
"""Faults that pass, none of which takes long."""


@dataclass(frozen=True, slots=True)
class Faults:
    """When which fault happens.

    Exactly, on the calls numbered in `exact`; else on every call from `begin` to `end` (the last one) that `match`
    accepts by its parameters, with probability `rate`, drawn from `kinds` with `seed`. Calls are
    numbered from 1, refused and faulty ones included. The same plan always does the same.
    """

    exact: Mapping[int, Fault] | None = None
    rate: float = 0.0
    kinds: tuple[Fault, ...] = TRANSIENT
    seed: int = 1
    begin: int = 1
    end: int | None = None
    match: Callable[[Mapping[str, str]], bool] | None = None

    def shifted(self, by: int) -> Faults:
        """Return the same plan, begun `by` calls later."""
        exact = {call + by: fault for call, fault in (self.exact or {}).items()}
        end = None if self.end is None else self.end + by
        return replace(self, exact=exact, begin=self.begin + by, end=end)

    def choose(self, call: int, params: Mapping[str, str]) -> Fault | None:
        """Return what goes wrong with call number `call`, or None."""
        if self.exact and call in self.exact:
            return self.exact[call]
        if not self.rate or call < self.begin or (self.end is not None and call > self.end):
            return None
        if self.match is not None and not self.match(params):
            return None
        dice = Random(f"{self.seed}/{call}")  # noqa: S311 - a plan that can be repeated, not a secret
        return dice.choice(self.kinds) if dice.random() < self.rate else None


def always(fault: Fault) -> Faults:
    """Plan the same fault for every call."""
    return Faults(rate=1.0, kinds=(fault,))


def on(calls: Iterable[int], fault: Fault) -> Faults:
    """Plan one fault for exactly these calls."""
    return Faults(dict.fromkeys(calls, fault))
