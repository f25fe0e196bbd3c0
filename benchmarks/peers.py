"""The same listing into the same PostgreSQL by what people would use instead: dlt, a Singer tap with target-postgres.

    python benchmarks/peers.py [FILES [ROUNDS]]

Each peer lives in an environment of its own, made from peers/*.txt at the first run (BENCHMARK_PEERS, by default
.benchmark-peers in the checkout). A round plays ours and each peer, first load and unchanged, one after the other.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rig import Cost, Listing, Server, run, servers, sync
from tables import machine, middle, note, say, table, verdict

from syncer.simulator import SECRET_ID, SECRET_KEY

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = Path(os.environ.get("BENCHMARK_PEERS", HERE.parent / ".benchmark-peers"))
OURS, DLT, DLT_COPY, SINGER = "syncer", "dlt, merge", "dlt, merge, CSV loader", "Singer tap, target-postgres"
BLOCKS = ("first load", "unchanged")
Costs = dict[tuple[str, str], list[Cost]]


def main() -> None:
    """Measure, and print the tables."""
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3  # noqa: PLR2004 - the second argument
    for name in ("dlt", "singer"):
        python(name)
    costs: Costs = defaultdict(list)
    with servers() as each, Listing(files) as listing:
        server = next(each)
        for number in range(rounds):
            for name in (OURS, DLT, DLT_COPY, SINGER):
                note(f"round {number + 1} of {rounds}: {name}")
                with server.database("peer", migrated=name == OURS) as database, scratch_directory() as work:
                    for block in BLOCKS:
                        costs[name, block].append(load(name, server, database, listing, work))
                        check(server, database, files)
    show(server, files, rounds, costs)


def load(name: str, server: Server, database: str, listing: Listing, work: Path) -> Cost:
    """Bring the listing into the database once, by a process of the peer's own."""
    if name == OURS:
        return sync(server, database, listing)
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(work),
        "WORK_DIRECTORY": str(work),
        "API_URL": listing.url,
        "API_SECRET_ID": SECRET_ID,
        "API_SECRET_KEY": SECRET_KEY,
        # dlt insists on a host and a password; the socket named behind them is what counts.
        "TARGET_URL": server.url(database).replace("@/", ":none@localhost/"),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "ERROR",
    }
    with server.measured() as meter:
        if name == SINGER:
            config = work / "target.json"
            config.write_text(f'{{"sqlalchemy_url": "{server.url(database, "postgresql+psycopg")}"}}', encoding="utf-8")
            programs = python("singer").parent
            pipe = f'"{programs}/python" "{HERE}/peers/tap.py" | "{programs}/target-postgres" --config "{config}"'
            meter.usage = run(["/bin/sh", "-c", pipe], environ)
        else:
            options = ["csv"] if name == DLT_COPY else []
            meter.usage = run([python("dlt"), HERE / "peers/dlt_load.py", *options], environ)
    return meter.cost


def check(server: Server, database: str, files: int) -> None:
    """End the run unless the tool's table holds every file, once."""
    found = """
        SELECT format('SELECT count(*) FROM %I.%I', nspname, relname) FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE relkind = 'r' AND relname = 'file' AND nspname NOT LIKE '%staging%'
    """
    with server.connect(database) as connection:
        (count,) = connection.execute(found).fetchall()
        held = connection.execute(count[0]).fetchall()
    if held != [(files,)]:
        raise SystemExit(f"the table holds {held} and not {files} files")


def python(name: str) -> Path:
    """Return the interpreter of a peer's environment, made if it is not there."""
    home = ENVIRONMENTS / name
    if not (home / "ready").exists():
        note(f"making the environment of {name} ...")
        shutil.rmtree(home, ignore_errors=True)
        venv.create(home, with_pip=True)
        pip = [home / "bin/python", "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        subprocess.run([*pip, "--require-hashes", "-r", HERE / f"peers/{name}.txt"], check=True)
        (home / "ready").touch()
    return home / "bin/python"


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """Make a directory for a peer's own state for the block."""
    with tempfile.TemporaryDirectory(prefix="syncer-peer-") as name:
        yield Path(name)


def show(server: Server, files: int, rounds: int, costs: Costs) -> None:
    """Print what was measured, and how ours compares with dlt's faster variant."""
    say(f"## The same {files:,} files by other tools, PostgreSQL {server.version}, medians of {rounds}\n")

    def of(name: str, block: str, what: str) -> float:
        return middle(getattr(cost, what) for cost in costs[name, block])

    table(
        ["", "s", "rows/s", "CPU s a million: client", "PostgreSQL", "WAL bytes a row", "peak MB (largest process)"],
        [
            [
                f"{name}: {block}",
                f"{of(name, block, 'seconds'):.1f}",
                f"{files / of(name, block, 'seconds'):,.0f}",
                f"{of(name, block, 'client_cpu') * 1e6 / files:.0f}",
                f"{of(name, block, 'server_cpu') * 1e6 / files:.0f}",
                f"{of(name, block, 'wal') / files:.1f}",
                f"{of(name, block, 'peak_mb'):.0f}",
            ]
            for block in BLOCKS
            for name in (OURS, DLT, DLT_COPY, SINGER)
        ],
    )
    rows = []
    for block, target in zip(BLOCKS, (3.0, 4.5), strict=True):
        rivals = zip(costs[OURS, block], costs[DLT, block], costs[DLT_COPY, block], strict=True)
        times = middle(min(one.seconds, other.seconds) / ours.seconds for ours, one, other in rivals)
        rows.append([f"{block}: times faster than dlt's faster variant", f"at least {target}", f"{times:.1f}",
                     verdict(times, target, least=True)])  # fmt: skip
    share = min(of(name, "unchanged", "wal") for name in (DLT, DLT_COPY)) / of(OURS, "unchanged", "wal")
    rows.append(["unchanged: WAL of dlt against ours", "over 80", f"{share:.0f}", verdict(share, 80, least=True)])
    table(["figure", "target", "measured", "kept"], rows)
    say(machine())


if __name__ == "__main__":
    main()
