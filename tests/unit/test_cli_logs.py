"""A log that cannot be written ends no process, and changes no exit code."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import structlog
from syncer.cli import main
from syncer.cli.logs import configure
from syncer.errors import Busy

def app():
    configure("info", "json")
    for number in range(2000):
        structlog.get_logger("test").info("event", number=number)
    print("lived", flush=True)
    raise Busy("busy")

main.app = app
main.main()
"""


@pytest.mark.parametrize("ending", ["gone", "full", "closed"])
def test_a_log_without_reader_or_room_is_dropped_and_the_exit_code_stays(ending: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    full = os.open("/dev/full", os.O_WRONLY)
    program = f"import os; os.close(2)\n{PROGRAM}" if ending == "closed" else PROGRAM
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            stderr=writer if ending == "gone" else full,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
        os.close(full)
    assert (done.stdout, done.returncode) == ("lived\n", 75)
