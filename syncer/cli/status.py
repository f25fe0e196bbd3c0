"""`syncer status`: how far each source's copy can be trusted, and what is going on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncer import words
from syncer.cli.common import Config, Json, beside, json_errors, make_app, print_json, say, wrapped

if TYPE_CHECKING:
    from syncer.settings import Settings
    from syncer.store.replicas import Replica
    from syncer.store.status import LeaseFacts, PullFacts, Reading, RunFacts, SourceStatus, Unfinished
    from syncer.trust import Trust

_LABEL = 15


def status(
    *,
    source: Annotated[str | None, typer.Option("--source", metavar="NAME", help="Only this source.")] = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Say how far the copy can be trusted, and what is going on.

    First, for each source: is this all there is, and how old is that knowledge. A copy is STALE when two full pulls
    should have begun since the last proven one did (SYNCER_FULL_SCHEDULE). Then the last pulls, a running one's
    progress and forecast, when a daemon pulls next, who holds the source, and the quota; at the end the daemons. Asks
    the database alone, needs no credentials; times are this machine's local time.
    """
    from syncer.store.alerts import count_open
    from syncer.store.database import connect
    from syncer.store.replicas import all_seen
    from syncer.store.status import read

    with json_errors(wanted=json):
        app = make_app(config)
        with app.database() as url, connect(url) as connection:
            reading = read(connection)
            opened = count_open(connection)
            daemons = all_seen(connection)
            hearing = {each.source: each.trouble for each in app.alerting.hearings(url)}
        entries = _entries(app.settings, reading, source)
        if json:
            print_json(
                {
                    "instant": reading.instant,
                    "sources": [
                        {**_document(entry, opened.get(entry.name, {})), "alerts_trouble": hearing.get(entry.name)}
                        for entry in entries
                    ],
                    "daemons": [asdict(each) for each in daemons],
                }
            )
            return
        for number, entry in enumerate(entries):
            if number:
                say()
            _print(entry, reading.instant, opened.get(entry.name, {}), hearing.get(entry.name))
        if daemons:
            say()
            say(wrapped(_daemons(daemons, reading.instant), rest="  "))


@dataclass(frozen=True, slots=True)
class _Entry:
    """A source of the settings, of the database, or of both."""

    name: str
    configured: bool
    trust: Trust
    status: SourceStatus | None


def _entries(settings: Settings, reading: Reading, only: str | None) -> list[_Entry]:
    """Put the settings' sources first, then those that only the database knows. Raises SettingsError."""
    from syncer.trust import NEVER, judge

    known = {each.source: each for each in reading.sources}
    configured = {each.name: each for each in settings.sources}
    if only is not None and only not in known:
        settings.source(only)

    def entry(name: str) -> _Entry:
        found, own = known.get(name), configured.get(name)
        if found is None:
            return _Entry(name, own is not None, NEVER, None)
        due = None if own is None else own.full_schedule.next_after
        trust = judge(found, now=reading.instant, next_due=due, shown=lambda at: _moment(at, reading.instant))
        return _Entry(name, own is not None, trust, found)

    names = (*configured, *(name for name in known if name not in configured))
    return [entry(name) for name in names if only in (None, name)]


def _document(entry: _Entry, opened: dict[str, int]) -> dict[str, Any]:
    """Return a source's JSON: the trust first, then the reading as it is."""
    fields: dict[str, Any] = {
        "source": entry.name,
        "configured": entry.configured,
        "trust": entry.trust.level.value,
        "sentence": entry.trust.sentence,
        "complete_as_of": entry.trust.as_of,
        "alerts_open": opened,
    }
    if entry.status is not None:
        fields |= asdict(entry.status)
        fields["present"] = asdict(entry.status.present)
    return fields


def _print(entry: _Entry, now: datetime, opened: dict[str, int], trouble: str | None) -> None:
    removed = "" if entry.configured else " (no longer in the settings)"
    say(wrapped(f"{entry.name}{removed}: {entry.trust.sentence}", first="", rest="  "))
    lines = [] if entry.status is None else list(_lines(entry.status, now))
    if opened or trouble:
        counts = ", ".join(f"{number} {severity}" for severity, number in sorted(opened.items()))
        lines.insert(0, ("alerts", "\n".join(filter(None, (counts, words.visible(trouble or ""))))))
    for label, text in lines:
        say(f"  {label:<{_LABEL - 2}}{beside(text, _LABEL)}")


def _lines(status: SourceStatus, now: datetime) -> Iterator[tuple[str, str]]:
    """Yield what else is worth saying of a source, as label and text."""
    if status.prefix:
        yield "prefix", repr(status.prefix)
    yield "files", _tallies(status)
    if status.ended is not None:
        yield "full pull", _pull(status.ended, now)
    if status.recent is not None:
        yield "recent pull", _pull(status.recent, now)
    if status.unfinished is not None:
        running = status.lease is not None and status.lease.alive
        yield ("running" if running else "unfinished"), _unfinished(status.unfinished, now, running=running)
    if schedule := _schedule(status, now):
        yield "next", schedule
    if status.lease is not None:
        yield from _held(status.lease, now)
    if status.last_run is not None and (trouble := _trouble(status.last_run, status, now)):
        yield "last run", trouble
    if status.deaths.number:
        age = status.deaths.median_age_seconds
        median = "" if age is None else f", at a median age of {words.span(age)}"
        yield "contexts", f"{status.deaths.number:,} lost{median}"
    if status.quota is not None:
        yield "quota", _quota(status, now)


def _held(lease: LeaseFacts, now: datetime) -> Iterator[tuple[str, str]]:
    """Say who holds the source, and what keeps him waiting."""
    if lease.alive and lease.retrying and lease.retrying_since:
        yield "retrying", f"since {_moment(lease.retrying_since, now)}: {words.visible(lease.retrying)}"
    holder = lease.holder
    yield "lease", f"held by {holder}" if lease.alive else f"free: {holder} held it, but is gone or stalled"


def _schedule(status: SourceStatus, now: datetime) -> str:
    """Say when a daemon pulls next; nothing where none has decided that."""
    parts = []
    for kind, at in (("full", status.next_full_at), ("recent", status.next_recent_at)):
        if at is not None:
            parts.append(f"{kind} pull {'due since ' if at <= now else ''}{_moment(at, now)}")
    return ", ".join(parts)


def _daemons(daemons: list[Replica], now: datetime) -> str:
    """Say which daemons share the sources, and which were heard of within a day and are no more."""
    parts = [
        f"{each.name} ({each.running} of {each.workers} pulls)"
        if each.alive
        else f"{each.name} (not heard of since {_moment(each.seen_at, now)})"
        for each in daemons
    ]
    return f"daemons: {', '.join(parts)}"


def _tallies(status: SourceStatus) -> str:
    parts = []
    for state, tally in status.tallies.items():
        if tally.files or state == "live":
            parts.append(f"{tally.files:,} {state}" + (f" ({words.size(tally.bytes)})" if tally.bytes else ""))
    return ", ".join(parts)


def _pull(pull: PullFacts, now: datetime) -> str:
    counts = [f"{words.counted(pull.files, 'file')} on {words.counted(pull.pages, 'page')}"]
    for number, label in (
        (pull.inserted, "new"),
        (pull.updated, "changed"),
        (pull.gone, "gone"),
        (pull.rejected, "rejected"),
        (pull.restarts, "restarted"),
    ):
        if number:
            counts.append(f"{number:,} {label}")
    took = words.span((pull.finished_at - pull.started_at).total_seconds())
    verdict = pull.outcome if pull.proven is None else "proven" if pull.proven else "not proven"
    text = f"{verdict}, {_moment(pull.started_at, now)}, took {took}: {', '.join(counts)}"
    return text if pull.error is None else f"{text}\n{pull.error}"


def _unfinished(pull: Unfinished, now: datetime, *, running: bool) -> str:
    parts = [f"{pull.kind} pull since {_moment(pull.started_at, now)}, {words.counted(pull.pages, 'page')}"]
    if pull.expected_files:
        share = min(pull.listed / pull.expected_files, 1.0)
        parts.append(f"{pull.listed:,} of about {max(pull.expected_files, pull.listed):,} files ({share:.0%})")
    else:
        parts.append(words.counted(pull.listed, "file"))
    if pull.generation > 1:
        parts.append(f"listing {pull.generation}")
    if pull.phase in {"tail", "sweep"}:
        parts.append({"tail": "proving the end", "sweep": "sweeping"}[pull.phase])
    if not running:
        why = f": {pull.error}" if pull.error else ""
        parts.append(f"the next `syncer sync` resumes it{why}")
    elif pull.files_per_second:
        parts.append(f"{pull.files_per_second:,.0f} files/s")
    if pull.ends_at is not None:
        parts.append(f"done at about {_moment(pull.ends_at, now)}")
    return ", ".join(parts)


def _trouble(run: RunFacts, status: SourceStatus, now: datetime) -> str:
    """Say how the last run failed, was stopped or was killed; nothing of one that went well or still runs."""
    began = f"{run.kind}, {_moment(run.started_at, now)}"
    if run.finished_at is None:
        alive = status.lease is not None and status.lease.alive
        return "" if alive else f"{began}: it never noted its end: killed, or cut off from the database"
    if run.outcome in {"failed", "stopped"}:
        return f"{began}: {run.outcome}\n{run.error or 'no reason is known'}"
    return ""


def _quota(status: SourceStatus, now: datetime) -> str:
    assert status.quota is not None
    text = f"{words.counted(status.quota.calls, 'call')} so far"
    if status.quota.refused:
        text += f", {status.quota.refused:,} refused (4400)"
    wait = (status.quota.next_at - now).total_seconds() if status.quota.next_at else 0.0
    return text + (f", the next in {wait:.1f} s" if wait > 0 else ", the next may go at once")


def _moment(instant: datetime, now: datetime) -> str:
    """Return a local time of day, with its date when that is not today's."""
    own, today = instant.astimezone(), now.astimezone().date()
    return own.strftime("%H:%M" if own.date() == today else "%Y-%m-%d %H:%M")
