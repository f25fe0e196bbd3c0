"""The page's parts without a server: sentences, places, kept answers, guesses, links; and its document."""

from __future__ import annotations

import base64
import re
import string
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from syncer.alerts.texts import LANGUAGES
from syncer.alerts.transitions import Step
from syncer.report.catalogue import MESSAGES as REPORT_MESSAGES
from syncer.store.listing import Place
from syncer.web import places
from syncer.web.cached import Cached
from syncer.web.catalogue import MESSAGES
from syncer.web.style import STYLE
from syncer.web.throttle import GUESSES, WINDOW_SECONDS, Throttle
from syncer.web.visit import NotUnderstood, link

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "syncer" / "web"
# Keys that are put together: `state_live` from a state and the like.
MADE = (
    *("state_", "files_", "kind_", "verdict_", "outcome_", "level_", "severity_", "ending_", "message_", "trouble_"),
    *("do_", "part_", "pull_", "unit_", "doubt_"),
)


def _written() -> Iterator[str]:
    for path in [*WEB.glob("*.py"), *WEB.glob("templates/*.html")]:
        if path.name != "catalogue.py":
            yield path.read_text(encoding="utf-8")


def test_every_sentence_that_a_template_says_exists_and_none_is_left_over() -> None:
    text = "\n".join(_written())
    said = set(re.findall(r"""\.(?:say|put|count)\(\s*["']([a-z_0-9]+)["']""", text))
    assert said - MESSAGES.keys() - set(MADE) == set()
    words = set(re.findall(r"[a-z_0-9]+", text))
    own = MESSAGES.keys() - REPORT_MESSAGES.keys()
    assert {key for key in own if key not in words and not key.startswith(MADE)} == set()


@pytest.mark.parametrize("key", MESSAGES)
def test_both_languages_of_a_sentence_take_the_same_values(key: str) -> None:
    def fields(message: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(message) if name}

    message = MESSAGES[key]
    assert message.en.strip() or key == "gap"
    assert all(fields(part) == fields(message.zh) for part in message.en.split("|"))


def test_whatever_becomes_of_an_alert_has_its_words() -> None:
    kinds = {step.value for step in Step if step.told} | {"test"}
    assert {f"message_{kind}" for kind in kinds} <= MESSAGES.keys()
    endings = {*LANGUAGES["en"].endings, "silenced", "command"}
    assert {f"ending_{ending}" for ending in endings} <= MESSAGES.keys()


def test_the_document_names_every_path_and_no_other() -> None:
    routes = set(re.findall(r'Route\("(/[^"]*)"', (WEB / "application.py").read_text(encoding="utf-8")))
    document = (ROOT / "docs" / "page.md").read_text(encoding="utf-8")
    table = document[document.index("| page |") : document.index("**CSV**")]
    told = {
        path
        for line in table.splitlines()
        if line.startswith("|")
        for path in re.findall(r"`(/[a-z]*)`", line.split("|")[1])
    }
    served = {"/style.css", "/favicon.ico", "/favicon.svg", "/files.csv", "/export/{table}.csv", "/alert/acknowledge"}
    assert told == routes - served


def test_the_style_needs_nothing_from_elsewhere() -> None:
    assert "url(" not in STYLE
    assert "@import" not in STYLE


def test_a_place_survives_an_address_and_anything_else_is_refused() -> None:
    for place in (Place(datetime(2026, 1, 1, 3, 4, 5, 678, tzinfo=UTC), "a", "尾/?&=+ "), Place(None, "b", "")):
        word = places.written(place)
        assert word is not None
        assert re.fullmatch(r"[\w-]+", word)
        assert places.read(word) == place
    assert places.read("") is None
    for word in (
        "x",
        "!!!",
        "WzFd",
        "e30",
        "bnVsbA",
        "WyIyMDI2LTAxLTAxIiwiYSIsImIiXQ",
        "WzEsMiwzXQ",
        "A" * 4000,
        "W1tbW1tb",
        base64.urlsafe_b64encode(b"[" * 5000).decode(),
    ):
        with pytest.raises(NotUnderstood):
            places.read(word)
    for text in ("\0", "\ud800"):
        with pytest.raises(NotUnderstood):
            places.storable(text)


def test_a_link_keeps_odd_values_and_leaves_empty_ones_out() -> None:
    assert link("/file", id="a&b=c#d e", source="", after=None) == "/file?id=a%26b%3Dc%23d+e"
    assert link("/file") == "/file"


def test_a_dear_answer_is_kept_asked_for_once_and_never_hides_a_failure() -> None:
    now, asked, gate = [0.0], [0], threading.Event()

    def ask() -> int:
        asked[0] += 1
        if asked[0] == 3:
            raise ValueError
        if asked[0] == 2:
            gate.wait(10)
            now[0] += 2.0
        return asked[0]

    cached = Cached(ask, lambda: now[0], fresh=10.0, patience=0.05, ease=100.0)
    assert [cached.get(), cached.get()] == [1, 1]
    now[0] = 11.0
    assert [cached.get(), cached.get()] == [1, 1]  # it takes long: the old one, asked for once
    gate.set()
    deadline = time.monotonic() + 10
    while cached.get() != 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    now[0] += 199.0
    assert cached.get() == cached.known() == 2  # what took 2 s is kept for 200
    cached.outdate()
    with pytest.raises(ValueError):  # noqa: PT011 - the very error
        cached.get()
    assert cached.get() == 4


def test_nobody_waits_for_the_first_answer_and_what_fails_after_long_is_not_tried_at_once() -> None:
    now, asked, gate = [0.0], [0], threading.Event()

    def ask() -> int:
        asked[0] += 1
        gate.wait(10)
        now[0] += 10.0
        raise TimeoutError

    cached = Cached(ask, lambda: now[0], fresh=1.0, patience=0.01, ease=5.0)
    assert cached.get() is None
    gate.set()
    deadline = time.monotonic() + 10
    while now[0] < 10.0 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert cached.get() is None
    assert asked == [1]
    now[0] += 11.0
    cached.patience = 10.0
    with pytest.raises(TimeoutError):
        cached.get()


def test_a_dear_answer_that_is_outdated_is_still_not_asked_for_all_the_time() -> None:
    now, asked = [0.0], [0]

    def ask() -> int:
        asked[0] += 1
        now[0] += 1.0
        return asked[0]

    cached = Cached(ask, lambda: now[0], fresh=5.0, patience=5.0, ease=100.0)
    assert cached.get() == 1
    now[0] += 19.0
    cached.outdate()
    assert cached.get() == 1
    now[0] += 2.0
    cached.outdate()
    assert cached.get() == 2


def test_guesses_are_counted_by_address_and_forgotten() -> None:
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    for number in range(GUESSES):
        assert not throttle.blocked("192.0.2.1")
        throttle.failed("192.0.2.1", b"%d" % number)
        throttle.failed("2001:db8::%x" % number, b"%d" % number)  # noqa: UP031 - an address
    assert throttle.blocked("192.0.2.1")
    assert throttle.blocked("2001:db8::ffff")
    assert not throttle.blocked("192.0.2.2")
    assert not throttle.blocked("2001:db8:0:1::1")
    now[0] = WINDOW_SECONDS + 1
    assert not throttle.blocked("192.0.2.1")
    for number in range(5000):
        throttle.failed(f"10.0.{number // 256}.{number % 256}", b"x")
    assert len(throttle._failures) <= 1000
