from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.servers.health import Breaker, backoff


def test_the_breaker_opens_after_so_many_failures_in_a_row_and_lets_one_attempt_through():
    breaker = Breaker(threshold=3, cooldown=30)
    for _ in range(2):
        breaker.failed(now=100)
    assert breaker.state(100) == "closed"
    breaker.failed(now=100)
    assert breaker.state(101) == "open"
    assert breaker.wait(110) == 20
    assert breaker.state(130) == "half-open"
    breaker.attempt()
    assert (breaker.state(131), breaker.wait(131)) == ("half-open", 0)
    breaker.failed(now=131)
    assert (breaker.state(132), breaker.wait(131)) == ("open", 30)


def test_a_success_closes_the_breaker_and_forgets_the_failures():
    breaker = Breaker(threshold=2)
    breaker.failed(now=1)
    breaker.failed(now=2)
    breaker.attempt()
    breaker.succeeded()
    assert (breaker.state(3), breaker.failures, breaker.wait(3)) == ("closed", 0, 0)
    breaker.failed(now=4)
    assert breaker.state(5) == "closed"


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_the_wait_grows_and_stays_bounded(failures, jitter):
    wait = backoff(failures, jitter=jitter)
    assert 0.05 <= wait <= 90
    assert backoff(failures + 1, jitter=jitter) >= wait


@pytest.mark.parametrize(("failures", "seconds"), [(0, 0.1), (1, 0.2), (4, 1.6), (20, 60)])
def test_the_wait_doubles_up_to_the_cap(failures, seconds):
    assert backoff(failures, jitter=0.5) == pytest.approx(seconds)
