"""Markdown tables with what they were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median


def machine() -> str:
    """Return one line that says on what the figures were measured."""
    cpu = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines()
         if line.startswith("model name")), platform.machine(),
    )  # fmt: skip
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores ({cpu}), {memory:.0f} GB, Linux {platform.release()}, "
        f"Python {platform.python_version()}, syncer {version('syncer')}, SQLAlchemy {version('sqlalchemy')}, "
        f"psycopg {version('psycopg')}, data on {file_system()}; "
        f"load of the machine when the run ended: {load:.1f}"
    )


def file_system() -> str:
    """Return the type of the file system on which the servers keep their data."""
    stat = ["/usr/bin/stat", "--file-system", "--format", "%T", tempfile.gettempdir()]
    return subprocess.run(stat, check=True, capture_output=True, text=True).stdout.strip()


def say(text: str = "") -> None:
    """Print a line of the report at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Tell on standard error how far the run has come."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table; every column but the first is of figures."""
    say("| " + " | ".join(head) + " |")
    say("|---|" + "---:|" * (len(head) - 1))
    for row in rows:
        say("| " + " | ".join(row) + " |")
    say()


def middle(values: Iterable[float]) -> float:
    """Return the median."""
    return float(median(values))


def verdict(value: float, target: float, *, least: bool = False) -> str:
    """Return whether `value` keeps to `target`: at most it, or at least it."""
    return "yes" if (value >= target if least else value <= target) else "**no**"
