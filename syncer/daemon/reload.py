"""What a reload of the settings changes, and what it cannot."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from syncer.app import App
from syncer.errors import SettingsError
from syncer.settings import Settings

# What a process begins with and keeps: where its database is, and where its page listens.
KEPT = ("database_url", "data_dir", "web_address")


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs between two settings: sources by name, and those settings that only a restart can change."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    needs_restart: tuple[str, ...]


def check(app: App) -> None:
    """Raise one SettingsError with all that a daemon cannot work with: absent credentials, mistakes in addresses."""
    problems: list[str] = []
    for source in app.settings.sources:
        for demand in (source.require_credentials, lambda source=source: app.alerting.check(source)):
            try:
                demand()
            except SettingsError as error:
                problems += error.problems
    if problems:
        raise SettingsError(*dict.fromkeys(problems))


def renewed(app: App, written: Settings) -> tuple[App, Difference]:
    """Return the application on new settings, but for what it must keep, and what differs. Raises SettingsError."""
    old = app.settings
    kept: dict[str, Any] = {name: getattr(old, name) for name in KEPT}
    new = app.renewed(replace(written, **kept))
    check(new)
    before, after = ({source.name: source for source in each.sources} for each in (old, written))
    return new, Difference(
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        changed=tuple(sorted(name for name in before.keys() & after.keys() if before[name] != after[name])),
        needs_restart=tuple(name for name in KEPT if getattr(written, name) != kept[name]),
    )
