"""Composes one message from many files: counts, the most urgent, the age of the data, the SQL to see all; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from syncer import words
from syncer.alerts.message import JSON, Language, Message, Severity, Status
from syncer.alerts.texts import LANGUAGES, Words
from syncer.store.alert_files import VANISHED, Count, Example, Share

MOST_URGENT, MOST_PREFIXES = 10, 8
_LONGEST_NAME = 120
_STATUS: Mapping[str, Status] = {
    "raised": "raised",
    "updated": "raised",
    "escalated": "escalated",
    "reminder": "reminder",
    "resolved": "resolved",
    "test": "test",
}


_NONE = Count()


@dataclass(frozen=True, slots=True)
class Digest:
    """Everything that a message about an alert says, in no language yet.

    `number` counts the alert's messages, `as_of` is the start of the last proven pull. With `of_files` the message
    speaks of files. `ending` is why the alert was resolved.
    """

    kind: str
    source: str
    rule: str
    severity: Severity
    at: datetime
    number: int = 0
    alert_id: int | None = None
    tier: str = ""
    group: str = ""
    prefix: str = ""
    raised_at: datetime | None = None
    members: Count = _NONE
    newcomers: Count = _NONE
    examples: Sequence[Example] = ()
    shares: Sequence[Share] = ()
    as_of: datetime | None = None
    of_files: bool = False
    ending: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The idempotency key: the same however often and by whomever this message is composed or sent."""
        return f"{self.source}/{self.alert_id or 'test'}/{self.number}-{self.kind}"

    @property
    def sql(self) -> str:
        """The statement that shows all files of the alert."""
        order = "gone_at DESC" if self.rule == VANISHED else "expires_at"
        return f"SELECT * FROM report.alert_files WHERE alert_id = {self.alert_id} ORDER BY {order};"  # noqa: S608 - for a person, and a number is all that varies


def compose(digest: Digest, language: Language, zone: tzinfo) -> Message:
    """Return the message in a language, its times in `zone`."""
    spoken = _Speaker(LANGUAGES[language], zone, digest)
    return Message(
        key=digest.key,
        severity=digest.severity,
        status=_STATUS[digest.kind],
        source=digest.source,
        rule=digest.rule,
        title=spoken.title(),
        text="\n".join(spoken.lines()),
        facts=facts(digest),
        sent_at=digest.at,
        alert=f"{digest.source}/{digest.rule}/{digest.alert_id}" if digest.alert_id is not None else "",
    )


def sentence(digest: Digest, language: Language, zone: tzinfo) -> str:
    """Return what is wrong, as the title of a message says it, without source and step."""
    return _Speaker(LANGUAGES[language], zone, digest).sentence()


def facts(digest: Digest) -> dict[str, JSON]:
    """Return what a program wants to know of a message."""
    found: dict[str, JSON] = {
        "kind": digest.kind,
        "alert_id": digest.alert_id,
        "tier": digest.tier,
        "group": digest.group,
        "raised_at": _iso(digest.raised_at),
        "complete_as_of": _iso(digest.as_of),
        "resolution": digest.ending or None,
        "detail": {
            name: _iso(value) if isinstance(value, datetime) else value for name, value in digest.detail.items()
        },
    }
    if digest.of_files:
        found |= {
            "files": digest.members.files,
            "bytes": digest.members.bytes,
            "new_files": digest.newcomers.files,
            "new_bytes": digest.newcomers.bytes,
            "by_prefix": [{"prefix": each.prefix, "files": each.files, "bytes": each.bytes} for each in digest.shares],
            "most_urgent": [
                {
                    "file_id": each.file_id,
                    "name": each.name,
                    "size_bytes": each.size_bytes,
                    "expires_at": _iso(each.expires_at),
                    "gone_at": _iso(each.gone_at),
                }
                for each in digest.examples
            ],
            "sql": digest.sql,
        }
    return found


def as_json(message: Message) -> dict[str, Any]:
    """Return a message as the outbox keeps it."""
    names = ("key", "severity", "status", "source", "rule", "title", "text", "facts", "alert")
    return {**{name: getattr(message, name) for name in names}, "sent_at": message.sent_at.isoformat()}


def from_json(body: Mapping[str, Any]) -> Message:
    """Return the message that the outbox kept."""
    return Message(**{**body, "sent_at": datetime.fromisoformat(body["sent_at"])})


class _Speaker:
    """A digest in one language."""

    def __init__(self, spoken: Words, zone: tzinfo, digest: Digest) -> None:
        self._words, self._zone, self._digest = spoken, zone, digest

    def title(self) -> str:
        digest = self._digest
        if digest.kind == "test":
            return f"[{digest.source}] {self._words.steps['test']}"
        step = self._words.steps[digest.kind].format(
            sentence=self.sentence(),
            new=self._words.files(digest.newcomers.files),
            age=self._ago(digest.raised_at),
            ending=self._words.endings.get(digest.ending, digest.ending),
        )
        return f"[{digest.source}] {step}"

    def sentence(self) -> str:
        digest = self._digest
        proven = (
            self._label("proven", as_of=self._moment(digest.as_of), age=self._ago(digest.as_of))
            if digest.as_of
            else self._label("never", since=self._moment(digest.detail.get("since")))
        )
        given = {name: _one_line(value) for name, value in digest.detail.items()}
        return self._words.rules[digest.rule].format_map(
            {
                **given,
                "files": self._words.files(digest.members.files),
                "size": words.size(digest.members.bytes),
                "within": self._words.within(digest.tier),
                "proven": proven,
                "sizes": self._sizes(),
            }
        )

    def _sizes(self) -> str:
        usual = self._digest.detail.get("usual_bytes")
        if not usual:
            return ""
        return self._label("sizes", bytes=words.size(self._digest.detail["bytes"]), usual_bytes=words.size(usual))

    def lines(self) -> list[str]:
        digest = self._digest
        if digest.kind == "test":
            return [self._label("test", source=digest.source)]
        found = [self.title()]
        if digest.group and digest.of_files:
            found.append(self._label("group", group=digest.group, prefix=_visible(digest.prefix)))
        if digest.of_files and digest.kind != "resolved":
            found += self._of_files()
        elif digest.rule != "stale":
            found.append(self._age())
        found.append(self._label("runbook", rule=digest.rule))
        if digest.kind != "resolved":
            found.append(self._label("ack", alert=digest.alert_id))
        return found

    def _of_files(self) -> list[str]:
        digest, found = self._digest, []
        if digest.examples and digest.examples[0].expires_at and digest.rule == "expiring":
            first = digest.examples[0].expires_at
            left = self._words.span((first - digest.at).total_seconds())
            found.append(self._label("first", first=self._moment(first), left=left))
        if digest.shares:
            found += ["", self._label("by_prefix"), *map(self._share, digest.shares)]
        heading = "latest" if digest.rule == VANISHED else "urgent"
        found += ["", self._label(heading), *map(self._example, digest.examples)]
        return [*found, "", self._age(), self._label("sql"), f"  {digest.sql}"]

    def _share(self, share: Share) -> str:
        named = {"": self._label("no_prefix"), "…": self._label("rest")}.get(share.prefix, _visible(share.prefix))
        return f"  {named}: {self._words.files(share.files)}, {words.size(share.bytes)}"

    def _example(self, example: Example) -> str:
        when = example.gone_at if self._digest.rule == VANISHED else example.expires_at
        size = words.size(example.size_bytes)
        name = _visible(example.name or "")
        return "  " + "  ".join(filter(None, (self._moment(when), size, name, example.file_id)))

    def _age(self) -> str:
        as_of = self._digest.as_of
        if as_of is None:
            return self._label("unproven")
        return self._label("age", as_of=self._moment(as_of), age=self._ago(as_of))

    def _ago(self, instant: datetime | None) -> str:
        return "" if instant is None else self._words.span((self._digest.at - instant).total_seconds())

    def _moment(self, instant: object) -> str:
        if isinstance(instant, str):
            instant = datetime.fromisoformat(instant)
        return f"{instant.astimezone(self._zone):%Y-%m-%d %H:%M %Z}" if isinstance(instant, datetime) else ""

    def _label(self, label: str, /, **given: object) -> str:
        return self._words.labels[label].format_map(given)


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def _one_line(value: object) -> object:
    if isinstance(value, int):
        return f"{value:,}"
    return _visible(" ".join(str(value).split()), 300) if value is not None else "-"


def _visible(text: str, longest: int = _LONGEST_NAME) -> str:
    """Return `text` on one line, of bounded length, everything unseen written as an escape."""
    shown = "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"
