"""The same listing into the same PostgreSQL by what people would use instead: dlt, a Singer tap with target-postgres.

    python benchmarks/peers.py [FILES [ROUNDS]]

Each peer lives in an environment of its own, made from peers/*.txt at the first run (BENCHMARK_PEERS, by default
.benchmark-peers in the checkout). A round plays ours and each peer one after the other: a first load, and as many pulls
of what has not changed as UNCHANGED says. One file is renamed before each of these: a load that did nothing would show.
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

from listing import Listing
from peers_report import DLT_COPY, OURS, SINGER, TOOLS, Played, show
from processes import run
from rig import Cost, Server, expect, servers, sync
from tables import machine, note, say

from syncer.simulator import SECRET_ID, SECRET_KEY

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = Path(os.environ.get("BENCHMARK_PEERS", HERE.parent / ".benchmark-peers"))
UNCHANGED = 5


def main() -> None:
    """Measure, and print the tables."""
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3  # noqa: PLR2004 - the second argument
    for name in ("dlt", "singer"):
        python(name)
    played: dict[str, list[Played]] = defaultdict(list)
    with servers() as each, Listing(files) as listing:
        server = next(each)
        for number in range(rounds):
            for name in TOOLS:
                note(f"round {number + 1} of {rounds}: {name}")
                played[name].append(play(name, server, listing))
    show(server, files, played, UNCHANGED)
    say(f"{versions()}; {machine()}")


def play(name: str, server: Server, listing: Listing) -> Played:
    """Let a tool load the listing into a database of its own, and pull it again."""
    played = Played()
    with server.database("peer", migrated=name == OURS) as database, scratch_directory() as work:
        for number, block in enumerate(["first load", *["unchanged"] * UNCHANGED]):
            if number:
                listing.change(1 / listing.files)
            before = listing.calls()
            cost = load(name, server, database, listing, work)
            played.calls[block] = listing.calls() - before
            played.costs[block].append(cost)
            if name == OURS:
                some = {"updated": 1, "inserted": 0} if number else {"inserted": listing.files}
                expect(cost.document, outcome="complete", verdict="proven", files=listing.files, gone=0, **some)
            held = table_of(server, database)
            check(server, database, held, listing)
            bytes_held = server.ask(database, "SELECT pg_total_relation_size(%s::regclass)", held)
            if not number:
                first = bytes_held
        server.ask(database, "SELECT 1 FROM pg_stat_force_next_flush()")
        dead = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = %s::regclass"
        played.dead, played.growth = server.ask(database, dead, held), bytes_held / first
    return played


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
            meter.usage = run(["/bin/bash", "-o", "pipefail", "-c", pipe], environ)
        else:
            options = ["csv"] if name == DLT_COPY else []
            meter.usage = run([python("dlt"), HERE / "peers/dlt_load.py", *options], environ)
    return meter.cost


def table_of(server: Server, database: str) -> str:
    """Return the name of the table that the tool keeps the listing in."""
    found = """
        SELECT format('%I.%I', nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE relkind = 'r' AND relname = 'file' AND nspname NOT LIKE '%staging%'
    """
    with server.connect(database) as connection:
        ((name,),) = connection.execute(found).fetchall()
    return str(name)


def check(server: Server, database: str, name: str, listing: Listing) -> None:
    """End the run unless the tool's table holds every file, once, and the one that was renamed last by its new name."""
    query = f"SELECT count(*), count(*) FILTER (WHERE name LIKE 'renamed-{listing.changes}-%') FROM {name}"
    with server.connect(database) as connection:
        held = connection.execute(query.encode()).fetchall()
    if held != [(listing.files, min(listing.changes, 1))]:
        raise SystemExit(
            f"the table holds {held} and not {listing.files} files with the latest name of the last renamed"
        )


def python(name: str) -> Path:
    """Return the interpreter of a peer's environment, made if it is not there."""
    home = ENVIRONMENTS / name
    if not (home / "ready").exists():
        note(f"making the environment of {name} ...")
        shutil.rmtree(home, ignore_errors=True)
        venv.create(home, with_pip=True)
        pip = ["-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--require-hashes"]
        subprocess.run([home / "bin/python", *pip, "-r", HERE / f"peers/{name}.txt"], check=True)
        (home / "ready").touch()
    return home / "bin/python"


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """Make a directory for a peer's own state for the block."""
    with tempfile.TemporaryDirectory(prefix="syncer-peer-") as name:
        yield Path(name)


def versions() -> str:
    """Return what the peers' environments hold."""
    wanted = {"dlt": ("dlt",), "singer": ("singer-sdk", "meltanolabs-target-postgres")}
    look = "import sys; from importlib.metadata import version; print(*(f'{n} {version(n)}' for n in sys.argv[1:]))"
    told = [
        subprocess.run([python(home), "-c", look, *names], check=True, capture_output=True, text=True).stdout.strip()
        for home, names in wanted.items()
    ]
    return " ".join(told)


if __name__ == "__main__":
    main()
