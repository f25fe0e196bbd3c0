"""Reads [[sources.groups]]: files that matter more or less than others, by the beginning of their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syncer.alerts.tuning import DEFAULTS, OF_FILES
from syncer.settings import parsers
from syncer.settings.reading import SOURCE_NAME
from syncer.settings.rules import parse_tuning_of_files
from syncer.settings.values import NameGroup

_KEYS = {"name", "prefix", "tiers", "silence", "rules"}


def parse_groups(written: object, where: str, problems: list[str]) -> tuple[NameGroup, ...]:
    """Return the groups of one source; mistakes go to `problems`, each with its place and never with a value."""
    if written is None:
        return ()
    if not isinstance(written, list) or not all(isinstance(table, dict) for table in written):
        problems.append(f"groups in {where} must be tables, each under a line [[sources.groups]].")
        return ()
    groups: list[NameGroup] = []
    for number, table in enumerate(written, 1):
        place = f"groups number {number} in {where}"
        group = _group(table, place, problems)
        if group is None:
            continue
        if any(group.name == other.name or group.prefix == other.prefix for other in groups):
            problems.append(f"{place} has the name or the prefix of one before it.")
        groups.append(group)
    return tuple(groups)


def _group(table: Mapping[str, Any], place: str, problems: list[str]) -> NameGroup | None:
    before = len(problems)
    problems += [f"{key} in {place} is not a setting of a group." for key in table if key not in _KEYS]
    name, prefix = table.get("name"), table.get("prefix")
    if not isinstance(name, str) or not SOURCE_NAME.fullmatch(name):
        problems.append(f"name in {place} must be given: 1 to 64 letters, digits, dots, hyphens and underscores.")
    if not isinstance(prefix, str) or not prefix:
        problems.append(f"prefix in {place} must be given: how the names of its files begin.")
    parsed: dict[str, Any] = {}
    for key, parse in (
        ("prefix", parsers.parse_text),
        ("tiers", parsers.parse_tiers),
        ("silence", _parse_silence),
        ("rules", parse_tuning_of_files),
    ):
        try:
            if key in table:
                parsed[key] = parse(table[key])
        except ValueError as error:
            problems.append(f"{key} in {place} {error}.")
    if len(problems) > before:
        return None
    return NameGroup(
        str(name),
        parsed["prefix"],
        parsed.get("tiers"),
        parsed.get("silence", frozenset()),
        parsed.get("rules", DEFAULTS),
    )


def _parse_silence(value: object) -> frozenset[str]:
    """Understand names of rules about files: no other can be told apart by names."""
    rules = parsers.parse_rules(value)
    if not rules <= OF_FILES:
        raise ValueError(f"may name the rules about files only: {', '.join(sorted(OF_FILES))}")
    return rules
