"""What the rounds of one world share: the account, the API's behaviour, the database, and what must hold after each."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import psycopg

from campaign.account import Account
from campaign.databases import Database
from campaign.disasters import BLOWS
from campaign.inbox import Inbox
from campaign.invariants import Broken, Order, Step, Watch, equals_the_listing, quota_is_kept
from campaign.look import look
from campaign.model import TIERS
from campaign.round import COMMANDS, Round
from campaign.server import Server
from campaign.tally import Tally
from syncer.simulator import SECRET_ID, SECRET_KEY, Behaviour, End, Faults, Paging, Simulator, World

PER_MINUTE = 600
_FILES, _PAGE = 260, 20


@dataclass(frozen=True)
class Part:
    """The world with a number of a seed, to be played for so many rounds; `blow` and `command` limit what is drawn."""

    seed: int
    world: int
    rounds: int
    blow: str = ""
    command: str = ""

    def __str__(self) -> str:
        """Return its name."""
        return f"seed {self.seed}, world {self.world}"

    @property
    def again(self) -> str:
        """The command that plays it again."""
        only = "".join(f" --{name} '{text}'" for name, text in (("blow", self.blow), ("command", self.command)) if text)
        return f"python -m campaign.kills --seed {self.seed} --worlds {self.world}{only}"


class Stage:
    """What a few rounds share: one world, one behaviour of the API, one database on the common server."""

    def __init__(self, server: Server, database: Database, part: Part, syncer: Path) -> None:
        self.server, self.database, self.part, self.syncer = server, database, part, syncer
        self.dice = Random(f"{part.seed}/{part.world}")
        self.tally, self.round_number = Tally(), 0
        behaviour = _behaviour(self.dice)
        world = World(_FILES, seed=self.dice.randint(1, 10_000), same_second=self.dice.choice([1, 1, 3]))
        self.simulator = Simulator(world, behaviour=behaviour)
        self.account = Account(self.simulator)
        self.inbox = Inbox()
        order = Order.POSITIONS if behaviour.paging is Paging.POSITIONAL else Order.ANCHORS
        self.watch = Watch(self.account, order, TIERS, self.inbox.received, Random(part.seed))
        self.stops: list[float] = []
        self._last: Round | None = None

    @property
    def environ(self) -> dict[str, str]:
        """All that the commands see."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.server.home),
            "PYTHONFAULTHANDLER": "1",
            "SYNCER_DATA_DIR": str(self.server.home / "data"),
            "SYNCER_API_URL": self.simulator.url,
            "SYNCER_SECRET_ID": SECRET_ID,
            "SYNCER_SECRET_KEY": SECRET_KEY,
            "SYNCER_CALLS_PER_MINUTE": str(PER_MINUTE),
            "SYNCER_PAGE_SIZE": str(_PAGE),
            "SYNCER_RETRY_FOR": "4s",
            "SYNCER_REQUEST_TIMEOUT": "1s",
            "SYNCER_LEASE": "3s",
            "SYNCER_EXPIRY_TIERS": ",".join(tier for tier, _, _ in reversed(TIERS)),
            "SYNCER_KEEP_LEDGER": "3650d",
            "SYNCER_WEB_ADDRESS": "127.0.0.1:0",
            "SYNCER_NOTIFY": self.inbox.url,
        }

    def play(self) -> Iterator[Tally]:
        """Play the rounds, then let everything be well and check that nothing was lost; yields each round's figures."""
        with self.simulator, self.inbox:
            with self.database.connect() as connection:
                self.watch.begin(connection)
            for number in range(1, self.part.rounds + 1):
                self.round_number = number
                step = self._round()
                with self.database.connect() as connection:
                    self.watch.check(connection, step)
                quota_is_kept(self._call_times(), per_minute=PER_MINUTE, stalled=len(self.stops))
                yield self._counted()
            self._finish()
            with self.database.connect() as connection:
                self.tally.pulls.update(str(pull["outcome"]) for pull in look(connection).pulls.values())
            self.tally.calls += self.simulator.call_count
            yield self._counted()

    def evidence(self) -> str:
        """Return what the last round's commands said, and the newest runs and pulls."""
        last = self._last.running if self._last is not None else []
        told = [f"{' '.join(each.command)} ended {each.process.returncode}: {each.said[-3000:]}" for each in last]
        with suppress(psycopg.Error), self.database.connect() as connection:
            now = look(connection)
            told += [str(dict(row)) for row in (*list(now.runs.values())[-6:], *list(now.pulls.values())[-4:])]
            told += [f"looked at {now.at}"]
        return "\n".join(told)

    def _counted(self) -> Tally:
        """Return what was counted since the last time."""
        counted, self.tally = self.tally, Tally()
        return counted

    def _call_times(self) -> list[float]:
        """Return when the calls of the last two minutes came."""
        since = time.time() - 120
        self.stops = [moment for moment in self.stops if moment > since]
        return [call.time for call in self.simulator.calls if call.time > since]

    def _round(self) -> Step:
        dice = Random(self.dice.random())
        self._live(dice)
        commands, blow = self._drawn(dice)
        self.tally.rounds += 1
        self.tally.blows[blow] += 1
        round_ = self._last = Round(self, dice)
        what = ", ".join(" ".join(command) for command in commands)
        print(f"{self.part}, round {self.round_number}: {blow} on {what}", file=sys.stderr, flush=True)
        try:
            with BLOWS[blow](self, round_):
                for command in commands:
                    round_.start(command)
            round_.end()
        finally:
            round_.destroy()
            self._mend()
        begun = [each.command for each in round_.running]
        self.tally.commands.update(" ".join(command[:2]) for command in begun)
        kinds = {"recent" if "--recent" in command else "full" for command in begun if command[0] == "sync"}
        kinds |= {"daemon"} & {command[0] for command in begun}
        alone = begun == [("alerts", "evaluate")] and round_.processes[0].returncode == 0
        return Step(kinds=frozenset(kinds), evaluated=alone, sessions=not round_.pooled)

    def _drawn(self, dice: Random) -> tuple[list[tuple[str, ...]], str]:
        """Return a round's commands and its blow."""
        known = [each for each in COMMANDS if self.part.command in " ".join(each)]
        commands = [dice.choice(known) for _ in range(dice.choice([1, 1, 1, 2, 2, 3]))]
        names = [name for name in (*BLOWS, "SIGKILL", "SIGKILL") if self.part.blow in name and self._possible(name)]
        return commands, dice.choice(names)

    def _possible(self, blow: str) -> bool:
        if blow == "disk full":
            return self.server.can_fill_up
        return self.server.has_pooler() or not blow.startswith("pgbouncer")

    def _live(self, dice: Random) -> None:
        """Let something happen to the files, now and in the middle of the round."""
        account, now = self.account, int(time.time())
        for _ in range(dice.randrange(3)):
            account.add(created=now, expires=now + dice.randrange(3600, 12 * 86_400))
        if dice.random() < 0.5:
            account.change(dice.choice(account.ids()), expires=now + dice.randrange(3600, 12 * 86_400))
        if dice.random() < 0.4:
            account.delete(dice.sample(account.ids(), dice.randint(1, 3)))
        if (gone := account.gone()) and dice.random() < 0.2:
            account.restore(dice.choice(gone))
        if dice.random() < 0.1:
            self.simulator.kill_contexts()
        victim = dice.choice(account.ids())
        deeds: list[Callable[[Simulator], object]] = [
            lambda _: account.add(created=int(time.time())),
            lambda _: account.delete([victim] if self.simulator.world.slot_of(victim) is not None else []),
            lambda simulator: simulator.kill_contexts(),
        ]
        call = self.simulator.call_count + dice.randint(1, 12)
        self.simulator.schedule = {call: dice.choice(deeds)} if dice.random() < 0.4 else {}

    def _mend(self) -> None:
        self.simulator.faults = Faults()
        self.simulator.schedule = {}
        self.server.empty_disk()
        self.server.mend()
        self.server.promote()
        self.server.limit_connections(-1)
        self.server.settle()

    def _finish(self) -> None:
        self.inbox.away = False
        for command in ("sync --allow-sweep", "sync --allow-sweep", "alerts evaluate", "alerts send"):
            self._until_done(tuple(command.split()))
        with self.database.connect() as connection:
            equals_the_listing(look(connection), self.account)
            # Pauses, and behind a pooler a killed sender's claim, end with time alone: minutes that nobody waits here.
            connection.execute("UPDATE syncer.recipient SET next_try_at = NULL, claimed_until = NULL")
        self._until_done(("alerts", "send"))
        with self.database.connect() as connection:
            left = connection.execute(
                "SELECT key FROM syncer.outbox WHERE sent_at IS NULL AND given_up_at IS NULL AND not_before <= now()"
            ).fetchall()
        if left:
            raise Broken("every_message_arrives_in_the_end", f"never sent: {left[:3]}")

    def _until_done(self, command: tuple[str, ...]) -> None:
        """Run a command in fair weather; a killed holder behind a pooler keeps its source to the end of its lease."""
        for _ in range(8):
            round_ = self._last = Round(self, self.dice)
            try:
                round_.start(command)
                round_.end()
            finally:
                round_.destroy()
            if round_.processes[0].returncode == 0:
                return
            time.sleep(1.0)
        said = f"{command} in fair weather: {round_.processes[0].returncode} {round_.running[0].said}"
        raise Broken("everything_is_found_in_the_end", said)


def _behaviour(dice: Random) -> Behaviour:
    return Behaviour(
        end=dice.choice(list(End)),
        last_page_once=dice.random() < 0.5,
        context_uses=dice.choice([None, None, 1]),
        paging=dice.choice([Paging.ANCHORED, Paging.ANCHORED, Paging.POSITIONAL]),
        orderby_ignored=dice.random() < 0.15,
        overlap=dice.choice([0, 0, 3]),
        missing_id_fails_all=dice.random() < 0.5,
        all_missing_fails=dice.random() < 0.5,
        digit_strings=dice.random() < 0.3,
        latency=dice.choice([0.0, 0.0, 0.01]),
        keep_alive=dice.choice([None, None, 2]),
    )
