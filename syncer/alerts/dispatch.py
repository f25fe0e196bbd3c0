"""Empties the outbox: every recipient on a thread of its own, so that one that hangs holds up nobody.

A message is marked after the recipient accepted it: a crash between the two repeats it under the same key, and loses
none. Any number of processes may send: a recipient is claimed first, and a killed sender's claim is free at once.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from syncer.alerts.digest import from_json
from syncer.alerts.message import Notifier, NotifyError
from syncer.store import outbox
from syncer.store.database import Connection
from syncer.store.outbox import Waiting

Address = tuple[str, str]
"""A source, and the identity of one of its recipients."""

# A notifier keeps a deadline of its own; one that does not is given up after this many seconds.
SEND_SECONDS = 60.0
# One call of `send_due` begins no further message after this many seconds; the next call goes on.
BUDGET_SECONDS = 240.0
_KEEP_DAYS = 35


@dataclass(slots=True)
class Sent:
    """What became of messages: accepted, to be tried again, refused for good, given up after hanging."""

    accepted: int = 0
    failed: int = 0
    refused: int = 0
    hung: int = 0


@dataclass(frozen=True, slots=True)
class _Result:
    message: Waiting
    error: Exception | None


def send_due(
    connection: Connection,
    notifiers: Mapping[Address, Notifier],
    *,
    monotonic: Callable[[], float],
    stopping: Callable[[], bool] = lambda: False,
    seconds: float = SEND_SECONDS,
    budget: float = BUDGET_SECONDS,
) -> Sent:
    """Send what is due to `notifiers`, each recipient's messages in their order; return what became of them.

    `connection` is the caller's own, outside of a transaction: the claims are bound to its session.
    """
    if not notifiers:
        return Sent()
    round_ = _Round(connection, notifiers, monotonic, seconds)
    ends = monotonic() + budget
    for source, recipient in outbox.claim(connection, list(notifiers)):
        round_.begin((source, recipient))
    while round_.busy:
        round_.wait()
        round_.more = monotonic() < ends and not stopping()
    for source in {source for source, _ in notifiers}:
        outbox.prune(connection, source, days=_KEEP_DAYS)
    return round_.sent


class _Round:
    """One round of sending: who is busy with which message since when."""

    def __init__(
        self,
        connection: Connection,
        notifiers: Mapping[Address, Notifier],
        monotonic: Callable[[], float],
        seconds: float,
    ) -> None:
        self._connection, self._notifiers, self._monotonic, self._seconds = connection, notifiers, monotonic, seconds
        self._results: queue.SimpleQueue[_Result] = queue.SimpleQueue()
        self.busy: dict[Address, tuple[Waiting, float]] = {}
        self.sent = Sent()
        self.more = True

    def begin(self, address: Address) -> None:
        """Hand a claimed recipient its next message, or give the claim back."""
        message = outbox.next_message(self._connection, *address) if self.more else None
        if message is None:
            outbox.release(self._connection, *address)
            return
        self.busy[address] = message, self._monotonic() + self._seconds
        arguments = (self._notifiers[address], message)
        threading.Thread(target=self._send, args=arguments, name=f"send-{address[0]}", daemon=True).start()

    def _send(self, notifier: Notifier, message: Waiting) -> None:
        error: Exception | None = None
        try:
            notifier.send(from_json(message.body))
        except Exception as failure:  # noqa: BLE001 - whatever a notifier dies of, its message waits for the next try
            error = failure
        self._results.put(_Result(message, error))

    def wait(self) -> None:
        """Wait for the next answer, or for the first deadline of those who are busy."""
        first = min(deadline for _, deadline in self.busy.values())
        try:
            result = self._results.get(timeout=max(0.0, first - self._monotonic()))
        except queue.Empty:
            self._give_up()
            return
        address = result.message.source, result.message.recipient
        if self.busy.get(address, (None, 0.0))[0] is not result.message:
            # Given up before; what it said at last counts all the same if it was accepted.
            if result.error is None:
                outbox.mark_sent(self._connection, result.message.source, result.message.message_id)
            return
        del self.busy[address]
        self._mark(result)
        self.begin(address)

    def _mark(self, result: _Result) -> None:
        source, number, error = result.message.source, result.message.message_id, result.error
        match error:
            case None:
                outbox.mark_sent(self._connection, source, number)
                self.sent.accepted += 1
            case NotifyError(permanent=True):
                outbox.mark_refused(self._connection, source, number, error=str(error))
                self.sent.refused += 1
            case NotifyError():
                outbox.mark_failed(self._connection, source, number, error=str(error), after=error.retry_after)
                self.sent.failed += 1
            case _:
                # The type alone: nobody knows what an unexpected error's text repeats.
                text = f"the notifier failed unexpectedly ({type(error).__name__})"
                outbox.mark_failed(self._connection, source, number, error=text, after=None)
                self.sent.failed += 1

    def _give_up(self) -> None:
        now = self._monotonic()
        for address, (message, deadline) in list(self.busy.items()):
            if deadline <= now:
                del self.busy[address]
                text = f"it did not answer within {self._seconds:.0f} seconds"
                outbox.mark_failed(self._connection, address[0], message.message_id, error=text, after=None)
                outbox.release(self._connection, *address)
                self.sent.hung += 1
