"""The state of trust, source by source, and the banner that comes before everything when it is not good."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from syncer.report.data import ReportData, Standing
from syncer.report.language import Language
from syncer.report.markup import Html, join, tag
from syncer.store.status import SourceStatus, Unfinished
from syncer.trust import Level

SIGNS = {Level.PROVEN: "✓", Level.STALE: "!", Level.UNPROVEN: "?", Level.NEVER: "✕"}
"""Said beside the words and the colour, for those who see neither well."""


def is_good(standing: Standing) -> bool:
    """Return whether a source may be relied on without a warning."""
    return standing.trust.level is Level.PROVEN


def banner(standings: Sequence[Standing], language: Language) -> Html | None:
    """Return what must be read first: every source that is not proven, or not any more."""
    bad = [each for each in standings if not is_good(each)]
    if not bad:
        return None
    sentences = [tag("li", tag("bdi", each.name, class_="foreign"), ": ", sentence(each, language)) for each in bad]
    return tag(
        "aside",
        tag("p", tag("strong", f"! {language.say('banner')}")),
        tag("ul", *sentences),
        tag("p", language.say("banner_rest")),
        class_="banner",
        aria_label=language.say("banner"),
    )


def cards(data: ReportData, language: Language) -> Html:
    """Return a card for each source."""
    return tag("div", *(_card(each, language) for each in data.standings), class_="cards")


def _card(standing: Standing, language: Language) -> Html:
    level = standing.trust.level
    badge = tag("span", f"{SIGNS[level]} {language.say(f'level_{level}')}", class_="badge")
    return tag(
        "article",
        tag("h3", badge, " ", tag("bdi", standing.name, class_="foreign")),
        tag("p", sentence(standing, language), class_="sentence"),
        *(tag("p", line) for line in lines(standing, language)),
        class_=f"card {level}",
    )


def sentence(standing: Standing, language: Language) -> Html:
    """Return the sentence of trust."""
    trust, status = standing.trust, standing.status
    if trust.as_of is not None:
        key = "complete_as_of" if trust.level is Level.PROVEN else "not_since"
        return language.put(key, at=language.moment(trust.as_of), age=language.ago(trust.as_of))
    if status is None or trust.level is Level.NEVER:
        return language.put("never_pulled")
    return language.put("none_finished" if status.ended is None else "not_proven")


def lines(
    standing: Standing, language: Language, *, counted: bool = True, counted_at: datetime | None = None
) -> Iterator[Html]:
    """Yield what else is to be known of a source; its files are `counted`, and at `counted_at` if not now."""
    status, trust = standing.status, standing.trust
    if not standing.configured:
        yield language.put("removed")
    if trust.doubt is not None:
        yield language.put(f"doubt_{trust.doubt}")
    if status is None:
        return
    if trust.as_of is None and status.ended is not None and status.ended.reason:
        yield language.put("why", reason=tag("bdi", status.ended.reason, lang="en"))
    if status.prefix:
        yield language.put("scope", prefix=tag("bdi", status.prefix, class_="foreign"))
    if counted:
        yield _held(status, language, counted_at)
    if status.known_until is not None and status.known_until != trust.as_of:
        yield language.put("known_until", at=language.moment(status.known_until))
    if status.unfinished is not None:
        yield _unfinished(status.unfinished, language, running=status.lease is not None and status.lease.alive)


def _held(status: SourceStatus, language: Language, counted_at: datetime | None) -> Html:
    present, overdue = status.present, status.tallies["overdue"]
    amount = language.held(present.files, present.bytes)
    if counted_at is None:
        held = language.put("held", held=amount)
    else:
        held = language.put("held_at", held=amount, at=language.moment(counted_at))
    if not overdue.files:
        return held
    return join(held, language.say("gap"), language.put("overdue", held=language.held(overdue.files, overdue.bytes)))


def _unfinished(pull: Unfinished, language: Language, *, running: bool) -> Html:
    told = language.put(
        "unfinished_of" if pull.expected_files else "unfinished",
        kind=language.say(f"kind_{pull.kind}"),
        at=language.moment(pull.started_at),
        files=language.count("files", pull.listed),
        expected=f"{max(pull.expected_files or 0, pull.listed):,}",
    )
    if not running:
        return join(told, language.say("gap"), language.say("waits"))
    if pull.ends_at is None:
        return told
    return join(told, language.say("gap"), language.put("ends_at", at=language.moment(pull.ends_at)))
