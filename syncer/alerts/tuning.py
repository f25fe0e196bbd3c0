"""What of the rules can be tuned: each parameter with its kind and default; pure. docs/runbook.md lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, cast

from syncer.alerts.message import Severity
from syncer.alerts.names import RULE_NAMES

ParameterKind = Literal["number", "share", "span", "severity"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a rule. `default` None: another setting or the rule itself decides."""

    kind: ParameterKind
    default: Any
    help: str


_SEVERITY = Parameter("severity", None, "`info`, `warning` or `critical`")

PARAMETERS: Mapping[str, Mapping[str, Parameter]] = {
    rule: {**own, "severity": _SEVERITY}
    for rule, own in {
        **dict.fromkeys(RULE_NAMES, cast("dict[str, Parameter]", {})),
        "expiring": {"least": Parameter("number", 1, "files, fewer raise no alert")},
        "vanished": {"least": Parameter("number", 1, "files, fewer raise no alert")},
        "overdue": {
            "least": Parameter("number", 1, "files, fewer raise no alert"),
            "grace": Parameter("span", timedelta(days=1), "how long after its expiry a listed file is overdue"),
        },
        "failing": {"runs": Parameter("number", None, "failed runs in a row; `SYNCER_ALERT_FAILURES`")},
        "refused": {"runs": Parameter("number", 1, "refused runs in a row")},
        "clock": {"runs": Parameter("number", 1, "refused runs in a row")},
        "unproven": {"pulls": Parameter("number", None, "unproven full pulls in a row; `SYNCER_ALERT_FAILURES`")},
        "short-pull": {
            "below": Parameter("share", 0.5, "of the usual number of files, or of bytes"),
            "least": Parameter("number", 20, "files usually listed; smaller accounts are not judged"),
            "history": Parameter("number", 3, "pulls, or days, that make something usual"),
        },
        "rejected": {"least": Parameter("number", 1, "entries, fewer raise no alert")},
        "quota": {"share": Parameter("share", 0.9, "of the quota that the schedules may need")},
        "recipient": {"silent": Parameter("span", timedelta(hours=3), "how long a recipient may accept nothing")},
    }.items()
}
"""Every rule's parameters by their names."""

OF_FILES = frozenset({"expiring", "vanished", "overdue"})
"""The rules about files: what a group of names may silence and tune."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """What settings say of parameters, by rule and parameter; all others have their defaults."""

    given: Mapping[tuple[str, str], Any]

    def over(self, other: Tuning) -> Tuning:
        """Return this tuning, and `other` where it says nothing."""
        return Tuning({**other.given, **self.given})

    def number(self, rule: str, name: str, default: int = 1) -> int:
        """Return a count; `default` where neither settings nor the parameter have one."""
        return cast("int", self._value(rule, name) or default)

    def share(self, rule: str, name: str) -> float:
        """Return a share of one."""
        return cast("float", self._value(rule, name))

    def span(self, rule: str, name: str) -> timedelta:
        """Return a length of time."""
        return cast("timedelta", self._value(rule, name))

    def severity(self, rule: str, default: Severity) -> Severity:
        """Return how grave a rule's alerts are."""
        return cast("Severity", self._value(rule, "severity") or default)

    def _value(self, rule: str, name: str) -> Any:
        return self.given.get((rule, name), PARAMETERS[rule][name].default)


DEFAULTS = Tuning({})
"""Every parameter as it is when nothing is set."""
