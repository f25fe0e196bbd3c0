"""Speaks a digest in one language: counts, the most urgent files, the age of the data, the SQL to see all; pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo

from syncer import words
from syncer.alerts.digest import Digest, facts
from syncer.alerts.message import Language, Message, Status
from syncer.alerts.texts import LANGUAGES, Words
from syncer.store.alert_files import VANISHED, Example, Share

_LONGEST_NAME = 120
_STATUS: Mapping[str, Status] = {
    "raised": "raised",
    "updated": "raised",
    "standing": "raised",
    "escalated": "escalated",
    "reminder": "reminder",
    "resolved": "resolved",
    "test": "test",
}


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


class _Speaker:
    """A digest in one language."""

    def __init__(self, spoken: Words, zone: tzinfo, digest: Digest) -> None:
        self._words, self._zone, self._digest = spoken, zone, digest

    def title(self) -> str:
        digest = self._digest
        whose = f"{digest.source}/{digest.group}" if digest.group and digest.of_files else digest.source
        if digest.kind == "test":
            return f"[{whose}] {self._words.steps['test']}"
        worse = digest.kind == "updated" and not digest.brings_news
        step = self._words.steps["worse" if worse else digest.kind].format(
            sentence=self.sentence(),
            new=self._words.files(digest.newcomers.files),
            age=self._ago(digest.raised_at),
            ending=self._words.endings.get(digest.ending, digest.ending),
        )
        return f"[{whose}] {step}"

    def sentence(self) -> str:
        digest, detail = self._digest, self._digest.detail
        given = {name: _one_line(value) for name, value in detail.items()}
        return self._words.rules[digest.rule].format_map(
            {
                **given,
                "files": self._words.files(digest.spoken_of.files),
                "verb": "expires" if digest.spoken_of.files == 1 else "expire",
                "size": words.size(digest.spoken_of.bytes),
                "within": self._words.within(digest.tier),
                "grace": self._words.span(detail.get("grace", 0)),
                "proven": self._proven(),
                "shrunk": self._shrunk(),
                "runs": self._words.times(detail.get("failures", 0), "run"),
                "pulls": self._words.times(detail.get("pulls", 0), "full pull"),
                "cause": self._words.causes.get(detail.get("kind", ""), self._words.causes["other"]),
                "entries": self._words.entries(detail.get("entries", 0)),
                "deaf": self._deaf(),
            }
        )

    def _proven(self) -> str:
        """Say since when nothing was proven, as it was when the alert was last judged."""
        detail = self._digest.detail
        proven_at = _instant(detail.get("proven_at"))
        if proven_at is not None:
            return self._label("proven", as_of=self._moment(proven_at), age=self._ago(proven_at))
        changed_at = _instant(detail.get("changed_at"))
        if changed_at is not None:
            return self._label("changed", since=self._moment(changed_at))
        return self._label("never", since=self._moment(_instant(detail.get("since"))))

    def _shrunk(self) -> str:
        detail, found = self._digest.detail, []
        if detail.get("usual"):
            found.append(self._label("listed", listed=f"{detail['listed']:,}", usual=f"{detail['usual']:,}"))
        if detail.get("usual_bytes"):
            sizes = (words.size(detail["bytes"]), words.size(detail["usual_bytes"]))
            found.append(self._label("sizes", bytes=sizes[0], usual_bytes=sizes[1]))
        return self._words.labels["and"].join(found)

    def _deaf(self) -> str:
        detail = self._digest.detail
        if detail.get("refuses", True):
            return self._words.labels["refuses"]
        return self._label("silent", age=self._ago(_instant(detail.get("since"))))

    def lines(self) -> list[str]:
        digest = self._digest
        if digest.kind == "test":
            return [self._label("test", source=digest.source)]
        found = []
        if digest.group and digest.of_files:
            found.append(self._label("group", group=digest.group, prefix=_visible(digest.prefix)))
        if digest.acknowledged_by:
            found.append(self._label("noticed", by=_visible(digest.acknowledged_by)))
        if digest.kind == "resolved":
            return [*found, self._age(), self._label("runbook", rule=digest.rule)]
        found += self._said()
        if digest.of_files:
            found += self._of_files()
        elif digest.rule != "stale":
            found.append(self._age())
        found.append(self._label("runbook", rule=digest.rule))
        return found if digest.acknowledged_by else [*found, self._label("ack", alert=digest.alert_id)]

    def _said(self) -> list[str]:
        """Return what the API, a service or a pull said, as it said it."""
        detail = self._digest.detail
        names = [name for name in ("error", "reason") if detail.get(name)]
        return [self._label(name, **{name: _one_line(detail[name])}) for name in names]

    def _of_files(self) -> list[str]:
        digest, found, news = self._digest, list[str](), self._digest.brings_news
        if digest.rest is not None and 0 < digest.rest.files < digest.members.files:
            found.append(self._label("covered", files=self._words.files(digest.members.files - digest.rest.files)))
        if digest.nearer:
            found.append(self._label("nearer"))
        if digest.examples and digest.examples[0].expires_at and digest.rule == "expiring" and not news:
            first = digest.examples[0].expires_at
            left = self._words.span((first - digest.at).total_seconds())
            found.append(self._label("first", first=self._moment(first), left=left))
        if digest.shares:
            found += ["", self._label("by_prefix"), *map(self._share, digest.shares)]
        heading = ("latest" if digest.rule == VANISHED else "urgent") + ("_new" if news else "")
        found += ["", self._label(heading), *map(self._example, digest.examples)]
        return [*found, "", self._age(), self._label("sql"), f"  {digest.sql}"]

    def _share(self, share: Share) -> str:
        named = f"{_visible(share.prefix)}…" if share.prefix else self._label("no_prefix")
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

    def _moment(self, instant: datetime | None) -> str:
        return "" if instant is None else f"{instant.astimezone(self._zone):%Y-%m-%d %H:%M %Z}"

    def _label(self, label: str, /, **given: object) -> str:
        return self._words.labels[label].format_map(given)


def _instant(value: object) -> datetime | None:
    """Return an instant of a detail, which was text once the database kept it."""
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    return value if isinstance(value, datetime) else None


def _one_line(value: object) -> object:
    if isinstance(value, int):
        return f"{value:,}"
    return _visible(" ".join(str(value).split()), 300) if value is not None else "-"


def _visible(text: str, longest: int = _LONGEST_NAME) -> str:
    """Return `text` on one line, of bounded length, everything unseen written as an escape."""
    shown = "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"
