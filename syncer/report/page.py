"""The whole page: one file that needs nothing else, and may load nothing else."""

from __future__ import annotations

from syncer.report.data import ReportData
from syncer.report.language import Lang, Language
from syncer.report.markup import Html, tag
from syncer.report.sections import SECTIONS
from syncer.report.standing import banner
from syncer.report.style import STYLE

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def render(data: ReportData, lang: Lang) -> str:
    """Return the report as an HTML document in one language."""
    language = Language(lang, data.figures.reading.instant)
    title = language.say("title") if data.source is None else language.say("title_of", source=data.source)
    warning = banner(data.standings, language)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title if warning is None else f"! {title}"),
        tag("style", Html(STYLE)),
    )
    body = tag(
        "body",
        warning,
        tag(
            "header",
            tag("h1", title),
            tag("p", language.put("made", at=language.full_moment(language.now)), class_="quiet"),
            _contents(language),
        ),
        tag("main", *(section.render(data, language) for section in SECTIONS)),
        tag("footer", tag("p", language.put("foot", command=_command())), class_="quiet"),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang=language.html_lang)}\n"


def _contents(language: Language) -> Html:
    links = [tag("a", language.say(section.key), href=f"#{section.key}") for section in SECTIONS]
    return tag("nav", *links, aria_label=language.say("contents"))


def _command() -> Html:
    return tag("code", "syncer report --format csv --table NAME")
