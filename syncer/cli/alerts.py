"""`syncer alerts`: what is wrong, whom it was told, and taking notice of it."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncer import words
from syncer.cli.common import Config, Json, json_errors, make_app, one_source, print_json, stopping
from syncer.cli.tables import local
from syncer.errors import SettingsError
from syncer.words import visible

if TYPE_CHECKING:
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
        with make_app(config).database() as url, connect(url) as connection:
            found = alerts.listed(connection, everything=everything, source=source)
            recipients = [each for each in outbox.recipients(connection) if source in (None, each.source)]
        if json:
            print_json(
                {"alerts": [_document(each) for each in found], "recipients": [asdict(each) for each in recipients]}
            )
            return
        for alert in found:
            print(_line(alert))
        if not found:
            print("No alert is open." if not everything else "There are no alerts.")
        for each in recipients:
            if each.waiting or each.given_up or each.parked_at:
                print(_recipient_line(each))


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
        print(_line(alert))
        for name, value in alert.detail.items():
            print(f"  {name}: {visible(str(value))}")
        for label, instant in (("raised", alert.raised_at), ("escalated", alert.escalated_at),
                               ("acknowledged", alert.acknowledged_at), ("snoozed until", alert.snoozed_until),
                               ("resolved", alert.resolved_at)):  # fmt: skip
            if instant is not None:
                print(f"  {label}: {local(instant)}")
        for each in messages:
            print(f"  {each['kind']} to {visible(each['recipient'])}: {_fate(each)}")
        if alert.rule in {"expiring", "overdue", "vanished"}:
            print(f"  SELECT * FROM report.alert_files WHERE alert_id = {alert_id};")  # noqa: S608 - for a person
        print(f"  docs/runbook.md explains the alert {alert.rule}.")


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
                print(f"{name}: alert {each.alert_id} ({scope}) {each.step}, {words.counted(each.files, 'file')}")


@app.command()
def send(*, json: Json = False, config: Config = None) -> None:
    """Send what the outbox holds, each recipient's messages in their order; several may run at once."""
    with json_errors(wanted=json):
        application = make_app(config)
        with stopping(application), application.database() as url:
            sent = application.alerting.send(url)
        if json:
            print_json(asdict(sent))
        else:
            print(f"{sent.accepted} sent, {sent.failed + sent.hung} to be tried again, {sent.refused} refused for good")


@app.command()
def ack(
    alert_id: AlertId,
    *,
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who; this user if left out.")] = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Take notice of an alert: no reminders and no escalation any more. New files are still told."""
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
def resolve(alert_id: AlertId, *, json: Json = False, config: Config = None) -> None:
    """Call an alert settled: its files raise it no more, new ones do; other causes do if they last an hour."""
    from syncer.store import alerts

    _take_notice(alert_id, json, config, lambda on: alerts.settle(on, alert_id, by=_user()), "resolved")


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
                print(f"{visible(each['name'])}: {visible(each['error'] or 'accepted')}")
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
            print(f"alert {alert_id} {done}")


def _find(connection: Connection, alert_id: int) -> Alert:
    from syncer.store import alerts

    alert = alerts.find(connection, alert_id)
    if alert is None:
        raise SettingsError(f"There is no alert {alert_id}: see `syncer alerts list --all`.")
    return alert


def _document(alert: Alert) -> dict[str, Any]:
    fields = asdict(alert)
    del fields["scope"]
    return {**fields, "detail": dict(alert.detail), "open": alert.open}


def _line(alert: Alert) -> str:
    scope = " ".join(filter(None, (alert.rule, alert.tier, visible(alert.group))))
    size = f", {words.counted(alert.files, 'file')}, {words.size(alert.bytes)}" if alert.files else ""
    state = f"resolved ({alert.resolution})" if not alert.open else "acknowledged" if alert.acknowledged_at else "open"
    return f"{alert.alert_id:>5}  {alert.severity:<8}  {alert.source}: {scope}{size}; {state} since {_since(alert)}"


def _recipient_line(each: RecipientState) -> str:
    state = "refuses" if each.parked_at else "fails" if each.failures else "is waited for"
    why = f": {visible(each.error)}" if each.error else ""
    return f"{each.source}: {visible(each.name)} {state}, {each.waiting} waiting, {each.given_up} given up{why}"


def _since(alert: Alert) -> str:
    return local(alert.resolved_at or alert.acknowledged_at or alert.raised_at)


def _fate(message: dict[str, Any]) -> str:
    sent: datetime | None = message["sent_at"]
    if sent is not None:
        return f"sent {local(sent)}"
    if message["given_up_at"] is not None:
        return f"given up: {visible(message['error'] or '')}"
    tried = f", {message['attempts']} attempts: {visible(message['error'] or '')}" if message["attempts"] else ""
    return f"waiting since {local(message['created_at'])}{tried}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"
