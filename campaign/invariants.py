"""The guarantees of docs/guarantees.md, each one function over the database and the simulator's truth.

A function raises `Broken` when its guarantee does not hold. Nothing here uses the code that it judges: hashes, tiers
and the forms of times are written anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from random import Random
from typing import Any

import psycopg

from campaign.account import Account
from campaign.look import Look, Row, as_of, look

_BEIJING = timezone(timedelta(hours=8))
_FIELDS = {
    "fileId": "file_id",
    "name": "name",
    "size": "size_bytes",
    "type": "file_type",
    "duration": "duration_seconds",
    "status": "status",
    "createTime": "created_at",
    "expireTime": "expires_at",
    "url": "url",
}
_TOLD = frozenset({"raised", "updated", "reminder"})
# Newcomers to a tier gather for a day at most (docs/runbook.md), and an evaluation may come an hour late.
_NEWS_WITHIN = timedelta(hours=25)
_SNAPSHOTS = 6

_LONG_AGO = datetime.min.replace(tzinfo=UTC)

Member = tuple[str, datetime]


class Broken(AssertionError):
    """A guarantee does not hold; `guarantee` is its name."""

    def __init__(self, guarantee: str, what: str) -> None:
        super().__init__(f"{guarantee}: {what}")
        self.guarantee, self.what = guarantee, what

    def __reduce__(self) -> tuple[type[Broken], tuple[str, str]]:
        """Pickle by both arguments: it comes out of the process of a lane."""
        return Broken, (self.guarantee, self.what)


class _WrongError(Exception):
    """What a guarantee's function found wrong; whoever called it adds the guarantee's name."""


class Order(Enum):
    """What the API's pages go by: the last file of the page before, its position, or (equal times) nothing."""

    ANCHORS = "anchors"
    POSITIONS = "positions"
    NONE = "none"


@dataclass(frozen=True)
class Step:
    """What was just done, as far as a check must know it.

    `kinds` are the pulls that were begun (`full`, `recent`; `anew`: one that gives an unfinished one up as soon as the
    API has answered with the first page), `evaluated` says that an evaluation of the alerts came to its end, `sessions`
    that each process has a database session of its own (not so behind a transaction pooler), `reads` that nothing but
    commands which only read was begun.
    """

    kinds: frozenset[str] = frozenset()
    evaluated: bool = False
    sessions: bool = True
    reads: bool = False


@dataclass
class Scene:
    """All that a guarantee is judged by: the database before and after a step, the account, and the memory."""

    connection: psycopg.Connection[Any]
    account: Account
    before: Look
    now: Look
    step: Step
    order: Order
    tiers: tuple[tuple[str, timedelta, timedelta], ...]
    received: Callable[[], set[str]]
    throughout: dict[int, set[str]] = field(default_factory=dict)
    disturbed: set[int] = field(default_factory=set)
    snapshots: list[Look] = field(default_factory=list)
    clock_was_back: bool = False
    owed: dict[tuple[str, Member], datetime] = field(default_factory=dict)
    covered: dict[str, set[Member]] = field(default_factory=dict)

    def newly_gone(self) -> set[str]:
        """Return the ids that were marked gone during the step."""
        marked = {
            file_id
            for file_id, row in self.now.files.items()
            if row["gone_at"] is not None and self.before.files.get(file_id, {}).get("gone_at") != row["gone_at"]
        }
        known = {(row["changed_at"], row["file_id"]) for row in self.before.changes if row["field"] == "gone_at"}
        return marked | {
            row["file_id"]
            for row in self.now.changes
            if row["field"] == "gone_at"
            and row["new_value"] is not None
            and (row["changed_at"], row["file_id"]) not in known
        }

    def ended(self) -> list[Row]:
        """Return the pulls that ended for good during the step."""
        return [
            pull
            for number, pull in self.now.pulls.items()
            if pull["finished_at"] is not None
            and (number not in self.before.pulls or self.before.pulls[number]["finished_at"] is None)
        ]


def no_listed_file_is_marked_gone(scene: Scene) -> None:
    """No file that was listed throughout the step was marked gone in it."""
    wrong = scene.newly_gone() & scene.account.present
    _require(not wrong, f"listed all the time and yet marked gone: {sorted(wrong)[:5]}")


def only_a_proven_pull_marks_files_gone(scene: Scene) -> None:
    """A pull that marked files gone read its listing to a sure end, and understood every entry's id."""
    for pull in scene.now.pulls.values():
        if pull["gone"] and pull["outcome"] not in {None, "abandoned", "failed", "stopped"}:
            sure = pull["outcome"] == "complete" and not pull["unidentified"] and not pull["short"]
            _require(sure, f"pull {pull['pull_id']} ended {pull['outcome']} and marked {pull['gone']} files gone")
    for number, pull in scene.now.pulls.items():
        more = pull["gone"] - scene.before.pulls.get(number, {"gone": 0})["gone"]
        _require(not (more and pull["phase"] in {"listing", "tail"}), f"pull {number} marked {more} gone while reading")


def a_proven_pull_listed_everything(scene: Scene) -> None:
    """A pull called proven listed every file that existed throughout it.

    Where the API pages by position (or has no stable order) and files were deleted meanwhile, nobody can promise that
    of files never seen before: there it must hold of all that were known when the pull began. Of an order that changes
    nobody can ask either that the last of a pull's listings shows again what an earlier one of it has shown.
    """
    for pull in scene.ended():
        number = pull["pull_id"]
        if scene.now.verdicts[number] != "proven":
            continue
        listed = {
            file_id
            for page in scene.now.pages
            if page["pull_id"] == number and page["generation"] == pull["generation"]
            for file_id in page["file_ids"]
        }
        missing = {_stored(file_id) for file_id in scene.throughout[number]} - listed
        if scene.order is Order.NONE or (scene.order is Order.POSITIONS and number in scene.disturbed):
            missing = {each for each in missing if scene.now.files.get(each, pull)["first_run"] < pull["first_run"]}
            missing -= {each for page in scene.now.pages if page["pull_id"] == number for each in page["file_ids"]}
        _require(not missing, f"pull {number} is called proven and did not list {sorted(missing)[:5]}")


def a_complete_recent_pull_found_what_is_new(scene: Scene) -> None:
    """A recent pull that ended complete has stored every new file that existed throughout it.

    Not promised: files that came back or came late, or were made while the clock was behind (a full pull finds them);
    and where pages go by position, what a deletion in the middle hid.
    """
    if scene.order is Order.NONE or scene.clock_was_back:
        return
    for pull in scene.ended():
        number = pull["pull_id"]
        hidden = scene.order is Order.POSITIONS and number in scene.disturbed
        if pull["kind"] == "recent" and pull["outcome"] == "complete" and not hidden:
            new = {_stored(each) for each in scene.throughout[number] - scene.account.late}
            missing = new - scene.now.files.keys()
            _require(not missing, f"recent pull {number} is complete and did not find {sorted(missing)[:5]}")


def rows_and_checkpoint_never_part(scene: Scene) -> None:
    """A file is visible if and only if its page is in the ledger, and the checkpoint stands just behind the last."""
    of_pull: dict[int, list[Row]] = {}
    for page in scene.now.pages:
        of_pull.setdefault(page["pull_id"], []).append(page)
    for number, pull in scene.now.pulls.items():
        pages = of_pull.get(number, [])
        for counter, column in (("files", "entries"), ("inserted", "inserted"), ("updated", "updated")):
            total = sum(page[column] for page in pages)
            _require(pull[counter] == total, f"pull {number} counts {pull[counter]} {counter}, its pages {total}")
        _require(pull["pages"] == len(pages), f"pull {number} counts {pull['pages']} pages, its ledger {len(pages)}")
        if pull["finished_at"] is None and pull["kind"] == "full":
            _stands_behind_the_last_page(pull, pages)
    _stored_as_in_the_ledger(scene, of_pull)


def _stands_behind_the_last_page(pull: Row, pages: list[Row]) -> None:
    part = pull["phase"]
    if part not in {"listing", "tail"} or (part == "tail" and pull["context"] is None):
        # A tail whose context was lost is read anew from its beginning, under the numbers that follow.
        _require(pull["context"] is None, f"pull {pull['pull_id']} has a context in phase {part}")
        return
    own = [page for page in pages if page["part"] == part and page["generation"] == pull["generation"]]
    last = max(own, key=lambda page: page["page"], default=None)
    if pull["page"] == 0:
        _require(pull["context"] is None, f"pull {pull['pull_id']} has a context before its first page")
        _require(last is None, f"pull {pull['pull_id']} is before its first page, the ledger is not")
        return
    _require(last is not None and last["page"] == pull["page"], f"pull {pull['pull_id']} is not behind its last page")
    assert last is not None
    expected = None if pull["context"] is None else _hash(pull["context"])
    _require(last["context_out"] == expected, f"pull {pull['pull_id']} goes on elsewhere than its last page said")


def _stored_as_in_the_ledger(scene: Scene, of_pull: dict[int, list[Row]]) -> None:
    stored: dict[int, int] = {}
    for row in scene.now.files.values():
        stored[row["first_run"]] = stored.get(row["first_run"], 0) + 1
    listed: dict[int, int] = {}
    for pages in of_pull.values():
        for page in pages:
            lost = [each for each in page["file_ids"] if each not in scene.now.files]
            _require(not lost, f"page {page['page']} of pull {page['pull_id']} lists files that are not stored: {lost}")
            listed[page["run_id"]] = listed.get(page["run_id"], 0) + page["inserted"]
    for run, files in stored.items():
        if scene.now.runs[run]["kind"] != "lookup":
            _require(files == listed.get(run, 0), f"run {run} stored {files} new files, its pages {listed.get(run, 0)}")


def committed_pages_are_not_pulled_again(scene: Scene) -> None:
    """No call of the step asked with a context whose page an unfinished full pull had committed before the step."""
    committed = set()
    begun_anew = len(scene.now.pulls) > len(scene.before.pulls)
    for pull in scene.before.pulls.values():
        if pull["finished_at"] is None and pull["kind"] == "full":
            own = [
                page
                for page in scene.before.pages
                if page["pull_id"] == pull["pull_id"]
                and page["generation"] == pull["generation"]
                and page["part"] == "listing"
            ]
            committed |= {page["context_in"] for page in own}
            after = scene.now.pulls[pull["pull_id"]]
            went_on = after["generation"] == pull["generation"] and scene.step.kinds == {"full"} and not begun_anew
            if not went_on or pull["phase"] != "listing":
                committed.discard(None)
    for call in scene.account.calls():
        if "fileId.0" in call.params or call.params.get("orderby") != "1":
            continue
        sent = call.params.get("context")
        again = (None if sent is None else _hash(sent)) in committed
        _require(not again, f"call {call.number} asked for a page again that was committed before")


def one_process_writes_a_source(scene: Scene) -> None:
    """Every row was written by the newest run of its source, in the session that held the lease."""
    for row in scene.now.written[len(scene.before.written) :]:
        stale = row["run_id"] is not None and row["run_id"] != row["newest_run"]
        _require(not stale, f"run {row['run_id']} wrote {row['relation']} when run {row['newest_run']} had begun")
        held = row["held"] is True or not scene.step.sessions
        _require(held, f"{row['relation']} was written by a process that did not hold the source")


def what_is_shown_was_so(scene: Scene) -> None:
    """Every file shown exists or existed, and is as the API had it at some time."""
    versions = {_stored(file_id): known for file_id, known in scene.account.versions.items()}
    for file_id, row in scene.now.files.items():
        _require(file_id in versions, f"the file {file_id} never was")
        shown = {name: _plain(row[column]) for name, column in _FIELDS.items()}
        known = [{name: _stored(value) for name, value in version.items()} for version in versions[file_id]]
        _require(shown in known, f"the file {file_id} never was as shown: {shown}")


def totals_are_those_of_the_files(scene: Scene) -> None:
    """What the database says of all files together is what counting them gives."""
    counted: dict[tuple[str, str, str], list[int]] = {}
    for row in scene.now.files.values():
        for key in _totals_of(row):
            total = counted.setdefault(key, [0, 0, 0])
            for place, amount in enumerate((1, row["size_bytes"], row["duration_seconds"])):
                total[place] += amount or 0
    told = {(row["kind"], row["day"], row["word"]): [row["files"], row["bytes"], row["seconds"]]
            for row in scene.now.totals}  # fmt: skip
    wrong = [(key, told.get(key), counted.get(key)) for key in told | counted if told.get(key) != counted.get(key)]
    _require(not wrong, f"totals, as told and as counted: {wrong[:3]}")


def _totals_of(file: Row) -> list[tuple[str, str, str]]:
    """Return the totals that a file belongs to: kind, day by Beijing time, and type or state."""
    if file["gone_at"] is not None:
        expired = file["expires_at"] is not None and file["expires_at"] <= file["gone_at"]
        return [("gone", "infinity", "expired" if expired else "vanished")]
    expiry, creation = (
        "infinity" if file[name] is None else str(file[name].astimezone(_BEIJING).date())
        for name in ("expires_at", "created_at")
    )
    return [("expiry", expiry, ""), ("creation", creation, (file["file_type"] or "")[:100])]


def time_travel_agrees(scene: Scene) -> None:
    """report.backups_as_of an earlier instant shows what report.backups showed then."""
    chosen = scene.snapshots[:1] + scene.snapshots[-2:]
    for past in chosen:
        then = as_of(scene.connection, past.at)
        different = sorted(
            file_id for file_id in then.keys() | past.backups.keys() if then.get(file_id) != past.backups.get(file_id)
        )
        told = [(each, _difference(past.backups.get(each), then.get(each))) for each in different[:3]]
        _require(not different, f"as of {past.at}, {len(different)} files differ from what was shown then: {told}")


def _difference(shown: Row | None, told: Row | None) -> object:
    if shown is None or told is None:
        return "is shown" if shown is None else "is missing"
    return {column: (shown[column], told[column]) for column in shown if shown[column] != told[column]}


def what_was_known_stays(scene: Scene) -> None:
    """No step loses a file that was known, and a pull that has ended never changes.

    What a failed or killed run did is in the ledger and in the history, or it did nothing.
    """
    lost = scene.before.files.keys() - scene.now.files.keys()
    _require(not lost, f"known files are no longer known: {sorted(lost)[:5]}")
    for number, pull in scene.before.pulls.items():
        if pull["finished_at"] is not None:
            _require(scene.now.pulls.get(number) == pull, f"pull {number} had ended and changed")
    known = {(row["changed_at"], row["file_id"], row["field"]) for row in scene.before.changes}
    noted = {
        row["file_id"] for row in scene.now.changes if (row["changed_at"], row["file_id"], row["field"]) not in known
    }
    silent = [
        file_id
        for file_id, row in scene.before.files.items()
        if scene.now.files[file_id] != row and file_id not in noted
    ]
    _require(not silent, f"files changed and no history tells it: {silent[:5]}")


def what_only_reads_changes_nothing(scene: Scene) -> None:
    """Commands that only read leave files, pulls, history and messages as they were, however they end."""
    if scene.step.reads:
        for name in ("files", "pulls", "runs", "pages", "changes", "outbox", "open_tiers"):
            _require(getattr(scene.now, name) == getattr(scene.before, name), f"reading changed {name}")


def entered_tiers_are_announced(scene: Scene) -> None:
    """Whoever has been in a tier for longer than newcomers may gather was in a message about it."""
    members = {
        tier: {
            (file_id, row["expires_at"])
            for file_id, row in scene.now.files.items()
            if row["gone_at"] is None
            and row["expires_at"] is not None
            and scene.now.at + inner < row["expires_at"] <= scene.now.at + span
        }
        for tier, inner, span in scene.tiers
    }
    seen = {row["message_id"] for row in scene.before.outbox}
    for tier, found in members.items():
        scene.covered[tier] = scene.covered.get(tier, set()) & found
    for row in scene.now.outbox:
        facts = row["body"].get("facts", {})
        tier = facts.get("tier")
        told = row["message_id"] not in seen and row["body"]["rule"] == "expiring" and row["kind"] in _TOLD
        if told and facts["files"] == len(members[tier]):
            scene.covered[tier] = set(members[tier])
    if not scene.step.evaluated:
        return
    open_now = {tier for tier, found in members.items() if found}
    told = f"alerts are open for {scene.now.open_tiers}, not for {open_now}"
    _require(open_now - scene.now.settled_tiers <= scene.now.open_tiers <= open_now, told)
    owed = {(tier, each) for tier, found in members.items() for each in found - scene.covered[tier]}
    scene.owed = {key: scene.owed.get(key, scene.now.at) for key in owed}
    late = [key for key, since in scene.owed.items() if scene.now.at - since > _NEWS_WITHIN]
    _require(not late, f"in a tier for more than a day, and in no message: {late[:3]}")


def marked_sent_was_received(scene: Scene) -> None:
    """A message is marked as sent only if its recipient has it."""
    received = scene.received()
    lost = [row["key"] for row in scene.now.outbox if row["sent_at"] is not None and row["key"] not in received]
    _require(not lost, f"marked as sent and never received: {lost[:3]}")


GUARANTEES: tuple[Callable[[Scene], None], ...] = (
    no_listed_file_is_marked_gone,
    only_a_proven_pull_marks_files_gone,
    a_proven_pull_listed_everything,
    a_complete_recent_pull_found_what_is_new,
    rows_and_checkpoint_never_part,
    committed_pages_are_not_pulled_again,
    one_process_writes_a_source,
    what_is_shown_was_so,
    totals_are_those_of_the_files,
    what_was_known_stays,
    what_only_reads_changes_nothing,
    time_travel_agrees,
    entered_tiers_are_announced,
    marked_sent_was_received,
)


@dataclass
class Watch:
    """Checks every guarantee after every step, and remembers what the next check needs.

    `order` is how the API pages.
    """

    account: Account
    order: Order
    tiers: tuple[tuple[str, timedelta, timedelta], ...] = ()
    received: Callable[[], set[str]] = set
    dice: Random = field(default_factory=lambda: Random(0))
    scene: Scene | None = None
    _latest: datetime = _LONG_AGO

    def begin(self, connection: psycopg.Connection[Any]) -> None:
        """Look at the database for the first time."""
        now = look(connection)
        self.scene = Scene(connection, self.account, now, now, Step(), self.order, self.tiers, self.received)

    def check(self, connection: psycopg.Connection[Any], step: Step) -> None:
        """Raise Broken when a guarantee does not hold after `step`; the window is opened anew."""
        scene = self._scene_after(connection, step)
        for guarantee in GUARANTEES:
            with guaranteed(guarantee.__name__):
                guarantee(scene)
        if any(pull["kind"] == "full" and pull["outcome"] == "complete" for pull in scene.ended()):
            scene.clock_was_back = False
        self._keep(scene)
        self.account.open_window()

    def broken(self, connection: psycopg.Connection[Any], step: Step) -> set[str]:
        """Return the names of all guarantees that do not hold after `step`: for tests of the checks themselves."""
        scene, found = self._scene_after(connection, step), set()
        for guarantee in GUARANTEES:
            try:
                guarantee(scene)
            except _WrongError:
                found.add(guarantee.__name__)
        return found

    def _scene_after(self, connection: psycopg.Connection[Any], step: Step) -> Scene:
        scene = self.scene
        assert scene is not None
        scene.connection, scene.step, scene.now = connection, step, look(connection)
        self._follow_pulls(scene)
        return scene

    def clock_went_back(self, to: datetime) -> None:
        """Forget what was shown at instants that are to come again: nobody can say which of the two is meant.

        Nothing is remembered either until the clock has come to where it was.
        """
        if self.scene is not None:
            self.scene.snapshots = [each for each in self.scene.snapshots if each.at < to]
            self.scene.owed = {}
            self.scene.clock_was_back = True

    def _follow_pulls(self, scene: Scene) -> None:
        """Note of each pull that was unfinished before or now what has existed all the time since it began."""
        for number in scene.now.pulls:
            before = scene.before.pulls.get(number)
            if before is not None and before["finished_at"] is not None:
                continue
            begun = number not in scene.before.pulls
            known = scene.throughout.get(number, self.account.present if begun else self.account.always)
            scene.throughout[number] = known if begun else known & self.account.always
            if self.account.moved if begun else self.account.deleted:
                scene.disturbed.add(number)

    def _keep(self, scene: Scene) -> None:
        if scene.now.at > self._latest:
            self._latest = scene.now.at
            scene.snapshots.append(scene.now)
        if len(scene.snapshots) > _SNAPSHOTS:
            del scene.snapshots[self.dice.randrange(1, _SNAPSHOTS)]
        scene.before = scene.now


def equals_the_listing(scene_now: Look, account: Account) -> None:
    """Raise Broken unless what is present is what the API lists now, field by field, no more and no less."""
    present = {
        file_id: {name: _plain(row[column]) for name, column in _FIELDS.items()}
        for file_id, row in scene_now.backups.items()
        if row["state"] in {"live", "overdue"}
    }
    listed = {
        _stored(row["fileId"]): {name: _stored(value) for name, value in row.items()}
        for row in account.simulator.listing()
    }
    missing, extra = sorted(listed.keys() - present.keys()), sorted(present.keys() - listed.keys())
    with guaranteed("everything_is_found_in_the_end"):
        _require(not missing, f"listed and not shown: {missing[:5]}")
        _require(not extra, f"shown and not listed: {extra[:5]}")
        other = [file_id for file_id, row in listed.items() if present[file_id] != row]
        _require(not other, f"not as listed: {other[:5]}")


def quota_is_kept(times: list[float], *, per_minute: int, late: float = 1.0, stalled: int = 0) -> None:
    """Raise Broken when more than `per_minute` calls came within any 60 seconds, or faster than evenly spaced slots.

    `times` are when calls arrived, in seconds. `late` is how long a call may take from its slot to the simulator,
    `stalled` how many calls were held up for longer (their process was stopped).
    """
    times = sorted(times)
    with guaranteed("quota_is_kept"):
        for first, moment in enumerate(times):
            for count in (10, 30, 100, per_minute):
                last = first + count + stalled
                if last < len(times):
                    span, least = times[last] - moment, count * 60.0 / per_minute - late
                    _require(span >= least, f"{count + 1} calls within {span:.2f} s, not {least:.2f}")


def _require(holds: object, what: str) -> None:
    if not holds:
        raise _WrongError(what)


@contextmanager
def guaranteed(name: str) -> Iterator[None]:
    """Raise what the block finds wrong as Broken, under a guarantee's name."""
    try:
        yield
    except _WrongError as wrong:
        raise Broken(name, str(wrong)) from None


def _hash(context: str) -> bytes:
    return hashlib.blake2b(context.encode(errors="replace"), digest_size=8).digest()


def _plain(value: object) -> object:
    return value.astimezone(_BEIJING).strftime("%Y-%m-%d %H:%M:%S") if isinstance(value, datetime) else value


def _stored(value: Any) -> Any:
    """Return a text as PostgreSQL can hold it: NUL and lone surrogates written out."""
    if not isinstance(value, str):
        return value
    return value.replace("\x00", "\\u0000").encode("utf-8", "backslashreplace").decode()
