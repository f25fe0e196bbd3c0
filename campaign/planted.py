"""`python -m campaign.planted`: faults planted into a copy of the tree, each of which the campaign must catch.

A campaign that finds nothing proves little unless it is seen to find what is there. Each fault is a mistake that
somebody could make; the copy is thrown away.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from campaign.processes import kill_with_children, servers

_ROOT = Path(__file__).resolve().parent.parent
_SYNCER = Path(sys.executable).with_name("syncer")
_SECONDS = 900.0
_ENDS_WITHIN = 60.0


@dataclass(frozen=True)
class Fault:
    """A mistake: in `file`, `old` is replaced by `new`. `seed` draws histories that show it within minutes.

    With a `command` rounds of kills with that one alone are played, in some `worlds`, instead of the model's steps.
    """

    name: str
    file: str
    old: str
    new: str
    seed: int = 1
    command: str = ""
    worlds: str = "1-9"


FAULTS = (
    Fault(
        "checkpoint before rows",
        "syncer/store/pages.py",
        "    stored = patiently(\n        row,\n        connection,\n        _commit_page(",
        "    connection.exec_driver_sql(\n"
        '        "UPDATE syncer.pull SET page = %(page)s, context = %(context)s::text WHERE pull_id = %(pull)s",\n'
        '        {"page": at.page, "context": at.context, "pull": at.pull_id},\n    )\n'
        "    stored = patiently(\n        row,\n        connection,\n        _commit_page(",
    ),
    Fault(
        "sweep without proof",
        "syncer/pull/attempt.py",
        "        if settled and self.plan.kind is PullKind.FULL:\n            doubts = _doubts(self._totals())\n",
        "        if self.plan.kind is PullKind.FULL:\n            doubts = []\n",
    ),
    Fault(
        "mark before send",
        "syncer/alerts/dispatch.py",
        "        self.busy[address] = message,",
        "        outbox.mark_sent(self._connection, message.source, message.message_id)\n"
        "        self.busy[address] = message,",
    ),
    Fault(
        "epoch unchecked",
        "syncer/store/pages.py",
        'SET {RENEWED} WHERE source = %(source)s AND epoch = %(epoch)s"',
        'SET {RENEWED} WHERE source = %(source)s AND %(epoch)s::bigint IS NOT NULL"',
    ),
    Fault(
        "empty page as the end",
        "syncer/pull/machine.py",
        "    if page.context is None:\n        return _proven(after,",
        "    if page.context is None or page.entries == 0:\n        return _proven(after,",
        seed=20,
    ),
    Fault(
        "absence believed without asking",
        "syncer/pull/sweep.py",
        "    answered = {file.file_id for file in answer.files}\n",
        "    answered = set()\n",
    ),
    Fault(
        "70008 taken for proof",
        "syncer/pull/machine.py",
        "    ambiguous = end.ambiguous or state.asked_before > 0\n",
        "    ambiguous = False\n",
    ),
    Fault(
        "resumed from the beginning",
        "syncer/store/pulls.py",
        "            found.farthest,\n            found.context,",
        "            found.farthest,\n            None,",
    ),
    Fault(
        "a change without its history",
        "syncer/store/upsert.py",
        "  WHERE v.old_value IS DISTINCT FROM v.new_value\n",
        "  WHERE v.field <> 'name' AND v.old_value IS DISTINCT FROM v.new_value\n",
    ),
    Fault(
        "recent stops at the first page stored",
        "syncer/pull/attempt.py",
        "machine.on_recent_page(after, page, known=fate.known, boundary=self._boundary())",
        "machine.on_recent_page(after, page, known=len(page.files) - fate.inserted, "
        "boundary=self._boundary() and self._boundary() + timedelta(days=9999))",
    ),
    Fault(
        "newcomers to a tier are not told",
        "syncer/alerts/transitions.py",
        "    if not news.files:\n        return False\n",
        "    return False\n",
    ),
    Fault(
        "history stamped by a clock that went back",
        "syncer/store/upsert.py",
        """NEXT_CHANGE = "greatest(syncer.instant(), {last} + interval '1 microsecond')\"""",
        """NEXT_CHANGE = "coalesce(syncer.instant(), {last})\"""",
    ),
    Fault(
        "an import table by table",
        "syncer/store/transfer.py",
        '                counts[line["table"]] += cursor.rowcount\n',
        '                counts[line["table"]] += cursor.rowcount\n'
        '            rows(connection, "COMMIT")\n            rows(connection, "BEGIN")\n',
        command="import",
    ),
    Fault(
        "a killed server's remains believed",
        "syncer/postgres/server.py",
        "        process.drop_stale_locks(data, self._sockets)\n",
        "",
        command="files",
        worlds="3",
    ),
    Fault(
        "the last user leaves the server running",
        "syncer/postgres/server.py",
        "                return try_lock(users, shared=False) and self._shut_down()\n",
        "                return False\n",
        command="files",
        worlds="3",
    ),
)


@dataclass(frozen=True)
class Verdict:
    """What became of a planted fault: the guarantee that caught it (None: none did), after so many seconds."""

    fault: str
    guarantee: str | None
    seconds: float
    output: str


def caught(fault: Fault, *, steps: int, seed: int, seconds: float = _SECONDS, home: str = "/var/tmp") -> Verdict:
    """Plant one fault into a copy below `home` and play the campaign there, for so many seconds at most.

    Nothing is left running. Raises ValueError when the code is not as it was.
    """
    with tempfile.TemporaryDirectory(prefix="planted-", dir=home, ignore_cleanup_errors=True) as directory:
        copy = Path(directory)
        copy.chmod(0o755)
        for name in ("syncer", "migrations", "campaign"):
            shutil.copytree(_ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        plant(fault, copy)
        command = _kills(fault, copy, seed) if fault.command else _steps(copy, steps, seed)
        began = time.monotonic()
        with (copy / "said").open("w+", encoding="utf-8") as said:
            _play(command, copy, said, seconds)
            said.seek(0)
            output = said.read()
        seconds = time.monotonic() - began
    found = re.search(r"\bBroken: (\w+):", output)
    return Verdict(fault.name, found[1] if found else None, seconds, output)


def _steps(copy: Path, steps: int, seed: int) -> list[str]:
    return ["campaign.steps", "--steps", str(steps), "--seed", str(seed), "--no-shrink", "--directory", str(copy)]


def _kills(fault: Fault, copy: Path, seed: int) -> list[str]:
    """Play rounds with one command alone, as it is in the copy."""
    syncer = copy / "installed"
    syncer.write_text(
        f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(copy))} exec {shlex.quote(str(_SYNCER))} "$@"\n', encoding="utf-8"
    )
    syncer.chmod(0o755)
    worlds = ["campaign.kills", "--worlds", fault.worlds, "--seed", str(seed), "--lanes", "1"]
    return [*worlds, "--command", fault.command, "--syncer", str(syncer)]


def _play(command: list[str], copy: Path, said: IO[str], seconds: float) -> None:
    """Run a module of the copy to its end; when its time is up, or ours, it is asked to end in order."""
    environ = os.environ | {"PYTHONPATH": str(copy)}
    played = subprocess.Popen([sys.executable, "-m", *command], cwd=copy, env=environ, stdout=said, stderr=said)
    try:
        with suppress(subprocess.TimeoutExpired):
            played.wait(timeout=seconds)
    finally:
        played.terminate()
        try:
            played.wait(timeout=_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            played.kill()
            played.wait()
        for pid in servers(copy):
            kill_with_children(pid)


def plant(fault: Fault, tree: Path) -> None:
    """Replace the text in the tree. Raises ValueError when it is not there exactly once."""
    file = tree / fault.file
    text = file.read_text(encoding="utf-8")
    if text.count(fault.old) != 1:
        raise ValueError(f"{fault.name}: {fault.file} does not hold the text to be replaced once: {fault.old!r}")
    file.write_text(text.replace(fault.old, fault.new), encoding="utf-8")


def main() -> int:
    """Plant every fault in turn; the exit status is the number of those that were not caught."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=4000, help="steps to play for each fault at most")
    parser.add_argument("--seed", type=int, help="instead of each fault's own")
    parser.add_argument("--only", help="a part of the name of the faults to plant")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    print("| planted fault | caught by | seconds |\n|---|---|---|", flush=True)
    missed = 0
    for fault in FAULTS:
        if chosen.only and chosen.only not in fault.name:
            continue
        verdict = caught(fault, steps=chosen.steps, seed=chosen.seed or fault.seed)
        missed += verdict.guarantee is None
        said = f"`{verdict.guarantee}`" if verdict.guarantee else "**nothing**"
        print(f"| {fault.name} | {said} | {verdict.seconds:.0f} |", flush=True)
        if verdict.guarantee is None:
            print(verdict.output[-2000:], file=sys.stderr)
    return missed


if __name__ == "__main__":
    sys.exit(main())
