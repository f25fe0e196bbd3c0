"""Settings of alerts: groups of names, quiet hours, silenced rules."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from syncer.errors import SettingsError
from syncer.settings import load_settings
from syncer.settings.values import QuietHours

SOURCE = '[[sources]]\nname = "a"\n'


def load(tmp_path: Path, toml: str, **environ: str) -> object:
    (tmp_path / "c.toml").write_text(toml, encoding="utf-8")
    return load_settings(environ, tmp_path / "c.toml").sources[0]


def test_groups_have_tiers_and_silence_of_their_own(tmp_path: Path) -> None:
    source = load(
        tmp_path,
        SOURCE + '[[sources.groups]]\nname = "exams"\nprefix = "6000_"\ntiers = "60d,7d"\n'
        '[[sources.groups]]\nname = "trials"\nprefix = "t_"\nsilence = ["expiring", "vanished"]\n',
    )
    exams, trials = source.groups  # type: ignore[attr-defined] # a SourceSettings
    assert [tier.name for tier in exams.tiers] == ["60d", "7d"]
    assert (trials.tiers, trials.silence) == (None, {"expiring", "vanished"})


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('name = "x"', "prefix in groups number 1"),
        ('prefix = "x"', "name in groups number 1"),
        ('name = "x"\nprefix = "x"\ntires = "1d"', "tires in groups number 1"),
        ('name = "x"\nprefix = "x"\ntiers = "soon"', "tiers in groups number 1"),
        ('name = "x"\nprefix = "x"\nsilence = "all"', "must be made of rules: expiring"),
        ('name = "x"\nprefix = "x"\n[[sources.groups]]\nname = "x"\nprefix = "y"', "of one before it"),
    ],
)
def test_mistakes_in_groups_are_told(tmp_path: Path, table: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        load(tmp_path, f"{SOURCE}[[sources.groups]]\n{table}\n")


def test_defaults_and_what_can_be_set(tmp_path: Path) -> None:
    plain = load(tmp_path, SOURCE)
    assert (plain.quiet_hours, plain.alert_silence, plain.language, plain.notify) == (None, frozenset(), "en", ())  # type: ignore[attr-defined] # a SourceSettings
    assert (plain.escalate_after, plain.remind_after) == (timedelta(hours=4), timedelta(days=1))  # type: ignore[attr-defined] # the same
    own = load(tmp_path, SOURCE + 'notify = "wecom://k"\n', SYNCER_QUIET_HOURS="22:00-7:30", SYNCER_LANGUAGE="zh")
    assert (own.quiet_hours, own.language) == (QuietHours(1320, 450), "zh")  # type: ignore[attr-defined] # the same
    assert [url.reveal() for url in own.notify] == ["wecom://k"]  # type: ignore[attr-defined] # the same


@pytest.mark.parametrize("written", ["22-7", "24:00-07:00", "22:00", "22:00-22:00"])
def test_quiet_hours_that_are_none_are_refused(tmp_path: Path, written: str) -> None:
    with pytest.raises(SettingsError, match="SYNCER_QUIET_HOURS must"):
        load(tmp_path, SOURCE, SYNCER_QUIET_HOURS=written)


def test_rules_are_tuned_by_text_or_by_tables(tmp_path: Path) -> None:
    text = load(tmp_path, SOURCE, SYNCER_ALERT_RULES="short-pull.below=30% overdue.grace=3d, rejected.least=5")
    table = load(
        tmp_path,
        SOURCE
        + "[sources.alert_rules]\nshort-pull = { below = 0.3 }\noverdue = { grace = '3d' }\nrejected = { least = 5 }\n",
    )
    assert text.alert_rules == table.alert_rules  # type: ignore[attr-defined] # a SourceSettings
    assert text.alert_rules.share("short-pull", "below") == 0.3  # type: ignore[attr-defined] # the same
    assert load(tmp_path, SOURCE).alert_rules.number("rejected", "least") == 1  # type: ignore[attr-defined] # the same


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("soon.least=1", "must name rules"),
        ("rejected.most=1", "may set of rejected: least, severity"),
        ("rejected.least=0", "sets rejected.least, which must be a whole number"),
        ("short-pull.below=130%", "sets short-pull.below, which must be a share"),
        ("recipient.silent=soon", "sets recipient.silent, which must be a duration"),
        ("stale.severity=loud", "sets stale.severity, which must be"),
        ("rejected", "must be made of rule.parameter=value"),
    ],
)
def test_mistakes_in_tuning_are_told(tmp_path: Path, written: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=f"SYNCER_ALERT_RULES {problem}"):
        load(tmp_path, SOURCE, SYNCER_ALERT_RULES=written)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('rules = "stale.severity=info"', "rules in groups number 1 .* may tune the rules about files only"),
        ('silence = "stale"', "silence in groups number 1 .* may name the rules about files only"),
    ],
)
def test_groups_have_no_say_in_rules_that_names_cannot_tell_apart(tmp_path: Path, line: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        load(tmp_path, f'{SOURCE}[[sources.groups]]\nname = "x"\nprefix = "x"\n{line}\n')
