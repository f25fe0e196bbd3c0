"""The rounds that `pulls.py` plays, and how they keep to the limits."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from rig import Cost
from tables import middle, verdict

COPY, COPY_ONCE = "COPY, 100 rows and a checkpoint a commit", "COPY, one commit"


@dataclass
class Round:
    """The costs of each block of a round by its name, and the calls it made; beside them what was found between.

    late: last pages against the first. stored, ledger: bytes a file after the first load. growth: of the table of files
    after the unchanged pulls; grown: of the whole database, bytes a file and pull. dead, dead_beside: dead rows then,
    of the table of files and of the small tables that each page updates.
    """

    costs: dict[str, list[Cost]] = field(default_factory=lambda: defaultdict(list))
    calls: dict[str, int] = field(default_factory=dict)
    late: float = 0.0
    stored: float = 0.0
    ledger: float = 0.0
    growth: float = 0.0
    grown: float = 0.0
    dead: float = 0.0
    dead_beside: float = 0.0

    def of(self, name: str, what: str) -> float:
        """Return one cost of a block, the median where the round has several."""
        return middle(getattr(cost, what) for cost in self.costs[name])


def limits(files: int, rounds: list[Round]) -> list[list[str]]:
    """Return the rows that hold the figures against their targets; ratios are of one round, their median counts."""

    def ratio(of: str, to: str) -> float:
        return middle(played.of(of, "seconds") / played.of(to, "seconds") for played in rounds)

    def wal(name: str) -> float:
        return middle(played.of(name, "wal") / files for played in rounds)

    def cpu(name: str) -> float:
        both = (played.of(name, "client_cpu") + played.of(name, "server_cpu") for played in rounds)
        return middle(both) * 1_000_000 / files

    peak = max(cost.peak_mb for played in rounds for costs in played.costs.values() for cost in costs)
    scaled = f"CPU of client and PostgreSQL, s a million files (scaled from {files:,})"
    rows = [
        ("first load, rows/s against COPY of 100 rows and a checkpoint a commit", 0.5, ratio(COPY, "first load"), True),
        ("unchanged against first load, time", 0.8, ratio("unchanged", "first load"), False),
        ("WAL of an unchanged pull, bytes a row", 12, wal("unchanged"), False),
        ("WAL with one in a hundred changed, bytes a row", 100, wal("1 % changed"), False),
        ("dead rows of `syncer.file` after five unchanged pulls", 0, max(each.dead for each in rounds), False),
        ("size of `syncer.file` after five unchanged pulls", 1.0, max(each.growth for each in rounds), False),
        (f"{scaled}, first load", 35, cpu("first load"), False),
        (f"{scaled}, unchanged", 30, cpu("unchanged"), False),
        ("peak memory, MB", 80, peak, False),
        ("last tenth of the first load's pages against the first", 1.3, middle(each.late for each in rounds), False),
    ]
    first = middle(played.costs["unchanged"][0].wal / files for played in rounds)
    beside = [
        ("WAL of the first of the five unchanged pulls, bytes a row", first),
        ("growth of the whole database, bytes a file and unchanged pull", middle(each.grown for each in rounds)),
        ("dead rows of `pull`, `lease`, `quota`, `counter` after five", middle(each.dead_beside for each in rounds)),
    ]
    return [
        [name, f"{'at least' if least else 'at most'} {target:g}", f"{value:.2f}", verdict(value, target, least=least)]
        for name, target, value, least in rows
    ] + [[name, "", f"{value:.1f}", ""] for name, value in beside]
