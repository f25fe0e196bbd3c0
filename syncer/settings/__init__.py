"""Settings: environment, secret files and TOML become one frozen `Settings`, read by the root alone."""

from syncer.settings.load import DEFAULT_SOURCE, load_settings
from syncer.settings.parsers import parse_duration
from syncer.settings.secret import Secret, shown_url, sqlalchemy_url
from syncer.settings.table import RESERVED_VARIABLES, SETTINGS, SettingDescription
from syncer.settings.values import Credentials, Settings, SourceSettings, Tier, WebAddress, WebLogin

__all__ = [
    "DEFAULT_SOURCE",
    "RESERVED_VARIABLES",
    "SETTINGS",
    "Credentials",
    "Secret",
    "SettingDescription",
    "Settings",
    "SourceSettings",
    "Tier",
    "WebAddress",
    "WebLogin",
    "load_settings",
    "parse_duration",
    "shown_url",
    "sqlalchemy_url",
]
