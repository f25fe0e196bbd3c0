"""The page is for this machine alone unless its user and password are set."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncer.errors import SettingsError
from syncer.settings import Secret, WebAddress, load_settings

USER, PASSWORD = "operator", "correct-horse-battery"
LOGIN = {"SYNCER_WEB_USER": USER, "SYNCER_WEB_PASSWORD": PASSWORD}


def mistake(environ: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(environ)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize("address", ["127.0.0.1:80", "127.1.2.3:80", "[::1]:80", "localhost:80", "off", "OFF"])
def test_loopback_needs_no_login(address: str) -> None:
    assert load_settings({"SYNCER_WEB_ADDRESS": address}).web_login is None


@pytest.mark.parametrize("address", ["0.0.0.0:80", "[::]:80", "10.0.0.5:80", "syncer.example:80"])
def test_any_other_address_needs_a_login(address: str) -> None:
    problem = mistake({"SYNCER_WEB_ADDRESS": address})
    assert problem.startswith("SYNCER_WEB_ADDRESS is not a loopback address")
    assert "SYNCER_WEB_USER and SYNCER_WEB_PASSWORD" in problem
    settings = load_settings({"SYNCER_WEB_ADDRESS": address, **LOGIN})
    assert settings.web_login == (Secret(USER), Secret(PASSWORD))


def test_off_switches_the_page_off() -> None:
    assert load_settings({"SYNCER_WEB_ADDRESS": "off"}).web_address is None


def test_an_address_is_written_as_it_was_read() -> None:
    assert [str(WebAddress("::1", 80)), str(WebAddress("127.0.0.1", 0))] == ["[::1]:80", "127.0.0.1:0"]


@pytest.mark.parametrize(("given", "lacking"), [("USER", "PASSWORD"), ("PASSWORD", "USER")])
def test_half_a_login_is_none(given: str, lacking: str) -> None:
    variable = f"SYNCER_WEB_{given}"
    assert mistake({variable: LOGIN[variable]}).startswith(f"{variable} is set without SYNCER_WEB_{lacking}")


def test_a_short_password_and_a_user_with_a_colon_are_refused_without_being_repeated() -> None:
    assert mistake({**LOGIN, "SYNCER_WEB_PASSWORD": "secret"}).startswith("SYNCER_WEB_PASSWORD must have at least 12")
    problem = mistake({**LOGIN, "SYNCER_WEB_USER": "opera:tor"})
    assert problem == "SYNCER_WEB_USER must be one word without a colon."


def test_both_come_from_files_too(tmp_path: Path) -> None:
    (tmp_path / "user").write_text(f"{USER}\n")
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    files = {f"SYNCER_WEB_{name.upper()}_FILE": str(tmp_path / name) for name in ("user", "password")}
    assert load_settings(files).web_login == (Secret(USER), Secret(PASSWORD))
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for name in ("user", "password"):
        (tmp_path / name).rename(credentials / f"web_{name}")
    assert load_settings({"CREDENTIALS_DIRECTORY": str(credentials)}).web_login == (Secret(USER), Secret(PASSWORD))
