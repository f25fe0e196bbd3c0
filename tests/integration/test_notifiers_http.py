"""Every service over HTTP against a real server: what goes out, what each answer means, and that no secret gets out."""

from __future__ import annotations

import base64
import gc
import json
import logging
import socket
import struct
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import run
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from syncer.alerts.message import Message, NotifyError, Recipient
from syncer.alerts.notifiers import Heartbeat, Surroundings, make_notifier

CERTIFICATE = Path(__file__).parent / "data" / "api-test.pem"
NOW = datetime(2026, 5, 1, 2, 3, 4, tzinfo=UTC)
TOKEN = "0a1b-INVENTED-token"
SECRET = "SECinvented"
RUN = "11111111-2222-4333-8444-555555555555"

MESSAGE = Message(
    key="default/expiring/7d:raised:1",
    severity="warning",
    status="raised",
    source="default",
    rule="expiring",
    title="1,204 files, 3.1 TB expire within 7 days",
    text="<!channel> @all <@U1> a&b.flv\n[x](http://evil) *bold*\n客户.mp4",
    facts={"files": 1204, "prefixes": {"客户": 3}},
    sent_at=NOW,
    alert="default/expiring/7d",
)
REFERENCE = "syncer 8a807844"

Play = Callable[[BaseHTTPRequestHandler], None]


class Server(ThreadingHTTPServer):
    """Plays one answer a request, and the last one for ever; keeps what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.plays: list[Play] = [answer(200, "ok")]
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.done = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def json(self) -> Any:
        return json.loads(self.requests[-1][2])

    def handle_error(self, *_: Any) -> None:
        pass


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), body))
        plays = self.server.plays
        (plays.pop(0) if len(plays) > 1 else plays[0])(self)

    def log_message(self, *_: Any) -> None:
        pass


def answer(status: int, body: str | dict[str, Any], **headers: str) -> Play:
    def play(to: BaseHTTPRequestHandler) -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        to.send_response(status)
        for name, value in headers.items():
            to.send_header(name.replace("_", "-"), value)
        to.send_header("Content-Length", str(len(data)))
        to.end_headers()
        to.wfile.write(data)

    return play


def hang(to: BaseHTTPRequestHandler) -> None:
    to.server.done.wait(10)  # type: ignore[attr-defined] # our own server


def drip(to: BaseHTTPRequestHandler) -> None:
    to.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while not to.server.done.wait(0.05):  # type: ignore[attr-defined] # our own server
        to.wfile.write(b"X")
        to.wfile.flush()


def reset(to: BaseHTTPRequestHandler) -> None:
    to.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    to.connection.close()


def flood(to: BaseHTTPRequestHandler) -> None:
    to.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (1 << 20))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.done.set()
    server.shutdown()
    thread.join(5)
    server.server_close()


@pytest.fixture(autouse=True, scope="module")
def _apprise_is_imported() -> None:
    """Importing apprise warns of what it imports itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import apprise

        apprise.Apprise().add("json://127.0.0.1/")


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.seconds


def around(timeout: float = 5.0, **options: Any) -> Surroundings:
    return Surroundings(now=lambda: NOW, monotonic=options.pop("clock", time.monotonic), timeout=timeout, **options)


def addresses(server: Server) -> dict[str, str]:
    base = f"base={server.url}"
    host = server.url.removeprefix("http://")
    return {
        "wecom": f"wecom://{TOKEN}?{base}",
        "dingtalk": f"dingtalk://{TOKEN}?secret={SECRET}&{base}",
        "feishu": f"feishu://{TOKEN}?secret={SECRET}&{base}",
        "lark": f"lark://{TOKEN}?secret={SECRET}&{base}",
        "slack": f"slack://T0/B0/{TOKEN}?{base}",
        "webhook": f"webhook+http://{host}/hook/{TOKEN}?secret={SECRET}&team=a%20b",
        "alertmanager": f"alertmanager+http://ops:{TOKEN}@{host}/am",
    }


KINDS = ["wecom", "dingtalk", "feishu", "lark", "slack", "webhook", "alertmanager"]
GOOD: dict[str, Play] = {
    "wecom": answer(200, {"errcode": 0, "errmsg": "ok"}),
    "dingtalk": answer(200, {"errcode": 0, "errmsg": "ok"}),
    "feishu": answer(200, {"StatusCode": 0, "StatusMessage": "success", "code": 0, "data": {}, "msg": "success"}),
    "lark": answer(200, {"StatusCode": 0, "StatusMessage": "success"}),
    "slack": answer(200, "ok"),
    "webhook": answer(202, "<html>thanks</html>"),
    "alertmanager": answer(200, ""),
}


def notifier(kind: str, server: Server, more: str = "", **options: Any) -> Recipient:
    address = addresses(server)[kind]
    return make_notifier(f"{address}{'&' if '?' in address else '?'}{more}" if more else address, around(**options))


def refusal(recipient: Recipient, message: Message = MESSAGE) -> NotifyError:
    with pytest.raises(NotifyError) as caught:
        recipient.send(message)
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(recipient)
    assert TOKEN not in told
    assert SECRET not in told
    return caught.value


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_that_the_service_accepts_is_sent_once(server: Server, kind: str) -> None:
    server.plays = [GOOD[kind]]
    notifier(kind, server).send(MESSAGE)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("kind", "status", "said", "permanent", "wait"),
    [
        ("wecom", 200, {"errcode": 93000, "errmsg": f"invalid webhook url {TOKEN}"}, True, None),
        ("wecom", 200, {"errcode": 40058, "errmsg": "text.content exceed max length 2048"}, True, None),
        ("wecom", 200, {"errcode": 45009, "errmsg": "api freq out of limit"}, False, 60),
        ("wecom", 200, {"errcode": 45033, "errmsg": "api concurrent out of limit"}, False, 5),
        ("wecom", 200, {"errcode": -1, "errmsg": "system busy"}, False, 5),
        ("wecom", 200, {"errcode": 123456, "errmsg": "nobody knows"}, False, None),
        ("dingtalk", 200, {"errcode": 310000, "errmsg": "sign not match"}, True, None),
        ("dingtalk", 200, {"errcode": 310000, "errmsg": "keywords not in content"}, True, None),
        ("dingtalk", 200, {"errcode": 300001, "errmsg": "token is not exist"}, True, None),
        ("dingtalk", 200, {"errcode": 460101, "errmsg": "message too long, exceed 20000 bytes"}, True, None),
        ("dingtalk", 200, {"errcode": 410100, "errmsg": "send too fast"}, False, 600),
        ("dingtalk", 200, {"errcode": "130101", "errmsg": "send too fast"}, False, 600),
        ("feishu", 200, {"code": 19001, "msg": "param invalid: incoming webhook access token invalid"}, True, None),
        ("feishu", 200, {"code": 19021, "msg": "sign match fail"}, True, None),
        ("feishu", 400, {"code": 19022, "msg": "Ip Not Allowed"}, True, None),
        ("feishu", 200, {"code": 19024, "msg": "Key Words Not Found"}, True, None),
        ("feishu", 400, {"code": 9499, "msg": "Bad Request"}, True, None),
        ("feishu", 200, {"code": 11232, "msg": "frequency limited psm"}, False, 60),
        ("lark", 200, {"StatusCode": 19001, "StatusMessage": "x"}, True, None),
        ("slack", 403, "invalid_token", True, None),
        ("slack", 404, "no_service", True, None),
        ("slack", 410, "channel_is_archived", True, None),
        ("slack", 400, "invalid_payload", True, None),
        ("slack", 500, "rollup_error", False, None),
        ("slack", 200, "<html>log in</html>", False, None),
        ("alertmanager", 400, '{"code":601,"message":"bad label"}', True, None),
        ("webhook", 401, "who are you", True, None),
    ],
)
def test_an_error_is_permanent_or_passing_as_the_service_means_it(  # noqa: PLR0917 - a row of the table above
    server: Server, kind: str, status: int, said: Any, permanent: bool, wait: float | None
) -> None:
    server.plays = [answer(status, said)]
    error = refusal(notifier(kind, server))
    assert (error.permanent, error.retry_after) == (permanent, wait)


@pytest.mark.parametrize("kind", KINDS)
def test_too_many_requests_is_passing_and_says_how_long_to_wait(server: Server, kind: str) -> None:
    server.plays = [answer(429, "rate_limited", Retry_After="33")]
    error = refusal(notifier(kind, server))
    assert (error.permanent, error.retry_after) == (False, 33)


def test_retry_after_may_be_a_date_and_is_bounded(server: Server) -> None:
    for text, wait in [
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        ("1e9", 86400),
        ("-5", 0),
        ("inf", None),
        ("soon", None),
    ]:
        server.plays = [answer(503, "", Retry_After=text)]
        assert refusal(notifier("slack", server)).retry_after == wait


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_server_is_passing(server: Server, kind: str) -> None:
    for play in (answer(500, f"boom {TOKEN}"), reset, flood):
        server.plays = [play]
        assert not refusal(notifier(kind, server)).permanent


@pytest.mark.parametrize("play", [hang, drip])
def test_no_server_holds_a_call_longer_than_its_deadline(server: Server, play: Play) -> None:
    server.plays = [play]
    began = time.monotonic()
    error = refusal(notifier("wecom", server, timeout=0.4))
    assert time.monotonic() - began < 1.5
    assert not error.permanent


@pytest.mark.parametrize("kind", ["wecom", "dingtalk", "feishu"])
def test_a_200_without_a_code_is_not_taken_for_success(server: Server, kind: str) -> None:
    for body in ("", "ok", "[]", "null", '{"errcode": null}', "[" * 50_000, "<html>captive portal</html>"):
        server.plays = [answer(200, body)]
        assert not refusal(notifier(kind, server)).permanent


@pytest.mark.parametrize("kind", KINDS)
def test_a_redirect_is_not_followed(server: Server, kind: str) -> None:
    server.plays = [answer(302, "", Location=f"{server.url}/elsewhere"), GOOD[kind]]
    error = refusal(notifier(kind, server))
    assert error.permanent
    assert "redirect" in str(error)
    assert len(server.requests) == 1


def test_nobody_listening_is_passing(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    error = refusal(make_notifier(f"wecom://{TOKEN}?base=http://127.0.0.1:{port}", around()))
    assert not error.permanent
    assert "refused" in str(error)


def test_wecom_gets_text_in_which_nothing_is_a_mention(server: Server) -> None:
    server.plays = [GOOD["wecom"]]
    notifier("wecom", server).send(MESSAGE)
    assert server.requests[0][0] == f"/cgi-bin/webhook/send?key={TOKEN}"
    text = MESSAGE.text.replace("<", "\N{FULLWIDTH LESS-THAN SIGN}")
    content = f"{MESSAGE.title}\n{text}\n{REFERENCE}"
    assert server.json() == {"msgtype": "text", "text": {"content": content}}


def test_dingtalk_gets_its_signature_and_mentions_nobody(server: Server) -> None:
    # By openssl dgst -sha256 -hmac SECinvented, of 1777600984000, a line break and SECinvented.
    server.plays = [GOOD["dingtalk"]]
    notifier("dingtalk", server).send(MESSAGE)
    sign = "NVMmq4T5afAOFT0RFEjs%2Bd4aK9b7I7nQ9bpckVeRYwM%3D"
    assert server.requests[0][0] == f"/robot/send?access_token={TOKEN}&timestamp=1777600984000&sign={sign}"
    content = f"{MESSAGE.title}\n{MESSAGE.text}\n{REFERENCE}"
    assert server.json() == {"msgtype": "text", "text": {"content": content}, "at": {"isAtAll": False}}


def test_feishu_gets_its_signature_and_elements_that_are_plain_text(server: Server) -> None:
    # By openssl dgst -sha256 -mac HMAC, of nothing, the key being 1777600984, a line break and SECinvented.
    server.plays = [GOOD["feishu"]]
    notifier("feishu", server, "lang=zh").send(MESSAGE)
    assert server.requests[0][0] == f"/open-apis/bot/v2/hook/{TOKEN}"
    lines = [*MESSAGE.text.split("\n"), REFERENCE]
    post = {"title": MESSAGE.title, "content": [[{"tag": "text", "text": line}] for line in lines]}
    assert server.json() == {
        "timestamp": "1777600984",
        "sign": "YbwuSkX8h+G19WLvyGDpdE+PKnzTGAZ+LDZTLxk9Ovc=",
        "msg_type": "post",
        "content": {"post": {"zh_cn": post}},
    }


def test_slack_gets_text_without_markup_mentions_and_links(server: Server) -> None:
    notifier("slack", server).send(MESSAGE)
    assert server.requests[0][0] == f"/services/T0/B0/{TOKEN}"
    text = "&lt;!channel&gt; @all &lt;@U1&gt; a&amp;b.flv\n[x](http://evil) *bold*\n客户.mp4"
    assert server.json() == {
        "text": f"{MESSAGE.title}\n{text}\n{REFERENCE}",
        "mrkdwn": False,
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
    }


def test_a_webhook_gets_the_whole_message_signed_and_with_its_idempotency_key(server: Server, tmp_path: Path) -> None:
    server.plays = [GOOD["webhook"]]
    notifier("webhook", server, "lang=zh").send(MESSAGE)
    path, headers, body = server.requests[0]
    assert path == f"/hook/{TOKEN}?team=a%20b"
    assert json.loads(body) == {
        "version": 1,
        "key": MESSAGE.key,
        "alert": "default/expiring/7d",
        "severity": "warning",
        "status": "raised",
        "source": "default",
        "rule": "expiring",
        "language": "zh",
        "title": MESSAGE.title,
        "text": MESSAGE.text,
        "facts": {"files": 1204, "prefixes": {"客户": 3}},
        "sent_at": "2026-05-01T02:03:04+00:00",
    }
    assert headers["Idempotency-Key"] == MESSAGE.key
    assert headers["Syncer-Timestamp"] == "1777600984"
    openssl = run(
        ["openssl", "dgst", "-sha256", "-hmac", SECRET, "-r"],
        input=b"1777600984." + body,
        capture_output=True,
        check=True,
    )
    assert headers["Syncer-Signature"] == f"v1={openssl.stdout.decode().split()[0]}"


def test_an_idempotency_key_with_line_breaks_stays_in_its_header(server: Server) -> None:
    notifier("webhook", server).send(_with(key="a\r\nX-Evil: 1 客"))
    assert server.requests[0][1]["Idempotency-Key"] == "a%0D%0AX-Evil:%201%20%E5%AE%A2"
    assert "X-Evil" not in server.requests[0][1]


def test_text_that_utf_8_cannot_hold_is_sent_nevertheless(server: Server) -> None:
    for kind in KINDS:
        server.plays = [GOOD[kind]]
        notifier(kind, server).send(_with(title="a\ud800", text="\udfff", facts={"\ud800": "\ud800"}, alert="\ud800"))


def _with(**fields: Any) -> Message:
    from dataclasses import replace

    return replace(MESSAGE, **fields)


@pytest.mark.parametrize(("kind", "ended"), [("raised", 0), ("reminder", 0), ("updated", 2)])
def test_alertmanager_is_told_that_an_alert_stands_under_no_other_severity(
    server: Server, kind: str, ended: int
) -> None:
    server.plays = [GOOD["alertmanager"]]
    notifier("alertmanager", server).send(_with(severity="critical", facts={"kind": kind}))
    alerts = server.json()
    assert [each["labels"]["severity"] for each in alerts if "startsAt" in each] == ["critical"]
    assert len(alerts) == 1 + ended


def test_alertmanager_gets_an_alert_that_stands_until_it_is_resolved(server: Server) -> None:
    server.plays = [GOOD["alertmanager"]]
    recipient = notifier("alertmanager", server)
    recipient.send(MESSAGE)
    labels = {"alertname": "syncer_expiring", "source": "default", "alert": "default/expiring/7d"}
    path, headers, _ = server.requests[0]
    assert path == "/am/api/v2/alerts"
    assert headers["Authorization"] == f"Basic {base64.b64encode(f'ops:{TOKEN}'.encode()).decode()}"
    assert server.json() == [
        {
            "labels": {**labels, "severity": "warning"},
            "annotations": {"summary": MESSAGE.title, "description": MESSAGE.text},
            "startsAt": "2026-05-01T02:03:04+00:00",
            "endsAt": "2026-05-08T02:03:04+00:00",
        }
    ]
    recipient.send(_with(status="escalated", severity="critical"))
    ends = {each["labels"]["severity"]: each["endsAt"] for each in server.json()}
    assert ends == {"critical": "2026-05-08T02:03:04+00:00", "info": NOW.isoformat(), "warning": NOW.isoformat()}
    recipient.send(_with(status="resolved", severity="critical"))
    ends = {each["labels"]["severity"]: each["endsAt"] for each in server.json()}
    assert ends == dict.fromkeys(("info", "warning", "critical"), NOW.isoformat())


@pytest.mark.parametrize(
    ("kind", "size", "limit"),
    [
        ("wecom", lambda body: len(json.loads(body)["text"]["content"].encode()), 2048),
        ("dingtalk", len, 20_000),
        ("feishu", len, 20_000),
        ("slack", lambda body: len(json.loads(body)["text"]), 4000),
    ],
)
@pytest.mark.parametrize("line", ["客户录像<&>.mp4 12 GB", 'a"\\b', ""])
def test_a_long_message_is_cut_at_whole_lines_and_says_how_many_are_left_out(
    server: Server, kind: str, size: Callable[[bytes], int], limit: int, line: str
) -> None:
    server.plays = [GOOD[kind]]
    lines = [f"{number} {line}" for number in range(9000)]
    notifier(kind, server).send(_with(text="\n".join(lines)))
    assert limit * 0.8 < size(server.requests[0][2]) <= limit
    sent = server.requests[0][2].decode()
    assert REFERENCE in sent
    if "客户" in line:
        assert f"… {9000 - sent.count('客户录像')} more lines left out" in sent


@pytest.mark.parametrize("kind", ["wecom", "dingtalk"])
def test_the_21st_message_in_a_minute_is_not_sent_and_says_when_it_may_be(server: Server, kind: str) -> None:
    server.plays = [GOOD[kind]]
    clock = Clock()
    recipient = notifier(kind, server, clock=clock)
    for _ in range(20):
        recipient.send(MESSAGE)
    error = refusal(recipient)
    assert not error.permanent
    assert error.retry_after is not None
    assert 50 < error.retry_after <= 60
    assert len(server.requests) == 20
    clock.seconds = 61
    recipient.send(MESSAGE)


def test_addresses_of_cloud_metadata_are_refused_also_when_a_name_stands_for_them(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for address in ("169.254.169.254", "::ffff:169.254.0.23", "fd00:ec2::254", "64:ff9b::a9fe:a9fe"):
        found = [(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 80))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, found=found, **__: found)
        error = refusal(make_notifier(f"webhook+http://metadata.test/{TOKEN}", around()))
        assert error.permanent
        assert "must not be connected to" in str(error)


def test_private_addresses_are_refused_when_they_are_not_allowed(server: Server) -> None:
    recipient = make_notifier(f"webhook+http://localhost:{server.server_port}/{TOKEN}", around(private_addresses=False))
    assert refusal(recipient).permanent
    assert server.requests == []


def test_a_certificate_that_is_not_trusted_is_refused(server: Server) -> None:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    host = f"127.0.0.1:{server.server_port}"
    assert "certificate" in str(refusal(make_notifier(f"webhook+https://{host}/{TOKEN}", around())))


def test_the_proxy_of_the_environment_is_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    make_notifier("webhook+http://far.test/hook", around()).send(MESSAGE)
    assert server.requests[0][0] == "http://far.test/hook"
    monkeypatch.setenv("HTTP_PROXY", "socks5://127.0.0.1:1")
    assert refusal(make_notifier("webhook+http://far.test/hook", around())).permanent


def test_nothing_is_logged_that_holds_a_secret(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for kind in KINDS:
        for play in (GOOD[kind], answer(500, TOKEN), reset):
            server.plays = [play]
            try:
                notifier(kind, server).send(MESSAGE)
            except NotifyError as error:
                logging.getLogger("test").exception("%s", error)  # noqa: TRY401 - its own words, too
    assert TOKEN not in caplog.text
    assert SECRET not in caplog.text


def test_apprise_sends_what_has_no_notifier_here_and_its_failures_are_told(server: Server) -> None:
    host = server.url.removeprefix("http://")
    recipient = make_notifier(f"apprise+json://user:{TOKEN}@{host}/x?lang=zh&min=critical&name=ops", around())
    assert (recipient.name, recipient.language, recipient.minimum) == ("ops", "zh", "critical")
    recipient.send(MESSAGE)
    assert server.json()["title"] == MESSAGE.title
    assert REFERENCE in server.json()["message"]
    assert "lang" not in server.requests[0][0]
    server.plays = [answer(500, TOKEN)]
    assert not refusal(recipient).permanent
    server.plays = [drip]
    began = time.monotonic()
    assert not refusal(make_notifier(f"apprise+json://{host}/{TOKEN}", around(timeout=0.3))).permanent
    assert time.monotonic() - began < 1.5
    server.done.set()
    gc.collect()


def heartbeat(server: Server, path: str = f"/{TOKEN}", timeout: float = 2.0) -> Heartbeat:
    return Heartbeat(server.url + path, around(timeout), run_id=lambda: RUN, setting="THE_SETTING")


def test_a_heartbeat_tells_start_and_success_of_one_run(server: Server) -> None:
    server.plays = [answer(200, "OK")]
    switch = heartbeat(server, f"/{TOKEN}/?create=1")
    assert switch.start()
    assert switch.success(12.345, "1,204 files")
    assert switch.failure("the API refuses\nfor good")
    assert [(path, body) for path, _, body in server.requests] == [
        (f"/{TOKEN}/start?create=1&rid={RUN}", b""),
        (f"/{TOKEN}?create=1&rid={RUN}", b"1,204 files\nduration: 12.3 s"),
        (f"/{TOKEN}/fail?create=1", b"the API refuses\nfor good"),
    ]


@pytest.mark.parametrize(
    "play", [answer(404, f"not found {TOKEN}"), answer(200, "OK (not found)"), answer(500, ""), hang, drip, reset]
)
def test_a_heartbeat_that_is_not_heard_says_so_without_its_secret_and_never_raises(server: Server, play: Play) -> None:
    server.plays = [play]
    switch = heartbeat(server, timeout=0.3)
    with capture_logs() as logs:
        assert not switch.success(1, "x" * 1_000_000 + "\ud800")
    assert len(logs) == 1
    assert TOKEN not in json.dumps(logs)
    assert TOKEN not in repr(switch)
    assert len(server.requests[0][2]) <= 10_000
    structlog.reset_defaults()
