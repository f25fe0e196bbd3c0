"""E-mail against a real SMTP server that plays good and bad answers, with and without TLS."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from syncer.alerts.message import Message, NotifyError, Recipient
from syncer.alerts.notifiers import Surroundings, make_notifier

CERTIFICATE = Path(__file__).parent / "data" / "api-test.pem"
PASSWORD = "hush/hush@1"
NOW = datetime(2026, 5, 1, 2, 3, 4, tzinfo=UTC)
MESSAGE = Message(
    key="default/expiring/7d:raised:1",
    severity="critical",
    status="raised",
    source="default",
    rule="expiring",
    title="1,204 个文件\r\nBcc: evil@x.org",
    text=".\n客户.mp4\n\n..dots",
    facts={},
    sent_at=NOW,
)


class Server:
    """An SMTP server. `replies` are its answers by command, where they are not the good ones."""

    def __init__(self, tls: str) -> None:
        self.tls = tls
        self.replies: dict[str, bytes] = {}
        self.commands: list[str] = []
        self.mails: list[bytes] = []
        self.silent = self.dripping = False
        self.hang_up_after = ""
        self.done = threading.Event()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(CERTIFICATE)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self.done.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                sock.settimeout(5)
                self._threads.append(threading.Thread(target=self._serve, args=(sock,)))
                self._threads[-1].start()

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError):
            if self.tls == "on":
                sock = self._context.wrap_socket(sock, server_side=True)
            with sock:
                if self.silent:
                    self.done.wait(5)
                while self.dripping and not self.done.wait(0.05):
                    sock.sendall(b"220-and so on\r\n")
                sock.sendall(self.replies.get("greeting", b"220 ready\r\n"))
                while self._obey(sock):
                    pass
                if self.commands[-1:] == ["STARTTLS"]:
                    with self._context.wrap_socket(sock, server_side=True) as secured:
                        while self._obey(secured):
                            pass

    def _obey(self, sock: socket.socket) -> bool:
        line = _until(sock, b"\r\n").decode()
        if not line:
            return False
        self.commands.append(line.strip())
        verb = line.split()[0].upper()
        secured = isinstance(sock, ssl.SSLSocket)
        features = [
            b"250-me",
            *([b"250-STARTTLS"] if self.tls == "starttls" and not secured else []),
            b"250 AUTH PLAIN",
        ]
        good = {
            "EHLO": b"\r\n".join(features) + b"\r\n",
            "AUTH": b"235 welcome\r\n",
            "DATA": b"354 go on\r\n",
            "STARTTLS": b"220 go on\r\n",
        }
        reply = next((self.replies[key] for key in (line.strip(), verb) if key in self.replies), None)
        sock.sendall(reply or good.get(verb, b"250 ok\r\n"))
        if verb == "DATA" and reply is None:
            self.mails.append(_until(sock, b"\r\n.\r\n"))
            sock.sendall(self.replies.get("end", b"250 queued\r\n"))
        return verb not in ("QUIT", "STARTTLS", self.hang_up_after)


def _until(sock: socket.socket, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        received = sock.recv(1)
        if not received:
            return b""
        data += received
    return data


@pytest.fixture(params=["starttls", "on", "none"])
def tls(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(tls: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    server = Server(tls)
    yield server
    server.close()


only_starttls = pytest.mark.parametrize("tls", ["starttls"], indirect=True)
only_none = pytest.mark.parametrize("tls", ["none"], indirect=True)


def mailer(server: Server, *, to: str = "a@b.org", timeout: float = 5.0) -> Recipient:
    scheme, login, option = {
        "starttls": ("smtp", "me%40b.org:hush%2Fhush%401@", ""),
        "on": ("smtps", "me%40b.org:hush%2Fhush%401@", ""),
        "none": ("smtp", "", "&tls=none"),
    }[server.tls]
    url = f"{scheme}://{login}127.0.0.1:{server.port}/?from=syncer@b.org&to={to}{option}"
    return make_notifier(url, Surroundings(now=lambda: NOW, monotonic=time.monotonic, timeout=timeout))


def refusal(recipient: Recipient) -> NotifyError:
    with pytest.raises(NotifyError) as caught:
        recipient.send(MESSAGE)
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(recipient.service)
    assert PASSWORD not in told
    assert base64.b64encode(f"\0me@b.org\0{PASSWORD}".encode()).decode() not in told
    return caught.value


def test_a_mail_arrives_whole_with_its_headers_over_every_kind_of_connection(server: Server) -> None:
    mailer(server, to="a@b.org,ops+night@c.org").send(MESSAGE)
    mail = message_from_bytes(server.mails[0].removesuffix(b"\r\n.\r\n"), policy=default)
    assert mail["Subject"] == "1,204 个文件 Bcc: evil@x.org"
    assert mail["Bcc"] is None
    assert (mail["From"], mail["To"]) == ("syncer@b.org", "a@b.org, ops+night@c.org")
    assert mail["Date"].datetime == NOW
    assert mail["Importance"] == "high"
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().splitlines()[:4] == [".", "客户.mp4", "", "..dots"]
    recipients = [command for command in server.commands if command.startswith("rcpt")]
    assert recipients == ["rcpt TO:<a@b.org>", "rcpt TO:<ops+night@c.org>"]
    assert any(command.startswith("AUTH PLAIN") for command in server.commands) == (server.tls != "none")


def test_the_same_message_sent_twice_has_one_id_and_another_of_its_alert_one_thread(server: Server) -> None:
    recipient = mailer(server)
    for message in (MESSAGE, MESSAGE, replace(MESSAGE, key="another", status="resolved")):
        recipient.send(message)
    mails = [message_from_bytes(mail, policy=default) for mail in server.mails]
    assert mails[0]["Message-ID"] == mails[1]["Message-ID"] != mails[2]["Message-ID"]
    assert mails[0]["References"] == mails[2]["References"]
    assert mails[2]["Importance"] is None


@pytest.mark.parametrize(
    ("command", "reply", "permanent"),
    [
        ("greeting", b"554 go away\r\n", True),
        ("greeting", b"421 busy\r\n", False),
        ("greeting", b"nonsense\r\n", False),
        ("AUTH", b"535 5.7.8 wrong: hush/hush@1\r\n", True),
        ("AUTH", b"454 try later\r\n", False),
        ("AUTH", b"500 unknown: AUTH PLAIN AG1lQGIub3JnAGh1c2gvaHVzaEAx\r\n", True),
        ("MAIL", b"550 not from here\r\n", True),
        ("RCPT", b"550 no such user\r\n", True),
        ("RCPT", b"451 greylisted, try later\r\n", False),
        ("DATA", b"554 no\r\n", True),
        ("end", b"552 too big\r\n", True),
        ("end", b"452 disk full\r\n", False),
        ("STARTTLS", b"454 no TLS now\r\n", False),
        ("EHLO", b"250-me\r\n250 AUTH PLAIN\r\n", True),
        ("EHLO", b"x" * 20_000 + b"\r\n", True),
    ],
)
@only_starttls
def test_5yz_is_permanent_and_4yz_is_passing(server: Server, command: str, reply: bytes, permanent: bool) -> None:
    server.replies[command] = reply
    assert refusal(mailer(server)).permanent == permanent


@only_starttls
def test_a_password_never_goes_out_without_tls(server: Server) -> None:
    server.tls = "none"
    server.replies["EHLO"] = b"250-me\r\n250 AUTH PLAIN\r\n"
    port = server.port
    url = f"smtp://me%40b.org:hush%2Fhush%401@127.0.0.1:{port}/?to=a@b.org"
    error = refusal(make_notifier(url, Surroundings(now=lambda: NOW, monotonic=time.monotonic)))
    assert "STARTTLS" in str(error)
    assert not any(command.startswith("AUTH") for command in server.commands)


@pytest.mark.parametrize("tls", ["starttls", "on"], indirect=True)
def test_a_certificate_that_is_not_trusted_ends_it_before_the_password(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    error = refusal(mailer(server))
    assert "certificate" in str(error)
    assert not any(command.startswith("AUTH") for command in server.commands)


@only_none
def test_a_recipient_refused_for_now_is_tried_again_alone(server: Server) -> None:
    recipient = mailer(server, to="a@b.org,grey@b.org")
    server.replies["rcpt TO:<grey@b.org>"] = b"451 greylisted\r\n"
    error = refusal(recipient)
    assert not error.permanent
    assert "grey@b.org: 451" in str(error)
    server.replies.clear()
    server.commands.clear()
    recipient.send(MESSAGE)
    assert [each for each in server.commands if each.startswith("rcpt")] == ["rcpt TO:<grey@b.org>"]
    recipient.send(replace(MESSAGE, key="another"))
    assert len([each for each in server.commands if each.startswith("rcpt")]) == 3


@only_none
def test_a_recipient_refused_for_good_beside_one_that_is_not_is_told_as_permanent(server: Server) -> None:
    server.replies["rcpt TO:<gone@b.org>"] = b"550 no such user\r\n"
    error = refusal(mailer(server, to="a@b.org,gone@b.org"))
    assert error.permanent
    assert "gone@b.org: 550 no such user" in str(error)
    assert len(server.mails) == 1


@pytest.mark.parametrize("dripping", [False, True])
def test_no_server_holds_a_mail_longer_than_its_deadline(server: Server, dripping: bool) -> None:
    server.silent, server.dripping = not dripping, dripping
    began = time.monotonic()
    error = refusal(mailer(server, timeout=0.4))
    assert time.monotonic() - began < 1.5
    assert not error.permanent
    assert "within 0.4 s" in str(error)


@only_none
def test_a_server_that_hangs_up_is_passing(server: Server) -> None:
    for end in (b"421 closing\r\n", b"250"):
        server.replies["MAIL"] = end
        server.hang_up_after = "MAIL"
        assert not refusal(mailer(server)).permanent


@only_none
def test_nobody_listening_is_passing(server: Server) -> None:
    used = server.port
    with socket.create_server(("127.0.0.1", 0)) as closed:
        server.port = closed.getsockname()[1]
    error = refusal(mailer(server))
    server.port = used
    assert not error.permanent
    assert "refused" in str(error)
