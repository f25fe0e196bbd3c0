"""Says messages, numbers, spans and instants in one language, as text or with the exact value behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from enum import StrEnum

from syncer import words
from syncer.report.catalogue import MESSAGES, Message
from syncer.report.markup import Child, Html, join, tag

# The API's clock, and the days of every view: UTC+8, no daylight saving.
BEIJING = timezone(timedelta(hours=8))
"""The zone of every time that is shown."""
_THOUSAND, _MILLION = 1000, 1_000_000
# Longer texts are shown with their middle left out: the ends are what tells names apart.
_LONGEST_SHOWN = 240


class Lang(StrEnum):
    """The languages of the report; a value is the field of a message."""

    EN = "en"
    ZH = "zh"


@dataclass(frozen=True, slots=True)
class Language:
    """One language, its sentences, and the instant that ages are counted from."""

    lang: Lang
    now: datetime
    messages: Mapping[str, Message] = field(default_factory=lambda: MESSAGES, repr=False)

    @property
    def html_lang(self) -> str:
        """The language tag for the document."""
        return "zh-CN" if self.lang is Lang.ZH else "en"

    def message(self, key: str) -> str:
        """Return a message as it is written; KeyError for one that does not exist."""
        found: str = getattr(self.messages[key], self.lang.value)
        return found

    def say(self, key: str, **values: object) -> str:
        """Return a message with its values, as plain text."""
        return self.message(key).format(**values)

    def put(self, key: str, **values: Child) -> Html:
        """Return a message with HTML or text in its places."""
        pieces = self.message(key).replace("}", "{").split("{")
        return join(*(values[piece] if place % 2 else piece for place, piece in enumerate(pieces)))

    def count(self, key: str, number: int) -> str:
        """Return a number with its noun, as `files`: `1 file`, `1,204 files`."""
        one, _, many = self.message(key).partition("|")
        return (one if number == 1 or not many else many).format(n=f"{number:,}")

    def size(self, amount: int | None) -> str:
        """Return bytes as a person says them."""
        return self.say("unknown") if amount is None else words.size(amount)

    def held(self, files: int, amount: int) -> Html:
        """Return files and their bytes, the exact number of bytes behind them."""
        return self.put("with_bytes", files=self.count("files", files), size=self.sized(amount))

    def sized(self, amount: int | None) -> Html:
        """Return bytes as a person says them, with the exact number behind."""
        return tag("span", self.size(amount), title=None if amount is None else self.count("bytes", amount))

    def short(self, number: int) -> str:
        """Return a number in at most four characters, for pictures: `999`, `1.2k`, `12k`, `3.4M`."""
        for unit, name in ((_MILLION, "M"), (_THOUSAND, "k")):
            # 999,500 would be written as 1000k
            if number >= unit * 0.9995:
                digits = 1 if number < 9.95 * unit else 0
                return f"{number / unit:.{digits}f}{name}"
        return str(number)

    def span(self, seconds: float) -> str:
        """Return a length of time in one unit: `18 min`."""
        value, unit = words.span(seconds).split(" ")
        return f"{value} {self.say('unit_' + unit)}"

    def ago(self, instant: datetime) -> str:
        """Return how long ago an instant was."""
        return self.say("ago", span=self.span((self.now - instant).total_seconds()))

    def moment(self, instant: datetime | None) -> Html:
        """Return an instant in Beijing time; its date is left out when that is today."""
        if instant is None:
            return tag("span", self.say("unknown"))
        own, today = instant.astimezone(BEIJING), self.now.astimezone(BEIJING).date()
        form = "%H:%M" if own.date() == today else "%Y-%m-%d %H:%M"
        return tag("time", own.strftime(form), datetime=instant.isoformat(), title=own.strftime("%Y-%m-%d %H:%M:%S %z"))

    def full_moment(self, instant: datetime | None) -> Html:
        """Return an instant in Beijing time with its date."""
        if instant is None:
            return tag("span", self.say("unknown"))
        own = instant.astimezone(BEIJING)
        return tag("time", own.strftime("%Y-%m-%d %H:%M"), datetime=instant.isoformat())

    def day(self, day: date) -> Html:
        """Return a day."""
        return tag("time", day.isoformat(), datetime=day.isoformat())

    def foreign(self, content: str | None) -> Html:
        """Return a text from elsewhere: in its own direction, wrapped, the middle of a very long one left out."""
        if not content:
            return tag("span", "-", class_="quiet")
        if len(content) <= _LONGEST_SHOWN:
            return tag("bdi", content, class_="foreign")
        half = _LONGEST_SHOWN // 2
        note = tag("span", f" ({self.say('shortened', n=f'{len(content):,}')})", class_="quiet")
        return join(tag("bdi", f"{content[:half]}…{content[-half:]}", class_="foreign", title=content), note)
