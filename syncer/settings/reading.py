"""Gathers what was written where, not yet understood: environment, secret files and the TOML file."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from syncer.settings.table import BY_NAME, PREFIX, RESERVED_VARIABLES, SETTINGS

_SECRETS = tuple(setting for setting in SETTINGS if setting.secret)
_VARIABLES = (
    {setting.variable for setting in SETTINGS} | {setting.file_variable for setting in _SECRETS} | RESERVED_VARIABLES
)
_SOURCE_KEYS = (
    {"name"}
    | {setting.name for setting in SETTINGS if setting.of_source}
    | {setting.file_key for setting in _SECRETS if setting.of_source}
)
_TOP_KEYS = {"sources"} | {setting.name for setting in SETTINGS} | {setting.file_key for setting in _SECRETS}
_LARGEST_SECRET_FILE = 65536
_LARGEST_SETTINGS_FILE = 16 * 1024 * 1024
SOURCE_NAME = re.compile(r"[\w.-]{1,64}")
# Kubernetes puts these into every container beside a service whose name begins with "syncer".
_SERVICE_LINK = re.compile(r"SYNCER_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
_SERVICE_PORT = re.compile(r"SYNCER_(\w+_)?PORT")


class Unreadable:
    """Stands for a value that could not be read; its mistake is noted already."""


@dataclass(frozen=True, slots=True)
class Written:
    """A value as it was written, and the name by which its writer knows it."""

    value: object = field(repr=False)
    label: str


Scope = dict[str, Written]


@dataclass(slots=True)
class Gathered:
    """What was found: the values for all, the tables of [[sources]], and the mistakes so far.

    `sources` holds each table's label, its name as it was written, its values and its groups; None if there are no
    tables.
    """

    top: Scope = field(default_factory=dict)
    sources: list[tuple[str, object, Scope, object]] | None = None
    problems: list[str] = field(default_factory=list)

    def read_secret(self, path: Path, label: str) -> Written:
        """Read a secret file; a mistake is noted without the path, which may be a secret in the wrong place."""
        content, reason = _read_file(path, _LARGEST_SECRET_FILE)
        try:
            text = content.decode().strip()
        except UnicodeDecodeError:
            text, reason = "", "it is not UTF-8 text"
        if not reason and not text:
            reason = "it is empty"
        if reason:
            self.problems.append(f"{label}: the file cannot be used: {reason}.")
            return Written(Unreadable(), label)
        return Written(text, label)


def gather(environ: Mapping[str, str], config: Path | None) -> Gathered:
    """Read all places where settings are written. The environment wins over secret files, these over the TOML file."""
    gathered = Gathered()
    name = environ.get("SYNCER_CONFIG", "")
    if config is None and name:
        config = Path(name)
    if config is not None:
        _read_toml(config, gathered)
    _read_credentials_directory(environ.get("CREDENTIALS_DIRECTORY", ""), gathered)
    _read_environment(environ, gathered)
    return gathered


def _read_environment(environ: Mapping[str, str], gathered: Gathered) -> None:
    # An empty variable counts as one that is not set: compose files and units write them so.
    for setting in SETTINGS:
        if environ.get(setting.variable):
            gathered.top[setting.name] = Written(environ[setting.variable], setting.variable)
        elif setting.secret and environ.get(setting.file_variable):
            path = Path(environ[setting.file_variable])
            gathered.top[setting.name] = gathered.read_secret(path, setting.file_variable)
    data_dir = environ.get("SYNCER_DATA_DIR", "").strip()
    if data_dir and not data_dir.startswith(("/", "~")):
        gathered.problems.append(
            "SYNCER_DATA_DIR must be an absolute path: a relative one means another database in every directory."
        )
    for name in sorted(environ):
        if name.upper().startswith(PREFIX) and name not in _VARIABLES and not _is_service_link(name, environ[name]):
            gathered.problems.append(f"{name} is not a setting of syncer{_nearest(name.upper(), _VARIABLES)}.")


def _is_service_link(name: str, value: str) -> bool:
    if _SERVICE_LINK.fullmatch(name):
        return True
    return bool(_SERVICE_PORT.fullmatch(name)) and value.startswith(("tcp://", "udp://", "sctp://"))


def _read_credentials_directory(directory: str, gathered: Gathered) -> None:
    """Read systemd's credentials: files named like the setting, with or without the prefix, in either case."""
    if not directory:
        return
    try:
        names = sorted((path.name for path in Path(directory).iterdir()), reverse=True)
    except FileNotFoundError:
        return
    except OSError as error:
        gathered.problems.append(f"CREDENTIALS_DIRECTORY cannot be read: {error.strerror}.")
        return
    found = {name.lower().removeprefix(PREFIX.lower()): name for name in names}
    for setting in _SECRETS:
        if setting.name in found:
            name = found[setting.name]
            gathered.top[setting.name] = gathered.read_secret(Path(directory, name), f"{name} in CREDENTIALS_DIRECTORY")


def _read_toml(path: Path, gathered: Gathered) -> None:
    document = _parse_toml(path, gathered)
    tables = document.pop("sources", None)
    gathered.top = _scope(document, path, f"{path}", gathered, _TOP_KEYS)
    if tables is None:
        return
    gathered.sources = []
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        gathered.problems.append(f"sources in {path} must be one or more tables, each under a line [[sources]].")
        return
    for number, table in enumerate(tables, 1):
        name = table.get("name")
        which = f'"{name}"' if isinstance(name, str) and SOURCE_NAME.fullmatch(name) else f"number {number}"
        where = f"[[sources]] {which} of {path}"
        groups = table.pop("groups", None)
        gathered.sources.append((where, name, _scope(table, path, where, gathered, _SOURCE_KEYS), groups))


def _parse_toml(path: Path, gathered: Gathered) -> dict[str, Any]:
    content, reason = _read_file(path, _LARGEST_SETTINGS_FILE)
    try:
        if not reason:
            return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        reason = "it is not UTF-8 text"
    except tomllib.TOMLDecodeError as error:
        # Where only: what the parser found there may be part of a secret.
        place = re.search(r"\(at (line \d+, column \d+|end of document)\)$", str(error))
        reason = f"it is not valid TOML at {place[1]}" if place else "it is not valid TOML"
    except (RecursionError, ValueError):
        reason = "it is nested too deeply or holds too long a number"
    gathered.problems.append(f"The settings file {path} cannot be used: {reason}.")
    return {}


def _scope(table: dict[str, Any], path: Path, where: str, gathered: Gathered, known: set[str]) -> Scope:
    """Take the known settings from a table, secrets from their files too, and note the unknown ones."""
    scope: Scope = {}
    for key, value in table.items():
        label = f"{key} in {where}"
        name = key.removesuffix("_file")
        if key not in known:
            gathered.problems.append(f"{label} is not a setting of {_hint(key, known)}.")
        elif key == "data_dir" and isinstance(value, str) and value and not value.startswith("~"):
            scope[key] = Written(str(path.parent / value), label)
        elif key in BY_NAME:
            scope[key] = Written(value, label)
        elif name in BY_NAME and name not in table:
            if isinstance(value, str) and value:
                scope[name] = gathered.read_secret(path.parent / value, label)
            else:
                gathered.problems.append(f"{label} must be the path of a file.")
                scope[name] = Written(Unreadable(), label)
    return scope


def _hint(key: str, known: set[str]) -> str:
    if key in _TOP_KEYS:
        return "one source: it belongs to the top of the file"
    return "syncer" + _nearest(key.lower().removeprefix(PREFIX.lower()), known)


def _nearest(name: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, sorted(known), n=1)
    return f" (did you mean {found[0]}?)" if found else ""


def _read_file(path: Path, largest: int) -> tuple[bytes, str]:
    """Return a file's content, or the reason why there is none; `largest` is in bytes."""
    try:
        with path.open("rb") as file:
            content = file.read(largest + 1)
    except OSError as error:
        return b"", error.strerror or type(error).__name__
    except ValueError:
        return b"", "its path holds a NUL"
    return (content, "") if len(content) <= largest else (b"", "it is too large")
