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

from syncer.errors import DatabaseUnavailable
from syncer.model import PullKind
from syncer.pull.attempt import Progress
from syncer.pull.run import RunResult
from syncer.simulator import Behaviour, End, World, lost_reply, on
from syncer.store import ledger
from syncer.store.database import connect

from .conftest import Rig

Simulated = Callable[..., Rig]
SMALL: Mapping[str, str] = {"page_size": "10"}


# Rows come first and the error behind them: the statement went well, and its commit fails. Once, for page 3.
_REFUSED_ONCE = """
CREATE SEQUENCE syncer.tried;
CREATE FUNCTION syncer.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF nextval('syncer.tried') = 3 THEN RAISE EXCEPTION 'not this time' USING ERRCODE = '40001'; END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON syncer.page DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION syncer.refuse()
"""


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
        """Run the pull until its commit waits, and whatever is asked for meanwhile has been answered."""
        self._thread.start()
        waiting = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'syncer.page'::regclass"
        deadline = time.monotonic() + 30
        while not self._rig.rows(waiting):
            assert time.monotonic() < deadline, self.error
            time.sleep(0.02)
        calls = -1
        while calls != self._rig.simulator.call_count:
            calls = self._rig.simulator.call_count
            time.sleep(0.5)

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
    rig = simulated({**SMALL, "calls_per_minute": "40"}, world=World(30))
    with held(rig, 2) as pull:
        assert rig.simulator.call_count == 2
        pull.go_on()
    assert pull.result is not None
    assert pull.result.api_calls == 3


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
        # The second page of a first pull has a statement of its own, and the server prepares it first: it waits there.
        assert calls >= (2 if page == 2 else min(page + 1, 4))
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


def test_a_page_whose_commit_fails_at_its_very_end_is_not_taken_for_committed(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(50))
    with psycopg.connect(rig.database, autocommit=True) as connection:
        connection.execute(_REFUSED_ONCE)
        try:
            result = rig.sync()
            assert (result.outcome, result.api_calls, result.totals["verdict"]) == ("complete", 5, "proven")
            rig.assert_equals_listing()
            assert connection.execute("SELECT count(*) FROM syncer.page").fetchone() == (5,)
            assert connection.execute("SELECT last_value FROM syncer.tried").fetchone() == (6,)
        finally:
            connection.execute("DROP FUNCTION syncer.refuse() CASCADE; DROP SEQUENCE syncer.tried")


def test_what_came_of_an_attempt_ahead_is_what_the_call_goes_on_from(simulated: Simulated) -> None:
    rig = simulated(SMALL, world=World(50))
    rig.simulator.faults = on([3], lost_reply())
    result = rig.sync()
    assert (result.outcome, result.api_calls, result.totals["verdict"]) == ("complete", 6, "proven")
    (told,) = rig.rows("SELECT sum(value)::int AS n FROM syncer.counter WHERE name = 'api_retries'")
    assert told["n"] == 1


def test_each_call_takes_one_slot_and_asks_for_it_once(simulated: Simulated) -> None:
    rig = simulated({**SMALL, "calls_per_minute": "600000"}, world=World(300))
    asked: list[str] = []

    def hear(_c: object, _cursor: object, sql: str, *_rest: object) -> None:
        if "syncer.quota" in sql:
            asked.append(sql)

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        result = rig.sync()
    finally:
        event.remove(Engine, "before_cursor_execute", hear)
    (quota,) = rig.rows("SELECT calls::int FROM syncer.quota")
    # a machine that stalls lets a grant grow old, which is then lost and another asked for
    assert result.api_calls == 30 <= quota["calls"] <= 33
    assert len(asked) <= 36


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
    # Nobody knows whether contexts are the same in every listing: then this one follows one that was given up.
    rig.rows(
        "UPDATE syncer.page n SET context_in = o.context_out FROM syncer.page o "
        "WHERE (n.pull_id, n.page) = (%s, 4) AND (o.pull_id, o.page) = (%s, 3) RETURNING 1",
        second.pull_id,
        first.pull_id,
    )
    assert doubted()


@pytest.mark.parametrize("given_up", ["context_death", "listing_end", "the beginning"])
def test_a_context_behind_one_that_was_given_up_may_have_been_answered(simulated: Simulated, given_up: str) -> None:
    rig = simulated(SMALL, world=World(100))
    pull = rig.sync(stop_after=1 if given_up == "the beginning" else 4)
    (now,) = rig.rows("SELECT context FROM syncer.pull WHERE pull_id = %s", pull.pull_id)

    def doubted() -> bool:
        with connect(rig.database) as connection:
            return ledger.answered_before(connection, "default", now["context"])

    assert not doubted()
    with psycopg.connect(rig.database, autocommit=True) as connection:
        # what a pull leaves behind that is killed in the commit of its first page, with the second asked for
        connection.execute(_GIVEN_UP[given_up], {"pull": pull.pull_id})
    assert doubted()


_GIVEN_UP = {
    "context_death": """
        INSERT INTO syncer.context_death (source, pull_id, generation, part, page, died_at, code, context_in)
        SELECT source, pull_id, generation, part, page - 1, now(), 70005, context_in FROM syncer.page
        WHERE (pull_id, page) = (%(pull)s, 4)""",
    "listing_end": """
        INSERT INTO syncer.listing_end (source, pull_id, generation, part, page, ended_at, ambiguous, context_in)
        SELECT source, pull_id, generation, part, page - 1, now(), true, context_in FROM syncer.page
        WHERE (pull_id, page) = (%(pull)s, 4)""",
    "the beginning": """
        INSERT INTO syncer.pull (source, kind, listing, prefix, page_size, allow_sweep, first_run, started_at,
                                 finished_at, outcome)
        SELECT source, kind, 'other', prefix, page_size, allow_sweep, first_run, started_at, now(), 'abandoned'
        FROM syncer.pull WHERE pull_id = %(pull)s""",
}
