"""Each fault of the simulator as it really looks on the wire, read from a bare socket."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from contextlib import closing
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from syncer.simulator import (
    PATH,
    TRANSIENT,
    Behaviour,
    Fault,
    Faults,
    Kind,
    Simulator,
    World,
    always,
    coded,
    http_error,
    lost_reply,
    on,
    reset_before,
)


def connect(server: Simulator) -> socket.socket:
    parts = urlsplit(server.url)
    return socket.create_connection((parts.hostname, parts.port), timeout=5)


def ask(server: Simulator, connection: socket.socket, **own: str) -> None:
    query = urlencode(server.signed(**own))
    connection.sendall(f"GET {PATH}?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())


def until_closed(connection: socket.socket) -> bytes:
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    return received


def reply(connection: socket.socket) -> tuple[str, dict[str, str], bytes]:
    """Read one whole reply by its Content-Length."""
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(65536)
        assert chunk, "closed in the head"
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    while len(body) < int(headers["content-length"]):
        chunk = connection.recv(65536)
        assert chunk, "closed in the body"
        body += chunk
    return status, headers, body


def play(fault: Fault | None, **options: Any) -> Simulator:
    return Simulator(World(300), faults=always(fault) if fault else None, **options)


def test_a_plain_reply_is_whole_has_the_type_of_php_and_leaves_the_connection_open() -> None:
    with play(None) as server, closing(connect(server)) as connection:
        for _ in range(3):
            ask(server, connection, pageSize="100")
            status, headers, body = reply(connection)
            assert (status, headers["content-type"]) == ("HTTP/1.1 200 OK", "text/html; charset=utf-8")
            assert headers["connection"] == "keep-alive"
            assert json.loads(body)["fileCount"] == 100


def test_two_requests_in_one_packet_and_one_in_many_are_both_answered() -> None:
    with play(None) as server, closing(connect(server)) as connection:
        requests = [
            f"GET {PATH}?{urlencode(server.signed())} HTTP/1.1\r\nHost: 127.0.0.1:8\r\n\r\n".encode() for _ in range(3)
        ]
        connection.sendall(requests[0] + requests[1])
        received = b""
        while received.count(b'"code":0') < 2:
            received += connection.recv(65536)
        while not received.endswith(b"]}"):
            received += connection.recv(65536)
        for at in range(0, len(requests[2]), 40):
            connection.sendall(requests[2][at : at + 40])
        assert json.loads(reply(connection)[2])["code"] == 0


def test_nonsense_is_answered_with_400_and_the_connection_ends() -> None:
    with play(None) as server:
        for nonsense in (b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nnonsense\r\n\r\n"):
            with closing(connect(server)) as connection:
                connection.sendall(nonsense)
                assert until_closed(connection).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("fault", [fault for fault in TRANSIENT if fault.kind is Kind.CODE], ids=lambda f: str(f.code))
def test_a_coded_fault_is_a_200_with_that_code_and_nothing_was_done(fault: Fault) -> None:
    with play(fault) as server, closing(connect(server)) as connection:
        ask(server, connection)
        status, _, body = reply(connection)
        assert (status, json.loads(body)["code"]) == ("HTTP/1.1 200 OK", fault.code)
        assert server.calls[0].code == fault.code
        assert server.table() == {}


@pytest.mark.parametrize("status", [500, 502, 503])
def test_an_http_fault_is_an_html_page_with_that_status(status: int) -> None:
    with play(http_error(status)) as server, closing(connect(server)) as connection:
        ask(server, connection)
        line, _, body = reply(connection)
        assert line.startswith(f"HTTP/1.1 {status} ")
        assert body.startswith(b"<html>")
        assert server.calls[0].code is None


def test_html_can_come_with_200() -> None:
    with play(Fault(Kind.HTML_200)) as server, closing(connect(server)) as connection:
        ask(server, connection)
        line, _, body = reply(connection)
        assert line == "HTTP/1.1 200 OK"
        assert body.startswith(b"<html>")


def test_the_newer_error_form_comes_with_200() -> None:
    with play(Fault(Kind.NEW_ERROR, code=6000)) as server, closing(connect(server)) as connection:
        ask(server, connection)
        assert json.loads(reply(connection)[2])["Response"]["Error"]["Code"] == "InternalError"


@pytest.mark.parametrize(("fault", "code"), [(reset_before(), None), (lost_reply(), 0)])
def test_a_reset_is_an_rst_before_or_after_the_call_was_served(fault: Fault, code: int | None) -> None:
    with play(fault) as server, closing(connect(server)) as connection:
        ask(server, connection)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
        assert server.calls[0].code == code
        assert server.table() == {}


def test_a_lost_reply_has_its_side_effects() -> None:
    rules = Behaviour(context_uses=1)
    with Simulator(World(300), behaviour=rules, faults=on([2], lost_reply())) as server:
        with closing(connect(server)) as connection:
            ask(server, connection)
            context = json.loads(reply(connection)[2])["context"]
            ask(server, connection, context=context)
            with pytest.raises(ConnectionResetError):
                connection.recv(1)
        with closing(connect(server)) as connection:
            ask(server, connection, context=context)
            assert json.loads(reply(connection)[2])["code"] == 70006


def test_a_coded_answer_can_come_after_the_call_was_served() -> None:
    rules = Behaviour(last_page_once=True)
    faults = on([2], coded(1001, processed=True))
    with Simulator(World(15), behaviour=rules, faults=faults) as server, closing(connect(server)) as connection:
        ask(server, connection)
        context = json.loads(reply(connection)[2])["context"]
        codes = []
        for _ in range(2):
            ask(server, connection, context=context)
            codes.append(json.loads(reply(connection)[2])["code"])
        assert codes == [1001, 70008]


def test_a_close_is_a_fin_without_a_byte() -> None:
    with play(Fault(Kind.CLOSE)) as server, closing(connect(server)) as connection:
        ask(server, connection)
        assert until_closed(connection) == b""


def test_a_cut_body_is_shorter_than_its_content_length() -> None:
    with play(Fault(Kind.CUT)) as server, closing(connect(server)) as connection:
        ask(server, connection)
        head, _, body = until_closed(connection).partition(b"\r\n\r\n")
        promised = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        assert 0 < len(body) < promised


def test_a_reply_without_length_is_closed_in_the_middle_of_its_json() -> None:
    with play(Fault(Kind.NO_LENGTH)) as server, closing(connect(server)) as connection:
        ask(server, connection)
        head, _, body = until_closed(connection).partition(b"\r\n\r\n")
        assert b"content-length" not in head.lower()
        assert b"connection: close" in head.lower()
        assert body.startswith(b'{"code":0')
        with pytest.raises(json.JSONDecodeError):
            json.loads(body)


def test_malformed_json_comes_in_a_whole_reply() -> None:
    with play(Fault(Kind.MALFORMED)) as server, closing(connect(server)) as connection:
        ask(server, connection)
        with pytest.raises(json.JSONDecodeError):
            json.loads(reply(connection)[2])


def test_gzip_garbage_says_gzip_and_is_not() -> None:
    with play(Fault(Kind.GZIP_GARBAGE)) as server, closing(connect(server)) as connection:
        ask(server, connection)
        _, headers, body = reply(connection)
        assert headers["content-encoding"] == "gzip"
        with pytest.raises(gzip.BadGzipFile):
            gzip.decompress(body)


@pytest.mark.parametrize(("kind", "slow_head"), [(Kind.DRIP, False), (Kind.DRIP_HEADERS, True)])
def test_a_dripped_part_comes_byte_by_byte_and_is_whole_in_the_end(kind: Kind, *, slow_head: bool) -> None:
    with play(Fault(kind, seconds=0.001)) as server, closing(connect(server)) as connection:
        ask(server, connection, pageSize="2")
        sizes, received = [], b""
        while b"]}" not in received:
            chunk = connection.recv(65536)
            sizes.append((len(received.partition(b"\r\n\r\n")[2]) > 0, len(chunk)))
            received += chunk
        in_head = [size for in_body, size in sizes if not in_body]
        in_body = [size for in_body, size in sizes if in_body]
        slow, fast = (in_head, in_body) if slow_head else (in_body, in_head)
        assert len(slow) > 60
        assert len(fast) < 5
        assert json.loads(received.partition(b"\r\n\r\n")[2])["fileCount"] == 2
        assert len(server.table()) == 2


def test_a_client_that_leaves_a_dripping_server_has_been_given_nothing() -> None:
    with play(Fault(Kind.DRIP, seconds=0.001)) as server:
        with closing(connect(server)) as connection:
            ask(server, connection)
            connection.recv(400)
        time.sleep(0.05)
        assert server.table() == {}


def test_a_delay_is_a_delay_and_a_client_that_left_has_been_given_nothing() -> None:
    with play(Fault(Kind.DELAY, seconds=0.2)) as server:
        with closing(connect(server)) as connection:
            begun = time.perf_counter()
            ask(server, connection)
            assert json.loads(reply(connection)[2])["code"] == 0
            assert time.perf_counter() - begun >= 0.2
            assert len(server.table()) == 10
        with closing(connect(server)) as connection:
            ask(server, connection, orderby="1")
        time.sleep(0.3)
        assert len(server.table()) == 10


def test_an_endless_body_goes_on_and_on() -> None:
    with play(Fault(Kind.ENDLESS)) as server, closing(connect(server)) as connection:
        ask(server, connection)
        total = 0
        while total < 5_000_000:
            chunk = connection.recv(1 << 20)
            assert chunk
            total += len(chunk)


def test_pages_can_be_empty_repeat_their_context_or_hold_entries_twice() -> None:
    plan = Faults({2: Fault(Kind.EMPTY_PAGE), 4: Fault(Kind.SAME_CONTEXT), 5: Fault(Kind.DUPLICATES, count=4)})
    with Simulator(World(300), faults=plan) as server, closing(connect(server)) as connection:
        pages: list[dict[str, Any]] = []
        for _ in range(5):
            ask(server, connection, pageSize="50", context=pages[-1]["context"] if pages else "")
            pages.append(json.loads(reply(connection)[2]))
        listing = server.listing()
        assert pages[1]["fileSet"] == []
        assert pages[1]["context"] not in {"", pages[0]["context"]}
        assert pages[2]["fileSet"] == listing[50:100]
        assert (pages[3]["fileSet"], pages[3]["context"]) == (listing[100:150], pages[2]["context"])
        assert pages[4]["fileSet"] == listing[100:150] + listing[100:104]
        assert pages[4]["fileCount"] == 54


def test_latency_holds_every_answer_back_and_many_connections_wait_at_once() -> None:
    with Simulator(World(10), behaviour=Behaviour(latency=0.2)) as server:

        def one() -> None:
            with closing(connect(server)) as connection:
                ask(server, connection)
                assert json.loads(reply(connection)[2])["code"] == 0

        threads = [threading.Thread(target=one) for _ in range(8)]
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 0.2 <= time.perf_counter() - begun < 1.4
        assert server.call_count == 8


@pytest.mark.parametrize(
    "fault", [Fault(Kind.ENDLESS), Fault(Kind.DRIP, seconds=30.0), Fault(Kind.DELAY, seconds=30.0)]
)
def test_a_simulator_that_is_stopped_leaves_no_thread_behind(fault: Fault) -> None:
    with play(fault) as server, closing(connect(server)) as connection:
        ask(server, connection)
        time.sleep(0.05)
        begun = time.perf_counter()
        server.down()
        assert time.perf_counter() - begun < 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("simulator")]
