"""Reads how rules are tuned: `rule.parameter=value` one after another, or a table of tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from syncer.alerts.message import SEVERITIES
from syncer.alerts.tuning import OF_FILES, PARAMETERS, ParameterKind, Tuning
from syncer.settings import parsers
from syncer.settings.parsers import Parser

_HOW = "must be made of rule.parameter=value, such as short-pull.below=30%"


def parse_tuning(value: object) -> Tuning:
    """Understand `short-pull.below=30% overdue.grace=3d`, or the same as a table of tables by rule."""
    found: dict[tuple[str, str], Any] = {}
    for rule, name, written in _written(value):
        known = PARAMETERS.get(rule)
        if known is None:
            raise ValueError(f"must name rules: {', '.join(PARAMETERS)}")
        if name not in known:
            raise ValueError(f"may set of {rule}: {', '.join(sorted(known))}")
        try:
            found[rule, name] = _PARSERS[known[name].kind](written)
        except ValueError as error:
            raise ValueError(f"sets {rule}.{name}, which {error}") from None
    return Tuning(found)


def parse_tuning_of_files(value: object) -> Tuning:
    """Understand the same of rules about files, which alone can be told apart by names."""
    tuning = parse_tuning(value)
    if any(rule not in OF_FILES for rule, _ in tuning.given):
        raise ValueError(f"may tune the rules about files only: {', '.join(sorted(OF_FILES))}")
    return tuning


def _written(value: object) -> Iterator[tuple[str, str, object]]:
    if isinstance(value, Mapping):
        for rule, table in value.items():
            if not isinstance(table, Mapping):
                raise ValueError("must be a table of tables, such as short-pull = { below = 0.3 }")  # noqa: TRY004 - a mistake in a file, not in a program
            for name, written in table.items():
                yield str(rule), str(name), written
        return
    for part in re.split(r"[\s,;]+", parsers.parse_text(value).strip()):
        if not part:
            continue
        place, equals, written = part.partition("=")
        rule, dot, name = place.rpartition(".")
        if not equals or not dot:
            raise ValueError(_HOW)
        yield rule.lower(), name.lower(), written


def _share(value: object) -> float:
    """Understand `30%` and 0.3."""
    percent = re.fullmatch(r"\s*(\d{1,3}(?:\.\d+)?)\s*%\s*", value) if isinstance(value, str) else None
    return parsers.parse_share(float(percent[1]) / 100 if percent else value)


_PARSERS: Mapping[ParameterKind, Parser] = {
    "number": parsers.whole_number(1),
    "share": _share,
    "span": parsers.parse_duration,
    "severity": parsers.one_of(*SEVERITIES),
}
