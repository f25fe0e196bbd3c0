"""Commands run as processes of their own and measured: seconds, CPU, peak memory; nothing of them is left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Usage:
    """A process that has ended well: its CPU seconds (its children's too), peak memory in MB, standard output."""

    seconds: float
    cpu: float
    peak_mb: float
    output: str


@contextmanager
def started(
    command: Sequence[str | Path], environ: Mapping[str, str], out: int | IO[bytes], err: IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command for the block, at whose end nothing of it is left, however it ends."""
    process = subprocess.Popen(
        command, env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def run(command: Sequence[str | Path], environ: Mapping[str, str]) -> Usage:
    """Run a command to its end, which must be a good one."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.monotonic()
        with started(command, environ, out, err) as process:
            peak = 0
            while True:
                ended, status, usage = os.wait4(process.pid, os.WNOHANG)
                if ended:
                    process.returncode = os.waitstatus_to_exitcode(status)
                    break
                peak = max(peak, peak_kb(process.pid))
                time.sleep(0.01)
            seconds = time.monotonic() - began
        out.seek(0)
        err.seek(0)
        if process.returncode != 0:
            raise SystemExit(f"{command}: exit {process.returncode}\n{err.read().decode()}")
        return Usage(seconds, usage.ru_utime + usage.ru_stime, peak * 1024 / 1e6, out.read().decode())


def peak_kb(pid: int) -> int:
    """Return the most memory that the process, or the largest of its descendants, ever held.

    `wait4` says the same with its parent's counted in.
    """
    try:
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
        below = max(map(peak_kb, children(pid)), default=0)
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return max(int(found[1]) if found else 0, below)


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and that live."""
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def stat(pid: int) -> list[int]:
    """Return the numbers of /proc/PID/stat, from the third field on at index 0 (the state, as 0)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return [0, *map(int, fields[1:])]
