"""Turns what was written into one frozen `Settings`, or into one error with every mistake in it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from syncer.errors import SettingsError
from syncer.schedule import parse_cron
from syncer.settings.groups import parse_groups
from syncer.settings.reading import SOURCE_NAME, Gathered, Scope, Unreadable, gather
from syncer.settings.table import BY_NAME, SETTINGS
from syncer.settings.values import Credentials, Settings, SourceSettings, WebLogin

DEFAULT_SOURCE = "default"

_CREDENTIALS = ("secret_id", "secret_key", "token")
_Values = dict[str, Any]


def load_settings(environ: Mapping[str, str], config: Path | None = None) -> Settings:
    """Read settings from the environment, secret files and the TOML file `config` (else the one in SYNCER_CONFIG).

    The nearest value wins: for a source its [[sources]] table, then the environment, `..._FILE` variables,
    systemd's credentials, the top of the TOML file, the default. Credentials go together: a source with a key of its
    own takes no token from elsewhere. SettingsError holds every mistake, each with the name under which it was made,
    and never a value.
    """
    gathered = gather(environ, config)
    problems = gathered.problems
    top = _parse(gathered.top, problems)
    tables = _tables(gathered)
    defaults = {setting.name: setting.default_value() for setting in SETTINGS}
    values = defaults | top
    _check_web(gathered.top, values, problems)
    if problems:
        raise SettingsError(*dict.fromkeys(problems))
    sources = tuple(_source(name, _inherit(values, own)) for name, own in tables)
    general: _Values = {setting.name: values[setting.name] for setting in SETTINGS if not setting.of_source}
    general["data_dir"] = general["data_dir"] or _default_data_dir()
    user, password = general.pop("web_user"), general.pop("web_password")
    general["web_login"] = WebLogin(user, password) if user else None
    return Settings(sources=sources, **general)


def _parse(scope: Scope, problems: list[str]) -> _Values:
    """Parse the values of one place, and check that its credentials are whole."""
    values: _Values = {}
    for name, written in scope.items():
        try:
            if not isinstance(written.value, Unreadable):
                values[name] = BY_NAME[name].parse(written.value)
        except ValueError as error:
            problems.append(f"{written.label} {error}.")
    missing = [name for name in ("secret_id", "secret_key") if name not in scope]
    given = [scope[name].label for name in _CREDENTIALS if name in scope]
    if given and missing:
        lacking = " and ".join(f"{name} ({BY_NAME[name].variable})" for name in missing)
        problems.append(f"{given[0]} is set without {lacking}: credentials need both an id and a key.")
    return values


def _check_web(written: Scope, values: _Values, problems: list[str]) -> None:
    """Note a user without a password, and a page that others could reach without either."""
    given = [name for name in ("web_user", "web_password") if name in written]
    if len(given) == 1:
        lacking = BY_NAME["web_password" if given[0] == "web_user" else "web_user"].variable
        problems.append(f"{written[given[0]].label} is set without {lacking}: the page needs both or neither.")
    address = values["web_address"]
    if not given and address is not None and not address.loopback:
        problems.append(
            f"{written['web_address'].label} is not a loopback address: whoever reaches it could read the page and "
            "acknowledge alerts. Set SYNCER_WEB_USER and SYNCER_WEB_PASSWORD too, or listen on 127.0.0.1."
        )


def _tables(gathered: Gathered) -> list[tuple[str, _Values]]:
    """Return each source's name and its own values."""
    if gathered.sources is None:
        return [(DEFAULT_SOURCE, {})]
    tables: dict[str, _Values] = {}
    for where, name, scope, groups in gathered.sources:
        own = _parse(scope, gathered.problems) | {"groups": parse_groups(groups, where, gathered.problems)}
        if not isinstance(name, str) or not SOURCE_NAME.fullmatch(name):
            gathered.problems.append(
                f"name in {where} must be given: 1 to 64 letters, digits, dots, hyphens and underscores."
            )
        elif name in tables:
            gathered.problems.append(f"name in {where} is given to more than one source; each needs its own.")
        else:
            tables[name] = own
    return list(tables.items())


def _inherit(values: _Values, own: _Values) -> _Values:
    whole = own.keys() & _CREDENTIALS
    inherited = _without(values, _CREDENTIALS) if whole else values
    return inherited | own


def _without(values: _Values, names: Iterable[str]) -> _Values:
    return {name: value for name, value in values.items() if name not in names}


def _source(name: str, values: _Values) -> SourceSettings:
    chosen: _Values = {setting.name: values.get(setting.name) for setting in SETTINGS if setting.of_source}
    chosen["groups"] = values.get("groups", ())
    secret_id, secret_key, token = (chosen.pop(key) for key in _CREDENTIALS)
    for schedule in ("full_schedule", "recent_schedule"):
        chosen[schedule] = parse_cron(chosen[schedule], chosen["timezone"])
    chosen["signed_host"] = chosen["signed_host"] or urlsplit(chosen["api_url"]).hostname
    credentials = Credentials(secret_id, secret_key, token) if secret_id else None
    return SourceSettings(name=name, credentials=credentials, **chosen)


def _default_data_dir() -> Path:
    """Return the user's data directory; root's must be open to the user that the embedded server runs as."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/lib/syncer")
    from platformdirs import user_data_path

    return user_data_path("syncer", appauthor=False)
