"""Lists as CSV, streamed: memory stays flat, and what cannot be written whole breaks off so that everybody sees it."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from syncer.export import csv_lines
from syncer.store import exports, inventory
from syncer.store.database import Connection
from syncer.store.inventory import FIELDS, Selection
from syncer.store.looking import TookTooLong
from syncer.web import places, visit
from syncer.web.files import wish_of
from syncer.web.site import Site
from syncer.web.threads import in_thread
from syncer.web.visit import NotThere, NotUnderstood

# Each holds a connection and a snapshot for as long as its reader takes.
_AT_ONCE = 2
_SECONDS = 3600.0
_CHUNK = 65_536

# The columns and the rows of a table, for a block within a snapshot.
_Table = AbstractContextManager[tuple[Sequence[str], Iterable[Mapping[str, Any]]]]

_free = threading.BoundedSemaphore(_AT_ONCE)


async def files_csv(request: Request) -> Response:
    """Answer with the files that an address of /files asks for, all of them."""
    wish = wish_of(visit.read(request, ""))
    selection = Selection(
        states=frozenset({wish.state}), prefix=wish.prefix, source=wish.source, expiring_within=wish.within
    )

    @contextmanager
    def table(connection: Connection) -> Iterator[tuple[Sequence[str], Iterable[Mapping[str, Any]]]]:
        with inventory.reading(connection, selection, None) as rows:
            yield FIELDS, rows

    return await _download(request, "files", table)


async def export_csv(request: Request) -> Response:
    """Answer with a table of the views, or with the part of it that the address names."""
    name, asked = request.path_params["table"], visit.read(request, "")
    export = exports.DOWNLOADS.get(name)
    if export is None:
        raise NotThere
    source = places.storable(asked.get("source")) or None
    only: dict[str, str | int] = {}
    for key, is_number in export.keys.items():
        text = places.storable(asked.get(key))
        if not text:
            raise NotUnderstood
        only[key] = places.number(text) if is_number else text
    return await _download(request, name, lambda connection: exports.reading(connection, export, source, only))


async def _download(request: Request, name: str, table: Callable[[Connection], _Table]) -> Response:
    """Answer with a table; whoever asks for the head alone gets it, and nothing is read for it."""
    headers = {"Content-Disposition": f'attachment; filename="syncer-{name}.csv"'}
    if request.method == "HEAD":
        return StreamingResponse(iter(()), media_type="text/csv", headers=headers)
    if not _free.acquire(blocking=False):
        raise TookTooLong("Two downloads are under way already; try again when one has ended.")
    download = _Download(_site(request), table)
    try:
        first = await in_thread(download.step)
    except BaseException:
        download.end()
        raise
    return StreamingResponse(_body(download, first), media_type="text/csv", headers=headers)


async def _body(download: _Download, chunk: str) -> AsyncIterator[str]:
    try:
        while chunk:
            yield chunk
            chunk = await in_thread(download.step)
    finally:
        threading.Thread(target=download.end, name="page-download", daemon=True).start()


class _Download:
    """The text of one table, piece by piece; a piece at a time, from any thread."""

    def __init__(self, site: Site, table: Callable[[Connection], _Table]) -> None:
        self._pieces = self._read(site, table)
        self._guard = threading.Lock()
        self._ended = False

    def step(self) -> str:
        """Return the next piece, empty at the end. Raises SyncerError."""
        with self._guard:
            return next(self._pieces, "")

    def end(self) -> None:
        """Give back the connection, and the place for another download."""
        with self._guard:
            if not self._ended:
                self._ended = True
                self._pieces.close()
                _free.release()

    @staticmethod
    def _read(site: Site, table: Callable[[Connection], _Table]) -> Generator[str]:
        deadline = site.monotonic() + _SECONDS
        with site.looks.streaming(_SECONDS) as connection, table(connection) as (fields, rows):
            waiting: list[str] = []
            size = 0
            for line in csv_lines(fields, rows):
                waiting.append(line)
                size += len(line)
                if size >= _CHUNK:
                    yield "".join(waiting)
                    waiting, size = [], 0
                    if site.monotonic() > deadline:
                        raise TookTooLong("The download took too long.")
            yield "".join(waiting)


def _site(request: Request) -> Site:
    site: Site = request.app.state.site
    return site
