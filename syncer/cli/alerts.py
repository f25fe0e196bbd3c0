"""`syncer alerts`: what is wrong, whom it was told, and taking notice of it."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncer import words
from syncer.cli.common import (
    Config,
    Json,
    error_document,
    json_errors,
    make_app,
    note,
    one_source,
    print_json,
    reported,
    say,
    stopping,
    wrapped,
)
from syncer.cli.tables import local
from syncer.errors import SettingsError, Unheard
from syncer.words import visible

if TYPE_CHECKING:
    from syncer.alerts.hearing import Hearing
    from syncer.store.alerts import Alert
    from syncer.store.database import Connection
    from syncer.store.outbox import RecipientState

app = typer.Typer(
    help="Expiry and trouble alerts: list, acknowledge, and by cron `alerts evaluate && alerts send`.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
AlertId = Annotated[int, typer.Argument(metavar="ID", help="The alert's number, as `alerts list` shows it.")]
Source = Annotated[str | None, typer.Option("--source", metavar="NAME", help="Only this source.")]


@app.command("list")
def list_alerts(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Resolved ones too.")] = False,
    source: Source = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """List the open alerts, the gravest first, and the recipients that do not accept messages."""
    from syncer.store import alerts, outbox
    from syncer.store.database import connect

    with json_errors(wanted=json):
        application = make_app(config)
        with application.database() as url, connect(url) as connection:
            found = alerts.listed(connection, everything=everything, source=source)
            recipients = [each for each in outbox.recipients(connection) if source in (None, each.source)]
            lost = [each for each in outbox.lost(connection) if source in (None, each.source)]
            hearings = [each for each in application.alerting.hearings(url) if source in (None, each.source)]
        if source is not None and not found and not recipients:
            application.settings.source(source)  # raises SettingsError for a name that nobody knows
        if json:
            print_json(
                {
                    "alerts": [_document(each) for each in found],
                    "recipients": [asdict(each) for each in recipients],
                    "lost": [asdict(each) for each in lost],
                    "hearing": [_heard(each) for each in hearings],
                }
            )
            return
        for alert in found:
            _say_alert(alert)
        if not found:
            say("No alert is open." if not everything else "There are no alerts.")
        for each in recipients:
            if each.waiting or each.given_up or each.parked_at:
                say(wrapped(_recipient_line(each), rest="  "))
        for message in lost:
            say(wrapped(f"{message.source}: {visible(message.sentence)}. {outbox.LOST_ADVICE}", rest="  "))
        for hearing in hearings:
            if hearing.trouble:
                say(wrapped(f"{hearing.source}: {visible(hearing.trouble)}.", rest="  "))


@app.command()
def show(alert_id: AlertId, *, json: Json = False, config: Config = None) -> None:
    """Show one alert, its messages, and the SQL that lists its files."""
    from syncer.store import outbox
    from syncer.store.database import connect

    with json_errors(wanted=json):
        with make_app(config).database() as url, connect(url) as connection:
            alert = _find(connection, alert_id)
            messages = outbox.messages(connection, alert.source, alert_id)
        if json:
            print_json({**_document(alert), "messages": messages})
            return
        _say_alert(alert)
        for name, value in alert.detail.items():
            say(wrapped(f"{name}: {visible(str(value))}", first="  ", rest="    "))
        for label, instant in (("raised", alert.raised_at), ("escalated", alert.escalated_at),
                               ("acknowledged", alert.acknowledged_at), ("snoozed until", alert.snoozed_until),
                               ("resolved", alert.resolved_at)):  # fmt: skip
            if instant is not None:
                who = {"acknowledged": alert.acknowledged_by, "resolved": alert.resolved_by}.get(label)
                by = f" by {visible(who)}" if who else ""
                say(f"  {label}: {local(instant)}{by}")
        if alert.acknowledged_at is not None and alert.unacknowledged:
            say(f"  not acknowledged yet: {words.counted(alert.unacknowledged, 'file')} that came later")
        for each in messages:
            say(wrapped(f"{each['kind']} to {visible(each['recipient'])}: {_fate(each)}", first="  ", rest="    "))
        if alert.rule in {"expiring", "overdue", "vanished"}:
            say(f"  SELECT * FROM report.alert_files WHERE alert_id = {alert_id};")  # noqa: S608 - for a person
        say(f"  docs/runbook.md explains the alert {alert.rule}.")


@app.command()
def evaluate(*, source: Source = None, json: Json = False, config: Config = None) -> None:
    """Judge what the database holds: raise, update, escalate, remind, resolve. Sends nothing; costs no API call."""
    with json_errors(wanted=json):
        application = make_app(config)
        chosen = application.settings.sources if source is None else (application.settings.source(source),)
        with application.database() as url:
            moved = application.alerting.evaluate(url, chosen)
        if json:
            print_json({"moved": [{"source": name, **asdict(each)} for name, those in moved.items() for each in those]})
            return
        for name, those in moved.items():
            for each in those:
                scope = " ".join(filter(None, (each.rule, each.tier, each.group)))
                size = f", {words.counted(each.files, 'file')}" if each.files else ""
                say(f"{name}: alert {each.alert_id} ({scope}) {each.step}{size}")


@app.command()
def send(*, json: Json = False, config: Config = None) -> None:
    """Send what the outbox holds, each recipient's messages in their order; several may run at once.

    Exit code 7 when none of a source's recipients can be reached.
    """
    with json_errors(wanted=json):
        application = make_app(config)
        with stopping(application), application.database() as url:
            sent = application.alerting.send(url)
            hearings = application.alerting.hearings(url)
        failure = _unheard(hearings)
        if json:
            error = {} if failure is None else error_document(failure)
            print_json({**asdict(sent), "hearing": [_heard(each) for each in hearings], **error})
        else:
            say(f"{sent.accepted} sent, {sent.failed + sent.hung} to be tried again, {sent.refused} refused for good")
            for each in hearings:
                if each.trouble and not each.unheard:
                    note(f"{each.source}: {visible(each.trouble)}.")
        if failure is not None:
            raise reported(failure) if json else failure


@app.command()
def ack(
    alert_id: AlertId,
    *,
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who; this user if left out.")] = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Take notice of an alert: no reminders and no escalation any more of what was told until now.

    Files that come later are told, reminded of and escalated as of a new alert.
    """
    from syncer.store import alerts

    _take_notice(alert_id, json, config, lambda on: alerts.acknowledge(on, alert_id, by=by or _user()), "acknowledged")


@app.command()
def snooze(
    alert_id: AlertId,
    duration: Annotated[str, typer.Argument(metavar="DURATION", help="How long: 30m, 8h, 2d.")],
    *,
    json: Json = False,
    config: Config = None,
) -> None:
    """Keep an alert quiet for a while: no reminders, no escalation; new files only if they cannot wait."""
    from syncer.settings import parse_duration
    from syncer.store import alerts

    with json_errors(wanted=json):
        try:
            seconds = parse_duration(duration).total_seconds()
        except ValueError as error:
            raise SettingsError(f"DURATION {error}.") from None
    _take_notice(alert_id, json, config, lambda on: alerts.snooze(on, alert_id, seconds), f"snoozed for {duration}")


@app.command()
def resolve(
    alert_id: Annotated[int | None, typer.Argument(metavar="[ID]", help="The alert's number.")] = None,
    *,
    source: Annotated[
        str | None, typer.Option("--source", metavar="NAME", help="All of this source, which left the settings.")
    ] = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Call an alert settled: its files raise it no more, new ones do; other causes do if they last an hour."""
    from syncer.store import alerts

    if source is not None or alert_id is None:
        with json_errors(wanted=json):
            if source is None or alert_id is not None:
                raise SettingsError("Name one alert by its number, or with --source a source that left the settings.")
            _resolve_all(source, json=json, config=config)
        return
    _take_notice(alert_id, json, config, lambda on: alerts.settle(on, alert_id, by=_user()), "resolved")


def _resolve_all(source: str, *, json: bool, config: Path | None) -> None:
    """End what nobody evaluates any more."""
    from syncer.store import alerts
    from syncer.store.database import connect

    application = make_app(config)
    if any(each.name == source for each in application.settings.sources):
        raise SettingsError(f"The source {source!r} is in the settings, its alerts are evaluated: end them by number.")
    with application.database() as url, connect(url) as connection:
        ended = alerts.settle_all(connection, source, by=_user())
    if json:
        print_json({"source": source, "resolved": ended})
    else:
        say(f"{words.counted(ended, 'alert')} of {visible(source)} resolved")


@app.command("test")
def send_test(*, source: Source = None, json: Json = False, config: Config = None) -> None:
    """Send a test message to every recipient of a source, also to one that refused before; exit code 1 if one fails."""
    with json_errors(wanted=json):
        application = make_app(config)
        chosen = one_source(application, source)
        with stopping(application), application.database() as url:
            number = application.alerting.put_test(url, chosen)
            if not number:
                raise SettingsError("Nobody is to be notified: set SYNCER_NOTIFY.")
            sent = application.alerting.send(url)
            present = {each.identity for each in application.alerting.recipients(chosen)}
            known = [each for each in _recipients(url) if each["source"] == chosen.name]
            states = [each for each in known if each["recipient"] in present]
        failed = [each for each in states if each["error"]]
        if json:
            print_json({**asdict(sent), "recipients": states})
        else:
            for each in states:
                say(wrapped(f"{visible(each['name'])}: {visible(each['error'] or 'accepted')}", rest="  "))
        if failed:
            raise typer.Exit(1)


def _recipients(url: str) -> list[dict[str, Any]]:
    from syncer.store import outbox
    from syncer.store.database import connect

    with connect(url) as connection:
        return [asdict(each) for each in outbox.recipients(connection)]


def _take_notice(alert_id: int, json: bool, config: Any, deed: Any, done: str) -> None:  # noqa: FBT001 - typer's own flag
    from syncer.store.database import connect

    with json_errors(wanted=json):
        with make_app(config).database() as url, connect(url) as connection:
            if not _find(connection, alert_id).open or not deed(connection):
                raise SettingsError(f"Alert {alert_id} is not open any more.")
            alert = _find(connection, alert_id)
        if json:
            print_json(_document(alert))
        else:
            say(f"alert {alert_id} {done}")


def _find(connection: Connection, alert_id: int) -> Alert:
    from syncer.store import alerts

    alert = alerts.find(connection, alert_id)
    if alert is None:
        raise SettingsError(f"There is no alert {alert_id}: see `syncer alerts list --all`.")
    return alert


def _document(alert: Alert) -> dict[str, Any]:
    fields = asdict(alert)
    for inner in ("scope", "announced", "acknowledged"):
        del fields[inner]
    announced_at = None if alert.announced is None else alert.announced.at
    return {**fields, "detail": dict(alert.detail), "announced_at": announced_at, "open": alert.open}


def _heard(hearing: Hearing) -> dict[str, Any]:
    return {
        "source": hearing.source,
        "recipients": hearing.recipients,
        "unreachable": [asdict(each) for each in hearing.deaf],
        "trouble": hearing.trouble,
    }


def _unheard(hearings: list[Hearing]) -> Unheard | None:
    """Return the error that says for which sources nobody can be told."""
    reasons = [f"{each.source}: {visible(each.unheard)}." for each in hearings if each.unheard]
    advice = "Mend the addresses or their services, then run: syncer alerts test"
    return Unheard("\n".join([*reasons, advice])) if reasons else None


def _say_alert(alert: Alert) -> None:
    """Print an alert's line; what does not fit stands under its text."""
    # The group of an alert about a recipient is its identity; people know it by its name.
    group = str(alert.detail.get("name", alert.group)) if alert.rule == "recipient" else alert.group
    scope = " ".join(filter(None, (alert.rule, alert.tier, visible(group))))
    size = f", {words.counted(alert.files, 'file')}, {words.size(alert.bytes)}" if alert.files else ""
    first = f"{alert.alert_id:>5}  {alert.severity:<8}  "
    say(wrapped(f"{alert.source}: {scope}{size}; {_state(alert)}", first=first, rest=" " * len(first)))


def _state(alert: Alert) -> str:
    if not alert.open:
        return f"resolved ({alert.resolution}) {_since(alert)}"
    if alert.quiet:
        return f"acknowledged {_since(alert)}"
    later = f", {alert.unacknowledged:,} of them not acknowledged" if alert.acknowledged_at else ""
    if alert.snoozed_until is not None and alert.snoozed_until > datetime.now(UTC):  # noqa: TID251 - what a person sees now
        later += f", snoozed until {local(alert.snoozed_until)}"
    return f"open since {local(alert.raised_at)}{later}"


def _recipient_line(each: RecipientState) -> str:
    state = " refuses for good" if each.parked_at else " fails" if each.failures else ""
    if each.absent_since is not None:
        state = f" is in the settings no longer, since {local(each.absent_since)}"
    waiting = f": {words.counted(each.waiting, 'message')} waiting"
    lost = f", {each.given_up} given up" if each.given_up else ""
    why = f"; {visible(each.error)}" if each.error else ""
    return f"{each.source}: recipient {visible(each.name)}{state}{waiting}{lost}{why}"


def _since(alert: Alert) -> str:
    return local(alert.resolved_at or alert.acknowledged_at or alert.raised_at)


def _fate(message: dict[str, Any]) -> str:
    sent: datetime | None = message["sent_at"]
    if sent is not None:
        return f"sent {local(sent)}"
    if message["given_up_at"] is not None:
        return f"given up: {visible(message['error'] or '')}"
    tried = (
        f", {words.counted(message['attempts'], 'attempt')}: {visible(message['error'] or '')}"
        if message["attempts"]
        else ""
    )
    return f"waiting since {local(message['created_at'])}{tried}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"
