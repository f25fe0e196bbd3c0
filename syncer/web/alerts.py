"""Alerts: what is open, what was; one alert with its files and messages; taking notice of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from syncer.report.language import Language
from syncer.report.markup import Child, Html, tag
from syncer.report.table import columns, table
from syncer.store import alert_files, alerts, outbox
from syncer.store.alert_files import VANISHED, Example
from syncer.store.alerts import Alert
from syncer.web import places
from syncer.web.alert_words import OF_FILES, told
from syncer.web.hearing import heard
from syncer.web.site import Shown, Site, speak
from syncer.web.tables import file_table
from syncer.web.threads import in_thread
from syncer.web.visit import NotThere, NotUnderstood, Visit, link

_SIZE, _FILES = 50, 100
_LONGEST_NAME = 64


def alert_list(site: Site, visit: Visit) -> Shown:
    """Show the open alerts, and those that were."""
    reading, standings = site.standings()
    language, source = speak(visit, reading.instant), places.storable(visit.get("source")) or None
    before = places.number(visit.get("before")) if visit.get("before") else None
    proven = {each.name: each.trust.as_of for each in standings}
    with site.looks.looking() as connection:
        opened = alerts.listed(connection, everything=False, source=source) if before is None else []
        past = alerts.resolved(connection, _SIZE + 1, before=before, source=source)
        lost = [each for each in outbox.lost(connection) if source in (None, each.source)]
        deaf = [each for each in outbox.recipients(connection) if source in (None, each.source)]
    context = {
        "opened": [told(each, language, proven.get(each.source)) for each in opened],
        "past": _past(past[:_SIZE], language, several=len(standings) > 1) if past else None,
        "first": before is None,
        "next": visit.here(before=str(past[_SIZE - 1].alert_id)) if len(past) > _SIZE else None,
        "several": len(standings) > 1,
        "heard": heard(site.present().hearings, language, source or ""),
        "deaf": [each for each in deaf if each.parked_at or each.failures],
        "lost": lost,
        "csv": link("/export/alerts.csv", source=source),
    }
    return Shown("alerts.html", language, context)


def _past(past: Sequence[Alert], language: Language, *, several: bool) -> Html:
    rows: list[list[Child]] = []
    for each in past:
        spoken = told(each, language)
        rows.append(
            [
                *([tag("bdi", each.source, class_="foreign")] if several else []),
                tag("a", str(each.alert_id), href=link("/alert", id=each.alert_id)),
                spoken.severity,
                spoken.sentence,
                language.full_moment(each.raised_at),
                language.full_moment(each.resolved_at),
                language.say(f"ending_{each.resolution}"),
            ]
        )
    heads = [*columns(language, "=source")] if several else []
    heads += columns(language, "#number_of severity +what raised_at ended_at =why_ended")
    return table(heads, rows, label=language.say("past_alerts"), stacked=True)


def one_alert(site: Site, visit: Visit) -> Shown:
    """Show an alert, the most urgent of its files, and whom it was told."""
    reading, standings = site.standings()
    language = speak(visit, reading.instant)
    with site.looks.looking() as connection:
        alert = alerts.find(connection, places.number(visit.get("id")))
        if alert is None:
            raise NotThere
        messages = outbox.messages(connection, alert.source, alert.alert_id)
        of_files = alert.rule in OF_FILES and alert.open
        found = alert_files.examples(connection, alerts.watch_of(alert), _FILES) if of_files else []
    proven = {each.name: each.trust.as_of for each in standings}
    context = {
        "told": told(alert, language, proven.get(alert.source)),
        "facts": [(language.say(key), value) for key, value in _facts(alert, language)],
        "files": _files(alert, found, language) if found else None,
        "of_files": of_files,
        "shown": language.say("first_of", shown=f"{len(found):,}", files=language.count("files", alert.files))
        if alert.files > len(found)
        else None,
        "messages": _messages(messages, language) if messages else None,
        "asks_who": visit.user is None,
        "csv": link("/export/alert_files.csv", source=alert.source, alert_id=alert.alert_id),
    }
    return Shown("alert.html", language, context)


def _facts(alert: Alert, language: Language) -> list[tuple[str, Child]]:
    moments = (
        ("raised_at", alert.raised_at),
        ("told_at", alert.sent_at),
        ("escalated_at", alert.escalated_at),
        ("acknowledged_at", alert.acknowledged_at),
        ("snoozed_at", alert.snoozed_until),
        ("ended_at", alert.resolved_at),
    )
    facts: list[tuple[str, Child]] = [
        ("source", tag("a", tag("bdi", alert.source, class_="foreign"), href=link("/", source=alert.source))),
        ("rule", tag("code", " ".join(filter(None, (alert.rule, alert.tier))))),
    ]
    if alert.group:
        facts.append(("group", language.foreign(alert.group)))
    facts += [(key, language.full_moment(at)) for key, at in moments if at is not None]
    if alert.acknowledged_by:
        facts.append(("acknowledged_by", language.foreign(alert.acknowledged_by)))
    if alert.resolved_by:
        facts.append(("resolved_by", language.foreign(alert.resolved_by)))
    facts += [
        ("detail", tag("span", tag("code", name), ": ", language.foreign(_text(value))))
        for name, value in alert.detail.items()
        if value is not None
    ]
    return facts


def _text(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _files(alert: Alert, found: Sequence[Example], language: Language) -> Html:
    rows = [
        {
            "source": alert.source,
            "file_id": each.file_id,
            "name": each.name,
            "size_bytes": each.size_bytes,
            "expires_at": each.expires_at,
            "gone_at": each.gone_at,
        }
        for each in found
    ]
    return file_table(rows, language, label="files_page", gone=alert.rule == VANISHED)


def _messages(messages: Sequence[Mapping[str, Any]], language: Language) -> Html:
    rows: list[list[Child]] = [
        [
            language.full_moment(each["created_at"]),
            language.say(f"message_{each['kind']}"),
            language.foreign(each["recipient"]),
            _fate(each, language),
            language.foreign(each["error"]),
        ]
        for each in messages
    ]
    heads = columns(language, "when message_kind =recipient fate +error")
    return table(heads, rows, label=language.say("messages"), stacked=True)


def _fate(message: Mapping[str, Any], language: Language) -> Html:
    sent: datetime | None = message["sent_at"]
    if sent is not None:
        return language.put("message_sent", at=language.full_moment(sent))
    if message["given_up_at"] is not None:
        return language.put("message_given_up", at=language.full_moment(message["given_up_at"]))
    return language.put("message_waiting", n=f"{message['attempts']:,}")


async def acknowledge(request: Request) -> Response:
    """Take notice of an alert: by the form that every alert has. Raises HTTPException."""
    site: Site = request.app.state.site
    fields = await site.forms.take(request)
    try:
        number = places.number(fields.get("id", ""))
        by = request.scope.get("syncer.user") or places.storable(fields.get("by", "")).strip()[:_LONGEST_NAME]
    except NotUnderstood:
        raise HTTPException(400) from None
    await in_thread(lambda: _acknowledge(site, number, by or "page"))
    return RedirectResponse(link("/alert", id=number), 303)


def _acknowledge(site: Site, number: int, by: str) -> None:
    with site.looks.acting() as connection:
        if not alerts.acknowledge(connection, number, by=by) and alerts.find(connection, number) is None:
            raise HTTPException(404)
    site.now.outdate()
