"""What every check shares: how it is named, fails, says that it could not look, and runs a program."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

DEPLOY = Path(__file__).resolve().parents[1]
ROOT = DEPLOY.parent
SYNCER = ROOT / ".venv" / "bin" / "syncer"


class Failed(Exception):
    """The check looked, and what it saw is wrong."""


class Skipped(Exception):
    """The check could not look; the text says why."""


@dataclass(frozen=True, slots=True)
class Check:
    """A check: what it is called, what it claims, and whether it takes seconds only."""

    name: str
    claim: str
    quick: bool
    look: Callable[[], None]


CHECKS: list[Check] = []


def check(name: str, claim: str, *, quick: bool = True) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register the function under it as a check; it raises Failed or Skipped, or returns."""

    def register(look: Callable[[], None]) -> Callable[[], None]:
        CHECKS.append(Check(name, claim, quick, look))
        return look

    return register


def beyond(name: str, claim: str, reason: str) -> None:
    """Register what no check here can look at, so that it is said each time."""

    def look() -> None:
        raise Skipped(reason)

    CHECKS.append(Check(name, claim, quick=False, look=look))


def tool(name: str, package: str) -> str:
    """Return a program's path; raises Skipped with what to install."""
    found = shutil.which(name)
    if found is None:
        raise Skipped(f"{name} is not installed ({package})")
    return found


def run(
    *command: object,
    check: bool = True,
    cwd: Path = ROOT,
    env: dict[str, str] | None = None,
    seconds: float = 1800,
    stdin: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, its two outputs as one text; raises Failed with that text when it fails."""
    words = [os.fspath(word) if isinstance(word, Path) else str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env=env,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{' '.join(words[:6])} ... took longer than {seconds:g} s") from error
    if check and done.returncode:
        raise Failed(f"{' '.join(words[:6])} ... ended with {done.returncode}:\n{done.stdout[-4000:]}")
    return done


def expect(holds: object, text: str) -> None:
    """Raise Failed with `text` unless `holds`."""
    if not holds:
        raise Failed(text)
