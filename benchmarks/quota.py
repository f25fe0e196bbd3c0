"""How much of the quota a long pull uses, and whether it ever oversteps it: calls made against calls allowed.

    python benchmarks/quota.py [SECONDS]

The simulator counts: it notes each call's instant, and answers 4400 to one too many in any 60 seconds. Allowed is what
100 a minute make from the first call to the end, whatever the pulls did meanwhile; a pull that dies ends the run.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from listing import Listing
from processes import BIN, started
from rig import Server, servers, settings
from tables import machine, note, say, table, verdict

CASES = ((1, 0.0), (1, 0.1), (1, 0.4), (2, 0.1))
"""Processes of one account, and the seconds that the API takes for an answer."""
PER_MINUTE = 100
WINDOW = 60.0
FIRST_CALL_WITHIN = 120.0
OVER_QUOTA = 4400
STOPPED = 128 + signal.SIGTERM
Running = tuple[subprocess.Popen[bytes], IO[bytes]]


def main() -> None:
    """Let pulls run for a while in each case, and print the table."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 150.0
    rows = []
    with servers() as each:
        server = next(each)
        for processes, latency in CASES:
            note(f"{processes} processes, {latency:g} s an answer: {seconds:.0f} s")
            times, ended, refused = calls(server, processes, latency, seconds)
            # The first call takes a slot, and each further one opens as its share of a minute has passed.
            allowed = 1 + int((ended - times[0]) * PER_MINUTE / 60)
            made = sum(each <= ended for each in times)
            most = max(sum(begin <= other < begin + WINDOW for other in times) for begin in times)
            rows.append(
                [f"{processes}", f"{latency * 1000:.0f}", f"{made:,}", f"{allowed:,}", f"{made / allowed:.1%}",
                 f"{most}", f"{refused}",
                 verdict(made / allowed, 0.98, least=True) if most <= PER_MINUTE and not refused else "**no**"]
            )  # fmt: skip
    say(f"## Quota: {PER_MINUTE} calls a minute, {seconds:.0f} s a case, PostgreSQL {server.version}\n")
    head = ["processes", "ms an answer", "calls", "allowed", "share", f"most in any {WINDOW:.0f} s", "refused", "kept"]
    table(head, rows)
    say(machine())


def calls(server: Server, processes: int, latency: float, seconds: float) -> tuple[list[float], float, int]:
    """Let so many processes pull a listing each; return when they called, the end, and how many calls were refused."""
    with ExitStack() as stack:
        listing = stack.enter_context(
            Listing(1_000_000, "--latency", str(latency), "--calls-per-minute", str(PER_MINUTE))
        )
        database = stack.enter_context(server.database("ours"))
        environ = settings(listing, server.url(database)) | {"SYNCER_CALLS_PER_MINUTE": str(PER_MINUTE)}
        configuration = "\n".join(f'[[sources]]\nname = "s{number}"' for number in range(processes))
        place = stack.enter_context(server.scratch("syncer.toml", configuration))
        running: list[Running] = []
        for number in range(processes):
            command: list[str | Path] = [BIN / "syncer", "sync", "--source", f"s{number}", "--config", place]
            told = stack.enter_context(tempfile.TemporaryFile())
            process = stack.enter_context(started(command, environ, subprocess.DEVNULL, told))
            running.append((process, told))
        deadline = time.monotonic() + FIRST_CALL_WITHIN
        while not listing.calls():
            if time.monotonic() > deadline:
                fail(f"no call within {FIRST_CALL_WITHIN:.0f} s", running)
            alive(running)
            time.sleep(0.2)
        time.sleep(seconds)
        alive(running)
        ended = time.time()  # noqa: TID251 - by the clock that the simulator notes calls by
        for process, _ in running:
            process.terminate()
        for process, _ in running:
            if process.wait(60) != STOPPED:
                fail(f"a pull ended with {process.returncode} at SIGTERM, not with {STOPPED}", running)
        log = listing.log()
    return sorted(call["time"] for call in log), ended, sum(call["code"] == OVER_QUOTA for call in log)


def alive(running: list[Running]) -> None:
    """End the run if a pull has ended by itself: a million files take longer than that."""
    for process, _ in running:
        if process.poll() is not None:
            fail(f"a pull ended by itself with {process.returncode}", running)


def fail(sentence: str, running: list[Running]) -> None:
    """End the run with what went wrong and what the pulls told on standard error."""
    texts = []
    for _, told in running:
        told.seek(0)
        texts.append(told.read().decode())
    raise SystemExit("\n".join([sentence, *texts]))


if __name__ == "__main__":
    main()
