"""The page in a real Chromium: narrow and wide, light and dark, with names that no layout expects."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from syncer.simulator import World

from .conftest import Rig
from .web_page import Page, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab

CHROMIUM = os.environ.get("SYNCER_TEST_CHROMIUM") or shutil.which("chromium") or ""
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
NAMES = ("n" * 5000, "<script>document.title='broken'</script>", "مرحبا " * 60, "\u202egnp.exe", "很长的名称" * 100)
LOOKS = [(360, "light", "zh-CN"), (360, "dark", "en-US"), (1280, "light", "en-US"), (1280, "dark", "zh-CN")]

pytestmark = [
    pytest.mark.one_server,
    pytest.mark.skipif(not CHROMIUM, reason="there is no chromium: apt-get install chromium"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

# Text whose contrast with what is behind it is below what WCAG 2 asks for: 4.5, and 3 for large text.
CONTRAST = """() => {
  const linear = c => (c / 255 <= .03928 ? c / 255 / 12.92 : ((c / 255 + .055) / 1.055) ** 2.4);
  const light = c => .2126 * linear(c[0]) + .7152 * linear(c[1]) + .0722 * linear(c[2]) + .05;
  const parse = text => { const parts = text.match(/[\\d.]+/g).map(Number); return [...parts, 1].slice(0, 4); };
  const bad = [];
  for (const each of document.querySelectorAll('header *, main *, footer *')) {
    const speaks = [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!speaks || each.closest('svg') || !each.getClientRects().length) continue;
    let back = [0, 0, 0, 0];
    for (let behind = each; behind && back[3] === 0; behind = behind.parentElement)
      back = parse(getComputedStyle(behind).backgroundColor);
    const style = getComputedStyle(each), size = parseFloat(style.fontSize);
    const [less, more] = [light(parse(style.color)), light(back)].sort((a, b) => a - b);
    const enough = size >= 24 || (size >= 18.6 && style.fontWeight >= 700) ? 3 : 4.5;
    if (more / less < enough) bad.push([each.tagName, each.textContent.slice(0, 30), more / less]);
  }
  return bad;
}"""
# What somebody who cannot see the page, or has no mouse, would miss.
LABELS = """() => {
  const all = (selector, fine) => [...document.querySelectorAll(selector)].filter(each => !fine(each));
  const ids = [...document.querySelectorAll('[id]')].map(each => each.id);
  return [
    ...all('input:not([type=hidden]), select', each => each.labels.length),
    ...all('button, a', each => each.textContent.trim() || each.ariaLabel),
    ...all('table', each => each.ariaLabel && each.querySelector('th[scope=col]')),
    ...all('svg', each => each.ariaHidden === 'true' || each.getAttribute('role') === 'img'),
    ...all('html', each => each.lang && document.querySelectorAll('h1').length === 1),
  ].map(each => each.outerHTML.slice(0, 100)).concat(ids.filter((id, place) => ids.indexOf(id) !== place));
}"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def page(simulated: Any) -> Iterator[Page]:
    rig: Rig = simulated({"page_size": "50"}, world=World(files=60))
    for number, name in enumerate(NAMES):
        rig.simulator.world.add(name=name, file_id=f"77{number}")
    rig.sync()
    rig.simulator.world.change("770", name="m" * 5000)
    rig.simulator.world.delete("772")
    rig.sync()
    with served(rig.environ, rig.database) as page:
        yield page


def test_nothing_breaks_in_any_width_colour_or_language(page: Page, browser: Browser, tmp_path: Path) -> None:
    paths = ["/", "/files?q=%3Cscript", "/files", "/file?source=default&id=770", "/files?state=vanished", "/alerts"]
    paths += ["/alert?id=" + str(alert_of(page)), "/pulls", "/pull?source=default&id=" + str(pull_of(page)), "/nothing"]
    for width, scheme, locale in LOOKS:
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme=scheme,  # type: ignore[arg-type] # one of its literals
            locale=locale,
        )
        tab = context.new_page()
        said: list[str] = []
        tab.on("console", lambda message, said=said: said.append(message.text))
        tab.on("pageerror", lambda error, said=said: said.append(str(error)))
        for path in paths if (width, scheme) in {(360, "dark"), (1280, "light")} else paths[:3]:
            tab.goto(page.url.rstrip("/") + path)
            if path == "/nothing":
                said.clear()  # the browser itself says that it is a 404
            assert not said, (path, said)
            wide, room = tab.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert wide <= room, (path, width, wide)
            assert "broken" not in tab.title()
            assert tab.evaluate(CONTRAST) == [], (path, scheme)
            assert tab.evaluate(LABELS) == [], path
            assert tab.evaluate("document.styleSheets[0].cssRules.length") > 50
        context.close()


def alert_of(page: Page) -> int:
    links = page.html("/alerts").attributes("a", "href")
    return int(next(href for href in links if href.startswith("/alert?")).rpartition("=")[2])


def pull_of(page: Page) -> int:
    links = page.html("/pulls").attributes("a", "href")
    return int(next(href for href in links if href.startswith("/pull?")).rpartition("=")[2])


def test_it_is_used_by_links_keyboard_and_forms_alone(page: Page, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False, locale="en-US")
    tab: Tab = context.new_page()
    tab.goto(page.url)
    tab.keyboard.press("Tab")
    assert tab.locator(":focus").text_content() == "To the content"
    tab.get_by_role("link", name="Files", exact=True).click()
    tab.get_by_label("Name begins with, or file ID").fill("<script>")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/files?q=*")
    assert tab.locator("table tbody tr").count() == 1
    tab.get_by_role("link", name="771").click()
    tab.wait_for_url("**/file?*")
    assert tab.locator("h1").text_content() == NAMES[1]
    tab.get_by_role("link", name="中文").click()
    tab.wait_for_url("**lang=zh")
    assert tab.locator("html").get_attribute("lang") == "zh-CN"
    tab.get_by_role("link", name="概览").click()
    tab.wait_for_url(page.url)
    assert tab.locator("html").get_attribute("lang") == "zh-CN"
    tab.get_by_role("link", name="English").click()
    tab.get_by_role("link", name="Alerts").first.click()
    tab.wait_for_url("**/alerts")
    before = tab.get_by_role("button").count()
    tab.locator(".alert a").first.click()
    tab.get_by_label("Your name (optional)").fill("Ann")
    tab.get_by_role("button", name="Acknowledge").click()
    tab.get_by_text("by Ann").wait_for()
    tab.get_by_role("link", name="Alerts").first.click()
    tab.wait_for_url("**/alerts")
    assert tab.get_by_role("button").count() == before - 1
    with tab.expect_download() as download:
        tab.goto(page.url)
        tab.get_by_role("link", name="CSV").first.click()
    assert download.value.suggested_filename == "syncer-daily.csv"
    context.close()
