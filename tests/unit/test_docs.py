"""The documents say what is there: settings, commands, exit codes; and what is there is documented."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import typer

from syncer import errors
from syncer.cli.main import app
from syncer.metrics.catalogue import FAMILIES
from syncer.metrics.reading import PARTS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")


def _settings_script() -> object:
    spec = importlib.util.spec_from_file_location("settings_table", ROOT / "scripts" / "write_settings_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_readme_holds_the_settings_table_of_the_code() -> None:
    script = _settings_script()
    assert script.rewritten(README) == README, "run: make docs"  # type: ignore[attr-defined] # loaded by its path


def _commands() -> set[str]:
    group = typer.main.get_command(app)
    assert hasattr(group, "commands")
    return set(group.commands)


def test_readme_names_every_command_and_no_other() -> None:
    documented = set(re.findall(r"^\| `syncer ([a-z]+)", README, flags=re.MULTILINE))
    assert documented == _commands()


def test_every_option_that_readme_shows_exists() -> None:
    group = typer.main.get_command(app)
    for line in re.findall(r"^\| `(syncer [^`]*)`", README, flags=re.MULTILINE):
        name = line.split()[1]
        known = {option for parameter in group.commands[name].params for option in parameter.opts}  # type: ignore[attr-defined] # a group
        assert set(re.findall(r"--[a-z-]+", line)) <= known, line


def _exit_codes() -> set[int]:
    found, classes = {0, 129, 130}, [errors.SyncerError]
    while classes:
        each = classes.pop()
        found.add(each.exit_code)
        classes += each.__subclasses__()
    return found


def test_readme_and_runbook_explain_every_exit_code_and_no_other() -> None:
    table = README[README.index("| exit code |") : README.index("`docs/runbook.md` says what to do")]
    documented = {
        int(each) for row in re.findall(r"^\| ([0-9, ]+) \|", table, flags=re.MULTILINE) for each in row.split(",")
    }
    assert documented == _exit_codes()
    headings = re.findall(r"^### Exit code ([0-9, ]+)", RUNBOOK, flags=re.MULTILINE)
    assert {int(each) for row in headings for each in row.split(",")} == _exit_codes() - {0}


def test_every_setting_named_in_a_document_exists() -> None:
    from syncer.settings import RESERVED_VARIABLES, SETTINGS

    known = {setting.variable for setting in SETTINGS} | {
        setting.file_variable for setting in SETTINGS if setting.secret
    }
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        named = set(re.findall(r"SYNCER_[A-Z_]+[A-Z]", document.read_text(encoding="utf-8")))
        assert named <= known | RESERVED_VARIABLES, document.name


def test_every_link_to_a_file_leads_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for path in re.findall(
            r"`((?:docs|deploy|syncer|scripts|tests|migrations)/[\w./-]+\.\w+)`", document.read_text(encoding="utf-8")
        ):
            assert (ROOT / path).exists(), f"{document.name} names {path}"


def test_metrics_are_documented_as_they_are() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(syncer_[a-z_]+)` \| (\w+) \| ([^|]*) \| (.+) \|$", text, flags=re.MULTILINE)
    documented = [(name, kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels, _ in rows]
    assert documented == [(family.name, family.type, family.labels) for family in FAMILIES]
    parts = next(meaning for name, _, _, meaning in rows if name == "syncer_metrics_collector_up")
    assert re.findall(r"`(\w+)`", parts) == [part.name for part in PARTS]
    known = {family.name for family in FAMILIES} | {"syncer_context_death_age_seconds_bucket"}
    for query in re.findall(r"```promql\n(.*?)```", text, flags=re.DOTALL):
        assert set(re.findall(r"syncer_[a-z_]+", query)) <= known, query


def test_the_runbook_lists_what_can_be_tuned() -> None:
    from syncer.alerts.tuning import PARAMETERS

    listed = set(re.findall(r"^\| `([a-z-]+\.[a-z]+)` \|", RUNBOOK, flags=re.MULTILINE))
    assert listed == {f"{rule}.{name}" for rule, own in PARAMETERS.items() for name in own if name != "severity"}
