"""Which steps may run when: every interleaving keeps the order, repeats nothing and comes to an end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signoff.graph import OPEN, Standing
from signoff.model import SURVIVES_ALL, FrozenPlan, FrozenStep, Status, StepStatus

DONE, FAILED, UNKNOWN = StepStatus.DONE, StepStatus.FAILED, StepStatus.UNKNOWN
SKIPPED, RUNNING, PENDING = StepStatus.SKIPPED, StepStatus.RUNNING, StepStatus.PENDING
WAITING, CANCELLED = StepStatus.WAITING, StepStatus.CANCELLED
ENDS = [DONE, FAILED, UNKNOWN, SKIPPED, CANCELLED, WAITING]


def step(
    name: str, *needs: str, continue_on_error: bool = False, survives: tuple[str, ...] = ()
) -> FrozenStep:
    return FrozenStep(
        name, "s.t", {}, (), needs=needs, continue_on_error=continue_on_error, survives=frozenset(survives)
    )


def plan(*steps: FrozenStep, mode: str = "sequential", on_failure: str = "stop") -> FrozenPlan:
    return FrozenPlan("p", "d", {}, steps, {}, mode=mode, on_failure=on_failure)


@st.composite
def plans(draw: st.DrawFn) -> FrozenPlan:
    steps: list[FrozenStep] = []
    for number in range(draw(st.integers(1, 6))):
        earlier = [each.id for each in steps]
        needs = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=3)) if earlier else []
        survives = draw(st.lists(st.sampled_from([*earlier, SURVIVES_ALL]), unique=True, max_size=2))
        tolerant = draw(st.booleans())
        if not draw(st.booleans()):
            survives = []
        steps.append(step(f"s{number}", *needs, continue_on_error=tolerant, survives=tuple(survives)))
    mode = draw(st.sampled_from(["sequential", "parallel"]))
    order = steps if mode == "sequential" else draw(st.permutations(steps))
    return plan(*order, mode=mode, on_failure=draw(st.sampled_from(["stop", "continue", "undo"])))


def survives(mine: FrozenStep, other: str) -> bool:
    return bool({other, SURVIVES_ALL} & mine.survives)


class Played:
    """One interleaving: what began, in which order, and how everything ended."""

    def __init__(self, plan: FrozenPlan, data: st.DataObject) -> None:
        self.plan = plan
        self.status = dict.fromkeys((each.id for each in plan.steps), PENDING)
        self.standing = Standing(plan, self.status)
        self.began: list[str] = []
        self.ended: list[str] = []
        self.data = data

    def play(self) -> Status:
        for _ in range(200):
            ready, skips = self.next()
            for each, _ in skips:
                self.status[each.id] = SKIPPED
                self.ended.append(each.id)
            flying = [name for name, status in self.status.items() if status is RUNNING]
            moves = [("begin", each.id) for each in ready] + [("end", name) for name in flying]
            if skips:
                continue
            if not moves:
                found = self.standing.verdict()
                assert found is not None, f"nobody can go on, and it has not ended: {self.status}"
                return found
            self.move(*self.data.draw(st.sampled_from(moves)))
        raise AssertionError("it never ends")

    def next(self) -> tuple[list[FrozenStep], tuple[tuple[FrozenStep, str], ...]]:
        """What may be done next, as kept up to date; it is what a fresh look gives too."""
        for name, status in self.status.items():
            self.standing.update(name, status)
        fresh = Standing(self.plan, self.status)
        ready, skips = list(self.standing.ready()), self.standing.skips()
        assert ready == list(fresh.ready())
        assert skips == fresh.skips()
        assert self.standing.halted_by() == fresh.halted_by()
        assert self.standing.verdict() == fresh.verdict()
        return ready, skips

    def move(self, kind: str, name: str) -> None:
        if kind == "begin":
            self.may_begin(name)
            self.began.append(name)
            self.status[name] = RUNNING
            return
        how = self.data.draw(st.sampled_from(ENDS))
        if how is WAITING and self.began.count(name) > 2:
            how = DONE
        self.status[name] = how
        if how is not WAITING:
            self.ended.append(name)

    def may_begin(self, name: str) -> None:
        """What must hold at this very moment, said in another way than the program says it."""
        assert self.status[name] in OPEN
        mine = next(each for each in self.plan.steps if each.id == name)
        ids = [each.id for each in self.plan.steps]
        before = set(mine.needs)
        if self.plan.mode == "sequential":
            before |= set(ids[: ids.index(name)])
        by_id = {each.id: each for each in self.plan.steps}
        assert UNKNOWN not in self.status.values()
        broken = [
            other
            for other, status in self.status.items()
            if status in {FAILED, CANCELLED} and not by_id[other].continue_on_error
        ]
        halted = bool(broken) and self.plan.on_failure != "continue"
        if halted:
            assert all(survives(mine, other) for other in broken)
        for other in before:
            assert self.status[other] not in {RUNNING, UNKNOWN}
            if self.status[other] in OPEN:
                assert halted, "only in a halted plan may a step above stay open"
                assert other not in mine.needs or survives(mine, other)
            elif other in mine.needs and self.status[other] is not DONE:
                assert by_id[other].continue_on_error or survives(mine, other)


@pytest.mark.promise("7")
@settings(max_examples=300, deadline=None)
@given(plans(), st.data())
def test_in_every_interleaving_order_is_kept_nothing_is_repeated_and_a_verdict_is_reached(
    plan: FrozenPlan, data: st.DataObject
) -> None:
    played = Played(plan, data)

    found = played.play()

    assert len(played.ended) == len(set(played.ended))
    status = played.status
    assert RUNNING not in status.values()
    if found is Status.DONE:
        tolerated = {each.id for each in plan.steps if each.continue_on_error}
        assert all(how in {DONE, SKIPPED} or name in tolerated for name, how in status.items()), (
            "done, though something failed"
        )
    if UNKNOWN in status.values():
        assert found is Status.UNKNOWN
    left = [name for name, how in status.items() if how in OPEN]
    assert not left or Standing(plan, status).halted_by() is not None, f"forgotten: {left}"
    if found is Status.FAILED:
        always = {each.id for each in plan.steps if SURVIVES_ALL in each.survives and not each.needs}
        assert not always & set(left), "a step that always runs was forgotten"


@pytest.mark.promise("7")
@settings(max_examples=200, deadline=None)
@given(plans(), st.data())
def test_a_restart_at_any_moment_changes_nothing_about_what_may_run(
    plan: FrozenPlan, data: st.DataObject
) -> None:
    """What may run depends on the statuses alone: answered questions and retries bring nothing back."""
    played = Played(plan, data)
    played.play()
    done = {name for name, how in played.status.items() if how is DONE}
    resumed = Played(plan, data)
    resumed.status = {
        name: PENDING if how in {UNKNOWN, FAILED, SKIPPED, CANCELLED} else how
        for name, how in played.status.items()
    }
    resumed.play()
    assert not done & set(resumed.began)


def after(mode: str, on_failure: str, how: StepStatus, *, needed: bool, tolerated: bool) -> str:
    """What happens to a second step when the first has ended so."""
    first = step("a", continue_on_error=tolerated)
    second = step("b", *(["a"] if needed else []))
    made = plan(first, second, mode=mode, on_failure=on_failure)
    statuses = {"a": how, "b": PENDING}
    standing = Standing(made, statuses)
    ready, skips = list(standing.ready()), standing.skips()
    if standing.halted_by():
        assert not ready
        assert not skips
        return "halted"
    return "runs" if ready else "skipped" if skips else "waits"


@pytest.mark.parametrize(
    ("how", "on_failure", "needed", "tolerated", "expected"),
    [
        (DONE, "stop", True, False, "runs"),
        (RUNNING, "stop", True, False, "waits"),
        (FAILED, "stop", False, False, "halted"),
        (FAILED, "undo", False, False, "halted"),
        (FAILED, "continue", False, False, "runs"),
        (FAILED, "continue", True, False, "skipped"),
        (FAILED, "stop", True, True, "runs"),
        (SKIPPED, "stop", False, False, "runs"),
        (SKIPPED, "stop", True, False, "skipped"),
        (UNKNOWN, "continue", False, True, "halted"),
        (CANCELLED, "stop", False, False, "halted"),
    ],
)
def test_what_a_step_does_after_another(
    how: StepStatus, on_failure: str, needed: bool, tolerated: bool, expected: str
) -> None:
    assert after("sequential", on_failure, how, needed=needed, tolerated=tolerated) == expected


def ready(made: FrozenPlan, *how: StepStatus) -> list[str]:
    statuses = {each.id: status for each, status in zip(made.steps, how, strict=True)}
    return [each.id for each in Standing(made, statuses).ready()]


def test_sequential_steps_follow_each_other_and_parallel_ones_only_what_they_need() -> None:
    made = plan(step("a"), step("b"), step("c", "a"))
    parallel = replace(made, mode="parallel")
    assert ready(made, PENDING, PENDING, PENDING) == ["a"]
    assert ready(parallel, PENDING, PENDING, PENDING) == ["a", "b"]
    assert ready(made, DONE, RUNNING, PENDING) == []
    assert ready(parallel, DONE, RUNNING, PENDING) == ["c"]


def test_a_skipped_step_does_not_let_its_successor_overtake_what_is_above_both() -> None:
    made = plan(step("a"), step("b"), step("c", "a"), step("d"))
    assert ready(made, SKIPPED, PENDING, PENDING, PENDING) == ["b"]
    assert ready(made, SKIPPED, DONE, PENDING, PENDING) == []
    assert ready(made, SKIPPED, DONE, SKIPPED, PENDING) == ["d"]


def test_a_call_under_way_keeps_the_verdict_open_even_after_a_failure() -> None:
    made = plan(step("a"), step("b"), mode="parallel")
    assert Standing(made, {"a": FAILED, "b": RUNNING}).verdict() is None
    assert Standing(made, {"a": FAILED, "b": DONE}).verdict() is Status.FAILED
    assert Standing(made, {"a": FAILED, "b": UNKNOWN}).verdict() is Status.UNKNOWN


def run_after(made: FrozenPlan, **how: StepStatus) -> list[str]:
    statuses = {each.id: how.get(each.id, PENDING) for each in made.steps}
    return [each.id for each in Standing(made, statuses).ready()]


@pytest.mark.promise("7")
@pytest.mark.parametrize("mode", ["sequential", "parallel"])
def test_a_step_that_always_runs_does_so_after_a_failure_that_halted_the_plan(mode: str) -> None:
    last = step("last", "a", "b", survives=(SURVIVES_ALL,))
    made = plan(step("a"), step("b", "a"), last, mode=mode)
    assert run_after(made, a=FAILED) == ["last"], "b cannot run any more, and is not waited for"
    assert run_after(made, a=FAILED, last=DONE) == []
    assert Standing(made, {"a": FAILED, "b": PENDING, "last": PENDING}).verdict() is None
    assert Standing(made, {"a": FAILED, "b": PENDING, "last": RUNNING}).verdict() is None
    assert Standing(made, {"a": FAILED, "b": PENDING, "last": DONE}).verdict() is Status.FAILED


@pytest.mark.promise("1.2")
@pytest.mark.parametrize("mode", ["sequential", "parallel"])
def test_nothing_runs_after_an_unknown_outcome_not_even_what_always_runs(mode: str) -> None:
    made = plan(step("a"), step("last", survives=(SURVIVES_ALL,)), mode=mode)
    assert run_after(made, a=UNKNOWN) == []
    assert Standing(made, {"a": UNKNOWN, "last": PENDING}).verdict() is Status.UNKNOWN


def test_a_step_that_reads_one_failure_does_not_run_after_another_one() -> None:
    made = plan(step("a"), step("b"), step("mend", survives=("a",)))
    assert run_after(made, a=FAILED) == ["mend"]
    assert run_after(made, a=DONE, b=FAILED) == []
    assert run_after(made, a=DONE, b=DONE) == ["mend"], "its condition says whether it is wanted"


def test_where_the_plan_goes_on_a_survivor_of_what_it_needs_is_not_skipped() -> None:
    made = plan(step("a"), step("b", "a"), step("c", "b", survives=("b",)), on_failure="continue")
    assert [each.id for each, _ in Standing(made, {"a": FAILED, "b": PENDING, "c": PENDING}).skips()] == ["b"]
    assert run_after(made, a=FAILED, b=SKIPPED) == ["c"]


def test_survivors_wait_for_each_other_and_for_calls_under_way() -> None:
    all_of = (SURVIVES_ALL,)
    made = plan(
        step("a"),
        step("b"),
        step("c", "b", survives=all_of),
        step("d", "c", survives=all_of),
        mode="parallel",
    )
    assert run_after(made, a=FAILED, b=RUNNING) == []
    assert run_after(made, a=FAILED, b=DONE) == ["c"]
    assert run_after(made, a=FAILED, b=DONE, c=WAITING) == ["c"]
    assert run_after(made, a=FAILED, b=DONE, c=FAILED) == ["d"]


def test_a_long_chain_of_survivors_is_looked_through_without_recursion() -> None:
    chain = [step("s0"), *(step(f"s{n}", f"s{n - 1}", survives=(SURVIVES_ALL,)) for n in range(1, 3000))]
    made = plan(*reversed(chain), mode="parallel")
    assert run_after(made, s0=FAILED) == ["s1"]


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_the_cost_of_a_change_does_not_grow_with_the_steps_that_have_ended(data: st.DataObject) -> None:
    """Counted, not timed: a change looks at the step and at those that need it."""
    count = data.draw(st.integers(20, 200))
    made = plan(*(step(f"s{n}", *([f"s{n - 1}"] if n % 2 else [])) for n in range(count)), mode="parallel")
    standing = Standing(made, dict.fromkeys((each.id for each in made.steps), PENDING))
    looks: list[int] = []
    answer = standing._answer
    standing._answer = lambda number, other: looks.append(1) or answer(number, other)  # type: ignore[method-assign]
    for each in made.steps:
        looks.clear()
        standing.update(each.id, RUNNING)
        standing.update(each.id, DONE)
        next(standing.ready(), None)
        assert len(looks) <= 4
    assert standing.verdict() is Status.DONE
