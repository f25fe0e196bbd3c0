"""Wires alerts to the settings: each source's policy, its recipients, its heartbeat; what commands and daemon call."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import structlog

from syncer.alerts.beat import Beat
from syncer.alerts.digest import Digest, as_json
from syncer.alerts.dispatch import Address, Sent, send_due
from syncer.alerts.evaluate import Moved, evaluate
from syncer.alerts.hearing import Hearing
from syncer.alerts.message import Language, Recipient
from syncer.alerts.notifiers import Heartbeat, LastResort, Surroundings, make_notifiers
from syncer.alerts.policy import Addressee, Group, Policy, QuietHours, Tier
from syncer.alerts.rules import RECIPIENT
from syncer.alerts.speech import compose
from syncer.alerts.transitions import Step
from syncer.errors import SettingsError, SyncerError
from syncer.schedule import find_zone
from syncer.settings import Secret, Settings, SourceSettings
from syncer.store import alert_marks, alerts, outbox, reach
from syncer.store.alert_facts import Load
from syncer.store.database import Connection, connect
from syncer.store.reach import People

_MINUTES_A_DAY = 1440

_log = structlog.get_logger("syncer.alerts")


@dataclass
class Alerting:
    """The alerts of one process; it keeps the recipients, which remember their services' rate limits."""

    settings: Settings
    around: Surroundings
    stopping: Callable[[], bool] = lambda: False
    _recipients: dict[str, tuple[tuple[Recipient, Addressee], ...]] = field(
        default_factory=dict, init=False, repr=False
    )
    _unheard: set[str] = field(default_factory=set, init=False, repr=False)

    def recipients(self, source: SourceSettings) -> tuple[Recipient, ...]:
        """Return those to be told of a source's alerts. Raises SettingsError with every mistake in an address."""
        return tuple(each for each, _ in self._known(source))

    def _known(self, source: SourceSettings) -> tuple[tuple[Recipient, Addressee], ...]:
        """Return each recipient with what its messages must be like; whoever is in both lists is an ordinary one."""
        if source.name not in self._recipients:
            ordinary = make_notifiers([url.reveal() for url in source.notify], self.around)
            others = make_notifiers([url.reveal() for url in source.escalate], self.around)
            found: dict[str, tuple[Recipient, Addressee]] = {}
            for number, (url, each) in enumerate(
                zip((*source.notify, *source.escalate), (*ordinary, *others), strict=True)
            ):
                escalation = each.escalation or number >= len(ordinary)
                language = _language(url, each, source)
                addressee = Addressee(
                    each.identity,
                    each.name,
                    language,
                    each.minimum,
                    escalation=escalation,
                    address=each.address,
                    keeps=each.keeps,
                )
                known, _ = found.setdefault(each.identity, (each, addressee))
                if known.address != each.address:
                    raise SettingsError(
                        f'SYNCER_ESCALATE: "{each.name}" is the name= of another address in SYNCER_NOTIFY.'
                    )
            self._recipients[source.name] = tuple(found.values())
        return self._recipients[source.name]

    def _last_resort(self, source: SourceSettings) -> tuple[Recipient, Addressee] | None:
        """Return the dead-man's switch as the recipient of what nobody else can be told."""
        heartbeat = self._heartbeat(source)
        if heartbeat is None:
            return None
        identity, name = heartbeat.identity, f"heartbeat {heartbeat.host}"
        recipient = Recipient(name, identity, LastResort(heartbeat), address=identity)
        return recipient, Addressee(identity, name, last_resort=True, address=identity)

    def check(self, source: SourceSettings) -> None:
        """Raise SettingsError for a mistake in an address: better before a pull than after it."""
        self.recipients(source)
        self._heartbeat(source)

    def _heartbeat(self, source: SourceSettings) -> Heartbeat | None:
        if source.heartbeat_url is None:
            return None
        url = source.heartbeat_url.reveal()
        return Heartbeat(url, self.around, run_id=_new_run_id, setting="SYNCER_HEARTBEAT_URL")

    def policy(self, source: SourceSettings) -> Policy:
        """Return how a source's alerts are to be raised and told. Raises SettingsError."""
        zone = find_zone(source.timezone)
        quiet = source.quiet_hours
        return Policy(
            source=source.name,
            tiers=_tiers(source),
            next_full=source.full_schedule.next_after,
            groups=tuple(_groups(source)),
            silence=source.alert_silence,
            addressees=tuple(self._addressees(source)),
            escalate_after=source.escalate_after,
            remind_after=source.remind_after,
            quiet=None if quiet is None else QuietHours(quiet.begin, quiet.end, zone),
            zone=zone,
            data_deadline=source.data_deadline,
            loads=tuple(self._loads(source)),
            calls_limit=float(source.calls_per_minute * _MINUTES_A_DAY),
            failures=source.alert_failures,
            tuning=source.alert_rules,
        )

    def evaluate(self, url: str, sources: Iterable[SourceSettings]) -> dict[str, list[Moved]]:
        """Evaluate sources in the database at `url`; return what changed by source. Raises SyncerError."""
        moved = {}
        with connect(url) as connection:
            for source in sources:
                policy = self.policy(source)
                self._know(connection, source, policy.addressees)
                moved[source.name] = evaluate(connection, policy)
                for each in moved[source.name]:
                    level = logging.DEBUG if each.step == Step.COUNT else logging.INFO
                    _log.log(level, "alert", source=source.name, **_fields(each))
        return moved

    @staticmethod
    def _know(connection: Connection, source: SourceSettings, addressees: Iterable[Addressee]) -> None:
        """Let the database know who is to be told: new ones, new addresses, and who is no more."""
        present = [each.known_by for each in addressees]
        outbox.know(connection, [(source.name, *each) for each in present])
        outbox.note_absent(connection, source.name, [identity for identity, _, _ in present])

    def evaluate_quietly(self, url: str, source: SourceSettings) -> None:
        """Evaluate a source after its pull; a failure is logged only, for the next evaluation sees the same facts."""
        try:
            self.evaluate(url, [source])
        except Exception as error:  # noqa: BLE001 - whatever an evaluation dies of, the pull that it follows is done
            reason = str(error) if isinstance(error, SyncerError) else type(error).__name__
            _log.warning("alerts_not_evaluated", source=source.name, reason=reason)

    def send(self, url: str, sources: Iterable[SourceSettings] | None = None) -> Sent:
        """Send what the outbox holds for the recipients of `sources`, or of all. Raises SyncerError.

        That nobody of a source's recipients can be reached is logged as an error, once until it changes.
        """
        chosen = tuple(self.settings.sources if sources is None else sources)
        notifiers: dict[Address, Recipient] = {}
        for source in chosen:
            resort = self._last_resort(source)
            for each in (*self.recipients(source), *(() if resort is None else resort[:1])):
                notifiers[source.name, each.identity] = each
        with connect(url) as connection:
            for source in chosen:
                self._know(connection, source, self._addressees(source))
            sent = send_due(connection, notifiers, monotonic=self.around.monotonic, stopping=self.stopping)
            for source in chosen:
                self._log_unheard(self.hearing(connection, source))
        return sent

    def hearings(self, url: str) -> list[Hearing]:
        """Return who can be told of alerts, for each source, mistakes in addresses included. Raises SyncerError.

        A source that left the settings is among them while it has open alerts.
        """
        with connect(url) as connection:
            return self.hearings_seen(connection)

    def hearings_seen(self, connection: Connection) -> list[Hearing]:
        """Return the same by a connection of the caller's: a few statements, however many sources there are."""
        people, mistakes = [], {}
        for source in self.settings.sources:
            try:
                people.append(self._people(source))
            except SettingsError as error:
                mistakes[source.name] = " ".join(error.problems).rstrip(".")
        found = {each.source: each for each in self._heard(connection, people)}
        left = self._left(connection)
        if mistakes:
            at = alert_marks.take(connection).at
            found |= {name: Hearing(name, at, mistake=mistake) for name, mistake in mistakes.items()}
        return [*(found[source.name] for source in self.settings.sources), *left]

    def _left(self, connection: Connection) -> list[Hearing]:
        """Return the sources of open alerts that the settings name no longer."""
        names = {source.name for source in self.settings.sources}
        opened = {name: sum(those.values()) for name, those in alerts.count_open(connection).items()}
        gone = sorted(opened.keys() - names)
        at = alert_marks.take(connection).at if gone else None
        return [Hearing(name, at, open_alerts=opened[name], left=True) for name in gone if at is not None]

    def _log_unheard(self, hearing: Hearing) -> None:
        if hearing.unheard and hearing.source not in self._unheard:
            self._unheard.add(hearing.source)
            _log.error("alerts_unheard", source=hearing.source, reason=hearing.unheard)
        elif not hearing.unheard and hearing.source in self._unheard:
            self._unheard.remove(hearing.source)
            _log.info("alerts_heard", source=hearing.source)

    def hearing(self, connection: Connection, source: SourceSettings) -> Hearing:
        """Return who can be told of a source's alerts now. Raises SettingsError for a mistake in an address."""
        (hearing,) = self._heard(connection, [self._people(source)])
        return hearing

    def _people(self, source: SourceSettings) -> People:
        identities = [each.identity for each in self.recipients(source)]
        return People(source.name, identities, source.alert_rules.span(RECIPIENT, "silent"))

    @staticmethod
    def _heard(connection: Connection, people: Sequence[People]) -> list[Hearing]:
        at, opened = alert_marks.take(connection).at, alerts.count_open(connection)
        reached = reach.read(connection, people)
        return [
            Hearing(
                each.source,
                at,
                recipients=len(each.recipients),
                deaf=reached[each.source].deaf,
                open_alerts=sum(opened.get(each.source, {}).values()),
                untried_since=reached[each.source].untried_since,
            )
            for each in people
        ]

    def unheard(self, url: str, source: SourceSettings) -> str | None:
        """Return why none of a source's recipients can be reached; None while one can, and when nobody knows."""
        try:
            with connect(url) as connection:
                return self.hearing(connection, source).unheard
        except SyncerError as error:
            _log.warning("alerts_not_judged", source=source.name, reason=str(error))
            return None

    def put_test(self, url: str, source: SourceSettings) -> int:
        """Put a test message for every recipient of a source into the outbox; return how many there are."""
        with connect(url) as connection:
            now = alert_marks.take(connection).at
            people = [addressee for _, addressee in self._known(source)]
            outbox.know(connection, [(source.name, *each.known_by) for each in people])
            for each in people:
                digest = Digest("test", source.name, "test", "critical", now, number=uuid.uuid4().int >> 96)
                body = as_json(compose(digest, each.language, find_zone(source.timezone)))
                outbox.retry_now(connection, source.name, each.identity)
                outbox.put(
                    connection,
                    source.name,
                    each.identity,
                    key=digest.key,
                    alert_id=None,
                    kind="test",
                    body=body,
                    not_before=now,
                )
        return len(self.recipients(source))

    def beat(self, source: SourceSettings) -> Beat:
        """Return how the source's dead-man's switch, if it has one, is told of a run. Raises SettingsError."""
        return Beat(self._heartbeat(source))

    def _addressees(self, source: SourceSettings) -> Iterable[Addressee]:
        resort = self._last_resort(source)
        people = [addressee for _, addressee in self._known(source)]
        return people if resort is None else [*people, resort[1]]

    def _loads(self, source: SourceSettings) -> Iterable[Load]:
        for each in self._sharing.get(_account(source), [source]):
            yield Load(each.name, each.full_schedule.times_a_day, each.recent_schedule.times_a_day)

    @cached_property
    def _sharing(self) -> dict[str, list[SourceSettings]]:
        """The sources of each account; gathered once, for there may be thousands."""
        found: dict[str, list[SourceSettings]] = {}
        for each in self.settings.sources:
            found.setdefault(_account(each), []).append(each)
        return found


def _tiers(source: SourceSettings) -> tuple[Tier, ...]:
    return tuple(Tier(tier.name, tier.span, tier.share) for tier in source.expiry_tiers)


def _groups(source: SourceSettings) -> Iterable[Group]:
    for group in source.groups:
        tiers = source.expiry_tiers if group.tiers is None else group.tiers
        own = tuple(Tier(tier.name, tier.span, tier.share) for tier in tiers)
        yield Group(group.name, group.prefix, own, group.silence, group.rules)


def _language(url: Secret, recipient: Recipient, source: SourceSettings) -> Language:
    """Return the language that the address itself names, else the source's."""
    if re.search(r"[?&]lang=", url.reveal()):
        return recipient.language
    return "zh" if source.language == "zh" else "en"


def _account(source: SourceSettings) -> str:
    try:
        return source.account
    except SettingsError:
        return ""


def _new_run_id() -> str:
    return str(uuid.uuid4())


def _fields(moved: Moved) -> dict[str, object]:
    return {
        "alert": moved.alert_id,
        "rule": moved.rule,
        "tier": moved.tier or None,
        "group": moved.group or None,
        "step": moved.step,
        "files": moved.files,
    }
