"""What expires next, what is overdue, what has gone: lists of files with search and filters, and one file's page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from syncer.report.language import Language
from syncer.report.markup import Child, Html, tag
from syncer.report.table import columns, table
from syncer.settings import parse_duration
from syncer.store import file_details, inventory, listing
from syncer.store.inventory import State
from syncer.store.listing import WALK, Found, Wish
from syncer.web import places
from syncer.web.site import Shown, Site, speak
from syncer.web.tables import file_table
from syncer.web.visit import NotThere, NotUnderstood, Visit, link

SIZE = 50
"""Files on a page."""
WITHIN = ("1d", "7d", "14d", "30d", "90d")
"""What the form offers; the address takes any duration."""
_GONE = frozenset({State.EXPIRED, State.VANISHED})
_LONGEST_SEARCH = 1000


def wish_of(visit: Visit) -> Wish:
    """Return which files an address asks for. Raises NotUnderstood."""
    state, within = visit.get("state") or State.LIVE, visit.get("within")
    if state not in set(State) or len(visit.get("q")) > _LONGEST_SEARCH:
        raise NotUnderstood
    return Wish(
        state=State(state),
        source=places.storable(visit.get("source")) or None,
        prefix=places.storable(visit.get("q")),
        within=_span(within) if within and state == State.LIVE else None,
    )


def _span(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError:
        raise NotUnderstood from None


def files(site: Site, visit: Visit) -> Shown:
    """Show a page of files."""
    wish, after = wish_of(visit), places.read(visit.get("after"))
    with site.looks.looking() as connection:
        language = speak(visit, inventory.instant(connection))
        sources = inventory.source_names(connection)
        same_id = file_details.of_id(connection, wish.prefix, wish.source) if wish.prefix and after is None else []
        found = listing.page(connection, wish, after, SIZE)
    several, gone = len(sources) > 1, wish.state in _GONE
    context = {
        "form": _form(visit, wish, sources, language),
        "same_id": file_table(same_id, language, label="file_id", sources=several) if same_id else None,
        "found": file_table(found.files, language, label="files_page", sources=several, gone=gone)
        if found.files
        else None,
        "shown": len(found.files),
        "state": wish.state.value,
        "searched": bool(wish.prefix),
        "note": _note(found, language),
        "first": visit.here(after=None) if after is not None else None,
        "next": None if found.next is None else visit.here(after=places.written(found.next)),
        "csv": link("/files.csv", **{name: visit.get(name) for name in ("q", "state", "within", "source")}),
    }
    return Shown("files.html", language, context)


def _note(found: Found, language: Language) -> str | None:
    """Say that the list is not whole: only so many files were looked at."""
    if not found.walked or found.next is None:
        return None
    return language.say("walked", n=f"{WALK:,}", files=language.count("files", len(found.files)))


def _form(visit: Visit, wish: Wish, sources: list[str], language: Language) -> dict[str, Any]:
    chosen = visit.get("within")
    offered = [*WITHIN, *([chosen] if chosen and chosen not in WITHIN else [])]
    return {
        "q": wish.prefix,
        "states": [(state.value, language.say(f"state_{state}"), state is wish.state) for state in State],
        "within": [(span, language.say("within", span=span), span == chosen) for span in offered],
        "sources": [(name, name, name == wish.source) for name in sources] if len(sources) > 1 else [],
        "changed": any(visit.get(name) for name in ("q", "state", "within", "source")),
    }


def file(site: Site, visit: Visit) -> Shown:
    """Show all that is known of a file, and what changed."""
    source, file_id = places.storable(visit.get("source")), places.storable(visit.get("id"))
    with site.looks.looking() as connection:
        language = speak(visit, inventory.instant(connection))
        found = file_details.file(connection, source, file_id)
        if found is None:
            raise NotThere
        changes = file_details.changes(connection, source, file_id)
    context = {
        "file": found,
        "name": language.foreign(found["name"]),
        "facts": [(language.say(key), value) for key, value in _facts(found, language)],
        "changes": _changes(changes, source, language) if changes else None,
        "more_changes": len(changes) == file_details.MOST_CHANGES,
        "csv": link("/export/file_changes.csv", source=source, file_id=file_id),
    }
    return Shown("file.html", language, context)


def _facts(found: Mapping[str, Any], language: Language) -> list[tuple[str, Child]]:
    facts: list[tuple[str, Child]] = [
        ("source", tag("bdi", found["source"], class_="foreign")),
        ("file_id", tag("code", language.foreign(found["file_id"]))),
        ("state", language.say(f"state_{found['state']}")),
        ("expires", _moment(found["expires_at"], found["expires_raw"], language)),
        ("created", _moment(found["created_at"], found["created_raw"], language)),
        ("size", language.sized(found["size_bytes"])),
        ("type", language.foreign(found["file_type"])),
        ("duration", language.say("unknown") if found["duration_seconds"] is None else _length(found, language)),
        ("status", language.foreign(None if found["status"] is None else str(found["status"]))),
        ("url", tag("code", language.foreign(found["url"]))),
        ("first_seen", language.full_moment(found["first_seen_at"])),
        ("changed_last", language.full_moment(found["changed_at"])),
    ]
    if found["gone_at"] is not None:
        facts.append(("gone", language.full_moment(found["gone_at"])))
    if found["extra"]:
        facts += [("extra", _extra(name, value, language)) for name, value in sorted(found["extra"].items())]
    return facts


def _extra(name: str, value: object, language: Language) -> Html:
    return tag("span", tag("code", language.foreign(name)), ": ", language.foreign(str(value)))


def _length(found: Mapping[str, Any], language: Language) -> str:
    return f"{language.span(found['duration_seconds'])} ({found['duration_seconds']:,} s)"


def _moment(instant: Any, raw: str | None, language: Language) -> Html:
    """Return an instant with what is left until it, or what the API wrote where that was not understood."""
    if instant is None:
        return language.foreign(raw) if raw else tag("span", language.say("unknown"))
    seconds = (instant - language.now).total_seconds()
    distance = language.say("in_span", span=language.span(seconds)) if seconds > 0 else language.ago(instant)
    return tag("span", language.full_moment(instant), tag("span", f" ({distance})", class_="quiet"))


def _changes(changes: list[Mapping[str, Any]], source: str, language: Language) -> Html:
    rows: list[list[Child]] = [
        [
            language.full_moment(each["changed_at"]),
            tag("code", each["field"]),
            language.foreign(each["old_value"]),
            language.foreign(each["new_value"]),
            language.say("kind_lookup")
            if each["pull_id"] is None
            else tag("a", str(each["pull_id"]), href=link("/pull", source=source, id=each["pull_id"])),
        ]
        for each in changes
    ]
    return table(
        columns(language, "when field +before +after #pull"), rows, label=language.say("changes"), stacked=True
    )
