"""A recipient of messages over real HTTP: keeps the keys of what it accepted, and refuses when told to."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class Inbox:
    """A webhook on 127.0.0.1, as a context manager; while `away` it answers 503."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.away = False
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
                if not inbox.away:
                    inbox.keys.append(message["key"])
                self.send_response(503 if inbox.away else 200)
                self.send_header("Content-Length", "2")
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The entry of SYNCER_NOTIFY for this recipient."""
        return f"webhook+http://127.0.0.1:{self._server.server_address[1]}/hook"

    def received(self) -> set[str]:
        """Return the keys of the messages that were accepted."""
        return set(self.keys)
