"""Checks whether somebody hears of a source's alerts: by what became of messages so far, nothing is sent."""

from __future__ import annotations

from syncer.app import App
from syncer.doctor.check import Check, failed, ok, warning
from syncer.doctor.database import Opened
from syncer.errors import SettingsError, Unheard
from syncer.settings import SourceSettings

_NAME = "notifications"
_ADVICE = "See `syncer alerts list`, mend the address or its service, then run `syncer alerts test`."


def examine(app: App, source: SourceSettings, opened: Opened | None) -> Check:
    """Return the check of one source's recipients."""
    try:
        number = len(app.alerting.recipients(source))
    except SettingsError as error:
        return failed(_NAME, error, source=source.name)
    found = f"{number} recipient{'' if number == 1 else 's'}"
    if opened is not None:
        with opened.explained():
            hearing = app.alerting.hearing(opened.connection, source)
        if hearing.unheard:
            return failed(_NAME, Unheard, hearing.unheard, _ADVICE, source=source.name)
        if hearing.trouble:
            return warning(_NAME, hearing.trouble, "" if not number else _ADVICE, source=source.name)
    if not number:
        return ok(_NAME, "nobody is told of alerts: SYNCER_NOTIFY is empty", source=source.name)
    return ok(_NAME, found, source=source.name)
