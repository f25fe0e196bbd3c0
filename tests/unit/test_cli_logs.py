"""Logs: one event a line, no secret in it, whoever speaks; one that cannot be written ends no process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from syncer.settings import load_settings
from syncer.settings.redaction import Redaction

SECRETS = {
    "SYNCER_SECRET_ID": "AKIDinvented",
    "SYNCER_SECRET_KEY": "s3cr3t/key+\"'=",
    "SYNCER_DATABASE_URL": "postgresql://user:pass%2Fword@db/syncer",
    "SYNCER_NOTIFY": "webhook+https://hooks.example/services/T000/Bxyz?sign=0f0f0f",
    "SYNCER_DATA_DIR": "/nowhere",
}
SPELLINGS = ("AKIDinvented", "s3cr3t", "pass%2Fword", "pass/word", "T000", "0f0f0f")
START = """
import os, sys
from syncer.cli import main
from syncer.cli.logs import configure
from syncer.errors import Busy
from syncer.settings import load_settings

def app():
    configure(load_settings(os.environ))
"""
LIVES = """
    import structlog
    for number in range(2000):
        structlog.get_logger("test").info("event", number=number)
    print("lived", flush=True)
    raise Busy("busy")

main.app = app
main.main()
"""
SPEAKS = """
    import logging, threading, warnings, structlog
    from structlog.contextvars import bound_contextvars
    key, log = os.environ["SYNCER_SECRET_KEY"], structlog.get_logger("test")
    with bound_contextvars(source="east", run=7):
        log.info("plain", text=f"key {key}", nested={"deep": [key, {"er": key}]}, odd=ValueError(key), number=3)
    try:
        raise RuntimeError(f"with {key} of AKIDinvented at pass/word, pass%2Fword")
    except RuntimeError:
        log.exception("caught")
    logging.getLogger("urllib3.connectionpool").debug("GET /?SecretId=AKIDinvented")
    logging.getLogger("urllib3.connectionpool").warning("GET %s", "https://h/?a=1&Signature=abc%3D&SecretId=AKIDinvented")
    logging.getLogger("apscheduler").error("line one\\nline two", exc_info=KeyError(key))
    warnings.warn("a library is old: " + key)
    def die():
        raise RuntimeError("thread " + key)
    thread = threading.Thread(target=die); thread.start(); thread.join()
    log.info("hostile", name="\\x1b[2J\\nforged \\u202e line")
    raise RuntimeError("nobody expected " + key + " hooks.example/services/T000/Bxyz?sign=0f0f0f")

main.app = app
main.main()
"""


def run(program: str, *, stderr: int = subprocess.PIPE, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": os.environ["PATH"]} | SECRETS | environ,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("ending", ["gone", "full", "closed"])
def test_a_log_without_reader_or_room_is_dropped_and_the_exit_code_stays(ending: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    full = os.open("/dev/full", os.O_WRONLY)
    program = START + LIVES
    try:
        done = run(
            f"import os; os.close(2)\n{program}" if ending == "closed" else program,
            stderr=writer if ending == "gone" else full,
        )
    finally:
        os.close(writer)
        os.close(full)
    assert (done.stdout, done.returncode) == ("lived\n", 75)


def test_every_line_is_one_event_and_none_holds_a_secret() -> None:
    done = run(START + SPEAKS)
    assert done.returncode == 1
    events: list[dict[str, Any]] = [json.loads(line) for line in done.stderr.splitlines()]
    assert [event["event"] for event in events] == [
        "plain",
        "caught",
        "library_message",
        "library_message",
        "library_message",
        "crashed",
        "hostile",
        "crashed",
    ]
    for spelling in SPELLINGS:
        assert spelling not in done.stderr
    plain, caught, called, failed, warned, thread, _, last = events
    assert (plain["source"], plain["run"], plain["number"]) == ("east", 7, 3)
    assert plain["nested"] == {"deep": ["***", {"er": "***"}]}
    assert "source" not in caught
    assert "RuntimeError: with *** of *** at ***, ***" in caught["exception"]
    assert (called["logger"], called["level"]) == ("urllib3.connectionpool", "warning")
    assert called["message"] == "GET https://h/?a=1&Signature=***&SecretId=***"
    assert failed["message"] == "line one\nline two"
    assert "a library is old: ***" in warned["message"]
    assert thread["error"] == "RuntimeError: thread ***"
    assert "Traceback" in last["exception"]


def test_on_a_terminal_a_value_cannot_begin_a_line_or_move_the_cursor() -> None:
    done = run(START + SPEAKS, SYNCER_LOG_FORMAT="console")
    (hostile,) = [line for line in done.stderr.splitlines() if "hostile" in line]
    assert "\x1b" not in hostile
    assert "forged" in hostile
    assert "\u202e" not in hostile
    for spelling in SPELLINGS:
        assert spelling not in done.stderr.split("Traceback")[0]


def test_without_a_terminal_nobody_loads_rich() -> None:
    looks = "    assert 'rich.console' not in sys.modules, 'loaded'\n    import rich.console\n"
    done = run(f"{START}{looks}main.app = app\nmain.main()\n")
    assert (done.stderr, done.returncode) == ("", 0)


def test_short_secrets_do_not_take_letters_out_of_words() -> None:
    redact = Redaction(load_settings({"SYNCER_SECRET_ID": "a", "SYNCER_SECRET_KEY": "key1"}))
    assert redact("a secret key1 and signature=abc here") == "a secret *** and signature=*** here"
