"""Every panel of Grafana's dashboard, its macros expanded, as the readers' login on a database with a past."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime

from .conftest import Rig
from .reporting import ROOT, past_rig, play_a_past, reader

DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "dashboards" / "syncer.json").read_text(encoding="utf-8"))
SPAN = "BETWEEN now() - interval '30 days' AND now() + interval '1 hour'"


def expanded(sql: str, sources: list[str]) -> str:
    sql = re.sub(r"\$__timeFilter\(([^()]+)\)", rf"\1 {SPAN}", sql)
    sql = sql.replace("$source", ",".join(f"'{source}'" for source in sources))
    assert "$" not in sql, sql
    return sql


def test_every_panel_answers_a_reader(simulated: Callable[..., Rig]) -> None:
    rig = past_rig(simulated)
    (now,) = rig.rows("SELECT now()")
    play_a_past(rig, now["now"])
    with reader(rig.database) as connection:
        (source,) = DASHBOARD["templating"]["list"]
        sources = [row["source"] for row in connection.execute(source["query"])]
        assert sources == ["default"]
        assert len(DASHBOARD["panels"]) >= 15
        for panel in DASHBOARD["panels"]:
            (target,) = panel["targets"]
            rows = connection.execute(expanded(target["rawSql"], [*sources, "another"])).fetchall()  # type: ignore[call-overload] # the dashboard's own SQL
            assert rows, panel["title"]
            if target["format"] == "time_series":
                assert all(isinstance(row["time"], datetime) for row in rows), panel["title"]
