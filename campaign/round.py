"""One round of the kill campaign: its commands as processes, what is done to them, and how each must end."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from campaign.commands import ALERT, EXPORT, FILE_IDS, NEW, Command
from campaign.copies import must_be_whole
from campaign.invariants import Broken
from syncer.simulator import SECRET_KEY

if TYPE_CHECKING:
    from campaign.stage import Stage

HANGS_AFTER = 90.0
"""Seconds within which every command comes to its end."""

_EXIT_CODES = frozenset({0, 3, 4, 5, 6, 7, 75, 130, 143, -signal.SIGKILL, -signal.SIGTERM})
_JSON_CODES = frozenset({0, 3, 4, 5, 6, 75})
_LINES = 6000
# So many seconds live commands that make no calls to the API.
_QUICK = 0.9


@dataclass
class Running:
    """A command as a process; what it says goes to two files, so that it never waits for a reader."""

    command: Command
    process: subprocess.Popen[bytes]
    out: Path
    err: Path
    written: Path | None = None

    @property
    def said(self) -> str:
        """What it wrote on standard error so far."""
        return self.err.read_text(encoding="utf-8", errors="replace")

    def end(self) -> int:
        """Wait for its end and return its status. Raises Broken for one that hangs."""
        try:
            return self.process.wait(timeout=HANGS_AFTER)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # Python then tells where each thread stands
            self.process.wait()
            where = f"{self.command} hung for {HANGS_AFTER:.0f} s: {self.said[-_LINES:]}"
            raise Broken("a_command_comes_to_its_end", where) from None

    def judge(self) -> None:
        """Raise Broken unless it ended as documented: a status, a sentence, one JSON document, and no secret."""
        status, said = self.process.returncode, self.said
        told = self.out.read_text(encoding="utf-8", errors="replace")
        # An interrupt that comes before the first line of ours is told by Python itself.
        early = "/syncer/" not in said and (
            status in {-signal.SIGINT, 130} or said.rstrip().endswith("KeyboardInterrupt")
        )
        if (status not in _EXIT_CODES | self.command.statuses or "Traceback" in said) and not early:
            raise Broken("a_failure_is_told_in_a_sentence", f"{self.command} ended {status}: {said[-_LINES:]}")
        secrets = ("Signature=",) if self.command.tells_key else (SECRET_KEY, "Signature=")
        if any(secret in text for text in (said, told) for secret in secrets):
            raise Broken("no_secret_is_told", f"{self.command} told a secret: {said[-_LINES:]}")
        if "--json" in self.command.words and status in _JSON_CODES | self.command.statuses:
            try:
                json.loads(told)
            except ValueError:
                what = f"{self.command} ended {status} and printed no JSON document: {told[-200:]!r} {said[-_LINES:]}"
                raise Broken("a_failure_is_told_in_a_sentence", what) from None
        if self.written is not None:
            must_be_whole(self.written, done=status == 0)


class Round:
    """The commands that run at once, and the dice that say what befalls them when."""

    def __init__(self, stage: Stage, dice: Random) -> None:
        self.stage, self.dice = stage, dice
        self.running: list[Running] = []
        self.url = None if stage.own else stage.database.url
        self.pooled = False

    @property
    def processes(self) -> list[subprocess.Popen[bytes]]:
        """The commands' processes."""
        return [each.process for each in self.running]

    def start(self, command: Command) -> None:
        """Start a command."""
        number = len(self.running)
        home = self.stage.server.home
        out, err = (home / f"{name}-{number}" for name in ("out", "err"))
        words = [part for word in command.words for part in self._chosen(word, number)]
        url = self.stage.copy.database.url if EXPORT in command.words and self.stage.copy else self.url
        with out.open("wb") as out_file, err.open("wb") as err_file:
            process = subprocess.Popen(
                [self.stage.syncer, *words],
                env=self.stage.environ | ({} if url is None else {"SYNCER_DATABASE_URL": url}),
                stdin=subprocess.DEVNULL,
                stdout=out_file,
                stderr=err_file,
            )
        written = home / words[-1] if command.words[-1].startswith(NEW) else None
        self.running.append(Running(command, process, out, err, written))

    def wait_a_moment(self, longest: float = 2.5) -> None:
        """Wait for some instant of the commands' lives: a span of time, or a call to the API."""
        if not any(each.command.calls for each in self.running):
            longest = min(longest, _QUICK)
        if self.dice.random() < 0.5:
            time.sleep(self.dice.uniform(0.0, longest))
            return
        simulator, wanted = self.stage.simulator, self.dice.randint(1, 14)
        first, ends = simulator.call_count, time.monotonic() + longest
        while simulator.call_count < first + wanted and time.monotonic() < ends:
            if all(process.poll() is not None for process in self.processes):
                return
            time.sleep(0.001)

    def kill_some(self, order: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to one or all of the commands."""
        chosen = self.processes if self.dice.random() < 0.5 else [self.dice.choice(self.processes)]
        for process in chosen:
            with suppress(ProcessLookupError):
                process.send_signal(order)

    def end(self) -> None:
        """Let every command come to its end; Broken for one that hangs, or fails without a sentence."""
        for each in self.running:
            with suppress(ProcessLookupError):
                each.process.send_signal(signal.SIGCONT)
            if each.command.lasts and each.process.poll() is None:
                each.process.send_signal(self.dice.choice([signal.SIGTERM, signal.SIGINT, signal.SIGKILL]))
        for each in self.running:
            self.stage.tally.exits[each.end()] += 1
            each.judge()

    def destroy(self) -> None:
        """Kill what is left, whatever happened."""
        for process in self.processes:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()

    def _chosen(self, word: str, number: int) -> list[str]:
        """Return what a word of a command stands for."""
        if word == FILE_IDS:
            ids = self.stage.account.ids()
            first, *more = self.dice.sample(ids, min(3, len(ids))) or ["1"]
            return [first, *(part for each in more for part in ("--file-id", each))]
        if word == ALERT:
            return [str(self.dice.choice(self.stage.alerts or [1]))]
        if word == EXPORT and self.stage.copy is not None:
            return [str(self.stage.copy.file)]
        if word.startswith(NEW):
            return [str(self.stage.server.home / f"new-{number}{word.removeprefix(NEW)}")]
        return [word]
