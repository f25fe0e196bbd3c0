"""The installed `syncer daemon` as a process of its own, its log read event by event."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from syncer.simulator import SECRET_KEY

SYNCER = str(Path(sys.executable).with_name("syncer"))
Event = dict[str, Any]
# Long: the machine may be busy with other tests.
PATIENCE = 60.0


class DaemonProcess:
    """One daemon; its standard error is parsed as it comes. Killed, if it still runs, by `close`."""

    def __init__(self, environ: Mapping[str, str], *arguments: str) -> None:
        self._events: list[Event] = []
        self._text: list[str] = []
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            [SYNCER, "daemon", "--poll-every", "0.2", *arguments],
            env={
                "PATH": os.environ["PATH"],
                "SYNCER_LOG_FORMAT": "json",
                "SYNCER_WEB_ADDRESS": "127.0.0.1:0",
                **environ,
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def stderr(self) -> str:
        """Everything it has said."""
        with self._news:
            return "".join(self._text)

    def events(self, name: str = "", **fields: Any) -> list[Event]:
        """Return the events so far, of one name and with these fields."""
        with self._news:
            return [each for each in self._events if _fits(each, name, fields)]

    def wait_for(self, name: str, count: int = 1, **fields: Any) -> Event:
        """Wait for the `count`th event of that name with these fields."""
        deadline = time.monotonic() + PATIENCE
        with self._news:
            while True:
                found = [each for each in self._events if _fits(each, name, fields)]
                if len(found) >= count:
                    return found[count - 1]
                left = deadline - time.monotonic()
                assert left > 0, f"no {name} {fields} in {PATIENCE} s; it said:\n{''.join(self._text)}"
                self._news.wait(left)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait for its end; return its exit code."""
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        self.send(signal.SIGTERM)
        return self.wait()

    def close(self) -> None:
        """End it, however it is; what it said must hold no secret."""
        if self.process.poll() is None:
            self.process.kill()
        self.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()
        assert SECRET_KEY not in self.stderr

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self._text.append(line)
                if line.startswith("{"):
                    self._events.append(json.loads(line))
                self._news.notify_all()


def _fits(event: Event, name: str, fields: Mapping[str, Any]) -> bool:
    return (not name or event["event"] == name) and all(event.get(field) == value for field, value in fields.items())


def eventually(condition: Callable[[], object], what: str, *, seconds: float = PATIENCE) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
