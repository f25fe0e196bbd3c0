"""The units of systemd and the crontab, as far as reading them tells."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from checks.outcome import DEPLOY, Failed, check, expect, run, tool

UNITS = DEPLOY / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
# Of ten; systemd calls up to 2.0 "OK".
_WORST_SCORE = 2.0


@contextmanager
def _with_a_program() -> Iterator[Path]:
    """Yield the units in a folder where what they start exists."""
    with tempfile.TemporaryDirectory() as folder:
        for unit in UNITS.glob("*.*"):
            text = unit.read_text().replace("/opt/syncer/bin/syncer", sys.executable)
            Path(folder, unit.name).write_text(text)
        yield Path(folder)


@check("units-verify", "systemd understands every line of the units")
def _verify() -> None:
    analyze = tool("systemd-analyze", "apt-get install systemd")
    with _with_a_program() as folder:
        names = ("syncer.service", "syncer-sync@full.timer", "syncer-sync@recent.timer", "syncer-alerts.timer")
        said = run(analyze, "verify", "--man=no", *(folder / name for name in names)).stdout
        complaints = [line for line in said.splitlines() if "syncer" in line]
        expect(not complaints, "\n".join(complaints))


@check("units-security", f"each service's exposure is at most {_WORST_SCORE}")
def _security() -> None:
    analyze = tool("systemd-analyze", "apt-get install systemd")
    for service in SERVICES:
        said = run(analyze, "security", "--offline=true", f"--threshold={_WORST_SCORE * 10:.0f}", service).stdout
        found = re.search(r"exposure level for \S+: ([\d.]+)", said)
        if found is None or float(found[1]) > _WORST_SCORE:
            raise Failed(f"{service.name}: {said.splitlines()[-1:]}")


@check("units-same-sandbox", "the services have the same sandbox, user and secrets")
def _same_sandbox() -> None:
    blocks = {service.read_text().split("KillMode=mixed\n")[1].split("\n[Install]")[0] for service in SERVICES}
    expect(len(blocks) == 1, "the lines after KillMode= differ between the services")


@check("units-timers", "the timers' times are times")
def _timers() -> None:
    analyze = tool("systemd-analyze", "apt-get install systemd")
    for timer in UNITS.glob("*.timer"):
        (when,) = re.findall(r"^OnCalendar=(.+)$", timer.read_text(), re.MULTILINE)
        run(analyze, "calendar", when)


@check("units-drain", "a stop waits longer than the daemon's own drain")
def _drain() -> None:
    from syncer.daemon.service import DRAIN_SECONDS

    for service in SERVICES:
        (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)s$", service.read_text(), re.MULTILINE)
        expect(int(seconds) > DRAIN_SECONDS + 10, f"{service.name}: TimeoutStopSec={seconds}s, the drain takes 25 s")
