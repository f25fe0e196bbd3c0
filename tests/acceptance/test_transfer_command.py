"""From the embedded database to one's own, as docs/upgrade.md tells it, with the installed command."""

from __future__ import annotations

import gzip
import json
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import SYNCER, Command, MakeCommand


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory within reach of the user that root starts the embedded server as."""
    directory = Path(tempfile.mkdtemp(prefix="syncer-move-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def embedded(command: MakeCommand, home: Path) -> Command:
    user = command()
    user.environ |= {"SYNCER_DATABASE_URL": "", "SYNCER_DATA_DIR": str(home)}
    return user


def test_from_the_embedded_database_to_ones_own(embedded: Command, home: Path, empty_database: str) -> None:
    user, file = embedded, home / "syncer.export"
    assert user.run("sync").returncode == 0
    told = user.run("export", str(file))
    assert (told.returncode, told.stdout) == (0, "")
    assert told.stderr.startswith("Exported ")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {path.name for path in home.iterdir()} == {"postgres", "syncer.export"}

    user.environ["SYNCER_DATABASE_URL"] = user.database = empty_database
    refused = user.run_inside("import", str(file))
    assert (refused.returncode, refused.stderr.count("syncer migrate")) == (5, 1)
    assert user.run_inside("migrate").returncode == 0
    moved = user.run("import", str(file), "--json")
    assert moved.returncode == 0, moved.stderr
    assert json.loads(moved.stdout)["rows"]["pull"] == 1
    user.assert_equals_listing()

    user.simulator.world.delete(user.simulator.world.ids()[0])
    again = json.loads(user.run_inside("sync", "--json").stdout)
    assert (again["pull_id"], again["verdict"], again["inserted"], again["gone"]) == (2, "proven", 0, 1)
    assert user.run_inside("import", str(file)).returncode == 2


def test_mistakes_end_with_a_sentence(command: MakeCommand, tmp_path: Path) -> None:
    user = command()
    there = tmp_path / "there"
    there.write_text("mine")
    for arguments, sentence in (
        (("export", str(there)), "is there already"),
        (("export", str(tmp_path / "no" / "folder")), "cannot be written: No such file or directory"),
        (("import", str(tmp_path / "nothing")), "cannot be read: No such file or directory"),
        (("import", str(tmp_path)), "cannot be read: Is a directory"),
        (("import", str(there)), "no whole export of syncer"),
    ):
        told = user.run_inside(*arguments)
        assert told.returncode == 2, told.stderr
        assert sentence in " ".join(told.stderr.split())
        assert "Traceback" not in told.stderr
    assert there.read_text() == "mine"


def test_through_a_pipe(command: MakeCommand, empty_database: str) -> None:
    user = command()
    arguments: Any = {"env": user.environ, "capture_output": True}
    packed = subprocess.run([SYNCER, "export", "-"], check=True, **arguments).stdout
    assert gzip.decompress(packed).startswith(b'{"syncer_export": 1')
    user.environ["SYNCER_DATABASE_URL"] = empty_database
    assert user.run_inside("migrate").returncode == 0
    subprocess.run([SYNCER, "import", "-"], check=True, input=packed, **arguments)
