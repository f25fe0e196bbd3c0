"""Pulls with their proof: the latest, and one of them with its listings, runs and pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from syncer.report.language import Language
from syncer.report.markup import Child, Html, join, tag
from syncer.report.table import columns, table
from syncer.store import inventory, pull_details, recent
from syncer.store.pull_details import PageNumber
from syncer.web import places
from syncer.web.site import Shown, Site, speak
from syncer.web.tables import pull_table
from syncer.web.visit import NotThere, NotUnderstood, Visit, link

_SIZE, _PAGES, _RUNS = 50, 100, 50
_PARTS = frozenset({"listing", "tail"})
_KINDS = frozenset({"full", "recent"})
_COUNTS = (
    "pages", "files", "inserted", "updated", "unchanged", "gone", "rejected", "drifted", "restarts", "api_calls",
)  # fmt: skip
_FIRST: PageNumber = (0, "", 0)


def pull_list(site: Site, visit: Visit) -> Shown:
    """Show the latest pulls."""
    source, kind = places.storable(visit.get("source")), visit.get("kind")
    if kind and kind not in _KINDS:
        raise NotUnderstood
    before = places.number(visit.get("before")) if visit.get("before") else None
    with site.looks.looking() as connection:
        language = speak(visit, inventory.instant(connection))
        sources = inventory.source_names(connection)
        chosen = [source] if source else sources
        found = recent.pulls(connection, chosen, _SIZE + 1, before=before, kind=kind or None)
    context = {
        "pulls": pull_table(found[:_SIZE], language, sources=len(sources) > 1) if found else None,
        "kinds": [("", language.say("all"), not kind)]
        + [(each, language.say(f"kind_{each}"), each == kind) for each in sorted(_KINDS)],
        "first": visit.here(before=None) if before is not None else None,
        "next": visit.here(before=str(found[_SIZE - 1].pull_id)) if len(found) > _SIZE else None,
        "csv": link("/export/pulls.csv", source=source),
    }
    return Shown("pulls.html", language, context)


def one_pull(site: Site, visit: Visit) -> Shown:
    """Show a pull: what it came to, why it is believed or not, its runs and pages."""
    source, number = places.storable(visit.get("source")), places.number(visit.get("id"))
    after = _after(visit.get("after"))
    with site.looks.looking() as connection:
        language = speak(visit, inventory.instant(connection))
        pull = pull_details.pull(connection, source, number)
        if pull is None:
            raise NotThere
        listings = pull_details.listings(connection, source, number)
        runs = pull_details.runs(connection, source, number, _RUNS)
        pages = pull_details.pages(connection, source, number, after, _PAGES + 1)
    context = {
        "pull": pull,
        "facts": [(language.say(key), value) for key, value in _facts(pull, language)],
        "counts": [(language.say(f"pull_{name}"), f"{pull[name]:,}") for name in _COUNTS],
        "told": [text for text in (pull["reason"], pull["error"]) if text],
        "listings": _listings(listings, language) if listings else None,
        "runs": _runs(runs, language) if runs else None,
        "pages": _pages(pages[:_PAGES], language) if pages else None,
        "first": visit.here(after=None) if after != _FIRST else None,
        "next": visit.here(after=_written(pages[_PAGES - 1])) if len(pages) > _PAGES else None,
        "csv": link("/export/pages.csv", source=source, pull_id=number),
        "sql": f"SELECT * FROM report.pull_proof({number});",  # noqa: S608 - for a person, and a number is all that varies
    }
    return Shown("pull.html", language, context)


def _after(word: str) -> PageNumber:
    if not word:
        return _FIRST
    parts = word.split("-")
    if len(parts) != 3 or parts[1] not in _PARTS:  # noqa: PLR2004 - generation, part, page
        raise NotUnderstood
    generation, page = places.number(parts[0]), places.number(parts[2])
    if max(generation, page) >= 2**31:
        raise NotUnderstood
    return generation, parts[1], page


def _written(page: Mapping[str, Any]) -> str:
    return f"{page['generation']}-{page['part']}-{page['page']}"


def _facts(pull: Mapping[str, Any], language: Language) -> list[tuple[str, Child]]:
    took = None
    if pull["finished_at"] is not None:
        took = language.span((pull["finished_at"] - pull["started_at"]).total_seconds())
    verdict = tag("span", language.say(f"verdict_{pull['verdict']}"), class_=f"verdict {pull['verdict']}")
    facts: list[tuple[str, Child]] = [
        ("source", tag("a", tag("bdi", pull["source"], class_="foreign"), href=link("/", source=pull["source"]))),
        ("kind", language.say(f"kind_{pull['kind']}")),
        ("verdict", join(verdict, ", ", language.say(f"outcome_{pull['outcome']}"))),
        ("started", language.full_moment(pull["started_at"])),
    ]
    if took is not None:
        facts += [("ended_at", language.full_moment(pull["finished_at"])), ("took", took)]
    if pull["prefix"]:
        facts.append(("prefix", language.foreign(pull["prefix"])))
    return facts


def _mark(language: Language, *, holds: bool | None) -> Html:
    """Return a yes or a no, said by a sign too."""
    if holds is None:
        return tag("span", "-", class_="quiet")
    sign, kind = ("✓", "yes") if holds else ("✕", "no")
    return tag("span", f"{sign} {language.say(kind)}", class_=f"mark {kind}")


def _listings(listings: Sequence[Mapping[str, Any]], language: Language) -> Html:
    rows: list[list[Child]] = [
        [
            str(each["generation"]),
            f"{language.count('files', each['entries'])}, {language.count('pages', each['pages'])}",
            _mark(language, holds=each["from_beginning"]),
            _mark(language, holds=each["chain_unbroken"]),
            [tag("bdi", each["ended"], lang="en"), ": ", language.say("sure" if each["end_sure"] else "not_sure")],
            _tail(each, language),
            _mark(language, holds=each["complete"]),
        ]
        for each in listings
    ]
    heads = columns(language, "#listing =listed from_beginning chain_unbroken =how_it_ended =tail_read nothing_missing")
    return table(heads, rows, label=language.say("proof"), stacked=True)


def _tail(listing: Mapping[str, Any], language: Language) -> Child:
    if not listing["tail_pages"]:
        return language.say("tail_not_needed" if listing["end_sure"] else "tail_not_read")
    proves = language.say("tail_proves" if listing["tail_proves"] else "tail_proves_not")
    return f"{language.count('pages', listing['tail_pages'])}: {proves}"


def _runs(runs: Sequence[Mapping[str, Any]], language: Language) -> Html:
    rows: list[list[Child]] = [
        [
            str(each["run_id"]),
            language.full_moment(each["started_at"]),
            language.full_moment(each["finished_at"]) if each["finished_at"] is not None else None,
            tag("bdi", str(each["outcome"]), lang="en"),
            f"{each['api_calls']:,}",
            language.foreign(each["holder"]),
            language.foreign(each["error"]),
        ]
        for each in runs
    ]
    heads = columns(language, "#run started ended_at outcome #calls =holder +error")
    return table(heads, rows, label=language.say("runs"), stacked=True)


def _pages(pages: Sequence[Mapping[str, Any]], language: Language) -> Html:
    rows: list[list[Child]] = [
        [
            f"{each['generation']}",
            language.say(f"part_{each['part']}"),
            f"{each['page']:,}",
            language.full_moment(each["committed_at"]),
            *(f"{each[name]:,}" for name in ("entries", "inserted", "updated", "rejected")),
            language.full_moment(each["newest"]) if each["newest"] is not None else None,
            language.full_moment(each["oldest"]) if each["oldest"] is not None else None,
        ]
        for each in pages
    ]
    heads = columns(
        language, "#listing part #page committed #pull_files #pull_inserted #pull_updated #pull_rejected newest oldest"
    )
    return table(heads, rows, label=language.say("pages_of_pull"))
