"""The breaker, limits and replicas: what spares a server, and what goes on when one of several is lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from servers.http_stub import HttpStub
from servers.kit import Project, available, pin_of, until
from signoff.errors import BreakerOpen, OutcomeUnknown, RateLimited, Refused, ServerFault, Transient
from signoff.servers.breaker import Breaker
from signoff.servers.config import load_servers
from signoff.servers.pool import PinChanged
from signoff.servers.rate import Rate, Turnstile
from signoff.servers.window import Window, percentile


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


# ---------------------------------------------------------------- the breaker


class BreakerModel(RuleBasedStateMachine):
    """The breaker beside a model that remembers everything and computes the state from it."""

    @initialize(threshold=st.integers(1, 5), cooldown=st.integers(1, 60))
    def begin(self, threshold, cooldown):
        self.breaker = Breaker(threshold, cooldown)
        self.now, self.in_a_row, self.last_failure, self.trying = 0, 0, None, False
        self.openings = 0

    @rule(seconds=st.integers(1, 40))
    def wait(self, seconds):
        self.now += seconds

    @rule(succeeds=st.booleans(), takes=st.integers(0, 20))
    def connect(self, succeeds, takes):
        """As the owner does: wait as long as the breaker says, attempt, and tell how it went."""
        self.now += self.breaker.wait(self.now)
        self.breaker.attempt()
        self.trying = self.is_open
        self.now += takes
        if self.trying:
            assert self.breaker.state(self.now) == "half-open"
            assert self.breaker.wait(self.now) == 0
        self.trying = False
        if succeeds:
            self.breaker.succeeded()
            self.in_a_row, self.last_failure = 0, None
        else:
            self.breaker.failed(self.now)
            self.in_a_row, self.last_failure = self.in_a_row + 1, self.now
            self.openings += self.in_a_row >= self.breaker.threshold

    @rule(ends=st.sampled_from(["well", "badly", "unsent"]))
    def call(self, ends):
        """As a call does while it is connected: it asks whether it may go, and tells how it went."""
        left = self.last_failure + self.breaker.cooldown - self.now if self.is_open else 0
        assert self.breaker.admit(self.now) == max(0, left)
        if left > 0:
            return
        if self.is_open:
            self.last_failure = self.now
            assert self.breaker.admit(self.now) == self.breaker.cooldown, "only one may try"
        if ends == "well":
            self.breaker.succeeded()
            self.in_a_row, self.last_failure = 0, None
        elif ends == "badly":
            self.breaker.failed(self.now)
            self.in_a_row, self.last_failure = self.in_a_row + 1, self.now
            self.openings += self.in_a_row >= self.breaker.threshold

    @rule()
    def a_person_restarts_it(self):
        self.breaker.succeeded()
        self.in_a_row, self.last_failure = 0, None

    @property
    def is_open(self):
        return self.in_a_row >= self.breaker.threshold

    @invariant()
    def it_is_as_the_model_says(self):
        left = self.last_failure + self.breaker.cooldown - self.now if self.is_open else 0
        expected = "closed" if not self.is_open else "open" if left > 0 else "half-open"
        assert self.breaker.state(self.now) == expected
        assert self.breaker.wait(self.now) == max(0, left)
        assert self.breaker.failures == self.in_a_row
        assert self.breaker.opened == self.openings


test_the_breaker_is_in_the_state_that_its_past_says = BreakerModel.TestCase


@pytest.mark.promise("8")
async def test_a_call_to_a_server_whose_breaker_is_open_is_not_sent_and_says_when_it_is_tried(project):
    async with project.stub("--exit", "1").pool() as pool:
        await until(lambda: pool.health()["stub"].breaker == "open")
        await until(lambda: pool.health()["stub"].next_attempt is not None)
        with pytest.raises(Transient) as caught:
            await pool.call("stub", "look", {}, timeout=5)
        assert caught.value.code == "breaker-open"
        assert "tried next in" in caught.value.message
        assert 0 < pool.health()["stub"].next_attempt <= 30
        found = [finding.code for finding in pool.diagnose("stub").findings]
        assert found[:2] == ["exited", "breaker-open"]


@pytest.mark.promise("8")
async def test_an_open_breaker_lets_one_attempt_through_and_closes_when_that_succeeds(project):
    starts = project.root / "starts"
    project.stub("--instance-file", str(starts), "--bad-starts", "4")
    async with project.pool() as pool:
        owner = pool._owners["stub"]
        owner.condition.breaker.threshold, owner.condition.breaker.cooldown = 3, 0.2
        states = []
        pool.subscribe(lambda name, health: states.append((health.status, health.breaker)))
        await available(pool)
        assert ("unavailable", "open") in states
        assert pool.health()["stub"].breaker == "closed"
        assert int(starts.read_text()) == 5


@pytest.mark.promise("8")
async def test_a_server_whose_calls_fail_one_after_the_other_is_left_alone_until_one_goes_well(project):
    async with project.stub().pool() as pool:
        await pool.settled(15)
        breaker = pool._owners["stub"].condition.breaker
        told = []
        pool.subscribe(lambda _, health: told.append((health.status, health.breaker)))
        for _ in range(5):
            with pytest.raises(ServerFault):
                await pool.call("stub.error", {"code": -32603}, timeout=5)
        health = pool.health()["stub"]
        assert (health.status, health.reason, health.breaker) == ("degraded", "failing", "open")
        with pytest.raises(BreakerOpen) as caught:
            await pool.call("stub.record", {"text": "not sent"}, timeout=5)
        assert "left alone" in caught.value.message
        assert "breaker-open" in [finding.code for finding in pool.diagnose("stub").findings]
        await pool.check("stub")
        assert pool.health()["stub"].breaker == "open", "that it is there says nothing of its calls"
        assert {call["tool"] for call in project.calls()} == {"error"}

        breaker.cooldown = 0.0
        assert pool.health()["stub"].breaker == "half-open"
        assert (await pool.call("stub.record", {"text": "sent"}, timeout=5)).text == "ok: sent"
        health = pool.health()["stub"]
        assert (health.status, health.breaker) == ("available", "closed")
        assert [call["arguments"] for call in project.calls()][5:] == [{"text": "sent"}]
        assert next(each for each in told if each[1] == "open") == ("degraded", "open")


@pytest.mark.promise("8")
async def test_calls_that_fail_together_or_with_the_connection_do_not_open_the_breaker(project):
    async with project.stub().pool() as pool:
        await pool.settled(15)
        together = [pool.call("stub.error", {"code": -32603}, timeout=5) for _ in range(20)]
        failed = await asyncio.gather(*together, return_exceptions=True)
        assert {type(error) for error in failed} == {ServerFault}
        assert pool.health()["stub"].breaker == "closed"
        for times in range(1, 7):
            with pytest.raises(OutcomeUnknown):
                await pool.call("stub.crash", {}, timeout=5)
            assert pool.health()["stub"].breaker == "closed"
            await pool.restart("stub")  # does not wait as it would after so many short lives
            await until(lambda: pool.health()["stub"].restarts == times)  # noqa: B023


@pytest.mark.promise("8")
async def test_a_tool_that_says_it_failed_is_no_fault_of_its_server(project):
    async with project.stub().pool() as pool:
        await pool.settled(15)
        for _ in range(3):
            for _ in range(4):
                with pytest.raises(ServerFault):
                    await pool.call("stub.error", {"code": -32603}, timeout=5)
            with pytest.raises(Refused):
                await pool.call("stub.fail", {"text": "no"}, timeout=5)
        assert pool.health()["stub"].breaker == "closed"


# ---------------------------------------------------------------- health


def test_the_percentile_is_a_sample_that_was_measured():
    assert percentile([], 0.5) is None
    assert percentile([3.0], 0.95) == 3.0
    assert percentile(range(1, 101), 0.5) == 50
    assert percentile(range(1, 101), 0.95) == 95


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_lies_among_the_samples_and_grows_with_its_part(samples, part):
    found = percentile(samples, part)
    assert min(samples) - 0.001 <= found <= max(samples) + 0.001
    assert percentile(samples, 1.0) >= found


def test_the_window_forgets_what_is_an_hour_old():
    window = Window(span=100)
    window.checked(0, 5.0)
    window.called(50, 100.0)
    window.failed(60)
    figures = window.figures(90)
    assert (figures.median_ms, figures.call_p95_ms, figures.errors) == (5.0, 100.0, 1)
    assert figures.error_rate == pytest.approx(1 / 3, abs=1e-4)
    later = window.figures(155)
    assert (later.median_ms, later.call_median_ms, later.errors, later.error_rate) == (None, None, 1, 1.0)
    assert window.figures(1000).error_rate is None


@pytest.mark.promise("8")
async def test_a_server_that_is_lost_again_and_again_is_called_flapping(project):
    async with project.stub().pool() as pool:
        for losses in range(1, 4):
            await available(pool)
            assert not pool.health()["stub"].flapping
            os.kill(project.pids()[-1], signal.SIGKILL)
            await until(lambda: pool.health()["stub"].error_count == losses)  # noqa: B023
        await available(pool)
        assert pool.health()["stub"].flapping
        diagnosis = pool.diagnose("stub")
        assert "flapping" in [finding.code for finding in diagnosis.findings]
        assert not diagnosis.well


@pytest.mark.promise("8")
async def test_response_times_errors_and_what_the_processes_use_are_measured(project):
    async with project.stub("--child").pool() as pool:
        await pool.settled(15)
        for _ in range(3):
            await pool.call("stub", "look", {"text": "a"}, timeout=10)
        with pytest.raises(OutcomeUnknown):
            await pool.call("stub", "slow", {"seconds": 30}, timeout=0.05)
        health = await pool.check("stub")
    assert 0 < health.median_ms <= health.p95_ms
    assert 0 < health.call_median_ms <= health.call_p95_ms
    assert (health.calls, health.errors, health.error_count) == (3, 1, 1)
    assert health.error_rate == pytest.approx(1 / 6, abs=1e-3)
    assert health.processes == 2
    assert health.memory_bytes > 1_000_000
    assert health.pid == project.pids()[0]


@pytest.mark.promise("8")
async def test_subscribers_are_told_of_changes_until_they_leave_and_one_that_fails_harms_no_other(project):
    seen, left = [], []
    async with project.stub().pool() as pool:

        def fails(name, health):
            raise RuntimeError("a defect")

        pool.subscribe(fails)
        pool.subscribe(lambda name, health: seen.append((name, health.status)))
        leave = pool.subscribe(lambda name, health: left.append(name))
        leave()
        leave()
        await pool.settled(15)
        os.kill(project.pids()[0], signal.SIGKILL)
        await until(lambda: ("stub", "unavailable") in seen)
        await available(pool)
    assert left == []
    assert seen[0] == ("stub", "available")


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("text", "calls", "seconds"),
    [("10/m", 10, 60), ("1/30s", 1, 30), ("5 per hour", 5, 3600), ("100/d", 100, 86400), ("2 / sec", 2, 1)],
)
def test_a_rate_is_read_as_people_write_it(text, calls, seconds):
    assert Rate.read(text) == Rate(calls, seconds)


@pytest.mark.parametrize("text", ["", "10", "0/m", "ten/m", "10/0s", "10/fortnight", "-1/m"])
def test_what_is_no_rate_is_none(text):
    assert Rate.read(text) is None


@given(st.integers(1, 5), st.integers(1, 20), st.lists(st.integers(0, 10), max_size=40))
def test_in_no_stretch_of_time_do_more_go_than_the_rate_allows(calls, seconds, gaps):
    turnstile, now, gone = Turnstile(Rate(calls, seconds)), 0, []
    for gap in gaps:
        now += gap
        wait = turnstile.wait(now)
        turnstile.take(now + wait)
        gone.append(now + wait)
    assert gone == sorted(gone)
    for index, moment in enumerate(gone[calls:], start=calls):
        assert moment - gone[index - calls] >= seconds


@pytest.mark.promise("8")
async def test_calls_beyond_the_rate_wait_a_little_or_are_refused_with_the_time_to_come_back(project):
    async with project.stub(rate_limit="2/m").pool() as pool:
        await pool.settled(15)
        for _ in range(2):
            await pool.call("stub", "record", {"text": "a"}, timeout=10)
        with pytest.raises(RateLimited) as caught:
            await pool.call("stub", "record", {"text": "b"}, timeout=10)
        assert 50 < caught.value.retry_after <= 60
    assert len(project.calls()) == 2
    other = Project(project.root / "other")
    other.root.mkdir()
    async with other.stub(rate_limit="1/1s").pool() as pool:
        await pool.settled(15)
        await asyncio.gather(*(pool.call("stub", "record", {"text": "a"}, timeout=20) for _ in range(2)))
    first, second = other.calls()
    assert second["time"] - first["time"] >= 0.9


# ---------------------------------------------------------------- replicas


@pytest.mark.promise("8")
async def test_replicas_share_the_calls_by_how_busy_they_are(project):
    async with project.stub(replicas=3).pool() as pool:
        await pool.settled(15)
        assert (pool.health()["stub"].replicas, pool.health()["stub"].replicas_up) == (3, 3)
        await asyncio.gather(*(pool.call("stub", "slow", {"seconds": 0.3}, timeout=10) for _ in range(9)))
    by_process = [call["pid"] for call in project.calls()]
    assert sorted(by_process.count(pid) for pid in set(by_process)) == [3, 3, 3]


@pytest.mark.promise("8")
async def test_while_one_replica_is_away_the_others_take_its_calls(project):
    async with project.stub(replicas=2).pool() as pool:
        await pool.settled(15)
        victim = pool._owners["stub#2"]
        pid = victim.incarnation.link.pid
        os.kill(pid, signal.SIGKILL)
        await until(lambda: victim.incarnation is None)
        for number in range(4):
            await pool.call("stub", "record", {"text": str(number)}, timeout=10, pin=pin_of(pool, "record"))
        await until(lambda: pool.health()["stub"].replicas_up == 2)
    assert [call["arguments"]["text"] for call in project.calls()] == ["0", "1", "2", "3"]
    assert pid not in {call["pid"] for call in project.calls()}


@pytest.mark.promise("1.2")
async def test_a_call_that_may_have_gone_to_one_replica_is_not_made_on_another(project):
    async with project.stub(replicas=3).pool() as pool:
        await pool.settled(15)
        with pytest.raises(OutcomeUnknown):
            await pool.call("stub", "crash", {"text": "once"}, timeout=10)
    assert len(project.calls()) == 1


@pytest.mark.promise("5")
async def test_a_replica_that_offers_something_else_than_was_approved_is_not_called(project):
    with HttpStub() as one, HttpStub() as other:
        other.tools = [{**one.tools[0], "description": "Sends it to everybody."}, *one.tools[1:]]
        project.file.parent.mkdir()
        entries = [{"name": "web", "url": one.url}, {"name": "web", "url": other.url}]
        project.file.write_text(json.dumps(entries))
        configs = load_servers(project.file, {})
        assert configs["web"].launch_identity() == {"replicas": [{"url": one.url}, {"url": other.url}]}
        from signoff.servers.pool import ServerPool

        async with ServerPool(configs) as pool:
            await pool.settled(15)
            pin = {
                "launch": pool.view("web").launch,
                "definition": pool._owners["web"].view().tools["record"].definition(),
            }
            for number in range(4):
                await pool.call("web", "record", {"text": str(number)}, timeout=10, pin=pin)
            assert (len(one.calls), len(other.calls)) == (4, 0)
            pin["definition"] = {**pin["definition"], "description": "Neither."}
            with pytest.raises(PinChanged):
                await pool.call("web", "record", {}, timeout=10, pin=pin)
            assert (len(one.calls), len(other.calls)) == (4, 0)


# ---------------------------------------------------------------- coming back


@pytest.mark.promise("8")
async def test_a_call_made_while_a_server_is_restarted_on_purpose_waits_for_it(project):
    async with project.stub().pool() as pool:
        await pool.settled(15)
        await pool.restart("stub")
        await until(lambda: pool.view("stub") and pool._owners["stub"].incarnation is None)
        assert (await pool.call("stub", "look", {"text": "back"}, timeout=10)).text == "ok: back"
