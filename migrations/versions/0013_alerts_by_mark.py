"""Alerts: exact marks of what was told, acknowledgements that end where newcomers begin, recipients that change.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def _instant(name: str, comment: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, comment=comment)


def _instants(name: str, comment: str) -> sa.Column[object]:
    return sa.Column(name, sa.ARRAY(sa.DateTime(timezone=True)), nullable=True, comment=comment)


def _columns() -> dict[str, tuple[sa.Column[Any], ...]]:
    """Return the new columns by their tables."""
    return {
        "alert": (
            _instants(
                "announced_open",
                "But for what transactions wrote that had begun at one of these instants and were open then.",
            ),
            _instant(
                "acknowledged_mark", "The acknowledgement covers the files that were announced up to this instant,"
            ),
            _instants("acknowledged_open", "but for what these transactions wrote."),
            _instant("renewed_at", "Since when there is something that the acknowledgement does not cover."),
            sa.Column("unacknowledged", sa.BigInteger(), nullable=True, comment="Files that it does not cover."),
        ),
        "recipient": (
            sa.Column(
                "address",
                sa.Text(),
                nullable=True,
                comment="Digest of who is reached; no secret can be read from it.",
            ),
            _instant("absent_since", "Since when no setting names it."),
        ),
        "outbox": (_instant("withdrawn_at", "Given up because no setting named its recipient any more."),),
    }


_KEPT = """
SELECT a.source, a.alert_id, a.rule, a.tier, a.files, a.bytes, a.raised_at, a.sent_at, a.acknowledged_at,
       a.resolved_at, a.grp AS name_group, a.severity, a.resolution, a.messages, a.announced_at, a.messaged_at,
       a.escalated_at, a.acknowledged_by, a.snoozed_until, a.reopened, a.detail,
       CASE WHEN a.resolved_at IS NOT NULL THEN 'resolved'
            WHEN a.acknowledged_at IS NOT NULL{renewed} THEN 'acknowledged'
            WHEN a.snoozed_until > syncer.instant() THEN 'snoozed' WHEN a.escalated_at IS NOT NULL THEN 'escalated'
            ELSE 'raised' END AS state{more}
FROM syncer.alert a
"""
ALERTS = "CREATE OR REPLACE VIEW report.alerts AS" + _KEPT.format(
    renewed=" AND a.renewed_at IS NULL", more=", a.unacknowledged AS unacknowledged_files"
)
ALERTS_BEFORE = "CREATE VIEW report.alerts AS" + _KEPT.format(renewed="", more="")

COMMENTS = {
    "COLUMN report.alerts.unacknowledged_files": "Files that came after the acknowledgement; null where nobody "
    "acknowledged.",
    "COLUMN report.alerts.announced_at": "Files that were members at this instant were in a message.",
    "COLUMN report.alerts.state": "raised, escalated, snoozed, acknowledged or resolved; acknowledged ends when "
    "files join that the acknowledgement does not cover.",
    "COLUMN syncer.alert.announced_at": "When its files were last told: who was a member then was in a message.",
    "COLUMN syncer.outbox.kind": "raised, updated, standing, escalated, reminder, resolved or test.",
}
BEFORE = {
    "VIEW report.alerts": "One row per alert, from raised to resolved; docs/runbook.md explains each rule.",
    "COLUMN report.alerts.sent_at": "When a message about it first reached a recipient; null when none did.",
    "COLUMN report.alerts.name_group": "The group of names it is about; empty: the names of no group.",
    "COLUMN report.alerts.severity": "info, warning or critical.",
    "COLUMN report.alerts.resolution": "Why it was resolved: extended, gone, returned, expired, nearer (its files are "
    "in a nearer tier now), mended, silenced or command.",
    "COLUMN report.alerts.messages": "Messages about it so far.",
    "COLUMN report.alerts.announced_at": "Files that were members at this instant were in a message.",
    "COLUMN report.alerts.messaged_at": "When the last message about it was composed.",
    "COLUMN report.alerts.escalated_at": "When other recipients were told because nobody acknowledged it.",
    "COLUMN report.alerts.acknowledged_by": "Who acknowledged it.",
    "COLUMN report.alerts.snoozed_until": "No reminders before this.",
    "COLUMN report.alerts.reopened": "How often its cause came back within an hour.",
    "COLUMN report.alerts.detail": "What else the rule found.",
    "COLUMN report.alerts.state": "raised, escalated, snoozed, acknowledged or resolved.",
    "COLUMN syncer.alert.announced_at": "Files that were members then were in a message; null: none was sent for it.",
    "COLUMN syncer.outbox.kind": "raised, updated, escalated, reminder, resolved or test.",
}


def _tally() -> None:
    op.create_table(
        "tally",
        sa.Column("source", sa.Text(), nullable=False, comment="The source."),
        sa.Column("rule", sa.Text(), nullable=False, comment="The rule whose files were counted."),
        sa.Column("tier", sa.Text(), nullable=False, comment="The expiry tier."),
        sa.Column("grp", sa.Text(), nullable=False, comment="The group of names."),
        sa.Column(
            "fingerprint",
            sa.Text(),
            nullable=False,
            comment="Of what was counted; when it is another one, all is counted anew.",
        ),
        _instant("counted_at", "The counts are of this instant,", nullable=False),
        sa.Column(
            "open",
            sa.ARRAY(sa.DateTime(timezone=True)),
            nullable=False,
            comment="but for what transactions wrote that had begun at one of these instants and were open then.",
        ),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="The counts."),
        sa.PrimaryKeyConstraint("source", "rule", "tier", "grp", name=op.f("tally_pkey")),
        schema="syncer",
        comment="What an evaluation counted: the next one looks only at what changed since.",
        postgresql_with={"fillfactor": 50},
    )


def _say(comments: dict[str, str]) -> None:
    for name, comment in comments.items():
        op.execute("COMMENT ON {} IS '{}'".format(name, comment.replace("'", "''").replace(":", r"\:")))


def upgrade() -> None:
    for table, columns in _columns().items():
        for column in columns:
            op.add_column(table, column, schema="syncer")
    # What was acknowledged before covers what had been announced.
    op.execute(
        "UPDATE syncer.alert SET acknowledged_mark = announced_at, acknowledged_open = '{}', unacknowledged = 0 "
        "WHERE acknowledged_at IS NOT NULL"
    )
    _tally()
    # An evaluation asks each minute whether files were stored since the last one: the index must know the newest pages.
    op.execute("ALTER INDEX syncer.file_first_seen_idx SET (autosummarize = on)")
    op.execute("SELECT brin_summarize_new_values('syncer.file_first_seen_idx')")
    op.execute(ALERTS)
    _say(COMMENTS)


def downgrade() -> None:
    op.execute("ALTER INDEX syncer.file_first_seen_idx RESET (autosummarize)")
    op.drop_table("tally", schema="syncer")
    op.execute("DROP VIEW report.alerts")
    op.execute(ALERTS_BEFORE)
    for table, columns in _columns().items():
        for column in reversed(columns):
            op.drop_column(table, column.name, schema="syncer")
    _say(BEFORE)
