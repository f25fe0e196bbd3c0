"""Addresses of recipients: what they say, and that a mistake in one repeats nothing of it."""

from __future__ import annotations

import time
import traceback
import warnings
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer.alerts.message import Recipient
from syncer.alerts.notifiers import KINDS, Heartbeat, Surroundings, make_notifier, make_notifiers
from syncer.alerts.notifiers.places import may_connect
from syncer.errors import SettingsError

AROUND = Surroundings(now=lambda: datetime(2026, 5, 1, tzinfo=UTC), monotonic=time.monotonic)
MAIL = "smtp://me%40example.org:hush-hush@mail.example.org/?to=a@b.org"


@pytest.fixture(autouse=True, scope="module")
def _apprise_is_imported() -> None:
    """Importing apprise warns of what it imports itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import apprise

        apprise.Apprise().add("json://127.0.0.1/")


def make(url: str) -> Recipient:
    return make_notifier(url, AROUND)


def test_preferences_are_read_from_every_address() -> None:
    options = "lang=zh&min=warning&name=%E5%80%BC%E7%8F%AD&escalation=yes"
    for url in ("wecom://K", "dingtalk://T", "feishu://T", "lark://T", "slack://T/B/X", "webhook+https://h/p"):
        made = make(f"{url}?{options}")
        assert (made.name, made.language, made.minimum, made.escalation) == ("值班", "zh", "warning", True)
        plain = make(url)
        assert (plain.language, plain.minimum, plain.escalation) == ("en", "info", False)
        assert plain.address == made.address


def test_a_name_keeps_the_identity_when_key_token_or_path_change() -> None:
    urls = ("wecom://K1", "wecom://K2", "wecom://K2?base=https://h")
    named = [make(f"{url}{'&' if '?' in url else '?'}name=ops") for url in urls]
    assert len({each.identity for each in named}) == 1
    assert len({each.address for each in named}) == 3
    assert make("wecom://K1?name=ops").identity != make("wecom://K1?name=boss").identity
    assert make("wecom://K1?name=ops").identity != make("feishu://K1?name=ops").identity


def test_a_name_means_one_recipient() -> None:
    with pytest.raises(SettingsError, match="has the name= of one before it"):
        make_notifiers(["wecom://K1?name=ops", "wecom://K2?name=ops"], AROUND)


def test_names_hold_hosts_but_no_tokens() -> None:
    names = [make(url).name for url in ("wecom://K1", "slack://T1/B/X", MAIL, "webhook+https://u:p@h.org/path?x=y")]
    assert names == ["wecom", "slack", "email mail.example.org", "webhook h.org"]


def test_identities_differ_by_who_is_reached_and_not_by_the_password() -> None:
    urls = [
        "wecom://K1",
        "wecom://K2",
        "lark://K1",
        "feishu://K1",
        MAIL,
        MAIL.replace("a@b", "c@d"),
        "webhook+https://h/a",
    ]
    assert len({make(url).identity for url in urls}) == len(urls)
    assert make(MAIL).identity == make(MAIL.replace("hush-hush", "changed")).identity


def test_slack_takes_the_url_that_slack_shows() -> None:
    assert make("https://hooks.slack.com/services/T0/B0/X?lang=zh").language == "zh"


WRONG = {
    "gopher://sesame@h": "no scheme",
    "wecom://sesame/open": "TOKEN",
    "wecom://a:sesame@K": "TOKEN",
    "wecom://": "TOKEN",
    "dingtalk://T?secert=sesame": "option",
    "feishu://T?lang=sesame": "lang=",
    "feishu://T?min=sesame": "min=",
    "feishu://T?escalation=sesame": "escalation=",
    "feishu://T?base=sesame": "base=",
    "feishu://T?name=sesame%0Ax": "name=",
    "slack://T/B?x/sesame": "option",
    "slack://T/B/ses%61me": "slack://",
    "webhook+https:///sesame": "host",
    "webhook+https://h:99999/sesame": "URL",
    "webhook+https://[sesame/": "URL",
    "webhook+https://h/#sesame": "URL",
    "webhook+http://169.254.169.254/sesame": "connected",
    "webhook+http://[::ffff:169.254.169.254]/sesame": "connected",
    "smtp://u:sesame@mail.org/": "to=",
    "smtp://u:sesame@mail.org/?to=sesame": "to=",
    "smtp://u:sesame@mail.org/?to=a@b.org": "from=",
    "smtp://u:sesame@mail.org/?to=a@b.org%0d%0aBcc:sesame": "to=",
    "smtp://u:sesame@mail.org/?to=a@b.org&from=u@b.org&tls=none": "without TLS",
    "smtp://u:sesame@mail.org/?to=a@b.org&from=u@b.org&tls=sesame": "tls=",
    "smtp://u:sesame%E5%AE%A2@mail.org/?to=a@b.org&from=u@b.org": "ASCII",
    "apprise+sesame://x": "apprise knows",
}


@pytest.mark.parametrize("url", WRONG)
def test_a_mistake_names_the_setting_and_the_place_and_repeats_nothing(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        make_notifiers(["wecom://K", url], AROUND)
    assert str(caught.value).startswith("SYNCER_NOTIFY: address 2 of 2 ")
    assert WRONG[url] in str(caught.value)
    assert "sesame" not in "".join(traceback.format_exception(caught.value))


def test_all_mistakes_are_told_at_once_and_a_recipient_twice_is_one() -> None:
    with pytest.raises(SettingsError) as caught:
        make_notifiers(["wecom://K", "x://y", "wecom://K?lang=zh", "slack://"], AROUND)
    assert [problem.split(" ")[2] for problem in caught.value.problems] == ["2", "3", "4"]


@given(st.sampled_from([*KINDS, "apprise+json", "https"]), st.text(max_size=30), st.text(max_size=30))
def test_no_text_makes_anything_but_a_recipient_or_a_settings_error(scheme: str, target: str, query: str) -> None:
    try:
        made = make(f"{scheme}://{target}?{query}")
    except SettingsError:
        return
    assert made.name.isprintable()


def test_without_apprise_its_addresses_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncer.alerts.notifiers.apprise_bridge.find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"pip install 'syncer\[apprise\]'"):
        make("apprise+json://h/")


def test_a_representation_shows_no_secret() -> None:
    for url in (MAIL, "wecom://hush-hush", "webhook+https://u:hush-hush@h/p?secret=hush-hush&t=hush-hush"):
        made = make(url)
        assert "hush" not in repr(made) + repr(made.service) + repr(vars(made.service).get("_endpoint"))


@pytest.mark.parametrize("url", ["sesame", "ftp://h/sesame", "https://u:sesame@h/", "http://169.254.169.254/sesame"])
def test_a_heartbeat_s_wrong_url_names_its_setting_and_repeats_nothing(url: str) -> None:
    with pytest.raises(SettingsError, match="THE_SETTING") as caught:
        Heartbeat(url, AROUND, run_id=str, setting="THE_SETTING")
    assert "sesame" not in str(caught.value)


def test_which_addresses_may_be_connected_to() -> None:
    assert may_connect("127.0.0.1", private=True)
    assert may_connect("10.0.0.1", private=True)
    assert may_connect("fe00::1%eth0", private=True)
    for never in (
        "169.254.169.254",
        "::ffff:169.254.0.23",
        "fd00:ec2::254",
        "fe80::1%lo",
        "100.100.100.200",
        "168.63.129.16",
    ):
        assert not may_connect(never, private=True)
    for private in ("127.0.0.1", "10.0.0.1", "192.168.1.1", "::1", "fd12::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"):
        assert not may_connect(private, private=False)
    assert may_connect("93.184.216.34", private=False)
    assert may_connect("2606:2800:220:1::1", private=False)


def test_the_document_names_every_scheme_and_every_code() -> None:
    from syncer.alerts.notifiers import dingtalk, feishu, wecom

    document = (Path(__file__).resolve().parents[2] / "docs" / "notifications.md").read_text(encoding="utf-8")
    for scheme in KINDS:
        assert f"`{scheme}://" in document
    rows = {line.split("|")[1].strip(): line for line in document.splitlines() if line.startswith("| ")}
    for name, module in (("WeCom", wecom), ("DingTalk", dingtalk), ("Feishu, Lark", feishu)):
        for code in (*module.CODES.refused, *module.CODES.passing):
            assert str(code) in rows[name], (name, code)
