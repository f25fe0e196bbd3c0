"""Says in plain English why the API could not be asked: what happened, how often, and what to do; pure."""

from __future__ import annotations

import re

from syncer.net.faults import Fault, FaultKind
from syncer.source.codes import meaning
from syncer.source.decode import ApiError

_SERVER_CLOCK = re.compile(r"Timestamp\s*=\s*(\d{9,11})\b")
_ALIKE_SECONDS = 60
"""Clocks that differ by less agree: the API allows five minutes at the least."""

_ADVICE = {
    FaultKind.CERTIFICATE: "Check SYNCER_API_URL, and REQUESTS_CA_BUNDLE if a proxy of yours opens TLS.",
    FaultKind.HTTP: "Check SYNCER_API_URL and the proxy, if there is one.",
    FaultKind.TOO_LARGE: "Check SYNCER_API_URL.",
    FaultKind.MALFORMED: "Check SYNCER_API_URL, and that no proxy or login page answers in the API's place.",
}
_NETWORK = "Check the network and SYNCER_API_URL."


def unavailable(address: str, last: ApiError | Fault, attempts: int, seconds: float) -> str:
    """Explain that a call was given up after `attempts` in `seconds`, of which the last ended as `last` says."""
    tried = "one attempt" if attempts == 1 else f"{attempts} attempts in {duration(seconds)}"
    if isinstance(last, ApiError):
        return f"The API at {address} keeps failing after {tried}: {_coded(last)}. Try again later."
    if last.sent:
        return (
            f"The API at {address} gave no usable answer in {tried}: {last.words}. {_ADVICE.get(last.kind, _NETWORK)}"
        )
    return f"The API at {address} cannot be reached in {tried}: {last.words}. {_ADVICE.get(last.kind, _NETWORK)}"


def failed_attempt(outcome: ApiError | Fault) -> str:
    """Say in a few words how one attempt at a call failed."""
    return _coded(outcome) if isinstance(outcome, ApiError) else outcome.words


def refusal(error: ApiError) -> str:
    """Explain that the API refuses for good."""
    return f"The API refuses: {_coded(error)}."


def clock_refusal(error: ApiError, date_skew: float | None, now: float) -> str:
    """Explain a refused timestamp by how far this machine's clock (`now`, UNIX seconds) is from the API's.

    The API's clock is read from the message (code 4500 may end with it), else from the `Date` header's `date_skew`.
    """
    told = _SERVER_CLOCK.search(error.message)
    skew = float(told[1]) - now if told else date_skew
    if skew is None:
        how = "the API did not say what time it has; compare this machine's clock with a time server"
    elif abs(skew) < _ALIKE_SECONDS:
        how = (
            "this machine's clock agrees with the API's, so something repeats or delays requests on their way: a proxy?"
        )
    else:
        where = "behind" if skew > 0 else "ahead of"
        how = f"this machine's clock is {duration(abs(skew))} {where} the API's; set the clock"
    return f"The API refuses the time of the request (code {error.code}), signed anew too: {how}."


def http_status(status: int) -> str:
    """Describe an HTTP status that is no success and came without a code of the API."""
    if 300 <= status < 400:  # noqa: PLR2004 - HTTP's redirects
        return f"HTTP status {status}, a redirect, which is not followed with a signed request"
    return f"HTTP status {status}"


def duration(seconds: float) -> str:
    """Write seconds as a person says them, in the two largest units: `2 h 3 min`, `9 min 58 s`, `40 s`."""
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004 - seconds in a minute
        return f"{whole} s" if seconds >= 1 else "less than a second"
    units = (("d", whole // 86400), ("h", whole // 3600 % 24), ("min", whole // 60 % 60), ("s", whole % 60))
    first = next(index for index, (_, amount) in enumerate(units) if amount)
    return " ".join(f"{amount} {unit}" for unit, amount in units[first : first + 2] if amount)


def _coded(error: ApiError) -> str:
    said = f" (it says: {error.message})" if error.message else ""
    return f"{meaning(error.code).words}, code {error.code}{said}"
