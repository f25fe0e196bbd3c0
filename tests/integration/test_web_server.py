"""Who reaches the page, and what it tells probes: addresses, names, credentials, slow and broken callers."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import make_url

from syncer.errors import SettingsError
from syncer.pulse import FRESH_SECONDS, Pulse
from syncer.settings import load_settings
from syncer.web import protocol
from syncer.web.server import WebServer
from syncer.web.throttle import GUESSES

from .conftest import MakeRig, Rig
from .daemon_process import DaemonProcess, eventually
from .web_page import CREDENTIALS, LOGIN, PATIENCE, Page, served

# It is about HTTP; what its pages ask of the database is asked in test_web_pages.
pytestmark = pytest.mark.one_server
SIGNATURE = b"HTTP/1.1 200"


@pytest.fixture
def page(database: str) -> Iterator[Page]:
    with served({}, database) as page:
        yield page


@pytest.fixture
def locked(database: str) -> Iterator[Page]:
    with served(LOGIN, database) as page:
        yield page


def test_probes_say_how_the_daemon_is_and_why_not(database: str) -> None:
    now = [0.0]
    pulse = Pulse(lambda: datetime(2026, 1, 1, tzinfo=UTC), lambda: now[0])
    with served(LOGIN, database, pulse=pulse) as page:
        assert (page.get("/healthz").status_code, page.get("/healthz").text.split()[0]) == (503, "starting:")
        pulse.scheduler_beat()
        assert (page.get("/healthz").status_code, page.get("/healthz").text) == (200, "ok\n")
        assert (page.get("/readyz").status_code, page.get("/readyz").text) == (200, "ok\n")
        now[0] = FRESH_SECONDS + 1
        assert page.get("/healthz").status_code == 503
        assert "last heartbeat is 61 s old" in page.get("/healthz").text
        pulse.stops()
        assert (page.get("/readyz").status_code, page.get("/readyz").text) == (503, "stopping\n")


def test_ready_is_only_a_database_that_answers_with_our_schema(empty_database: str) -> None:
    with served({}, empty_database) as page:
        assert page.get("/readyz").status_code == 503
        assert "schema" in page.get("/readyz").text
    gone = make_url(empty_database).set(database="no_such").render_as_string(hide_password=False)
    with served({}, gone) as page:
        answer = page.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "the database does not answer\n")
        shown = page.get("/")
        assert shown.status_code == 503
        assert "The database cannot be reached" in shown.text
        assert page.get("/healthz").status_code == 200


def test_every_answer_has_a_strict_policy(page: Page) -> None:
    for path in ("/", "/healthz", "/style.css", "/favicon.ico", "/nothing", "/metrics"):
        headers = page.get(path).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self';")
        assert "script" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert "server" not in headers
    assert page.get("/").headers["Cache-Control"] == "no-store"
    assert page.get("/nothing").status_code == 404
    assert "syncer_build_info" in page.get("/metrics").text


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_loopback_answers_to_its_own_names(page: Page, name: str) -> None:
    for host in (name, f"{name}:9999"):
        assert page.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil:80", "", "127.0.0.2", "[::2]:1"]
)
def test_a_web_sites_name_that_points_here_is_refused(page: Page, host: str) -> None:
    answer = page.get("/", headers={"Host": host})
    assert answer.status_code == 421
    assert "evil" not in answer.text
    assert page.get("/healthz", headers={"Host": host}).status_code == 200


def test_credentials_are_asked_for_everything_but_the_probes(locked: Page) -> None:
    for path in ("/", "/metrics", "/style.css", "/nothing", "/alert/acknowledge"):
        refused = locked.get(path)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].startswith("Basic ")
    for wrong in (("operator", "wrong"), ("root", CREDENTIALS[1]), ("", "")):
        assert locked.get("/", auth=wrong).status_code == 401
    for header in ("Basic", "Basic !!!", "Bearer x", "Basic " + "A" * 9000):
        assert locked.get("/", headers={"Authorization": header}).status_code == 401
    assert locked.get("/", auth=CREDENTIALS).status_code == 200
    assert locked.get("/", auth=CREDENTIALS, headers={"Host": "syncer.example"}).status_code == 200
    assert "syncer_build_info" in locked.get("/metrics", auth=CREDENTIALS).text
    assert locked.get("/healthz").text == locked.get("/readyz").text == "ok\n"


def test_settings_that_are_read_anew_never_open_a_page_that_was_closed(database: str) -> None:
    with served(LOGIN, database) as page:
        page.app.settings = replace(page.app.settings, web_login=None)
        assert page.get("/").status_code == 401
        assert page.get("/", auth=CREDENTIALS).status_code == 200


def test_guesses_are_slowed_down_but_a_forgotten_scraper_locks_nobody_out(locked: Page) -> None:
    for _ in range(3 * GUESSES):
        assert locked.get("/", auth=("prometheus", "an-old-password")).status_code == 401
    assert locked.get("/", auth=CREDENTIALS).status_code == 200
    answers = [locked.get("/", auth=("operator", f"guess-{number}")).status_code for number in range(GUESSES)]
    assert answers[-1] == 429
    answer = locked.get("/", auth=CREDENTIALS)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "60")
    assert locked.get("/healthz").status_code == 200


def test_callers_who_never_finish_are_let_go(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.5)
    with served({}, database) as page:
        began = time.monotonic()
        assert page.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ") == b""
        assert page.raw(b"") == b""
        assert page.raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nX-").startswith(SIGNATURE)
        assert time.monotonic() - began < 10
        assert page.get("/healthz").status_code == 200


def drip(caller: socket.socket) -> None:
    """Send a byte now and then, for longer than a connection may be idle."""
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE:
        caller.sendall(b"x")
        time.sleep(0.1)


def test_a_request_that_is_answered_but_never_ends_is_let_go(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.5)
    with served(LOGIN, database) as page, socket.create_connection(("127.0.0.1", page.port)) as caller:
        caller.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
        assert caller.recv(65536).startswith(b"HTTP/1.1 401")
        with pytest.raises(OSError, match=r"reset|pipe"):
            drip(caller)


def test_broken_and_huge_requests_are_refused_in_words(page: Page) -> None:
    assert page.raw(b"\x00\x01\x02\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert page.raw(b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nConnection: close\r\n\r\n")[9:12] == b"400"
    assert page.get("/" + "a" * 9000).status_code == 414
    assert page.raw(b"GET / HTTP/1.1\r\nX: " + b"a" * 17_000).startswith(b"HTTP/1.1 400")
    for path in ("/", "/healthz"):
        assert page.get(path, headers={"X": "a" * 16_000}).status_code == 200
        assert page.get(path, headers={"X": "a" * 17_000}).status_code in {400, 431}  # as it came, in pieces or whole
    assert page.get("/?lang=xx&lang[]=%00&source=" + "%F0" * 1000).status_code == 404
    assert page.get("/..%2f..%2fetc/passwd").status_code == 404
    assert page.post("/", data="x").status_code == 405
    for method in ("PUT", "TRACE", "FOO"):
        assert page.raw(f"{method} / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())[9:12] == b"405"


def test_an_address_in_use_is_a_mistake_in_the_settings(database: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(SettingsError, match="another process does"):
            WebServer(load_settings({"SYNCER_WEB_ADDRESS": address}))
    for wrong in ("192.0.2.1:80", "no-such-host.invalid:80"):
        with pytest.raises(SettingsError, match=f"cannot listen on {wrong}"):
            WebServer(load_settings({"SYNCER_WEB_ADDRESS": wrong, **LOGIN}))


def test_a_daemon_serves_its_page_and_gives_the_port_back(make_rig: MakeRig, simulated: object) -> None:
    rig: Rig = simulated({})  # type: ignore[operator] # the fixture's own type
    daemon = DaemonProcess({**rig.environ, "SYNCER_WEB_ADDRESS": "127.0.0.1:0"})
    try:
        address = daemon.wait_for("page_served")["address"]
        daemon.wait_for("pull_finished")
        page = Page(address, None, None)  # type: ignore[arg-type] # only asked
        eventually(lambda: page.get("/healthz").status_code == 200, "healthy")
        assert page.get("/readyz").status_code == 200
        assert "Complete as of" in page.html("/").text
        again = DaemonProcess({**rig.environ, "SYNCER_WEB_ADDRESS": f"127.0.0.1:{page.port}"})
        try:
            assert again.wait() == 2
            assert "another process does" in again.stderr
            assert "Traceback" not in again.stderr
        finally:
            again.close()
        daemon.send(signal.SIGTERM)
        assert daemon.wait() == 143
        third = DaemonProcess({**rig.environ, "SYNCER_WEB_ADDRESS": f"127.0.0.1:{page.port}"})
        try:
            assert third.wait_for("page_served")["address"] == address
            third.stop()
        finally:
            third.close()
    finally:
        daemon.close()
    assert all(json.dumps(each) for each in daemon.events())


def test_off_serves_nothing(simulated: object) -> None:
    rig: Rig = simulated({})  # type: ignore[operator] # the fixture's own type
    daemon = DaemonProcess({**rig.environ, "SYNCER_WEB_ADDRESS": "off"})
    try:
        daemon.wait_for("pull_finished")
        assert not daemon.events("page_served")
    finally:
        daemon.close()
