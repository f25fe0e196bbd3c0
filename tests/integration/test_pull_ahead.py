"""While a page is committed the next one is asked for, where the quota lets it: whoever dies then loses nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from syncer.errors import DatabaseUnavailable, Fenced
from syncer.model import Calls, Page, PullKind
from syncer.pull.attempt import Progress
from syncer.pull.run import RunResult
from syncer.simulator import Behaviour, End, World, lost_reply, on
from syncer.store import ledger, quota
from syncer.store.database import connect
from syncer.store.pages import Checkpoint, Claim, commit_page, write

from .conftest import Rig

Simulated = Callable[..., Rig]
SMALL: Mapping[str, str] = {"page_size": "10"}


class Held:
    """A pull whose commit of page number `page` (from 2) is held up by a lock."""

    def __init__(self, rig: Rig, page: int) -> None:
        self.result: RunResult | None = None
        self.error: Exception | None = None
        self._rig, self._page = rig, page
        self._locked = threading.Event()
        self._lock = psycopg.connect(rig.database)
        self._thread = threading.Thread(target=self._pull)

    def _pull(self) -> None:
        try:
            self.result = self._rig.sync(on_page=self._hold)
        except Exception as error:  # noqa: BLE001 - what a test looks at
            self.error = error

    def _hold(self, at: Progress) -> None:
        # The page after this one is at hand already: the lock must be there before it is committed.
        if at.page == self._page - 1 and not self._locked.is_set():
            self._lock.execute("LOCK TABLE syncer.page IN ACCESS EXCLUSIVE MODE")
            self._locked.set()

    def run(self) -> None:
        """Run the pull until its commit waits."""
        self._thread.start()
        waiting = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'syncer.page'::regclass"
        deadline = time.monotonic() + 30
        while not self._rig.rows(waiting):
            assert time.monotonic() < deadline, self.error
            time.sleep(0.02)
        time.sleep(0.3)  # whatever is asked for meanwhile

    def kill(self) -> None:
        """Let the database end the session of the pull, and the page with it."""
        self._rig.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND relation = 'syncer.page'::regclass"
        )
        self.go_on()

    def go_on(self) -> None:
        """Give the lock back, and let the pull come to its end."""
        self._lock.rollback()
        self._thread.join(60)

    def close(self) -> None:
        """Leave nothing behind."""
        self._lock.close()
        if self._thread.is_alive():
            self._thread.join(60)


@contextmanager
def held(rig: Rig, page: int) -> Iterator[Held]:
    pull = Held(rig, page)
    try:
        pull.run()
        yield pull
    finally:
        pull.close()


def committed(rig: Rig) -> int:
    """Return the page at which the unfinished pull stands."""
    (pull,) = rig.rows("SELECT page FROM syncer.pull WHERE kind = 'full' AND finished_at IS NULL")
    return int(pull["page"])


def test_one_page_is_asked_for_while_one_is_committed_and_no_more(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    with held(rig, 4) as pull:
        assert rig.simulator.call_count == 5
        pull.go_on()
    assert pull.result is not None
    assert (pull.result.outcome, pull.result.totals["verdict"], pull.result.api_calls) == ("complete", "proven", 10)
    rig.assert_equals_listing()


def test_without_a_slot_to_spare_nothing_is_asked_ahead(simulated: Simulated) -> None:
    rig = simulated({**SMALL, "calls_per_minute": "300"}, world=World(50))
    with held(rig, 3) as pull:
        assert rig.simulator.call_count == 3
        pull.go_on()
    assert pull.result is not None
    assert pull.result.api_calls == 5


ENDINGS = {
    "empty context": Behaviour(),
    "70008": Behaviour(end=End.CODE_70008),
    "computed once": Behaviour(last_page_once=True),
    "70008, computed once": Behaviour(end=End.CODE_70008, last_page_once=True),
    "single use": Behaviour(context_uses=1),
    "single use, then 70008": Behaviour(context_uses=1, spent_code=70008),
}


@pytest.mark.parametrize("behaviour", ENDINGS.values(), ids=ENDINGS.keys())
@pytest.mark.parametrize("page", [2, 3, 4])
def test_a_commit_that_is_lost_while_the_next_page_is_asked_for_loses_nothing(
    simulated: Simulated, behaviour: Behaviour, page: int
) -> None:
    rig = simulated(SMALL, world=World(35), behaviour=behaviour)
    with held(rig, page) as pull:
        calls = rig.simulator.call_count
        assert calls >= min(page + 1, 4)
        pull.kill()
    assert isinstance(pull.error, DatabaseUnavailable)
    assert committed(rig) == page - 1
    result = rig.sync()
    assert (result.outcome, result.resumed, result.totals["verdict"]) == ("complete", True, "proven")
    rig.assert_equals_listing()
    assert rig.table() == rig.simulator.table()
    single_use = behaviour.context_uses is not None
    assert rig.simulator.call_count - calls <= 4 - (page - 1) + (5 if single_use else 3)


def test_a_stop_loses_no_page_that_was_answered(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100), behaviour=Behaviour(context_uses=1))
    app = rig.app()

    def stop(at: Progress) -> None:
        if at.page == 3:
            app.stop()

    with app.database() as url:
        result = app.sync(url, app.settings.source("default"), PullKind.FULL, on_progress=stop)
    assert result.outcome == "stopped"
    assert committed(rig) == rig.simulator.call_count == 4
    assert rig.sync().totals["restarts"] == 0


def test_what_came_of_an_attempt_ahead_is_what_the_call_goes_on_from(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(50))
    rig.simulator.faults = on([3], lost_reply())
    result = rig.sync()
    assert (result.outcome, result.api_calls, result.totals["verdict"]) == ("complete", 6, "proven")
    (told,) = rig.rows("SELECT sum(value)::int AS n FROM syncer.counter WHERE name = 'api_retries'")
    assert told["n"] == 1


def test_each_page_takes_the_slot_of_the_next_along(simulated: Simulated) -> None:
    rig = simulated({**SMALL, "calls_per_minute": "600000"}, world=World(300))
    asked: list[str] = []

    def hear(_c: object, _cursor: object, sql: str, *_rest: object) -> None:
        if sql.lstrip().startswith("UPDATE syncer.quota"):
            asked.append(sql)

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        result = rig.sync()
    finally:
        event.remove(Engine, "before_cursor_execute", hear)
    (quota,) = rig.rows("SELECT calls::int FROM syncer.quota")
    # a machine that stalls lets a slot grow old, which is then lost and another asked for
    assert result.api_calls == 30 <= quota["calls"]
    assert len(asked) <= 10


def test_a_page_that_is_not_committed_takes_no_slot(simulated: Simulated) -> None:
    rig = simulated({**SMALL, "calls_per_minute": "600000"}, world=World(50))
    with held(rig, 3) as pull:
        (before,) = rig.rows("SELECT calls::int FROM syncer.quota")
        pull.kill()
    (after,) = rig.rows("SELECT calls::int FROM syncer.quota")
    assert after == before


def test_a_page_that_is_fenced_off_takes_no_slot(database: str) -> None:
    place = Checkpoint(
        pull_id=1, generation=1, part="listing", page=1, context_in=None, phase="listing", context="next", reason=None,
        oldest=None, newest=None,
    )  # fmt: skip
    page = write(Page((), (), entries=0, context="next"))
    with connect(database, pinned=True) as connection:
        assert quota.try_acquire(connection, "one", calls_per_minute=10**6, interactive=False) == 0
        with pytest.raises(Fenced):
            commit_page(
                connection, Claim("default", 99, 60.0, 1), place, page, settled_run=0, calls=Calls(),
                slot=quota.slot("one", 10**6),
            )  # fmt: skip
        assert connection.exec_driver_sql("SELECT calls FROM syncer.quota").scalar_one() == 1


def test_a_context_behind_the_checkpoint_of_an_abandoned_pull_may_have_been_answered(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(100))
    first = rig.sync(stop_after=3)
    rig.environ["SYNCER_PREFIX"] = "600"
    second = rig.sync(stop_after=4)
    assert second.pull_id != first.pull_id
    (now,) = rig.rows("SELECT context FROM syncer.pull WHERE pull_id = %s", second.pull_id)

    def doubted() -> bool:
        with connect(rig.database) as connection:
            return ledger.answered_before(connection, "default", now["context"])

    assert not doubted()
    # nobody knows whether contexts are the same in every listing
    rig.rows(
        "UPDATE syncer.page n SET context_in = o.context_out FROM syncer.page o "
        "WHERE (n.pull_id, n.page) = (%s, 4) AND (o.pull_id, o.page) = (%s, 3) RETURNING 1",
        second.pull_id,
        first.pull_id,
    )
    assert doubted()
