"""The sections of the report: for each its figures, and the SQL of the view that shows all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from syncer.report.calendar import calendar
from syncer.report.curve import curve
from syncer.report.data import ReportData
from syncer.report.language import Language
from syncer.report.markup import Child, Html, join, tag
from syncer.report.standing import cards
from syncer.report.table import Column, columns, share_bar, table
from syncer.store.report import LATELY_DAYS, FileFacts, Groups, InventoryDay, PullRow

_LATELY = f"now() - interval '{LATELY_DAYS} days'"
# The picture's widths: for telephones and for everything wider.
_NARROW, _WIDE = 340, 900
# Days of the table below the curve.
_TABLE_DAYS = 31


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page: its heading is the message of its key. The view, a condition and an order make its SQL."""

    key: str
    body: Callable[[ReportData, Language], Child]
    view: str
    order: str
    where: str = ""

    def sql(self, source: str | None) -> str:
        """Return the statement that shows all of what the section shows a part of."""
        terms = [self.where] if self.where else []
        if source is not None:
            quoted = source.replace("'", "''")
            terms.append(f"source = '{quoted}'")
        condition = f" WHERE {' AND '.join(terms)}" if terms else ""
        return f"SELECT * FROM {self.view}{condition} ORDER BY {self.order};"  # noqa: S608 - for people to read

    def render(self, data: ReportData, language: Language) -> Html:
        """Return the section as HTML."""
        return tag(
            "section",
            tag("h2", language.say(self.key), id=self.key),
            self.body(data, language),
            tag("p", language.put("all_of_it", sql=tag("code", self.sql(data.source))), class_="sql"),
            aria_labelledby=self.key,
        )


def _expiring(data: ReportData, language: Language) -> Child:
    found, figures = data.figures.expiring, data.figures
    if not found:
        return tag("p", language.say("no_expiring"))
    live = sum(each.files for each in figures.calendar)
    first = language.say("first_of", shown=f"{len(found):,}", files=language.count("files", live))
    return join(
        _tiers(data, language),
        tag("p", first) if live > len(found) else None,
        table(
            [*_source_column(data, language), *columns(language, "left expires #size +name @file_id")],
            [
                [
                    *_source_cell(data, each.source),
                    None
                    if each.expires_at is None
                    else language.span((each.expires_at - language.now).total_seconds()),
                    language.full_moment(each.expires_at),
                    language.sized(each.size_bytes),
                    language.foreign(each.name),
                    language.foreign(each.file_id),
                ]
                for each in found
            ],
            label=language.say("expiring"),
            stacked=True,
        ),
    )


def _tiers(data: ReportData, language: Language) -> Html:
    tiers = data.figures.tiers
    if not tiers:
        return tag("p", language.say("no_tiers"))
    rows = [
        [each.tier, f"{each.files:,}", language.sized(each.bytes), language.full_moment(each.next_at)] for each in tiers
    ]
    heads = columns(language, "tier #number #size first_expires")
    return join(table(heads, rows, label=language.say("tier")), tag("p", language.say("tiers_note"), class_="quiet"))


def _calendar(data: ReportData, language: Language) -> Child:
    if not data.figures.calendar:
        return tag("p", language.say("no_expiring"))
    note = language.put("calendar_note", today=language.day(data.figures.today))
    return join(tag("p", note), calendar(data.figures.calendar, data.figures.today, language))


def _volume(data: ReportData, language: Language) -> Child:
    sources: dict[str, list[InventoryDay]] = {}
    for each in data.figures.daily:
        sources.setdefault(each.source, []).append(each)
    if not sources:
        return tag("p", language.say("no_daily"))
    return join(
        tag("p", language.say("volume_note")),
        (
            volume(days, f"volume-{number}", language, named=data.several)
            for number, days in enumerate(sources.values(), start=1)
        ),
    )


def volume(days: Sequence[InventoryDay], key: str, language: Language, *, named: bool) -> Html:
    """Return one source's days as a picture and a table; `key` makes the picture's ids unique."""
    names = "day #live #size #added #changed #expired #vanished_column #returned proven_column"
    rows = [
        [
            language.day(each.day),
            language.say("no_pull") if each.live_files is None else f"{each.live_files:,}",
            None if each.live_bytes is None else language.sized(each.live_bytes),
            *(f"{n:,}" for n in (each.added, each.changed, each.expired, each.vanished, each.returned)),
            language.say("yes" if each.proven else "no"),
        ]
        for each in reversed(days[-_TABLE_DAYS:])
    ]
    return tag(
        "figure",
        tag("figcaption", tag("bdi", days[0].source, class_="foreign")) if named else None,
        tag("div", curve(days, key=f"{key}-wide", width=_WIDE, language=language), class_="wide"),
        tag("div", curve(days, key=f"{key}-narrow", width=_NARROW, language=language), class_="narrow"),
        tag(
            "details",
            tag("summary", language.say("as_table")),
            table(columns(language, names), rows, label=language.say("volume")),
        ),
        class_="volume",
    )


def _vanished(data: ReportData, language: Language) -> Child:
    figures, days = data.figures, language.count("days", LATELY_DAYS)
    total = figures.vanished_total
    if not figures.vanished:
        return tag("p", language.say("no_vanished", days=days))
    first = language.say("first_of", shown=f"{len(figures.vanished):,}", files=language.count("files", total.files))
    return join(
        tag("p", language.put("vanished_note", days=days, held=language.held(total.files, total.bytes))),
        tag("p", first) if total.files > len(figures.vanished) else None,
        table(
            [*_source_column(data, language), *columns(language, "gone expires #size +name @file_id")],
            [_gone(each, data, language) for each in figures.vanished],
            label=language.say("vanished"),
            stacked=True,
        ),
    )


def _gone(each: FileFacts, data: ReportData, language: Language) -> list[Child]:
    return [
        *_source_cell(data, each.source),
        language.full_moment(each.gone_at),
        language.full_moment(each.expires_at),
        language.sized(each.size_bytes),
        language.foreign(each.name),
        language.foreign(each.file_id),
    ]


def _changes(data: ReportData, language: Language) -> Child:
    figures, days = data.figures, language.count("days", LATELY_DAYS)
    if not figures.changes:
        return tag("p", language.say("no_changes", days=days))
    counts = table(
        columns(language, "field #times last_time"),
        [[tag("code", e.field), f"{e.changes:,}", language.full_moment(e.last_at)] for e in figures.changes],
        label=language.say("changes"),
    )
    latest = table(
        [*_source_column(data, language), *columns(language, "when @file_id field +before +after")],
        [
            [
                *_source_cell(data, each.source),
                language.full_moment(each.changed_at),
                language.foreign(each.file_id),
                tag("code", each.field),
                language.foreign(each.old_value),
                language.foreign(each.new_value),
            ]
            for each in figures.latest_changes
        ],
        label=language.say("latest_changes"),
        stacked=True,
    )
    return join(
        tag("p", language.say("changes_note", days=days)),
        counts,
        (tag("h3", language.say("latest_changes")), tag("p", language.say("latest_note"), class_="quiet"), latest)
        if figures.latest_changes
        else None,
    )


def _types(data: ReportData, language: Language) -> Child:
    return _storage(data.figures.types, "type", language)


def _prefixes(data: ReportData, language: Language) -> Child:
    note = tag("p", language.say("prefixes_note"), class_="quiet")
    return join(note, _storage(data.figures.prefixes, "prefix", language))


def _storage(groups: Groups, label: str, language: Language) -> Html:
    if not groups.largest:
        return tag("p", language.say("no_storage"))
    by_bytes = groups.bytes > 0
    rows = [
        [
            language.foreign(each.label) if each.label else tag("span", language.say("no_label"), class_="quiet"),
            f"{each.files:,}",
            language.sized(each.bytes),
            share_bar(each.bytes, groups.bytes) if by_bytes else share_bar(each.files, groups.files),
        ]
        for each in groups.largest
    ]
    shown = table(columns(language, f"+{label} #number #size share"), rows, label=language.say(label))
    rest = groups.number - len(groups.largest)
    if not rest:
        return shown
    held = language.held(
        groups.files - sum(each.files for each in groups.largest),
        groups.bytes - sum(each.bytes for each in groups.largest),
    )
    larger = language.put("larger_of", shown=f"{len(rows):,}", n=f"{groups.number:,}", rest=held)
    return join(shown, tag("p", larger))


def _pulls(data: ReportData, language: Language) -> Child:
    if not data.figures.pulls:
        return tag("p", language.say("no_pulls"))
    return table(
        [*_source_column(data, language), *columns(language, PULL_COLUMNS)],
        [[*_source_cell(data, each.source), *pull_cells(each, language)] for each in data.figures.pulls],
        label=language.say("pulls"),
        stacked=True,
    )


PULL_COLUMNS = "#pull started kind took verdict =listed +reason"
"""What `pull_cells` are, for `columns`."""


def pull_cells(each: PullRow, language: Language) -> list[Child]:
    """Return a pull as the cells of a row."""
    took = None
    if each.finished_at is not None:
        took = language.span((each.finished_at - each.started_at).total_seconds())
    outcome = language.say(f"outcome_{each.outcome}")
    verdict = language.say(f"verdict_{each.verdict}")
    badge = tag("span", verdict, class_=f"verdict {each.verdict}")
    told = [text for text in (each.reason, each.error) if text]
    return [
        f"{each.pull_id}",
        language.full_moment(each.started_at),
        language.say(f"kind_{each.kind}"),
        took,
        badge if each.outcome == each.verdict else join(badge, ", ", outcome),
        f"{language.count('files', each.files)}, {language.count('pages', each.pages)}",
        [tag("p", tag("bdi", text, class_="foreign"), lang="en") for text in told] or language.foreign(None),
    ]


def _rejected(data: ReportData, language: Language) -> Child:
    rejected = data.figures.rejected
    if not rejected.number:
        return tag("p", language.say("rejected_none"))
    told = language.put(
        "rejected_some",
        n=f"{rejected.number:,}",
        lately=f"{rejected.lately:,}",
        days=language.count("days", LATELY_DAYS),
        at=language.full_moment(rejected.last_at),
    )
    return tag("p", told)


def _source_column(data: ReportData, language: Language) -> list[Column]:
    return columns(language, "=source") if data.several else []


def _source_cell(data: ReportData, source: str) -> Iterable[Child]:
    return [tag("bdi", source, class_="foreign")] if data.several else []


SECTIONS = (
    Section("trust", cards, "report.sources", "source"),
    Section("expiring", _expiring, "report.expiring", "expires_at"),
    Section("calendar", _calendar, "report.expiry_calendar", "source, day"),
    Section("volume", _volume, "report.inventory_daily", "source, day"),
    Section(
        "vanished", _vanished, "report.backups", "gone_at DESC", where=f"state = 'vanished' AND gone_at > {_LATELY}"
    ),
    Section("changes", _changes, "report.changes", "changed_at DESC", where=f"changed_at > {_LATELY}"),
    Section("types", _types, "report.storage_by_type", "bytes DESC"),
    Section("prefixes", _prefixes, "report.storage_by_prefix", "bytes DESC"),
    Section("pulls", _pulls, "report.pulls", "pull_id DESC"),
    Section("rejected", _rejected, "report.rejected", "rejected_at DESC"),
)
