"""With a million files every page comes within 200 ms, the first one after a start aside, which counts them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import psycopg
import pytest

from .web_page import Page, served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ALERT = """
INSERT INTO syncer.alert (source, rule, tier, severity, files, bytes, raised_at, evaluated_at, span)
VALUES ('default', 'expiring', '30d', 'warning', 99000, 1, now(), now(), '30 days') RETURNING alert_id
"""
PATHS = {
    "overview": "/",
    "one source": "/?source=default",
    "sources": "/sources",
    "expires next": "/files",
    "within a week": "/files?within=7d",
    "a common beginning": "/files?q=6017_",
    "a beginning of all": "/files?q=60",
    "no such name": "/files?q=nobody",
    "one name": "/files?q=6017_stream_2026-01-01-00-00-00_2026-01-01-00-05-00",
    "an id": "/files?q={file}",
    "vanished": "/files?state=vanished",
    "expired": "/files?state=expired",
    "overdue": "/files?state=overdue",
    "a file": "/file?source=default&id={file}",
    "alerts": "/alerts",
    "an alert": "/alert?id={alert}",
    "pulls": "/pulls",
    "a pull": "/pull?source=default&id=1",
    "ready": "/readyz",
}


def longest() -> float:
    """Return how long a page may take: 200 ms, and more where others want the same cores."""
    return 0.2 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@pytest.fixture(scope="module")
def page(filled: str) -> Iterator[Page]:
    with served({}, filled) as page:
        page.get("/")
        yield page


@pytest.fixture(scope="module")
def known(filled: str) -> dict[str, object]:
    with psycopg.connect(filled, autocommit=True) as connection:
        file = connection.execute("SELECT max(file_id) FROM syncer.file WHERE gone_at IS NULL").fetchone()
        alert = connection.execute(ALERT).fetchone()
    assert file is not None
    assert alert is not None
    return {"file": file[0], "alert": alert[0]}


@pytest.mark.parametrize("name", PATHS)
def test_every_page_comes_within_200_ms(page: Page, known: dict[str, object], name: str) -> None:
    path, times = PATHS[name].format(**known), []
    for _ in range(8):
        began = time.monotonic()
        assert page.get(path).status_code == 200
        times.append(time.monotonic() - began)
    assert min(times) < longest(), times


def test_deep_pages_cost_no_more_than_the_first(page: Page) -> None:
    path, times = "/files?q=60", []
    for _ in range(20):
        began = time.monotonic()
        shown = page.html(path)
        times.append(time.monotonic() - began)
        path = next(attrs["href"] or "" for tag, attrs in shown.tags if tag == "a" and attrs.get("rel") == "next")
    assert min(times[10:]) < longest(), times


def test_a_download_of_everything_is_streamed(page: Page) -> None:
    import resource

    page.get("/export/daily.csv")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = sum(len(chunk) for chunk in page.get("/files.csv", stream=True).iter_content(65536))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert size > 100_000_000
    assert grown < 40_000, f"{grown} kB"
