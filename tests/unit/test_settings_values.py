"""Defaults, kinds of values, and where a value comes from when it is given more than once."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from datetime import timedelta
from pathlib import Path

import pytest

from syncer.errors import SettingsError
from syncer.settings import (
    SETTINGS,
    Credentials,
    Secret,
    Settings,
    SourceSettings,
    Tier,
    WebAddress,
    WebLogin,
    load_settings,
    parse_duration,
    sqlalchemy_url,
)

KEYS = {"SYNCER_SECRET_ID": "AKIDtop", "SYNCER_SECRET_KEY": "keytop"}


def load(toml: str | None = None, *, folder: Path | None = None, **variables: str) -> Settings:
    config = None
    if toml is not None:
        assert folder is not None
        config = folder / "syncer.toml"
        config.write_text(toml, encoding="utf-8")
    return load_settings({f"SYNCER_{name.upper()}": value for name, value in variables.items()}, config)


def only(settings: Settings) -> SourceSettings:
    assert len(settings.sources) == 1
    return settings.sources[0]


def key_of(source: SourceSettings) -> tuple[str, str, str | None]:
    found = source.require_credentials()
    return found.secret_id.reveal(), found.secret_key.reveal(), found.token.reveal() if found.token else None


def test_every_default_is_the_promised_one() -> None:
    settings = load_settings({})
    source = only(settings)
    assert source.name == "default"
    assert (settings.database_url, settings.notify, settings.web_address) == (None, (), WebAddress("127.0.0.1", 8080))
    assert (settings.log_level, settings.log_format) == ("info", "auto")
    assert (source.api_url, source.signed_host) == ("https://vod.api.qcloud.com/v2/index.php", "vod.api.qcloud.com")
    assert (source.region, source.signature_method, source.prefix) == ("gz", "HmacSHA256", "")
    assert (source.page_size, source.calls_per_minute, source.sweep_brake) == (100, 100, 0.2)
    assert (source.request_timeout, source.retry_for) == (timedelta(seconds=30), timedelta(minutes=10))
    assert (source.lease, source.recent_overlap) == (timedelta(seconds=60), timedelta(minutes=10))
    assert (source.full_schedule.expression, source.full_schedule.timezone) == ("0 */6 * * *", "UTC")
    assert source.recent_schedule.expression == "*/10 * * * *"
    assert [tier.name for tier in source.expiry_tiers] == ["30d", "7d", "1d"]
    assert (source.credentials, source.quota_account) == (None, None)


def test_the_table_describes_every_field_and_nothing_else() -> None:
    general = {field.name for field in dataclasses.fields(Settings)} - {"sources", "web_login"}
    general |= {f"web_{field}" for field in WebLogin._fields}
    credentials = {field.name for field in dataclasses.fields(Credentials)}
    of_source = {field.name for field in dataclasses.fields(SourceSettings)} - {
        "name",
        "credentials",
        "groups",
    } | credentials
    assert {setting.name for setting in SETTINGS if not setting.of_source} == general
    assert {setting.name for setting in SETTINGS if setting.of_source} == of_source
    assert all(setting.help for setting in SETTINGS)
    assert all(
        setting.default or setting.default_note or setting.secret or setting.default == "" for setting in SETTINGS
    )


def test_settings_are_frozen() -> None:
    settings = load_settings({})
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.log_level = "debug"  # type: ignore[misc] # the type checker knows it too
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.sources[0].page_size = 1  # type: ignore[misc] # the type checker knows it too


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("10m", 600),
        ("6h", 21600),
        ("30d", 2592000),
        ("2w", 1209600),
        ("500ms", 0.5),
        ("1.5h", 5400),
        ("1h30m", 5400),
        (" 10M ", 600),
        ("0", 0),
        ("0s", 0),
        (0, 0),
    ],
)
def test_durations(text: str | int, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "30", 30, 1.5, True, "s", "-5s", "10 min", "1e3s", "5y", "٣s", "999999999d", "m5", "5s5"]
)
def test_durations_without_unit_or_sense_are_refused(text: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


def test_values_from_the_environment_are_typed() -> None:
    settings = load(
        **{name.lower().removeprefix("syncer_"): value for name, value in KEYS.items()},
        token="temporary",
        database_url="postgres://app:pa%40ss@db/inventory",
        page_size=" 50 ",
        calls_per_minute="0",
        sweep_brake=".5",
        prefix=" a b/",
        lease="2m",
        signature_method="hmacsha1",
        region="bj",
        timezone="Asia/Shanghai",
        full_schedule="@daily",
        api_url="http://127.0.0.1:8123/v2/index.php",
        web_address="[::1]:0",
        log_level="DEBUG",
        notify="https://a/b?x=1,2 mailto://me@example.com,json://c",
        expiry_tiers="1d, 10%, 14d,25.5%",
        data_dir="/var/x",
    )
    source = only(settings)
    assert key_of(source) == ("AKIDtop", "keytop", "temporary")
    assert settings.database_url == Secret("postgresql://app:pa%40ss@db/inventory")
    assert (source.page_size, source.calls_per_minute, source.sweep_brake, source.prefix) == (50, 0, 0.5, " a b/")
    assert (source.lease, source.signature_method, source.region) == (timedelta(minutes=2), "HmacSHA1", "bj")
    assert (source.full_schedule.expression, source.full_schedule.timezone) == ("@daily", "Asia/Shanghai")
    assert (source.signed_host, settings.web_address, settings.log_level) == (
        "127.0.0.1",
        WebAddress("::1", 0),
        "debug",
    )
    assert [url.reveal() for url in settings.notify] == ["https://a/b?x=1,2", "mailto://me@example.com", "json://c"]
    assert [tier.name for tier in source.expiry_tiers] == ["14d", "1d", "25.5%", "10%"]
    assert settings.data_dir == Path("/var/x")


def test_a_tier_is_a_span_or_a_share_of_the_lifetime() -> None:
    lifetime = timedelta(days=40)
    assert Tier("7d", span=timedelta(days=7)).threshold(lifetime) == timedelta(days=7)
    assert Tier("25%", share=0.25).threshold(lifetime) == timedelta(days=10)


def test_toml_values_may_be_native_or_written_as_text(tmp_path: Path) -> None:
    settings = load(
        'page_size = "20"\nsweep_brake = 1\nexpiry_tiers = ["2d", "1d"]\nnotify = ["json://a", "json://b"]\n'
        'database_url = ""\nretry_for = 0\n',
        folder=tmp_path,
    )
    source = only(settings)
    assert (source.page_size, source.sweep_brake, source.retry_for) == (20, 1.0, timedelta(0))
    assert [tier.name for tier in source.expiry_tiers] == ["2d", "1d"]
    assert [url.reveal() for url in settings.notify] == ["json://a", "json://b"]
    assert settings.database_url is None


def test_the_environment_wins_over_secret_files_and_these_over_toml(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    toml = tmp_path / "syncer.toml"
    toml.write_text('secret_id = "AKIDtoml"\nsecret_key = "toml"\ntoken = "toml"\nregion = "toml"\n')
    (tmp_path / "file").write_text("file\n")
    environ = {"SYNCER_CONFIG": str(toml)}
    assert key_of(only(load_settings(environ)))[1] == "toml"
    (credentials / "secret_key").write_text("credential\n")
    environ["CREDENTIALS_DIRECTORY"] = str(credentials)
    assert key_of(only(load_settings(environ)))[1] == "credential"
    environ["SYNCER_SECRET_KEY_FILE"] = str(tmp_path / "file")
    assert key_of(only(load_settings(environ)))[1] == "file"
    environ["SYNCER_SECRET_KEY"] = "plain"
    assert key_of(only(load_settings(environ))) == ("AKIDtoml", "plain", "toml")
    assert only(load_settings({**environ, "SYNCER_REGION": "env"})).region == "env"


@pytest.mark.parametrize("name", ["secret_key", "SECRET_KEY", "SYNCER_SECRET_KEY", "syncer_secret_key"])
def test_systemd_credentials_go_by_any_of_four_names(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("  from-systemd \n")
    (tmp_path / "unrelated.pem").write_text("x")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path), "SYNCER_SECRET_ID": "AKID"}
    assert key_of(only(load_settings(environ))) == ("AKID", "from-systemd", None)


def test_systemd_credentials_may_hold_the_database_and_the_notifications(tmp_path: Path) -> None:
    (tmp_path / "database_url").write_text("postgresql://a:b@c/d\n")
    (tmp_path / "notify").write_text("json://one\njson://two\n")
    settings = load_settings({"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert settings.database_url == Secret("postgresql://a:b@c/d")
    assert len(settings.notify) == 2


def test_an_absent_credentials_directory_is_not_ours_to_mind(tmp_path: Path) -> None:
    assert load_settings({"CREDENTIALS_DIRECTORY": str(tmp_path / "gone")}).sources


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    empty = {setting.variable: "" for setting in SETTINGS} | {"SYNCER_CONFIG": "", "CREDENTIALS_DIRECTORY": ""}
    assert load_settings(empty) == load_settings({})
    assert only(load('region = "bj"', folder=tmp_path, region="")).region == "bj"


def test_the_config_argument_wins_over_the_variable(tmp_path: Path) -> None:
    assert only(load('region = "bj"', folder=tmp_path, config=str(tmp_path / "absent.toml"))).region == "bj"


def test_paths_in_the_toml_file_begin_where_the_file_is(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-file")
    settings = load('data_dir = "state"\nsecret_id = "AKID"\nsecret_key_file = "key"', folder=tmp_path)
    assert settings.data_dir == tmp_path / "state"
    assert key_of(only(settings))[1] == "from-file"
    assert load('data_dir = "/srv/x"', folder=tmp_path).data_dir == Path("/srv/x")


def test_the_environments_data_dir_does_not_depend_on_where_a_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load(data_dir="~/state").data_dir == tmp_path / "state"
    assert load(data_dir=f"{tmp_path}/state").data_dir == tmp_path / "state"
    for relative in ("state", "./state", "relative/x"):
        with pytest.raises(SettingsError, match=r"^SYNCER_DATA_DIR must be an absolute path: "):
            load(data_dir=relative)


def test_root_keeps_its_data_where_the_embedded_server_may_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert load_settings({}).data_dir == Path("/var/lib/syncer")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    found = load_settings({}).data_dir
    assert found.name == "syncer"
    assert tmp_path in found.parents


def test_other_parts_variables_and_kubernetes_service_links_are_no_mistakes() -> None:
    load_settings(
        {
            "SYNCER_PG_BIN": "/x",
            "SYNCER_PG_USER": "nobody",
            "SYNCER_TEST_DATABASE_URL": "x",
            "PATH": "/bin",
            "SYNCER_SERVICE_HOST": "10.0.0.1",
            "SYNCER_SERVICE_PORT": "8080",
            "SYNCER_SERVICE_PORT_WEB": "8080",
            "SYNCER_PORT": "tcp://10.0.0.1:8080",
            "SYNCER_PORT_8080_TCP": "tcp://10.0.0.1:8080",
            "SYNCER_PORT_8080_TCP_ADDR": "10.0.0.1",
            "SYNCER_WEB_SERVICE_HOST": "10.0.0.1",
            "SYNCER_WEB_PORT": "tcp://10.0.0.1:8080",
        }
    )
    with pytest.raises(SettingsError, match="SYNCER_WEB_PORT is not a setting"):
        load_settings({"SYNCER_WEB_PORT": "8080"})


def test_the_quota_account_is_chosen_or_derived_and_never_the_secret_id() -> None:
    source = only(load_settings(KEYS))
    assert source.account == "sha256:" + hashlib.sha256(b"AKIDtop").hexdigest()[:16]
    assert source.account == only(load_settings({**KEYS, "SYNCER_SECRET_KEY": "other"})).account
    assert source.account != only(load_settings({**KEYS, "SYNCER_SECRET_ID": "other"})).account
    assert only(load_settings({**KEYS, "SYNCER_QUOTA_ACCOUNT": "main"})).account == "main"
    assert only(load_settings({"SYNCER_QUOTA_ACCOUNT": "main"})).account == "main"


def test_who_needs_credentials_is_told_what_to_set() -> None:
    source = only(load_settings({}))
    for ask in (source.require_credentials, lambda: source.account):
        with pytest.raises(SettingsError, match=r'"default".*SYNCER_SECRET_ID.*SYNCER_SECRET_KEY.*syncer demo'):
            ask()


@pytest.mark.parametrize("url", ["postgresql://h/d", "postgres://h/d", "postgresql+psycopg://h/d", "POSTGRES://h/d"])
def test_sqlalchemy_gets_its_driver_named(url: str) -> None:
    assert sqlalchemy_url(url) == "postgresql+psycopg://h/d"
