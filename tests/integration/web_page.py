"""The page as a visitor meets it: served on a free port of this process, asked over real HTTP."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import requests

from syncer.app import App
from syncer.pulse import Pulse
from syncer.settings import load_settings
from syncer.web.server import WebServer

LOGIN = {"SYNCER_WEB_USER": "operator", "SYNCER_WEB_PASSWORD": "correct-horse-battery"}
CREDENTIALS = ("operator", "correct-horse-battery")
PATIENCE = 20.0


class Page:
    """A page that is being served. `pulse` is the daemon's that it shows."""

    def __init__(self, url: str, pulse: Pulse, app: App) -> None:
        self.url = url
        self.pulse = pulse
        self.app = app
        self.session = requests.Session()
        self.session.trust_env = False

    @property
    def port(self) -> int:
        return int(self.url.rstrip("/").rpartition(":")[2])

    def get(self, path: str = "/", **arguments: Any) -> requests.Response:
        return self.session.get(self.url.rstrip("/") + path, timeout=PATIENCE, allow_redirects=False, **arguments)

    def post(self, path: str, **arguments: Any) -> requests.Response:
        return self.session.post(self.url.rstrip("/") + path, timeout=PATIENCE, allow_redirects=False, **arguments)

    def html(self, path: str = "/", **arguments: Any) -> Document:
        response = self.get(path, **arguments)
        assert response.status_code == 200, response.text
        return Document(response.text)

    def raw(self, sent: bytes, *, wait: float = PATIENCE) -> bytes:
        """Send bytes as they are; return what comes until the other end closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as connection:
            connection.sendall(sent)
            found = b""
            while chunk := connection.recv(65536):
                found += chunk
            return found


@contextmanager
def served(environ: dict[str, str], database: str, *, pulse: Pulse | None = None) -> Iterator[Page]:
    """Serve the page of settings on a database; without a `pulse` of its own the daemon seems well."""
    app = App(load_settings({"SYNCER_WEB_ADDRESS": "127.0.0.1:0", **environ}))
    if pulse is None:
        pulse = Pulse(lambda: datetime.now(UTC), time.monotonic)  # noqa: TID251 - as the daemon has it
        pulse.scheduler_beat()
        pulse.database_answered()
    server = WebServer(app.settings)
    with server.attach(lambda: app, database, pulse):
        yield Page(server.url, pulse, app)


class Document(HTMLParser):
    """A page's texts, and whether its tags are whole."""

    _VOID = frozenset({"meta", "link", "input", "br"})

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.html = html
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self._texts: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self._VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self._texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self._texts))

    def attributes(self, tag: str, name: str) -> list[str]:
        return [value for found, attrs in self.tags if found == tag and (value := attrs.get(name)) is not None]
