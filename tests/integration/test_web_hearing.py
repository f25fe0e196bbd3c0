"""The page says when alerts reach nobody, as the commands do."""

from __future__ import annotations

import pytest

from .place import Place
from .recipients import inboxes
from .web_page import Document, served

REFUSED = (404, b"gone")


def shown(place: Place, path: str = "/") -> Document:
    with served(place.environ, place.url) as page:
        return page.html(path)


def test_that_nobody_is_named_is_said_quietly_and_loudly_once_an_alert_is_open(place: Place) -> None:
    quiet = shown(place)
    assert "Nobody is told of alerts: SYNCER_NOTIFY is not set." in quiet.text
    assert "unheard" not in quiet.attributes("p", "class")
    place.pull(error="the brake")
    place.evaluate()
    for path in ("/", "/alerts", "/?source=a"):
        loud = shown(place, path)
        assert "1 alert is open and nobody is told: set SYNCER_NOTIFY." in loud.text, path
        assert "unheard" in loud.attributes("p", "class")
    assert "告警通知有问题" in shown(place, "/?lang=zh").text


def test_that_no_recipient_can_be_reached_is_said_with_what_to_do(place: Place) -> None:
    with inboxes(2) as (bad, good):
        bad.answer = lambda _: REFUSED
        place.settings = {"notify": bad.url(name="only")}
        place.pull(error="the brake")
        place.step()
        text = shown(place).text
        assert "no recipient of alerts can be reached (only: " in text
        assert "syncer alerts test" in text
        place.settings = {"notify": f"{bad.url(name='only')} {good.url(name='good')}"}
        assert "1 of 2 recipients cannot be reached: only." in shown(place).text
        place.settings = {"notify": good.url(name="good")}
        text = shown(place).text
        assert "reached" not in text
        assert "Nobody is told" not in text


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_mistake_in_an_address_is_said_and_the_page_stands(place: Place, lang: str) -> None:
    place.settings = {"notify": "wecomm://sesame"}
    text = shown(place, f"/?lang={lang}").text
    assert "SYNCER_NOTIFY: address 1" in text
    assert "sesame" not in text


def test_many_sources_are_counted_and_not_listed(place: Place) -> None:
    place.pull(error="the brake")
    place.evaluate()
    place.toml = "\n".join(f'[[sources]]\nname = "s{number}"' for number in range(20))
    place.sql("INSERT INTO syncer.source (source, account) SELECT 's' || n, 'x' FROM generate_series(0, 19) n")
    place.sql(
        "INSERT INTO syncer.alert (source, rule, severity, files, bytes, raised_at, evaluated_at)"
        " SELECT 's' || n, 'failing', 'warning', 0, 0, now(), now() FROM generate_series(0, 19) n"
    )
    found = shown(place)
    assert found.attributes("p", "class").count("unheard") == 5
    assert "16 more sources." in found.text
