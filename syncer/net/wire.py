"""Sends one request under one deadline and says what came back; knows HTTP and sockets, and nothing of the API."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from socket import gaierror
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import select_proxy
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.util.ssl_ import create_urllib3_context

from syncer.errors import SettingsError
from syncer.net.deadline import POOLS, Exchange, ForbiddenAddress, TimedTlsSocket, exchange_of
from syncer.net.faults import Fault, FaultKind
from syncer.net.text import one_line

LARGEST_BODY = 16 * 1024 * 1024
"""Bytes of an answer that are read at most, decompressed; a page of 100 files has some 30 thousand."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole HTTP response: its status, its body and the server's `Date` and `Retry-After`, if it sent them."""

    status: int
    body: bytes
    date: str | None
    retry_after: str | None = None


class Wire:
    """One kept-alive connection to one URL, for one thread at a time.

    `timeout` seconds bound a whole exchange: looking the name up, connecting, the TLS handshake, headers and body.
    Proxies and `REQUESTS_CA_BUNDLE` are taken from the environment once. TLS certificates are always verified, no
    redirect is followed, no `.netrc` is read, no cookie is kept. At most `largest` bytes of an answer are read. The
    addresses that the URL's host (or the proxy's) stands for are connected to only if `allowed`. Raises SettingsError,
    which names `setting` as what the proxy is for, for a proxy that is not HTTP.
    """

    # The adapter is used without its Session, which reads the body of a redirect whatever its size, keeps cookies, and
    # costs as much again as the exchange itself; and it is asked once where and how to connect, for that costs a third.

    def __init__(
        self,
        url: str,
        *,
        timeout: float,
        monotonic: Callable[[], float],
        user_agent: str,
        largest: int = LARGEST_BODY,
        allowed: Callable[[str], bool] = lambda _: True,
        setting: str = "SYNCER_API_URL",
    ) -> None:
        self._url = url
        self._largest = largest
        self._allowed = allowed
        self._timeout = timeout
        self._monotonic = monotonic
        self._headers = CaseInsensitiveDict(
            {"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "identity", "Connection": "keep-alive"}
        )
        with requests.Session() as session:
            environment = session.merge_environment_settings(url, {}, True, None, None)
        self._proxies = dict(environment["proxies"])
        self._verify: bool | str = environment["verify"] or True
        self._proxy = _checked_proxy(url, self._proxies, setting)
        self._adapter = _Adapter(pool_connections=1, pool_maxsize=1, max_retries=0)
        self._pool: HTTPConnectionPool | None = None
        self._target = ""

    def close(self) -> None:
        """Close the connection; a later request opens a new one."""
        self._adapter.close()
        self._pool = None

    def get(self, query: str) -> Reply | Fault:
        """Send the request and read its response whole, within the timeout."""
        return self._exchange("GET", query, None, self._headers)

    def post(self, query: str, body: bytes, headers: Mapping[str, str]) -> Reply | Fault:
        """Send `body` with these headers besides the usual ones, and read the response whole, within the timeout."""
        length = {"Content-Length": str(len(body))}
        return self._exchange("POST", query, body, CaseInsensitiveDict({**self._headers, **headers, **length}))

    def _exchange(
        self, method: str, query: str, body: bytes | None, headers: CaseInsensitiveDict[str]
    ) -> Reply | Fault:
        ends_at = self._monotonic() + self._timeout
        with exchange_of(Exchange(ends_at, self._monotonic, allowed=self._allowed)) as exchange:
            try:
                return self._send(method, query, body, headers)
            except (requests.RequestException, HTTPError, HTTPException, OSError, ValueError) as error:
                # The text of these errors may hold the signed URL: only their types and numbers are looked at.
                return self._fault(list(chain(error)), sent=exchange.sent)

    def _send(self, method: str, query: str, body: bytes | None, headers: CaseInsensitiveDict[str]) -> Reply | Fault:
        pool = self._pool or self._connect()
        response = pool.urlopen(
            method,
            f"{self._target}?{query}" if query else self._target,
            body,
            headers,
            retries=self._adapter.max_retries,
            redirect=False,
            assert_same_host=False,
            timeout=self._timeout,
            preload_content=False,
            decode_content=False,
        )
        try:
            content = response.read(self._largest + 1, decode_content=True)
        finally:
            response.close()
        if len(content) > self._largest:
            return Fault(FaultKind.TOO_LARGE, f"an answer of more than {self._largest // 2**10:,} KiB", sent=True)
        return Reply(response.status, content, response.headers.get("Date"), response.headers.get("Retry-After"))

    def _connect(self) -> HTTPConnectionPool:
        """Ask requests by which connections the URL is reached, and what a request must name there."""
        request = requests.PreparedRequest()
        request.url, request.headers = self._url, self._headers
        pool = self._adapter.get_connection_with_tls_context(request, self._verify, proxies=self._proxies)
        assert isinstance(pool, HTTPConnectionPool)
        self._adapter.cert_verify(pool, self._url, self._verify, None)  # type: ignore[no-untyped-call] # the stubs forgot it
        self._target = self._adapter.request_url(request, self._proxies)
        self._pool = pool
        return pool

    def _fault(self, errors: list[BaseException], *, sent: bool) -> Fault:
        if sent and any(isinstance(error, TimeoutError) for error in errors):
            return Fault(FaultKind.TIMEOUT, f"no complete answer within {self._timeout:g} s", sent)
        if sent:
            return Fault(FaultKind.BROKEN, "the connection broke before the answer was complete", sent)
        kind, words = why_unsent(errors)
        return Fault(kind, f"{words}, by way of the proxy {self._proxy}" if self._proxy else words, sent)


# A request that was not sent failed for the first of these that it failed for.
_UNSENT: tuple[tuple[type[BaseException], FaultKind, str], ...] = (
    (ForbiddenAddress, FaultKind.FORBIDDEN, "the host is at an address that must not be connected to"),
    (gaierror, FaultKind.NAME, "the host name could not be resolved"),
    (UnicodeError, FaultKind.NAME, "the host name is not a possible one"),
    (ConnectionRefusedError, FaultKind.REFUSED, "the connection was refused"),
    (ssl.SSLCertVerificationError, FaultKind.CERTIFICATE, "the TLS certificate is not trusted"),
    (ssl.SSLError, FaultKind.TLS, "the TLS handshake failed"),
    (TimeoutError, FaultKind.TIMEOUT, "no connection within the request timeout"),
)


def why_unsent(errors: list[BaseException]) -> tuple[FaultKind, str]:
    """Name the fault by the types and numbers of what was raised, never by its text."""
    for kind_of_error, kind, words in _UNSENT:
        for error in errors:
            if isinstance(error, kind_of_error):
                reason = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else ""
                return kind, f"{words} ({one_line(reason)})" if reason else words
    number = next((error.errno for error in errors if isinstance(error, OSError) and error.errno), None)
    return FaultKind.NO_CONNECTION, f"no connection could be made{f' ({os.strerror(number)})' if number else ''}"


class _Adapter(HTTPAdapter):
    """requests' transport, with connections that keep the deadline of the exchange in progress."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=_tls_context())
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        known = proxy in self.proxy_manager
        contexts = {} if known else {"ssl_context": _tls_context(), "proxy_ssl_context": _tls_context()}
        manager = super().proxy_manager_for(proxy, **kwargs, **contexts)
        manager.pool_classes_by_scheme = POOLS
        return manager


def _tls_context() -> ssl.SSLContext:
    context = create_urllib3_context()
    context.sslsocket_class = TimedTlsSocket
    return context


def _checked_proxy(url: str, proxies: dict[str, str], setting: str) -> str | None:
    """Return host and port of the proxy that `url` is reached by. Raises SettingsError for a SOCKS proxy."""
    proxy = select_proxy(url, proxies)
    if not proxy:
        return None
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(
            f"The environment names a proxy for {setting} that is no HTTP proxy; syncer needs one, or none:"
            " see HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY."
        )
    return parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and what it came from, by every way in which requests and urllib3 hand an error on."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        found = waiting.pop(0)
        if isinstance(found, BaseException) and id(found) not in seen:
            seen.add(id(found))
            yield found
            waiting += [getattr(found, "reason", None), *found.args, found.__cause__, found.__context__]


def _drop(_record: logging.LogRecord) -> bool:
    return False


# urllib3 logs the URL, which here is signed: at debug with every call and retry, at warning for odd headers.
for _module in ("connection", "connectionpool", "poolmanager", "response", "util.retry"):
    logging.getLogger(f"urllib3.{_module}").addFilter(_drop)
