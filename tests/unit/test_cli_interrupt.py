"""A signal that Python loses in the midst of an import, or that another thread gets, is heeded all the same."""

from __future__ import annotations

import gc
import signal
import threading
import weakref
from collections.abc import Iterator

import pytest

from syncer.app import App
from syncer.cli import entry
from syncer.cli.common import make_app, stopping
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


@pytest.fixture
def _handlers_as_before() -> Iterator[None]:
    # None of them ends this process, should it come before the simulator's own handler is there.
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.timeout(30)
@pytest.mark.usefixtures("_handlers_as_before")
def test_a_simulator_does_not_begin_to_serve_for_ever_after_a_lost_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "_came", [signal.SIGINT])
    _serve(Simulator(World(1), behaviour=Behaviour()))


@pytest.mark.timeout(30)
@pytest.mark.usefixtures("_handlers_as_before")
def test_a_signal_that_another_thread_gets_ends_a_simulator() -> None:
    """Linux chooses the thread: one that comes right behind SIGCONT often misses the main thread, which sleeps."""
    signals_itself = threading.Timer(0.5, lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM))
    signals_itself.start()
    try:
        _serve(Simulator(World(1), behaviour=Behaviour()))
    finally:
        signals_itself.join()


def test_python_looks_for_cycles_as_soon_as_all_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[bool] = []

    def command() -> None:
        found.append(gc.isenabled())
        make_app(None)
        found.append(gc.isenabled())

    monkeypatch.setattr("syncer.cli.main.main", command)
    try:
        entry.main()
    finally:
        gc.unfreeze()
        gc.enable()
    assert found == [False, True]
