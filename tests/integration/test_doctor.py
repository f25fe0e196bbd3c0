"""The doctor finds what is broken, says what to do, goes on with the rest, and asks the API twice at most."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import make_url

from syncer.app import App
from syncer.doctor import Check, Level, examine
from syncer.errors import DatabaseUnavailable, Unheard
from syncer.model import PullKind
from syncer.settings import load_settings
from syncer.simulator import SECRET_ID, SECRET_KEY, Behaviour, Simulator, World, always, coded
from syncer.store import leases
from syncer.store.database import connect, rows

from .recipients import Inbox

Doctor = Callable[..., dict[str, Check]]
FROM_THE_DATABASE = {"settings", "database", "database clock", "schema", "rights"}
FROM_THE_WORK = {"quota", "lease", "notifications", "alerts", "daemons", "web page", "connections"}
FROM_THE_API = {"credentials", "page size", "newest file", "context"}


def real_clock() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - what is compared is the real clocks


def ask(
    environ: dict[str, str], clock: Callable[[], datetime] = real_clock, *, notify: bool = False
) -> dict[str, Check]:
    """Return the checks by name; none of them may show a secret."""
    app = App(load_settings({"SYNCER_WEB_ADDRESS": "127.0.0.1:0", **environ}))
    checks = list(examine(app, app.settings.sources, clock=clock, notify=notify))
    for check in checks:
        assert SECRET_KEY not in str(asdict(check))
        assert SECRET_ID not in str(asdict(check))
        assert check.exit_code == 0 or check.level is Level.FAILED
    return {check.name: check for check in checks}


def environ(database: str, url: str, **more: str) -> dict[str, str]:
    return {
        "SYNCER_DATABASE_URL": database,
        "SYNCER_API_URL": url,
        "SYNCER_SECRET_ID": SECRET_ID,
        "SYNCER_SECRET_KEY": SECRET_KEY,
        "SYNCER_CALLS_PER_MINUTE": "6000",
        **more,
    }


def failures(checks: dict[str, Check]) -> dict[str, int]:
    return {name: check.exit_code for name, check in checks.items() if check.level is Level.FAILED}


def warnings(checks: dict[str, Check]) -> set[str]:
    return {name for name, check in checks.items() if check.level is Level.WARNING}


def test_all_is_well_with_two_calls_that_the_quota_counted(database: str) -> None:
    with Simulator(World(250)) as api:
        checks = ask(environ(database, api.url))
        assert api.call_count == 2
    assert {check.level for check in checks.values()} == {Level.OK}
    assert checks.keys() >= FROM_THE_DATABASE | FROM_THE_API | FROM_THE_WORK
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT sum(calls) FROM syncer.quota").fetchone() == (2,)


@pytest.mark.one_server
def test_sessions_that_are_cut_off_after_any_check_hide_no_other(database: str) -> None:
    with Simulator(World(250)) as api:
        environment = environ(database, api.url)
        everything = ask(environment).keys()
        app = App(load_settings({"SYNCER_WEB_ADDRESS": "127.0.0.1:0", **environment}))
        for place in range(len(everything)):
            found: list[Check] = []
            for check in examine(app, app.settings.sources, clock=real_clock):
                found.append(check)
                if len(found) == place + 1:
                    cut_off(database)
            failed = [each for each in found if each.level is Level.FAILED]
            assert {each.exit_code for each in failed} <= {DatabaseUnavailable.exit_code}
            assert "alerts" in {each.name for each in found} or {"database", "schema"} & {each.name for each in failed}
            assert failed or found[place].name in {"settings", "web page", "alerts"}
            assert not {"status", "lease"} <= {each.name for each in found}, "nothing is said of what was not read"


def test_a_proxy_that_cannot_be_used_is_no_fault_of_the_quota(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "socks5://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    checks = ask(environ(database, "http://127.0.0.1:1/"))
    assert failures(checks) == {"API calls": 2}
    assert "is no HTTP proxy" in checks["API calls"].found
    assert {"quota", "lease", "alerts"} <= checks.keys()


def cut_off(database: str) -> None:
    """End every session in the database, as an administrator or a failover does."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_an_empty_account_is_well_too(database: str) -> None:
    with Simulator(World(0)) as api:
        checks = ask(environ(database, api.url))
    assert {check.level for check in checks.values()} == {Level.OK}


def test_a_wrong_key_is_refused_with_one_call(database: str) -> None:
    with Simulator(World(5)) as api:
        checks = ask(environ(database, api.url, SYNCER_SECRET_KEY="wrongwrongwrong"))
        assert api.call_count == 1
    assert failures(checks) == {"credentials": 3}
    assert "SYNCER_SECRET_KEY" in checks["credentials"].found


def test_without_credentials_the_rest_is_checked_and_the_demo_is_named(database: str) -> None:
    checks = ask({"SYNCER_DATABASE_URL": database})
    assert failures(checks) == {"credentials": 2}
    assert "syncer demo" in checks["credentials"].found
    assert checks.keys() >= FROM_THE_DATABASE


def test_an_api_that_nobody_serves_is_told_at_once(database: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    began = time.monotonic()
    checks = ask(environ(database, f"http://127.0.0.1:{port}/v2/index.php"))
    assert time.monotonic() - began < 5
    assert failures(checks) == {"api": 4}


def test_an_api_that_keeps_failing_is_asked_once(database: str) -> None:
    with Simulator(World(5), faults=always(coded(6000))) as api:
        checks = ask(environ(database, api.url))
        assert api.call_count == 1
    assert failures(checks) == {"api": 4}


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_wrong_clock_is_found_as_such(database: str, hours: int) -> None:
    with Simulator(World(5), clock=lambda: time.time() + hours * 3600) as api:  # noqa: TID251 - a clock that is wrong
        checks = ask(environ(database, api.url))
        assert api.call_count <= 2
    assert failures(checks) == {"api clock": 3}
    assert "this machine's clock" in checks["api clock"].advice


def test_a_database_that_cannot_be_reached_does_not_keep_the_api_unchecked() -> None:
    with Simulator(World(250)) as api:
        checks = ask(environ("postgresql://nobody:hushhush@127.0.0.1:1/x", api.url))
        assert api.call_count == 2
    assert failures(checks) == {"database": 5}
    assert checks.keys() >= FROM_THE_API
    assert "hushhush" not in str(checks)


def test_a_schema_that_is_not_current_is_told_and_the_api_checked(empty_database: str) -> None:
    with Simulator(World(250)) as api:
        checks = ask(environ(empty_database, api.url))
    assert failures(checks) == {"schema": 5}
    assert "syncer migrate" in checks["schema"].found
    assert checks.keys() >= FROM_THE_API


def test_rights_that_are_lacking_are_named(database: str) -> None:
    role = f"weak_{make_url(database).database}"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN")
        connection.execute(f"GRANT USAGE ON SCHEMA syncer, report TO {role}")
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA syncer, report TO {role}")
        try:
            weak = make_url(database).set(username=role).render_as_string(hide_password=False)
            with Simulator(World(250)) as api:
                checks = ask(environ(weak, api.url))
        finally:
            connection.execute(f"DROP OWNED BY {role}")
            connection.execute(f"DROP ROLE {role}")
    assert failures(checks) == {"rights": 5}
    assert checks.keys() >= FROM_THE_API
    assert "delete on syncer." in checks["rights"].found


def test_a_read_only_database_is_told(database: str) -> None:
    standby = make_url(database).update_query_dict({"options": "-c default_transaction_read_only=on"})
    checks = ask({"SYNCER_DATABASE_URL": standby.render_as_string(hide_password=False)})
    assert failures(checks) == {"database": 5, "credentials": 2}
    assert "read-only" in checks["database"].found


def test_pages_that_are_smaller_than_asked_for_are_a_warning(database: str) -> None:
    with Simulator(World(250), behaviour=Behaviour(page_size_cap=10)) as api:
        checks = ask(environ(database, api.url))
    assert warnings(checks) == {"page size"}
    assert checks["page size"].found == "asked for 100, got 10"


def test_a_listing_that_is_not_newest_first_is_a_warning(database: str) -> None:
    with Simulator(World(250), behaviour=Behaviour(orderby_ignored=True)) as api:
        checks = ask(environ(database, api.url))
    assert warnings(checks) == {"order"}


def test_a_context_that_leads_nowhere_is_a_warning(database: str) -> None:
    with Simulator(World(250), behaviour=Behaviour(context_lifetime=0.0)) as api:
        checks = ask(environ(database, api.url))
    assert warnings(checks) == {"context"}
    assert "70005" in checks["context"].found


def test_files_from_the_future_show_a_wrong_zone(database: str) -> None:
    with Simulator(World(250, now=time.time() + 8 * 3600)) as api:  # noqa: TID251 - files eight hours ahead
        checks = ask(environ(database, api.url))
    assert "newest file" in warnings(checks)
    assert "from now" in checks["newest file"].found


def test_a_machine_whose_clock_differs_from_the_databases_is_warned(database: str) -> None:
    checks = ask(
        {"SYNCER_DATABASE_URL": database}, clock=lambda: datetime.fromtimestamp(real_clock().timestamp() - 3600, UTC)
    )
    assert "ahead of this machine's" in checks["database clock"].found
    assert warnings(checks) == {"database clock"}


def test_a_holder_is_named_and_no_obstacle(database: str) -> None:
    with Simulator(World(5)) as api, connect(database) as holder:
        leases.ensure_source(holder, "default", account="x", prefix="")
        leases.claim(holder, "default", holder="elsewhere, process 7", seconds=60, sleep=lambda _: None)
        checks = ask(environ(database, api.url))
    assert checks["lease"].level is Level.OK
    assert "elsewhere, process 7" in checks["lease"].found


def test_a_limit_above_the_apis_own_is_a_warning_for_the_real_host_only(database: str) -> None:
    with Simulator(World(5)) as api:
        assert not warnings(ask(environ(database, api.url)))
    unreachable = environ(database, "https://127.0.0.1:1/v2/index.php")
    checks = ask(unreachable)
    assert warnings(checks) == {"quota"}
    assert failures(checks) == {"api": 4}


def test_a_database_whose_encoding_cannot_hold_every_name_is_told(postgres_url: str, worker_name: str) -> None:
    name = f"test_{os.getpid()}_{worker_name}_latin"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
        try:
            latin = make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
            checks = ask({"SYNCER_DATABASE_URL": latin})
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    assert failures(checks) == {"database": 5, "credentials": 2}
    assert "LATIN1" in checks["database"].found
    assert "ENCODING 'UTF8'" in checks["database"].advice


def test_addresses_are_checked_and_nothing_is_sent_unless_asked_for(database: str) -> None:
    with Simulator(World(5)) as api, closing(Inbox()) as inbox:
        settings = environ(database, api.url, SYNCER_NOTIFY=inbox.url())
        checks = ask(settings)
        assert checks["notifications"].found == "1 recipient"
        assert "nothing was sent to it yet" in checks["recipient"].found
        assert inbox.received == []
        checks = ask(settings, notify=True)
        assert {check.level for check in checks.values()} == {Level.OK}
        assert "last accepted a message" in checks["recipient"].found
        assert len(inbox.received) == 1
        inbox.answer = lambda _: (403, b"no")
        checks = ask(settings, notify=True)
        assert failures(checks) == {"notifications": Unheard.exit_code}
        assert warnings(checks) == {"recipient"}
        assert "refuses for good" in checks["recipient"].found
        assert api.call_count == 3, "a listing of one page is asked for once"


def test_a_mistake_in_an_address_is_a_failure_and_the_rest_is_checked(database: str) -> None:
    with Simulator(World(250)) as api:
        checks = ask(environ(database, api.url, SYNCER_NOTIFY="carrier-pigeon://loft"))
    assert failures(checks) == {"notifications": 2}
    assert checks.keys() >= FROM_THE_DATABASE | FROM_THE_API | {"alerts"}


def test_open_alerts_are_a_warning(database: str) -> None:
    with Simulator(World(5)) as api:
        ask(environ(database, api.url))
        with connect(database) as connection:
            leases.ensure_source(connection, "default", account="x", prefix="")
            rows(
                connection,
                "INSERT INTO syncer.alert (source, rule, severity, raised_at, evaluated_at)"
                " VALUES ('default', 'stale', 'critical', now(), now())",
            )
        checks = ask(environ(database, api.url))
    assert warnings(checks) == {"alerts", "notifications"}, "nobody is told of it, either"
    assert checks["alerts"].found == "open: 1 critical"


REPLICA = (
    "INSERT INTO syncer.replica VALUES (%(id)s, %(id)s || ', process 7', %(version)s, now(), now(),"
    " now() + %(lives)s * interval '1 minute', 1, 8, 2)"
)


def test_a_replicas_view_of_the_others(database: str) -> None:
    with Simulator(World(5)) as api, connect(database) as connection:
        rows(connection, REPLICA, id="east", version="1", lives=-1)
        checks = ask(environ(database, api.url))
        assert warnings(checks) == {"daemons"}
        assert "none lives: east, process 7 was last heard" in checks["daemons"].found
        rows(connection, REPLICA, id="west", version="1", lives=1)
        checks = ask(environ(database, api.url))
        assert not warnings(checks)
        assert "west, process 7 lives and runs 2 of 8 pulls" in checks["daemons"].found
        rows(connection, REPLICA, id="north", version="2", lives=1)
        checks = ask(environ(database, api.url))
        assert warnings(checks) == {"daemons"}
        assert "different versions (1, 2)" in checks["daemons"].found


@pytest.mark.one_server
def test_an_address_that_somebody_else_has_is_a_warning(database: str) -> None:
    with Simulator(World(5)) as api, socket.create_server(("127.0.0.1", 0)) as taken:
        taken.settimeout(5)
        port = taken.getsockname()[1]
        checks = ask(environ(database, api.url, SYNCER_WEB_ADDRESS=f"127.0.0.1:{port}"))
    assert warnings(checks) == {"web page"}
    assert "in use" in checks["web page"].found


@pytest.mark.one_server
def test_schedules_that_the_quota_cannot_carry_are_a_warning(database: str) -> None:
    with Simulator(World(250)) as api:
        settings = environ(database, api.url, SYNCER_PAGE_SIZE="10", SYNCER_CALLS_PER_MINUTE="600")
        app = App(load_settings(settings))
        with app.database() as url:
            app.sync(url, app.settings.sources[0], PullKind.FULL)
        tight = settings | {"SYNCER_CALLS_PER_MINUTE": "20", "SYNCER_FULL_SCHEDULE": "* * * * *"}
        checks = ask(tight)
    assert "quota" in warnings(checks)
    assert "SYNCER_FULL_SCHEDULE" in checks["quota"].advice
