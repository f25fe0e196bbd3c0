"""Answers the probes of systemd, Kubernetes and load balancers in a line of plain text: alive, ready, or why not."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from syncer.errors import SchemaMismatch, SyncerError
from syncer.store.migrate import require_head
from syncer.web.site import Site
from syncer.web.threads import in_thread

_DATABASE_SECONDS = 2.0


async def healthz(request: Request) -> Response:
    """Say whether the scheduler lives: its heartbeat is fresh."""
    vitals = _site(request).pulse.read()
    if vitals.scheduler_fresh:
        return _plain("ok")
    if vitals.scheduler_age is None:
        return _plain("starting: the scheduler has not ticked yet", 503)
    return _plain(f"the scheduler's last heartbeat is {vitals.scheduler_age:.0f} s old", 503)


async def readyz(request: Request) -> Response:
    """Say whether work can be done: the database answers, and its schema is the one of this version."""
    site = _site(request)
    if site.pulse.read().stopping:
        return _plain("stopping", 503)
    try:
        await in_thread(lambda: _look(site))
    except SchemaMismatch:
        return _plain("the database's schema is not this version's: run syncer migrate", 503)
    except SyncerError:
        return _plain("the database does not answer", 503)
    return _plain("ok")


def _look(site: Site) -> None:
    with site.looks.looking(_DATABASE_SECONDS) as connection:
        require_head(connection)


def _site(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


def _plain(text: str, status: int = 200) -> Response:
    return PlainTextResponse(f"{text}\n", status)
