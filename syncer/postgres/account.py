"""The operating system's user that the server runs as: ourselves, but for root, whom PostgreSQL refuses."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from syncer.errors import DatabaseUnavailable


class RunAs(TypedDict, total=False):
    """Those arguments of `subprocess.run` that change the user."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """A user by name and numbers; `other` says that it is not the user we are."""

    name: str
    uid: int
    gid: int
    other: bool

    @property
    def run_as(self) -> RunAs:
        """What makes a child process run as this user."""
        return RunAs(user=self.uid, group=self.gid, extra_groups=[]) if self.other else RunAs()

    def give(self, path: Path) -> None:
        """Make this user the owner of `path`, which only we can have made."""
        if self.other:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def can_run(self, program: Path, directory: Path, env: Mapping[str, str]) -> bool:
        """Tell whether this user can start `program` with all its libraries."""
        try:
            subprocess.run(
                [program, "--version"], cwd=directory, env=env, check=True, capture_output=True, **self.run_as
            )
        except (OSError, subprocess.CalledProcessError):
            return False
        return True

    def require_way_to(self, directory: Path, env: Mapping[str, str]) -> None:
        """Raise DatabaseUnavailable, naming the obstacle, unless this user can enter `directory` from the root down."""
        if not self.other:
            return
        way = [*reversed(directory.parents), directory]
        tried = subprocess.run(
            ["/bin/sh", "-c", 'for d; do test -x "$d" || { printf %s "$d"; exit 1; }; done', "sh", *way],
            cwd="/",
            env=env,
            check=False,
            capture_output=True,
            **self.run_as,
        )
        if tried.returncode:
            raise DatabaseUnavailable(
                f"PostgreSQL refuses to run as root, and the user {self.name}, as whom it would run instead, cannot "
                f"enter {os.fsdecode(tried.stdout)}. Set SYNCER_DATA_DIR to a directory whose parents everybody may "
                "enter, such as /var/lib/syncer, or SYNCER_PG_USER to a user who may enter this one."
            )


def choose_account(wanted: str, *owned: Path) -> Account:
    """Return the user to run the server as.

    Anybody but root runs it himself. For root it is the owner of the first of the paths `owned` that exists and
    is not root's, so that root can use another user's database without taking it over; else the user `wanted`.
    """
    if os.geteuid() != 0:
        return Account(str(os.geteuid()), os.geteuid(), os.getegid(), other=False)
    import pwd  # POSIX alone has it

    for path in owned:
        status = path.stat() if path.exists() else None
        if status and status.st_uid != 0:
            try:
                name = pwd.getpwuid(status.st_uid).pw_name
            except KeyError:
                name = str(status.st_uid)
            return Account(name, status.st_uid, status.st_gid, other=True)
    try:
        entry = pwd.getpwnam(wanted)
    except KeyError:
        raise DatabaseUnavailable(
            f"PostgreSQL refuses to run as root, and there is no user {wanted!r} to run it as. Set SYNCER_PG_USER "
            "to a user of this machine."
        ) from None
    if entry.pw_uid == 0:
        raise DatabaseUnavailable(f"PostgreSQL refuses to run as root: SYNCER_PG_USER must not be {wanted!r}.")
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, other=True)
