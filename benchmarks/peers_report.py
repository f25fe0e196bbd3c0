"""What `peers.py` measured, as tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from rig import Cost, Server
from tables import middle, say, table, verdict

OURS, DLT, DLT_COPY, SINGER = "syncer", "dlt, merge", "dlt, merge, CSV loader", "Singer tap, target-postgres"
TOOLS = (OURS, DLT, DLT_COPY, SINGER)
BLOCKS = ("first load", "unchanged")


@dataclass
class Played:
    """What one tool cost in one round, block by block, and the calls it made; its table after the last pull."""

    costs: dict[str, list[Cost]] = field(default_factory=lambda: defaultdict(list))
    calls: dict[str, int] = field(default_factory=dict)
    dead: float = 0.0
    growth: float = 0.0

    def of(self, block: str, what: str) -> float:
        """Return one cost of a block, the median where the round has several."""
        return middle(getattr(cost, what) for cost in self.costs[block])


def show(server: Server, files: int, played: Mapping[str, list[Played]], unchanged: int) -> None:
    """Print what was measured, and how ours does against dlt's faster variant; `unchanged` pulls in a round."""
    say(f"## The same {files:,} files by other tools, PostgreSQL {server.version}, medians of {len(played[OURS])}\n")

    def of(name: str, block: str, what: str) -> float:
        return middle(each.of(block, what) for each in played[name])

    table(
        ["", "s", "rows/s", f"CPU s a million (scaled from {files:,}): client", "PostgreSQL", "WAL bytes a row",
         "peak MB (largest process)", "calls"],
        [
            [
                f"{name}: {block}",
                f"{of(name, block, 'seconds'):.1f}",
                f"{files / of(name, block, 'seconds'):,.0f}",
                f"{of(name, block, 'client_cpu') * 1e6 / files:.0f}",
                f"{of(name, block, 'server_cpu') * 1e6 / files:.0f}",
                f"{of(name, block, 'wal') / files:.1f}",
                f"{of(name, block, 'peak_mb'):.0f}",
                f"{max(each.calls[block] for each in played[name]):,}",
            ]
            for block in BLOCKS
            for name in TOOLS
        ],
    )  # fmt: skip
    table(
        [f"the tool's table after {unchanged} unchanged pulls", "dead rows", "size against the first load"],
        [
            [name, f"{middle(each.dead for each in played[name]):,.0f}",
             f"{middle(each.growth for each in played[name]):.2f}"]
            for name in TOOLS
        ],
    )  # fmt: skip
    rows = []
    for block, target in zip(BLOCKS, (3.0, 4.5), strict=True):
        rivals = zip(*(played[name] for name in (OURS, DLT, DLT_COPY)), strict=True)
        times = middle(
            min(one.of(block, "seconds"), other.of(block, "seconds")) / ours.of(block, "seconds")
            for ours, one, other in rivals
        )
        rows.append([f"{block}: times faster than dlt's faster variant", f"at least {target}", f"{times:.1f}",
                     verdict(times, target, least=True)])  # fmt: skip
    share = min(of(name, "unchanged", "wal") for name in (DLT, DLT_COPY)) / of(OURS, "unchanged", "wal")
    rows.append(["unchanged: WAL of dlt against ours", "over 80", f"{share:.0f}", verdict(share, 80, least=True)])
    table(["figure", "target", "measured", "kept"], rows)
