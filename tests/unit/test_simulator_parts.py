"""Contexts, quota and fault plans of the simulator, each alone."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from syncer.simulator import Behaviour, Fault, Faults, Kind, Window, always, coded, on
from syncer.simulator.contexts import Contexts, Place, prefix_hash, read, write
from syncer.simulator.quota import Quota
from syncer.simulator.scenarios import SCENARIOS
from syncer.simulator.times import beijing

PLACE = Place(0, 1, 2, 0, 123, 200, 0, 100, prefix_hash("6000"), final=False)


def test_contexts_are_opaque_texts_that_need_url_encoding_now_and_then() -> None:
    contexts = Contexts(Behaviour())
    texts = [contexts.issue(place=PLACE, now=1.5) for _ in range(300)]
    assert len(set(texts)) == 300
    for special in "+/=":
        assert sum(special in text for text in texts) > 30
    assert {len(text) % 4 for text in texts} == {0}
    assert [read(text) for text in texts[:2]] == [replace(PLACE, serial=n, issued_ms=1500) for n in (1, 2)]


def test_a_text_that_never_was_a_context_is_not_read() -> None:
    text = write(PLACE)
    raw = base64.b64decode(text)
    for position in (0, 5, 20, 40, len(raw) - 5):
        forged = raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :]
        assert read(base64.b64encode(forged).decode()) is None, position
    for other in ("", "x", text[:-4], text + text, text.replace(text[3], " "), "é", "ab+c/d=="):
        assert read(other) is None, other


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (Behaviour(), 0),
        (Behaviour(context_lifetime=10.0), 70005),
        (Behaviour(context_pages=2), 70005),
        (Behaviour(context_pages=3), 0),
        (Behaviour(page_size_bound=True), 70006),
    ],
)
def test_each_way_to_lose_a_context(behaviour: Behaviour, code: int) -> None:
    contexts = Contexts(behaviour)
    place = read(contexts.issue(place=PLACE, now=100.0))
    assert place is not None
    assert contexts.refuse(place, now=111.0, order=0, page_size=50, prefix="6000") == code
    assert contexts.refuse(place, now=101.0, order=1, page_size=100, prefix="6000") == 70006
    assert contexts.refuse(place, now=101.0, order=0, page_size=100, prefix="6") == 70006


def test_a_context_is_used_no_more_often_than_allowed() -> None:
    contexts = Contexts(Behaviour(context_uses=2, spent_code=70005))
    place = read(contexts.issue(place=PLACE, now=0.0))
    assert place is not None
    codes = [contexts.refuse(place, now=0.0, order=0, page_size=100, prefix="6000") for _ in range(3)]
    assert codes == [0, 0, 70005]


def admitted(quota: Quota, instants: list[float], secret_id: str = "a") -> list[bool]:
    return [quota.admit(secret_id, instant) for instant in instants]


def test_a_sliding_quota_looks_back_sixty_seconds_and_a_fixed_one_starts_anew() -> None:
    instants = [58.0, 59.0, 59.5, 60.0, 61.0, 118.5]
    sliding = Quota(Behaviour(calls_per_minute=2))
    assert admitted(sliding, instants) == [True, True, False, False, False, True]
    fixed = Quota(Behaviour(calls_per_minute=2, quota_window=Window.FIXED))
    assert admitted(fixed, instants) == [True, True, False, True, True, False]


def test_a_quota_is_the_accounts_or_each_keys_and_may_count_refused_calls() -> None:
    shared = Quota(Behaviour(calls_per_minute=1))
    assert admitted(shared, [0.0]) + admitted(shared, [1.0], "b") == [True, False]
    own = Quota(Behaviour(calls_per_minute=1, quota_per_key=True))
    assert admitted(own, [0.0]) + admitted(own, [1.0], "b") == [True, True]
    strict = Quota(Behaviour(calls_per_minute=1, refused_calls_count=True))
    assert admitted(strict, [0.0, 30.0, 61.0, 92.0]) == [True, False, False, False]
    assert all(admitted(Quota(Behaviour()), [0.0] * 1000))


def test_a_fault_plan_can_be_repeated_and_keeps_to_its_rate() -> None:
    plan = Faults({3: coded(1001)}, rate=0.3, begin=10, end=1009, match=lambda params: "context" in params)
    drawn = [plan.choose(call, {"context": "x"}) for call in range(1, 1200)]
    assert drawn == [plan.choose(call, {"context": "x"}) for call in range(1, 1200)]
    assert drawn[2] == coded(1001)
    assert not any(drawn[:2] + drawn[3:9] + drawn[1009:])
    assert 230 < sum(fault is not None for fault in drawn) < 370
    assert plan.choose(50, {}) is None


def test_a_shifted_plan_does_the_same_later() -> None:
    fault = Fault(Kind.CUT)
    assert on([2], fault).shifted(10).choose(12, {}) == fault
    assert on([2], fault).shifted(10).choose(2, {}) is None
    assert always(fault).shifted(10).choose(11, {}) == fault
    window = Faults(rate=1.0, kinds=(fault,), begin=2, end=3).shifted(10)
    assert [call for call in range(1, 20) if window.choose(call, {})] == [12, 13]


def test_times_are_beijings() -> None:
    assert beijing(1_480_473_273) == "2016-11-30 10:34:33"
    assert beijing(1_480_521_599) == "2016-11-30 23:59:59"
    assert beijing(1_480_521_600) == "2016-12-01 00:00:00"


def test_scenarios_have_the_names_that_are_promised_and_a_sentence_each() -> None:
    promised = """
    plain-empty-context plain-70008 lost-last-reply-then-70008 context-dies-mid-pull context-dies-on-resume
    contexts-never-live-long-enough single-use-contexts repeated-context cycling-contexts empty-page-midway
    thirty-percent-faults odd-entries unreadable-ids files-appear-and-go vanished-and-returned mass-disappearance
    one-missing-id-fails-all positional-deletion digit-strings equal-create-times all-zero-times wrong-key
    clock-off down maintenance quota-tight dripping-server
    """
    assert set(promised.split()) <= SCENARIOS.keys()
    assert all(scenario.sentence.endswith(".") and scenario.name == name for name, scenario in SCENARIOS.items())
