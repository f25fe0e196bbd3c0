"""The claims of the fixtures that other tests stand on."""

from __future__ import annotations

import psycopg
from sqlalchemy import create_engine


def test_a_test_gets_an_empty_database_of_its_own(empty_database: str, postgres_url: str) -> None:
    with psycopg.connect(empty_database) as connection:
        connection.execute("CREATE TABLE t (n int)")
        row = connection.execute("SELECT current_database()").fetchone()
    assert row is not None
    assert row[0].startswith("test_")
    assert empty_database != postgres_url


def test_sqlalchemy_reads_the_url_as_psycopg_does(empty_database: str) -> None:
    engine = create_engine(empty_database)
    with engine.connect() as connection, psycopg.connect(empty_database) as other:
        mine = connection.exec_driver_sql("SELECT current_database()").scalar()
        assert other.execute("SELECT current_database()").fetchone() == (mine,)
    engine.dispose()
