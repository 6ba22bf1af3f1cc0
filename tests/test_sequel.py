"""What follows from the way a call ended: the table of the specification, section 7, as data."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.errors import (
    AuthenticationFailed,
    CallError,
    OutcomeUnknown,
    RateLimited,
    Refused,
    ServerFault,
    Transient,
)
from signoff.model import Attempt, Call, FrozenStep, OutcomeClass
from signoff.sequel import (
    LONGEST_BACKOFF,
    LONGEST_WAIT,
    RATE_LIMIT_WAIT,
    SERVER_ERROR_WAIT,
    Sequel,
    call_after_wait,
    class_of,
    in_doubt,
    next_call,
    sequel,
)

CALLS = (Call("mail", "send", {}), Call("gmail", "send", {}), Call("post", "send", {}))
DONE, REFUSED, TRANSIENT = OutcomeClass.DONE, OutcomeClass.REFUSED, OutcomeClass.TRANSIENT
LIMITED, AUTH, FAULT, UNKNOWN = (
    OutcomeClass.RATE_LIMITED,
    OutcomeClass.AUTHENTICATION,
    OutcomeClass.SERVER_ERROR,
    OutcomeClass.UNKNOWN,
)


def step(calls: int = 1) -> FrozenStep:
    return FrozenStep("a", "send", {}, CALLS[:calls])


def made(*outcomes: OutcomeClass | tuple[OutcomeClass, int]) -> list[Attempt]:
    """Attempts at the first call, or at the one whose index is given."""
    pairs = [each if isinstance(each, tuple) else (each, 0) for each in outcomes]
    return [
        Attempt(number, CALLS[index].server, CALLS[index].tool, "", outcome)
        for number, (outcome, index) in enumerate(pairs, 1)
    ]


def follow(
    attempts: list[Attempt],
    *,
    calls: int = 1,
    repeatable: bool = False,
    retries: int = 3,
    retry_after: float | None = None,
    jitter: float = 0.0,
) -> Sequel:
    outcome = attempts[-1].outcome
    assert outcome is not None
    return sequel(
        step(calls),
        attempts,
        outcome,
        repeatable=repeatable,
        retries=retries,
        retry_delay=2.0,
        retry_after=retry_after,
        jitter=jitter,
    )


NEVER = None
TABLE = [
    # class, repeatable: seconds until it is tried again, or never
    (DONE, False, NEVER),
    (DONE, True, NEVER),
    (REFUSED, False, NEVER),
    (REFUSED, True, NEVER),
    (TRANSIENT, False, 2.0),
    (TRANSIENT, True, 2.0),
    (LIMITED, False, RATE_LIMIT_WAIT),
    (LIMITED, True, RATE_LIMIT_WAIT),
    (AUTH, False, NEVER),
    (AUTH, True, NEVER),
    (FAULT, False, NEVER),
    (FAULT, True, SERVER_ERROR_WAIT),
    (UNKNOWN, False, NEVER),
    (UNKNOWN, True, 2.0),
]


@pytest.mark.promise("7")
@pytest.mark.parametrize(("outcome", "repeatable", "again_in"), TABLE)
def test_each_class_of_outcome_is_followed_by_what_the_specification_says(
    outcome: OutcomeClass, repeatable: bool, again_in: float | None
) -> None:
    expected = Sequel(outcome) if again_in is None else Sequel(outcome, again=True, delay=again_in)
    assert follow(made(outcome), repeatable=repeatable) == expected


def test_the_table_has_a_row_for_every_class() -> None:
    assert {(outcome, flag) for outcome, flag, _ in TABLE} == {
        (outcome, flag) for outcome in OutcomeClass for flag in (False, True)
    }


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (Refused, REFUSED),
        (Transient, TRANSIENT),
        (RateLimited, LIMITED),
        (AuthenticationFailed, AUTH),
        (ServerFault, FAULT),
        (OutcomeUnknown, UNKNOWN),
        (CallError, UNKNOWN),
    ],
)
def test_every_error_of_a_call_has_a_class_and_an_unforeseen_one_counts_as_unknown(
    kind: type[CallError], outcome: OutcomeClass
) -> None:
    assert class_of(kind("x", server="s", tool="t")) is outcome


ATTEMPTS = st.lists(
    st.tuples(st.sampled_from(list(OutcomeClass)), st.integers(0, 2)), min_size=1, max_size=12
).map(lambda pairs: made(*pairs))


@pytest.mark.promise("1.2")
@given(
    ATTEMPTS,
    st.integers(1, 3),
    st.integers(0, 5),
    st.none() | st.floats(allow_nan=True),
    st.floats(0, 1),
    st.booleans(),
)
def test_what_may_have_happened_is_never_repeated_by_itself_unless_that_does_no_harm(
    attempts: list[Attempt],
    calls: int,
    retries: int,
    retry_after: float | None,
    jitter: float,
    repeatable: bool,
) -> None:
    follows = follow(
        attempts, calls=calls, retries=retries, retry_after=retry_after, jitter=jitter, repeatable=repeatable
    )
    if not repeatable and follows.again:
        assert follows.outcome in {TRANSIENT, LIMITED}
    if follows.outcome in {DONE, REFUSED, AUTH}:
        assert not follows.again
    assert 0.0 <= follows.delay <= LONGEST_WAIT
    assert follows.outcome in {attempts[-1].outcome, UNKNOWN}


@pytest.mark.promise("7")
@given(ATTEMPTS, st.integers(1, 3), st.integers(0, 5))
def test_only_calls_that_provably_did_not_go_out_lead_to_a_fallback(
    attempts: list[Attempt], calls: int, retries: int
) -> None:
    index = next_call(step(calls), attempts, retries)
    if index is None and any(in_doubt(each) for each in attempts):
        return  # nothing more is called by itself: another server might do it a second time
    for earlier in range(calls if index is None else index):
        spent = [
            each for each in attempts if (each.server, each.outcome) == (CALLS[earlier].server, TRANSIENT)
        ]
        assert len(spent) > retries
    if index is not None:
        unsent = [
            each for each in attempts if (each.server, each.outcome) == (CALLS[index].server, TRANSIENT)
        ]
        assert len(unsent) <= retries


@pytest.mark.promise("7")
def test_a_call_that_was_not_sent_is_tried_with_doubled_delays_then_the_next_one_at_once() -> None:
    delays, attempts = [], []
    for number in range(1, 9):
        index = next_call(step(2), attempts, 3)
        assert index is not None
        attempts.append(Attempt(number, CALLS[index].server, CALLS[index].tool, "", TRANSIENT))
        delays.append(follow(attempts, calls=2).delay)
    assert delays == [2.0, 4.0, 8.0, 0.0, 2.0, 4.0, 8.0, 16.0]
    assert follow(attempts, calls=2).used_up
    assert next_call(step(2), attempts, 3) is None


@pytest.mark.promise("1.2")
@pytest.mark.parametrize("outcome", [FAULT, UNKNOWN])
def test_a_call_that_may_have_gone_through_once_is_never_made_at_another_server(
    outcome: OutcomeClass,
) -> None:
    attempts = made(outcome, *[TRANSIENT] * 4)
    assert next_call(step(2), attempts, 3) is None
    assert not follow(attempts, calls=2, repeatable=True).again

    attempts[0].resolved = "did-not-happen"
    assert next_call(step(2), attempts, 3) == 1


@pytest.mark.promise("1.5")
def test_a_step_stays_unknown_where_an_earlier_attempt_is_and_the_later_ones_were_not_sent() -> None:
    assert follow(made(UNKNOWN, *[TRANSIENT] * 4), repeatable=True) == Sequel(UNKNOWN)
    assert follow(made(*[TRANSIENT] * 4), repeatable=True).outcome is TRANSIENT


@pytest.mark.promise("1.2")
@given(ATTEMPTS, st.integers(1, 3), st.sets(st.sampled_from([call.server for call in CALLS])))
def test_after_a_wait_the_first_call_whose_server_is_there_is_made_and_none_where_anything_is_in_doubt(
    attempts: list[Attempt], calls: int, there: set[str]
) -> None:
    index = call_after_wait(step(calls), attempts, lambda server: server not in there)
    if any(in_doubt(each) for each in attempts):
        assert index is None
    else:
        first = [number for number, call in enumerate(step(calls).calls) if call.server in there]
        assert index == (first[0] if first else None)


@pytest.mark.promise("7")
@pytest.mark.parametrize("outcome", [DONE, REFUSED, LIMITED, AUTH, FAULT, UNKNOWN])
def test_there_is_no_fallback_from_a_call_that_went_out(outcome: OutcomeClass) -> None:
    assert next_call(step(2), made(*[outcome] * 20), 0) == 0


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        (None, RATE_LIMIT_WAIT),
        (30.0, 30.0),
        (0.0, 0.0),
        (-5.0, 0.0),
        (math.inf, LONGEST_WAIT),
        (1e300, LONGEST_WAIT),
        (math.nan, RATE_LIMIT_WAIT),
    ],
)
def test_a_rate_limit_is_waited_out_as_the_server_asks_within_reason(
    asked: float | None, waited: float
) -> None:
    assert follow(made(LIMITED), retry_after=asked) == Sequel(LIMITED, again=True, delay=waited)


@given(st.integers(1, 100), st.floats(0, 1))
def test_delays_grow_within_a_bound_and_are_spread(tries: int, jitter: float) -> None:
    follows = follow(made(*[TRANSIENT] * tries), retries=100, jitter=jitter)
    assert 2.0 <= follows.delay <= LONGEST_BACKOFF * 1.5


@pytest.mark.parametrize("outcome", [FAULT, UNKNOWN])
def test_a_repeatable_call_is_repeated_as_often_as_retries_say(outcome: OutcomeClass) -> None:
    assert follow(made(*[outcome] * 3), repeatable=True).again
    assert not follow(made(*[outcome] * 4), repeatable=True).again
    assert not follow(made(outcome), repeatable=True, retries=0).again
