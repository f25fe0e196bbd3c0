"""Writes Grafana's dashboard from deploy/grafana/panels.sql: `make docs`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

_GRAFANA = Path(__file__).resolve().parents[1] / "deploy" / "grafana"
TARGET = _GRAFANA / "dashboards" / "syncer.json"
_DATASOURCE = {"type": "grafana-postgresql-datasource", "uid": "syncer"}
_GRID = 24
_PANEL = re.compile(r"^-- ([^|\n]+) \| (\w+) (\d+)x(\d+) ?(\w*)\n(.*?);$", re.MULTILINE | re.DOTALL)
_TYPES = {"stat": "stat", "table": "table", "bars": "barchart", "lines": "timeseries"}
_OPTIONS = {
    "stat": {"reduceOptions": {"values": True, "fields": "/^value$/"}, "textMode": "value_and_name"},
    "bars": {"xField": "day", "xTickLabelRotation": -45, "legend": {"showLegend": False}},
}


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana provisions it."""
    panels: list[dict[str, Any]] = []
    x, y, row_height = 0, 0, 0
    for title, kind, width, height, unit, sql in _PANEL.findall((_GRAFANA / "panels.sql").read_text("utf-8")):
        if x + int(width) > _GRID:
            x, y = 0, y + row_height
        place = {"x": x, "y": y, "w": int(width), "h": int(height)}
        x, row_height = x + int(width), int(height)
        panels.append({"id": len(panels) + 1, "title": title, "gridPos": place} | _shown(kind, unit, sql))
    return {
        "uid": "syncer",
        "title": "syncer: cold backups",
        "tags": ["syncer"],
        "schemaVersion": 39,
        "editable": False,
        "timezone": "browser",
        "time": {"from": "now-30d", "to": "now"},
        "refresh": "5m",
        "templating": {"list": [_choice_of_source()]},
        "panels": panels,
    }


def _shown(kind: str, unit: str, sql: str) -> dict[str, Any]:
    custom = {"spanNulls": True, "showPoints": "auto"} if kind == "lines" else {}
    query = {"refId": "A", "datasource": _DATASOURCE, "rawQuery": True, "editorMode": "code", "rawSql": sql}
    return {
        "type": _TYPES[kind],
        "datasource": _DATASOURCE,
        "fieldConfig": {"defaults": {"custom": custom} | ({"unit": unit} if unit else {}), "overrides": []},
        "options": _OPTIONS.get(kind, {}),
        "targets": [query | {"format": "time_series" if kind == "lines" else "table"}],
    }


def _choice_of_source() -> dict[str, Any]:
    return {
        "name": "source",
        "label": "Source",
        "type": "query",
        "datasource": _DATASOURCE,
        "query": "SELECT source FROM report.sources ORDER BY source",
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "current": {"text": "All", "value": "$__all"},
    }


def text() -> str:
    """Return the file's content."""
    return json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
