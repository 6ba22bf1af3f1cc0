"""A run against a world that misbehaves at random: servers, disk and people do what they can."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signoff.approval import Facts
from signoff.errors import (
    AuthenticationFailed,
    GateRefused,
    LedgerError,
    OutcomeUnknown,
    RateLimited,
    Refused,
    ServerFault,
    SignoffError,
    Transient,
)
from signoff.execution import CallTerms, Run
from signoff.execution.outbox import Outbox
from signoff.execution.world import Person
from signoff.gesture import NoteFacts
from signoff.inquiries import Inquiries
from signoff.ledger.entry import GENESIS, Entry, Event
from signoff.ledger.state import State
from signoff.model import (
    Call,
    CallResult,
    Folder,
    FrozenPlan,
    FrozenStep,
    Gesture,
    InputNeeded,
    Inquiry,
    Json,
    JsonObject,
    Method,
    PlanState,
    Reply,
    Requirement,
    Status,
    StepStatus,
)
from signoff.slots import Slots

PIN: JsonObject = {"launch": {}, "definition": {"name": "t", "description": "", "inputSchema": {}}}
ERRORS: dict[str, Callable[[], Exception]] = {
    "refused": lambda: Refused("no", server="s", tool="t"),
    "transient": lambda: Transient("not sent", server="s", tool="t"),
    "limited": lambda: RateLimited("later", server="s", tool="t", retry_after=0.01),
    "limited long": lambda: RateLimited("later", server="s", tool="t", retry_after=1e9),
    "authentication": lambda: AuthenticationFailed("who", server="s", tool="t"),
    "fault": lambda: ServerFault("oops", server="s", tool="t"),
    "unknown": lambda: OutcomeUnknown("gone", server="s", tool="t"),
    "defect": lambda: ZeroDivisionError("a defect of ours"),
}
ASKS = ("asks", "asks-twice", "asks-in-vain", "takes-back", "suspends")
CALLS = st.sampled_from(["done", "done", "done", "odd", "too deep", *ERRORS, *ASKS])


def deep(levels: int) -> Json:
    """A value that is nested so deep that no encoder takes it."""
    value: Json = 1
    for _ in range(levels):
        value = [value]
    return value


class FakeWorld:
    """The world of a run, in memory; the state is folded by the real fold."""

    def __init__(
        self,
        frozen: FrozenPlan,
        calls: list[str],
        records: list[bool],
        gate: list[bool],
        at_once: int | None = None,
    ) -> None:
        self.frozen = frozen
        self.lines = None if at_once is None else Slots(at_once)
        self.in_flight = 0
        self.slots = Slots(2)
        self.inquiries = Inquiries()
        self.retry_delay, self.answer_within = 0.001, 0.004
        self.per_plan, self.closing = 2, False
        self.state = State()
        self.calls, self.records, self.gate = iter(calls), iter(records), iter(gate)
        self.absent = iter(calls.count("transient") * [True, False])
        self.made: list[tuple[str, int]] = []
        self.intended: set[tuple[str, int]] = set()
        self.recorded: list[Event] = []
        steps: list[Json] = [{"id": step.id, "call": "s.t"} for step in frozen.steps]
        self._apply(Event("frozen", plan="p", digest="d", data={"path": "Approved/x.md", "steps": steps}))
        self._apply(Event("presented", plan="p", digest="d"))
        self._apply(Event("approved", plan="p", digest="d", data={"complete": True}))

    def _apply(self, event: Event) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.state.apply(
            Entry(
                self.state.sequence + 1, now, event.event, event.plan, event.step, event.attempt,
                event.server, event.tool, event.approver, event.digest, event.data, GENESIS, GENESIS,
            )
        )  # fmt: skip

    async def facts(self, plan_id: str) -> Facts:
        await asyncio.sleep(0)
        folder = Folder.APPROVED if next(self.gate, True) else Folder.REJECTED
        note = NoteFacts("Approved/x.md", folder, Gesture(), "", "d")
        return Facts(
            plan=self.state.plans["p"],
            frozen=self.frozen,
            note=note,
            requirement=Requirement(method=Method.AUTO),
            approvers={},
            default_approver=None,
            now=datetime.now(UTC),
        )

    async def record(self, events: Sequence[Event], contents: Sequence[bytes] = ()) -> None:
        await asyncio.sleep(0)
        if not next(self.records, True):
            raise LedgerError("the disk is full")
        kept = {hashlib.sha256(content).hexdigest() for content in contents}
        for event in events:
            if event.event == "outcome" and "result" in event.data:
                assert event.data["result"] in kept, "an outcome was recorded without its result"
            if event.event == "intent":
                assert event.step is not None
                assert event.attempt is not None
                self.intended.add((event.step, event.attempt))
            self.recorded.append(event)
            self._apply(event)

    def keep_ahead(self, contents: Sequence[bytes]) -> None:
        pass

    def result_of(self, blob: str) -> JsonObject:
        return {"text": "x", "structured": None}

    def state_of(self, plan_id: str) -> PlanState:
        return self.state.plans[plan_id]

    def terms(self, frozen: FrozenPlan, step: FrozenStep) -> CallTerms:
        return CallTerms(timeout=1.0, retries=1, repeatable=(False,))

    def within_limits(self, frozen: FrozenPlan, step: FrozenStep, call: Call) -> str:
        return ""

    def locked_out(self, server: str) -> str:
        return ""

    def line(self, server: str) -> Slots | None:
        return self.lines

    def away(self, server: str) -> str:
        return "away" if next(self.absent, False) else ""

    def tried_until(self, plan_id: str) -> datetime:
        return datetime.max.replace(tzinfo=UTC)

    def misfit(self, frozen: FrozenPlan, call: Call) -> str:
        return ""

    def summary(self, value: Json, secret: Iterable[str], hidden: Iterable[str] = ()) -> Json:
        return value

    def shown(self, value: Json, secret: Iterable[str]) -> Json:
        return value

    @property
    def sequence(self) -> int:
        return self.state.sequence

    async def asked(self, how: str, person: Person) -> None:
        """What a server does that asks: once, twice at a time, in vain, or taking its question back."""
        question = Inquiry("form", "Which?", {"properties": {"a": {"type": "string"}}})
        tasks = [asyncio.ensure_future(person(question)) for _ in range(2 if how == "asks-twice" else 1)]
        await asyncio.sleep(0.001)
        if how == "takes-back":
            tasks[0].cancel()
        for pending in list(self.inquiries._open.values()) if how != "asks-in-vain" else []:
            async with pending.lock:
                if pending.reply is None:
                    pending.settle(Reply("accept", {"a": "x"}))
        await asyncio.gather(*tasks, return_exceptions=True)

    async def suspended(self, person: Person, resuming: Callable[[], Awaitable[bool]]) -> None:
        """A call that is answered with what it lacks, and resumed with that where it may be."""
        question = Inquiry("form", "Which?", {"properties": {"a": {"type": "string"}}}, key="k")
        needed = InputNeeded({"k": question}, "state")
        asking = asyncio.ensure_future(person(replace(question, needed=needed)))
        await asyncio.sleep(0.001)
        for pending in list(self.inquiries._open.values()):
            async with pending.lock:
                if pending.reply is None:
                    pending.settle(Reply("accept", {"a": "x"}))
        reply = await asking
        if not reply.goes_on or not await resuming():
            raise Refused("not resumed", server="s", tool="t", code="input-required")
        assert self.recorded[-1].event == "resumed", "a call was resumed before that was recorded"

    async def call(
        self,
        call: Call,
        *,
        timeout: float,
        meta: JsonObject,
        pin: JsonObject,
        person: Person,
        still: object,
        resuming: Callable[[], Awaitable[bool]],
        suspended: InputNeeded | None,
    ) -> CallResult:
        assert suspended is None, "no run before has left one"
        made = (str(meta["signoff/step"]), int(str(meta["signoff/attempt"])))
        assert made in self.intended, "a call left before its intent was recorded"
        self.made.append(made)
        self.in_flight += 1
        assert self.lines is None or self.in_flight <= self.lines.limit, "it was not its turn"
        try:
            await asyncio.sleep(0.001)
            return await self.answered(person, resuming)
        finally:
            self.in_flight -= 1

    async def answered(self, person: Person, resuming: Callable[[], Awaitable[bool]]) -> CallResult:
        how = next(self.calls, "done")
        if how == "suspends":
            await self.suspended(person, resuming)
        elif how in ASKS:
            await self.asked(how, person)
        if how in ERRORS:
            error = ERRORS[how]
            raise error()
        structured = {"odd": {"n": float("nan"), "big": 2**80}, "too deep": {"n": deep(5000)}}
        return CallResult([], cast("Json", structured.get(how)), "ok")

    def progressed(self, plan_id: str) -> None:
        pass

    def said(self, plan_id: str, step: str, line: str, text: str) -> None:
        pass


def plan_of(count: int, mode: str, on_failure: str) -> FrozenPlan:
    steps = tuple(FrozenStep(f"s{number}", "s.t", {}, (Call("s", "t", {}),)) for number in range(count))
    return FrozenPlan("p", "d", {}, steps, {"s.t": PIN}, mode=mode, on_failure=on_failure)


async def lived(world: FakeWorld, *, stop_after: float | None) -> None:
    """Runs of the plan, each begun anew where the one before could not go on."""
    for _ in range(30):
        if world.state.plans["p"].status not in {Status.APPROVED, Status.RUNNING, Status.WAITING}:
            return
        run = Run("p", world)
        if stop_after is not None:
            asyncio.get_running_loop().call_later(stop_after, run.stop.set)
        try:
            until = await run.go()
        except GateRefused:
            world._apply(Event("returned", plan="p", digest="d"))
            return
        except LedgerError:
            continue
        if until is not None or (stop_after is not None and run.stop.is_set()):
            return


@pytest.mark.promise("1.3")
@settings(max_examples=300, deadline=None)
@given(
    st.integers(1, 5),
    st.sampled_from(["sequential", "parallel"]),
    st.sampled_from(["stop", "continue"]),
    st.lists(CALLS, max_size=12),
    st.lists(st.sampled_from([True, True, True, False]), max_size=6),
    st.lists(st.sampled_from([True] * 7 + [False]), max_size=12),
    st.none() | st.floats(0, 0.01),
    st.sampled_from([None, 1, 2]),
)
def test_whatever_the_world_does_calls_are_intended_first_outcomes_recorded_and_places_returned(
    quick_retries: None,
    count: int,
    mode: str,
    on_failure: str,
    calls: list[str],
    records: list[bool],
    gate: list[bool],
    stop_after: float | None,
    at_once: int | None,
) -> None:
    world = FakeWorld(plan_of(count, mode, on_failure), calls, records, gate, at_once)

    async def play() -> None:
        async with asyncio.timeout(20):
            await lived(world, stop_after=stop_after)
        assert [world.slots.take() for _ in range(3)] == [True, True, False], "a place was lost or made"
        turns = [world.lines.take() for _ in range(at_once + 1)] if world.lines and at_once else []
        assert turns == ([True] * at_once + [False] if at_once else []), "a turn was lost or made"

    asyncio.run(play())

    assert len(world.made) == len(set(world.made)), "an attempt was made twice"
    assert set(world.made) == world.intended, "an intent was recorded and its call did not leave"
    outcomes = [(event.step, event.attempt) for event in world.recorded if event.event == "outcome"]
    assert sorted(outcomes) == sorted(world.made), "an outcome was lost"  # type: ignore[type-var]
    classes: dict[str, list[str]] = {}
    for event in world.recorded:
        if event.event == "outcome":
            classes.setdefault(str(event.step), []).append(str(event.data["class"]))
    for made in classes.values():
        assert set(made[:-1]) <= {"transient", "rate_limited"}, "it may have happened, and was called again"
    state = world.state.plans["p"]
    assert not any(step.status is StepStatus.RUNNING for step in state.steps.values())


@pytest.fixture(scope="module")
def quick_retries() -> Iterable[None]:
    """Recording is tried again at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("signoff.execution.outbox.RECORD_AGAIN", 0.001)
        yield


@pytest.mark.promise("6")
@pytest.mark.parametrize("how", ["the gate refuses", "the run is stopped"])
async def test_an_answer_that_was_recorded_does_not_leave_where_the_plan_was_stopped_in_that_instant(
    how: str,
) -> None:
    class World(FakeWorld):
        told: Reply | None = None

        async def asked(self, _: str, person: Person) -> None:
            asking = asyncio.ensure_future(person(Inquiry("form", "Which?", {"properties": {}})))
            await asyncio.sleep(0.001)
            (pending,) = self.inquiries._open.values()
            async with pending.lock:
                pending.settle(Reply("accept", {}))
                if how == "the gate refuses":
                    self.gate = iter([False])
                else:
                    run.stop.set()
            self.told = await asking

    world = World(plan_of(1, "parallel", "stop"), ["asks"], [], [])
    world.answer_within = 10.0
    run = Run("p", world)

    await run.go()

    assert world.told == Reply("cancel", goes_on=False)
    told = next(event for event in world.recorded if event.event == "answered")
    assert (told.data["action"], told.data["withheld"]) == ("cancel", True)


async def test_a_place_that_comes_at_the_very_end_of_a_run_is_returned() -> None:
    world = FakeWorld(plan_of(1, "parallel", "stop"), [], [], [])
    run = Run("p", world)
    run._place = asyncio.ensure_future(world.slots.wait())
    await run._place

    await run._leave()

    assert [world.slots.take() for _ in range(3)] == [True, True, False]


class Changed(SignoffError):
    """What the servers say where something else is there than was approved."""

    code = "definition-changed"


class Turns(FakeWorld):
    """The first call waits for its turn; the second finds that its tool was changed after the approval."""

    def __init__(self) -> None:
        super().__init__(plan_of(2, "parallel", "continue"), [], [], [])
        self.turn = asyncio.Event()
        self.left: list[str] = []

    async def call(self, call: Call, **how: Any) -> CallResult:
        step = str(how["meta"]["signoff/step"])
        if step == "s1":
            asyncio.get_running_loop().call_later(0.01, self.turn.set)  # when all have heard of it
            raise Changed("s.t is not defined as it was")
        await self.turn.wait()
        if not how["still"]():
            raise Transient("not sent", server="s", tool="t", code="stopped")
        self.left.append(step)
        return CallResult([], None, "ok")


@pytest.mark.promise("5")
async def test_a_call_that_waits_for_its_turn_does_not_leave_after_the_gate_has_refused_the_plan() -> None:
    world = Turns()
    with pytest.raises(GateRefused):
        await Run("p", world).go()
    assert world.left == []
    [outcome] = [event for event in world.recorded if event.event == "outcome" and event.step == "s0"]
    assert outcome.data["class"] == "transient"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "null", "1e22", "1180591620717411303424"])
def test_a_result_is_kept_with_the_numbers_that_it_has(number: str) -> None:
    outbox = Outbox(FakeWorld(plan_of(1, "parallel", "stop"), [], [], []))
    outbox.keep(json.loads(f'{{"structured": {{"n": [{number}, null]}}}}'))
    [kept] = outbox._contents
    assert repr(json.loads(kept)["structured"]["n"]) == repr([json.loads(number), None])


@pytest.mark.promise("1.3")
async def test_an_answer_that_cannot_be_kept_leaves_its_call_unknown_and_never_running() -> None:
    world = FakeWorld(plan_of(2, "parallel", "stop"), ["too deep", "done"], [], [])
    await Run("p", world).go()
    classes = {event.step: event.data["class"] for event in world.recorded if event.event == "outcome"}
    assert classes == {"s0": "unknown", "s1": "done"}
    assert world.state.plans["p"].status is Status.UNKNOWN


class Broken(FakeWorld):
    """A world with a defect that shows while the first of its calls is under way; that one ends after it."""

    def __init__(self) -> None:
        super().__init__(plan_of(2, "parallel", "stop"), [], [], [])
        self.shown = asyncio.Event()

    def line(self, server: str) -> Slots | None:
        if self.in_flight:
            self.shown.set()
            raise ZeroDivisionError("a defect of ours")
        return super().line(server)

    async def call(self, call: Call, **how: Any) -> CallResult:
        self.in_flight += 1
        try:
            if how["meta"]["signoff/step"] == "s1":
                raise Transient("not sent", server="s", tool="t")
            await self.shown.wait()
            return CallResult([], None, "ok")
        finally:
            self.in_flight -= 1


@pytest.mark.promise("1.3")
async def test_a_defect_in_a_run_loses_no_outcome_of_a_call_under_way() -> None:
    world = Broken()
    with pytest.raises(ZeroDivisionError):
        await Run("p", world).go()
    assert [event.step for event in world.recorded if event.event == "outcome"] == ["s1", "s0"]
    assert world.state.plans["p"].steps["s0"].status is StepStatus.DONE
    assert [world.slots.take() for _ in range(3)] == [True, True, False], "a place was lost"


class BrokenTerms(FakeWorld):
    """A world that cannot say how one step is called."""

    def terms(self, frozen: FrozenPlan, step: FrozenStep) -> CallTerms:
        if step.id == "s0":
            raise ZeroDivisionError("a defect of ours")
        return super().terms(frozen, step)


async def test_a_step_that_cannot_be_begun_for_a_defect_has_failed_and_keeps_no_place() -> None:
    world = BrokenTerms(plan_of(2, "parallel", "continue"), [], [], [])
    await Run("p", world).go()
    state = world.state.plans["p"]
    assert (state.steps["s0"].reason, state.steps["s1"].status) == ("defect", StepStatus.DONE)
    assert world.made == [("s1", 1)]
    assert [world.slots.take() for _ in range(3)] == [True, True, False], "a place was lost"
