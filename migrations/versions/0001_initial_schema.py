"""The private tables.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "change",
        sa.Column("source", sa.Text(), nullable=False, comment="The source."),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False, comment="When the change was seen."),
        sa.Column("file_id", sa.Text(), nullable=False, comment="The file."),
        sa.Column(
            "field",
            sa.Text(),
            nullable=False,
            comment="The column of report.backups (or created_raw, ...) that changed.",
        ),
        sa.Column("old_value", sa.Text(), nullable=True, comment="What was known before."),
        sa.Column("new_value", sa.Text(), nullable=True, comment="What is known now."),
        sa.Column("run_id", sa.BigInteger(), nullable=False, comment="The run that saw it."),
        sa.PrimaryKeyConstraint("source", "changed_at", "file_id", "field", name=op.f("change_pkey")),
        schema="syncer",
        comment="Every change of a stored file, a row a field.",
    )
    op.create_index("change_file_idx", "change", ["source", "file_id"], unique=False, schema="syncer")
    op.create_table(
        "context_death",
        sa.Column("source", sa.Text(), nullable=False, comment="The source."),
        sa.Column("pull_id", sa.BigInteger(), nullable=False, comment="The pull."),
        sa.Column("generation", sa.Integer(), nullable=False, comment="The listing whose context died."),
        sa.Column("part", sa.Text(), nullable=False, comment="listing or tail."),
        sa.Column("page", sa.Integer(), nullable=False, comment="Pages that this listing had reached."),
        sa.Column("died_at", sa.DateTime(timezone=True), nullable=False, comment="When the API refused it."),
        sa.Column(
            "age_seconds",
            sa.BigInteger(),
            nullable=True,
            comment="Age of the context then; null when none had been sent.",
        ),
        sa.Column("code", sa.Integer(), nullable=False, comment="70005 (invalid) or 70006 (used out of turn)."),
        sa.Column("context_in", sa.LargeBinary(), nullable=True, comment="Hash of the context."),
        sa.PrimaryKeyConstraint("source", "pull_id", "generation", "part", "died_at", name=op.f("context_death_pkey")),
        schema="syncer",
        comment="Contexts that the API no longer took, and how old they were.",
    )
    op.create_table(
        "file",
        sa.Column("source", sa.Text(), nullable=False, comment="The source."),
        sa.Column("file_id", sa.Text(), nullable=False, comment="fileId."),
        sa.Column("name", sa.Text(), nullable=True, comment="name."),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True, comment="size, in bytes."),
        sa.Column("file_type", sa.Text(), nullable=True, comment="type."),
        sa.Column("duration_seconds", sa.BigInteger(), nullable=True, comment="duration, in seconds."),
        sa.Column(
            "status",
            sa.Integer(),
            nullable=True,
            comment="status; not in the API's document (2 = normal in its sibling calls).",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=True, comment="createTime, read as UTC+8."),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True, comment="expireTime, read as UTC+8."),
        sa.Column("created_raw", sa.Text(), nullable=True, comment="createTime as the API wrote it."),
        sa.Column("expires_raw", sa.Text(), nullable=True, comment="expireTime as the API wrote it."),
        sa.Column("url", sa.Text(), nullable=True, comment="url."),
        sa.Column(
            "extra",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="Fields that the API's document does not describe.",
        ),
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When this database first held the file.",
        ),
        sa.Column(
            "changed_at", sa.DateTime(timezone=True), nullable=False, comment="When any column here last changed."
        ),
        sa.Column(
            "gone_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the file was found gone from the listing; null while it is listed.",
        ),
        sa.Column("first_run", sa.BigInteger(), nullable=False, comment="The run that stored it first."),
        sa.PrimaryKeyConstraint("source", "file_id", name=op.f("file_pkey")),
        schema="syncer",
        comment="Every file ever seen, as last listed.",
    )
    op.create_index(
        "file_created_idx",
        "file",
        ["source", "created_at"],
        unique=False,
        schema="syncer",
        postgresql_where=sa.text("created_at is not null"),
    )
    op.create_index(
        "file_expires_idx",
        "file",
        ["source", "expires_at"],
        unique=False,
        schema="syncer",
        postgresql_where=sa.text("expires_at is not null"),
    )
    op.create_table(
        "quota",
        sa.Column("account", sa.Text(), nullable=False, comment="Key of the account; never the secret id itself."),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False, comment="Earliest instant of the next call."),
        sa.Column(
            "reserved_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Background pulls leave the slots before this to a person's lookup.",
        ),
        sa.Column(
            "calls", sa.BigInteger(), server_default=sa.text("0"), nullable=False, comment="Calls granted so far."
        ),
        sa.Column(
            "refused",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Calls which the API answered with 4400 (quota exceeded).",
        ),
        sa.PrimaryKeyConstraint("account", name=op.f("quota_pkey")),
        schema="syncer",
        comment="The call quota of an account, shared by all processes.",
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "rejected",
        sa.Column("source", sa.Text(), nullable=False, comment="The source."),
        sa.Column(
            "digest", sa.LargeBinary(), nullable=False, comment="Hash of reason and raw text: an entry is kept once."
        ),
        sa.Column("rejected_at", sa.DateTime(timezone=True), nullable=False, comment="When it was first met."),
        sa.Column("run_id", sa.BigInteger(), nullable=False, comment="The run that first met it."),
        sa.Column("pull_id", sa.BigInteger(), nullable=True, comment="The pull that first met it; null for a lookup."),
        sa.Column("page", sa.Integer(), nullable=True, comment="The page of that pull."),
        sa.Column("position", sa.Integer(), nullable=False, comment="Place on the page, from 0."),
        sa.Column("file_id", sa.Text(), nullable=True, comment="fileId, where it could be read."),
        sa.Column("reason", sa.Text(), nullable=False, comment="What could not be understood."),
        sa.Column("raw", sa.Text(), nullable=False, comment="The entry as it came."),
        sa.PrimaryKeyConstraint("source", "digest", name=op.f("rejected_pkey")),
        schema="syncer",
        comment="Entries that could not be understood in whole or in part.",
    )
    op.create_table(
        "source",
        sa.Column("source", sa.Text(), nullable=False, comment="Name of the source in the settings."),
        sa.Column(
            "account", sa.Text(), nullable=False, comment="Key of the quota that the source's calls count against."
        ),
        sa.Column(
            "prefix", sa.Text(), server_default="", nullable=False, comment="Scope now set: names that begin with this."
        ),
        sa.Column(
            "next_full_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the daemon's next full pull is due; null before it first ran.",
        ),
        sa.Column(
            "next_recent_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the daemon's next recent pull is due.",
        ),
        sa.PrimaryKeyConstraint("source", name=op.f("source_pkey")),
        schema="syncer",
        comment="An account and scope that is listed.",
    )
    op.create_table(
        "lease",
        sa.Column("source", sa.Text(), nullable=False, comment="The source that is held."),
        sa.Column(
            "epoch",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Raised by every claim; a page is only committed under the epoch it was pulled under.",
        ),
        sa.Column("holder", sa.Text(), nullable=True, comment="Host and process of the holder, for people."),
        sa.Column(
            "held_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="The holder's claim ends here unless renewed; null when the source is free.",
        ),
        sa.Column(
            "backend_pid",
            sa.Integer(),
            nullable=True,
            comment="The holder's database session; when it is gone the source is free.",
        ),
        sa.Column(
            "backend_start",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When that session began (process numbers are used again).",
        ),
        sa.ForeignKeyConstraint(["source"], ["syncer.source.source"], name=op.f("lease_source_fkey")),
        sa.PrimaryKeyConstraint("source", name=op.f("lease_pkey")),
        schema="syncer",
        comment="Who is pulling a source; one row each.",
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "pull",
        sa.Column("source", sa.Text(), nullable=False, comment="The source that is listed."),
        sa.Column(
            "pull_id", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="Rises with every pull."
        ),
        sa.Column("kind", sa.Text(), nullable=False, comment="full or recent."),
        sa.Column("listing", sa.Text(), nullable=False, comment="Fingerprint of endpoint, region and account."),
        sa.Column("prefix", sa.Text(), nullable=False, comment="Only names that begin with this were asked for."),
        sa.Column("page_size", sa.SmallInteger(), nullable=False, comment="Files asked for a page."),
        sa.Column("allow_sweep", sa.Boolean(), nullable=False, comment="The brake is off for this pull."),
        sa.Column("first_run", sa.BigInteger(), nullable=False, comment="The run that began this pull."),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False, comment="When the pull began."),
        sa.Column(
            "finished_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it ended for good; null while it can be resumed.",
        ),
        sa.Column(
            "outcome",
            sa.Text(),
            nullable=True,
            comment="complete, unproven, failed, stopped, abandoned; null while it runs.",
        ),
        sa.Column("error", sa.Text(), nullable=True, comment="Why the last run failed or the sweep was refused."),
        sa.Column("reason", sa.Text(), nullable=True, comment="Why the pull is, or is not, proven; in words."),
        sa.Column(
            "proven",
            sa.Boolean(),
            nullable=True,
            comment="Whether nothing can be missing; null until a full pull has ended.",
        ),
        sa.Column(
            "settled_run",
            sa.BigInteger(),
            nullable=True,
            comment="The run in which the pull finished cleanly; what it stored is known.",
        ),
        sa.Column(
            "phase", sa.Text(), server_default="listing", nullable=False, comment="listing, tail, sweep or done."
        ),
        sa.Column(
            "generation",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="Listings begun, lost contexts.",
        ),
        sa.Column(
            "page",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Pages of this generation and phase.",
        ),
        sa.Column(
            "farthest",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Most pages of an earlier one.",
        ),
        sa.Column(
            "pages",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Pages committed, all generations.",
        ),
        sa.Column(
            "files",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Entries listed, all generations.",
        ),
        sa.Column(
            "inserted",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Files seen for the first time.",
        ),
        sa.Column(
            "updated", sa.BigInteger(), server_default=sa.text("0"), nullable=False, comment="Files whose row changed."
        ),
        sa.Column(
            "unchanged",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Files whose row was as listed.",
        ),
        sa.Column(
            "rejected",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Entries not understood in whole or in part.",
        ),
        sa.Column(
            "short",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Pages that held fewer entries than their own fileCount said.",
        ),
        sa.Column(
            "unidentified",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Rejected entries without a readable file id: such a pull does not sweep.",
        ),
        sa.Column(
            "suspects",
            sa.BigInteger(),
            nullable=True,
            comment="Known files it did not list, to be asked for by id; null before that.",
        ),
        sa.Column(
            "gone", sa.BigInteger(), server_default=sa.text("0"), nullable=False, comment="Files marked as gone."
        ),
        sa.Column(
            "drifted",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Unexpired suspects that exist: the listing skipped them.",
        ),
        sa.Column("restarts", sa.BigInteger(), server_default=sa.text("0"), nullable=False, comment="Contexts lost."),
        sa.Column(
            "api_calls",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="Calls made, failed ones included.",
        ),
        sa.Column(
            "oldest",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Oldest createTime of this generation's listing.",
        ),
        sa.Column(
            "newest",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Newest createTime of this generation's listing.",
        ),
        sa.Column("context_at", sa.DateTime(timezone=True), nullable=True, comment="When the context was received."),
        sa.Column(
            "context",
            sa.Text(),
            nullable=True,
            comment="The checkpoint: where the listing goes on; null at its beginning.",
        ),
        sa.CheckConstraint("kind in ('full', 'recent')", name=op.f("pull_kind_check")),
        sa.CheckConstraint(
            "outcome in ('complete', 'unproven', 'failed', 'stopped', 'abandoned')", name=op.f("pull_outcome_check")
        ),
        sa.CheckConstraint("phase in ('listing', 'tail', 'sweep', 'done')", name=op.f("pull_phase_check")),
        sa.ForeignKeyConstraint(["source"], ["syncer.source.source"], name=op.f("pull_source_fkey")),
        sa.PrimaryKeyConstraint("source", "pull_id", name=op.f("pull_pkey")),
        schema="syncer",
        comment="One pass over a listing, with its checkpoint while it is unfinished.",
        postgresql_with={"fillfactor": 50},
    )
    op.create_index(
        "pull_settled_idx",
        "pull",
        ["source", "pull_id"],
        unique=False,
        schema="syncer",
        postgresql_where=sa.text("settled_run is not null"),
    )
    op.create_index(
        "pull_unfinished_idx",
        "pull",
        ["source"],
        unique=True,
        schema="syncer",
        postgresql_where=sa.text("kind = 'full' and finished_at is null"),
    )
    op.create_table(
        "run",
        sa.Column("source", sa.Text(), nullable=False, comment="The source."),
        sa.Column("run_id", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="Rises with every run."),
        sa.Column("kind", sa.Text(), nullable=False, comment="full, recent or lookup."),
        sa.Column("pull_id", sa.BigInteger(), nullable=True, comment="The pull that was attempted; null for a lookup."),
        sa.Column("holder", sa.Text(), nullable=False, comment="Host and process."),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False, comment="When the attempt began."),
        sa.Column(
            "finished_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it ended; null while it runs and after a kill.",
        ),
        sa.Column("outcome", sa.Text(), nullable=True, comment="complete, unproven, failed or stopped."),
        sa.Column(
            "api_calls", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="Calls made, as committed."
        ),
        sa.Column("error", sa.Text(), nullable=True, comment="Why it failed."),
        sa.ForeignKeyConstraint(["source"], ["syncer.source.source"], name=op.f("run_source_fkey")),
        sa.PrimaryKeyConstraint("source", "run_id", name=op.f("run_pkey")),
        schema="syncer",
        comment="One attempt at a pull (a resumed pull takes several), or one lookup.",
    )
    op.create_table(
        "page",
        sa.Column("source", sa.Text(), nullable=False, comment="The source."),
        sa.Column("pull_id", sa.BigInteger(), nullable=False, comment="The pull."),
        sa.Column(
            "generation",
            sa.Integer(),
            nullable=False,
            comment="Which listing of the pull (a lost context begins another).",
        ),
        sa.Column("part", sa.Text(), nullable=False, comment="listing, or tail: the proof from the other end."),
        sa.Column("page", sa.Integer(), nullable=False, comment="Counts from 1 within generation and part."),
        sa.Column("run_id", sa.BigInteger(), nullable=False, comment="The run that committed it."),
        sa.Column("committed_at", sa.DateTime(timezone=True), nullable=False, comment="When."),
        sa.Column(
            "context_in",
            sa.LargeBinary(),
            nullable=True,
            comment="Hash of the context that was sent; null: the listing's beginning.",
        ),
        sa.Column(
            "context_out",
            sa.LargeBinary(),
            nullable=True,
            comment="Hash of the context that came; null: the listing's end.",
        ),
        sa.Column("entries", sa.SmallInteger(), nullable=False, comment="Entries that came."),
        sa.Column("file_count", sa.BigInteger(), nullable=True, comment="The API's own fileCount."),
        sa.Column("rejected", sa.SmallInteger(), nullable=False, comment="Entries not understood in whole or in part."),
        sa.Column("inserted", sa.SmallInteger(), nullable=False, comment="Files seen for the first time."),
        sa.Column("updated", sa.SmallInteger(), nullable=False, comment="Files whose row changed."),
        sa.Column("oldest", sa.DateTime(timezone=True), nullable=True, comment="Oldest createTime on the page."),
        sa.Column("newest", sa.DateTime(timezone=True), nullable=True, comment="Newest createTime on the page."),
        sa.Column("file_ids", sa.ARRAY(sa.Text()), nullable=False, comment="What was seen."),
        sa.ForeignKeyConstraint(
            ["source", "pull_id"], ["syncer.pull.source", "syncer.pull.pull_id"], name=op.f("page_source_fkey")
        ),
        sa.PrimaryKeyConstraint("source", "pull_id", "generation", "part", "page", name=op.f("page_pkey")),
        schema="syncer",
        comment="The page ledger: one row per committed page of a pull.",
    )
    op.create_table(
        "suspect",
        sa.Column("source", sa.Text(), nullable=False, comment="The source."),
        sa.Column("pull_id", sa.BigInteger(), nullable=False, comment="The proven pull that did not list it."),
        sa.Column("file_id", sa.Text(), nullable=False, comment="The file, still to be asked for by id."),
        sa.ForeignKeyConstraint(
            ["source", "pull_id"], ["syncer.pull.source", "syncer.pull.pull_id"], name=op.f("suspect_source_fkey")
        ),
        sa.PrimaryKeyConstraint("source", "pull_id", "file_id", name=op.f("suspect_pkey")),
        schema="syncer",
        comment="Known files that a proven pull did not list; emptied as each is confirmed gone or found alive.",
    )


def downgrade() -> None:
    op.drop_table("suspect", schema="syncer")
    op.drop_table("page", schema="syncer")
    op.drop_table("run", schema="syncer")
    op.drop_index(
        "pull_unfinished_idx",
        table_name="pull",
        schema="syncer",
        postgresql_where=sa.text("kind = 'full' and finished_at is null"),
    )
    op.drop_index(
        "pull_settled_idx", table_name="pull", schema="syncer", postgresql_where=sa.text("settled_run is not null")
    )
    op.drop_table("pull", schema="syncer")
    op.drop_table("lease", schema="syncer")
    op.drop_table("source", schema="syncer")
    op.drop_table("rejected", schema="syncer")
    op.drop_table("quota", schema="syncer")
    op.drop_index(
        "file_expires_idx", table_name="file", schema="syncer", postgresql_where=sa.text("expires_at is not null")
    )
    op.drop_index(
        "file_created_idx", table_name="file", schema="syncer", postgresql_where=sa.text("created_at is not null")
    )
    op.drop_table("file", schema="syncer")
    op.drop_table("context_death", schema="syncer")
    op.drop_index("change_file_idx", table_name="change", schema="syncer")
    op.drop_table("change", schema="syncer")
