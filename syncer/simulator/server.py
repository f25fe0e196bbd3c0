"""A small threaded server on 127.0.0.1 that starts, goes down, comes up on the same port, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

from syncer.simulator.http import BadRequest, Reader, Request, head, html

Handler = Callable[[Request, socket.socket, int], bool]
_JOIN = 5.0


class Server:
    """Serves each connection in a thread of its own.

    `handler` gets a request, its connection and the number of the request on that connection (from 1); it replies,
    and says whether the connection can serve another.
    """

    def __init__(self, handler: Handler, *, host: str, port: int) -> None:
        self._handler = handler
        self._address = (host, port)
        self._listener: socket.socket | None = None
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()
        self._acceptor: threading.Thread | None = None
        self.stopping = threading.Event()

    @property
    def address(self) -> tuple[str, int]:
        """The host and port served; once started, the port never changes."""
        return self._address

    def start(self) -> None:
        """Listen and serve; OSError if the port is taken."""
        listener = socket.create_server(self._address, backlog=128)
        self._address = (self._address[0], listener.getsockname()[1])
        self._listener = listener
        self.stopping = threading.Event()
        self._acceptor = threading.Thread(target=self._accept, args=(listener,), name="simulator", daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        """Refuse new connections, end the open ones, and wait for their threads."""
        self.stopping.set()
        if self._listener is None or self._acceptor is None:
            return
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(_JOIN)
        self._listener = None
        with self._lock:
            open_now = list(self._connections.items())
        for connection, thread in open_now:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            if thread is not threading.current_thread():
                thread.join(_JOIN)

    def _accept(self, listener: socket.socket) -> None:
        while not self.stopping.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), name="simulator-call", daemon=True)
            with self._lock:
                self._connections[connection] = thread
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._converse(connection)
        finally:
            with self._lock:
                self._connections.pop(connection, None)

    def _converse(self, connection: socket.socket) -> None:
        reader = Reader(connection)
        number = 0
        while not self.stopping.is_set():
            try:
                request = reader.next()
            except BadRequest:
                connection.sendall(head(400, length=len(html(400)), keep_alive=False) + html(400))
                return
            if request is None:
                return
            number += 1
            if not self._handler(request, connection, number):
                return
