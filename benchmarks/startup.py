"""What a process costs before it does anything: `syncer --help`, and a recent sync that finds nothing new."""

from __future__ import annotations

import os

from listing import Listing
from processes import BIN, run
from rig import servers, sync
from tables import machine, middle, say, table, verdict

TIMES = 7


def main() -> None:
    """Measure both, and print the table."""
    with servers() as each, Listing(1000) as listing:
        server = next(each)
        with server.database("ours") as ours:
            sync(server, ours, listing)
            helped = [run([BIN / "syncer", "--help"], dict(os.environ)) for _ in range(TIMES)]
            recent = [sync(server, ours, listing, "--recent") for _ in range(TIMES)]
    say(f"## Start-up, PostgreSQL {server.version}, medians of {TIMES}\n")
    rows = (("`syncer --help`", helped, 0.3, [each.cpu for each in helped]),
            ("recent sync, nothing new", recent, 0.8, [each.client_cpu for each in recent]))  # fmt: skip
    table(
        ["process", "target, s", "s", "CPU s", "peak MB", "kept"],
        [
            [
                name,
                f"under {target}",
                f"{(seconds := middle(each.seconds for each in runs)):.2f}",
                f"{middle(cpu):.2f}",
                f"{middle(each.peak_mb for each in runs):.0f}",
                verdict(seconds, target),
            ]
            for name, runs, target, cpu in rows
        ],
    )
    say(machine())


if __name__ == "__main__":
    main()
