"""Peak memory of a first load and an unchanged pull by the number of files, and the pace of its last pages.

    python benchmarks/memory.py [FILES FILES ...]

By default 100,000 and 1,000,000 files; the last is held against the first.
"""

from __future__ import annotations

import sys

from pulls import late_against_first
from rig import Listing, servers, sync
from tables import machine, note, say, table, verdict

MOST_GROWTH = 1.05
MOST_MB = 80
MOST_LATE = 1.3


def main() -> None:
    """Measure each size on the embedded PostgreSQL, and print the table."""
    sizes = [int(text) for text in sys.argv[1:]] or [100_000, 1_000_000]
    rows, peaks = [], []
    with servers() as each:
        server = next(each)
        for files in sizes:
            note(f"{files:,} files")
            with Listing(files) as listing, server.database("ours") as ours:
                first = sync(server, ours, listing)
                late = late_against_first(server, ours)
                again = sync(server, ours, listing)
            peak = max(first.peak_mb, again.peak_mb)
            peaks.append(peak)
            kept = verdict(max(peak / MOST_MB, peak / peaks[0] / MOST_GROWTH, late / MOST_LATE), 1)
            rows.append(
                [f"{files:,}", f"{first.seconds:.0f}", f"{again.seconds:.0f}", f"{first.peak_mb:.1f}",
                 f"{again.peak_mb:.1f}", f"{peak / peaks[0]:.3f}", f"{late:.2f}", kept]
            )  # fmt: skip
    say(f"## Memory and pace by size, PostgreSQL {server.version}\n")
    say(
        f"Targets: {MOST_MB} MB, {MOST_GROWTH} times the smallest; the last tenth of the pages in {MOST_LATE} times "
        "the time of the first.\n"
    )
    head = ["files", "first load, s", "unchanged, s", "peak MB: first load", "unchanged", "against the smallest"]
    table([*head, "last pages against the first", "kept"], rows)
    say(machine())


if __name__ == "__main__":
    main()
