"""The brake and the judgement of answers by id, decision by decision."""

from __future__ import annotations

import pytest

from syncer.model import BackupFile, FilesMissing, Page, RejectedEntry, Suspicion
from syncer.pull.sweep import (
    CONFIRM_BATCH,
    DEFAULT_PAGE_SIZE,
    LOOKUP_BATCH,
    SMALL_SCOPE,
    UNCONFIRMED,
    Judgement,
    brake_holds,
    judge,
    refusal,
)


def page(*ids: str, entries: int | None = None, context: str | None = None, count: int | None = None,
         rejected: tuple[RejectedEntry, ...] = ()) -> Page:  # fmt: skip
    files = tuple(BackupFile(each) for each in ids)
    return Page(files, rejected, len(ids) if entries is None else entries, context, count)


def ids(number: int) -> list[str]:
    return [f"f{each}" for each in range(number)]


# --- the brake


@pytest.mark.parametrize(
    ("missing", "present", "holds"),
    [
        (20, 100, False),
        (21, 100, True),
        (0, 0, False),
        (10, 12, False),
        (11, 12, True),
        (10, 50, False),
        (11, 51, True),
    ],
)
def test_the_brake_compares_the_missing_with_the_present_or_with_a_small_scope(
    missing: int, present: int, *, holds: bool
) -> None:
    assert brake_holds(Suspicion(missing, missing, present), 0.2) is holds


def test_expired_suspects_do_not_count() -> None:
    assert not brake_holds(Suspicion(suspects=1000, missing=0, present=100), 0.2)


@pytest.mark.parametrize(("suspects", "holds"), [(0, False), (1, True)])
def test_another_account_sweeps_nothing(suspects: int, *, holds: bool) -> None:
    assert brake_holds(Suspicion(suspects, 0, 100, elsewhere=True), 1.0) is holds


def test_the_refusal_says_the_numbers_and_what_to_do() -> None:
    text = refusal(Suspicion(suspects=4000, missing=3210, present=12345), 0.25)
    assert text == (
        "The pull is complete, but it did not list 3,210 of 12,345 known, unexpired files, more than "
        "SYNCER_SWEEP_BRAKE (0.25) allows: nothing was marked gone. Check that the account, the credentials and the "
        "prefix are the right ones and that somebody really deleted these files; then run once: "
        "syncer sync --allow-sweep"
    )


def test_the_refusal_of_another_account_says_what_to_check() -> None:
    text = refusal(Suspicion(suspects=4321, missing=3, present=9, elsewhere=True), 0.2)
    assert text == (
        "The pull is complete, but it listed another account, endpoint or region than the last one, and 4,321 known "
        "files are not there: nothing was marked gone. Check SYNCER_SECRET_ID, SYNCER_API_URL and SYNCER_REGION. If "
        "only the key of the same account was changed, or the account was changed on purpose, run once: "
        "syncer sync --allow-sweep"
    )


def test_the_limits_are_the_document_s() -> None:
    assert (CONFIRM_BATCH, LOOKUP_BATCH, DEFAULT_PAGE_SIZE, SMALL_SCOPE) == (99, 100, 10, 50)
    assert UNCONFIRMED.endswith("so nothing more was swept")


# --- answers by id


def test_10008_decides_for_one_id_alone() -> None:
    assert judge(["a"], FilesMissing(), parts=2) == Judgement(missing=["a"])
    assert judge(["a", "b"], FilesMissing(), parts=2) == Judgement(again=[["a"], ["b"]])


@pytest.mark.parametrize(
    ("number", "parts", "sizes"), [(5, 2, [3, 2]), (4, 2, [2, 2]), (99, 99, [1] * 99), (7, 3, [3, 3, 1])]
)
def test_a_longer_batch_is_asked_again_in_parts(number: int, parts: int, sizes: list[int]) -> None:
    judged = judge(ids(number), FilesMissing(), parts=parts)
    assert [len(batch) for batch in judged.again] == sizes
    assert [each for batch in judged.again for each in batch] == ids(number)
    assert (judged.missing, judged.alive, judged.undecided) == ([], [], [])


def test_what_an_answer_leaves_out_is_missing() -> None:
    assert judge(["a", "b", "c"], page("c", "a"), parts=2) == Judgement(missing=["b"], alive=["a", "c"])


def test_an_answer_with_all_is_believed_however_odd() -> None:
    answer = page("a", "b", context="more", count=9)
    assert judge(["a", "b"], answer, parts=2) == Judgement(alive=["a", "b"])


DOUBTS = {
    "a context": {"context": "more"},
    "fewer than its count": {"count": 2},
    "an entry without an id": {"rejected": (RejectedEntry(0, "no id", "{}"),)},
}


@pytest.mark.parametrize("doubt", DOUBTS.values(), ids=DOUBTS.keys())
def test_a_doubtful_answer_shows_who_lives_and_asks_for_the_others_one_by_one(doubt: dict[str, object]) -> None:
    answer = page("b", **doubt)  # type: ignore[arg-type] # each its own field
    assert judge(["a", "b", "c"], answer, parts=2) == Judgement(alive=["b"], again=[["a"], ["c"]])
    assert judge(["a"], page(**doubt), parts=2) == Judgement(undecided=["a"])  # type: ignore[arg-type] # the same


def test_a_count_that_agrees_and_a_rejected_entry_with_an_id_are_no_doubts() -> None:
    answer = page("b", count=1, rejected=(RejectedEntry(0, "odd size", "{}", "b"),))
    assert judge(["a", "b"], answer, parts=2) == Judgement(missing=["a"], alive=["b"])


def test_just_as_many_as_the_default_page_may_have_been_cut() -> None:
    wanted = ids(30)
    judged = judge(wanted, page(*wanted[:10]), parts=2)
    assert judged.missing == []
    assert judged.alive == wanted[:10]
    assert [len(batch) for batch in judged.again] == [9, 9, 2]


def test_a_question_for_no_more_than_the_default_page_cannot_have_been_cut() -> None:
    wanted = ids(10)
    assert judge(wanted, page(*wanted[:9], entries=10), parts=2).missing == [wanted[9]]
    assert judge(ids(11), page(*ids(9)), parts=2).missing == ["f9", "f10"]


@pytest.mark.parametrize(("number", "sizes"), [(9, [1] * 8), (10, [9])])
def test_a_doubtful_answer_to_less_than_a_default_page_is_asked_one_by_one(number: int, sizes: list[int]) -> None:
    judged = judge(ids(number), page("f0", context="more"), parts=2)
    assert [len(batch) for batch in judged.again] == sizes
