"""Grafana's provisioning files and the dashboard."""

from __future__ import annotations

import json
import re
import sys

import yaml

from checks.outcome import DEPLOY, ROOT, beyond, check, expect, run

FOLDER = DEPLOY / "grafana"
DASHBOARD = FOLDER / "dashboards" / "syncer.json"


@check("grafana-files", "the dashboard is the one of panels.sql, and its data source is provisioned")
def _files() -> None:
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        from write_dashboard import text
    finally:
        sys.path.pop(0)
    expect(DASHBOARD.read_text(encoding="utf-8") == text(), "the dashboard is not that of panels.sql; run: make docs")
    dashboard = json.loads(text())
    (source,) = yaml.safe_load((FOLDER / "provisioning" / "datasources" / "syncer.yml").read_text())["datasources"]
    yaml.safe_load((FOLDER / "provisioning" / "dashboards" / "syncer.yml").read_text())
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        expect(place["x"] + place["w"] <= 24, f"{panel['title']} is outside of the grid")  # noqa: PLR2004
        for target in panel["targets"]:
            expect(target["datasource"] == {"type": source["type"], "uid": source["uid"]}, panel["title"])
            tables = re.findall(r"\b(?:FROM|JOIN)\s+([a-z_]+\.[a-z_]+)", target["rawSql"])
            expect(tables and all(each.startswith("report.") for each in tables), f"{panel['title']} reads {tables}")


@check("grafana-sql", "every panel's SQL runs as the readers' login on a filled database", quick=False)
def _sql() -> None:
    run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/integration/test_dashboard.py")


beyond("grafana-look", "Grafana shows the panels well", "there is no Grafana here: look at the dashboard once")
