"""The routes of the page, and what becomes of a request that fails."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from syncer.errors import DatabaseUnavailable, SchemaMismatch
from syncer.report.language import Lang
from syncer.store.looking import TookTooLong
from syncer.web import forms, visit
from syncer.web.alerts import acknowledge, alert_list, one_alert
from syncer.web.downloads import export_csv, files_csv
from syncer.web.files import file, files
from syncer.web.guard import Guard
from syncer.web.overview import overview, sources
from syncer.web.probes import healthz, readyz
from syncer.web.pulls import one_pull, pull_list
from syncer.web.site import Shown, Site, render, speak
from syncer.web.style import ICON, STYLE, STYLE_VERSION
from syncer.web.threads import in_thread
from syncer.web.throttle import Throttle
from syncer.web.visit import LANGUAGE_COOKIE, NotThere, NotUnderstood, Visit
from syncer.words import visible

# What makes a page, on a thread: from the site and the visit. Raises NotThere, NotUnderstood, SyncerError.
View = Callable[[Site, Visit], Shown]

_ACKNOWLEDGE = "/alert/acknowledge"
_YEAR = 365 * 86_400
# Why a view fails, the most special first.
_REASONS: dict[type[Exception], tuple[int, str]] = {
    NotThere: (404, "not_found"),
    NotUnderstood: (400, "bad_request"),
    TookTooLong: (503, "too_slow"),
    SchemaMismatch: (503, "wrong_schema"),
    DatabaseUnavailable: (503, "database_away"),
}
_FOR_EVER = "public, max-age=31536000, immutable"

_log = structlog.get_logger("syncer.web")


def make_application(site: Site) -> ASGIApp:
    """Return the page as an ASGI application."""
    inner = Starlette(
        routes=[
            Route("/", _page(overview)),
            Route("/sources", _page(sources)),
            Route("/files", _page(files)),
            Route("/file", _page(file)),
            Route("/alerts", _page(alert_list)),
            Route("/alert", _page(one_alert)),
            Route(_ACKNOWLEDGE, acknowledge, methods=["POST"]),
            Route("/pulls", _page(pull_list)),
            Route("/pull", _page(one_pull)),
            Route("/files.csv", files_csv),
            Route("/export/{table}.csv", export_csv),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", _metrics),
            Route("/style.css", _style),
            Route("/favicon.ico", _icon),
            Route("/favicon.svg", _icon),
        ],
        exception_handlers={HTTPException: _refused, **dict.fromkeys(_REASONS, _not_shown), Exception: _crashed},
    )
    inner.router.redirect_slashes = False
    inner.state.site = site
    return Guard(inner, login=site.login, throttle=Throttle(site.monotonic))


def _page(view: View) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint that shows a view."""

    async def endpoint(request: Request) -> Response:
        site = _site(request)
        cookie = site.forms.cookie(request)
        asked = visit.read(request, site.forms.token(cookie))
        response = HTMLResponse(await in_thread(lambda: _shown(site, asked, view)))
        if request.cookies.get(forms.COOKIE) != cookie:
            site.forms.give(response, cookie)
        if request.query_params.get("lang") in set(Lang):
            response.set_cookie(LANGUAGE_COOKIE, asked.lang, max_age=_YEAR, httponly=True, samesite="lax")
        return response

    return endpoint


def _shown(site: Site, asked: Visit, view: View) -> str:
    return render(view(site, asked), asked, open_alerts=site.present().open_alerts)


def _asked(request: Request) -> Visit:
    """Return what a failed request asked for; nobody can go to the address of a form, so its links lead to its list."""
    asked = visit.read(request, "")
    return replace(asked, path="/alerts", query={}) if asked.path == _ACKNOWLEDGE else asked


def _trouble(site: Site, asked: Visit, status: int, what: str, detail: str = "") -> Response:
    """Return the page that says what is wrong, of which nothing else is known."""
    vitals = site.pulse.read()
    language = speak(asked, vitals.database_at or vitals.started_at)
    context = {"what": what, "detail": detail, "heard_at": vitals.database_at, "status": status}
    return HTMLResponse(render(Shown("trouble.html", language, context), asked), status)


async def _refused(request: Request, error: Exception) -> Response:
    """Answer a request that Starlette or a form refuses."""
    assert isinstance(error, HTTPException)
    what = {403: "bad_form", 404: "not_found"}.get(error.status_code, "bad_request")
    response = _trouble(_site(request), _asked(request), error.status_code, what)
    response.headers.update(error.headers or {})
    return response


async def _not_shown(request: Request, error: Exception) -> Response:
    """Answer a request for what there is not, or cannot be read now."""
    asked, detail = _asked(request), str(error)
    for kind, (status, what) in _REASONS.items():
        if isinstance(error, kind):
            return _trouble(_site(request), asked, status, what, detail)
    raise error


async def _crashed(request: Request, error: Exception) -> Response:
    """Answer a request on which we failed, and log where; never with values, which may be anybody's."""
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{each.filename}:{each.lineno} {each.name}" for each in frames][-8:]
    _log.error("page_crashed", error=type(error).__name__, where=where, path=visible(request.url.path[:200]))
    return _trouble(_site(request), _asked(request), 500, "crashed")


async def _metrics(request: Request) -> Response:
    """Return the document for Prometheus."""
    scrape, accept = _site(request).metering.scrape, request.headers.get("accept", "")
    text, content_type = await in_thread(lambda: scrape(accept))
    return Response(text, headers={"Content-Type": content_type})


async def _style(request: Request) -> Response:
    """Return the one style sheet; its address changes with it."""
    keep = {"Cache-Control": _FOR_EVER} if request.query_params.get("v") == STYLE_VERSION else {}
    return Response(STYLE, media_type="text/css", headers=keep)


async def _icon(_request: Request) -> Response:
    """Return the picture for the browser's tab."""
    return Response(ICON, media_type="image/svg+xml", headers={"Cache-Control": "public, max-age=86400"})


def _site(request: Request) -> Site:
    site: Site = request.app.state.site
    return site
