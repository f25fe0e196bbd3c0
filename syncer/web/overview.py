"""The first page: one look tells that all is well, or what is not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from syncer.report.calendar import calendar
from syncer.report.language import Language
from syncer.report.markup import Child, Html, join, tag
from syncer.report.sections import volume
from syncer.report.standing import SIGNS, sentence
from syncer.report.table import columns, share_bar, table
from syncer.settings import Settings
from syncer.store import alerts, listing, recent
from syncer.store.database import Connection
from syncer.store.listing import Wish
from syncer.store.quota_use import QuotaUse, quota_use
from syncer.store.report import InventoryDay
from syncer.store.status import Tally
from syncer.store.stock import HORIZONS, Counted, Stock
from syncer.web.alert_words import told
from syncer.web.cards import card, running, worst_first
from syncer.web.hearing import heard
from syncer.web.site import Shown, Site, speak
from syncer.web.tables import file_table, pull_table
from syncer.web.visit import NotThere, Visit, link

# Beyond these the others are a click away.
_CARDS, _CURVES, _FILES, _PULLS, _ALERTS = 12, 3, 10, 8, 20
_MINUTES_A_DAY = 1440


def overview(site: Site, visit: Visit) -> Shown:
    """Show how all sources stand, or one of them (`source`)."""
    counted = site.counts()
    reading, everyone = site.standings(counted)
    only = visit.get("source")
    standings = worst_first([each for each in everyone if only in ("", each.name)])
    if only and not standings:
        raise NotThere
    language = speak(visit, reading.instant)
    known = [each.name for each in standings if each.status is not None]
    shown = standings[:_CARDS]
    counted_at = None if counted is None else counted.instant
    proven = {each.name: each.trust.as_of for each in everyone}
    context: dict[str, Any] = {
        "only": only,
        "cards": [card(each, language, counted_at, named=len(everyone) > 1) for each in shown],
        "more": len(standings) - len(shown),
        "several": len(everyone) > 1,
        "running": any(running(each) for each in standings),
        "never_proven": sum(each.trust.as_of is None for each in standings),
        "nothing_yet": not any(each.status is not None and each.status.last_run for each in standings),
        "heard": heard(site.present().hearings, language, only),
        **_pictured(counted, language, only),
    }
    with site.looks.looking() as connection:
        found = alerts.listed(connection, everything=False, source=only or None)
        context |= {
            "alerts": [told(each, language, proven.get(each.source)) for each in found[:_ALERTS]],
            "expiring": _expiring(connection, language, only, several=len(everyone) > 1),
            "volumes": _volumes(recent.days(connection, known[:_CURVES]), language),
            "pulls": _pulls(connection, known, language),
            "quota": _quota(quota_use(connection, known[:_CARDS]), site.settings, language),
        }
    return Shown("overview.html", language, context)


def sources(site: Site, visit: Visit) -> Shown:
    """Show all sources in a table, those in need of attention first."""
    counted = site.counts()
    reading, everyone = site.standings(counted)
    language = speak(visit, reading.instant)
    rows: list[list[Child]] = []
    for each in worst_first(everyone):
        present = each.status.present if each.status is not None else Tally()
        going = running(each)
        rows.append(
            [
                tag("a", tag("bdi", each.name, class_="foreign"), href=link("/", source=each.name)),
                tag("span", f"{SIGNS[each.trust.level]} {language.say(f'level_{each.trust.level}')}", class_="badge"),
                sentence(each, language),
                None if counted is None else f"{present.files:,}",
                None if counted is None else language.sized(present.bytes),
                None if going is None else language.say(f"kind_{going.kind}"),
            ]
        )
    heads = columns(language, "=source verdict +trust #number #size running_now")
    return Shown("sources.html", language, {"sources": table(heads, rows, label=language.say("see_all_sources"))})


def _pictured(counted: Counted | None, language: Language, only: str) -> dict[str, Any]:
    """Return what is made of the count: numbers and calendar, nothing while there is none."""
    if counted is None:
        return {"counted_at": None}
    stock = counted.sources.get(only, Stock()) if only else counted.total
    return {
        "counted_at": language.moment(counted.instant),
        "tiles": _tiles(stock, language, only),
        "calendar": calendar(stock.days, counted.today, language) if stock.days else None,
        "today": language.day(counted.today),
    }


def _tiles(stock: Stock, language: Language, only: str) -> list[dict[str, Any]]:
    """Return the numbers that matter, each with where it leads."""
    tiles = [
        (language.say("within_days", n=language.count("days", days)), tally, {"within": f"{days}d"})
        for days, tally in zip(HORIZONS, stock.within, strict=True)
    ]
    tiles += [
        (language.say("live_tile"), stock.live, {}),
        (language.say("overdue_tile"), stock.overdue, {"state": "overdue"}),
    ]
    return [
        {
            "label": label,
            "files": f"{tally.files:,}",
            "size": language.size(tally.bytes),
            "href": link("/files", source=only, **more),
        }
        for label, tally, more in tiles
    ]


def _expiring(connection: Connection, language: Language, only: str, *, several: bool) -> Html | None:
    found = listing.page(connection, Wish(source=only or None), None, _FILES)
    dated = [each for each in found.files if each["expires_at"] is not None]
    return file_table(dated, language, label="expiring", sources=several and not only) if dated else None


def _volumes(days: Sequence[InventoryDay], language: Language) -> list[Html]:
    by_source: dict[str, list[InventoryDay]] = {}
    for each in days:
        by_source.setdefault(each.source, []).append(each)
    return [
        volume(those, f"volume-{number}", language, named=len(by_source) > 1)
        for number, those in enumerate(by_source.values(), start=1)
    ]


def _pulls(connection: Connection, known: Sequence[str], language: Language) -> Html | None:
    found = recent.pulls(connection, known, _PULLS)
    return pull_table(found, language, sources=len(known) > 1) if found else None


def _quota(used: Iterable[QuotaUse], settings: Settings, language: Language) -> Html | None:
    """Return each source's calls of a day beside what its account may make."""
    allowed = {each.name: each.calls_per_minute * _MINUTES_A_DAY for each in settings.sources}
    rows = [
        [
            tag("bdi", each.source, class_="foreign"),
            f"{each.calls:,}",
            _limit(allowed.get(each.source), language),
            share_bar(each.calls, allowed[each.source]) if allowed.get(each.source) else None,
            f"{each.refused:,}",
        ]
        for each in used
    ]
    heads = columns(language, "=source #calls_a_day #calls_allowed share #calls_refused")
    return join(table(heads, rows, label=language.say("quota"))) if rows else None


def _limit(calls: int | None, language: Language) -> str | None:
    """Return how many calls a day are allowed; nothing of a source that left the settings."""
    return f"{calls:,}" if calls else None if calls is None else language.say("no_limit")
