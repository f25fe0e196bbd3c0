"""How much of the quota a long pull uses, and whether it ever oversteps it: calls made against calls allowed.

    python benchmarks/quota.py [SECONDS]

The simulator counts: it notes each call's instant, and answers 4400 to one too many in any 60 seconds.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack

from rig import BIN, Listing, Server, servers, settings
from tables import machine, note, say, table, verdict

CASES = ((1, 0.0), (1, 0.1), (1, 0.4), (2, 0.1))
"""Processes of one account, and the seconds that the API takes for an answer."""
PER_MINUTE = 100
WINDOW = 60.0


def main() -> None:
    """Let pulls run for a while in each case, and print the table."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 150.0
    rows = []
    with servers() as each:
        server = next(each)
        for processes, latency in CASES:
            note(f"{processes} processes, {latency:g} s an answer: {seconds:.0f} s")
            times, refused = calls(server, processes, latency, seconds)
            # The first call opens the window: those after it are spread over what follows.
            share = (len(times) - 1) / (times[-1] - times[0]) / (PER_MINUTE / 60)
            most = max(sum(begin <= other < begin + WINDOW for other in times) for begin in times)
            rows.append(
                [f"{processes}", f"{latency * 1000:.0f}", f"{len(times):,}", f"{share:.1%}", f"{most}", f"{refused}",
                 verdict(share, 0.98, least=True) if most <= PER_MINUTE and not refused else "**no**"]
            )  # fmt: skip
    say(f"## Quota: {PER_MINUTE} calls a minute, {seconds:.0f} s a case\n")
    head = ["processes", "ms an answer", "calls", "of those allowed", f"most in any {WINDOW:.0f} s", "refused", "kept"]
    table(head, rows)
    say(machine())


def calls(server: Server, processes: int, latency: float, seconds: float) -> tuple[list[float], int]:
    """Let so many processes pull a listing each; return when they called, and how many calls were refused."""
    with ExitStack() as stack:
        listing = stack.enter_context(Listing(1_000_000, "--latency", str(latency), "--calls-per-minute", "100"))
        database = stack.enter_context(server.database("ours"))
        environ = settings(listing, server.url(database)) | {"SYNCER_CALLS_PER_MINUTE": str(PER_MINUTE)}
        configuration = "\n".join(f'[[sources]]\nname = "s{number}"' for number in range(processes))
        place = stack.enter_context(server.scratch("syncer.toml", configuration))
        running = [
            subprocess.Popen([BIN / "syncer", "sync", "--source", f"s{number}", "--config", place], env=environ,
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for number in range(processes)
        ]  # fmt: skip
        while not listing.calls():
            time.sleep(0.2)
        time.sleep(seconds)
        for process in running:
            process.terminate()
        for process in running:
            process.wait(60)
        log = listing.log()
    return sorted(call["time"] for call in log), sum(call["code"] == 4400 for call in log)  # noqa: PLR2004 - over quota


if __name__ == "__main__":
    main()
