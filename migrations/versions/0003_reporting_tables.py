"""What reporting needs kept: ends of listings, tiers, daily figures, how far history reaches; indexes that serve it.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# What the row had last changed before: with it, looking back never needs history older than the instant asked for.
PREVIOUS = """
UPDATE syncer.change c
SET previous_at = coalesce(
  (SELECT max(e.changed_at) FROM syncer.change e
   WHERE e.source = c.source AND e.file_id = c.file_id AND e.changed_at < c.changed_at),
  (SELECT f.first_seen_at FROM syncer.file f WHERE f.source = c.source AND f.file_id = c.file_id),
  c.changed_at)
"""


def _instant(name: str, comment: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, comment=comment)


def _count(name: str, comment: str, *, nullable: bool = False) -> sa.Column[int]:
    default = None if nullable else sa.text("0")
    return sa.Column(name, sa.BigInteger(), server_default=default, nullable=nullable, comment=comment)


def _text(name: str, comment: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable, comment=comment)


def _source() -> sa.Column[str]:
    return _text("source", "The source.")


def upgrade() -> None:
    op.create_table(
        "listing_end",
        _source(),
        sa.Column("pull_id", sa.BigInteger(), nullable=False, comment="The pull."),
        sa.Column("generation", sa.Integer(), nullable=False, comment="Which listing of the pull."),
        _text("part", "listing or tail."),
        sa.Column("page", sa.Integer(), nullable=False, comment="Pages that had come before."),
        _instant("ended_at", "When the API said so.", nullable=False),
        sa.Column(
            "ambiguous",
            sa.Boolean(),
            nullable=False,
            comment="Somebody may have had a page for this context before: it may be missing.",
        ),
        sa.Column("context_in", sa.LargeBinary(), nullable=True, comment="Hash of the context; null: none was sent."),
        sa.PrimaryKeyConstraint("source", "pull_id", "generation", "part", name=op.f("listing_end_pkey")),
        schema="syncer",
        comment="Listings that the API called complete (70008), and whether that was sure.",
    )
    op.create_table(
        "tier",
        _source(),
        sa.Column("position", sa.SmallInteger(), nullable=False, comment="Order in the settings, from 1."),
        _text("name", "The tier as the settings write it."),
        sa.Column("span", sa.Interval(), nullable=True, comment="Entered this long before the expiry; or"),
        sa.Column("share", sa.Float(), nullable=True, comment="entered at this share of the lifetime before it."),
        sa.CheckConstraint("(span is null) <> (share is null)", name=op.f("tier_one_check")),
        sa.PrimaryKeyConstraint("source", "position", name=op.f("tier_pkey")),
        schema="syncer",
        comment="SYNCER_EXPIRY_TIERS of each source, as its last run had them.",
    )
    op.create_table(
        "inventory_day",
        _source(),
        sa.Column("day", sa.Date(), nullable=False, comment="The day, by Beijing time."),
        _instant("as_of", "When the live figures were counted; null on a day without a finished pull."),
        sa.Column("pull_id", sa.BigInteger(), nullable=True, comment="The pull that they rest on."),
        sa.Column(
            "proven",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="A full pull that ended on this day proved that nothing was missing.",
        ),
        _count("live_files", "Live files.", nullable=True),
        _count("live_bytes", "Their bytes.", nullable=True),
        _count("overdue_files", "Files still listed past their expiry.", nullable=True),
        _count("added", "Files seen for the first time on this day."),
        _count("changed", "Files of which a field changed."),
        _count("expired", "Files found gone at or after their expiry."),
        _count("vanished", "Files found gone before their expiry."),
        _count("returned", "Files listed again after they had gone."),
        sa.PrimaryKeyConstraint("source", "day", name=op.f("inventory_day_pkey")),
        schema="syncer",
        comment="The inventory day by day; kept when history is pruned.",
    )
    op.create_table(
        "retention",
        _source(),
        _instant("history_from", "History before this was pruned; null: none was."),
        sa.PrimaryKeyConstraint("source", name=op.f("retention_pkey")),
        schema="syncer",
        comment="How far back a source's history reaches.",
    )
    op.add_column(
        "page",
        sa.Column("ordered", sa.Boolean(), nullable=True, comment="Its createTimes kept the order asked for."),
        schema="syncer",
    )
    op.add_column("change", _instant("previous_at", "When the file had last changed before this."), schema="syncer")
    op.execute(PREVIOUS)
    op.alter_column("change", "previous_at", nullable=False, schema="syncer")
    op.drop_index("file_expires_idx", "file", schema="syncer")
    op.create_index(
        "file_expires_idx",
        "file",
        ["source", "expires_at"],
        schema="syncer",
        postgresql_include=["size_bytes"],
        postgresql_where=sa.text("gone_at is null"),
    )
    op.create_index("file_first_seen_idx", "file", ["first_seen_at"], schema="syncer", postgresql_using="brin")


def downgrade() -> None:
    op.drop_index("file_first_seen_idx", "file", schema="syncer")
    op.drop_index("file_expires_idx", "file", schema="syncer")
    op.create_index(
        "file_expires_idx",
        "file",
        ["source", "expires_at"],
        schema="syncer",
        postgresql_where=sa.text("expires_at is not null"),
    )
    op.drop_column("change", "previous_at", schema="syncer")
    op.drop_column("page", "ordered", schema="syncer")
    for table in ("retention", "inventory_day", "tier", "listing_end"):
        op.drop_table(table, schema="syncer")
