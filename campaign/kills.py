"""`python -m campaign.kills --rounds N --seed S`: the kill campaign on the installed command, figures as Markdown.

A round lets one to three commands run at once and lets one blow fall on them, on their database or on their network;
then every guarantee is checked. The world, the behaviour of the API and the database are new every few rounds, after it
was seen that nothing was lost.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from campaign.account import Account
from campaign.databases import Database, new_database
from campaign.inbox import Inbox
from campaign.invariants import GUARANTEES, Broken, Order, Step, Watch, equals_the_listing, quota_is_kept
from campaign.look import look
from campaign.model import TIERS
from campaign.server import Server
from syncer.simulator import (
    SECRET_ID,
    SECRET_KEY,
    TRANSIENT,
    Behaviour,
    End,
    Fault,
    Faults,
    Kind,
    Paging,
    Simulator,
    World,
    coded,
    lost_reply,
)

PER_MINUTE = 600
_FILES, _PAGE = 260, 20
_ROUNDS_PER_WORLD = 40
_HANGS = 90.0
_EXIT_CODES = frozenset({0, 3, 4, 5, 6, 75, 130, 143, -signal.SIGKILL, -signal.SIGTERM})
_COMMANDS = (
    ("sync",),
    ("sync",),
    ("sync", "--full", "--json"),
    ("sync", "--allow-sweep"),
    ("sync", "--recent"),
    ("sync", "--recent", "--json"),
    ("daemon",),
    ("lookup", "--prefix", "6001"),
    ("lookup", "--file-id"),
    ("alerts", "evaluate"),
    ("alerts", "send"),
    ("migrate",),
    ("report", "--format", "json", "--table", "backups"),
    ("report",),
    ("files", "--format", "csv"),
    ("status", "--json"),
    ("export",),
    ("metrics",),
)
_NETWORK = (
    Fault(Kind.DRIP, seconds=0.002),
    Fault(Kind.DRIP_HEADERS, seconds=0.01),
    Fault(Kind.RESET),
    Fault(Kind.CLOSE),
    Fault(Kind.CUT),
    Fault(Kind.NO_LENGTH),
    Fault(Kind.MALFORMED),
    Fault(Kind.GZIP_GARBAGE),
    Fault(Kind.EMPTY_PAGE),
    Fault(Kind.DELAY, seconds=1.5),
    coded(1001, processed=True),
    coded(70005),
    lost_reply(),
    *(fault for fault in TRANSIENT if fault.code != 4400),
)


@dataclass
class Tally:
    """What the campaign did so far."""

    rounds: int = 0
    blows: Counter[str] = field(default_factory=Counter)
    commands: Counter[str] = field(default_factory=Counter)
    exits: Counter[int] = field(default_factory=Counter)
    pulls: Counter[str] = field(default_factory=Counter)
    calls: int = 0

    def add(self, other: Tally) -> None:
        """Add another lane's figures."""
        self.rounds += other.rounds
        self.calls += other.calls
        for own, more in zip(self._counters(), other._counters(), strict=True):
            own.update(more)

    def _counters(self) -> tuple[Counter[Any], ...]:
        return self.blows, self.commands, self.exits, self.pulls


class Round:
    """One round: its commands as processes, and the dice that say what befalls them when."""

    def __init__(self, stage: Stage, dice: Random) -> None:
        self.stage, self.dice = stage, dice
        self.processes: list[subprocess.Popen[str]] = []
        self.names: list[tuple[str, ...]] = []
        self.url = stage.database.url
        self.pooled = False

    def start(self, command: tuple[str, ...]) -> None:
        """Start a command."""
        arguments = self._completed(command)
        self.names.append(command)
        self.processes.append(
            subprocess.Popen(
                [self.stage.syncer, *arguments],
                env=self.stage.environ | {"SYNCER_DATABASE_URL": self.url},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
        )

    def wait_a_moment(self, longest: float = 2.5) -> None:
        """Wait for some instant of the commands' lives: a span of time, or a call to the API."""
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
        for command, process in zip(self.names, self.processes, strict=True):
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            if command[0] == "daemon" and process.poll() is None:
                process.send_signal(self.dice.choice([signal.SIGTERM, signal.SIGINT, signal.SIGKILL]))
        for command, process in zip(self.names, self.processes, strict=True):
            try:
                _, err = process.communicate(timeout=_HANGS)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGABRT)  # Python then tells where each thread stands
                _, err = process.communicate()
                where = f"{command} hung for {_HANGS:.0f} s: {err[-6000:]}"
                raise Broken("a_command_comes_to_its_end", where) from None
            self.stage.tally.exits[process.returncode] += 1
            # An interrupt that comes before the first line of ours is told by Python itself.
            early = process.returncode in {-signal.SIGINT, 130} and "/syncer/" not in err
            if (process.returncode not in _EXIT_CODES or "Traceback" in err) and not early:
                said = err[-1500:]
                raise Broken("a_failure_is_told_in_a_sentence", f"{command} ended {process.returncode}: {said}")
            if SECRET_KEY in err or "Signature=" in err:
                raise Broken("no_secret_is_told", f"{command} told a secret: {err[-1500:]}")

    def destroy(self) -> None:
        """Kill what is left, whatever happened."""
        for process in self.processes:
            with suppress(ProcessLookupError):
                process.kill()
            with suppress(ValueError):
                process.communicate()

    def _completed(self, command: tuple[str, ...]) -> tuple[str, ...]:
        if command[-1] == "--file-id":
            ids = self.stage.account.ids()
            chosen = self.dice.sample(ids, min(3, len(ids))) or ["1"]
            return ("lookup", *(part for file_id in chosen for part in ("--file-id", file_id)))
        if command == ("export",):
            return (*command, str(self.stage.server.home / f"export-{len(self.names)}"))
        if command == ("report",):
            return (*command, "--output", str(self.stage.server.home / "report.html"))
        return command


class Stage:
    """What a few rounds share: one world, one behaviour of the API, one database on the common server."""

    def __init__(self, server: Server, database: Database, dice: Random, tally: Tally, syncer: Path) -> None:
        self.server, self.database, self.dice, self.tally, self.syncer = server, database, dice, tally, syncer
        behaviour = _behaviour(dice)
        self.simulator = Simulator(
            World(_FILES, seed=dice.randint(1, 10_000), same_second=dice.choice([1, 1, 3])), behaviour=behaviour
        )
        self.account = Account(self.simulator)
        self.inbox = Inbox()
        by_position = behaviour.paging is Paging.POSITIONAL
        self.watch = Watch(
            self.account, Order.POSITIONS if by_position else Order.ANCHORS, TIERS, self.inbox.received, dice
        )
        self.stops: list[float] = []
        self._restored_from = 0

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

    def play(self, rounds: int) -> None:
        """Play so many rounds; then let everything be well, and check that nothing was lost."""
        with self.simulator, self.inbox, ExitStack() as stack:
            connection = self.database.connect()
            stack.callback(lambda: connection.close())  # noqa: PLW0108 - the one that is open then
            self.watch.begin(connection)
            for _ in range(rounds):
                connection.close()
                step = self._round()
                connection = self.database.connect()
                self.watch.check(connection, step)
                quota_is_kept(self._call_times(), per_minute=PER_MINUTE, stalled=len(self.stops))
            self._finish()
            self.tally.calls += self.simulator.call_count
            for pull in self.watch.scene.now.pulls.values() if self.watch.scene is not None else ():
                self.tally.pulls[str(pull["outcome"])] += 1

    def _call_times(self) -> list[float]:
        """Return when the calls of the last two minutes came."""
        since = time.time() - 120
        self.stops = [moment for moment in self.stops if moment > since]
        return [call.time for call in self.simulator.calls if call.time > since]

    def _round(self) -> Step:
        dice = Random(self.dice.random())
        self._live(dice)
        number = dice.choice([1, 1, 1, 1, 2])
        commands = [dice.choice(_COMMANDS) for _ in range(number)]
        names = [name for name in _BLOWS if self._possible(name)]
        blow = dice.choice([*names, "SIGKILL", "SIGKILL"])
        self.tally.rounds += 1
        self.tally.blows[blow] += 1
        self.tally.commands.update(" ".join(command[:2]) for command in commands)
        round_ = Round(self, dice)
        what = ", ".join(" ".join(command) for command in commands)
        print(f"world {self.simulator.world.seed}, round {self.tally.rounds}: {blow} on {what}", file=sys.stderr)
        try:
            with _BLOWS[blow](self, round_):
                for command in commands:
                    round_.start(command)
            round_.end()
        finally:
            round_.destroy()
            self._mend()
        kinds = {"recent" if "--recent" in command else "full" for command in commands if command[0] == "sync"}
        kinds |= {"daemon"} & {command[0] for command in commands}
        alone = commands == [("alerts", "evaluate")] and round_.processes[0].returncode == 0
        return Step(kinds=frozenset(kinds), evaluated=alone, sessions=not round_.pooled)

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
            connection.execute("UPDATE syncer.recipient SET next_try_at = NULL")
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
            done = subprocess.run(
                [self.syncer, *command],
                env=self.environ | {"SYNCER_DATABASE_URL": self.database.url},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_HANGS,
                check=False,
            )
            if done.returncode == 0:
                return
            time.sleep(1.0)
        raise Broken("everything_is_found_in_the_end", f"{command} in fair weather: {done.returncode} {done.stderr}")


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


# Blows: each is a context manager around the start of the round's commands; it strikes once they have begun.


@contextmanager
def _killed(_: Stage, round_: Round) -> Iterator[None]:
    yield
    round_.wait_a_moment()
    round_.kill_some()


@contextmanager
def _asked_to_stop(_: Stage, round_: Round) -> Iterator[None]:
    yield
    round_.wait_a_moment()
    round_.kill_some(round_.dice.choice([signal.SIGTERM, signal.SIGINT]))


@contextmanager
def _stalled(stage: Stage, round_: Round) -> Iterator[None]:
    """Stop the commands for up to five seconds, past their lease, while another sync comes."""
    yield
    round_.wait_a_moment()
    stopped = list(round_.processes)
    for process in stopped:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGSTOP)
    stage.stops += [time.time()] * len(stopped)
    if round_.dice.random() < 0.5:
        time.sleep(round_.dice.uniform(3.0, 3.6))
        round_.start(("sync",))
        time.sleep(round_.dice.uniform(0.0, 3.0))
    else:
        time.sleep(round_.dice.uniform(0.1, 1.5))
    for process in stopped:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)


@contextmanager
def _server_killed(stage: Stage, round_: Round) -> Iterator[None]:
    yield
    round_.wait_a_moment()
    stage.server.kill()
    time.sleep(round_.dice.uniform(0.0, 0.5))
    stage.server.mend()


@contextmanager
def _server_restarted(stage: Stage, round_: Round) -> Iterator[None]:
    yield
    round_.wait_a_moment()
    stage.server.restart()


@contextmanager
def _cut_off(stage: Stage, round_: Round) -> Iterator[None]:
    yield
    for _ in range(round_.dice.randint(1, 3)):
        round_.wait_a_moment(1.5)
        stage.server.cut_off(gently=False)


@contextmanager
def _cancelled(stage: Stage, round_: Round) -> Iterator[None]:
    yield
    ends = time.monotonic() + round_.dice.uniform(0.3, 2.0)
    while time.monotonic() < ends:
        stage.server.cut_off(gently=True)
        time.sleep(0.01)


@contextmanager
def _disk_full(stage: Stage, round_: Round) -> Iterator[None]:
    if round_.dice.random() < 0.5:
        stage.server.fill_disk()
    yield
    round_.wait_a_moment()
    stage.server.fill_disk()
    time.sleep(round_.dice.uniform(0.2, 1.0))


@contextmanager
def _crowded(stage: Stage, round_: Round) -> Iterator[None]:
    stage.server.limit_connections(round_.dice.choice([0, 1, 1]))
    yield
    round_.wait_a_moment(1.0)


@contextmanager
def _failed_over(stage: Stage, round_: Round) -> Iterator[None]:
    yield
    round_.wait_a_moment()
    stage.server.become_standby()
    time.sleep(round_.dice.uniform(0.0, 1.0))
    stage.server.promote()


@contextmanager
def _pooled(stage: Stage, round_: Round) -> Iterator[None]:
    with stage.server.pooled(stage.database.name) as url:
        round_.url, round_.pooled = url, True
        yield
        round_.wait_a_moment()
        round_.kill_some()


@contextmanager
def _pooler_killed(stage: Stage, round_: Round) -> Iterator[None]:
    with stage.server.pooled(stage.database.name) as url:
        round_.url, round_.pooled = url, True
        yield
        round_.wait_a_moment()
        stage.server.kill_pooler()


@contextmanager
def _bad_network(stage: Stage, round_: Round) -> Iterator[None]:
    dice = round_.dice
    kinds = tuple(dice.sample(_NETWORK, 3))
    stage.simulator.faults = Faults(rate=dice.choice([0.1, 0.3]), kinds=kinds, seed=dice.randint(1, 10_000))
    yield
    if dice.random() < 0.5:
        round_.wait_a_moment()
        round_.kill_some()


@contextmanager
def _nobody_listens(stage: Stage, round_: Round) -> Iterator[None]:
    yield
    round_.wait_a_moment(1.5)
    stage.simulator.down()
    stage.inbox.away = True
    time.sleep(round_.dice.uniform(0.1, 1.5))
    stage.inbox.away = False
    stage.simulator.up()


@contextmanager
def _migrated_meanwhile(stage: Stage, round_: Round) -> Iterator[None]:
    """Kill a migration of a new database, twice, and let it come to its end."""
    yield
    with new_database(stage.server.url, migrated=False) as fresh:
        environ = stage.environ | {"SYNCER_DATABASE_URL": fresh.url}
        for seconds in (round_.dice.uniform(0.2, 2.0), round_.dice.uniform(0.2, 2.0)):
            process = subprocess.Popen(
                [stage.syncer, "migrate"], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            time.sleep(seconds)
            process.kill()
            process.wait()
        done = subprocess.run([stage.syncer, "migrate"], env=environ, capture_output=True, text=True, check=False)
        status = subprocess.run([stage.syncer, "status"], env=environ, capture_output=True, text=True, check=False)
        if done.returncode or status.returncode:
            raise Broken("a_killed_migration_is_taken_up", f"{done.stderr} {status.stderr}")


_BLOWS = {
    "SIGKILL": _killed,
    "SIGTERM or SIGINT": _asked_to_stop,
    "SIGSTOP, a rival, SIGCONT": _stalled,
    "postmaster killed -9": _server_killed,
    "server restarted": _server_restarted,
    "sessions cut off": _cut_off,
    "statements cancelled": _cancelled,
    "disk full": _disk_full,
    "no connection left": _crowded,
    "failover to a standby": _failed_over,
    "pgbouncer, SIGKILL": _pooled,
    "pgbouncer killed -9": _pooler_killed,
    "network": _bad_network,
    "nobody listens": _nobody_listens,
    "migration killed": _migrated_meanwhile,
}


def lane(task: tuple[int, int, Path, int]) -> Tally:
    """Play so many rounds with a seed, on a server of its own. Raises Broken."""
    rounds, seed, syncer, number = task
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave nothing behind
    # A shell's background job ignores it, and so would the commands: one that is asked early would never end.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tally, dice = Tally(), Random(seed)
    with Server(number) as server:
        while tally.rounds < rounds:
            with new_database(server.url, tablespace="small" if server.can_fill_up else None) as database:
                stage = Stage(server, database, Random(dice.random()), tally, syncer)
                stage.play(min(_ROUNDS_PER_WORLD, rounds - tally.rounds))
    return tally


def campaign(rounds: int, seed: int, syncer: Path, lanes: int) -> Tally:
    """Play the campaign in lanes side by side, each with a seed that follows from `seed`. Raises Broken."""
    shares = [rounds // lanes + (number < rounds % lanes) for number in range(lanes)]
    tasks = [(share, seed * 1000 + number, syncer, number) for number, share in enumerate(shares) if share]
    if len(tasks) == 1:
        return lane(tasks[0])
    with multiprocessing.get_context("spawn").Pool(len(tasks)) as pool:
        total = Tally()
        for tally in pool.imap_unordered(lane, tasks):
            total.add(tally)
        return total


def main() -> None:
    """Play the campaign and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lanes", type=int, default=3, help="servers and worlds side by side")
    parser.add_argument("--syncer", type=Path, default=Path(sys.executable).with_name("syncer"))
    chosen = parser.parse_args()
    began = time.monotonic()
    tally = campaign(chosen.rounds, chosen.seed, chosen.syncer, chosen.lanes)
    minutes = (time.monotonic() - began) / 60
    print("| rounds | seed | lanes | guarantees checked after each | broken | commands | API calls | pulls | minutes |")
    print("|---|---|---|---|---|---|---|---|---|")
    print(
        f"| {tally.rounds:,} | {chosen.seed} | {chosen.lanes} | {len(GUARANTEES) + 1} | 0 "
        f"| {tally.commands.total():,} | {tally.calls:,} | {tally.pulls.total():,} | {minutes:.0f} |"
    )
    for title, counter in (("blow", tally.blows), ("command", tally.commands), ("exit status", tally.exits)):
        print(f"\n| {title} | times |\n|---|---|")
        for name, times in sorted(counter.items(), key=lambda item: (-item[1], str(item[0]))):
            print(f"| {name} | {times:,} |")


if __name__ == "__main__":
    main()
