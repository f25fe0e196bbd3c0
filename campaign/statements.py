"""Blows between the statements of a run: it dies, stalls or loses its database just before any of its commits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event


class Killed(BaseException):
    """The process is gone: no handler of `Exception` sees it, and no statement follows it."""


@contextmanager
def before_statement(number: int, deed: Callable[[], object]) -> Iterator[list[str]]:
    """Do `deed` once before this thread's statement `number` (from 1); yields the statements sent so far."""
    sent: list[str] = []
    thread, busy = threading.get_ident(), False

    def watch(_c: Any, _cursor: Any, sql: str, _p: Any, _context: Any, _many: Any) -> None:
        nonlocal busy
        if busy or threading.get_ident() != thread:
            return
        sent.append(sql)
        if len(sent) == number:
            busy = True
            try:
                deed()
            finally:
                busy = False

    event.listen(sa.Engine, "before_cursor_execute", watch)
    try:
        yield sent
    finally:
        event.remove(sa.Engine, "before_cursor_execute", watch)


@contextmanager
def killed_before_statement(number: int) -> Iterator[list[str]]:
    """End the block as a kill would, before statement `number`; a block that sends fewer ends as usual."""
    dead, thread = False, threading.get_ident()

    def die() -> None:
        nonlocal dead
        dead = True
        raise Killed

    def stay_dead(*_arguments: Any) -> None:
        if dead and threading.get_ident() == thread:
            raise Killed

    event.listen(sa.Engine, "before_cursor_execute", stay_dead)
    try:
        with before_statement(number, die) as sent:
            yield sent
    except Killed:
        pass
    finally:
        event.remove(sa.Engine, "before_cursor_execute", stay_dead)
