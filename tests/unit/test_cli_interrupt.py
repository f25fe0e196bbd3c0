"""An interrupt that Python loses, for it comes in the midst of an import, is heeded all the same."""

from __future__ import annotations

import signal
import weakref

import pytest

from syncer.app import App
from syncer.cli import entry
from syncer.cli.common import stopping
from syncer.cli.simulate import _serve
from syncer.settings import load_settings
from syncer.simulator import Behaviour, Simulator, World


class Thing:
    """Something that can be referred to weakly."""


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "_came", [])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_was_lost_stops_what_begins_to_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the import machinery's own callback, what is raised in a weak reference's goes nowhere."""

    def command() -> None:
        thing = Thing()
        reference = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
        del thing
        assert reference() is None
        app = App(load_settings({}))
        with stopping(app):
            assert app.stop.signal_number == signal.SIGINT

    monkeypatch.setattr("syncer.cli.main.main", command)
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        entry.main()
    finally:
        signal.signal(signal.SIGINT, before)
    assert entry.interrupted()


def test_an_interrupt_that_is_not_lost_ends_the_command_as_a_shell_expects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncer.cli.main.main", lambda: signal.raise_signal(signal.SIGINT))
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with pytest.raises(SystemExit) as end:
            entry.main()
    finally:
        signal.signal(signal.SIGINT, before)
    assert end.value.code == 130


def test_without_an_interrupt_nothing_stops() -> None:
    app = App(load_settings({}))
    with stopping(app):
        assert not app.stop.asked()


@pytest.mark.timeout(30)
def test_a_simulator_does_not_begin_to_serve_for_ever_after_a_lost_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "_came", [signal.SIGINT])
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        _serve(Simulator(World(1), behaviour=Behaviour()))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
