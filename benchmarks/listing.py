"""The simulator as a process of its own, looked at and steered by its control surface."""

from __future__ import annotations

import json
import logging
import random
import signal
import subprocess
import time
from datetime import UTC, datetime
from typing import Any, Self
from urllib.request import urlopen

import structlog
from processes import BIN

from syncer.model import Order, Page
from syncer.simulator import SECRET_ID, SECRET_KEY, World
from syncer.source.client import VodSource
from syncer.source.quota import Unlimited

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))  # calls are no news here

MOST_WRITTEN = 200_000
"""Files whose entries the simulator keeps once it has written them (300 bytes each, of the 64 MB in its `Entries`)."""


class _Nonces(random.Random):
    """Draws no number twice: a nonce that was used is refused for two hours, to whoever uses it next."""

    def __init__(self) -> None:
        super().__init__()
        self._last = random.SystemRandom().randrange(2**30)

    def randint(self, a: int, b: int) -> int:
        """Return the next number; `a` and `b` are far from it on both sides."""
        self._last += 1
        assert a <= self._last <= b
        return self._last


class Listing:
    """The simulator as a process of its own that lists `files` files.

    It has written all its pages before the block begins, and after each change anew, as far as it keeps them: else the
    first to list it would pay for that.
    """

    def __init__(self, files: int, *options: str, random_ids: bool = False) -> None:
        self.files = files
        self.random_ids = random_ids
        self.changes = 0
        self._nonces = _Nonces()
        self.process = subprocess.Popen(
            [
                BIN / "syncer",
                "simulate",
                "--files",
                str(files),
                "--port",
                "0",
                "--control",
                *options,
                *(["--random-ids"] if random_ids else []),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        self.url = self.process.stderr.readline().removeprefix("serving ").strip()
        self.process.stderr.readline()
        if not self.url.startswith("http"):
            raise SystemExit(f"the simulator did not start: {self.url}")

    def __enter__(self) -> Self:
        self._write()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    def change(self, share: float) -> int:
        """Give this share of the files, spread evenly, a name they never had (`renamed-N-ID`); return how many."""
        chosen = self._chosen(share)
        self.changes += 1
        for start in range(0, len(chosen), 1000):
            some = chosen[start : start + 1000]
            names = {file_id: {"name": f"renamed-{self.changes}-{file_id}"} for file_id in some}
            self._post("mutate", {"change": names})
        self._write()
        return len(chosen)

    def delete(self, share: float) -> int:
        """Take this share of the files, spread evenly, out of the listing; return how many."""
        chosen = self._chosen(share)
        self._post("mutate", {"delete": chosen})
        self._write()
        return len(chosen)

    def _write(self) -> None:
        """Let the simulator write its pages."""
        if self.files > MOST_WRITTEN:
            return
        context: str | None = None
        with VodSource(
            url=self.url,
            secret_id=SECRET_ID,
            secret_key=SECRET_KEY,
            limiter=Unlimited(),
            clock=lambda: datetime.now(UTC),  # noqa: TID251 - signatures go by the real clock
            monotonic=time.monotonic,
            sleep=time.sleep,
            random=self._nonces,
        ) as source:
            while True:
                page = source.list_page(order=Order.NEWEST_FIRST, prefix="", page_size=100, context=context)
                if not isinstance(page, Page):
                    raise SystemExit(f"the simulator does not list its files: {page}")
                context = page.context
                if context is None:
                    return

    def _chosen(self, share: float) -> list[str]:
        """Return the ids of this share of the files, others after each change; ids follow from the seed alone."""
        world, step = World(self.files, now=0.0, random_ids=self.random_ids), round(1 / share)
        return [world.file(slot).file_id for slot in range((step // 2 + 37 * self.changes) % step, self.files, step)]

    def calls(self) -> int:
        """Return how many calls were made of it."""
        with urlopen(self._control("state"), timeout=60) as reply:
            return int(json.load(reply)["calls"])

    def log(self) -> list[dict[str, Any]]:
        """Return the calls made of it, ten thousand at most."""
        with urlopen(self._control("calls"), timeout=60) as reply:
            return list(json.load(reply))

    def _post(self, name: str, wish: object) -> None:
        with urlopen(self._control(name), json.dumps(wish).encode(), timeout=60):
            pass

    def _control(self, name: str) -> str:
        return self.url.replace("/v2/index.php", f"/_simulator/{name}")
