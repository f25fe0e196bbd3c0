"""Alerts: their state, the outbox and its recipients; report.alerts and report.alert_files.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def _instant(name: str, comment: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, comment=comment)


def _count(name: str, comment: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False, comment=comment)


def _number(name: str, comment: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False, comment=comment)


def _text(name: str, comment: str, *, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, server_default=default, comment=comment)


def _note(name: str, comment: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=True, comment=comment)


def _id(name: str, comment: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), sa.Identity(always=True), nullable=False, comment=comment)


def _json(name: str, comment: str, *, default: str | None = None) -> sa.Column[object]:
    kind = postgresql.JSONB(astext_type=sa.Text())
    return sa.Column(name, kind, nullable=False, server_default=default, comment=comment)


def _alert() -> None:
    op.create_table(
        "alert",
        _text("source", "The source."),
        _id("alert_id", "Its number."),
        _text("rule", "The rule that raised it."),
        _text("tier", "The expiry tier, of rules that have tiers.", default=""),
        _text("grp", "The group of names; empty: those of no group.", default=""),
        _text("severity", "info, warning or critical."),
        _count("files", "Files it is about, as last evaluated."),
        _count("bytes", "Their bytes."),
        _json("detail", "What else the rule found.", default="{}"),
        _text("prefix", "Its files' names begin with this,", default=""),
        sa.Column("not_prefixes", sa.ARRAY(sa.Text()), nullable=True, comment="and with none of these."),
        sa.Column("span", sa.Interval(), nullable=True, comment="Its tier begins this long before the expiry; or"),
        sa.Column("share", sa.Float(), nullable=True, comment="at this share of the lifetime before it;"),
        sa.Column("inner_span", sa.Interval(), nullable=True, comment="it ends where the next of the spans begins,"),
        sa.Column("other_spans", sa.ARRAY(sa.Interval()), nullable=True, comment="or where one of these or"),
        sa.Column(
            "other_shares", sa.ARRAY(sa.Float()), nullable=True, comment="one of these shares of the lifetime does."
        ),
        _instant("before", "Of overdue files: those that expired before this."),
        _instant("raised_at", "When it was raised.", nullable=False),
        _instant("evaluated_at", "When its files were last counted, up to a change.", nullable=False),
        _instant("announced_at", "Files that were members then were in a message; null: none was sent for it."),
        _instant("messaged_at", "When a message about it was last put into the outbox."),
        _number("messages", "Messages so far."),
        _instant("sent_at", "When one of them first reached a recipient."),
        _instant("escalated_at", "When others were told, because nobody acknowledged it."),
        _instant("acknowledged_at", "When somebody took notice."),
        _note("acknowledged_by", "Who."),
        _instant("snoozed_until", "No reminders before this."),
        _instant("resolved_at", "When its cause was gone; null while it stands."),
        _note("resolution", "extended, gone, returned, expired, nearer, mended, silenced or command."),
        _number("reopened", "How often it came back at once."),
        sa.PrimaryKeyConstraint("source", "alert_id", name=op.f("alert_pkey")),
        schema="syncer",
        comment="Alerts: a row from raised to resolved.",
    )
    op.create_index(
        "alert_open_idx",
        "alert",
        ["source", "rule", "tier", "grp"],
        unique=True,
        schema="syncer",
        postgresql_where=sa.text("resolved_at is null"),
    )
    op.create_index("alert_key_idx", "alert", ["source", "rule", "tier", "grp", "alert_id"], schema="syncer")


def _recipient() -> None:
    op.create_table(
        "recipient",
        _text("source", "The source whose alerts it is told of."),
        _text("recipient", "Its identity; no address can be read from it."),
        _text("name", "What people call it."),
        _number("failures", "Failures since it last accepted."),
        _instant("next_try_at", "Nothing is sent to it before this."),
        _note("error", "Why it did not accept the last message."),
        _instant("parked_at", "Since when it refuses for good."),
        _instant("accepted_at", "When it last accepted a message."),
        _count("claim", "Rises with every claim."),
        _instant("claimed_until", "Whoever sends to it has until then."),
        sa.Column(
            "backend_pid",
            sa.Integer(),
            nullable=True,
            comment="The sender's database session; when it is gone the claim is free.",
        ),
        _instant("backend_start", "When that session began."),
        sa.PrimaryKeyConstraint("source", "recipient", name=op.f("recipient_pkey")),
        schema="syncer",
        comment="Recipients of a source's alerts, and how sending to them goes.",
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        _text("source", "The source."),
        _id("message_id", "Rises with every message."),
        _text("recipient", "To whom."),
        _text("key", "The idempotency key, the same for every attempt."),
        sa.Column("alert_id", sa.BigInteger(), nullable=True, comment="The alert; null for a test."),
        _text("kind", "raised, updated, escalated, reminder, resolved or test."),
        _json("body", "The message as it is sent."),
        _instant("created_at", "When it was composed.", nullable=False),
        _instant("not_before", "Quiet hours and the patience with flapping end then.", nullable=False),
        _number("attempts", "Attempts at sending it."),
        _note("error", "Why the last attempt failed."),
        _instant("refused_at", "When it was first refused for good."),
        _instant("sent_at", "When the recipient accepted it."),
        _instant("given_up_at", "Refused again although the recipient took others meanwhile: it is not sent any more."),
        sa.ForeignKeyConstraint(
            ["source", "recipient"],
            ["syncer.recipient.source", "syncer.recipient.recipient"],
            name=op.f("outbox_recipient_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["source", "alert_id"], ["syncer.alert.source", "syncer.alert.alert_id"], name=op.f("outbox_alert_fkey")
        ),
        sa.PrimaryKeyConstraint("source", "message_id", name=op.f("outbox_pkey")),
        schema="syncer",
        comment="Messages on their way to one recipient each.",
    )
    op.create_index("outbox_key_idx", "outbox", ["source", "recipient", "key"], unique=True, schema="syncer")
    op.create_index(
        "outbox_waiting_idx",
        "outbox",
        ["source", "recipient", "message_id"],
        schema="syncer",
        postgresql_where=sa.text("sent_at is null and given_up_at is null"),
    )


# How the view was before: its columns and their order stay.
ALERTS_EMPTY = """
SELECT NULL::text AS source, NULL::bigint AS alert_id, NULL::text AS rule, NULL::text AS tier, NULL::bigint AS files,
       NULL::bigint AS bytes, NULL::timestamptz AS raised_at, NULL::timestamptz AS sent_at,
       NULL::timestamptz AS acknowledged_at, NULL::timestamptz AS resolved_at
WHERE false
"""

ALERTS = """
CREATE OR REPLACE VIEW report.alerts AS
SELECT a.source, a.alert_id, a.rule, a.tier, a.files, a.bytes, a.raised_at, a.sent_at, a.acknowledged_at,
       a.resolved_at, a.grp AS name_group, a.severity, a.resolution, a.messages, a.announced_at, a.messaged_at,
       a.escalated_at, a.acknowledged_by, a.snoozed_until, a.reopened, a.detail,
       CASE WHEN a.resolved_at IS NOT NULL THEN 'resolved' WHEN a.acknowledged_at IS NOT NULL THEN 'acknowledged'
            WHEN a.snoozed_until > syncer.instant() THEN 'snoozed' WHEN a.escalated_at IS NOT NULL THEN 'escalated'
            ELSE 'raised' END AS state
FROM syncer.alert a
"""

# Which files an open alert is about now. Said as in syncer/store/alert_facts.py; a test holds them equal.
ALERT_FILES = """
CREATE VIEW report.alert_files AS
SELECT a.source, a.alert_id, a.rule, a.tier, f.file_id, f.name, f.size_bytes, f.created_at, f.expires_at, f.gone_at,
       f.url
FROM syncer.alert a
JOIN syncer.file f ON f.source = a.source AND f.gone_at IS NULL
  AND f.expires_at > syncer.instant() + coalesce(a.inner_span, '0')
  AND f.expires_at <= syncer.instant() + coalesce(a.span, '1000 years')
CROSS JOIN LATERAL (
  SELECT f.expires_at - syncer.instant() AS remaining,
         f.expires_at - coalesce(f.created_at, f.first_seen_at) AS lifetime
) l
WHERE a.resolved_at IS NULL AND a.rule = 'expiring'
  AND (a.prefix = '' OR starts_with(f.name, a.prefix))
  AND NOT EXISTS (SELECT FROM unnest(a.not_prefixes) p WHERE starts_with(coalesce(f.name, ''), p))
  AND l.remaining <= coalesce(a.span, a.share * l.lifetime)
  AND NOT EXISTS (SELECT FROM unnest(a.other_spans) s
                  WHERE s <= a.share * l.lifetime AND l.remaining <= s)
  AND NOT EXISTS (SELECT FROM unnest(a.other_shares) s
                  WHERE s * l.lifetime < coalesce(a.span, a.share * l.lifetime) AND l.remaining <= s * l.lifetime)
UNION ALL
SELECT a.source, a.alert_id, a.rule, a.tier, f.file_id, f.name, f.size_bytes, f.created_at, f.expires_at, f.gone_at,
       f.url
FROM syncer.alert a
JOIN syncer.file f ON f.source = a.source AND f.gone_at IS NULL AND f.expires_at < a.before
WHERE a.resolved_at IS NULL AND a.rule = 'overdue'
  AND (a.prefix = '' OR starts_with(f.name, a.prefix))
  AND NOT EXISTS (SELECT FROM unnest(a.not_prefixes) p WHERE starts_with(coalesce(f.name, ''), p))
UNION ALL
SELECT a.source, a.alert_id, a.rule, a.tier, f.file_id, f.name, f.size_bytes, f.created_at, f.expires_at, f.gone_at,
       f.url
FROM syncer.alert a
JOIN syncer.file f ON f.source = a.source AND f.gone_at IS NOT NULL
  AND (f.expires_at > f.gone_at OR f.expires_at IS NULL)
  AND coalesce(f.expires_at, f.gone_at + interval '30 days') > syncer.instant()
WHERE a.resolved_at IS NULL AND a.rule = 'vanished'
  AND (a.prefix = '' OR starts_with(f.name, a.prefix))
  AND NOT EXISTS (SELECT FROM unnest(a.not_prefixes) p WHERE starts_with(coalesce(f.name, ''), p))
"""

COMMENTS = {
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
    "VIEW report.alert_files": "The files that open alerts are about, one row per alert and file.",
    "COLUMN report.alert_files.source": "The source.",
    "COLUMN report.alert_files.alert_id": "The alert.",
    "COLUMN report.alert_files.rule": "Its rule: expiring, overdue or vanished.",
    "COLUMN report.alert_files.tier": "Its expiry tier.",
    "COLUMN report.alert_files.file_id": "The file.",
    "COLUMN report.alert_files.name": "Its name.",
    "COLUMN report.alert_files.size_bytes": "Its size in bytes.",
    "COLUMN report.alert_files.created_at": "When it was created.",
    "COLUMN report.alert_files.expires_at": "When it expires.",
    "COLUMN report.alert_files.gone_at": "When it was found gone.",
    "COLUMN report.alert_files.url": "Where it can be fetched.",
}


def upgrade() -> None:
    op.add_column(
        "run",
        _note("trouble", "What kind of failure: refused, clock, unavailable, endless or other."),
        schema="syncer",
    )
    op.create_index(
        "file_vanished_idx",
        "file",
        ["source", "gone_at"],
        schema="syncer",
        postgresql_where=sa.text("gone_at is not null and (expires_at > gone_at or expires_at is null)"),
    )
    _alert()
    _recipient()
    _outbox()
    op.execute(ALERTS)
    op.execute(ALERT_FILES)
    for name, comment in COMMENTS.items():
        op.execute("COMMENT ON {} IS '{}'".format(name, comment.replace("'", "''").replace(":", r"\:")))


def downgrade() -> None:
    # Columns cannot be taken from a view, and no view of ours rests on these two.
    op.execute("DROP VIEW report.alert_files")
    op.execute("DROP VIEW report.alerts")
    op.execute(f"CREATE VIEW report.alerts AS {ALERTS_EMPTY}")
    for table in ("outbox", "recipient", "alert"):
        op.drop_table(table, schema="syncer")
    op.drop_index("file_vanished_idx", "file", schema="syncer")
    op.drop_column("run", "trouble", schema="syncer")
