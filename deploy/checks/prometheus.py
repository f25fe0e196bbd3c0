"""Prometheus' and Alertmanager's files: accepted by their tools; every rule tested and explained."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import yaml

from checks.outcome import DEPLOY, ROOT, check, expect, run, tool

FOLDER = DEPLOY / "prometheus"


def rules() -> list[dict[str, Any]]:
    """Return the alert rules."""
    (group,) = yaml.safe_load((FOLDER / "rules" / "syncer.yml").read_text())["groups"]
    return list(group["rules"])


def anchors(document: Path) -> set[str]:
    """Return the anchors of a Markdown document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@check("prometheus-config", "promtool accepts configuration and rules")
def _config() -> None:
    promtool = tool("promtool", "apt-get install prometheus")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
        Path(folder, "secrets").mkdir()
        Path(folder, "secrets", "web_password").touch()
        run(promtool, "check", "config", Path(folder, "prometheus.yml"))


@check("prometheus-rules", "each rule fires in its unit test, and is silent while all is well")
def _rules() -> None:
    run(tool("promtool", "apt-get install prometheus"), "test", "rules", FOLDER / "rules_test.yml")
    cases = yaml.safe_load((FOLDER / "rules_test.yml").read_text())["tests"]
    tests = [test for case in cases for test in case["alert_rule_test"]]
    names = {rule["alert"] for rule in rules()}
    for word, tested in (
        ("firing", {test["alertname"] for test in tests if test.get("exp_alerts")}),
        ("silent", {test["alertname"] for test in tests if not test.get("exp_alerts")}),
    ):
        expect(tested == names, f"no unit test has {sorted(names ^ tested)} {word}")


@check("prometheus-runbook", "each rule is described and has its entry in docs/runbook.md, and the reverse")
def _runbook() -> None:
    known = anchors(ROOT / "docs" / "runbook.md")
    for rule in rules():
        notes = rule["annotations"]
        expect({"summary", "description", "runbook"} <= notes.keys(), f"{rule['alert']} is not described")
        document, anchor = notes["runbook"].split("#")
        expect(document == "docs/runbook.md" and anchor in known, f"{rule['alert']}: there is no {notes['runbook']}")
        expect("severity" in rule.get("labels", {}) or "severity" in rule["expr"], f"{rule['alert']} has no severity")
    named = {rule["alert"].lower() for rule in rules()}
    lost = {anchor for anchor in known if anchor.startswith("syncer")} - named
    expect(not lost, f"the runbook explains rules that do not exist: {sorted(lost)}")


@check("alertmanager-config", "amtool accepts Alertmanager's configuration")
def _alertmanager() -> None:
    run(
        tool("amtool", "apt-get install prometheus-alertmanager"),
        "check-config",
        DEPLOY / "alertmanager" / "alertmanager.yml",
    )
