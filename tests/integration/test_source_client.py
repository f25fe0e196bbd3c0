"""The client against real sockets on 127.0.0.1: deadlines, faults, what an answer proves, and no secret gets out."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import struct
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import structlog

from syncer.errors import Refused, SettingsError, Stopped, SyncerError, Unavailable
from syncer.model import ContextLost, EndOfListing, FilesMissing, ListAnswer, Order, Page, Source
from syncer.net import deadline
from syncer.net.wire import LARGEST_BODY
from syncer.source.client import VodSource
from syncer.source.quota import Unlimited
from syncer.source.signing import SignatureMethod, signature, string_to_sign

CERTIFICATE = Path(__file__).parent / "data" / "api-test.pem"
SECRETS = {"secret_id": "AKIDinvented+id", "secret_key": "invented/key==", "token": "invented token"}
PATIENT = 5.0

REAL_RESOLVER = socket.getaddrinfo

Play = Callable[["Server", socket.socket], bool]
"""What the server does to one request; whether the connection stays open."""


class Server:
    """A server that plays one `Play` for each request, and the last one for ever."""

    def __init__(
        self, *plays: Play, tls: bool = False, greet: Callable[[Server, socket.socket], None] | None = None
    ) -> None:
        self.plays = list(plays)
        self.heads: list[str] = []
        self.connections = 0
        self.stopping = threading.Event()
        self._greet = greet
        self._context: ssl.SSLContext | None = None
        if tls:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(CERTIFICATE)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._open: list[socket.socket] = []
        self._threads[0].start()

    def queries(self) -> list[dict[str, str]]:
        """The parameters of each request so far, decoded once."""
        targets = [urlsplit(head.split(" ")[1]).query for head in self.heads if head.startswith("GET")]
        return [
            {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()} for query in targets
        ]

    def close(self) -> None:
        self.stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._open:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError), sock:
            if self._greet:
                self._greet(self, sock)
                return
            stream = self._context.wrap_socket(sock, server_side=True) if self._context else sock
            with stream:
                self._open.append(stream)
                while self._answer(stream):
                    pass

    def _answer(self, stream: socket.socket) -> bool:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = stream.recv(4096)
            if not byte:
                return False
            head += byte
        self.heads.append(head.decode())
        play = self.plays.pop(0) if len(self.plays) > 1 else self.plays[0]
        return play(self, stream)


def http(body: bytes, status: str = "200 OK", *headers: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def raw(data: bytes, *, keep: bool = True) -> Play:
    def play(_: Server, sock: socket.socket) -> bool:
        sock.sendall(data)
        return keep

    return play


def coded(code: Any, message: str = "", **fields: Any) -> Play:
    return raw(http(json.dumps({"code": code, "message": message, **fields}).encode()))


def listing(*names: str, context: str = "") -> Play:
    return coded(0, context=context, fileSet=[{"fileId": name} for name in names])


def drip(data: bytes, *, after: bytes = b"", seconds: float = 0.03) -> Play:
    """Send `data` a byte at a time, and `after` at once before it."""

    def play(server: Server, sock: socket.socket) -> bool:
        sock.sendall(after)
        for index in range(len(data)):
            if server.stopping.wait(seconds):
                return False
            sock.sendall(data[index : index + 1])
        return True

    return play


def hang_up(_: Server, sock: socket.socket) -> bool:
    return False


def reset(_: Server, sock: socket.socket) -> bool:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def endless(_: Server, sock: socket.socket) -> bool:
    """Send blanks until the client has enough."""
    sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(4 * LARGEST_BODY // 2**20):
        sock.sendall(b" " * 2**20)
    pytest.fail("the client reads without an end")


def silence(server: Server, _: socket.socket) -> bool:
    server.stopping.wait()
    return False


def slow_handshake(server: Server, sock: socket.socket) -> None:
    sock.recv(4096)
    drip(b"\x16\x03\x03\x40\x00\x02" + b"\x00" * 4000)(server, sock)


def no_handshake(_: Server, sock: socket.socket) -> None:
    sock.recv(4096)
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


class Time:
    """A monotonic clock that really runs, and a sleep that only moves it on."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return time.monotonic() + sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Desk:
    """Hands out servers and clients, and closes them."""

    def __init__(self) -> None:
        self.time = Time()
        self.now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
        self._closing: list[Server | VodSource] = []

    def server(self, *plays: Play, **options: Any) -> Server:
        server = Server(*plays, **options)
        self._closing.append(server)
        return server

    def source(self, to: Server | str, **options: Any) -> VodSource:
        given: dict[str, Any] = {
            "url": to if isinstance(to, str) else f"http://127.0.0.1:{to.port}/v2/index.php",
            "limiter": Unlimited(),
            "clock": lambda: self.now,
            "monotonic": self.time.monotonic,
            "sleep": self.time.sleep,
            "random": Random(7),
            "request_timeout": PATIENT,
            **SECRETS,
        }
        source = VodSource(**{**given, **options})
        self._closing.append(source)
        return source

    def close(self) -> None:
        for thing in reversed(self._closing):
            thing.close()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    desk = Desk()
    yield desk
    desk.close()


@pytest.fixture
def api_test(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the name `api.test` resolve to these ports of 127.0.0.1, one a look-up; None does not resolve."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))

    def resolve_to(*ports: int | None) -> None:
        left = list(ports)

        def getaddrinfo(host: str, port: int | None, **options: Any) -> Any:
            if host != "api.test":
                return REAL_RESOLVER(host, port, **options)
            port = left.pop(0) if len(left) > 1 else left[0]
            if port is None:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]

        monkeypatch.setattr(deadline.socket, "getaddrinfo", getaddrinfo)

    return resolve_to


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port that never completes a connection: its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for filler in fillers:
            filler.close()


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def first_page(source: VodSource, context: str | None = None) -> ListAnswer:
    return source.list_page(order=Order.OLDEST_FIRST, prefix="", page_size=100, context=context)


# --- what goes out


def test_it_is_a_source(desk: Desk) -> None:
    source: Source = desk.source("http://127.0.0.1:1/")
    assert source.calls == 0


def test_a_request_is_signed_and_every_value_arrives_as_it_was(desk: Desk) -> None:
    server = desk.server(listing())
    source = desk.source(server, signed_host="vod.api.qcloud.com")
    source.list_page(order=Order.NEWEST_FIRST, prefix="@备 份+/=&%2B", page_size=50, context="ab+c/d==")
    (query,) = server.queries()
    sent = query.pop("Signature")
    assert sent == signature(
        SECRETS["secret_key"],
        string_to_sign("GET", "vod.api.qcloud.com", "/v2/index.php", query),
        SignatureMethod.HMAC_SHA256,
    )
    nonce = query.pop("Nonce")
    assert int(nonce) > 0
    assert query == {
        "Action": "VodBackupGet", "Region": "gz", "SecretId": SECRETS["secret_id"], "Token": SECRETS["token"],
        "SignatureMethod": "HmacSHA256", "Timestamp": str(int(desk.now.timestamp())),
        "orderby": "1", "pageSize": "50", "prefix": "@备 份+/=&%2B", "context": "ab+c/d==",
    }  # fmt: skip


def test_a_lookup_sends_the_ids_from_zero_and_no_other_filter(desk: Desk) -> None:
    server = desk.server(listing("a"))
    answer = desk.source(server).lookup(["a", "b"])
    assert isinstance(answer, Page)
    (query,) = server.queries()
    assert (query["fileId.0"], query["fileId.1"]) == ("a", "b")
    assert not {"prefix", "orderby", "context"} & set(query)


@pytest.mark.parametrize("ids", [[], [""], ["a", ""], ["a"] * 101])
def test_a_lookup_that_would_list_everything_is_not_sent(desk: Desk, ids: list[str]) -> None:
    source = desk.source("http://127.0.0.1:1/")
    with pytest.raises(ValueError, match="1 to 100"):
        source.lookup(ids)
    assert source.calls == 0


def test_the_port_is_not_signed_and_no_compression_is_asked_for(desk: Desk) -> None:
    server = desk.server(listing())
    first_page(desk.source(server))
    (query,) = server.queries()
    sent = query.pop("Signature")
    text = string_to_sign("GET", "127.0.0.1", "/v2/index.php", query)
    assert sent == signature(SECRETS["secret_key"], text, SignatureMethod.HMAC_SHA256)
    assert "accept-encoding: identity" in server.heads[0].lower()


def test_every_attempt_is_signed_anew_and_asks_the_limiter(desk: Desk) -> None:
    asked: list[bool] = []

    class Counting(Unlimited):
        def acquire(self, *, interactive: bool) -> None:
            asked.append(interactive)
            desk.now += timedelta(seconds=1)

    server = desk.server(coded(6000), hang_up, listing())
    desk.source(server, limiter=Counting()).lookup(["a"], interactive=True)
    queries = server.queries()
    assert asked == [True] * 3
    for name in ("Nonce", "Timestamp", "Signature"):
        assert len({query[name] for query in queries}) == 3


def test_one_connection_serves_many_calls(desk: Desk) -> None:
    server = desk.server(listing("a"))
    source = desk.source(server)
    for _ in range(5):
        first_page(source)
    assert (source.calls, server.connections, source.tally.retries) == (5, 1, 0)


def test_a_connection_that_went_stale_in_the_pool_costs_no_retry(desk: Desk) -> None:
    server = desk.server(raw(http(b'{"code":0,"fileSet":[],"context":"x"}'), keep=False), listing())
    source = desk.source(server)
    first_page(source)
    time.sleep(0.05)
    answer = first_page(source, "x")
    assert isinstance(answer, Page)
    assert (answer.ambiguous, source.tally.retries, server.connections) == (False, 0, 2)


# --- answers


def test_the_answers_of_a_listing(desk: Desk) -> None:
    source = desk.source(desk.server(listing("a", context="c"), coded(70008), coded("70005", "bad"), coded(70006)))
    page = first_page(source)
    assert isinstance(page, Page)
    assert (page.files[0].file_id, page.context, page.ambiguous) == ("a", "c", False)
    assert first_page(source, "c") == EndOfListing(ambiguous=False)
    assert first_page(source, "c") == ContextLost(70005, "bad")
    assert first_page(source, "c") == ContextLost(70006, "")
    assert source.tally.outcomes == {"0": 1, "70008": 1, "70005": 1, "70006": 1}


def test_a_lookup_answers_that_files_are_missing(desk: Desk) -> None:
    assert desk.source(desk.server(coded(10008))).lookup(["a"]) == FilesMissing()


@pytest.mark.parametrize("code", [10008, 123456, 4099, 5200, 5100, "Strange.Code"])
def test_a_code_that_is_no_answer_to_the_call_is_retried_a_few_times_and_then_named(desk: Desk, code: Any) -> None:
    play = coded(code, "why") if isinstance(code, int) else raw(http(b'{"Response":{"Error":{"Code":"Strange.Code"}}}'))
    source = desk.source(desk.server(play))
    with pytest.raises(SyncerError) as raised:
        first_page(source)
    if code == 4099:
        assert isinstance(raised.value, Refused)
        return
    assert isinstance(raised.value, Unavailable)
    assert f"code {code}" in str(raised.value)
    assert source.calls == 4


@pytest.mark.parametrize("code", [70005, 70006, 70008])
def test_a_listings_code_to_a_lookup_is_not_taken_for_an_answer(desk: Desk, code: int) -> None:
    with pytest.raises(Unavailable, match=f"code {code}"):
        desk.source(desk.server(coded(code))).lookup(["a"])


@pytest.mark.parametrize(
    ("code", "name"),
    [(1000, "SYNCER_PREFIX"), (4000, "SYNCER_REGION"), (4100, "SYNCER_SECRET_KEY"), (4101, "SYNCER_SECRET_ID"),
     (4104, "SYNCER_SECRET_ID"), (4105, "SYNCER_TOKEN"), (4110, "SYNCER_SECRET_ID"), (4123, "SYNCER_SECRET_KEY"),
     (4300, "account"), (4600, "https://"),
     (5300, "balance"), (6100, "SYNCER_API_URL")],
)  # fmt: skip
def test_a_refusal_is_raised_at_once_and_says_what_to_look_at(desk: Desk, code: int, name: str) -> None:
    source = desk.source(desk.server(coded(code, "(1000)whatever")))
    with pytest.raises(Refused, match=name) as raised:
        first_page(source)
    assert raised.value.code == code
    assert "(1000)whatever" in str(raised.value)
    assert (source.calls, desk.time.slept) == (1, [])


def test_a_refusal_in_the_newer_form_is_a_refusal(desk: Desk) -> None:
    body = b'{"Response":{"Error":{"Code":"AuthFailure.TokenFailure","Message":"m"},"RequestId":"r"}}'
    with pytest.raises(Refused, match="SYNCER_TOKEN") as raised:
        first_page(desk.source(desk.server(raw(http(body)))))
    assert raised.value.code is None
    assert "AuthFailure.TokenFailure" in str(raised.value)


def test_a_code_counts_for_more_than_the_http_status(desk: Desk) -> None:
    server = desk.server(raw(http(b'{"code":70008}', "500 Oops")))
    assert first_page(desk.source(server), "c") == EndOfListing(ambiguous=False)


def test_a_page_with_an_error_status_is_no_page(desk: Desk) -> None:
    server = desk.server(raw(http(b'{"code":0,"fileSet":[]}', "503 Busy")), listing("a"))
    answer = first_page(desk.source(server))
    assert isinstance(answer, Page)
    assert (len(answer.files), answer.ambiguous) == (1, True)


def test_an_exceeded_quota_steps_back_and_is_asked_again(desk: Desk) -> None:
    steps: list[str] = []

    class Stepping(Unlimited):
        def step_back(self) -> None:
            steps.append("back")

    source = desk.source(
        desk.server(coded(4400), raw(http(b"", "429 Too Many Requests")), listing()), limiter=Stepping()
    )
    first_page(source)
    assert (steps, source.tally.retries) == (["back", "back"], 2)


# --- the clock


def test_a_replayed_nonce_is_signed_anew_once_without_a_pause(desk: Desk) -> None:
    source = desk.source(desk.server(coded(4500), listing()))
    answer = first_page(source)
    assert isinstance(answer, Page)
    assert (answer.ambiguous, desk.time.slept) == (True, [])


def test_a_wrong_clock_is_refused_with_the_skew_that_the_message_tells(desk: Desk) -> None:
    server_time = int(desk.now.timestamp()) + 2 * 3600 + 3 * 60 + 5
    source = desk.source(desk.server(coded(4500, f"重放攻击 腾讯服务器 Timestamp = {server_time}")))
    with pytest.raises(Refused, match="this machine's clock is 2 h 3 min behind the API's; set the clock") as raised:
        first_page(source)
    assert (raised.value.code, source.calls) == (4500, 2)


def test_failing_that_the_skew_is_read_from_the_date_header(desk: Desk) -> None:
    date = format_datetime(desk.now - timedelta(minutes=9), usegmt=True)
    source = desk.source(desk.server(raw(http(b'{"code":4200}', "200 OK", f"Date: {date}"))))
    with pytest.raises(Refused, match="9 min ahead of the API's"):
        first_page(source)
    assert source.last_clock_skew == -540.0


@pytest.mark.parametrize("date", ["yesterday", "Sun, 06 Nov 1994 08:49:37", "Sun, 99 Nov 1994 08:49:37 GMT", ""])
def test_a_date_that_cannot_be_read_is_no_fault(desk: Desk, date: str) -> None:
    source = desk.source(desk.server(raw(http(b'{"code":0,"fileSet":[]}', "200 OK", f"Date: {date}"))))
    assert isinstance(first_page(source), Page)
    assert source.last_clock_skew is None


# --- retries


def test_a_call_is_retried_for_so_long_and_no_longer_with_pauses_that_grow(desk: Desk) -> None:
    source = desk.source(desk.server(coded(1001, "db")), retry_for=600.0)
    with pytest.raises(Unavailable) as raised:
        first_page(source)
    assert sum(desk.time.slept) == pytest.approx(600, abs=3)
    assert max(desk.time.slept) <= 30
    assert all(pause <= 0.5 * 2**number for number, pause in enumerate(desk.time.slept))
    assert max(desk.time.slept[8:]) > 15
    assert source.calls == len(desk.time.slept) + 1 == source.tally.retries + 1
    assert f"{source.calls} attempts in 10 min" in str(raised.value)
    assert "code 1001 (it says: db)" in str(raised.value)


def test_without_retries_a_call_is_attempted_once(desk: Desk) -> None:
    source = desk.source(desk.server(coded(6000)), retry_for=0.0)
    with pytest.raises(Unavailable, match="one attempt"):
        first_page(source)
    assert source.calls == 1


def test_a_stop_while_waiting_ends_the_call(desk: Desk) -> None:
    def stop(_: float) -> None:
        raise Stopped("asked to")

    with pytest.raises(Stopped):
        first_page(desk.source(desk.server(coded(6000)), sleep=stop))


@pytest.mark.parametrize(("status", "calls"), [("404 Not Found", 4), ("403 Forbidden", 4), ("302 Found", 4)])
def test_a_status_that_waiting_does_not_cure_is_given_up_soon(desk: Desk, status: str, calls: int) -> None:
    location = "Location: http://127.0.0.1:1/elsewhere"
    source = desk.source(desk.server(raw(http(b"<html>", status, location))))
    with pytest.raises(Unavailable, match=f"HTTP status {status[:3]}") as raised:
        first_page(source)
    assert (source.calls, source.tally.outcomes) == (calls, {f"http_{status[:3]}": calls})
    assert "SYNCER_API_URL" in str(raised.value)


# --- deadlines


def within(seconds: float, source: VodSource) -> str:
    began = time.monotonic()
    with pytest.raises(Unavailable) as raised:
        first_page(source)
    assert time.monotonic() - began < seconds + 0.5
    return str(raised.value)


DRIPS: dict[str, Play] = {
    "silence": silence,
    "head": drip(http(b"{}")),
    "many headers": drip(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 90),
    "continue for ever": drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
    "body": drip(b" " * 1000, after=http(b"", length=10**6)),
    "chunks": drip(b"1\r\n \r\n" * 500, after=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "body without a length": drip(b" " * 1000, after=b"HTTP/1.1 200 OK\r\n\r\n"),
}


@pytest.mark.parametrize("play", DRIPS.values(), ids=DRIPS)
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_a_dripping_server_cannot_stretch_the_timeout(desk: Desk, api_test: Any, play: Play, tls: bool) -> None:
    server = desk.server(play, tls=tls)
    api_test(server.port)
    source = desk.source(f"http{'s' * tls}://api.test:{server.port}/", request_timeout=0.4, retry_for=0.0)
    assert "no complete answer within 0.4 s" in within(0.4, source)
    assert source.tally.outcomes == {"timeout": 1}


def test_a_dripping_handshake_cannot_stretch_the_timeout(desk: Desk, api_test: Any) -> None:
    server = desk.server(greet=slow_handshake)
    api_test(server.port)
    source = desk.source(f"https://api.test:{server.port}/", request_timeout=0.4, retry_for=0.0)
    assert "no connection within the request timeout" in within(0.4, source)


def test_a_dripping_proxy_cannot_stretch_the_timeout(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = desk.server(drip(b"HTTP/1.1 200 Connection established\r\n" + b"X: y\r\n" * 90))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    source = desk.source("https://api.test/", request_timeout=0.4, retry_for=0.0)
    assert "by way of the proxy 127.0.0.1" in within(0.4, source)
    assert source.tally.outcomes == {"timeout": 1}


def test_a_slow_resolver_cannot_stretch_the_timeout(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()
    monkeypatch.setattr(deadline.socket, "getaddrinfo", lambda *_, **__: done.wait(5))
    within(0.3, desk.source("http://api.test/", request_timeout=0.3, retry_for=0.0))
    done.set()


def test_an_address_that_does_not_answer_leaves_time_for_the_next(
    desk: Desk, deaf_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = desk.server(listing())
    both = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port)) for port in (deaf_port, server.port)]
    monkeypatch.setattr(deadline.socket, "getaddrinfo", lambda *_, **__: both)
    assert isinstance(first_page(desk.source("http://api.test/", request_timeout=1.0, retry_for=0.0)), Page)


# --- what a retried answer proves

SENT: dict[str, Play] = {
    "connection broken": hang_up,
    "connection broken by reset": reset,
    "connection broken in the body": raw(http(b'{"code":0,', length=500), keep=False),
    "connection broken in a chunk": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n99\r\n{", keep=False),
    "connection broken by nonsense": raw(b"\x00\xff nonsense\r\n\r\n", keep=False),
    "connection broken by bad gzip": raw(http(b"nonsense", "200 OK", "Content-Encoding: gzip")),
    "timeout": silence,
    "timeout in the body": lambda server, sock: raw(http(b"{", length=9))(server, sock) and silence(server, sock),
    "malformed": raw(http(b"<html>login</html>")),
    "malformed and cut": raw(b'HTTP/1.1 200 OK\r\n\r\n{"code":0,"fileSet":[{"fileId":"1"}', keep=False),
    "malformed and empty": raw(http(b"")),
    "too large": endless,
    "http 502": raw(http(b"<html>", "502 Bad Gateway")),
    "http 408": raw(http(b"", "408 Request Timeout")),
    "http 301": raw(http(b"", "301 Moved", "Location: /elsewhere")),
    "1": coded(1),
    "6200": coded(6200),
    "5100": coded(5100),
    "4400": coded(4400),
    "4500": coded(4500),
}


@pytest.mark.parametrize("fault", SENT)
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_after_a_request_that_may_have_arrived_the_end_is_ambiguous(
    desk: Desk,
    api_test: Any,
    fault: str,
    tls: bool,
) -> None:
    server = desk.server(SENT[fault], coded(70008), tls=tls)
    api_test(server.port)
    source = desk.source(
        f"http{'s' * tls}://api.test:{server.port}/", request_timeout=0.4 if "timeout" in fault else PATIENT
    )
    assert first_page(source, "c") == EndOfListing(ambiguous=True)
    assert fault.replace(" ", "_").startswith(min(source.tally.outcomes.keys() - {"70008"}))
    assert (source.calls, source.tally.retries) == (2, 1)
    assert first_page(source, "c") == EndOfListing(ambiguous=False), "the next call begins afresh"


@pytest.mark.parametrize(
    "fault", ["name not resolved", "connection refused", "timeout", "tls", "tls timeout", "certificate"]
)
def test_after_a_request_that_cannot_have_arrived_the_end_is_not_ambiguous(
    *, desk: Desk, api_test: Any, fault: str, deaf_port: int, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = desk.server(coded(70008), tls=True)
    ports = {
        "name not resolved": lambda: None,
        "connection refused": lambda: closed_port,
        "timeout": lambda: deaf_port,
        "tls": lambda: desk.server(greet=no_handshake).port,
        "tls timeout": lambda: desk.server(greet=slow_handshake).port,
        "certificate": lambda: good.port,
    }
    api_test(ports[fault](), good.port)
    source = desk.source("https://api.test/", request_timeout=0.5 if "timeout" in fault else PATIENT)
    if fault == "certificate":
        with monkeypatch.context() as patch:
            patch.delenv("REQUESTS_CA_BUNDLE")
            untrusting = desk.source("https://api.test/")
        untrusting._sleep = lambda _: (setattr(untrusting._wire, "_verify", str(CERTIFICATE)), untrusting.close())
        source = untrusting
    assert first_page(source, "c") == EndOfListing(ambiguous=False)
    assert source.calls == 2
    assert ("timeout" if "timeout" in fault else fault.replace(" ", "_")) in source.tally.outcomes
    assert good.queries()[-1]["context"] == "c"


def test_a_proxy_that_refuses_the_tunnel_leaves_no_doubt(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = desk.server(raw(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", keep=False))
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:password@127.0.0.1:{proxy.port}")
    source = desk.source("https://api.test/", retry_for=0.0)
    with pytest.raises(Unavailable, match=r"by way of the proxy 127\.0\.0\.1") as raised:
        first_page(source)
    assert proxy.heads[0].startswith("CONNECT api.test:443 ")
    assert "password" not in str(raised.value)
    assert source.tally.outcomes == {"no_connection": 1}


def test_a_page_after_a_lost_reply_is_ambiguous_and_a_lookup_too(desk: Desk) -> None:
    answers = [
        first_page(desk.source(desk.server(hang_up, listing("a")))),
        desk.source(desk.server(reset, listing("a"))).lookup(["a"]),
    ]
    assert [answer.ambiguous for answer in answers if isinstance(answer, Page)] == [True, True]


# --- the environment


def test_a_call_goes_through_the_proxy_of_the_environment_unless_told_otherwise(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = desk.server(listing())
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
    assert isinstance(first_page(desk.source("http://api.test/v2/index.php")), Page)
    assert proxy.heads[0].startswith("GET http://api.test/v2/index.php?")
    server = desk.server(listing())
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    first_page(desk.source(server))
    assert (len(server.heads), len(proxy.heads)) == (1, 1)


def test_a_proxy_that_is_not_http_is_named_as_a_mistake(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://user:password@127.0.0.1:1")
    with pytest.raises(SettingsError, match="ALL_PROXY") as raised:
        desk.source("http://api.test/")
    assert "password" not in str(raised.value)


def test_a_netrc_file_is_not_read(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server = desk.server(listing())
    first_page(desk.source(server))
    assert "authorization" not in server.heads[0].lower()


def test_a_certificate_for_another_name_is_not_trusted(
    desk: Desk, api_test: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = desk.server(listing(), tls=True)
    monkeypatch.undo()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    address = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", server.port))]
    monkeypatch.setattr(deadline.socket, "getaddrinfo", lambda *_, **__: address)
    with pytest.raises(Unavailable, match="certificate is not trusted"):
        first_page(desk.source("https://other.test/"))
    assert server.heads == []


def test_cookies_are_not_kept(desk: Desk) -> None:
    server = desk.server(raw(http(b'{"code":0,"fileSet":[]}', "200 OK", "Set-Cookie: a=b")))
    source = desk.source(server)
    first_page(source)
    first_page(source)
    assert "cookie" not in server.heads[1].lower()


# --- secrets


def spellings() -> list[str]:
    raw_and_quoted = [form for secret in SECRETS.values() for form in (secret, quote(secret), quote(secret, safe=""))]
    return [*raw_and_quoted, "Signature=", "SecretId="]


def assert_no_secret(text: str) -> None:
    for secret in spellings():
        assert secret not in text


@pytest.mark.parametrize("fault", ["refused", "tls", "certificate", "name", "proxy", "odd url", *SENT])
def test_no_secret_gets_out_by_an_error_its_causes_or_a_log(
    *,
    desk: Desk,
    api_test: Any,
    fault: str,
    closed_port: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    url = f"https://api.test:{closed_port}/"
    api_test(closed_port)
    if fault == "name":
        api_test(None)
    elif fault == "tls":
        api_test(desk.server(greet=no_handshake).port)
    elif fault == "certificate":
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        api_test(desk.server(listing(), tls=True).port)
    elif fault == "proxy":
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    elif fault == "odd url":
        url = "http://" + "x" * 70 + ".test/"
        monkeypatch.undo()
    elif fault in SENT:
        url = f"http://127.0.0.1:{desk.server(SENT[fault]).port}/"
    with structlog.testing.capture_logs() as logs, pytest.raises((Unavailable, Refused)) as raised:
        first_page(
            desk.source(
                url, retry_for=0.0 if fault != "4500" else 60.0, request_timeout=0.4 if "timeout" in fault else PATIENT
            )
        )
    assert_no_secret("".join(traceback.format_exception(raised.value)))
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
    assert_no_secret(caplog.text + repr(logs) + "".join(capfd.readouterr()))
    assert logs


def test_the_libraries_do_not_log_the_signed_url_even_for_odd_headers(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 23\r\nno colon here\r\n\r\n"
    first_page(desk.source(desk.server(raw(head + b'{"code":0,"fileSet":[]}', keep=False))))
    assert_no_secret(caplog.text)


def test_a_source_shows_no_secret_of_itself(desk: Desk) -> None:
    source = desk.source("https://user:invented@vod.api.qcloud.com/v2/index.php")
    assert_no_secret(repr(source) + str(source))
    assert "user" not in repr(source)


def test_a_message_that_echoes_secrets_is_shown_without_them(desk: Desk) -> None:
    echo = " ".join(spellings()[:-2])
    with pytest.raises(Refused) as raised:
        first_page(desk.source(desk.server(coded(4100, echo + " the end"))))
    assert_no_secret(str(raised.value))
    assert "the end" in str(raised.value)


def test_pauses_differ_between_processes() -> None:
    def pauses(seed: int) -> list[float]:
        desk = Desk()
        with suppress(Unavailable):
            first_page(desk.source("http://127.0.0.1:1/", random=Random(seed), retry_for=20.0))
        return desk.time.slept

    assert all(one != other for one, other in pairwise([pauses(1), pauses(2)]))


# --- asking ahead


class Slots(Unlimited):
    """A quota with so many slots that are due; the age of a grant counts."""

    grant_seconds = 0.2

    def __init__(self, due: int) -> None:
        self.due, self.waited_for = due, 0

    def acquire(self, *, interactive: bool) -> None:
        self.waited_for += 1

    def acquire_at_once(self) -> bool:
        self.due -= 1
        return self.due >= 0


QUESTION: dict[str, Any] = {"order": Order.NEWEST_FIRST, "prefix": "", "page_size": 10, "context": "here"}


def test_a_call_goes_on_from_what_was_asked_ahead(desk: Desk) -> None:
    server = desk.server(listing("a", context="next"), listing("b"))
    source = desk.source(server, limiter=Slots(1))
    ask = source.ahead(**QUESTION)
    assert ask is not None
    assert not source.asked_ahead
    page = ask()
    assert page is ask()
    assert source.asked_ahead
    assert source.list_page(**QUESTION) is page
    assert (source.asked_ahead, source.calls, len(server.queries())) == (False, 1, 1)


def test_what_failed_ahead_is_retried_by_the_call_itself(desk: Desk) -> None:
    server = desk.server(raw(http(b"", "503 Service Unavailable")), listing("a"))
    quota = Slots(1)
    source = desk.source(server, limiter=quota)
    ask = source.ahead(**QUESTION)
    assert ask is not None
    assert ask() is None
    assert desk.time.slept == []
    page = source.list_page(**QUESTION)
    assert isinstance(page, Page)
    assert page.ambiguous
    assert (len(desk.time.slept), source.calls, quota.waited_for) == (1, 2, 1)


def test_without_a_slot_nothing_is_asked_ahead(desk: Desk) -> None:
    server = desk.server(listing("a"))
    assert desk.source(server, limiter=Slots(0)).ahead(**QUESTION) is None
    assert not server.queries()


def test_a_grant_that_has_grown_old_is_not_used(desk: Desk) -> None:
    server = desk.server(listing("a"))
    quota = Slots(1)
    source = desk.source(server, limiter=quota)
    ask = source.ahead(**QUESTION)
    assert ask is not None
    desk.time.slept.append(0.3)
    assert ask() is None
    assert not source.asked_ahead
    assert isinstance(source.list_page(**QUESTION), Page)
    assert (source.calls, quota.waited_for) == (1, 1)


def test_what_was_asked_ahead_is_no_answer_to_another_question(desk: Desk) -> None:
    server = desk.server(listing("a"), listing("b"))
    source = desk.source(server, limiter=Slots(1))
    ask = source.ahead(**QUESTION)
    assert ask is not None
    ask()
    other = source.list_page(**(QUESTION | {"context": "elsewhere"}))
    assert isinstance(other, Page)
    assert [file.file_id for file in other.files] == ["b"]
    assert (source.asked_ahead, source.calls) == (False, 2)
