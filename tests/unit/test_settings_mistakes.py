"""Every mistake is reported at once, under the name its writer knows, and no secret is ever repeated."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import traceback
from pathlib import Path

import pytest

from syncer.errors import SettingsError
from syncer.settings import SETTINGS, Secret, SettingDescription, load_settings, shown_url

KEY = "Rec0gnisableKey"


def mistakes(environ: dict[str, str], config: Path | None = None) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load_settings(environ, config)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value.problems


def problems_of(config: Path) -> tuple[str, ...]:
    try:
        load_settings({}, config)
    except SettingsError as error:
        return error.problems
    return ()


def mistake(environ: dict[str, str], config: Path | None = None) -> str:
    (problem,) = mistakes(environ, config)
    return problem


def toml(folder: Path, text: str) -> Path:
    path = folder / "syncer.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "values", "allowed"),
    [
        ("PAGE_SIZE", ["0", "101", "-1", "ten", "1.5", "1e2", "٣"], "a whole number from 1 to 100"),
        ("CALLS_PER_MINUTE", ["-1", "0.5", "many"], "a whole number of at least 0"),
        ("SWEEP_BRAKE", ["-0.1", "1.01", "nan", "inf", "20%", "1e-1"], "a share from 0 to 1"),
        ("REQUEST_TIMEOUT", ["30", "soon", "-1s"], "a duration with its unit, such as 30s"),
        ("REQUEST_TIMEOUT", ["0", "0s"], "longer than 0s"),
        ("LEASE", ["0s"], "longer than 0s"),
        ("RETRY_FOR", ["10"], "a duration"),
        ("RECENT_OVERLAP", ["10"], "a duration"),
        ("FULL_SCHEDULE", ["* * * *", "0 */6 * *"], "five fields"),
        ("RECENT_SCHEDULE", ["61 * * * *"], "from 0 to 59 in its minute field"),
        ("TIMEZONE", ["Mars/Olympus", "Europe"], "the IANA name of a time zone"),
        ("EXPIRY_TIERS", ["7d,168h", "25%,25.0%"], "must not name the same tier twice"),
        ("EXPIRY_TIERS", ["7", "0%", "100%", "7d,,1d", "0s", ","], "tiers such as 30d, or 25%"),
        ("API_URL", ["vod.api.qcloud.com", "ftp://h/p", "https://", "https://u:p@h/", "https://h:x/", "https://h/?a=b"],
         "a URL such as https://vod.api.qcloud.com/v2/index.php"),
        ("SIGNED_HOST", ["https://h", "h/p", "a b"], "the name of a host"),
        ("SIGNATURE_METHOD", ["md5"], "one of HmacSHA256, HmacSHA1"),
        ("WEB_ADDRESS", ["8080", ":8080", "h", "h:99999", "http://h:80", "::1:8080"], "an address and a port"),
        ("NOTIFY", ["somewhere", "json://a b"], "URLs with a scheme"),
        ("LOG_LEVEL", ["loud"], "one of debug, info, warning, error, critical"),
        ("LOG_FORMAT", ["xml"], "one of auto, json, console"),
        ("REGION", ["g z"], "one word"),
        ("PREFIX", ["a\udcff"], "UTF-8 text"),
        ("DATABASE_URL", ["mysql://h/d", "host=h dbname=d", "postgresql+asyncpg://h/d", "postgresql:/h/d"], "postgresql://"),
        ("DATABASE_URL", ["postgresql://u:p/ss@h/d", "postgresql://u:p#ss@h/d", "postgresql://u:p@ss@h/d"], "%40"),
    ],
)  # fmt: skip
def test_a_wrong_value_names_its_variable_and_what_is_allowed(name: str, values: list[str], allowed: str) -> None:
    for value in values:
        problem = mistake({f"SYNCER_{name}": value})
        assert problem.startswith(f"SYNCER_{name} must ")
        assert allowed in problem
        assert problem.endswith(".")


@pytest.mark.parametrize("text", ["page_size = true", "page_size = 5.0", "page_size = []", "page_size = 2020-01-01"])
def test_a_wrong_kind_of_toml_value_is_a_mistake(tmp_path: Path, text: str) -> None:
    config = toml(tmp_path, text)
    assert mistake({}, config) == f"page_size in {config} must be a whole number from 1 to 100."


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_survives_every_kind_of_toml_value(tmp_path: Path, setting: SettingDescription) -> None:
    values = (
        "true",
        "-1",
        "1.5",
        "nan",
        "1e400",
        "[]",
        "[[]]",
        "[1]",
        "{a=1}",
        "2020-01-01",
        "12:00:00",
        '"\\u0000"',
        '""',
    )
    for value in values:
        config = toml(tmp_path, f"{setting.name} = {value}")
        for problem in problems_of(config):
            assert problem.startswith(f"{setting.name} in {config} ")


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    config = toml(
        tmp_path,
        'prefx = "a"\nretry_for = "x"\n[[sources]]\nname = "east"\npage_size = 1000\nregoin = "bj"\n'
        '[[sources]]\nname = "east"\nlease = "1"\n[[sources]]\nname = "a b"\n[[sources]]\nweb_address = "a:1"\n',
    )
    environ = {"SYNCER_PAGE_SIZ": "4", "syncer_lease": "1m", "SYNCER_TIMEZONE": "Asia/Shangai"}
    east, unnamed = f'[[sources]] "east" of {config}', f"[[sources]] number 4 of {config}"
    duration = "must be a duration with its unit, such as 30s, 10m, 6h or 30d."
    named = "must be given: 1 to 64 letters, digits, dots, hyphens and underscores."
    zone = "must be the IANA name of a time zone, such as UTC or Asia/Shanghai (did you mean Asia/Shanghai?)."
    assert set(mistakes(environ, config)) == {
        f"prefx in {config} is not a setting of syncer (did you mean prefix?).",
        f"retry_for in {config} {duration}",
        f"page_size in {east} must be a whole number from 1 to 100.",
        f"regoin in {east} is not a setting of syncer (did you mean region?).",
        f"lease in {east} {duration}",
        f"name in {east} is given to more than one source; each needs its own.",
        f"name in [[sources]] number 3 of {config} {named}",
        f"name in {unnamed} {named}",
        f"web_address in {unnamed} is not a setting of one source: it belongs to the top of the file.",
        "SYNCER_PAGE_SIZ is not a setting of syncer (did you mean SYNCER_PAGE_SIZE?).",
        f"SYNCER_TIMEZONE {zone}",
        "syncer_lease is not a setting of syncer (did you mean SYNCER_LEASE?).",
    }


@pytest.mark.parametrize("key", ["SYNCER_PAGE_SIZE", "Page_Size"])
def test_a_variable_s_name_in_the_toml_file_is_answered_with_the_key(tmp_path: Path, key: str) -> None:
    assert "(did you mean page_size?)" in mistake({}, toml(tmp_path, f"{key} = 5"))


def test_a_file_variable_is_for_secrets_only() -> None:
    assert mistake({"SYNCER_PAGE_SIZE_FILE": "/x"}).startswith(
        "SYNCER_PAGE_SIZE_FILE is not a setting of syncer (did you"
    )


@pytest.mark.parametrize("text", ["sources = []", "sources = 1", "[sources]\nname = 'a'", "sources = [1]"])
def test_sources_that_are_not_tables_are_a_mistake(tmp_path: Path, text: str) -> None:
    assert "each under a line [[sources]]" in mistake({}, toml(tmp_path, text))


@pytest.mark.parametrize(
    ("given", "lacking"),
    [
        (("SECRET_ID",), "secret_key (SYNCER_SECRET_KEY)"),
        (("SECRET_KEY",), "secret_id (SYNCER_SECRET_ID)"),
        (("TOKEN",), "secret_id (SYNCER_SECRET_ID) and secret_key (SYNCER_SECRET_KEY)"),
        (("SECRET_ID", "TOKEN"), "secret_key (SYNCER_SECRET_KEY)"),
    ],
)
def test_half_credentials_are_a_mistake(given: tuple[str, ...], lacking: str) -> None:
    problem = mistake({f"SYNCER_{name}": KEY for name in given})
    assert problem == f"SYNCER_{given[0]} is set without {lacking}: credentials need both an id and a key."


def test_half_credentials_of_a_source_are_not_made_whole_from_elsewhere(tmp_path: Path) -> None:
    config = toml(tmp_path, f'[[sources]]\nname = "east"\nsecret_id = "{KEY}"')
    problem = mistake({"SYNCER_SECRET_ID": KEY, "SYNCER_SECRET_KEY": KEY}, config)
    assert problem.startswith(f'secret_id in [[sources]] "east" of {config} is set without secret_key')


@pytest.mark.parametrize("value", ["two words", "line\nbreak", "tab\there", " "])
def test_a_key_is_one_word(value: str) -> None:
    assert "SYNCER_SECRET_KEY must be one word, without spaces and line breaks." in mistakes(
        {"SYNCER_SECRET_ID": "a", "SYNCER_SECRET_KEY": value}
    )


def test_a_secret_file_that_cannot_be_used_is_one_mistake_without_its_path(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00" + KEY.encode())
    (tmp_path / "large").write_text(KEY * 10000)
    files = {"absent": "No such file", "empty": "empty", "binary": "not UTF-8", "large": "too large", ".": "directory"}
    for name, reason in files.items():
        problem = mistake({"SYNCER_SECRET_ID": "a", "SYNCER_SECRET_KEY_FILE": str(tmp_path / name)})
        assert problem.startswith("SYNCER_SECRET_KEY_FILE: the file cannot be used: ")
        assert reason in problem
        assert str(tmp_path) not in problem


def test_an_unusable_file_in_the_environment_is_not_passed_over_for_a_farther_value(tmp_path: Path) -> None:
    config = toml(tmp_path, f'secret_id = "a"\nsecret_key = "{KEY}"')
    assert "SYNCER_SECRET_KEY_FILE" in mistake({"SYNCER_SECRET_KEY_FILE": str(tmp_path / "absent")}, config)


def test_an_unusable_credential_of_systemd_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "SYNCER_NOTIFY").write_text("")
    assert mistake({"CREDENTIALS_DIRECTORY": str(tmp_path)}) == (
        "SYNCER_NOTIFY in CREDENTIALS_DIRECTORY: the file cannot be used: it is empty."
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (f"page_size = 5\nsecret_key = {KEY}\n".encode(), "not valid TOML at line 2, column 14"),
        (f'secret_key = "{KEY}'.encode(), "not valid TOML at"),
        (f'secret_key = "{KEY}"\nsecret_key = "{KEY}"'.encode(), "not valid TOML at"),
        (f"x = {{{KEY} = 1, {KEY} = 2}}".encode(), "not valid TOML at"),
        (b"secret_key = '\xff" + KEY.encode() + b"'", "not UTF-8"),
        (b"x = " + b"9" * 5000, "too long a number"),
        (b"x = " + b"[" * 100000, "not valid TOML|nested too deeply"),
    ],
)
def test_a_broken_settings_file_is_one_mistake_with_its_place(tmp_path: Path, content: bytes, reason: str) -> None:
    config = tmp_path / "syncer.toml"
    config.write_bytes(content)
    problem = mistake({"SYNCER_CONFIG": str(config)})
    assert problem.startswith(f"The settings file {config} cannot be used: it is ")
    assert any(part in problem for part in reason.split("|"))
    assert KEY not in problem


def test_a_settings_file_is_read_whole_or_not_at_all(tmp_path: Path) -> None:
    config = tmp_path / "syncer.toml"
    config.write_bytes(b'region = "bj"' + b"\n" * 16 * 1024 * 1024)
    assert "too large" in mistake({}, config)


def test_an_absent_settings_file_is_a_mistake(tmp_path: Path) -> None:
    for environ, config in (({"SYNCER_CONFIG": str(tmp_path / "no")}, None), ({}, tmp_path / "no")):
        assert mistake(environ, config) == (
            f"The settings file {tmp_path / 'no'} cannot be used: No such file or directory."
        )


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
@pytest.mark.parametrize(
    "value",
    [KEY, f" {KEY} {KEY}", f"postgresql://user:{KEY}@host:{KEY}/d", f"postgresql://user:{KEY}/x@host/d", f"http://[{KEY}",
     f"mysql://u:{KEY}@h/d", f"{KEY}:{KEY}", f"0 0 {KEY} * *", f"@{KEY}", f"7d,{KEY}", f"../{KEY}\0", f"https://{KEY}:443x/",
     f"\udcff{KEY}", f"https://u:{KEY}@h/"],
)  # fmt: skip
def test_a_secret_in_any_setting_is_never_repeated(tmp_path: Path, setting: SettingDescription, value: str) -> None:
    name = setting.name
    config = tmp_path / "syncer.toml"
    quoted = json.dumps(value) if "\udcff" not in value else '"x"'
    config.write_text(f'{name} = {quoted}\n[[sources]]\nname = "a"\n{name} = {quoted}\n{name}_file = {quoted}\n')
    for environ, path in (
        ({f"SYNCER_{name.upper()}": value}, None),
        ({f"SYNCER_{name.upper()}_FILE": value}, None),
        ({f"SYNCER_{name.upper()}X": value}, config),
    ):
        with pytest.raises(SettingsError) as caught:
            load_settings({"SYNCER_TOKEN": KEY, **environ}, path)
        assert KEY not in "".join(traceback.format_exception(caught.value))
        assert KEY not in repr(caught.value)
        assert caught.value.__context__ is None


def test_a_loaded_secret_shows_itself_nowhere() -> None:
    secrets = {f"SYNCER_{name}": KEY for name in ("SECRET_ID", "SECRET_KEY", "TOKEN")}
    settings = load_settings(
        {**secrets, "SYNCER_DATABASE_URL": f"postgresql://u:{KEY}@h/d", "SYNCER_NOTIFY": f"json://{KEY}/x"}
    )
    dumped = dataclasses.asdict(settings)
    for shown in (repr(settings), str(settings), f"{settings}", repr(dumped), json.dumps(dumped, default=str)):
        assert KEY not in shown
    assert settings.source("default").require_credentials().secret_key.reveal() == KEY


def test_a_secret_is_a_value_that_can_be_compared_and_copied_but_not_written() -> None:
    secret = Secret(KEY)
    assert secret == Secret(KEY)
    assert secret != Secret("other")
    assert secret != KEY
    assert hash(secret) == hash(Secret(KEY))
    assert copy.copy(secret) is copy.deepcopy(secret) is secret
    assert KEY not in f"{secret} {secret!r}" + "%s" % secret  # noqa: UP031 - logging formats like this
    with pytest.raises(TypeError):
        pickle.dumps(secret)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"postgresql://app:{KEY}@db:5432/x", "postgresql://app:********@db:5432/x"),
        (f"postgresql://:{KEY}@db/x", "postgresql://:********@db/x"),
        (f"postgresql://app:{KEY}/@@db/x", "postgresql://app:********@db/x"),
        ("postgresql://app@db/x", "postgresql://app@db/x"),
        ("postgresql:///x", "postgresql:///x"),
        (f"postgresql://db/x?user=a&password={KEY}", "postgresql://db/x?user=********&password=********"),
        ("https://h:80/p", "https://h:80/p"),
    ],
)
def test_a_shown_url_keeps_the_place_and_masks_the_secret(url: str, shown: str) -> None:
    assert shown_url(url) == shown
