"""Asks VodBackupGet on behalf of one account: signs, sends, decodes, retries, and explains what it gives up on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from random import Random
from typing import Self
from urllib.parse import quote, urlsplit

import structlog

from syncer.errors import Refused, Unavailable
from syncer.model import Calls, ContextLost, EndOfListing, FilesMissing, ListAnswer, LookupAnswer, Order, Page
from syncer.net.faults import Fault, FaultKind
from syncer.net.text import one_line
from syncer.net.wire import Reply, Wire
from syncer.source import words
from syncer.source.codes import Consequence, meaning
from syncer.source.decode import ApiError, Malformed, decode
from syncer.source.patience import Patience
from syncer.source.quota import Limiter
from syncer.source.signing import SignatureMethod, encode, signature, string_to_sign
from syncer.source.tally import SUCCESS, Tally
from syncer.tracing import span

MOST_FILE_IDS = 100
"""File ids in one call at most (VodBackupGet, `fileId.n`)."""

_LARGEST_NONCE = 2**31 - 1
_ENDS = frozenset({Consequence.END_OF_LISTING, Consequence.CONTEXT_LOST})
_MISSING = frozenset({Consequence.FILE_MISSING})
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Ahead:
    """The first attempt at a call that is still to come: with what it was made, and what it came to."""

    params: Mapping[str, str]
    outcome: Page | ApiError | Fault


class VodSource:
    """One account's connection to the API; implements `syncer.model.Source`. For one thread at a time.

    `on_retry` is told how an attempt failed after which another is made, and None when that is over at last.
    `request_timeout` bounds one whole exchange, `retry_for` all attempts at one call (the last may overrun it by one
    timeout), both in seconds. `clock` returns an aware datetime, `monotonic` seconds; `sleep` may raise `Stopped`,
    which then ends the call. `limiter` is asked before every attempt.

    `tally` counts attempts, by the API's code or the fault's kind too.
    `last_clock_skew` is how many seconds the API's clock is ahead of this machine's, as its last `Date` header had it
    (a whole second, so right within one, and the way's delay), or None.
    """

    def __init__(
        self,
        *,
        url: str,
        secret_id: str,
        secret_key: str,
        limiter: Limiter,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
        random: Random,
        signed_host: str = "",
        token: str = "",
        region: str = "gz",
        signature_method: str = SignatureMethod.HMAC_SHA256,
        request_timeout: float = 30.0,
        retry_for: float = 600.0,
        user_agent: str = "syncer",
        on_retry: Callable[[str | None], None] = lambda _: None,
    ) -> None:
        self._on_retry = on_retry
        self.tally = Tally()
        self.last_clock_skew: float | None = None
        parts = urlsplit(url)
        self._address = parts.netloc.rpartition("@")[2]
        self._path = parts.path or "/"
        self._signed_host = signed_host or parts.hostname or ""
        self._signature_method = SignatureMethod(signature_method)
        self._common = {
            "Action": "VodBackupGet",
            "Region": region,
            "SecretId": secret_id,
            "SignatureMethod": self._signature_method.value,
        } | ({"Token": token} if token else {})
        self._common_query = encode(self._common)
        self._secret_key = secret_key
        self._hidden = _spellings(secret_id, secret_key, token)
        self._limiter = limiter
        self._clock = clock
        self._monotonic = monotonic
        self._sleep = sleep
        self._random = random
        self._retry_for = retry_for
        self._ahead: _Ahead | None = None
        self._wire = Wire(
            f"{parts.scheme}://{self._address}{self._path}",
            timeout=request_timeout,
            monotonic=monotonic,
            user_agent=user_agent,
        )

    def __repr__(self) -> str:
        return f"<VodSource {self._address} calls={self.calls}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; a later call opens a new one."""
        self._wire.close()

    @property
    def calls(self) -> int:
        """Calls made over the life of this object, failed ones and retries included."""
        return self.tally.made

    def take_calls(self, *, least_wait: float = 0.0) -> Calls:
        """Return what the calls since the last time came to; see `Tally.take`."""
        self.tally.waited = self._limiter.seconds_waited
        return self.tally.take(least_wait=least_wait)

    def list_page(
        self, *, order: Order, prefix: str, page_size: int, context: str | None, interactive: bool = False
    ) -> ListAnswer:
        """Ask for one page; the filters go along with a context, for changing them is error 70006.

        Raises Refused, Unavailable, or what `sleep` raises.
        """
        params = _listing(order, prefix, page_size, context)
        answer, ambiguous = self._ask(params, _ENDS, interactive=interactive)
        if isinstance(answer, Page):
            return replace(answer, ambiguous=True) if ambiguous else answer
        if meaning(answer.code).consequence is Consequence.END_OF_LISTING:
            return EndOfListing(ambiguous=ambiguous)
        return ContextLost(int(answer.code), answer.message)

    @property
    def asked_ahead(self) -> bool:
        """Whether the first attempt at the next `list_page` has been made."""
        return self._ahead is not None

    def ahead(
        self, *, order: Order, prefix: str, page_size: int, context: str | None
    ) -> Callable[[], Page | None] | None:
        """Return what makes the first attempt at the `list_page` with these arguments; None without a slot for it.

        It neither waits nor raises, makes one attempt however often it is called before that `list_page`, and none
        once the grant is too old. It returns the attempt's page, if any.
        """
        granted_at = self._monotonic()
        if not self._limiter.acquire_at_once():
            return None
        params = _listing(order, prefix, page_size, context)

        def ask() -> Page | None:
            if self._ahead is None:
                if self._monotonic() - granted_at > self._limiter.grant_seconds:
                    return None
                self._ahead = _Ahead(params, self._attempt(params))
            return self._ahead.outcome if isinstance(self._ahead.outcome, Page) else None

        return ask

    def lookup(self, file_ids: Sequence[str], *, interactive: bool = False) -> LookupAnswer:
        """Ask for 1 to 100 files by id. Raises Refused, Unavailable, or what `sleep` raises.

        Raises ValueError for no ids or an empty one (the API would list everything), and for more than 100.
        """
        if not 1 <= len(file_ids) <= MOST_FILE_IDS or not all(file_ids):
            raise ValueError(f"a lookup takes 1 to {MOST_FILE_IDS} file ids, none of them empty")
        params = {f"fileId.{index}": file_id for index, file_id in enumerate(file_ids)}
        params["pageSize"] = str(MOST_FILE_IDS)
        answer, ambiguous = self._ask(params, _MISSING, interactive=interactive)
        if isinstance(answer, Page):
            return replace(answer, ambiguous=True) if ambiguous else answer
        return FilesMissing()

    def _ask(
        self, params: Mapping[str, str], expected: frozenset[Consequence], *, interactive: bool
    ) -> tuple[Page | ApiError, bool]:
        """Attempt a call until there is a page or an expected code; say whether an earlier attempt may have counted."""
        patience = Patience(self._retry_for, self._monotonic, self._random)
        ambiguous = False
        clock_failures = 0
        ahead, self._ahead = self._ahead, None
        while True:
            if ahead is not None and ahead.params == params:
                patience.begin_attempt()
                outcome, ahead = ahead.outcome, None
            else:
                self._limiter.acquire(interactive=interactive)
                patience.begin_attempt()
                outcome = self._attempt(params)
            if isinstance(outcome, Page):
                self._end(patience)
                return outcome, ambiguous
            if isinstance(outcome, ApiError):
                consequence = meaning(outcome.code).consequence
                if consequence in expected:
                    self._end(patience)
                    return outcome, ambiguous
                clock_failures += consequence is Consequence.CLOCK
                if consequence is Consequence.REFUSED or clock_failures > 1:
                    raise self._refusal(outcome, consequence)
            else:
                consequence = _consequence(outcome)
            ambiguous = ambiguous or isinstance(outcome, ApiError) or outcome.sent
            self._pause(patience, consequence, outcome)

    def _end(self, patience: Patience) -> None:
        if patience.attempts > 1:
            self._on_retry(None)

    def _pause(self, patience: Patience, consequence: Consequence, outcome: ApiError | Fault) -> None:
        """Wait before the next attempt; raises Unavailable when there is to be none."""
        if consequence is Consequence.QUOTA:
            self._limiter.step_back()
        passing = consequence in (Consequence.TRANSIENT, Consequence.QUOTA, Consequence.CLOCK)
        seconds = patience.pause(brief=not passing)
        if seconds is None:
            raise Unavailable(words.unavailable(self._address, outcome, patience.attempts, patience.seconds))
        self.tally.retries += 1
        self._on_retry(words.failed_attempt(outcome))
        if consequence is not Consequence.CLOCK:
            self._sleep(seconds)

    def _attempt(self, params: Mapping[str, str]) -> Page | ApiError | Fault:
        self.tally.made += 1
        began = self._monotonic()
        timestamp, nonce = int(self._clock().timestamp()), self._random.randint(1, _LARGEST_NONCE)
        with span("api_call") as call:
            outcome = self._read(self._wire.get(self._signed_query(params, timestamp, nonce)))
            name = _name(outcome)
            call.note(code=name)
        self.tally.outcomes[name] += 1
        # The API knows no request id: time and nonce are all by which its operators could find a request.
        _log.debug("api_call", outcome=name, timestamp=timestamp, nonce=nonce, seconds=self._monotonic() - began)
        return outcome

    def _signed_query(self, params: Mapping[str, str], timestamp: int, nonce: int) -> str:
        own = {**params, "Timestamp": str(timestamp), "Nonce": str(nonce)}
        text = string_to_sign("GET", self._signed_host, self._path, {**self._common, **own})
        own["Signature"] = signature(self._secret_key, text, self._signature_method)
        return f"{self._common_query}&{encode(own)}"

    def _read(self, reply: Reply | Fault) -> Page | ApiError | Fault:
        """Read a response: a code in its body counts for more than its HTTP status, a page only in a 2xx."""
        if isinstance(reply, Fault):
            return reply
        self._note_date(reply.date)
        answer = decode(reply.body)
        if isinstance(answer, ApiError):
            return replace(answer, message=self._shown(answer.message))
        if not 200 <= reply.status < 300:  # noqa: PLR2004 - HTTP's success
            return Fault(FaultKind.HTTP, words.http_status(reply.status), sent=True, status=reply.status)
        if isinstance(answer, Malformed):
            return Fault(FaultKind.MALFORMED, f"an answer that cannot be read: {answer.reason}", sent=True)
        return answer

    def _note_date(self, date: str | None) -> None:
        try:
            server = parsedate_to_datetime(date or "")
            self.last_clock_skew = (server - self._clock()).total_seconds()
        except (TypeError, ValueError, OverflowError):
            return  # no date, or one without a zone: nothing is learned

    def _shown(self, message: str) -> str:
        """Return the API's message without the secrets that it may echo."""
        for secret in self._hidden:
            message = message.replace(secret, "(hidden)")
        return one_line(message)

    def _refusal(self, error: ApiError, consequence: Consequence) -> Refused:
        if consequence is Consequence.CLOCK:
            text = words.clock_refusal(error, self.last_clock_skew, self._clock().timestamp())
        else:
            text = words.refusal(error)
        return Refused(text, code=error.code if isinstance(error.code, int) else None)


def _listing(order: Order, prefix: str, page_size: int, context: str | None) -> dict[str, str]:
    """Return the parameters of a call for a page."""
    params = {"orderby": str(int(order)), "pageSize": str(page_size)}
    if prefix:
        params["prefix"] = prefix
    if context is not None:
        params["context"] = context
    return params


def _consequence(fault: Fault) -> Consequence:
    """Say how patiently a fault is retried: an overloaded server recovers, a wrong address or certificate does not."""
    if fault.kind is FaultKind.HTTP and fault.status is not None:
        if fault.status == 429:  # noqa: PLR2004 - Too Many Requests
            return Consequence.QUOTA
        return Consequence.TRANSIENT if fault.status >= 500 or fault.status == 408 else Consequence.BRIEF  # noqa: PLR2004 - server errors, Request Timeout
    lasting = fault.kind in (FaultKind.CERTIFICATE, FaultKind.TOO_LARGE)
    return Consequence.BRIEF if lasting else Consequence.TRANSIENT


def _name(outcome: Page | ApiError | Fault) -> str:
    """Return an outcome as one word: the code, `http_503`, or the kind of fault."""
    if isinstance(outcome, Fault):
        return f"http_{outcome.status}" if outcome.status else outcome.kind.value.replace(" ", "_")
    return SUCCESS if isinstance(outcome, Page) else str(outcome.code)


def _spellings(*secrets: str) -> tuple[str, ...]:
    """Return the secrets as they may be echoed, raw or encoded, longest first."""
    found = {spelling for secret in secrets if secret for spelling in (secret, quote(secret), quote(secret, safe=""))}
    return tuple(sorted(found, key=len, reverse=True))
