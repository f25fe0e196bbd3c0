"""Serves the page on a thread beside the daemon: the address is taken at once, answers begin with the database."""

from __future__ import annotations

import errno
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
import uvicorn

from syncer.app import App
from syncer.errors import SettingsError
from syncer.pulse import Pulse
from syncer.settings import Settings, WebAddress
from syncer.web.application import make_application
from syncer.web.guard import LONGEST_HEAD
from syncer.web.protocol import ImpatientProtocol
from syncer.web.site import Site

# Connections at once, those of callers who say nothing included; beyond it 503.
_MOST_CONNECTIONS = 100
_STOP_SECONDS = 3

_log = structlog.get_logger("syncer.web")


class WebServer:
    """The page of one daemon. Making it takes the address; `attach` is what a Daemon is given.

    Raises SettingsError when the address cannot be had.
    """

    def __init__(self, settings: Settings) -> None:
        self._socket = None if settings.web_address is None else _bound(settings.web_address)

    @property
    def url(self) -> str:
        """Where it listens; empty when it does not."""
        return "" if self._socket is None else _shown(self._socket)

    @contextmanager
    def attach(self, app: Callable[[], App], url: str, pulse: Pulse) -> Iterator[None]:
        """Serve during the block; does nothing when SYNCER_WEB_ADDRESS is off."""
        if self._socket is None:
            yield
            return
        site = Site(app, url, pulse, time.monotonic)
        server = uvicorn.Server(
            uvicorn.Config(
                make_application(site),
                http=ImpatientProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=_MOST_CONNECTIONS,
                h11_max_incomplete_event_size=LONGEST_HEAD,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=_STOP_SECONDS,
            )
        )
        for name in ("uvicorn", "uvicorn.error"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # a caller's broken request is no news
        self._socket.listen(128)
        thread = threading.Thread(target=server.run, args=([self._socket],), name="page-server", daemon=True)
        thread.start()
        threading.Thread(target=site.warm, name="page-count", daemon=True).start()
        _log.info("page_served", address=self.url)
        try:
            yield
        finally:
            server.should_exit = True
            thread.join(_STOP_SECONDS + 1)
            site.looks.close()

    def close(self) -> None:
        """Give the address back, if it never was served."""
        if self._socket is not None:
            self._socket.close()


def _bound(address: WebAddress) -> socket.socket:
    """Return a socket at the address. Raises SettingsError."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, place = found[0]
        sock = socket.socket(family, kind, protocol)
        try:
            if os.name == "posix":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(place)
        except BaseException:
            sock.close()
            raise
    except OSError as error:
        raise SettingsError(_why(address, error)) from None
    return sock


def _why(address: WebAddress, error: OSError) -> str:
    """Return what is wrong with an address, and what to do."""
    begin = f"The page cannot listen on {address} (SYNCER_WEB_ADDRESS)"
    if error.errno == errno.EADDRINUSE:
        return (
            f"{begin}: another process does, perhaps another daemon. Choose another port, or switch this daemon's page "
            "off with SYNCER_WEB_ADDRESS=off."
        )
    if error.errno == errno.EACCES:
        return f"{begin}: ports below 1024 are the administrator's. Choose one from 1024 on."
    return f"{begin}: {(error.strerror or str(error)).lower()}. It must be an address of this machine."


def _shown(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
