"""[[sources]]: what each table says for itself, what it inherits, and whose credentials it uses."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from syncer.errors import SettingsError
from syncer.settings import Settings, load_settings

TWO = """
region = "bj"
page_size = 50
quota_account = "shared"

[[sources]]
name = "east"
secret_id = "AKIDeast"
secret_key_file = "east.key"
prefix = "east/"
page_size = 10
recent_overlap = "1h"
quota_account = "east"
timezone = "Asia/Shanghai"
full_schedule = "0 3 * * 0"
expiry_tiers = "25%"

[[sources]]
name = "西-2.b"
sweep_brake = 0.5
api_url = "http://127.0.0.1:8123/v2/index.php"
"""


@pytest.fixture
def two(tmp_path: Path) -> Path:
    (tmp_path / "east.key").write_text("key-of-east\n")
    config = tmp_path / "syncer.toml"
    config.write_text(TWO, encoding="utf-8")
    return config


def keys(settings: Settings, name: str) -> tuple[str, str, str | None]:
    found = settings.source(name).require_credentials()
    return found.secret_id.reveal(), found.secret_key.reveal(), found.token.reveal() if found.token else None


def test_a_source_has_its_own_values_and_inherits_the_rest(two: Path) -> None:
    settings = load_settings({}, two)
    east, west = settings.sources
    assert (east.name, east.prefix, east.page_size, east.region, east.account) == ("east", "east/", 10, "bj", "east")
    assert (east.recent_overlap, east.full_schedule.timezone) == (timedelta(hours=1), "Asia/Shanghai")
    assert [tier.share for tier in east.expiry_tiers] == [0.25]
    assert keys(settings, "east") == ("AKIDeast", "key-of-east", None)
    assert (west.name, west.prefix, west.page_size, west.region, west.account) == ("西-2.b", "", 50, "bj", "shared")
    assert (west.sweep_brake, west.signed_host, west.full_schedule.timezone) == (0.5, "127.0.0.1", "UTC")
    assert west.credentials is None


def test_a_variable_stands_for_the_top_of_the_file_and_a_source_s_own_value_is_nearer(two: Path) -> None:
    settings = load_settings({"SYNCER_PAGE_SIZE": "70", "SYNCER_PREFIX": "all/"}, two)
    assert [source.page_size for source in settings.sources] == [10, 70]
    assert [source.prefix for source in settings.sources] == ["east/", "all/"]


def test_plain_credentials_are_for_the_sources_that_have_none_and_never_mix(two: Path) -> None:
    environ = {"SYNCER_SECRET_ID": "AKIDtop", "SYNCER_SECRET_KEY": "top", "SYNCER_TOKEN": "temporary"}
    settings = load_settings(environ, two)
    assert keys(settings, "西-2.b") == ("AKIDtop", "top", "temporary")
    assert keys(settings, "east") == ("AKIDeast", "key-of-east", None)


def test_an_unknown_source_is_answered_with_the_known_ones(two: Path) -> None:
    with pytest.raises(SettingsError, match=r'no source "north"; known: "east", "西-2.b"'):
        load_settings({}, two).source("north")


def test_without_tables_there_is_one_source_named_default() -> None:
    assert load_settings({}).source("default").name == "default"
