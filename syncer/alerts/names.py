"""The names of all rules, as settings and documents write them."""

from __future__ import annotations

RULE_NAMES = (
    "expiring",
    "vanished",
    "overdue",
    "stale",
    "failing",
    "refused",
    "clock",
    "unproven",
    "sweep-refused",
    "short-pull",
    "rejected",
    "quota",
    "recipient",
)
"""Every rule; what may be silenced, and what docs/runbook.md explains."""
