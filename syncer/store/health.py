"""What `syncer doctor` asks the database about itself."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from syncer.store.database import rows

OLDEST_VERSION = 150000
"""The oldest PostgreSQL that syncer works with, as `server_version_num` counts."""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """A database server: its version, whether it may be written to, its clock in UNIX seconds, and who we are to it.

    `connections` are open, all databases' together, of the `most_connections` that ordinary users may open.
    """

    version: str
    version_number: int
    writable: bool
    clock: float
    user: str
    database: str
    may_create: bool
    encoding: str
    connections: int
    most_connections: int


_SERVER = """
SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS version_number,
       NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off' AS writable,
       extract(epoch FROM clock_timestamp())::float8 AS clock, current_user::text AS "user",
       current_database()::text AS database, has_database_privilege(current_database(), 'CREATE') AS may_create,
       current_setting('server_encoding') AS encoding,
       (SELECT count(*) FROM pg_stat_get_activity(NULL) a WHERE a.backend_type = 'client backend') AS connections,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
         AS most_connections
"""

_LACKING = """
SELECT format('%%s on %%s.%%s', lower(p.privilege), n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL unnest(CASE n.nspname WHEN 'syncer' THEN ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']
                          ELSE ARRAY['SELECT'] END) AS p (privilege)
WHERE n.nspname IN ('syncer', 'report') AND c.relkind IN ('r', 'p', 'v') AND c.relname <> 'alembic_version'
  AND NOT has_table_privilege(c.oid, p.privilege)
ORDER BY 1
"""


def server_facts(connection: sa.Connection) -> ServerFacts:
    """Return what the server says of itself."""
    return ServerFacts(**rows(connection, _SERVER).mappings().one())


def lacking_rights(connection: sa.Connection) -> list[str]:
    """Return the rights on syncer's tables that this database user lacks, such as `insert on syncer.page`."""
    return list(rows(connection, _LACKING).scalars())
