"""Runs the checks one after the other; sums up what passed, what failed, and what could not be looked at and why."""

from __future__ import annotations

import sys
import time
from importlib import import_module

from checks.outcome import CHECKS, Check, Failed, Skipped

_ROOMS = ("units", "containers", "kubernetes", "prometheus", "grafana", "image", "installed", "alerts")


def main(arguments: list[str]) -> int:
    """Run what was asked for; return the exit code."""
    for room in _ROOMS:
        import_module(f"checks.{room}")
    if "--list" in arguments:
        for each in CHECKS:
            print(f"{each.name:24} {'quick' if each.quick else '':6} {each.claim}")
        return 0
    names = tuple(word for word in arguments if not word.startswith("-"))
    wanted = [each for each in CHECKS if each.name.startswith(names)] if names else CHECKS
    if "--quick" in arguments:
        wanted = [each for each in wanted if each.quick]
    if not wanted:
        print(f"no check is called {', '.join(names)}; see deploy/check --list", file=sys.stderr)
        return 2
    ended = [_run(each) for each in wanted]
    print(f"\n{ended.count('passed')} passed, {ended.count('failed')} failed, {ended.count('not checked')} not checked")
    return 1 if "failed" in ended else 0


def _run(each: Check) -> str:
    began = time.monotonic()
    try:
        each.look()
    except Skipped as reason:
        word, text = "not checked", str(reason)
    except Failed as failure:
        word, text = "failed", str(failure)
    except Exception as error:  # noqa: BLE001 - a check that breaks has not passed, and the others go on
        word, text = "failed", f"the check itself broke: {type(error).__name__}: {error}"
    else:
        word, text = "passed", ""
    print(f"{word:12} {each.name:24} {each.claim} ({time.monotonic() - began:.1f} s)")
    for line in text.splitlines():
        print(f"{'':12} {line}")
    sys.stdout.flush()
    return word


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
