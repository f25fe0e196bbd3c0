"""The named scenarios: what the API does, and what must come of it; one registry for tests, demo and command.

A scenario is a world, a behaviour and one or more steps. Each step is a pull, with what happens before and during it
and how it must end; `table` says what the client's table must hold after the last. Calls of a step are numbered from 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from syncer.simulator import odd
from syncer.simulator.behaviour import Behaviour, End, Paging, Ties
from syncer.simulator.faults import TRANSIENT, Fault, Faults, Kind, always, coded, lost_reply, on
from syncer.simulator.simulator import SECRET_ID, Simulator, wall_clock
from syncer.simulator.world import World

Deed = Callable[[Simulator], object]
_FILES = 950  # nine full pages and a half one
_LAST_PAGE = 10
_QUICK = tuple(fault for fault in TRANSIENT if fault.code != 4400)  # noqa: PLR2004 - a quota's wait takes a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One pull.

    `before` is done first; `during` after the step's call k was served; `faults` count from the step's first call.
    With `stop_after`, the client is stopped once it has committed that many pages. `outcome` and `exit_code` are what
    `syncer sync` must say.
    """

    pull: Literal["full", "recent"] = "full"
    before: Deed | None = None
    during: Mapping[int, Deed] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    stop_after: int | None = None
    outcome: Literal["complete", "unproven", "failed", "stopped"] = "complete"
    exit_code: int = 0

    def begin(self, simulator: Simulator) -> None:
        """Prepare the simulator for this pull; to be called just before it."""
        with simulator.lock:
            base = simulator.call_count
            simulator.faults = self.faults.shifted(base)
            simulator.schedule = {base + call: deed for call, deed in self.during.items()}
        if self.before is not None:
            self.before(simulator)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A named story with its end.

    `world` holds World's arguments, `furnish` adds to it. `swept`: the last pull has swept, so that what is gone must
    be marked. `exact`: the table must equal `table`; else (the run fails in the middle of a page) it is a part of it.
    `clock_offset` puts the simulator's clock ahead, in seconds. `patience` is how long the story takes, in seconds of
    the real clock, however fast the client.
    """

    name: str
    sentence: str
    world: Mapping[str, Any] = field(default_factory=lambda: {"files": _FILES})
    behaviour: Behaviour = field(default_factory=Behaviour)
    furnish: Callable[[World], object] | None = None
    steps: tuple[Step, ...] = (Step(),)
    swept: bool = True
    exact: bool = True
    credentials: Mapping[str, str] | None = None
    clock_offset: float = 0.0
    patience: float = 0.0

    def simulator(self, *, clock: Callable[[], float] = wall_clock, **options: Any) -> Simulator:
        """Build a simulator that plays this scenario; it still has to be entered, and each step to be begun.

        `options` are Simulator's (port, control, ...). `Simulator.next_step()` begins the next step.
        """
        if self.clock_offset:
            told = clock

            def clock() -> float:
                return told() + self.clock_offset

        simulator = Simulator(
            World(**self.world),
            **{
                "behaviour": self.behaviour,
                "credentials": self.credentials,
                "clock": clock,
                "steps": [step.begin for step in self.steps],
                **options,
            },
        )
        if self.furnish is not None:
            self.furnish(simulator.world)
        return simulator

    def table(self, simulator: Simulator) -> dict[str, tuple[dict[str, Any], str]]:
        """Return what the client's table must hold now: by fileId, the document's fields and the state.

        Texts are as they were sent: how NUL and lone surrogates are escaped is the client's affair.
        """
        return simulator.table(swept=self.swept)


def _delete(first: int, count: int) -> Deed:
    """Delete `count` files, beginning with the one listed at `first` (from 0, oldest first)."""
    return lambda simulator: simulator.world.delete(*simulator.world.ids()[first : first + count])


def _add(count: int) -> Deed:
    return lambda simulator: [simulator.world.add() for _ in range(count)]


def _deleted_and_returning() -> tuple[Deed, Deed]:
    """Return a deed that deletes five files, and one that lists them again; both find them by their age."""

    def first_five(simulator: Simulator) -> list[str]:
        return [simulator.world.file(slot).file_id for slot in range(100, 105)]

    return (
        lambda simulator: simulator.world.delete(*first_five(simulator)),
        lambda simulator: simulator.world.restore(*first_five(simulator)),
    )


def _overdue(world: World) -> None:
    """Add three files that expired an hour ago and are still listed."""
    now = world.now()
    for number in range(3):
        world.add(created=now - 40 * 86_400 + number, expires=now - 3600)


def _come_and_go(simulator: Simulator) -> None:
    """Rename one file, extend another, delete one overdue and one live, add two."""
    world = simulator.world
    ids = world.ids()
    world.change(ids[200], name="renamed.mp4")
    world.change(ids[300], expires=world.now() + 90 * 86_400)
    world.delete(ids[0], ids[400])
    _add(2)(simulator)


_DELETE_FIVE, _RETURN_FIVE = _deleted_and_returning()

_ALL = (
    Scenario(name="plain-empty-context", sentence="Ten pages, the last without a context."),
    Scenario(
        name="plain-70008",
        sentence="Ten full pages; the last one's context answers 70008.",
        world={"files": 1000},
        behaviour=Behaviour(end=End.CODE_70008),
    ),
    Scenario(
        name="lost-last-reply-then-70008",
        sentence="The reply with the last page is lost; asked again, the API says that the pull is complete.",
        behaviour=Behaviour(last_page_once=True),
        steps=(Step(faults=on([_LAST_PAGE], lost_reply())),),
    ),
    Scenario(
        name="context-dies-mid-pull",
        sentence="After five pages every context is dead; the listing begins anew.",
        steps=(Step(during={5: Simulator.kill_contexts}),),
    ),
    Scenario(
        name="context-dies-on-resume",
        sentence="The client is stopped after four pages; when it comes back its context is dead.",
        steps=(
            Step(stop_after=4, outcome="stopped", exit_code=143),
            Step(before=Simulator.kill_contexts),
        ),
    ),
    Scenario(
        name="contexts-never-live-long-enough",
        sentence="No context lives beyond the third page, so the listing never comes to its end.",
        behaviour=Behaviour(context_pages=3),
        steps=(Step(outcome="failed", exit_code=4),),
        swept=False,
    ),
    Scenario(
        name="single-use-contexts",
        sentence="A reply is lost, and the context that was used for it cannot be used again (70006).",
        behaviour=Behaviour(context_uses=1),
        steps=(Step(faults=on([4], lost_reply())),),
    ),
    Scenario(
        name="repeated-context",
        sentence="The API answers the same context for ever.",
        behaviour=Behaviour(cycle=1),
        steps=(Step(outcome="failed", exit_code=4),),
        swept=False,
        exact=False,
    ),
    Scenario(
        name="cycling-contexts",
        sentence="Three contexts come again and again.",
        behaviour=Behaviour(cycle=3),
        steps=(Step(outcome="failed", exit_code=4),),
        swept=False,
        exact=False,
    ),
    Scenario(
        name="empty-page-midway",
        sentence="One page has no files and a context: the listing goes on.",
        steps=(Step(faults=on([4], Fault(Kind.EMPTY_PAGE))),),
    ),
    Scenario(
        name="thirty-percent-faults",
        sentence="Three calls in ten fail in one way or another, and pass when they are tried again.",
        world={"files": 3950},
        steps=(Step(faults=Faults(rate=0.3, kinds=_QUICK)),),
    ),
    Scenario(
        name="odd-entries",
        sentence="Entries with odd numbers, names, times and fields; each file's id can be read.",
        furnish=odd.add_readable,
    ),
    Scenario(
        name="unreadable-ids",
        sentence="Some entries have no id that can be read: nobody knows what was listed, so nothing is swept.",
        furnish=odd.add_unreadable,
        steps=(Step(), Step(before=_delete(10, 3))),
        swept=False,
    ),
    Scenario(
        name="files-appear-and-go",
        sentence="Files are added, renamed, extended and deleted between and during pulls; overdue ones linger.",
        behaviour=Behaviour(expired_linger=None),
        furnish=_overdue,
        steps=(
            Step(during={3: _delete(700, 1), 6: _add(3)}),
            Step(before=_come_and_go),
        ),
    ),
    Scenario(
        name="vanished-and-returned",
        sentence="Five files vanish for one pull and are back at the next.",
        steps=(Step(), Step(before=_DELETE_FIVE), Step(before=_RETURN_FIVE)),
    ),
    Scenario(
        name="mass-disappearance",
        sentence="Two files in five are gone at once: the brake refuses the sweep.",
        steps=(Step(), Step(before=_delete(100, 380), exit_code=6)),
        swept=False,
    ),
    Scenario(
        name="one-missing-id-fails-all",
        sentence="Three files are gone and one slipped past; asked for by id, one missing file fails the whole query.",
        behaviour=Behaviour(missing_id_fails_all=True, paging=Paging.POSITIONAL),
        steps=(Step(), Step(before=_delete(500, 3), during={4: _delete(0, 1)}), Step()),
    ),
    Scenario(
        name="positional-deletion",
        sentence="A deletion in front of the page shifts a file past the client; it must not be taken for gone.",
        behaviour=Behaviour(paging=Paging.POSITIONAL),
        steps=(Step(), Step(during={4: _delete(0, 1)}), Step()),
    ),
    Scenario(
        name="digit-strings",
        sentence="Every number comes as a string of digits, the code too.",
        behaviour=Behaviour(digit_strings=True, code_as_string=True),
    ),
    Scenario(
        name="equal-create-times",
        sentence="Many files share a createTime, in another order each time; the last page's reply is lost.",
        world={"files": _FILES, "same_second": 32},
        behaviour=Behaviour(last_page_once=True, ties=Ties.PER_LISTING),
        steps=(Step(faults=on([_LAST_PAGE], lost_reply())),),
    ),
    Scenario(
        name="all-zero-times",
        sentence="Every time is written as zeros: no file has a known age or expiry.",
        world={"files": _FILES, "zero_times": True},
    ),
    Scenario(
        name="recent-finds-new",
        sentence="After a full pull thirty files are added; a recent pull finds them.",
        steps=(Step(), Step(pull="recent", before=_add(30))),
        swept=False,
    ),
    Scenario(
        name="wrong-key",
        sentence="The API knows the SecretId with another key.",
        credentials={SECRET_ID: "another-key"},
        steps=(Step(outcome="failed", exit_code=3),),
        swept=False,
    ),
    Scenario(
        name="clock-off",
        sentence="The API's clock is an hour ahead of the client's.",
        clock_offset=3600.0,
        steps=(Step(outcome="failed", exit_code=3),),
        swept=False,
    ),
    Scenario(
        name="down",
        sentence="Nobody listens at the API's address.",
        steps=(Step(before=Simulator.down, outcome="failed", exit_code=4),),
        swept=False,
    ),
    Scenario(
        name="maintenance",
        sentence="The API is under maintenance, and stays so (6200).",
        steps=(Step(faults=always(coded(6200)), outcome="failed", exit_code=4),),
        swept=False,
    ),
    Scenario(
        name="quota-tight",
        sentence="The API admits two calls a minute, the listing takes three.",
        world={"files": 250},
        behaviour=Behaviour(calls_per_minute=2),
        patience=60.0,
    ),
    Scenario(
        name="dripping-server",
        sentence="One page comes byte by byte and would take a quarter of an hour.",
        steps=(Step(faults=on([3], Fault(Kind.DRIP, seconds=0.03))),),
    ),
    Scenario(
        name="endless-body",
        sentence="One answer never ends.",
        steps=(Step(faults=on([3], Fault(Kind.ENDLESS))),),
    ),
)

SCENARIOS: Mapping[str, Scenario] = {scenario.name: scenario for scenario in _ALL}
"""Every scenario by its name."""
