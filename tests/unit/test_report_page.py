"""The page is one safe, whole and honest document, whatever the names in it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from syncer.report.language import Lang, Language
from syncer.report.markup import Html, join, tag
from syncer.report.page import POLICY, render
from syncer.report.sections import SECTIONS
from syncer.store.status import Unfinished
from syncer.trust import Doubt

from .report_example import (
    EMPTY,
    FULL_FIGURES,
    HOSTILE,
    NOW,
    PROVEN,
    STALE,
    STATUS,
    UNKNOWN,
    UNPROVEN,
    Page,
    report,
)

EVERY = {
    "full": report(PROVEN, STALE, UNPROVEN, UNKNOWN),
    "one": report(PROVEN),
    "empty": report(UNKNOWN, figures=EMPTY),
    "of a hostile source": report(replace(STALE, name=HOSTILE[1]), source=HOSTILE[1]),
}


@pytest.fixture(params=[(name, lang) for name in EVERY for lang in Lang], ids=lambda each: f"{each[0]}-{each[1]}")
def page(request: pytest.FixtureRequest) -> Page:
    name, lang = request.param
    return Page(render(EVERY[name], lang))


def test_every_tag_is_closed_and_every_id_unique(page: Page) -> None:
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    assert {section.key for section in SECTIONS} <= set(ids)
    for reference in page.attributes("aria-labelledby"):
        assert set(reference.split()) <= set(ids)
    assert {link.removeprefix("#") for link in page.attributes("href")} <= set(ids)


def test_it_loads_nothing_and_runs_nothing(page: Page) -> None:
    tags = {name for name, _ in page.tags}
    assert tags.isdisjoint({"script", "link", "img", "iframe", "object", "embed", "form", "base", "audio", "video"})
    names = {name for _, named in page.tags for name in named}
    assert names.isdisjoint({"src", "srcset", "style", "action", "data", "xlink:href"})
    assert not [name for name in names if name.startswith("on")]
    assert all(link.startswith("#") for link in page.attributes("href"))
    assert all(fill.startswith("url(#") for fill in page.attributes("fill"))
    policy = [each["content"] for each in page.named("meta") if each.get("http-equiv") == "Content-Security-Policy"]
    assert policy == [POLICY]
    assert POLICY.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")


def test_the_style_names_nothing_outside(page: Page) -> None:
    from syncer.report.style import STYLE

    assert not re.search(r"url\(|@import|@font-face|https?:|</", STYLE)
    assert STYLE.count("{") == STYLE.count("}")


def test_it_says_its_language(page: Page) -> None:
    (root,) = page.named("html")
    assert root["lang"] in {"en", "zh-CN"}
    chinese = any("一" <= each <= "鿿" for each in page.text)
    assert chinese == (root["lang"] == "zh-CN")


def test_tables_and_pictures_can_be_heard(page: Page) -> None:
    for table in page.named("table"):
        assert table["aria-label"]
    assert all(head["scope"] == "col" for head in page.named("th"))
    for picture in page.named("svg"):
        assert picture.get("aria-hidden") == "true" or picture["role"] == "img"


def test_hostile_names_are_text_and_cannot_turn_or_hide() -> None:
    text = render(EVERY["full"], Lang.EN)
    assert not re.search("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\x00-\x09\x0b-\x1f\u2028\u2029]", text)
    page = Page(text)
    assert HOSTILE[0] in page.text
    assert r"\u202egnp.exe\u202c\u200b\x1b[2J\u2028" in page.text
    assert "{files} %s ${x} {{y}}" in page.text
    assert "(5,009 characters, the middle left out)" in page.text
    assert HOSTILE[3] in page.attributes("title")
    assert max(map(len, page.texts)) < 300


def test_names_stand_in_an_element_that_keeps_their_direction() -> None:
    text = render(EVERY["full"], Lang.EN)
    assert text.count("<bdi") == text.count("</bdi>")
    assert '<bdi class="foreign">&lt;script&gt;' in text


def test_what_is_not_proven_is_said_before_everything_else() -> None:
    page = Page(render(EVERY["full"], Lang.EN))
    opening = [name for name, _ in page.tags]
    assert opening[opening.index("body") + 1] == "aside"
    body = page.text[page.text.index("Read this first") :]
    assert body.index("old : Not proven since 2026-11-01 12:58 (21 days ago)") < body.index("Backup report")
    assert body.index("odd : Not proven: the last full pull could not show") < body.index("Backup report")
    assert body.index("new : Never pulled") < body.index("Backup report")
    assert page.texts[page.texts.index("! Backup report")]


def test_a_proven_copy_has_no_banner_and_says_as_of_when() -> None:
    page = Page(render(EVERY["one"], Lang.EN))
    assert not page.named("aside")
    assert "Complete as of 12:40 (18 min ago): proven." in page.text
    assert "✓ Proven" in page.text
    assert "Stored now: 1,204 files, 3.1 TB" in page.text
    assert "New files are known up to 12:50" in page.text


@pytest.mark.parametrize("doubt", list(Doubt))
@pytest.mark.parametrize("lang", list(Lang))
def test_a_doubt_is_told_beside_the_proof(doubt: Doubt, lang: Lang) -> None:
    told = Language(lang, NOW).say(f"doubt_{doubt}")
    assert told in render(report(replace(PROVEN, trust=replace(PROVEN.trust, doubt=doubt))), lang)
    assert told not in render(EVERY["one"], lang)


def test_an_unfinished_pull_says_how_far_it_is() -> None:
    pull = Unfinished(9, "full", "listing", None, None, NOW, 1, 3, 300, NOW, 1204, 10.0, NOW)
    text = Page(render(report(replace(PROVEN, status=replace(STATUS, unfinished=pull))), Lang.EN)).text
    assert "300 files listed of about 1,204" in text
    assert "the next run resumes it" in text


def test_numbers_are_human_with_the_exact_value_behind() -> None:
    page = Page(render(EVERY["one"], Lang.EN))
    assert "3,104,555,222,111 bytes" in page.attributes("title")
    assert "1,204 files, 3.1 TB went before they would have expired" in page.text
    assert any(each.startswith("2026-11-22T04:40:00") for each in page.attributes("datetime"))


def test_each_section_shows_the_sql_of_its_view_for_the_source_asked_for() -> None:
    text = render(report(PROVEN, source="it's"), Lang.EN)
    page = Page(text)
    for section in SECTIONS:
        assert section.sql("it's") in page.text
        assert re.search(r" (WHERE|AND) source = 'it''s' ORDER BY ", section.sql("it's"))
        assert "WHERE source" not in section.sql(None)


def test_rows_name_their_source_only_where_there_are_several() -> None:
    assert "Source" in Page(render(EVERY["full"], Lang.EN)).texts
    assert "Source" not in Page(render(EVERY["one"], Lang.EN)).texts


def test_an_empty_database_makes_a_page_of_sentences() -> None:
    page = Page(render(EVERY["empty"], Lang.EN))
    assert not page.named("table")
    assert not page.named("svg")
    for sentence in (
        "No live file with an expiry",
        "No day has been counted",
        "No pull was ever begun",
        "Nothing is stored",
    ):
        assert sentence in page.text


def test_equal_data_make_equal_pages() -> None:
    assert render(EVERY["full"], Lang.ZH) == render(
        report(PROVEN, STALE, UNPROVEN, UNKNOWN, figures=FULL_FIGURES), Lang.ZH
    )


def test_nothing_but_html_goes_unescaped() -> None:
    assert join("<", Html("<"), ["&", None, ("'",)]) == "&lt;<&amp;&#x27;"
    assert tag("p", '"', title='"<', class_=None) == '<p title="&quot;&lt;">&quot;</p>'
    assert isinstance(join("<"), Html)
