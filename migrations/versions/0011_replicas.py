"""Replicas of the daemon: who lives, what is due by an index, who evaluates; holders that a pooler hides.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# A session that is not known (null) cannot be seen to end: behind a transaction pooler statements of one holder run in
# many sessions, and any of them may end while it lives. Then time alone decides. Of another database user's session
# nobody is shown the beginning; its number alone must do.
SESSION_LIVES = """
CREATE FUNCTION syncer.session_lives(pid integer, began timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN pid IS NULL OR EXISTS (
  SELECT FROM pg_stat_get_activity(session_lives.pid) a
  WHERE a.pid = session_lives.pid AND coalesce(a.backend_start = session_lives.began, true))
"""

# In report.sources a holder is alive by the same rule.
_BEFORE = """EXISTS (
    SELECT FROM pg_stat_activity a
    WHERE a.pid = lease.backend_pid AND coalesce(a.backend_start = lease.backend_start, true))"""
_AFTER = "syncer.session_lives(lease.backend_pid, lease.backend_start)"

COMMENTS = {
    "FUNCTION syncer.session_lives(integer, timestamptz)": "Whether a database session stands; true for one that is "
    "not known.",
    "COLUMN syncer.source.next_full_at": "When the daemon's next full pull is due; null: to be decided at once.",
    "COLUMN syncer.source.next_recent_at": "When the daemon's next recent pull is due; null: to be decided at once.",
    "COLUMN syncer.lease.backend_pid": "The holder's database session: when it is gone the source is free. Null when "
    "a pooler hides it: then held_until alone decides.",
}
_COMMENTS_BEFORE = {
    "COLUMN syncer.source.next_full_at": "When the daemon's next full pull is due; null before it first ran.",
    "COLUMN syncer.source.next_recent_at": "When the daemon's next recent pull is due.",
    "COLUMN syncer.lease.backend_pid": "The holder's database session; when it is gone the source is free.",
}


def _instant(name: str, comment: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, comment=comment)


def _columns() -> list[sa.Column[object]]:
    return [
        _instant("claimed_until", "A daemon is about to begin a pull; no other does so before this."),
        sa.Column("full_schedule", sa.Text(), nullable=True, comment="The schedule that next_full_at goes by."),
        sa.Column("recent_schedule", sa.Text(), nullable=True, comment="The schedule that next_recent_at goes by."),
        _instant("evaluate_at", "When the daemons next evaluate its alerts; null: at once."),
    ]


_DUE = {"source_full_due_idx": "next_full_at", "source_recent_due_idx": "next_recent_at"}


def upgrade() -> None:
    op.execute(SESSION_LIVES)
    for column in _columns():
        op.add_column("source", column, schema="syncer")
    for name, column_name in _DUE.items():
        due = sa.text(f"coalesce({column_name}, '-infinity'::timestamptz)")
        op.create_index(name, "source", [due], schema="syncer")
    op.create_index(
        "source_evaluate_idx", "source", [sa.text("coalesce(evaluate_at, '-infinity'::timestamptz)")], schema="syncer"
    )
    op.create_index(
        "lease_held_idx", "lease", ["source"], schema="syncer", postgresql_where=sa.text("holder is not null")
    )
    op.create_table(
        "replica",
        sa.Column("replica", sa.Text(), nullable=False, comment="One daemon process, by a name of its own."),
        sa.Column("name", sa.Text(), nullable=False, comment="Its host and process, as syncer.lease.holder has them."),
        sa.Column("version", sa.Text(), nullable=False, comment="Its version of syncer."),
        _instant("started_at", "When it started.", nullable=False),
        _instant("seen_at", "When it last looked for what is due.", nullable=False),
        _instant("seen_until", "It counts as alive until then.", nullable=False),
        sa.Column("sources", sa.Integer(), nullable=False, comment="Sources in its settings."),
        sa.Column("workers", sa.Integer(), nullable=False, comment="Pulls that it may run at once."),
        sa.Column("running", sa.Integer(), nullable=False, comment="Pulls that it ran then."),
        sa.PrimaryKeyConstraint("replica", name=op.f("replica_pkey")),
        schema="syncer",
        comment="Daemons that share this database.",
    )
    _replace_sources(_BEFORE, _AFTER)
    _comment(COMMENTS)


def downgrade() -> None:
    _replace_sources(_BEFORE, _BEFORE)
    op.drop_table("replica", schema="syncer")
    op.drop_index("lease_held_idx", "lease", schema="syncer")
    for name in (*_DUE, "source_evaluate_idx"):
        op.drop_index(name, "source", schema="syncer")
    for column in _columns():
        op.drop_column("source", column.name, schema="syncer")
    op.execute("DROP FUNCTION syncer.session_lives(integer, timestamptz)")
    _comment(_COMMENTS_BEFORE)


def _replace_sources(old: str, new: str) -> None:
    script = op.get_context().script
    assert script is not None
    text = script.get_revision("0006").module.SOURCES
    assert old in text
    op.execute(text.replace(old, new))


def _comment(comments: dict[str, str]) -> None:
    for name, comment in comments.items():
        op.execute("COMMENT ON {} IS '{}'".format(name, comment.replace("'", "''").replace(":", r"\:")))
