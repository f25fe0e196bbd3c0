"""The world on one side and the real application on the other: every deed of the model-based campaign."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any, Self

import psycopg

import syncer.app
from campaign.account import Account
from campaign.blows import Blow, Stop, struck
from campaign.databases import Database
from campaign.inbox import Inbox
from campaign.invariants import Broken, Order, Step, Watch, equals_the_listing
from campaign.look import look
from syncer.app import App
from syncer.errors import SyncerError
from syncer.model import Order as ListOrder
from syncer.model import PullKind
from syncer.settings import load_settings
from syncer.simulator import SECRET_ID, SECRET_KEY, Behaviour, Fault, Faults, Paging, Simulator, Ties, World, on
from syncer.simulator.odd import add_readable, add_unreadable

HOUR, DAY = 3600, 86_400
TIERS = (
    ("1d", timedelta(0), timedelta(days=1)),
    ("3d", timedelta(days=1), timedelta(days=3)),
    ("10d", timedelta(days=3), timedelta(days=10)),
)
_SHORTEST_SLEEP = 0.02


@dataclass(frozen=True)
class Setup:
    """What there is to list, and how the API behaves where its document is silent."""

    files: int = 25
    same_second: int = 1
    zero_times: bool = False
    odd: bool = False
    unreadable: bool = False
    behaviour: Behaviour = field(default_factory=Behaviour)
    page_size: int = 10
    seed: int = 1

    @property
    def order(self) -> Order:
        """What the pages of this API go by."""
        if self.behaviour.ties is Ties.PER_CALL:
            return Order.NONE
        by_position = self.behaviour.paging is Paging.POSITIONAL or self.behaviour.ties is not Ties.STABLE
        return Order.POSITIONS if by_position else Order.ANCHORS


class _Clockwork:
    """Stands for the module `time` in the application's root: long sleeps pass at once, for its own clock too."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def sleep(self, seconds: float) -> None:
        short = min(seconds, _SHORTEST_SLEEP)
        time.sleep(short)
        self.ahead += seconds - short

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


class Model:
    """One account, one database, one user's settings; a context manager. `broken`: a guarantee did not hold."""

    def __init__(self, database: Database, directory: str, setup: Setup) -> None:
        self.database, self.setup = database, setup
        self.shift = 0.0
        self.broken = False
        self.inbox = Inbox()
        world = World(setup.files, seed=setup.seed, same_second=setup.same_second, zero_times=setup.zero_times)
        self.simulator = Simulator(world, behaviour=setup.behaviour, clock=lambda: time.time() + self.shift)
        if setup.odd:
            add_readable(world)
        if setup.unreadable:
            add_unreadable(world)
        self.account = Account(self.simulator)
        self.watch = Watch(self.account, setup.order, TIERS, self.inbox.received, Random(setup.seed))
        self.page_size = setup.page_size
        self._directory = directory
        self._root = {name: vars(syncer.app)[name] for name in ("time", "_now")}
        self._admin: psycopg.Connection[Any] | None = None

    def __enter__(self) -> Self:
        self.database.clear()
        self.simulator.up()
        self.inbox.__enter__()
        # The root is where the clock comes in.
        now = {"time": _Clockwork(), "_now": lambda: datetime.now(UTC) + timedelta(seconds=self.shift)}
        vars(syncer.app).update(now)
        self.watch.begin(self._connection())
        return self

    def __exit__(self, *_: object) -> None:
        vars(syncer.app).update(self._root)
        self.simulator.down()
        self.inbox.__exit__()
        if self._admin is not None:
            self._admin.close()

    # What happens to the account, and to time.

    def add(self, *, hours: int | None, ago: int = 0) -> None:
        """Add a file that expires in so many hours (None: never) and was created `ago` seconds ago."""
        now = self.simulator.world.now()
        self.account.add(created=now - ago, expires=None if hours is None else now + hours * HOUR)

    def add_late(self, count: int, *, days: int) -> None:
        """Let files come that were made so many days before all others: they stand at the listing's far end."""
        world = self.simulator.world
        for _ in range(count):
            created = world.now() - days * DAY
            self.account.late.add(self.account.add(created=created, expires=None))

    def extend(self, at: int, hours: int | None) -> None:
        """Move a file's expiry; `at` chooses the file."""
        if (file_id := self._chosen(at)) is not None:
            expires = None if hours is None else self.simulator.world.now() + hours * HOUR
            self.account.change(file_id, expires=expires)

    def rename(self, at: int, name: str) -> None:
        """Rename a file."""
        if (file_id := self._chosen(at)) is not None:
            self.account.change(file_id, name=name)

    def delete(self, at: int, count: int = 1) -> None:
        """Delete files that stand side by side in the listing."""
        ids = self.account.ids()
        if ids:
            self.account.delete(ids[at % len(ids) :][:count])

    def restore(self, at: int) -> None:
        """List a deleted (or expired) file again; one that is past its expiry goes at once."""
        if gone := self.account.gone():
            self.account.restore(gone[at % len(gone)])
            self.account.time_passed()

    def meanwhile(self, call: int, deed: Callable[[], object]) -> None:
        """Do `deed` once the API has served so many calls more."""
        self.simulator.schedule[self.simulator.call_count + call] = lambda _: deed()

    def pass_time(self, seconds: float) -> None:
        """Let time pass, everywhere alike; negative: the clock is set back."""
        self.shift += seconds
        self._reopen()
        self.account.time_passed()
        if seconds < 0:
            self.watch.clock_went_back(datetime.now(UTC) + timedelta(seconds=self.shift))

    def weather(self, fault: Fault, *, calls: int = 0, rate: float = 0.0, seed: int = 0) -> None:
        """Let the next `calls` calls fail, or each with probability `rate`."""
        first = self.simulator.call_count + 1
        self.simulator.faults = (
            Faults(rate=rate, kinds=(fault,), seed=seed) if rate else on(range(first, first + calls), fault)
        )

    def fair_weather(self) -> None:
        """Let every call succeed again."""
        self.simulator.faults = Faults()

    # What syncer does.

    def pull(self, kind: str = "full", blow: Blow = None, *, allow_sweep: bool = False) -> str | None:
        """Run one pull, as `syncer sync` does; return its outcome, None when it came to none."""
        kinds = {kind, "anew"} if allow_sweep else {kind}
        outcome: list[str] = []

        def rival(other: str) -> None:
            kinds.add(other)
            self._told(partial(self._sync, other, None))

        def run() -> None:
            result = self._sync(kind, blow, allow_sweep=allow_sweep)
            outcome.append(result.outcome)

        self.account.syncer_begins()
        with struck(blow, self.database, rival):
            self._told(run)
        self._check(Step(kinds=frozenset(kinds)))
        return outcome[0] if outcome else None

    def lookup(self, at: int, blow: Blow = None, *, by_prefix: bool = False) -> None:
        """Ask for some files by id, of which one may be gone, or for all of a prefix."""
        gone, ids = self.account.gone(), self.account.ids()
        wanted = ids[at % len(ids) :][:5] if ids else []
        wanted += gone[at % len(gone) :][:1] if gone else []

        def run() -> None:
            app = self._app()
            with app.lookup(self._url(), app.settings.source("default")) as asked:
                if by_prefix:
                    asked.by_prefix("600", ListOrder.NEWEST_FIRST)
                elif wanted:
                    asked.by_ids(wanted)

        self.account.syncer_begins()
        with struck(blow, self.database, lambda kind: self._told(partial(self._sync, kind, None))):
            self._told(run)
        self._check(Step(kinds=frozenset({"lookup", "rival"})))

    def evaluate(self, blow: Blow = None) -> None:
        """Evaluate the alerts, as `syncer alerts evaluate` does."""
        done = False

        def run() -> None:
            nonlocal done
            app = self._app()
            app.alerting.evaluate(self._url(), app.settings.sources)
            done = True

        with struck(blow, self.database, lambda _: None):
            self._told(run)
        self._check(Step(evaluated=done))

    def send(self, blow: Blow = None) -> None:
        """Send what the outbox holds, as `syncer alerts send` does."""
        with struck(blow, self.database, lambda _: None):
            self._told(lambda: self._app().alerting.send(self._url()))
        self._check(Step())

    def finish(self) -> None:
        """Let everything be well again, and see that nothing was lost: not a file, not a message."""
        self.fair_weather()
        self.simulator.schedule = {}
        self.inbox.away = False
        self.page_size = self.setup.page_size
        whole = any(self.pull(allow_sweep=True) == "complete" for _ in range(4))
        if not whole:
            self._excuse()
            return
        # What was deleted in the middle of a pull, and what a deletion hid from it, the next one finds.
        self.pull(allow_sweep=True)
        if self.setup.order is Order.NONE or self.setup.unreadable:
            return  # some of what is listed cannot be told from what is not
        equals_the_listing(look(self._connection()), self.account)
        self._deliver_all()

    # How it is done.

    def _excuse(self) -> None:
        """Raise Broken unless this API cannot be read to its end by anybody."""
        rules = self.setup.behaviour
        if rules.context_pages is None and not rules.cycle:
            raise Broken("everything_is_found_in_the_end", "four full pulls in fair weather did not come to an end")

    def _deliver_all(self) -> None:
        for _ in range(3):
            self.pass_time(2 * HOUR)
            self.evaluate()
            self.send()
        with self._connection().cursor() as cursor:
            left = cursor.execute(
                "SELECT key FROM syncer.outbox WHERE sent_at IS NULL AND given_up_at IS NULL"
                " AND not_before <= syncer.instant()"
            ).fetchall()
        if left:
            raise Broken("every_message_arrives_in_the_end", f"never sent: {left[:3]}")

    def _sync(self, kind: str, blow: Blow, *, allow_sweep: bool = False) -> Any:
        app, commits = self._app(), 0

        def progress(_: object) -> None:
            nonlocal commits
            commits += 1
            if isinstance(blow, Stop) and commits == blow.commits:
                app.stop()

        return app.sync(
            self._url(),
            app.settings.source("default"),
            PullKind(kind),
            allow_sweep=allow_sweep,
            on_progress=progress,
        )

    def _told(self, run: Callable[[], object]) -> None:
        """Run what a command runs: whatever happens to it must come back as a sentence."""
        try:
            run()
        except SyncerError:
            return
        except Exception as error:
            self.broken = True
            raise Broken("a_failure_is_told_in_a_sentence", f"{type(error).__name__}: {error}") from error

    def _check(self, step: Step) -> None:
        self.account.time_passed()
        self.broken = True
        self.watch.check(self._connection(), step)
        self.broken = False

    def _chosen(self, at: int) -> str | None:
        ids = self.account.ids()
        return ids[at % len(ids)] if ids else None

    def _url(self) -> str:
        return self.database.at(self.shift)

    def _connection(self) -> psycopg.Connection[Any]:
        if self._admin is None or self._admin.closed:
            self._admin = self.database.connect(self.shift)
        return self._admin

    def _reopen(self) -> None:
        if self._admin is not None:
            self._admin.close()

    def _app(self) -> App:
        environ = {
            "SYNCER_DATABASE_URL": self.database.url,
            "SYNCER_DATA_DIR": self._directory,
            "SYNCER_API_URL": self.simulator.url,
            "SYNCER_SECRET_ID": SECRET_ID,
            "SYNCER_SECRET_KEY": SECRET_KEY,
            "SYNCER_CALLS_PER_MINUTE": "0",
            "SYNCER_RETRY_FOR": "20s",
            "SYNCER_REQUEST_TIMEOUT": "1s",
            "SYNCER_PAGE_SIZE": str(self.page_size),
            "SYNCER_EXPIRY_TIERS": ",".join(tier for tier, _, _ in reversed(TIERS)),
            "SYNCER_KEEP_LEDGER": "3650d",
            "SYNCER_NOTIFY": self.inbox.url,
        }
        return App(load_settings(environ))


@contextmanager
def modelled(database: Database, directory: str, setup: Setup | None = None) -> Iterator[Model]:
    """Play with a model, then let everything be well and check that nothing was lost."""
    with Model(database, directory, setup or Setup()) as model:
        yield model
        model.finish()
