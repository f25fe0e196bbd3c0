"""Checks of the daily work: who pulls, whether the quota suffices, what is open, where the page is."""

from __future__ import annotations

import socket
from contextlib import suppress
from datetime import datetime
from http.client import HTTPConnection, HTTPException

from syncer import words
from syncer.app import App
from syncer.doctor.check import Check, ok, warning
from syncer.doctor.database import Opened
from syncer.errors import SettingsError
from syncer.settings import Settings, SourceSettings, WebAddress
from syncer.store import alert_facts, replicas
from syncer.store.alerts import count_open
from syncer.store.replicas import Replica
from syncer.store.status import SourceStatus

# VodBackupGet: 100 calls a minute.
_QUOTA = 100
_MINUTES_A_DAY = 1440
# A schedule that takes more of the quota leaves too little for retries and for people's questions.
_QUOTA_SHARE = 0.8
_WEB_SECONDS = 2.0


def web(settings: Settings) -> Check:
    """Check that a daemon answers at the page's address, or could."""
    address = settings.web_address
    if address is None:
        return ok("web page", "off: no page, no /metrics, no /healthz")
    where = f"http://{address}/"
    answer = _health(address)
    if answer is not None:
        told = answer.strip() or "nothing"
        return ok("web page", f"{where} is served; /healthz says: {words.visible(told)[:100]}")
    trouble = _cannot_listen(address)
    if trouble is None:
        return ok("web page", f"{where} is free: no daemon runs here now")
    advice = "Choose another SYNCER_WEB_ADDRESS, or end what listens there; the daemon would not start."
    return warning("web page", f"the daemon cannot listen on {address}: {trouble}", advice)


def _health(address: WebAddress) -> str | None:
    """Return what /healthz says at the address; None when nothing of ours answers there."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104 - asked, not bound
    connection = HTTPConnection(host, address.port, timeout=_WEB_SECONDS)
    try:
        connection.request("GET", "/healthz")
        response = connection.getresponse()
        ours = (response.getheader("Content-Type") or "").startswith("text/plain") and response.status in {200, 503}
        return response.read(1000).decode(errors="replace") if ours else None
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


def _cannot_listen(address: WebAddress) -> str | None:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        with socket.socket(*found[0][:3]) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(found[0][4])
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None


def daemons(opened: Opened, now: datetime) -> Check:
    """Check that one of the daemons that showed themselves lives; none at all is fine where cron pulls."""
    with opened.explained():
        seen = replicas.all_seen(opened.connection)
    alive = [each for each in seen if each.alive]
    dead = [each for each in seen if not each.alive]
    if not seen:
        return ok("daemons", "none has shown itself; without one, cron must run `syncer sync`")
    told = "; ".join([*(_busy(each) for each in alive), *(_gone(each, now) for each in dead)])
    if not alive:
        return warning("daemons", f"none lives: {told}", "Start `syncer daemon`, or see its log for why it ended.")
    if len({each.version for each in alive}) > 1:
        versions = ", ".join(sorted({each.version for each in alive}))
        return warning("daemons", f"of different versions ({versions}): {told}", "Upgrade all of them.")
    return ok("daemons", told)


def _busy(replica: Replica) -> str:
    return f"{replica.name} lives and runs {replica.running} of {words.counted(replica.workers, 'pull')}"


def _gone(replica: Replica, now: datetime) -> str:
    return f"{replica.name} was last heard {words.span((now - replica.seen_at).total_seconds())} ago"


def lease(source: SourceSettings, status: SourceStatus | None) -> Check:
    """Say who has the source; any answer is fine."""
    held = None if status is None else status.lease
    if held is None:
        found = "free: nobody is pulling this source"
    elif held.alive:
        found = f"held by {held.holder}, which is pulling this source now"
    else:
        found = f"free: {held.holder} held it, but is gone or stalled"
    return ok("lease", found, source=source.name)


def quota(app: App, source: SourceSettings, status: SourceStatus | None, opened: Opened | None) -> Check:
    """Check that the limit is the API's, and that the account's schedules fit into it."""
    limit, name = source.calls_per_minute, source.name
    used = None if status is None else status.quota
    so_far = "no call counted yet" if used is None else f"{used.calls:,} calls so far, {used.refused:,} refused (4400)"
    found = f"{limit} calls a minute, {so_far}" if limit else "the limiter is off"
    if source.api_url.startswith("https:") and not 0 < limit <= _QUOTA:
        advice = f"The API allows {_QUOTA} calls a minute: set SYNCER_CALLS_PER_MINUTE to {_QUOTA} or less."
        return warning("quota", found, advice, source=name)
    needed = _needed(app, source, opened)
    if limit and needed:
        share = needed / (limit * _MINUTES_A_DAY)
        found += f"; the schedules of its account take {needed:,.0f} a day, {share:.0%} of it"
        if share > _QUOTA_SHARE:
            advice = "Pulls will be late: let SYNCER_FULL_SCHEDULE or SYNCER_RECENT_SCHEDULE be due less often."
            return warning("quota", found, advice, source=name)
    return ok("quota", found, source=name)


def _needed(app: App, source: SourceSettings, opened: Opened | None) -> float:
    """Return the calls a day of the account's schedules, 0 when nobody knows."""
    if opened is None:
        return 0.0
    with suppress(SettingsError):  # told by the check of the notifications
        loads = app.alerting.policy(source).loads
        with opened.explained():
            return alert_facts.calls_per_day(opened.connection, loads)
    return 0.0


def alerts(opened: Opened, source: SourceSettings) -> Check:
    """Check whether alerts are open."""
    with opened.explained():
        found = count_open(opened.connection).get(source.name, {})
    if not found:
        return ok("alerts", "none is open", source=source.name)
    told = ", ".join(f"{number} {severity}" for severity, number in sorted(found.items()))
    return warning("alerts", f"open: {told}", "See them: syncer alerts list", source=source.name)
