"""Ctrl-C at any moment of a command's start ends it, without a traceback of ours; a daemon does not go on."""

from __future__ import annotations

import signal
import time

import pytest

from syncer.simulator import World

from .conftest import MakeCommand


@pytest.mark.parametrize("arguments", [("daemon",), ("sync",), ("files",)])
def test_an_interrupt_while_it_loads_ends_a_command(command: MakeCommand, arguments: tuple[str, ...]) -> None:
    syncer = command(world=World(50))
    syncer.environ["SYNCER_WEB_ADDRESS"] = "off"
    for number in range(5):
        process = syncer.start(*arguments)
        time.sleep(0.05 + number * 0.15)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        if err.startswith("Fatal Python error: init_"):
            continue  # a busy machine: the interpreter itself was not up yet, and ends as it does
        assert process.returncode in {0, 130, -signal.SIGINT}, err
        assert "Traceback" not in err or "/syncer/" not in err, err
