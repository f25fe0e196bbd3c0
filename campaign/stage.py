"""What the rounds of one world share: the account, the API's behaviour, the database, and what must hold after each."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import psycopg

from campaign.account import Account
from campaign.commands import ALERT, COMMANDS, EXPORT, Command
from campaign.copies import Copy
from campaign.databases import Database, new_database
from campaign.disasters import BLOWS
from campaign.inbox import Inbox
from campaign.invariants import Broken, Order, Step, Watch, equals_the_listing, quota_is_kept
from campaign.look import look
from campaign.model import TIERS
from campaign.own_server import BLOWS as OWN_BLOWS
from campaign.own_server import OwnServer
from campaign.processes import servers
from campaign.round import Round
from campaign.server import Server
from campaign.tally import Tally
from syncer.simulator import SECRET_ID, SECRET_KEY, Behaviour, End, Faults, Paging, Simulator, World

PER_MINUTE = 600
_FILES, _PAGE = 260, 20
_OWN_EVERY = 3
_IN_THE_END = ("sync --allow-sweep", "sync --allow-sweep", "alerts evaluate")
_DEMO, _LOOK_IN = Command("demo"), Command("files --format csv")


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
    def own(self) -> bool:
        """Whether its database is syncer's own, embedded one."""
        return self.world % _OWN_EVERY == 0

    @property
    def again(self) -> str:
        """The command that plays it again."""
        only = "".join(f" --{name} '{text}'" for name, text in (("blow", self.blow), ("command", self.command)) if text)
        return f"python -m campaign.kills --seed {self.seed} --worlds {self.world}{only}"


class Stage:
    """What a few rounds share: one world, one behaviour of the API, one database, on the common server or syncer's own.

    `alerts` are the open ones, `copy` is where imports go, once there was one.
    """

    def __init__(self, server: Server | OwnServer, database: Database, part: Part, syncer: Path) -> None:
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
        self.alerts: list[int] = []
        self.copy: Copy | None = None
        self._killed = False
        self._tried: set[Command] = set()
        self._worked: set[Command] = set()
        self._last: Round | None = None
        self._rest = ExitStack()

    @property
    def own(self) -> bool:
        """Whether the database is syncer's own, embedded one."""
        return isinstance(self.server, OwnServer)

    @property
    def standing(self) -> Server:
        """The common server, which is there whether commands run or not."""
        assert isinstance(self.server, Server)
        return self.server

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
        with self.simulator, self.inbox, self._rest:
            with self.server.attended(), self.database.connect() as connection:
                self.watch.begin(connection)
            for number in range(1, self.part.rounds + 1):
                self.round_number = number
                self._check(self._round())
                yield self._counted()
            self._finish()
            with self.server.attended(), self.database.connect() as connection:
                self.tally.pulls.update(str(pull["outcome"]) for pull in look(connection).pulls.values())
            self.tally.calls += self.simulator.call_count
            yield self._counted()

    def evidence(self) -> str:
        """Return what the last round's commands said, and the newest runs and pulls."""
        last = self._last.running if self._last is not None else []
        told = [f"{each.command} ended {each.process.returncode}: {each.said[-3000:]}" for each in last]
        with suppress(psycopg.Error), self.server.attended(), self.database.connect() as connection:
            now = look(connection)
            told += [str(dict(row)) for row in (*list(now.runs.values())[-6:], *list(now.pulls.values())[-4:])]
            told += [f"looked at {now.at}"]
        return "\n".join(told)

    def _check(self, step: Step) -> None:
        """Raise Broken when a guarantee does not hold after a round; see what the next one may choose from."""
        if self.own and self._killed:
            self._until_done(_LOOK_IN, tries=1, kept="the_embedded_server_comes_back")
        self.account.time_passed()
        with self.server.attended(), self.database.connect() as connection:
            self.watch.check(connection, step)
            found = connection.execute("SELECT alert_id FROM syncer.alert WHERE resolved_at IS NULL").fetchall()
            self.alerts = sorted(number for (number,) in found)
        quota_is_kept(self._call_times(), per_minute=PER_MINUTE, stalled=len(self.stops))
        if self.copy is not None:
            self.copy.check()

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
        self._killed = "killed -9" in blow
        self.tally.rounds += 1
        self.tally.blows[blow] += 1
        self.account.syncer_begins()
        round_ = self._last = Round(self, dice)
        what = ", ".join(str(command) for command in commands)
        if any(EXPORT in command.words for command in commands):
            self._prepare_import()
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
        self.tally.commands.update(command.name for command in begun)
        self._tried.update(begun)
        self._worked.update(each.command for each in round_.running if each.process.returncode == 0)
        # The doctor's two calls are not counted, and may come on top of all that the quota allows.
        self.stops += [time.time()] * (2 * sum(command.name == "doctor" for command in begun))
        kinds = {"recent" if "--recent" in command.words else "full" for command in begun if command.name == "sync"}
        kinds |= {"daemon", "doctor"} & {command.name for command in begun}
        kinds |= {"anew" for command in begun if "--allow-sweep" in command.words}
        alone = [str(command) for command in begun] == ["alerts evaluate"] and round_.processes[0].returncode == 0
        reads = all(command.reads for command in begun)
        return Step(frozenset(kinds), evaluated=alone, sessions=not round_.pooled, reads=reads)

    def _prepare_import(self) -> None:
        """Export what there is, to be imported into a database beside."""
        if self.copy is None:
            database = self._rest.enter_context(new_database(self.standing.url))
            self.copy = Copy(database, self.server.home / "exported.gz")
        self.copy.file.unlink(missing_ok=True)
        self._until_done(Command(f"export {self.copy.file}"))

    def _drawn(self, dice: Random) -> tuple[list[Command], str]:
        """Return a round's commands and its blow."""
        known = [each for each in COMMANDS if self.part.command in str(each) and not (self.own and each.servers)]
        number = dice.choice([1, 1, 1, 2, 2, 3])
        commands = dice.choices(known, weights=[each.weight for each in known], k=number)
        names = [name for name in (*BLOWS, "SIGKILL", "SIGKILL") if self.part.blow in name and self._possible(name)]
        return commands, dice.choice(names)

    def _possible(self, blow: str) -> bool:
        if self.own:
            return blow in OWN_BLOWS
        if blow == "disk full":
            return self.standing.can_fill_up
        return self.standing.has_pooler() or not blow.startswith("pgbouncer")

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
        if not self.own:
            self.standing.recover()

    def _finish(self) -> None:
        self.inbox.away = False
        self.account.syncer_begins()
        for text in _IN_THE_END:
            self._until_done(Command(text))
        self._everything_works()
        self._until_done(Command("alerts send"))
        with self.server.attended(), self.database.connect() as connection:
            equals_the_listing(look(connection), self.account)
            # Pauses, and behind a pooler a killed sender's claim, end with time alone: minutes that nobody waits here.
            connection.execute("UPDATE syncer.recipient SET next_try_at = NULL, claimed_until = NULL")
        self._until_done(Command("alerts send"))
        with self.server.attended(), self.database.connect() as connection:
            left = connection.execute(
                "SELECT key FROM syncer.outbox WHERE sent_at IS NULL AND given_up_at IS NULL AND not_before <= now()"
            ).fetchall()
        if left:
            raise Broken("every_message_arrives_in_the_end", f"never sent: {left[:3]}")

    def _everything_works(self) -> None:
        """Let each command that had no chance yet do its work, and a demo take along what killed ones left running."""
        self._check(Step(kinds=frozenset({"full", "recent"})))
        for command in sorted(self._tried - self._worked, key=str):
            if not command.lasts and (ALERT not in command.words or self.alerts):
                if EXPORT in command.words:
                    self._prepare_import()
                self._until_done(command)
        if servers(self.server.home / "data" / "demo"):
            self._until_done(_DEMO)
        if left := servers(self.server.home / "data"):
            raise Broken("no_server_is_left_in_the_end", f"after the last command these run: {left}")

    def _until_done(self, command: Command, *, tries: int = 8, kept: str = "every_command_works_in_the_end") -> None:
        """Run a command in fair weather; a killed holder behind a pooler keeps its source to the end of its lease.

        Raises Broken, for the guarantee `kept`, when it does not do its work.
        """
        for _ in range(tries):
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
        raise Broken(kept, said)


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
