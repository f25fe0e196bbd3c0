"""The conditions that choose the files of a watch, as SQL; report.alert_files says the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from syncer.store.alert_marks import since

EXPIRING, OVERDUE, VANISHED = "expiring", "overdue", "vanished"


@dataclass(frozen=True, slots=True)
class Watch:
    """The files that one alert is about: of a source, by a rule, in a tier, in a group of names.

    A tier begins `span` before the expiry or at the `share` of the lifetime before it, and ends where the next nearer
    one begins: `inner_span` among the spans, and among `other_spans` and `other_shares` which of them is nearer depends
    on the file. `before` bounds overdue files, `grace` before the start of the last proven pull. `last`: no tier is
    nearer to the expiry.
    """

    source: str
    rule: str
    tier: str = ""
    group: str = ""
    prefix: str = ""
    not_prefixes: tuple[str, ...] = ()
    span: timedelta | None = None
    share: float | None = None
    inner_span: timedelta | None = None
    other_spans: tuple[timedelta, ...] = ()
    other_shares: tuple[float, ...] = ()
    before: datetime | None = None
    grace: timedelta = timedelta()
    last: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells alerts of one source apart: rule, tier and group."""
        return self.rule, self.tier, self.group


def where(watch: Watch) -> tuple[str, dict[str, Any]]:
    """Return the condition that chooses the members (report.alert_files says the same) and its parameters."""
    terms = ["f.source = %(source)s"]
    parameters: dict[str, Any] = {"source": watch.source}
    if watch.rule == VANISHED:
        terms += [
            "f.gone_at IS NOT NULL",
            "(f.expires_at > f.gone_at OR f.expires_at IS NULL)",
            f"{UNTIL} > syncer.instant()",
        ]
    elif watch.rule == OVERDUE:
        terms += ["f.gone_at IS NULL", "f.expires_at < %(before)s::timestamptz"]
        parameters |= {"before": watch.before, "grace": watch.grace}
    else:
        terms += ["f.gone_at IS NULL", *_tier_terms(watch)]
        parameters |= _tier_parameters(watch)
    condition, more = names(watch)
    return " AND ".join(terms) + condition, parameters | more


def names(watch: Watch) -> tuple[str, dict[str, Any]]:
    """Return the condition on the names (beginning with AND where there is one) and its parameters."""
    sql, parameters = "", dict[str, Any]()
    if watch.prefix:
        sql += " AND starts_with(f.name, %(prefix)s)"
        parameters["prefix"] = watch.prefix
    if watch.not_prefixes:
        sql += (
            " AND NOT EXISTS (SELECT FROM unnest(%(not_prefixes)s::text[]) p"
            " WHERE starts_with(coalesce(f.name, ''), p))"
        )
        parameters["not_prefixes"] = list(watch.not_prefixes)
    return sql, parameters


# A file that vanished is spoken of until it would have expired.
UNTIL = "coalesce(f.expires_at, f.gone_at + interval '30 days')"
_REMAINING = "(f.expires_at - syncer.instant())"
_LIFETIME = "(f.expires_at - coalesce(f.created_at, f.first_seen_at))"


def _tier_terms(watch: Watch) -> list[str]:
    terms = ["f.expires_at > syncer.instant() + %(inner_span)s::interval"]
    if watch.span is not None:
        terms.append("f.expires_at <= syncer.instant() + %(span)s::interval")
    else:
        terms.append(f"{_REMAINING} <= {_threshold(watch)}")
    # Where a span and a share begin at the same instant, the span has the file.
    terms += [f"NOT ({each} <= {_threshold(watch)} AND {_REMAINING} <= {each})" for each in _spans(watch)]
    terms += [f"NOT ({each} < {_threshold(watch)} AND {_REMAINING} <= {each})" for each in _shares(watch)]
    return terms


def _tier_parameters(watch: Watch) -> dict[str, Any]:
    return {
        "span": watch.span,
        "share": watch.share,
        "inner_span": watch.inner_span or timedelta(),
        **{f"span_{number}": each for number, each in enumerate(watch.other_spans)},
        **{f"share_{number}": each for number, each in enumerate(watch.other_shares)},
    }


def _threshold(watch: Watch) -> str:
    return "%(span)s::interval" if watch.span is not None else f"%(share)s::float8 * {_LIFETIME}"


def _spans(watch: Watch) -> Sequence[str]:
    return [f"%(span_{number})s::interval" for number in range(len(watch.other_spans))]


def _shares(watch: Watch) -> Sequence[str]:
    return [f"(%(share_{number})s::float8 * {_LIFETIME})" for number in range(len(watch.other_shares))]


def end_of(watch: Watch) -> str:
    """Return the instant at which a file leaves the watch, as an expression."""
    if watch.rule == VANISHED:
        return UNTIL
    if watch.rule == OVERDUE:
        return "f.expires_at"
    threshold = _threshold(watch)
    nearer = [f"CASE WHEN {each} <= {threshold} THEN {each} END" for each in _spans(watch)]
    nearer += [f"CASE WHEN {each} < {threshold} THEN {each} END" for each in _shares(watch)]
    return f"f.expires_at - greatest({', '.join(['%(inner_span)s::interval', *nearer])})"


def was_member(watch: Watch) -> tuple[str, dict[str, Any]]:
    """Return the condition that a file, as it was before it changed at `f.changed_at`, was a member after `since`."""
    if watch.rule == VANISHED:
        return "true", {}
    if watch.rule == OVERDUE:
        return "f.expires_at <= f.changed_at", {}
    condition = f"{end_of(watch)} > %(since)s AND f.expires_at - {_threshold(watch)} <= f.changed_at"
    return condition, _tier_parameters(watch)


def left_by_the_clock(watch: Watch) -> tuple[str, dict[str, Any]]:
    """Return the condition that a file stopped being a member after `since` for no reason but that time passed."""
    if watch.rule == OVERDUE:
        return "false", {}
    ended = f"f.source = %(source)s AND {end_of(watch)} > %(since)s AND {end_of(watch)} <= syncer.instant()"
    if watch.rule == VANISHED:
        return f"{ended} AND f.gone_at IS NOT NULL AND (f.expires_at > f.gone_at OR f.expires_at IS NULL)", {}
    present = "f.expires_at > %(since)s AND (f.gone_at IS NULL OR f.gone_at >= f.expires_at)"
    return f"{ended} AND {present}", _tier_parameters(watch)


def crossed(watch: Watch) -> str:
    """Return the condition that only the passing of time has made a file a member since the mark called `mark`."""
    if watch.rule == VANISHED:
        return since("f.gone_at", "mark")
    if watch.rule == OVERDUE:
        # At the mark those were overdue that the proven pull of that time had listed so long after their expiry.
        return """f.expires_at >= coalesce((
          SELECT max(p.started_at) FROM syncer.pull p
          WHERE p.source = %(source)s AND p.kind = 'full' AND p.proven AND p.finished_at <= %(mark)s::timestamptz
        ) - %(grace)s::interval, '-infinity')"""
    return f"f.expires_at > %(mark)s::timestamptz + {_threshold(watch)}"
