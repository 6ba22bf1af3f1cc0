"""Items of a `for_each`, and taking back: in every interleaving, in order, none twice, none forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from say_material import state
from signoff.flow import Flow, item_id, origin_id, undo_id
from signoff.model import Call, FrozenPlan, FrozenStep, Status, StepState, StepStatus

DONE, FAILED, UNKNOWN = StepStatus.DONE, StepStatus.FAILED, StepStatus.UNKNOWN
RUNNING, WAITING = StepStatus.RUNNING, StepStatus.WAITING
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CALL = Call("s", "t", {})


@st.composite
def plans(draw: st.DrawFn) -> FrozenPlan:
    steps: list[FrozenStep] = []
    for number in range(draw(st.integers(1, 4))):
        earlier = [each.id for each in steps]
        needs = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=2)) if earlier else []
        steps.append(
            FrozenStep(
                f"s{number}",
                "s.t",
                {},
                (CALL,),
                needs=tuple(needs),
                for_each=draw(st.sampled_from([None, [], [1], [1, 2, 3]])),
                undo=draw(st.sampled_from([None, CALL])),
                continue_on_error=draw(st.booleans()),
            )
        )
    mode = draw(st.sampled_from(["sequential", "parallel"]))
    on_failure = draw(st.sampled_from(["stop", "continue", "undo"]))
    return FrozenPlan("p", "d", {}, tuple(steps), {}, mode=mode, on_failure=on_failure)


class Played:
    """One interleaving of a run, with the calls that began in order."""

    def __init__(self, plan: FrozenPlan, data: st.DataObject) -> None:
        self.plan = plan
        known = [StepState(step.id, step.id, "s.t", "s.t") for step in plan.steps]
        self.flow = Flow.of(plan, state(Status.RUNNING, *known))
        self.now = NOW
        self.began: list[str] = []
        self.waited: dict[str, int] = {}
        self.flying: set[str] = set()
        self.data = data

    def play(self) -> Status:
        self.loop()
        self.flow.take_back()
        self.loop()
        found = self.flow.verdict()
        assert found is not None, f"nobody can go on, and it has not ended: {self.flow.statuses}"
        return found

    def loop(self) -> None:
        for _ in range(500):
            while skips := self.flow.skips():
                for step, _ in skips:
                    self.flow.mark(step.id, StepStatus.SKIPPED)
            due = self.due()
            moves = [("begin", each.id) for each in due] + [("end", name) for name in sorted(self.flying)]
            if moves:
                self.move(*self.data.draw(st.sampled_from(moves)))
            elif waits := self.flow.waits():
                self.now = max(self.now, *waits.values())
            else:
                return
        raise AssertionError("it never ends")

    def due(self) -> list[FrozenStep]:
        """What may be called now, once every list is taken."""
        while True:
            found = list(self.flow.due(self.now, self.flying))
            lists = [each for each in found if each.for_each is not None and each.id not in self.flow.members]
            if not lists:
                return found
            self.flow.unfold(lists[0], list(lists[0].for_each or []))  # type: ignore[arg-type]

    def move(self, kind: str, name: str) -> None:
        if kind == "begin":
            assert name not in self.flying
            if self.plan.mode == "sequential":
                assert not self.flying, "two calls at a time"
            self.began.append(name)
            self.flying.add(name)
            self.flow.mark(name, RUNNING)
            return
        self.flying.discard(name)
        how = self.data.draw(st.sampled_from([DONE, DONE, FAILED, UNKNOWN, WAITING]))
        if how is WAITING and self.waited.setdefault(name, 0) < 2:
            self.waited[name] += 1
            self.flow.until[name] = self.now + timedelta(seconds=self.data.draw(st.integers(1, 9)))
            self.flow.mark(name, WAITING)
            return
        self.flow.mark(name, DONE if how is WAITING else how)


@pytest.mark.promise("7")
@settings(max_examples=300, deadline=None)
@given(plans(), st.data())
def test_in_every_interleaving_each_item_is_called_once_and_what_was_done_is_taken_back_in_reverse(
    plan: FrozenPlan, data: st.DataObject
) -> None:
    played = Played(plan, data)

    found = played.play()

    flow, began = played.flow, played.began
    assert all(began.count(name) <= 1 + played.waited.get(name, 0) for name in began), "called twice"
    assert not played.flying
    for step in plan.steps:
        members = flow.members.get(step.id, ())
        assert [each.id for each in members] == [item_id(step.id, n) for n in range(len(members))]
        if members and flow.statuses[step.id] is DONE:
            assert all(flow.statuses[each.id] is DONE for each in members)
        if plan.mode == "sequential":
            firsts = [name for name in dict.fromkeys(began) if name in {each.id for each in members}]
            assert firsts == [each.id for each in members[: len(firsts)]], "items out of order"
    called = [name for name in dict.fromkeys(began) if name != undo_id(origin_id(name))]
    undone = [name for name in dict.fromkeys(began) if name == undo_id(origin_id(name))]
    if undone:
        assert plan.on_failure == "undo"
        assert found is not Status.DONE
        order = [undo_id(step.id) for step in reversed(plan.steps)]
        assert undone == [name for name in order if name in undone], "not in reverse"
        assert began.index(undone[0]) > max(began.index(name) for name in called)
        assert all(flow.statuses[origin_id(name)] is DONE for name in undone), "taken back, and never done"
    if found is Status.DONE:
        ended = {DONE, StepStatus.SKIPPED}
        tolerated = {step.id for step in plan.steps if step.continue_on_error}
        assert all(flow.statuses[step.id] in ended or step.id in tolerated for step in plan.steps)
    if UNKNOWN in flow.statuses.values():
        assert found is Status.UNKNOWN
    if found is Status.FAILED and plan.on_failure == "undo":
        wanted = {
            undo_id(step.id)
            for step in plan.steps
            if step.undo is not None and step.for_each is None and flow.statuses[step.id] is DONE
        }
        failed = any(flow.statuses[name] is FAILED for name in undone)
        assert failed or set(undone) == wanted, "not all was taken back"


def test_a_list_without_items_is_done_at_once_and_lets_the_rest_go_on() -> None:
    empty = FrozenStep("a", "s.t", {}, (CALL,), for_each=[])
    plan = FrozenPlan("p", "d", {}, (empty, FrozenStep("b", "s.t", {}, (CALL,), needs=("a",))), {})
    known = [StepState(step.id, step.id, "s.t", "s.t") for step in plan.steps]
    flow = Flow.of(plan, state(Status.RUNNING, *known))
    assert flow.unfold(empty, []) == ()
    assert flow.statuses["a"] is DONE
    assert [step.id for step in flow.due(NOW, set())] == ["b"]


@pytest.mark.promise("7")
def test_what_needed_another_step_is_taken_back_before_it_wherever_the_two_stand_in_the_plan() -> None:
    late = FrozenStep("late", "s.t", {}, (CALL,), needs=("early",), undo=CALL)
    early = FrozenStep("early", "s.t", {}, (CALL,), undo=CALL)
    broken = FrozenStep("broken", "s.t", {}, (CALL,), needs=("late",))
    plan = FrozenPlan("p", "d", {}, (late, early, broken), {}, mode="parallel", on_failure="undo")
    stands = {"late": DONE, "early": DONE, "broken": FAILED}
    known = [StepState(name, name, "s.t", "s.t", status=status) for name, status in stands.items()]

    undone = Flow.of(plan, state(Status.RUNNING, *known)).take_back()

    assert [step.id for step in undone] == ["late:undo", "early:undo"]


def test_a_wait_that_is_over_wakes_nobody_while_nothing_can_begin() -> None:
    steps = tuple(FrozenStep(name, "s.t", {}, (CALL,)) for name in ("a", "b", "c"))
    plan = FrozenPlan("p", "d", {}, steps, {}, mode="parallel")
    flow = Flow.of(
        plan, state(Status.RUNNING, *(StepState(step.id, step.id, "s.t", "s.t") for step in steps))
    )
    assert flow.rest(NOW, set(), crowded=False) is None, "none waits for a time"
    flow.mark("a", RUNNING)
    flow.mark("b", WAITING)
    flow.until["b"] = NOW - timedelta(seconds=1)
    assert flow.rest(NOW, {"a"}, crowded=False) == 0.0
    assert flow.rest(NOW, {"a"}, crowded=True) is None, "the end of a call wakes it"
    flow.mark("c", WAITING)
    flow.until["c"] = NOW + timedelta(seconds=5)
    assert flow.rest(NOW, {"a"}, crowded=True) == 5.0
