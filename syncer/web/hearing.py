"""Says on the page whether anybody hears of alerts: loudly what is wrong, quietly that nobody is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from syncer.alerts.hearing import Hearing
from syncer.report.language import Language
from syncer.report.markup import Html, join, tag

_LINES = 5


def heard(hearings: Sequence[Hearing], language: Language, only: str) -> dict[str, Any]:
    """Return what templates say of it, of all sources or of `only` one: `unheard` lines, `unheard_more`, `unnamed`."""
    asked = [each for each in hearings if only in ("", each.source)]
    troubled = [each for each in asked if each.trouble]
    return {
        "unheard": [_line(each, language, named=len(hearings) > 1) for each in troubled[:_LINES]],
        "unheard_more": max(len(troubled) - _LINES, 0),
        "unnamed": bool(asked) and not troubled and not any(each.recipients for each in asked),
    }


def _line(hearing: Hearing, language: Language, *, named: bool) -> Html:
    """Return what is wrong, in the words of the commands, and what to do where these do not say it."""
    source = [tag("bdi", hearing.source, class_="foreign"), ": "] if named else []
    what = tag("span", language.foreign(f"{hearing.trouble}."), lang="en")
    advice = [" ", language.say("unheard_advice")] if hearing.deaf else []
    return join(tag("strong", f"! {language.say('unheard')}"), language.say("gap"), *source, what, *advice)
