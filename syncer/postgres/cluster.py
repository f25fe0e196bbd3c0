"""Makes a data directory, all or nothing, and names it after the major version that made it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from syncer.errors import DatabaseUnavailable
from syncer.postgres.account import Account
from syncer.postgres.binaries import Binaries
from syncer.postgres.log import explain_failure, last_lines
from syncer.postgres.sockets import SUPERUSER

_BUILTIN_LOCALE_SINCE = 17
_BUILTIN = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
_LIBRARY = ("--locale=C.UTF-8",)
_PLAIN = ("--locale=C",)


def data_directory(home: Path, major: int) -> Path:
    """Return where PostgreSQL `major` keeps its data under `home`."""
    return home / f"data-{major}"


def refuse_other_majors(home: Path, major: int) -> None:
    """Raise DatabaseUnavailable if `home` holds the data of other major versions only, which this one cannot read."""
    if data_directory(home, major).exists():
        return
    others = sorted(path.name.removeprefix("data-") for path in home.glob("data-*"))
    if others:
        raise DatabaseUnavailable(
            f"The database in {home} was made by PostgreSQL {others[-1]}, this is {major}, which cannot read it. Set "
            f"SYNCER_PG_BIN to the bin directory of PostgreSQL {others[-1]}; or dump the database with it (pg_dump), "
            f"move {home / f'data-{others[-1]}'} away, and restore the dump (psql)."
        )


def initialise(home: Path, binaries: Binaries, account: Account, env: Mapping[str, str], *, durable: bool) -> None:
    """Make the data directory if there is none.

    initdb works in a directory of its own, which gets its name only when it is whole: a killed initdb leaves
    nothing but litter, which the next call removes.
    """
    for litter in (*home.glob("initdb-*"), *home.glob("copying-*")):
        shutil.rmtree(litter, ignore_errors=True)
    data = data_directory(home, binaries.major)
    if data.exists():
        return
    unfinished = Path(tempfile.mkdtemp(prefix="initdb-", dir=home))
    try:
        account.give(unfinished)
        _initdb(unfinished, binaries, account, env, durable=durable)
        unfinished.rename(data)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    if durable:
        _sync(home)


def _initdb(directory: Path, binaries: Binaries, account: Account, env: Mapping[str, str], *, durable: bool) -> None:
    locales = (_BUILTIN,) if binaries.major >= _BUILTIN_LOCALE_SINCE else (_LIBRARY, _PLAIN)
    command: list[str | Path] = [binaries.initdb, "-D", directory, "-U", SUPERUSER, "-E", "UTF8", "--no-instructions"]
    command += ["--auth-local=trust", "--auth-host=reject", *([] if durable else ["--no-sync"])]
    for locale in locales:
        answer = subprocess.run(
            [*command, *locale],
            cwd=directory.parent,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            start_new_session=True,
            **account.run_as,
        )
        if answer.returncode == 0:
            return
        if "invalid locale" not in answer.stderr:
            break
    what = f"could not be made by initdb (status {answer.returncode})"
    raise DatabaseUnavailable(explain_failure(what, last_lines(answer.stderr), directory.parent))


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
