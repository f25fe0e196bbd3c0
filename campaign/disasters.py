"""What falls on a round: a signal, a server or a pooler that dies, a disk, a network, a migration; one a round.

Each is a context manager around the start of the round's commands; it strikes once they have begun.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING

from campaign.commands import Command
from campaign.databases import new_database
from campaign.invariants import Broken
from syncer.simulator import TRANSIENT, Fault, Faults, Kind, coded, lost_reply

if TYPE_CHECKING:
    from campaign.round import Round
    from campaign.stage import Stage

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
        round_.start(Command("sync"))
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
def _family_killed(stage: Stage, round_: Round) -> Iterator[None]:
    yield
    round_.wait_a_moment()
    stage.server.kill(children=True)
    time.sleep(round_.dice.uniform(0.0, 0.5))
    stage.server.mend()


@contextmanager
def _everything_killed(stage: Stage, round_: Round) -> Iterator[None]:
    """Let every process end in one moment, as a container does."""
    yield
    round_.wait_a_moment()
    for process in round_.processes:
        with suppress(ProcessLookupError):
            process.kill()
    stage.server.kill(children=True)


@contextmanager
def _server_restarted(stage: Stage, round_: Round) -> Iterator[None]:
    yield
    round_.wait_a_moment()
    stage.standing.restart()


@contextmanager
def _cut_off(stage: Stage, round_: Round) -> Iterator[None]:
    yield
    for _ in range(round_.dice.randint(1, 3)):
        round_.wait_a_moment(1.5)
        stage.standing.cut_off(gently=False)


@contextmanager
def _cancelled(stage: Stage, round_: Round) -> Iterator[None]:
    yield
    ends = time.monotonic() + round_.dice.uniform(0.3, 2.0)
    while time.monotonic() < ends:
        stage.standing.cut_off(gently=True)
        time.sleep(0.01)


@contextmanager
def _disk_full(stage: Stage, round_: Round) -> Iterator[None]:
    if round_.dice.random() < 0.5:
        stage.standing.fill_disk()
    yield
    round_.wait_a_moment()
    stage.standing.fill_disk()
    time.sleep(round_.dice.uniform(0.2, 1.0))


@contextmanager
def _crowded(stage: Stage, round_: Round) -> Iterator[None]:
    stage.standing.limit_connections(round_.dice.choice([0, 1, 1]))
    yield
    round_.wait_a_moment(1.0)


@contextmanager
def _failed_over(stage: Stage, round_: Round) -> Iterator[None]:
    yield
    round_.wait_a_moment()
    stage.standing.become_standby()
    time.sleep(round_.dice.uniform(0.0, 1.0))
    stage.standing.promote()


@contextmanager
def _pooled(stage: Stage, round_: Round) -> Iterator[None]:
    with stage.standing.pooled(stage.database.name) as url:
        round_.url, round_.pooled = url, True
        yield
        round_.wait_a_moment()
        round_.kill_some()


@contextmanager
def _pooler_killed(stage: Stage, round_: Round) -> Iterator[None]:
    with stage.standing.pooled(stage.database.name) as url:
        round_.url, round_.pooled = url, True
        yield
        round_.wait_a_moment()
        stage.standing.kill_pooler()


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
    with new_database(stage.standing.url, migrated=False) as fresh:
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


BLOWS: dict[str, Callable[[Stage, Round], AbstractContextManager[None]]] = {
    "SIGKILL": _killed,
    "SIGTERM or SIGINT": _asked_to_stop,
    "SIGSTOP, a rival, SIGCONT": _stalled,
    "postmaster killed -9": _server_killed,
    "PostgreSQL and its children killed -9": _family_killed,
    "everything killed -9": _everything_killed,
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
