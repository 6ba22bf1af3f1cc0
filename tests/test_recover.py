"""What a start finds of calls that were under way when the daemon died."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.ledger.entry import GENESIS, Entry
from signoff.ledger.state import fold
from signoff.model import Attempt, OutcomeClass, PlanState, Status, StepState, StepStatus
from signoff.recover import interrupted


def plan_with(*outcomes: list[OutcomeClass | None]) -> PlanState:
    """A running plan; for each step the outcomes of its attempts, None for one still under way."""
    steps = {}
    for number, made in enumerate(outcomes, 1):
        step = StepState(f"s{number}", "", "a", "mail.send", status=StepStatus.RUNNING)
        step.attempts = [Attempt(each, "mail", "send", "", outcome) for each, outcome in enumerate(made, 1)]
        steps[step.id] = step
    return PlanState("p", "", "Approved/x.md", "d", Status.RUNNING, "medium", {}, "", steps=steps)


@pytest.mark.promise("1.2")
@given(
    st.lists(st.lists(st.none() | st.sampled_from(list(OutcomeClass)), max_size=4), max_size=4),
    st.booleans(),
)
def test_exactly_the_calls_without_an_outcome_get_one_and_only_harmless_ones_are_made_again(
    outcomes: list[list[OutcomeClass | None]], harmless: bool
) -> None:
    plan = plan_with(*outcomes)
    events = interrupted([plan], lambda *_: harmless)

    open_calls = {
        (step.id, attempt.number)
        for step in plan.steps.values()
        for attempt in step.attempts
        if attempt.outcome is None
    }
    assert {(event.step, event.attempt) for event in events} == open_calls
    assert all(event.data["class"] == "unknown" for event in events)
    assert all(event.data.get("again", False) is harmless for event in events)
    assert all((event.server, event.tool, event.digest) == ("mail", "send", "d") for event in events)


@pytest.mark.promise("1.2")
@pytest.mark.parametrize(("harmless", "status"), [(False, StepStatus.UNKNOWN), (True, StepStatus.WAITING)])
def test_once_recorded_nothing_is_found_a_second_time(harmless: bool, status: StepStatus) -> None:
    def entry(seq: int, event: str, **fields: object) -> Entry:
        values = dict.fromkeys(("step", "attempt", "server", "tool", "approver", "digest"))
        values |= {"data": {}, **fields}  # type: ignore[dict-item]
        return Entry(
            seq=seq, time="2026-11-20T10:00:00.000Z", event=event, plan="p", prev=GENESIS, hash=GENESIS,
            **values,  # type: ignore[arg-type]
        )  # fmt: skip

    entries = [
        entry(1, "frozen", digest="d", data={"path": "x.md", "steps": [{"id": "a", "call": "mail.send"}]}),
        entry(2, "intent", step="a", attempt=1, server="mail", tool="send"),
    ]
    state = fold(entries)
    (event,) = interrupted(state.plans.values(), lambda *_: harmless)
    state.apply(
        entry(3, event.event, step=event.step, attempt=event.attempt, digest=event.digest, data=event.data)
    )

    assert state.plans["p"].steps["a"].status is status
    assert interrupted(state.plans.values(), lambda *_: harmless) == []


def test_a_plan_that_was_never_called_has_nothing_to_recover() -> None:
    assert interrupted([plan_with([], [])], lambda *_: True) == []
