"""`python -m campaign.kills --rounds N --seed S`: the kill campaign on the installed command, figures as Markdown.

A round lets one or two commands run at once and lets one blow fall on them, on their database or on their network;
then every guarantee is checked. The world, the behaviour of the API and the database are new every forty rounds, after
it was seen that nothing was lost. What a world draws follows from the seed and its number: `--worlds 7` plays the
seventh again. The figures are printed when the campaign is interrupted too; the exit status is 1 when something broke.
"""

from __future__ import annotations

import argparse
import multiprocessing
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import Empty
from types import FrameType
from typing import TYPE_CHECKING

from campaign.commands import COMMANDS
from campaign.databases import Database, new_database
from campaign.disasters import BLOWS
from campaign.invariants import Broken
from campaign.own_server import OwnServer
from campaign.server import Server
from campaign.stage import Part, Stage
from campaign.tally import Tally

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

ROUNDS_PER_WORLD = 40
_SYNCER = Path(sys.executable).with_name("syncer")


def parts(rounds: int, seed: int) -> list[Part]:
    """Return the worlds that so many rounds take, from the first one on."""
    whole, rest = divmod(rounds, ROUNDS_PER_WORLD)
    shares = [ROUNDS_PER_WORLD] * whole + [rest] * (rest > 0)
    return [Part(seed, number, share) for number, share in enumerate(shares, 1)]


def lane(worlds: list[Part], syncer: Path, news: Queue[Tally]) -> None:
    """Play worlds in turn on a server of its own; tell the figures of each round, and what broke, which is the end."""
    # A shell's background job ignores SIGINT, and so would the commands: one that is asked early would never end.
    for order in (signal.SIGTERM, signal.SIGINT):
        signal.signal(order, _leave)
    with Server() as server:
        for part in worlds:
            with _surroundings(server, part) as (home, database):
                stage = Stage(home, database, part, syncer)
                try:
                    for tally in stage.play():
                        news.put(tally)
                except Exception as error:  # noqa: BLE001 - whatever a world dies of, it is told with its name
                    if not isinstance(error, Broken):
                        traceback.print_exc()
                    told = f"{part}, round {stage.round_number}: {type(error).__name__}: {error}"
                    print(f"\n{told}\n{stage.evidence()}\nagain: {part.again}", file=sys.stderr, flush=True)
                    news.put(Tally(broken=[told]))
                    return


@contextmanager
def _surroundings(server: Server, part: Part) -> Iterator[tuple[Server | OwnServer, Database]]:
    """Yield where a world's commands keep what they know: on the lane's server, or on one of their own."""
    if part.own:
        with OwnServer() as own:
            yield own, own.database
    else:
        with new_database(server.url, tablespace="small" if server.can_fill_up else None) as database:
            yield server, database


def _leave(order: int, _frame: FrameType | None) -> None:
    """Leave in order, with nothing left behind; whoever asks again waits."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(128 + order)


class Campaign:
    """Lanes side by side, each with every so many-th world; `tally` is what they have told."""

    def __init__(self, worlds: list[Part], *, lanes: int = 1, syncer: Path = _SYNCER) -> None:
        self.tally = Tally()
        context = multiprocessing.get_context("spawn")
        self._news: Queue[Tally] = context.Queue()
        shares = [worlds[number::lanes] for number in range(lanes)]
        self._lanes: list[BaseProcess] = [
            context.Process(target=lane, args=(share, syncer, self._news)) for share in shares if share
        ]

    def play(self) -> Tally:
        """Play to the end, or to the first guarantee that breaks. An interrupt leaves nothing running."""
        try:
            for each in self._lanes:
                each.start()
            while not self.tally.broken and any(each.is_alive() for each in self._lanes):
                self._hear(seconds=0.5)
        finally:
            for each in self._lanes:
                if each.is_alive():
                    each.terminate()
            while any(each.is_alive() for each in self._lanes):
                self._hear(seconds=0.5)
            self._hear()
        if not self.tally.broken and any(each.exitcode for each in self._lanes):
            self.tally.broken.append(f"lanes ended with {[each.exitcode for each in self._lanes]}")
        return self.tally

    def _hear(self, seconds: float = 0.1) -> None:
        try:
            while True:
                self.tally.add(self._news.get(timeout=seconds))
        except Empty:
            return


def _worlds(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def main() -> int:
    """Play the campaign and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worlds", type=_worlds, metavar="N[-M]", help="these worlds of the seed, instead of --rounds")
    parser.add_argument("--lanes", type=int, default=2, help="servers and worlds side by side")
    parser.add_argument("--blow", default="", help=f"a part of the name of the only blows: {', '.join(BLOWS)}")
    known = ", ".join(str(each) for each in COMMANDS)
    parser.add_argument("--command", default="", help=f"a part of the only commands: {known}")
    parser.add_argument("--syncer", type=Path, default=_SYNCER)
    chosen = parser.parse_args()
    worlds = parts(chosen.rounds, chosen.seed)
    what = str(chosen.seed)
    if chosen.worlds:
        worlds = [Part(chosen.seed, number, ROUNDS_PER_WORLD) for number in chosen.worlds]
        what += f", worlds {chosen.worlds.start} to {chosen.worlds.stop - 1}"
    worlds = [replace(each, blow=chosen.blow, command=chosen.command) for each in worlds]
    for order in (signal.SIGTERM, signal.SIGINT):
        signal.signal(order, signal.default_int_handler)
    began = time.monotonic()
    campaign = Campaign(worlds, lanes=chosen.lanes, syncer=chosen.syncer)
    interrupted = False
    try:
        campaign.play()
    except KeyboardInterrupt:
        interrupted = True
        print("interrupted: these are the figures so far", file=sys.stderr)
    tally = campaign.tally
    print(tally.table(what, lanes=chosen.lanes, minutes=(time.monotonic() - began) / 60))
    for told in tally.broken:
        print(f"broken: {told}", file=sys.stderr)
    return 1 if tally.broken else 130 if interrupted else 0


if __name__ == "__main__":
    sys.exit(main())
