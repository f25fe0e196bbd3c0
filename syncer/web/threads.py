"""Runs what blocks (the database) beside the page's event loop, on threads that never keep a process from ending."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


async def in_thread(deed: Callable[[], Result]) -> Result:
    """Return what `deed` returns, or raise what it raises; it goes on to its end even if nobody waits any more."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def settle(result: Result | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type] # None only where Result is None

    def work() -> None:
        result, error = None, None
        try:
            result = deed()
        except BaseException as failure:  # noqa: BLE001 - raised where it is waited for
            error = failure
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=work, name="page", daemon=True).start()
    return await future
