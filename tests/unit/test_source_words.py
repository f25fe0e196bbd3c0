"""What a person reads, how long a call is retried, how a quota is waited for: the parts without a socket."""

from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer.net.faults import Fault, FaultKind
from syncer.source.codes import CODES, Consequence, meaning
from syncer.source.decode import ApiError
from syncer.source.patience import BRIEF_RETRIES, LONGEST_PAUSE, Patience
from syncer.source.quota import Limiter, QuotaLimiter, Unlimited
from syncer.source.words import clock_refusal, duration, http_status, refusal, unavailable

# --- codes


def test_every_code_of_the_document_has_a_meaning() -> None:
    document = {0, 1, 1000, 1001, 1003, 2000, 10008, 70005, 70006, 70008}
    common = {4000, *range(4100, 4107), 4110, 4200, 4300, 4400, 4500, 4600, 5000, 5100, 5300, 5500, 6000, 6100, 6200}
    assert document | common == set(CODES)


@pytest.mark.parametrize("code", sorted(CODES))
def test_the_words_of_a_code_fit_into_a_sentence(code: int) -> None:
    words = CODES[code].words
    assert words.strip() == words
    assert not words.endswith(".")


@pytest.mark.parametrize("code", [code for code in CODES if 4100 <= code < 4200])
def test_a_refused_credential_names_the_setting_to_look_at(code: int) -> None:
    assert CODES[code].consequence is Consequence.REFUSED
    assert re.search(r"SYNCER_(SECRET_ID|SECRET_KEY|TOKEN)", CODES[code].words)


@pytest.mark.parametrize(
    ("code", "consequence"),
    [
        (4107, Consequence.REFUSED),
        (4001, Consequence.REFUSED),
        (4201, Consequence.CLOCK),
        (4444, Consequence.QUOTA),
        (6001, Consequence.TRANSIENT),
        (5101, Consequence.BRIEF),
        (5200, Consequence.BRIEF),
        (4900, Consequence.BRIEF),
        (7000, Consequence.BRIEF),
        (7001, Consequence.BRIEF),
        (-1, Consequence.BRIEF),
        (99, Consequence.BRIEF),
        ("AuthFailure.SignatureExpire", Consequence.CLOCK),
        ("AuthFailure.Whatever", Consequence.REFUSED),
        ("RequestLimitExceeded.UinLimitExceeded", Consequence.QUOTA),
        ("InternalError.Db", Consequence.TRANSIENT),
        ("0", Consequence.BRIEF),
        ("Brand.New", Consequence.BRIEF),
    ],
)
def test_an_unlisted_code_means_what_its_family_does_or_is_unknown(code: int | str, consequence: Consequence) -> None:
    assert meaning(code).consequence is consequence


@given(st.integers() | st.text())
def test_every_code_has_a_meaning_and_no_unlisted_one_is_a_success_or_an_answer(code: int | str) -> None:
    if code not in CODES:
        answers = {Consequence.SUCCESS, Consequence.END_OF_LISTING, Consequence.CONTEXT_LOST, Consequence.FILE_MISSING}
        assert meaning(code).consequence not in answers


# --- words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "less than a second"),
        (1, "1 s"),
        (59.4, "59 s"),
        (59.7, "1 min"),
        (60, "1 min"),
        (598, "9 min 58 s"),
        (7385, "2 h 3 min"),
        (7200, "2 h"),
        (3605, "1 h"),
        (86400 * 2 + 3600, "2 d 1 h"),
    ],
)
def test_a_duration_is_said_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_message_that_tells_the_servers_clock_counts_for_more_than_the_date() -> None:
    text = clock_refusal(ApiError(4500, "x Timestamp = 1556706450"), date_skew=0.0, now=1556706450 + 600)
    assert "10 min ahead of the API's" in text


def test_clocks_that_agree_are_not_blamed() -> None:
    assert "agrees" in clock_refusal(ApiError(4500, ""), date_skew=-3.0, now=0)


def test_an_unknown_skew_is_not_invented() -> None:
    assert "time server" in clock_refusal(ApiError(4200, "Timestamp = soon"), date_skew=None, now=0)


@pytest.mark.parametrize("kind", FaultKind)
@pytest.mark.parametrize("sent", [False, True])
def test_every_fault_is_a_sentence_with_an_advice(kind: FaultKind, sent: bool) -> None:
    text = unavailable("host:1", Fault(kind, "why", sent), 3, 61.0)
    assert text.startswith("The API at host:1 ")
    assert "why" in text
    assert "3 attempts in 1 min 1 s" in text
    assert "SYNCER_API_URL" in text
    assert text.endswith(".")


def test_a_refusal_is_one_sentence_with_code_cause_and_message() -> None:
    text = refusal(ApiError(4104, "(4104)密钥不存在"))
    assert text == (
        "The API refuses: the key does not exist; check SYNCER_SECRET_ID, and that the key is enabled, code 4104"
        " (it says: (4104)密钥不存在)."
    )


def test_a_redirect_is_called_one() -> None:
    assert "not followed" in http_status(302)
    assert http_status(404) == "HTTP status 404"


# --- patience


def test_the_last_pause_ends_when_the_time_is_up() -> None:
    now = [100.0]
    patience = Patience(10.0, lambda: now[0], Random(1))
    pauses = []
    while True:
        patience.begin_attempt()
        now[0] += 1.0
        pause = patience.pause(brief=False)
        if pause is None:
            break
        pauses.append(pause)
        now[0] += pause
    assert 10.0 <= patience.seconds <= 11.0
    assert patience.attempts == len(pauses) + 1


def test_a_wait_for_quota_before_the_first_attempt_does_not_count() -> None:
    now = [0.0]
    patience = Patience(10.0, lambda: now[0], Random(1))
    now[0] = 1000.0
    patience.begin_attempt()
    assert patience.pause(brief=False) is not None


def test_pauses_are_spread_from_zero_to_a_ceiling_that_doubles_up_to_half_a_minute() -> None:
    for attempts, ceiling in [(1, 0.5), (2, 1.0), (4, 4.0), (7, 30.0), (2000, 30.0)]:
        patience = Patience(1e9, lambda: 0.0, Random(3))
        for _ in range(attempts):
            patience.begin_attempt()
        pauses = [patience.pause(brief=False) or 0.0 for _ in range(500)]
        assert max(pauses) <= ceiling <= LONGEST_PAUSE
        assert max(pauses) > 0.97 * ceiling
        assert min(pauses) < 0.03 * ceiling


def test_what_waiting_does_not_cure_is_retried_a_few_times() -> None:
    patience = Patience(1e9, lambda: 0.0, Random(1))
    patience.begin_attempt()
    answers = [patience.pause(brief=True) for _ in range(BRIEF_RETRIES + 1)]
    assert [answer is None for answer in answers] == [False] * BRIEF_RETRIES + [True]


# --- quota


def test_a_quota_is_asked_until_it_grants_and_the_waits_are_counted() -> None:
    answers = iter([0.5, 1.5, 0.0, 0.0])
    asked: list[bool] = []
    slept: list[float] = []

    def try_acquire(interactive: bool) -> float:
        asked.append(interactive)
        return next(answers)

    limiter = QuotaLimiter(try_acquire, lambda: True, lambda: slept.append(-1), slept.append, grant_seconds=0.2)
    limiter.acquire(interactive=True)
    limiter.acquire(interactive=False)
    limiter.step_back()
    assert (asked, slept) == ([True, True, True, False], [0.5, 1.5, -1])
    assert (limiter.waits, limiter.seconds_waited) == (2, 2.0)


def test_an_unlimited_quota_grants_at_once() -> None:
    limiter: Limiter = Unlimited()
    limiter.acquire(interactive=False)
    limiter.step_back()
