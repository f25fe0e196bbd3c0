"""Recipients over real HTTP on 127.0.0.1: they record what they are sent, and refuse, hang or fail when told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, bytes]
OK: Answer = (200, b"{}")


class Inbox:
    """One server. `answer` decides on each message, `seconds` is how long it lets the sender wait."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.refused: list[dict[str, Any]] = []
        self.answer: Callable[[dict[str, Any]], Answer] = lambda _: OK
        self.released = threading.Event()
        self.released.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, path: str = "/hook", **options: str) -> str:
        """Return the entry of SYNCER_NOTIFY for a webhook here."""
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"webhook+http://127.0.0.1:{self.port}{path}" + (f"?{query}" if query else "")

    def hang(self) -> None:
        """Answer nothing until `released` is set."""
        self.released.clear()

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                try:
                    message = json.loads(text)
                except ValueError:
                    message = {"text": text.decode()}
                if isinstance(message, list):
                    message = {"alerts": message}  # Alertmanager's form
                message["path"] = self.path
                inbox.released.wait(30)
                status, body = inbox.answer(message)
                (inbox.received if (status, body) == OK else inbox.refused).append(message)
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.send_header("Connection", "close")
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # the sender did not wait

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
                pass

        return Handler


@contextmanager
def inboxes(number: int) -> Iterator[list[Inbox]]:
    """Run several recipients for a block."""
    made = [Inbox() for _ in range(number)]
    try:
        yield made
    finally:
        for each in made:
            each.close()
