"""The root: the only place that wires settings, database, source and pull together, and reads the real clock."""

from __future__ import annotations

import hashlib
import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from syncer.alerting import Alerting
from syncer.alerts.beat import Beat
from syncer.alerts.notifiers import Surroundings
from syncer.errors import Busy, Fenced, Stopped, SyncerError
from syncer.model import PullKind
from syncer.pull.attempt import Plan, Progress
from syncer.pull.lookup import Lookup
from syncer.pull.run import RunResult, run_pull
from syncer.pull.waiting import StopRequest, Waiting
from syncer.settings import Settings, SourceSettings
from syncer.source.client import VodSource
from syncer.source.quota import Limiter, QuotaLimiter, Unlimited
from syncer.store import clock, migrate, quota
from syncer.store.daily import count_day
from syncer.store.database import Connection, connect
from syncer.store.pulls import Scope
from syncer.store.retention import Keep, prune
from syncer.store.tiers import remember_tiers

if TYPE_CHECKING:
    from syncer.postgres.server import EmbeddedPostgres

_log = structlog.get_logger("syncer")


@dataclass
class App:
    """One process of syncer: its settings, and the stop that a signal may ask for."""

    settings: Settings
    stop: StopRequest = field(default_factory=StopRequest)
    alerting: Alerting = field(init=False, repr=False)
    _embedded: EmbeddedPostgres | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        around = Surroundings(_now, time.monotonic)
        self.alerting = Alerting(self.settings, around, self.stop.asked)

    def renewed(self, settings: Settings) -> App:
        """Return the application of this process on other settings; its database and its stop stay."""
        new = App(settings, self.stop)
        new._embedded = self._embedded
        return new

    @contextmanager
    def database(self) -> Iterator[str]:
        """Yield the URL of a database whose schema is current.

        Without SYNCER_DATABASE_URL that is the embedded one, started if need be and migrated. Raises
        DatabaseUnavailable, or SchemaMismatch for a database of one's own, which only `syncer migrate` changes.
        """
        with self.server() as url:
            if self.settings.database_url is None:
                migrate.upgrade(url)
            else:
                with connect(url) as connection:
                    migrate.require_head(connection)
            yield url

    @contextmanager
    def server(self) -> Iterator[str]:
        """Yield the URL of the database server's database, whatever its schema."""
        if self.settings.database_url is not None:
            yield self.settings.database_url.reveal()
            return
        from syncer.postgres.server import EmbeddedPostgres

        with EmbeddedPostgres(self.settings.data_dir / "postgres") as server:
            self._embedded = server
            try:
                yield server.url
            finally:
                self._embedded = None

    def revive_server(self) -> bool:
        """Start the embedded server of `server()` anew if it died; return whether that was needed.

        For one thread at a time. Does nothing for a database of one's own. Raises DatabaseUnavailable.
        """
        return self._embedded is not None and self._embedded.ensure_running()

    def sync(
        self,
        url: str,
        source: SourceSettings,
        kind: PullKind,
        *,
        allow_sweep: bool = False,
        seen_epoch: int | None = None,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> RunResult:
        """Take one pull of `source` to its end in the database at `url`: what `syncer sync` and the daemon run.

        With `seen_epoch` (of its lease) only if nobody had the source since, else Busy is raised.

        A pull that ended is followed by the day's inventory, a full one by the pruning of what need not be kept; every
        pull by an evaluation of the source's alerts, a full one by the heartbeat.
        """
        self.alerting.check(source)
        beat = self.alerting.beat(source) if kind is PullKind.FULL else Beat(None)
        began = time.monotonic()
        wanted = plan(source, kind, allow_sweep=allow_sweep, seen_epoch=seen_epoch)
        try:
            result = self._pull(url, source, wanted, on_begin=beat.begin, on_progress=on_progress)
        except (Busy, Fenced, Stopped):
            raise
        except SyncerError as error:
            beat.end(seconds=time.monotonic() - began, text=str(error), failed=True)
            raise
        if not isinstance(result.error, Stopped | Busy | Fenced):
            self._beat(url, source, beat, result, seconds=time.monotonic() - began)
        self.alerting.evaluate_quietly(url, source)
        return result

    def _beat(self, url: str, source: SourceSettings, beat: Beat, result: RunResult, *, seconds: float) -> None:
        """Tell the dead-man's switch how a run ended: well only if it is proven and somebody can be told of alerts."""
        proven = result.totals["verdict"] == "proven"
        text = str(result.error or result.reason or result.outcome)
        unheard = self.alerting.unheard(url, source) if proven else None
        if unheard:
            text = f"The pull is proven, but {unheard}.\n{text}"
        beat.end(seconds=seconds, text=text, failed=not proven or unheard is not None)

    def _pull(
        self,
        url: str,
        source: SourceSettings,
        wanted: Plan,
        *,
        on_begin: Callable[[], None],
        on_progress: Callable[[Progress], None],
    ) -> RunResult:
        waiting = Waiting(time.sleep, self.stop, time.monotonic)
        with connect(url, pinned=True) as connection, self.source(source, connection, waiting) as api:
            notice_clock(connection)
            tiers = [(tier.name, tier.span, tier.share) for tier in source.expiry_tiers]
            remember_tiers(connection, source.name, tiers)
            result = run_pull(connection, api, wanted, waiting=waiting, on_begin=on_begin, on_progress=on_progress)
            if result.outcome in {"complete", "unproven"}:
                count_day(connection, source.name, pull_id=result.pull_id)
                if wanted.kind is PullKind.FULL:
                    self._prune(connection, source)
            return result

    def _prune(self, connection: Connection, source: SourceSettings) -> None:
        """Forget what need not be kept, by a right clock: this machine's is, for the API takes its signatures."""
        if (ahead := clock.far_ahead(connection, _now())) is not None:
            _log.warning("clock_far_ahead", source=source.name, seconds=round(ahead.total_seconds()))
            return
        prune(connection, source.name, keep(source), stopping=self.stop.asked)

    @contextmanager
    def lookup(self, url: str, source: SourceSettings) -> Iterator[Lookup]:
        """Yield a lookup of `source` for the block: what `syncer lookup` asks."""
        waiting = Waiting(time.sleep, self.stop, time.monotonic)
        with connect(url) as connection, self.source(source, connection, waiting) as api:
            notice_clock(connection)
            yield Lookup(connection, api, scope(source), account=source.account, holder=holder(), stop=self.stop)

    @contextmanager
    def source(self, settings: SourceSettings, connection: Connection | None, waiting: Waiting) -> Iterator[VodSource]:
        """Yield the API of one source, its calls counted against the account's quota in the database.

        Without a `connection` they are not counted: for the doctor, whose two calls must do without a database.
        """
        credentials = settings.require_credentials()
        with VodSource(
            url=settings.api_url,
            signed_host=settings.signed_host,
            secret_id=credentials.secret_id.reveal(),
            secret_key=credentials.secret_key.reveal(),
            token="" if credentials.token is None else credentials.token.reveal(),
            region=settings.region,
            signature_method=settings.signature_method,
            request_timeout=settings.request_timeout.total_seconds(),
            retry_for=settings.retry_for.total_seconds(),
            limiter=_limiter(settings, connection, waiting),
            clock=_now,
            monotonic=time.monotonic,
            sleep=waiting,
            random=random.SystemRandom(),
            on_retry=waiting.retrying,
        ) as api:
            yield api


def notice_clock(connection: Connection) -> None:
    """Say that the database's clock was set back, should it have been; what the later one wrote is then mended."""
    if (behind := clock.watch(connection)) is not None:
        _log.warning("clock_set_back", seconds=round(behind.total_seconds()))


def _limiter(settings: SourceSettings, connection: Connection | None, waiting: Waiting) -> Limiter:
    account, per_minute = settings.account, settings.calls_per_minute
    if per_minute == 0 or connection is None:
        return Unlimited()
    return QuotaLimiter(
        try_acquire=lambda interactive: quota.try_acquire(
            connection, account, calls_per_minute=per_minute, interactive=interactive
        ),
        take=lambda: quota.take(connection, account, calls_per_minute=per_minute),
        step_back=lambda: quota.step_back(connection, account),
        sleep=waiting,
        grant_seconds=quota.GRANT_SECONDS,
    )


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the root is where the real clock comes in


def plan(source: SourceSettings, kind: PullKind, *, allow_sweep: bool = False, seen_epoch: int | None = None) -> Plan:
    """Return how `source` is to be pulled."""
    return Plan(
        kind=kind,
        scope=scope(source),
        account=source.account,
        holder=holder(),
        lease_seconds=source.lease.total_seconds(),
        brake=source.sweep_brake,
        overlap_seconds=source.recent_overlap.total_seconds(),
        allow_sweep=allow_sweep,
        seen_epoch=seen_epoch,
    )


def keep(source: SourceSettings) -> Keep:
    """Return how long what is known of `source` is kept."""
    return Keep(history=source.keep_history, ledger=source.keep_ledger, rejected=source.keep_rejected)


def scope(source: SourceSettings) -> Scope:
    """Return what `source` lists; its fingerprint changes with endpoint, region and account."""
    fingerprint = f"{source.api_url}\n{source.region}\n{source.account}"
    return Scope(
        source=source.name,
        listing=hashlib.sha256(fingerprint.encode()).hexdigest()[:16],
        prefix=source.prefix,
        page_size=source.page_size,
    )


def holder() -> str:
    """Return the name under which this process holds a source, for people."""
    return f"{socket.gethostname()}, process {os.getpid()}"
