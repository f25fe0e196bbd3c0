"""What the page shows at each stage of a copy's life, to whom it listens, and that no name can break out of it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
import requests

from syncer.simulator import Behaviour, World
from syncer.web import protocol

from .conftest import Rig
from .daemon_process import eventually
from .web_page import CREDENTIALS, LOGIN, Document, Page, served

Simulated = Callable[..., Rig]
EVERY_PAGE = ("/", "/sources", "/files", "/alerts", "/pulls")
HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</table></main>{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe\u200f",
    "مرحبا بالعالم",
    "=cmd|' /C calc'!A0",
    "x" * 5000,
    "a&amp;b",
)


@pytest.fixture
def rig(simulated: Simulated) -> Rig:
    return simulated({"page_size": "20"}, world=World(files=130))


@pytest.fixture
def page(rig: Rig) -> Iterator[Page]:
    with served(rig.environ, rig.database) as page:
        yield page


def hostile_rig(rig: Rig) -> Rig:
    """Pull once with names that want to break out, one file a name."""
    for number, name in enumerate(HOSTILE):
        rig.simulator.world.add(name=name, file_id=f"66{number}")
    assert rig.sync().error is None
    return rig


def test_before_anything_was_pulled_every_page_says_so(page: Page) -> None:
    for path in EVERY_PAGE:
        page.html(path)
    assert "Nothing has been pulled yet." in page.html("/").text
    assert "Never pulled" in page.html("/").text
    assert "No alert is open." in page.html("/").text
    assert "There are none." in page.html("/files").text
    assert "No pull was ever begun." in page.html("/pulls").text


def test_a_first_pull_that_was_stopped_is_not_proven_and_waits(page: Page, rig: Rig) -> None:
    rig.sync(stop_after=2)
    shown = page.html("/")
    assert "Not proven" in shown.text
    assert "40 files listed" in shown.text
    assert "Nobody is at it now" in shown.text
    assert "1 source was never proven complete: files may be missing here" in shown.text
    assert "refresh" not in shown.attributes("meta", "http-equiv")


def test_of_a_first_pull_nobody_says_when_it_will_end(page: Page, rig: Rig) -> None:
    seen: list[Document] = []
    rig.sync(on_page=lambda at: seen.append(page.html("/")) if at.page == 5 else None)
    (shown,) = seen
    assert "100 files listed." in shown.text
    assert "It should be done" not in shown.text


def test_a_running_pull_shows_its_progress_and_only_then_the_page_renews_itself(page: Page, rig: Rig) -> None:
    rig.sync()
    seen: list[Document] = []

    def look(at: Any) -> None:
        if at.page == 4:
            seen.append(page.html("/"))
            seen.append(page.html("/?still=1"))

    rig.simulator.behaviour = Behaviour(latency=0.05)
    rig.sync(on_page=look)
    running, still = seen
    assert "refresh" in running.attributes("meta", "http-equiv")
    assert "refresh" not in still.attributes("meta", "http-equiv")
    assert "80 files listed of about 130" in running.text
    assert "62%" in running.text
    assert "files a minute" in running.text
    assert "It should be done at about" in running.text
    assert "refresh" not in eventually_proven(page).attributes("meta", "http-equiv")


def eventually_proven(page: Page) -> Document:
    """Return the overview once its reading, which is kept for a moment, knows the last pull's end."""
    eventually(lambda: "under way" not in page.html("/").text, "the end of the pull is shown")
    return page.html("/")


def test_a_proven_copy_says_as_of_when_and_when_the_next_pull_is_due(page: Page, rig: Rig) -> None:
    rig.sync()
    rig.rows("UPDATE syncer.source SET next_full_at = now() + interval '5 hours' RETURNING 1")
    shown = page.html("/")
    assert re.search(
        r"Complete as of \d\d:\d\d \(\d+ s ago\): proven\. Next full pull (\d{4}-\d\d-\d\d )?\d\d:\d\d", shown.text
    )
    assert "130 files" in shown.text
    assert "never proven" not in shown.text
    assert shown.attributes("a", "href").count("/files") >= 1
    for path in EVERY_PAGE:
        assert page.get(path).status_code == 200


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_no_name_breaks_out_of_any_page(page: Page, rig: Rig, lang: str) -> None:
    hostile_rig(rig)
    rig.simulator.world.change("661", name=HOSTILE[0] + "2")
    rig.sync()
    ids = [f"66{number}" for number in range(len(HOSTILE))]
    (pull,) = rig.rows("SELECT max(pull_id) AS id FROM syncer.pull")
    paths = [*EVERY_PAGE, *(f"/file?source=default&id={each}" for each in ids)]
    paths += [f"/pull?source=default&id={pull['id']}", "/files?q=%3Cscript%3E", "/files?q=662&within=400d"]
    for path in paths:
        shown = page.html(f"{path}{'&' if '?' in path else '?'}lang={lang}")
        names = {tag for tag, _ in shown.tags}
        assert not names & {"script", "img", "iframe", "object", "style"}, path
        assert not [name for _, attrs in shown.tags for name in attrs if name.startswith("on") or name == "style"]
        assert "\u202e" not in shown.html
        assert "{{ 7 * 7 }}" in shown.text or path != "/file?source=default&id=662"
        assert all(href.startswith(("/", "#")) for href in shown.attributes("a", "href"))


def test_addresses_that_mean_nothing_are_told_so(page: Page, rig: Rig) -> None:
    rig.sync()
    no_alert, no_pull = "/alert?id=999999999", "/pull?source=default&id=999999999"
    missing = ("/file?source=default&id=nope", "/file", no_alert, no_pull, "/?source=nope")
    for path in (*missing, "/export/nope.csv", "/sources/", "/file/../../etc/passwd", "/static/style.css"):
        assert page.get(path).status_code == 404, path
    wrong = ("/alert?id=x", "/alert?id=-1", "/alert?id=" + "9" * 30, "/alert", "/pull?source=default&id=1.5")
    wrong += ("/files?state=dead", "/files?within=soon", "/files?after=zzz", "/files?after=WzEsMiwzXQ", "/files?q=%00")
    wrong += ("/pulls?kind=odd", "/pulls?before=x", "/files?q=" + "a" * 1001, "/export/pages.csv?pull_id=x")
    for path in (*wrong, "/files?after=" + "A" * 3000, "/export/alert_files.csv"):
        answer = page.get(path)
        assert answer.status_code == 400, (path, answer.status_code)
        assert "Traceback" not in answer.text


def test_no_address_makes_a_link_to_elsewhere(page: Page) -> None:
    for path in (
        "//evil.example/",
        "/%2f%2fevil.example",
        "/%3Cb%3E%3Fx=%22",
        "/javascript:alert(1)",
        "/\\evil.example",
    ):
        answer = page.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()).decode()
        shown = Document(answer.partition("\r\n\r\n")[2])
        assert answer.startswith("HTTP/1.1 404")
        assert all(re.match(r"/(?![/\\])|#", href) for href in shown.attributes("a", "href"))


def test_files_are_found_by_name_by_id_and_by_state_and_pages_are_turned(page: Page, rig: Rig) -> None:
    rig.sync()
    gone = rig.simulator.world.ids()[5]
    rig.simulator.world.delete(gone)
    rig.sync()
    name = next(row["name"] for row in rig.backups().values() if row["state"] == "live")
    assert name in page.html(f"/files?q={name}").text
    by_id = page.html(f"/files?q={gone}").text
    assert "The file with this ID" in by_id
    assert gone in by_id
    assert gone in page.html("/files?state=vanished").text
    assert gone not in page.html("/files?state=expired").text
    seen: list[str] = []
    path: str | None = "/files"
    while path is not None:
        shown = page.html(path)
        seen += [
            parse_qs(urlsplit(href).query)["id"][0]
            for href in shown.attributes("a", "href")
            if href.startswith("/file?")
        ]
        following = [attrs["href"] for tag, attrs in shown.tags if tag == "a" and attrs.get("rel") == "next"]
        path = following[0] if following else None
    assert seen == [row["file_id"] for row in live(rig)]


def live(rig: Rig) -> list[dict[str, Any]]:
    sql = """SELECT * FROM report.backups WHERE state = 'live'
    ORDER BY expires_at NULLS LAST, source, file_id COLLATE "C" """
    return rig.rows(sql)


def test_a_file_shows_what_is_known_and_what_changed(page: Page, rig: Rig) -> None:
    rig.sync()
    changed = rig.simulator.world.ids()[7]
    rig.simulator.world.change(changed, name="renamed")
    rig.sync()
    shown = page.html(f"/file?source=default&id={changed}").text
    for text in (changed, "renamed", "live", "First seen", "name"):
        assert text in shown
    downloaded = page.get(f"/export/file_changes.csv?source=default&file_id={changed}").text
    (change,) = csv.DictReader(io.StringIO(downloaded))
    assert (change["field"], change["new_value"]) == ("name", "renamed")


def test_downloads_hold_all_of_a_list_and_no_formula(page: Page, rig: Rig) -> None:
    hostile_rig(rig)
    answer = page.get("/files.csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="syncer-files.csv"'
    assert answer.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert sorted(row["file_id"] for row in rows) == sorted(row["file_id"] for row in live(rig))
    assert not [value for row in rows for value in row.values() if value.startswith(("=", "@", "\t"))]
    assert len(list(csv.DictReader(io.StringIO(page.get("/files.csv?q=%3Dcmd").text)))) == 1
    for name in ("pulls", "daily", "alerts", "sources", "calendar", "backups"):
        assert page.get(f"/export/{name}.csv").status_code == 200
    pull = rig.rows("SELECT pull_id FROM syncer.pull")[0]["pull_id"]
    pages = list(csv.DictReader(io.StringIO(page.get(f"/export/pages.csv?source=default&pull_id={pull}").text)))
    assert len(pages) == rig.rows("SELECT count(*) AS n FROM syncer.page")[0]["n"]


def many_files(rig: Rig) -> None:
    """Store more than any socket holds."""
    rig.rows("INSERT INTO syncer.source (source, account) VALUES ('default', 'x') RETURNING 1")
    rig.rows(
        "INSERT INTO syncer.file (source, file_id, name, first_seen_at, changed_at, first_run) "
        "SELECT 'default', n::text, repeat('x', 3000), now(), now(), 1 FROM generate_series(1, 12000) n RETURNING 1"
    )


def test_who_asks_for_the_head_of_a_download_gets_it_and_nothing_is_read(page: Page, rig: Rig) -> None:
    with served(rig.environ, "postgresql://nobody@127.0.0.1:1/nothing") as away:
        for path, name in (("/files.csv?q=a", "files"), ("/export/pulls.csv", "pulls")):
            answer = away.session.head(away.url.rstrip("/") + path)
            assert (answer.status_code, answer.content) == (200, b"")
            assert answer.headers["Content-Disposition"] == f'attachment; filename="syncer-{name}.csv"'
            assert answer.headers["Content-Type"] == page.get(path).headers["Content-Type"]
            assert away.get(path).status_code == 503
        assert away.session.head(f"{away.url}export/nope.csv").status_code == 404
        assert away.session.head(f"{away.url}files.csv?state=dead").status_code == 400


def test_only_two_download_at_once_and_who_leaves_gives_his_place_back(page: Page, rig: Rig) -> None:
    many_files(rig)
    readers = [page.get("/files.csv", stream=True) for _ in range(2)]
    assert [each.status_code for each in readers] == [200, 200]
    assert page.get("/files.csv").status_code == 503
    assert page.get("/").status_code == 200
    for each in readers:
        each.close()
    eventually(lambda: page.get("/export/pulls.csv").status_code == 200, "a place is free again")


def test_who_does_not_take_his_download_loses_it(page: Page, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "STALL_SECONDS", 0.5)
    many_files(rig)
    readers = [page.get("/files.csv", stream=True) for _ in range(2)]
    eventually(lambda: page.get("/export/pulls.csv").status_code == 200, "a place is free again")
    with pytest.raises(requests.RequestException):
        _ = readers[0].content


def raise_alert(rig: Rig) -> int:
    sql = """INSERT INTO syncer.alert (source, rule, tier, severity, files, bytes, raised_at, evaluated_at, span)
    VALUES ('default', 'expiring', '4000d', 'warning', 12, 1000, now(), now(), '4000 days') RETURNING alert_id"""
    return int(rig.rows(sql)[0]["alert_id"])


def acknowledged_by(rig: Rig, number: int) -> str:
    return str(rig.rows("SELECT acknowledged_by FROM syncer.alert WHERE alert_id = %s", number)[0]["acknowledged_by"])


def token(document: Document) -> str:
    return next(attrs["value"] or "" for tag, attrs in document.tags if tag == "input" and attrs.get("name") == "token")


def test_an_alert_shows_its_files_and_is_acknowledged_by_its_form_alone(page: Page, rig: Rig) -> None:
    rig.sync()
    number = raise_alert(rig)
    assert "12 files (1.0 kB) expire within 4,000 days" in page.html("/alerts").text
    shown = page.html(f"/alert?id={number}")
    assert "Nobody was told" in shown.text
    assert any(href.startswith("/file?") for href in shown.attributes("a", "href"))
    form = {"id": str(number), "token": token(shown), "by": "Ann <b>"}
    here = {"Origin": page.url.rstrip("/")}
    forged: list[dict[str, Any]] = [
        {"data": form, "headers": {"Origin": "https://evil.example"}},
        {"data": form, "headers": {"Origin": "null"}},
        {"data": form, "headers": {"Sec-Fetch-Site": "cross-site"}},
        {"data": form, "headers": {"Sec-Fetch-Site": "same-site", **here}},
        {"data": {**form, "token": "0" * 64}, "headers": here},
        {"data": {**form, "token": "é"}, "headers": here},
        {"data": {"id": str(number)}, "headers": here},
        {"data": form, "headers": {**here, "Cookie": "syncer_form="}},
        {"data": form, "headers": {**here, "Cookie": "syncer_form=" + "A" * 32}},
    ]
    for attempt in forged:
        assert page.post("/alert/acknowledge", **attempt).status_code == 403, attempt
    assert page.post("/alert/acknowledge", json=form, headers=here).status_code == 415
    assert page.post("/alert/acknowledge", data={**form, "by": "x" * 9000}, headers=here).status_code == 413
    for answer in (page.post("/alert/acknowledge", data={"id": "1"}), page.get("/alert/acknowledge?lang=zh")):
        assert answer.status_code in {403, 405}
        links = [href for href in Document(answer.text).attributes("a", "href") if href.startswith("/")]
        assert {page.get(href).status_code for href in links} == {200}, "no way on leads to a refusal"
    assert not rig.rows("SELECT FROM syncer.alert WHERE acknowledged_at IS NOT NULL")

    answer = page.post("/alert/acknowledge", data=form, headers=here)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/alert?id={number}")
    assert acknowledged_by(rig, number) == "Ann <b>"
    after = page.html(f"/alert?id={number}")
    assert "by Ann <b>" in after.text
    assert "form" not in {tag for tag, _ in after.tags}
    assert page.post("/alert/acknowledge", data={**form, "id": str(number + 1_000)}, headers=here).status_code == 404
    assert page.post("/alert/acknowledge", data={**form, "id": "x"}, headers=here).status_code == 400
    downloaded = page.get(f"/export/alert_files.csv?source=default&alert_id={number}").text
    assert len(downloaded.splitlines()) == 131


def test_with_credentials_the_user_acknowledges(rig: Rig) -> None:
    rig.sync()
    number = raise_alert(rig)
    with served({**rig.environ, **LOGIN}, rig.database) as page:
        shown = page.html(f"/alert?id={number}", auth=CREDENTIALS)
        assert "by" not in shown.attributes("input", "name")
        form = {"id": str(number), "token": token(shown), "by": "somebody else"}
        assert page.post("/alert/acknowledge", data=form).status_code == 401
        assert page.post("/alert/acknowledge", data=form, auth=CREDENTIALS).status_code == 303
    assert acknowledged_by(rig, number) == "operator"


def test_a_pull_shows_why_it_is_believed(page: Page, rig: Rig) -> None:
    rig.sync()
    number = rig.rows("SELECT pull_id FROM syncer.pull")[0]["pull_id"]
    shown = page.html(f"/pull?source=default&id={number}").text
    for text in ("proven", "From the beginning", "✓ yes", "an empty context: sure", "Runs", "complete"):
        assert text in shown
    assert "Pulls" in page.html("/pulls?kind=full").text
    assert "No pull was ever begun." in page.html("/pulls?kind=recent").text


def test_the_language_is_asked_for_by_the_address_then_a_cookie_then_the_browser(page: Page) -> None:
    def lang(path: str = "/", **headers: str) -> str | None:
        return page.html(path, headers=headers).attributes("html", "lang")[0]

    accept = "Accept-Language"
    assert lang() == "en"
    assert lang(**{accept: "fr-FR, zh-TW;q=0.8, en;q=0.7"}) == "zh-CN"
    assert lang(**{accept: "en-GB,zh;q=0.9"}) == "en"
    assert lang(**{accept: "zh;q=0, xx, " + "," * 5000}) == "en"
    assert lang("/?lang=zh") == "zh-CN"
    assert lang("/files", **{accept: "en"}) == "zh-CN"
    assert lang("/files?lang=en") == "en"
    assert lang("/?lang=klingon") == "en"


def test_a_database_that_goes_away_is_told_and_nothing_is_invented(rig: Rig, empty_database: str) -> None:
    from syncer.store.migrate import upgrade

    upgrade(empty_database)
    with served({**rig.environ, "SYNCER_DATABASE_URL": empty_database}, empty_database) as page:
        page.html("/")
        page.html("/files")
        with psycopg.connect(rig.database, autocommit=True) as connection:
            name = urlsplit(empty_database).path.lstrip("/")
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")  # type: ignore[arg-type]
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
                [name],
            )
            for path in ("/files", "/pulls", "/"):
                answer = page.get(path)
                if path == "/" and answer.status_code == 200:
                    continue  # its reading is a second old at most
                assert answer.status_code == 503
                assert "The database cannot be reached" in answer.text
                assert "last heard from it" in answer.text
            assert page.get("/readyz").status_code == 503
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")  # type: ignore[arg-type]
        page.html("/files")
        assert page.get("/readyz").status_code == 200


def test_many_sources_fit_on_the_page_the_worst_first(rig: Rig) -> None:
    rig.sync()
    rig.rows(
        "INSERT INTO syncer.source (source, account) SELECT 's' || n, 'x' FROM generate_series(1, 60) n RETURNING 1"
    )
    with served(rig.environ, rig.database) as page:
        shown = page.html("/").text
        assert "more sources." in shown
        assert "s60" in page.html("/sources").text
        assert "Source s7" in page.html("/?source=s7").text
        assert page.html("/files?source=s7").text.count("There are none.") == 1


def test_ages_are_counted_by_the_databases_clock(page: Page, rig: Rig) -> None:
    rig.sync()
    name = urlsplit(rig.database).path.lstrip("/")
    with psycopg.connect(rig.database, autocommit=True) as connection:
        later = connection.execute("SELECT (now() + interval '40 days')::text").fetchone()
        assert later is not None
        connection.execute(f"ALTER DATABASE {name} SET syncer.now = '{later[0]}'")  # type: ignore[arg-type]
        try:
            with served(rig.environ, rig.database) as fresh:
                assert "Not proven since" in fresh.html("/").text
                assert f"({timedelta(days=40).days} days ago)" in fresh.html("/").text
        finally:
            connection.execute(f"ALTER DATABASE {name} RESET syncer.now")  # type: ignore[arg-type]
