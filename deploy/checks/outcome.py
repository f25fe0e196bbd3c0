"""What every check shares: how it fails, how it says that it could not look, and how it runs a program."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

DEPLOY = Path(__file__).resolve().parents[1]
ROOT = DEPLOY.parent


class Failed(Exception):
    """The check looked, and what it saw is wrong."""


class Skipped(Exception):
    """The check could not look; the text says why."""


def run(
    *command: object,
    check: bool = True,
    cwd: Path = ROOT,
    env: dict[str, str] | None = None,
    seconds: float = 1800,
    stdin: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, its two outputs as one text; raises Failed with that text when it fails."""
    words = [os.fspath(word) if isinstance(word, Path) else str(word) for word in command]
    given = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    done = subprocess.run(
        words, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds,
        check=False, errors="replace", **given,
    )  # type: ignore[call-overload]  # fmt: skip
    if check and done.returncode:
        raise Failed(f"{' '.join(words[:6])} ... ended with {done.returncode}:\n{done.stdout[-4000:]}")
    return done


def expect(holds: object, text: str) -> None:
    """Raise Failed with `text` unless `holds`."""
    if not holds:
        raise Failed(text)
