"""Rows of files and of pulls as tables, each row with its link."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from syncer.report.language import Language
from syncer.report.markup import Child, Html, tag
from syncer.report.sections import PULL_COLUMNS, pull_cells
from syncer.report.table import columns, table
from syncer.store.report import PullRow
from syncer.web.visit import link


def file_table(
    files: Iterable[Mapping[str, Any]], language: Language, *, label: str, sources: bool = False, gone: bool = False
) -> Html:
    """Return files; `gone` ones by when they were found gone, others by what is left of their time."""
    heads = columns(language, ("gone expires" if gone else "left expires") + " #size +name @file_id")
    rows = [[*([_source(each["source"])] if sources else []), *_file(each, language, gone=gone)] for each in files]
    return table(
        [*(columns(language, "=source") if sources else []), *heads], rows, label=language.say(label), stacked=True
    )


def _file(each: Mapping[str, Any], language: Language, *, gone: bool) -> list[Child]:
    expires_at = each["expires_at"]
    where = link("/file", source=each["source"], id=each["file_id"])
    return [
        language.full_moment(each["gone_at"]) if gone else _left(each, language),
        language.full_moment(expires_at) if expires_at is not None else language.say("no_expiry"),
        language.sized(each["size_bytes"]),
        language.foreign(each["name"]),
        tag("a", language.foreign(each["file_id"]), href=where),
    ]


def _left(each: Mapping[str, Any], language: Language) -> str:
    if each["expires_at"] is None:
        return ""
    seconds = (each["expires_at"] - language.now).total_seconds()
    return language.span(seconds) if seconds > 0 else language.say("ago", span=language.span(seconds))


def pull_table(pulls: Sequence[PullRow], language: Language, *, sources: bool) -> Html:
    """Return pulls with their proof."""
    rows = []
    for each in pulls:
        number, *rest = pull_cells(each, language)
        where = link("/pull", source=each.source, id=each.pull_id)
        rows.append([*([_source(each.source)] if sources else []), tag("a", number, href=where), *rest])
    heads = [*(columns(language, "=source") if sources else []), *columns(language, PULL_COLUMNS)]
    return table(heads, rows, label=language.say("pulls"), stacked=True)


def _source(name: str) -> Html:
    return tag("bdi", name, class_="foreign")
