"""Notifiers: one file for each service, and the table of schemes by which SYNCER_NOTIFY chooses among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from syncer.alerts.message import Recipient, Service
from syncer.alerts.notifiers.address import COMMON_OPTIONS, Address, parse_address
from syncer.alerts.notifiers.alertmanager import Alertmanager
from syncer.alerts.notifiers.apprise_bridge import AppriseBridge
from syncer.alerts.notifiers.dingtalk import DingTalk
from syncer.alerts.notifiers.email import Email
from syncer.alerts.notifiers.feishu import Feishu
from syncer.alerts.notifiers.heartbeat import Heartbeat, LastResort
from syncer.alerts.notifiers.http import Surroundings
from syncer.alerts.notifiers.slack import Slack
from syncer.alerts.notifiers.webhook import Webhook
from syncer.alerts.notifiers.wecom import WeCom
from syncer.errors import SettingsError

__all__ = ["KINDS", "Heartbeat", "Kind", "LastResort", "Surroundings", "make_notifier", "make_notifiers"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A service: its name, what makes it, and the options that its addresses know besides the common ones.

    `hosted`: the address names a host, not a bot's token. `open_query`: unknown options are the service's own.
    `keeps`: it shows an alert until it is told of its end.
    """

    name: str
    make: Callable[[Address, Surroundings], Service]
    options: frozenset[str] = frozenset()
    hosted: bool = False
    open_query: bool = False
    keeps: bool = False


_EMAIL = Kind("email", Email, frozenset({"from", "to", "tls"}), hosted=True)
_SLACK = Kind("slack", Slack, frozenset({"base"}))
_WEBHOOK = Kind("webhook", Webhook, frozenset({"secret"}), hosted=True, open_query=True)
_ALERTMANAGER = Kind("alertmanager", Alertmanager, hosted=True, keeps=True)

KINDS: dict[str, Kind] = {
    "smtp": _EMAIL,
    "smtps": _EMAIL,
    "wecom": Kind("wecom", WeCom, frozenset({"base"})),
    "dingtalk": Kind("dingtalk", DingTalk, frozenset({"secret", "base"})),
    "feishu": Kind("feishu", Feishu, frozenset({"secret", "base"})),
    "lark": Kind("lark", Feishu, frozenset({"secret", "base"})),
    "slack": _SLACK,
    "webhook+https": _WEBHOOK,
    "webhook+http": _WEBHOOK,
    "alertmanager+https": _ALERTMANAGER,
    "alertmanager+http": _ALERTMANAGER,
}
"""The services by the scheme of their addresses; `apprise+…` stands for all others."""

_SLACK_URL = "https://hooks.slack.com/"
_APPRISE = "apprise+"


def make_notifier(url: str, around: Surroundings, *, place: str = "address 1") -> Recipient:
    """Return the recipient that one entry of SYNCER_NOTIFY stands for.

    Raises SettingsError, which names SYNCER_NOTIFY and `place`, and repeats nothing of the address.
    """
    try:
        return _recipient(url.strip(), around)
    except ValueError as error:
        problem = str(error)
    # Raised here, so that no other exception, which may quote the address, stands behind it.
    raise SettingsError(f"SYNCER_NOTIFY: {place} {problem}.")


def make_notifiers(urls: Sequence[str], around: Surroundings) -> tuple[Recipient, ...]:
    """Return all recipients; raises SettingsError with every mistake, two addresses of one recipient among them."""
    made: list[Recipient] = []
    problems: list[str] = []
    for number, url in enumerate(urls, 1):
        place = f"address {number} of {len(urls)}"
        try:
            each = make_notifier(url, around, place=place)
        except SettingsError as error:
            problems += error.problems
            continue
        same = next((other for other in made if each.identity == other.identity), None)
        if same is not None and same.address == each.address:
            problems.append(f"SYNCER_NOTIFY: {place} is the same recipient as one before it.")
        elif same is not None:
            problems.append(f"SYNCER_NOTIFY: {place} has the name= of one before it: a name means one recipient.")
        made.append(each)
    if problems:
        raise SettingsError(*problems)
    return tuple(made)


def _recipient(url: str, around: Surroundings) -> Recipient:
    scheme = url.partition("://")[0].lower()
    if scheme.startswith(_APPRISE):
        return _by_apprise(url, around)
    kind = _SLACK if url.lower().startswith(_SLACK_URL) else KINDS.get(scheme)
    if kind is None:
        raise ValueError(f"begins with no scheme that is known: {', '.join(KINDS)}, {_APPRISE}…")
    private = around.private_addresses
    name = scheme if scheme == "lark" else kind.name
    address = parse_address(name, url, kind.options, hosted=kind.hosted, open_query=kind.open_query, private=private)
    return _described(address, kind.make(address, around), keeps=kind.keeps)


def _by_apprise(url: str, around: Surroundings) -> Recipient:
    """Only the common options are ours; all else is handed to apprise as it is written."""
    address = parse_address("apprise", url, (), hosted=False, open_query=True, private=around.private_addresses)
    head, _, query = url[len(_APPRISE) :].partition("?")
    rest = "&".join(pair for pair in query.split("&") if pair.partition("=")[0] not in COMMON_OPTIONS)
    return _described(address, AppriseBridge(f"{head}?{rest}" if rest else head, around))


def _described(address: Address, service: Service, *, keeps: bool = False) -> Recipient:
    return Recipient(
        name=address.name,
        identity=address.identity,
        service=service,
        address=address.reached,
        language=address.language,
        minimum=address.minimum,
        escalation=address.escalation,
        keeps=keeps,
    )
