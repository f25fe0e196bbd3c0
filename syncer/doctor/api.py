"""Checks of the API, with two calls at most: credentials, clock, page size, order, time zone, context."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta

from syncer import words
from syncer.app import App
from syncer.doctor.check import Check, failed, ok, warning
from syncer.doctor.database import Opened
from syncer.errors import Refused, SettingsError, SyncerError, Unavailable
from syncer.model import ContextLost, EndOfListing, ListAnswer, Order, Page
from syncer.pull.waiting import Waiting
from syncer.settings import SourceSettings
from syncer.source.client import VodSource

# Answers that speak of the request's time (common error codes of the API's document).
_TIME_CODES = frozenset({"4200", "4500"})
_CREDENTIAL_CODES = range(4100, 4200)
# A person waits for the answer.
_PATIENCE = timedelta(seconds=15)
# The API's newer pages allow five minutes; a whole second and the way's delay are in the measure.
_CLOCK_MAY_DIFFER = 30.0
_ZONE = timedelta(hours=8)
_ZONE_TOLERANCE = timedelta(minutes=5)


def examine(
    app: App, settings: SourceSettings, opened: Opened | None, clock: Callable[[], datetime]
) -> Iterator[Check]:
    """Yield the checks of one source's API. Raises Stopped."""
    try:
        settings.require_credentials()
    except SettingsError as error:
        yield failed("credentials", error, source=settings.name)
        return
    # One attempt a call: what fails now is told now, and the calls stay countable.
    impatient = replace(settings, retry_for=timedelta(0), request_timeout=min(settings.request_timeout, _PATIENCE))
    waiting = Waiting(time.sleep, app.stop, time.monotonic)
    connection = None if opened is None else opened.connection
    with opened.explained() if opened else nullcontext(), app.source(impatient, connection, waiting) as api:
        answer = _ask(api, settings, None)
        if isinstance(answer, SyncerError):
            yield from _refused(api, answer, settings.name)
            return
        yield ok("credentials", f"accepted by {settings.api_url}", source=settings.name)
        if api.last_clock_skew is not None:
            yield _clock(api.last_clock_skew, settings.name)
        if not isinstance(answer, Page):
            yield _no_page(answer, settings.name)
            return
        yield from _page(answer, settings, clock())
        if answer.context is not None:
            yield _context(answer, _ask(api, settings, answer.context), settings.name)


def _ask(api: VodSource, settings: SourceSettings, context: str | None) -> ListAnswer | Refused | Unavailable:
    try:
        return api.list_page(
            order=Order.NEWEST_FIRST,
            prefix=settings.prefix,
            page_size=settings.page_size,
            context=context,
            interactive=True,
        )
    except (Refused, Unavailable) as error:
        return error


def _refused(api: VodSource, error: SyncerError, source: str) -> Iterator[Check]:
    """Yield what a failed call shows; a refused time is the clock's fault even when nothing else is said."""
    skew = api.last_clock_skew
    if _TIME_CODES & api.tally.outcomes.keys():
        how = "" if skew is None else f"; {_difference(skew)}"
        found = f"the API refuses the time of the request{how}: {error}"
        yield failed("api clock", Refused, found, "Set this machine's clock by a time server.", source=source)
        return
    if skew is not None and isinstance(error, Refused):
        yield _clock(skew, source)
    credentials = isinstance(error, Refused) and error.code in _CREDENTIAL_CODES
    yield failed("credentials" if credentials else "api", error, source=source)


def _clock(skew: float, source: str) -> Check:
    if abs(skew) <= _CLOCK_MAY_DIFFER:
        return ok("api clock", "agrees with this machine's", source=source)
    return warning("api clock", _difference(skew), "Set this machine's clock by a time server.", source=source)


def _difference(skew: float) -> str:
    return f"this machine's clock is {words.span(skew)} {'behind' if skew > 0 else 'ahead of'} the API's"


def _no_page(answer: EndOfListing | ContextLost, source: str) -> Check:
    if isinstance(answer, EndOfListing):
        return ok("listing", "empty: the API says at once that it is complete", source=source)
    found = f"the API refuses a context that was not sent ({answer.code} {answer.message})"
    return warning("listing", found, "Try `syncer sync`; if it fails too, ask the vendor.", source=source)


def _page(page: Page, settings: SourceSettings, now: datetime) -> Iterator[Check]:
    asked, name = settings.page_size, settings.name
    found = f"asked for {asked}, got {page.entries}"
    if page.entries < asked and page.context is not None:
        advice = "Pages are smaller than asked for: a full pull takes more calls and lasts longer."
        yield warning("page size", found, advice, source=name)
    elif page.entries > asked:
        yield warning("page size", found, "The API ignores pageSize; pulls work, but see report.rejected.", source=name)
    else:
        whole = ", the whole listing" if page.context is None else ""
        yield ok("page size", found + whole, source=name)
    if page.rejected:
        advice = "`syncer sync` keeps what it can and lists the others in report.rejected."
        yield warning("entries", f"{len(page.rejected)} could not be understood", advice, source=name)
    times = [file.created_at for file in page.files if file.created_at is not None]
    if times != sorted(times, reverse=True):
        advice = "Recent pulls rely on that order and will list more than they need."
        yield warning("order", "the listing is not newest first, as was asked for", advice, source=name)
    if times:
        yield _newest(max(times), now, name)


def _newest(newest: datetime, now: datetime, source: str) -> Check:
    """Judge by the newest createTime whether the API's times, which bear no zone, are Beijing's as we read them."""
    age = now - newest
    if age < -_ZONE_TOLERANCE:
        found = f"created {words.span(age.total_seconds())} from now"
        advice = "Its time may not be Beijing's, as syncer reads it: compare a file's createTime with the console."
        return warning("newest file", found, advice, source=source)
    found = f"created {words.span(age.total_seconds())} ago"
    if abs(age - _ZONE) < _ZONE_TOLERANCE:
        advice = "If files are created all the time, the API's times are in UTC and not in Beijing's: check one."
        return warning("newest file", f"{found}, as far as Beijing is from UTC", advice, source=source)
    return ok("newest file", found, source=source)


def _context(first: Page, second: ListAnswer | SyncerError, source: str) -> Check:
    advice = "A pull of more than one page will not get far: try `syncer sync`, and ask the vendor if it fails."
    if isinstance(second, SyncerError):
        return warning("context", f"the second page failed: {second}", "Run `syncer doctor` again.", source=source)
    if isinstance(second, ContextLost):
        found = f"a context was refused at once ({second.code} {second.message})"
        return warning("context", found, advice, source=source)
    if isinstance(second, Page) and second.files and second.files == first.files:
        return warning("context", "the second page is the first again", advice, source=source)
    return ok("context", "leads on to the second page", source=source)
