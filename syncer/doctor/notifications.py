"""Checks whether somebody hears of a source's alerts: by what became of messages so far, or by a test message."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from syncer import words
from syncer.app import App
from syncer.doctor.check import Check, failed, ok, warning
from syncer.doctor.database import Opened
from syncer.errors import SettingsError, SyncerError, Unheard
from syncer.settings import SourceSettings
from syncer.store import outbox
from syncer.store.outbox import RecipientState

_NAME = "notifications"
_ADVICE = "See `syncer alerts list`, mend the address or its service, then run `syncer doctor --notify`."


def examine(app: App, source: SourceSettings, opened: Opened | None, now: datetime, *, send: bool) -> Iterator[Check]:
    """Yield the checks of one source's recipients; with `send` a test message is sent to each before."""
    try:
        app.alerting.check(source)
        wanted = {each.identity: each.name for each in app.alerting.recipients(source)}
        if send and opened is not None:
            app.alerting.put_test(opened.url, source)
            app.alerting.send(opened.url, [source])
    except (SettingsError, SyncerError) as error:
        yield failed(_NAME, error, source=source.name)
        return
    yield _heard(app, source, opened, len(wanted))
    if opened is None:
        return
    with opened.explained():
        states = {each.recipient: each for each in outbox.recipients(opened.connection) if each.source == source.name}
        lost = [each for each in outbox.lost(opened.connection) if each.source == source.name]
    for each in lost:
        yield warning("recipient", each.sentence, outbox.LOST_ADVICE, source=source.name)
    for identity, name in wanted.items():
        yield _recipient(name, states.get(identity), source.name, now)


def _heard(app: App, source: SourceSettings, opened: Opened | None, number: int) -> Check:
    """Check whether alerts reach anybody at all."""
    if opened is not None:
        with opened.explained():
            hearing = app.alerting.hearing(opened.connection, source)
        if hearing.unheard:
            return failed(_NAME, Unheard, hearing.unheard, _ADVICE, source=source.name)
        if hearing.trouble:
            return warning(_NAME, hearing.trouble, "" if not number else _ADVICE, source=source.name)
    if not number:
        found = "nobody is told of alerts: SYNCER_NOTIFY is empty; set it, or watch the metrics"
        return ok(_NAME, found, source=source.name)
    return ok(_NAME, words.counted(number, "recipient"), source=source.name)


def _recipient(name: str, state: RecipientState | None, source: str, now: datetime) -> Check:
    if state is None:
        advice = "`syncer doctor --notify` sends a test message."
        return ok("recipient", f"{name}: nothing was sent to it yet. {advice}", source=source)
    accepted = "has accepted nothing yet"
    if state.accepted_at is not None:
        accepted = f"last accepted a message {words.span((now - state.accepted_at).total_seconds())} ago"
    waiting = f", {words.counted(state.waiting, 'message')} waiting" if state.waiting else ""
    if state.parked_at is not None:
        found = f"{name} refuses for good: {_reason(state)}; it {accepted}{waiting}"
        advice = "Mend the address or the service, then: syncer doctor --notify"
        return warning("recipient", found, advice, source=source)
    if state.failures:
        found = f"{name} failed {words.counted(state.failures, 'time')}: {_reason(state)}; it {accepted}{waiting}"
        return warning("recipient", found, "It is tried again; see docs/notifications.md.", source=source)
    return ok("recipient", f"{name} {accepted}{waiting}", source=source)


def _reason(state: RecipientState) -> str:
    return (state.error or "it does not say why").rstrip(".")
