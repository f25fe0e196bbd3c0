"""The rules: from facts and a policy alone, what is wrong with a source now; pure.

Each rule is explained in docs/runbook.md under its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from syncer.alerts.message import Severity
from syncer.alerts.policy import Policy, Tier
from syncer.store.alert_facts import Facts, FullPull
from syncer.store.alert_files import EXPIRING, OVERDUE, VANISHED, Crowd, Watch

RECIPIENT = "recipient"
# A pull in progress may take this much longer than its forecast before the data count as too old.
_FORECAST_SLACK = timedelta(minutes=10)
_DAY, _SIX_HOURS = timedelta(days=1), timedelta(hours=6)


_NOBODY = Crowd()


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong now. `detail` goes into texts and facts; `window` is how long newcomers may gather."""

    rule: str
    severity: Severity
    tier: str = ""
    group: str = ""
    crowd: Crowd = _NOBODY
    watch: Watch | None = None
    window: timedelta = _DAY
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells alerts of one source apart: rule, tier and group."""
        return self.rule, self.tier, self.group


def watches(policy: Policy, facts_until: datetime | None) -> tuple[Watch, ...]:
    """Return which files are watched: per group those of each tier, those overdue and those that vanished.

    `facts_until` is the instant as of which the listing is known: only a file that was listed after its expiry is
    overdue. Silenced ones are left out.
    """
    groups = [("", "", policy.tiers), *((each.name, each.prefix, each.tiers) for each in policy.groups)]
    found = []
    for name, prefix, tiers in groups:
        others = [each.prefix for each in policy.groups if each.name != name and each.prefix.startswith(prefix)]
        scope: dict[str, Any] = {
            "source": policy.source,
            "group": name,
            "prefix": prefix,
            "not_prefixes": tuple(sorted(others)),
        }
        if not policy.silences(EXPIRING, name):
            found += [_tier_watch(tier, tiers, scope) for tier in tiers]
        if not policy.silences(OVERDUE, name) and facts_until is not None:
            # The API deletes when it pleases: only after a while is it odd that a file is still listed.
            grace = policy.tuned(name).span(OVERDUE, "grace")
            found.append(Watch(rule=OVERDUE, before=facts_until - grace, grace=grace, **scope))
        if not policy.silences(VANISHED, name):
            found.append(Watch(rule=VANISHED, **scope))
    return tuple(found)


def _tier_watch(tier: Tier, tiers: tuple[Tier, ...], scope: Mapping[str, Any]) -> Watch:
    others = [each for each in tiers if each is not tier]
    spans = sorted(each.span for each in others if each.span is not None)
    shares = sorted(each.share for each in others if each.share is not None)
    if tier.span is not None:
        inner = max((span for span in spans if span < tier.span), default=None)
        last = inner is None and not shares
        return Watch(
            rule=EXPIRING,
            tier=tier.name,
            span=tier.span,
            inner_span=inner,
            other_shares=tuple(shares),
            last=last,
            **scope,
        )
    assert tier.share is not None
    smaller = tuple(share for share in shares if share < tier.share)
    return Watch(
        rule=EXPIRING,
        tier=tier.name,
        share=tier.share,
        other_spans=tuple(spans),
        other_shares=smaller,
        last=not smaller and not spans,
        **scope,
    )


def judge(facts: Facts, policy: Policy) -> list[Finding]:
    """Return everything that is wrong, each at most once by its key, what is silenced left out."""
    found = [finding for rule in RULES.values() for finding in rule(facts, policy)]
    return [each for each in found if not policy.silences(each.rule, "")]


def _expiring(facts: Facts, policy: Policy) -> Iterator[Finding]:
    """Find live files that came within a tier; the tiers are disjoint, what has expired is in none."""
    for watch, crowd in _crowds(EXPIRING, facts, policy):
        tiers = next((each.tiers for each in policy.groups if each.name == watch.group), policy.tiers)
        yield _of_files(watch, crowd, policy, _nearness(watch, tiers), _window(watch))


def _crowds(rule: str, facts: Facts, policy: Policy) -> Iterator[tuple[Watch, Crowd]]:
    """Yield what a rule watches and finds in such numbers that it is worth an alert."""
    for watch, crowd in facts.crowds:
        if watch.rule == rule and crowd.members.files >= policy.tuned(watch.group).number(rule, "least"):
            yield watch, crowd


def _nearness(watch: Watch, tiers: tuple[Tier, ...]) -> Severity:
    """Return critical for the tier nearest to the expiry, warning for the one before it, info for the rest."""
    place = next(number for number, tier in enumerate(reversed(tiers)) if tier.name == watch.tier)
    return "critical" if watch.last or place == 0 else "warning" if place == 1 else "info"


def _window(watch: Watch) -> timedelta:
    """Newcomers gather for a day, or for a quarter of the tier's length where that is less."""
    if watch.span is None:
        return _SIX_HOURS
    return min(_DAY, (watch.span - (watch.inner_span or timedelta())) / 4)


def _vanished(facts: Facts, policy: Policy) -> Iterator[Finding]:
    """Find files that went before their expiry, until they return or would have expired."""
    for watch, crowd in _crowds(VANISHED, facts, policy):
        yield _of_files(watch, crowd, policy, "critical", _SIX_HOURS)


def _overdue(facts: Facts, policy: Policy) -> Iterator[Finding]:
    """Find files that the last proven pull listed although they had expired a day before."""
    for watch, crowd in _crowds(OVERDUE, facts, policy):
        yield _of_files(watch, crowd, policy, "info", _DAY)


def _of_files(watch: Watch, crowd: Crowd, policy: Policy, severity: Severity, window: timedelta) -> Finding:
    severity = policy.tuned(watch.group).severity(watch.rule, severity)
    detail = {"grace": watch.grace.total_seconds()} if watch.rule == OVERDUE else {}
    return Finding(watch.rule, severity, watch.tier, watch.group, crowd, watch, window, detail)


def deadline(facts: Facts, policy: Policy) -> datetime | None:
    """Return until when the proven data are young enough; None for a source that was never pulled.

    Since another account, endpoint or prefix is listed the time runs anew, for nothing of it can be proven yet. A pull
    in progress prolongs it to its forecast, but not beyond three times the deadline: a pull that never ends proves
    nothing.
    """
    known = (facts.proven_at or facts.known_since, facts.changed_at)
    since = max((each for each in known if each is not None), default=None)
    if since is None:
        return None
    if policy.data_deadline is not None:
        due = since + policy.data_deadline
    else:
        due = policy.next_full(policy.next_full(since))
    if facts.forecast is None:
        return due
    return max(due, min(facts.forecast.ends_at + _FORECAST_SLACK, since + 3 * (due - since)))


def _stale(facts: Facts, policy: Policy) -> Iterator[Finding]:
    """Find that no proven pull began within the deadline: what is in the table may be long out of date."""
    due = deadline(facts, policy)
    if due is not None and facts.instant >= due:
        detail = {"proven_at": facts.proven_at, "since": facts.known_since, "changed_at": facts.changed_at}
        yield _trouble("stale", "critical", policy, detail)


def _failing(facts: Facts, policy: Policy) -> Iterator[Finding]:
    """Find that several runs in a row failed or were killed, for a reason that may pass."""
    if facts.trouble and facts.trouble.kind not in {"refused", "clock"}:
        runs = policy.tuning.number("failing", "runs", policy.failures)
        yield from _failures("failing", "warning", facts, policy, runs)


def _refused(facts: Facts, policy: Policy) -> Iterator[Finding]:
    """Find that the API refused for good: credentials, permission, parameters, the account."""
    if facts.trouble and facts.trouble.kind == "refused":
        yield from _failures("refused", "critical", facts, policy, policy.tuning.number("refused", "runs"))


def _clock(facts: Facts, policy: Policy) -> Iterator[Finding]:
    """Find that the API does not take our signatures because this machine's clock is wrong."""
    if facts.trouble and facts.trouble.kind == "clock":
        yield from _failures("clock", "critical", facts, policy, policy.tuning.number("clock", "runs"))


def _failures(rule: str, severity: Severity, facts: Facts, policy: Policy, runs: int) -> Iterator[Finding]:
    """Find that as many runs in a row failed as raise an alert."""
    trouble = facts.trouble
    assert trouble is not None
    if trouble.failures >= runs:
        detail = {"failures": trouble.failures, "kind": trouble.kind, "since": trouble.since, "error": trouble.error}
        yield _trouble(rule, severity, policy, detail)


def _trouble(rule: str, severity: Severity, policy: Policy, detail: Mapping[str, Any], group: str = "") -> Finding:
    return Finding(rule, policy.tuning.severity(rule, severity), group=group, detail=detail)


def _unproven(facts: Facts, policy: Policy) -> Iterator[Finding]:
    """Find that several full pulls in a row came to an end without proof that nothing is missing."""
    number = next((place for place, pull in enumerate(facts.fulls) if pull.proven), len(facts.fulls))
    if number and number >= policy.tuning.number("unproven", "pulls", policy.failures):
        yield _trouble("unproven", "warning", policy, {"pulls": number, "reason": facts.fulls[0].reason})


def _sweep_refused(facts: Facts, policy: Policy) -> Iterator[Finding]:
    """Find that the brake held: the last full pull did not list an implausible share of the known files."""
    if facts.fulls and facts.fulls[0].error is not None:
        yield _trouble("sweep-refused", "warning", policy, {"error": facts.fulls[0].error})


def _short_pull(facts: Facts, policy: Policy) -> Iterator[Finding]:
    """Find that the last full pull listed, or the account holds, less than a share of what it used to."""
    if not facts.fulls:
        return
    below = policy.tuning.share("short-pull", "below")
    least = policy.tuning.number("short-pull", "least")
    history = policy.tuning.number("short-pull", "history")
    last, before = facts.fulls[0], [pull.files for pull in facts.fulls[1:]]
    usual = median(before) if len(before) >= history else 0
    days = facts.day_bytes
    usual_bytes = median(days[1:]) if len(days) > history else 0
    if (usual >= least and last.files < below * usual) or (usual_bytes and days[0] < below * usual_bytes):
        yield _trouble("short-pull", "warning", policy, _short_detail(last, usual, days, usual_bytes))


def _short_detail(last: FullPull, usual: float, days: tuple[int, ...], usual_bytes: float) -> dict[str, Any]:
    sizes = {"bytes": days[0], "usual_bytes": round(usual_bytes)} if usual_bytes else {}
    return {"pull_id": last.pull_id, "listed": last.files, "usual": round(usual), **sizes}


def _rejected(facts: Facts, policy: Policy) -> Iterator[Finding]:
    """Find entries of the last full pull, or of what followed it, that could not be understood."""
    if facts.rejected >= policy.tuning.number("rejected", "least"):
        yield _trouble("rejected", "warning", policy, {"entries": facts.rejected})


def _quota(facts: Facts, policy: Policy) -> Iterator[Finding]:
    """Find that the schedules of the account's sources leave no room in its quota for retries and people."""
    if facts.calls_limit and facts.calls_per_day > policy.tuning.share("quota", "share") * facts.calls_limit:
        detail = {"needed": round(facts.calls_per_day), "limit": round(facts.calls_limit)}
        yield _trouble("quota", "warning", policy, detail)


def _recipient(facts: Facts, policy: Policy) -> Iterator[Finding]:
    """Find recipients that cannot be reached: one alert each, told to the others."""
    for each in facts.deaf:
        detail = {"name": each.name, "since": each.since, "error": each.error, "waiting": each.waiting}
        yield _trouble(RECIPIENT, "critical", policy, detail | {"refuses": each.refuses}, each.recipient)


Rule = Callable[[Facts, Policy], Iterator[Finding]]

RULES: dict[str, Rule] = {
    EXPIRING: _expiring,
    VANISHED: _vanished,
    OVERDUE: _overdue,
    "stale": _stale,
    "failing": _failing,
    "refused": _refused,
    "clock": _clock,
    "unproven": _unproven,
    "sweep-refused": _sweep_refused,
    "short-pull": _short_pull,
    "rejected": _rejected,
    "quota": _quota,
    RECIPIENT: _recipient,
}
"""Every rule by its name."""
