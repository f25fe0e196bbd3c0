"""report.storage_by_prefix and name_prefix: a name is looked at once, and the planner knows how many streams there are.

Revision ID: 0030
Revises: 0029
"""

from __future__ import annotations

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

# A name that ends like this has at least so many characters; taking its last ones first, to compare them, takes longer.
_STREAM = r"CASE WHEN {name} LIKE '%\_____-__-__-__-__-__\_____-__-__-__-__-__' THEN left({name}, -40) END"

NAME_PREFIX = f"""
CREATE OR REPLACE FUNCTION report.name_prefix(name text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
  WHEN coalesce(current_setting('syncer.prefix_pattern', true), '') <> ''
    THEN substring(name, current_setting('syncer.prefix_pattern', true))
  ELSE {_STREAM.format(name="name")} END
"""

# Without it each name counts as a stream of its own, and the planner sorts all of them.
STATISTICS = f"CREATE STATISTICS syncer.file_stream ON (coalesce({_STREAM.format(name='name')}, '')) FROM syncer.file"

_GROUPED = """
SELECT f.source, {stream} AS prefix, count(*) AS files, coalesce(sum(f.size_bytes), 0)::bigint AS bytes,
       min(f.created_at) AS oldest_created_at, max(f.created_at) AS newest_created_at,
       min(f.expires_at) AS next_expires_at
FROM syncer.file f
WHERE f.gone_at IS NULL AND (coalesce(current_setting('syncer.prefix_pattern', true), '') = '') IS {default}
GROUP BY {stream}, f.source
"""
# Whether a pattern is set is asked once, not for each file; of the two halves one is never begun.
BY_PREFIX = "CREATE OR REPLACE VIEW report.storage_by_prefix AS {} UNION ALL {}".format(
    _GROUPED.format(stream=f"coalesce({_STREAM.format(name='f.name')}, '')", default="true"),
    _GROUPED.format(
        stream="coalesce(substring(f.name, current_setting('syncer.prefix_pattern', true)), '')", default="false"
    ),
)


def upgrade() -> None:
    op.execute(STATISTICS)
    op.execute("COMMENT ON STATISTICS syncer.file_stream IS 'How many streams there are: see report.name_prefix.'")
    op.execute("ANALYZE syncer.file")
    op.execute(NAME_PREFIX)
    op.execute(BY_PREFIX)


def downgrade() -> None:
    script = op.get_context().script
    assert script is not None
    inventory = script.get_revision("0004").module
    op.execute(inventory.BY_PREFIX.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1))
    op.execute(inventory.NAME_PREFIX.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1))
    op.execute("DROP STATISTICS syncer.file_stream")
