"""A source as a card: the sentence of trust, when the next pull is due, how far a running one has come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from syncer.report.data import Standing
from syncer.report.language import Language
from syncer.report.markup import Html, join, tag
from syncer.report.standing import SIGNS, lines, sentence
from syncer.store.status import SourceStatus, Unfinished
from syncer.trust import Level
from syncer.web.visit import link

_WORST_FIRST = (Level.NEVER, Level.STALE, Level.UNPROVEN, Level.PROVEN)


def worst_first(standings: Sequence[Standing]) -> list[Standing]:
    """Return the sources in need of attention first."""
    return sorted(standings, key=lambda each: _WORST_FIRST.index(each.trust.level))


def running(standing: Standing) -> Unfinished | None:
    """Return the pull that runs now."""
    status = standing.status
    if status is None or status.unfinished is None or status.lease is None or not status.lease.alive:
        return None
    return status.unfinished


def card(standing: Standing, language: Language, counted_at: datetime | None, *, named: bool) -> Html:
    """Return the card; its files were counted at `counted_at`, None: not yet. `named` links the source's own page."""
    level = standing.trust.level
    name = tag("bdi", standing.name, class_="foreign")
    return tag(
        "article",
        tag(
            "h2",
            tag("span", f"{SIGNS[level]} {language.say(f'level_{level}')}", class_="badge"),
            " ",
            tag("a", name, href=link("/", source=standing.name)) if named else name,
        ),
        tag("p", sentence(standing, language), language.say("gap"), _next(standing, language), class_="sentence"),
        _progress(standing, language),
        _retrying(standing.status, language),
        *(tag("p", line) for line in lines(standing, language, counted=counted_at is not None, counted_at=counted_at)),
        _trouble(standing.status, language),
        class_=f"card {level}",
    )


def _next(standing: Standing, language: Language) -> Html | None:
    """Return when the next full pull is due."""
    status = standing.status
    if status is None or not standing.configured or status.next_full_at is None:
        return None
    going = running(standing)
    if going is not None and going.kind == "full":
        return None
    if status.next_full_at <= language.now:
        return language.put("next_full_now")
    return language.put("next_full", at=language.moment(status.next_full_at))


def _progress(standing: Standing, language: Language) -> Html | None:
    """Return how far the running pull has come, as a bar."""
    going = running(standing)
    if going is None or not going.expected_files:
        return None
    share = min(1.0, going.listed / going.expected_files)
    bar = tag(
        "svg",
        tag("rect", width="100%", height="10", rx="5", class_="rail"),
        tag("rect", width=f"{share * 100:.2f}%", height="10", rx="5"),
        role="img",
        aria_label=f"{share:.0%}",
        height="10",
    )
    return tag("div", bar, tag("p", join(*_pace(going, share, language)), class_="quiet"), class_="progress")


def _pace(going: Unfinished, share: float, language: Language) -> Iterator[str]:
    yield f"{share:.0%}"
    if going.files_per_second is not None:
        yield language.say("pace", n=f"{going.files_per_second * 60:,.0f}")
    if going.ends_at is not None:
        yield language.say("left_to_do", span=language.span((going.ends_at - language.now).total_seconds()))


def _retrying(status: SourceStatus | None, language: Language) -> Html | None:
    """Return why the call in hand of the running pull does not get through."""
    lease = None if status is None else status.lease
    if lease is None or not lease.alive or not lease.retrying:
        return None
    why = tag("span", language.foreign(lease.retrying), lang="en")
    return tag("p", language.put("retrying_since", at=language.moment(lease.retrying_since), why=why))


def _trouble(status: SourceStatus | None, language: Language) -> Html | None:
    """Return why the last run failed, unless a later one went well."""
    run = None if status is None else status.last_run
    if run is None or run.outcome != "failed" or not run.error or run.finished_at is None:
        return None
    why = tag("bdi", run.error, class_="foreign", lang="en")
    return tag("p", language.put("last_run_failed", at=language.moment(run.finished_at), error=why))
