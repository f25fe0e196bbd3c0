"""A database beside the world's own, into which its export is imported: whole, or not at all."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from psycopg import sql

from campaign.databases import Database
from campaign.invariants import Broken

Rows = dict[str, int]


class Copy:
    """An empty database and the file to be imported into it, which holds `rows` of each table."""

    def __init__(self, database: Database, file: Path) -> None:
        self.database, self.file = database, file

    def check(self) -> None:
        """Raise Broken unless it holds nothing or all of the file; what it holds is thrown away."""
        said = last_line(self.file)["rows"]
        with self.database.connect() as connection:
            counts = {
                name: connection.execute(
                    sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("syncer", name))
                ).fetchall()[0][0]
                for name in said
            }
        if any(counts.values()) and counts != said:
            raise Broken("an_import_is_whole_or_nothing", f"of {said} there are {counts}")
        self.database.clear()


def last_line(file: Path) -> dict[str, Any]:
    """Return what the last line of an export says. Raises ValueError, EOFError or OSError when it is not whole."""
    with gzip.open(file) as lines:
        *_, last = lines
    found: dict[str, Any] = json.loads(last)
    if "rows" not in found:
        raise ValueError("it has no last line")
    return found


def must_be_whole(file: Path, *, done: bool) -> None:
    """Raise Broken unless a command's file is whole, or (the command was not `done`) not there; then delete it."""
    if not file.exists():
        if done:
            raise Broken("a_file_is_written_whole", f"the command ended well and {file.name} is not there")
        return
    try:
        _read_whole(file)
    except (ValueError, EOFError, OSError) as error:
        raise Broken("a_file_is_written_whole", f"{file.name}: {error}") from None
    file.unlink()


def _read_whole(file: Path) -> None:
    if file.suffix == ".gz":
        last_line(file)
        return
    text = file.read_text(encoding="utf-8")
    if not text.endswith("</html>\n" if file.suffix == ".html" else "\n"):
        raise ValueError(f"it ends with {text[-60:]!r}")
