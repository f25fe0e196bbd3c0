"""The private schema as SQLAlchemy tables: what the migrations must add up to, and the comments people read in psql.

Every key begins with the source, so that the tables can be distributed by it.
"""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

SCHEMA = "syncer"

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    },
)


def _instant(name: str, comment: str, *, nullable: bool = True) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable, comment=comment)


def _count(name: str, comment: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"), comment=comment)


source = Table(
    "source",
    metadata,
    Column("source", Text, primary_key=True, comment="Name of the source in the settings."),
    Column("account", Text, nullable=False, comment="Key of the quota that the source's calls count against."),
    Column("prefix", Text, nullable=False, server_default="", comment="Scope now set: names that begin with this."),
    _instant("next_full_at", "When the daemon's next full pull is due; null: to be decided at once."),
    _instant("next_recent_at", "When the daemon's next recent pull is due; null: to be decided at once."),
    _instant("claimed_until", "A daemon is about to begin a pull; no other does so before this."),
    Column("full_schedule", Text, comment="The schedule that next_full_at goes by."),
    Column("recent_schedule", Text, comment="The schedule that next_recent_at goes by."),
    _instant("evaluate_at", "When the daemons next evaluate its alerts; null: at once."),
    comment="An account and scope that is listed.",
)
for _index, _column in (
    ("source_full_due_idx", source.c.next_full_at),
    ("source_recent_due_idx", source.c.next_recent_at),
    ("source_evaluate_idx", source.c.evaluate_at),
):
    Index(_index, func.coalesce(_column, text("'-infinity'::timestamptz")))

lease = Table(
    "lease",
    metadata,
    Column("source", Text, ForeignKey(source.c.source), primary_key=True, comment="The source that is held."),
    Column(
        "epoch",
        BigInteger,
        nullable=False,
        server_default=text("0"),
        comment="Raised by every claim; a page is only committed under the epoch it was pulled under.",
    ),
    Column("holder", Text, comment="Host and process of the holder, for people."),
    _instant("held_until", "The holder's claim ends here unless renewed; null when the source is free."),
    Column(
        "backend_pid",
        Integer,
        comment="The holder's database session: when it is gone the source is free. Null when a pooler hides it: then "
        "held_until alone decides.",
    ),
    _instant("backend_start", "When that session began (process numbers are used again)."),
    Column(
        "retrying",
        Text,
        comment="How the last attempt at the call in hand failed, once it is retried for half a minute; else null.",
    ),
    _instant("retrying_since", "When the first attempt at that call failed."),
    comment="Who is pulling a source; one row each.",
    postgresql_with={"fillfactor": 50},
)
# By the holder, which a page's commit does not touch: renewing a lease must stay within its own page of the table.
Index("lease_held_idx", lease.c.source, postgresql_where=text("holder is not null"))

replica = Table(
    "replica",
    metadata,
    Column("replica", Text, primary_key=True, comment="One daemon process, by a name of its own."),
    Column("name", Text, nullable=False, comment="Its host and process, as syncer.lease.holder has them."),
    Column("version", Text, nullable=False, comment="Its version of syncer."),
    _instant("started_at", "When it started.", nullable=False),
    _instant("seen_at", "When it last looked for what is due.", nullable=False),
    _instant("seen_until", "It counts as alive until then.", nullable=False),
    Column("sources", Integer, nullable=False, comment="Sources in its settings."),
    Column("workers", Integer, nullable=False, comment="Pulls that it may run at once."),
    Column("running", Integer, nullable=False, comment="Pulls that it ran then."),
    comment="Daemons that share this database.",
)

quota = Table(
    "quota",
    metadata,
    Column("account", Text, primary_key=True, comment="Key of the account; never the secret id itself."),
    _instant("next_at", "Earliest instant of the next call.", nullable=False),
    _instant("reserved_until", "Background pulls leave the slots before this to a person's lookup."),
    _count("calls", "Calls granted so far."),
    _count("refused", "Calls which the API answered with 4400 (quota exceeded)."),
    comment="The call quota of an account, shared by all processes.",
    postgresql_with={"fillfactor": 50},
)

clock = Table(
    "clock",
    metadata,
    Column("one", Boolean, nullable=False, server_default=text("true"), comment="There is one row."),
    _instant("seen_at", "The latest instant noted; not beyond now.", nullable=False),
    PrimaryKeyConstraint("one"),
    CheckConstraint("one", name="one"),
    comment="The latest instant that was seen: a clock that stands before it was set back.",
)

pull = Table(
    "pull",
    metadata,
    Column("source", Text, ForeignKey(source.c.source), nullable=False, comment="The source that is listed."),
    Column("pull_id", BigInteger, Identity(always=True), nullable=False, comment="Rises with every pull."),
    Column("kind", Text, nullable=False, comment="full or recent."),
    Column("listing", Text, nullable=False, comment="Fingerprint of endpoint, region and account."),
    Column("prefix", Text, nullable=False, comment="Only names that begin with this were asked for."),
    Column("page_size", SmallInteger, nullable=False, comment="Files asked for a page."),
    Column("allow_sweep", Boolean, nullable=False, comment="The brake is off for this pull."),
    Column("first_run", BigInteger, nullable=False, comment="The run that began this pull."),
    _instant("started_at", "When the pull began.", nullable=False),
    _instant("finished_at", "When it ended for good; null while it can be resumed."),
    Column("outcome", Text, comment="complete, unproven, failed, stopped, abandoned; null while it runs."),
    Column("error", Text, comment="Why the last run failed or the sweep was refused."),
    Column("reason", Text, comment="Why the pull is, or is not, proven; in words."),
    Column("proven", Boolean, comment="Whether nothing can be missing; null until a full pull has ended."),
    Column("settled_run", BigInteger, comment="The run in which the pull finished cleanly; what it stored is known."),
    Column("phase", Text, nullable=False, server_default="listing", comment="listing, tail, sweep or done."),
    Column("generation", Integer, nullable=False, server_default=text("1"), comment="Listings begun, lost contexts."),
    Column("farthest", Integer, nullable=False, server_default=text("0"), comment="Most pages of an earlier one."),
    _count("inserted", "Files seen for the first time."),
    _count("updated", "Files whose row changed."),
    _count("rejected", "Entries not understood in whole or in part."),
    _count("short", "Pages that held fewer entries than their own fileCount said."),
    _count("unidentified", "Rejected entries without a readable file id: such a pull does not sweep."),
    Column("suspects", BigInteger, comment="Known files it did not list, to be asked for by id; null before that."),
    _count("gone", "Files marked as gone."),
    _count("drifted", "Unexpired suspects that exist: the listing skipped them."),
    _count("restarts", "Contexts lost."),
    _instant("newest", "Newest createTime of this generation's listing."),
    # What every page changes, together: PostgreSQL logs an update from the first byte that changed to the last.
    _count("pages", "Pages committed, all generations."),
    _count("files", "Entries listed, all generations."),
    _count("unchanged", "Files whose row was as listed."),
    _count("api_calls", "Calls made, failed ones included."),
    _instant("oldest", "Oldest createTime of this generation's listing."),
    _instant("context_at", "When the context was received."),
    Column("page", Integer, nullable=False, server_default=text("0"), comment="Pages of this generation and phase."),
    Column("context", Text, comment="The checkpoint: where the listing goes on; null at its beginning."),
    PrimaryKeyConstraint("source", "pull_id"),
    CheckConstraint("kind in ('full', 'recent')", name="kind"),
    CheckConstraint(
        "outcome in ('complete', 'unproven', 'failed', 'stopped', 'abandoned')",
        name="outcome",
    ),
    CheckConstraint("phase in ('listing', 'tail', 'sweep', 'done')", name="phase"),
    comment="One pass over a listing, with its checkpoint while it is unfinished.",
    postgresql_with={"fillfactor": 50},
)
Index(
    "pull_unfinished_idx",
    pull.c.source,
    unique=True,
    postgresql_where=text("kind = 'full' and finished_at is null"),
)
Index("pull_full_idx", pull.c.source, pull.c.pull_id, postgresql_where=text("kind = 'full'"))
Index("pull_open_idx", pull.c.source, postgresql_where=text("finished_at is null"))
Index("pull_settled_idx", pull.c.source, pull.c.pull_id, postgresql_where=text("settled_run is not null"))

run = Table(
    "run",
    metadata,
    Column("source", Text, ForeignKey(source.c.source), nullable=False, comment="The source."),
    Column("run_id", BigInteger, Identity(always=True), nullable=False, comment="Rises with every run."),
    Column("kind", Text, nullable=False, comment="full, recent or lookup."),
    Column("pull_id", BigInteger, comment="The pull that was attempted; null for a lookup."),
    Column("holder", Text, nullable=False, comment="Host and process."),
    _instant("started_at", "When the attempt began.", nullable=False),
    _instant("finished_at", "When it ended; null while it runs and after a kill."),
    Column("outcome", Text, comment="complete, unproven, failed or stopped."),
    Column("api_calls", Integer, nullable=False, server_default=text("0"), comment="Calls made, as committed."),
    Column("error", Text, comment="Why it failed."),
    Column("trouble", Text, comment="What kind of failure: refused, clock, unavailable, endless or other."),
    PrimaryKeyConstraint("source", "run_id"),
    comment="One attempt at a pull (a resumed pull takes several), or one lookup.",
)

page = Table(
    "page",
    metadata,
    Column("source", Text, nullable=False, comment="The source."),
    Column("pull_id", BigInteger, nullable=False, comment="The pull."),
    Column("generation", Integer, nullable=False, comment="Which listing of the pull (a lost context begins another)."),
    Column("part", Text, nullable=False, comment="listing, or tail: the proof from the other end."),
    Column("page", Integer, nullable=False, comment="Counts from 1 within generation and part."),
    Column("run_id", BigInteger, nullable=False, comment="The run that committed it."),
    _instant("committed_at", "When.", nullable=False),
    Column("context_in", LargeBinary, comment="Hash of the context that was sent; null: the listing's beginning."),
    Column("context_out", LargeBinary, comment="Hash of the context that came; null: the listing's end."),
    Column("entries", SmallInteger, nullable=False, comment="Entries that came."),
    Column("file_count", BigInteger, comment="The API's own fileCount."),
    Column("rejected", SmallInteger, nullable=False, comment="Entries not understood in whole or in part."),
    Column("inserted", SmallInteger, nullable=False, comment="Files seen for the first time."),
    Column("updated", SmallInteger, nullable=False, comment="Files whose row changed."),
    _instant("oldest", "Oldest createTime on the page."),
    _instant("newest", "Newest createTime on the page."),
    Column("file_ids", ARRAY(Text), comment="What was seen; null where numbers hold it."),
    Column("ordered", Boolean, comment="Its createTimes kept the order asked for."),
    Column("file_numbers", ARRAY(BigInteger), comment="What was seen, where ids are numbers; rising, each once."),
    Column("first_number", BigInteger, comment="The least number that was seen, where they are near each other."),
    Column(
        "file_offsets",
        ARRAY(Integer),
        comment="What was seen there, as what each number is more than the least; rising, each once.",
    ),
    CheckConstraint("num_nonnulls(file_ids, file_numbers, file_offsets) = 1", name="seen"),
    CheckConstraint("num_nonnulls(first_number, file_offsets) <> 1", name="offsets"),
    # Without a foreign key: the statement that writes a page looks its pull up, and locks it, by itself.
    PrimaryKeyConstraint("source", "pull_id", "generation", "part", "page"),
    comment="The page ledger: one row per committed page of a pull.",
)

file = Table(
    "file",
    metadata,
    Column("source", Text, nullable=False, comment="The source."),
    Column("file_id", Text, nullable=False, comment="fileId."),
    Column("name", Text, comment="name."),
    Column("size_bytes", BigInteger, comment="size, in bytes."),
    Column("file_type", Text, comment="type."),
    Column("duration_seconds", BigInteger, comment="duration, in seconds."),
    Column("status", Integer, comment="status; not in the API's document (2 = normal in its sibling calls)."),
    _instant("created_at", "createTime, read as UTC+8."),
    _instant("expires_at", "expireTime, read as UTC+8."),
    Column("created_raw", Text, comment="createTime as the API wrote it."),
    Column("expires_raw", Text, comment="expireTime as the API wrote it."),
    Column("url", Text, comment="url."),
    Column("extra", JSONB, comment="Fields that the API's document does not describe."),
    _instant("first_seen_at", "When this database first held the file.", nullable=False),
    _instant("changed_at", "When any column here last changed.", nullable=False),
    _instant("gone_at", "When the file was found gone from the listing; null while it is listed."),
    Column("first_run", BigInteger, nullable=False, comment="The run that stored it first."),
    PrimaryKeyConstraint("source", "file_id"),
    comment="Every file ever seen, as last listed.",
)
# Partial, so that the join of a page to this table can only ever be planned by the primary key: on an empty table all
# indexes look equally cheap, and a run that began there would keep a plan that reads every file of the source.
# The first answers "what is present, until when, how large" without the table itself.
Index(
    "file_expires_idx",
    file.c.source,
    file.c.expires_at,
    postgresql_include=["size_bytes"],
    postgresql_where=text("gone_at is null"),
)
Index(
    "file_vanished_idx",
    file.c.source,
    file.c.gone_at,
    postgresql_where=text("gone_at is not null and (expires_at > gone_at or expires_at is null)"),
)
Index(
    "file_expired_idx",
    file.c.source,
    file.c.gone_at,
    postgresql_where=text("gone_at is not null and expires_at <= gone_at"),
)
# A name may be longer than an index takes; names of one stream share their beginning, which is stored once.
Index(
    "file_name_idx",
    file.c.source,
    func.left(file.c.name, 32).label("beginning"),
    postgresql_where=text("name is not null"),
    postgresql_ops={"beginning": "text_pattern_ops"},
)
# Files come about in the order of their createTime: for reports by time it is enough to know each block's range, which
# costs a file nothing.
for _index, _column in (("file_first_seen_idx", file.c.first_seen_at), ("file_created_idx", file.c.created_at)):
    Index(_index, _column, postgresql_using="brin", postgresql_with={"autosummarize": "on"})

stock = Table(
    "stock",
    metadata,
    Column("source", Text, nullable=False, comment="The source."),
    Column(
        "kind",
        Text,
        nullable=False,
        comment="expiry and creation: what is listed, by that day; gone: what is listed no more.",
    ),
    Column(
        "day",
        Date,
        nullable=False,
        comment="The day by Beijing time; infinity where there is none, and for what is gone.",
    ),
    Column(
        "word",
        Text,
        nullable=False,
        comment="Of creation the type of file, 100 characters at most; of gone expired or vanished; else empty.",
    ),
    Column("files", BigInteger, nullable=False, comment="Files; 0 when they have all left."),
    # No size that the API tells may keep a page from being written: sums of the largest exceed a bigint.
    Column("bytes", Numeric, nullable=False, comment="Their bytes, as far as sizes are known."),
    Column("seconds", Numeric, nullable=False, comment="Their length together, as far as it is known."),
    PrimaryKeyConstraint("source", "kind", "day", "word"),
    CheckConstraint("kind in ('expiry', 'creation', 'gone')", name="kind"),
    comment="Totals of syncer.file, kept by its triggers: they are true whenever a transaction ends.",
    postgresql_with={"fillfactor": 50},
)

change = Table(
    "change",
    metadata,
    Column("source", Text, nullable=False, comment="The source."),
    _instant("changed_at", "When the change was seen.", nullable=False),
    Column("file_id", Text, nullable=False, comment="The file."),
    Column("field", Text, nullable=False, comment="The column of report.backups (or created_raw, ...) that changed."),
    Column("old_value", Text, comment="What was known before."),
    Column("new_value", Text, comment="What is known now."),
    Column("run_id", BigInteger, nullable=False, comment="The run that saw it."),
    _instant("previous_at", "When the file had last changed before this.", nullable=False),
    PrimaryKeyConstraint("source", "changed_at", "file_id", "field"),
    comment="Every change of a stored file, a row a field.",
)
Index("change_file_idx", change.c.source, change.c.file_id)

rejected = Table(
    "rejected",
    metadata,
    Column("source", Text, nullable=False, comment="The source."),
    Column("digest", LargeBinary, nullable=False, comment="Hash of reason and raw text: an entry is kept once."),
    _instant("rejected_at", "When it was first met.", nullable=False),
    Column("run_id", BigInteger, nullable=False, comment="The run that first met it."),
    Column("pull_id", BigInteger, comment="The pull that first met it; null for a lookup."),
    Column("page", Integer, comment="The page of that pull."),
    Column("position", Integer, nullable=False, comment="Place on the page, from 0."),
    Column("file_id", Text, comment="fileId, where it could be read."),
    Column("reason", Text, nullable=False, comment="What could not be understood."),
    Column("raw", Text, nullable=False, comment="The entry as it came."),
    PrimaryKeyConstraint("source", "digest"),
    comment="Entries that could not be understood in whole or in part.",
)

suspect = Table(
    "suspect",
    metadata,
    Column("source", Text, nullable=False, comment="The source."),
    Column("pull_id", BigInteger, nullable=False, comment="The proven pull that did not list it."),
    Column("file_id", Text, nullable=False, comment="The file, still to be asked for by id."),
    PrimaryKeyConstraint("source", "pull_id", "file_id"),
    ForeignKeyConstraint(["source", "pull_id"], [pull.c.source, pull.c.pull_id]),
    comment="Known files that a proven pull did not list; emptied as each is confirmed gone or found alive.",
)

context_death = Table(
    "context_death",
    metadata,
    Column("source", Text, nullable=False, comment="The source."),
    Column("pull_id", BigInteger, nullable=False, comment="The pull."),
    Column("generation", Integer, nullable=False, comment="The listing whose context died."),
    Column("part", Text, nullable=False, comment="listing or tail."),
    Column("page", Integer, nullable=False, comment="Pages that this listing had reached."),
    _instant("died_at", "When the API refused it.", nullable=False),
    Column("age_seconds", BigInteger, comment="Age of the context then; null when none had been sent."),
    Column("code", Integer, nullable=False, comment="70005 (invalid) or 70006 (used out of turn)."),
    Column("context_in", LargeBinary, comment="Hash of the context."),
    PrimaryKeyConstraint("source", "pull_id", "generation", "part", "died_at"),
    comment="Contexts that the API no longer took, and how old they were.",
)

listing_end = Table(
    "listing_end",
    metadata,
    Column("source", Text, nullable=False, comment="The source."),
    Column("pull_id", BigInteger, nullable=False, comment="The pull."),
    Column("generation", Integer, nullable=False, comment="Which listing of the pull."),
    Column("part", Text, nullable=False, comment="listing or tail."),
    Column("page", Integer, nullable=False, comment="Pages that had come before."),
    _instant("ended_at", "When the API said so.", nullable=False),
    Column(
        "ambiguous",
        Boolean,
        nullable=False,
        comment="Somebody may have had a page for this context before: it may be missing.",
    ),
    Column("context_in", LargeBinary, comment="Hash of the context; null: none was sent."),
    PrimaryKeyConstraint("source", "pull_id", "generation", "part"),
    comment="Listings that the API called complete (70008), and whether that was sure.",
)

tier = Table(
    "tier",
    metadata,
    Column("source", Text, nullable=False, comment="The source."),
    Column("position", SmallInteger, nullable=False, comment="Order in the settings, from 1."),
    Column("name", Text, nullable=False, comment="The tier as the settings write it."),
    Column("span", Interval, comment="Entered this long before the expiry; or"),
    Column("share", Float, comment="entered at this share of the lifetime before it."),
    PrimaryKeyConstraint("source", "position"),
    CheckConstraint("(span is null) <> (share is null)", name="one"),
    comment="SYNCER_EXPIRY_TIERS of each source, as its last run had them.",
)

inventory_day = Table(
    "inventory_day",
    metadata,
    Column("source", Text, nullable=False, comment="The source."),
    Column("day", Date, nullable=False, comment="The day, by Beijing time."),
    _instant("as_of", "When the live figures were counted; null on a day without a finished pull."),
    Column("pull_id", BigInteger, comment="The pull that they rest on."),
    Column(
        "proven",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="A full pull that ended on this day proved that nothing was missing.",
    ),
    Column("live_files", BigInteger, comment="Live files."),
    Column("live_bytes", BigInteger, comment="Their bytes."),
    Column("overdue_files", BigInteger, comment="Files still listed past their expiry."),
    _count("added", "Files seen for the first time on this day."),
    _count("changed", "Files of which a field changed."),
    _count("expired", "Files found gone at or after their expiry."),
    _count("vanished", "Files found gone before their expiry."),
    _count("returned", "Files listed again after they had gone."),
    PrimaryKeyConstraint("source", "day"),
    comment="The inventory day by day; kept when history is pruned.",
)

counter = Table(
    "counter",
    metadata,
    Column("source", Text, nullable=False, comment="The source."),
    Column("name", Text, nullable=False, comment="What is counted."),
    Column("kind", Text, nullable=False, server_default="", comment="full, recent or lookup; empty for all together."),
    Column("label", Text, nullable=False, server_default="", comment="Outcome, fate or code; empty: none."),
    Column("value", Float, nullable=False, comment="The total; it only ever grows."),
    _instant("grew_at", "When it last grew."),
    PrimaryKeyConstraint("source", "name", "kind", "label"),
    comment="Totals for metrics, of what is over: an unfinished pull counts by its own row.",
    postgresql_with={"fillfactor": 50},
)

retention = Table(
    "retention",
    metadata,
    Column("source", Text, primary_key=True, comment="The source."),
    _instant("history_from", "History before this was pruned; null: none was."),
    comment="How far back a source's history reaches.",
)

alert = Table(
    "alert",
    metadata,
    Column("source", Text, nullable=False, comment="The source."),
    Column("alert_id", BigInteger, Identity(always=True), nullable=False, comment="Its number."),
    Column("rule", Text, nullable=False, comment="The rule that raised it."),
    Column("tier", Text, nullable=False, server_default="", comment="The expiry tier, of rules that have tiers."),
    Column("grp", Text, nullable=False, server_default="", comment="The group of names; empty: those of no group."),
    Column("severity", Text, nullable=False, comment="info, warning or critical."),
    _count("files", "Files it is about, as last evaluated."),
    _count("bytes", "Their bytes."),
    Column("detail", JSONB, nullable=False, server_default="{}", comment="What else the rule found."),
    Column("prefix", Text, nullable=False, server_default="", comment="Its files' names begin with this,"),
    Column("not_prefixes", ARRAY(Text), comment="and with none of these."),
    Column("span", Interval, comment="Its tier begins this long before the expiry; or"),
    Column("share", Float, comment="at this share of the lifetime before it;"),
    Column("inner_span", Interval, comment="it ends where the next of the spans begins,"),
    Column("other_spans", ARRAY(Interval), comment="or where one of these or"),
    Column("other_shares", ARRAY(Float), comment="one of these shares of the lifetime does."),
    _instant("before", "Of overdue files: those that expired before this."),
    _instant("raised_at", "When it was raised.", nullable=False),
    _instant("evaluated_at", "When its files were last counted, up to a change.", nullable=False),
    _instant("announced_at", "When its files were last told: who was a member then was in a message."),
    _instant("messaged_at", "When a message about it was last put into the outbox."),
    Column("messages", Integer, nullable=False, server_default=text("0"), comment="Messages so far."),
    _instant("sent_at", "When one of them first reached a recipient."),
    _instant("escalated_at", "When others were told, because nobody acknowledged it."),
    _instant("acknowledged_at", "When somebody took notice."),
    Column("acknowledged_by", Text, comment="Who."),
    _instant("snoozed_until", "No reminders before this."),
    _instant("resolved_at", "When its cause was gone; null while it stands."),
    Column("resolution", Text, comment="extended, gone, returned, expired, nearer, mended, silenced or command."),
    Column("reopened", Integer, nullable=False, server_default=text("0"), comment="How often it came back at once."),
    Column(
        "announced_open",
        ARRAY(DateTime(timezone=True)),
        comment="But for what transactions wrote that had begun at one of these instants and were open then.",
    ),
    _instant("acknowledged_mark", "The acknowledgement covers the files that were announced up to this instant,"),
    Column("acknowledged_open", ARRAY(DateTime(timezone=True)), comment="but for what these transactions wrote."),
    _instant("renewed_at", "Since when there is something that the acknowledgement does not cover."),
    Column("unacknowledged", BigInteger, comment="Files that it does not cover."),
    Column("resolved_by", Text, comment="Who called it settled by command."),
    PrimaryKeyConstraint("source", "alert_id"),
    comment="Alerts: a row from raised to resolved.",
)
Index(
    "alert_open_idx",
    alert.c.source,
    alert.c.rule,
    alert.c.tier,
    alert.c.grp,
    unique=True,
    postgresql_where=text("resolved_at is null"),
)
Index("alert_key_idx", alert.c.source, alert.c.rule, alert.c.tier, alert.c.grp, alert.c.alert_id)

recipient = Table(
    "recipient",
    metadata,
    Column("source", Text, nullable=False, comment="The source whose alerts it is told of."),
    Column("recipient", Text, nullable=False, comment="Its identity; no address can be read from it."),
    Column("name", Text, nullable=False, comment="What people call it."),
    Column("failures", Integer, nullable=False, server_default=text("0"), comment="Failures since it last accepted."),
    _instant("next_try_at", "Nothing is sent to it before this."),
    Column("error", Text, comment="Why it did not accept the last message."),
    _instant("parked_at", "Since when it refuses for good."),
    _instant("accepted_at", "When it last accepted a message."),
    Column("claim", BigInteger, nullable=False, server_default=text("0"), comment="Rises with every claim."),
    _instant("claimed_until", "Whoever sends to it has until then."),
    Column("backend_pid", Integer, comment="The sender's database session; when it is gone the claim is free."),
    _instant("backend_start", "When that session began."),
    Column("address", Text, comment="Digest of who is reached; no secret can be read from it."),
    _instant("absent_since", "Since when no setting names it."),
    PrimaryKeyConstraint("source", "recipient"),
    comment="Recipients of a source's alerts, and how sending to them goes.",
)

outbox = Table(
    "outbox",
    metadata,
    Column("source", Text, nullable=False, comment="The source."),
    Column("message_id", BigInteger, Identity(always=True), nullable=False, comment="Rises with every message."),
    Column("recipient", Text, nullable=False, comment="To whom."),
    Column("key", Text, nullable=False, comment="The idempotency key, the same for every attempt."),
    Column("alert_id", BigInteger, comment="The alert; null for a test."),
    Column("kind", Text, nullable=False, comment="raised, updated, standing, escalated, reminder, resolved or test."),
    Column("body", JSONB, nullable=False, comment="The message as it is sent."),
    _instant("created_at", "When it was composed.", nullable=False),
    _instant("not_before", "Quiet hours and the patience with flapping end then.", nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0"), comment="Attempts at sending it."),
    Column("error", Text, comment="Why the last attempt failed."),
    _instant("refused_at", "When it was first refused for good."),
    _instant("sent_at", "When the recipient accepted it."),
    _instant("given_up_at", "Refused again although the recipient took others meanwhile: it is not sent any more."),
    _instant("withdrawn_at", "Given up because no setting named its recipient any more."),
    PrimaryKeyConstraint("source", "message_id"),
    ForeignKeyConstraint(
        ["source", "recipient"], [recipient.c.source, recipient.c.recipient], name="outbox_recipient_fkey"
    ),
    ForeignKeyConstraint(["source", "alert_id"], [alert.c.source, alert.c.alert_id], name="outbox_alert_fkey"),
    comment="Messages on their way to one recipient each.",
)
Index("outbox_key_idx", outbox.c.source, outbox.c.recipient, outbox.c.key, unique=True)
Index(
    "outbox_waiting_idx",
    outbox.c.source,
    outbox.c.recipient,
    outbox.c.message_id,
    postgresql_where=text("sent_at is null and given_up_at is null"),
)

tally = Table(
    "tally",
    metadata,
    Column("source", Text, nullable=False, comment="The source."),
    Column("rule", Text, nullable=False, comment="The rule whose files were counted."),
    Column("tier", Text, nullable=False, comment="The expiry tier."),
    Column("grp", Text, nullable=False, comment="The group of names."),
    Column(
        "fingerprint", Text, nullable=False, comment="Of what was counted; when it is another one, all is counted anew."
    ),
    _instant("counted_at", "The counts are of this instant,", nullable=False),
    Column(
        "open",
        ARRAY(DateTime(timezone=True)),
        nullable=False,
        comment="but for what transactions wrote that had begun at one of these instants and were open then.",
    ),
    Column("counts", JSONB, nullable=False, comment="The counts."),
    PrimaryKeyConstraint("source", "rule", "tier", "grp"),
    comment="What an evaluation counted: the next one looks only at what changed since.",
    postgresql_with={"fillfactor": 50},
)
