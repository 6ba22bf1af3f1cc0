"""In which order waiting plans start: by priority, then by approval; and none waits for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from signoff.slots import FAIR
from support.clock import ClockedProject, needs_a_clock
from support.project import Project, eventually, plan, projects, record

ONE_AT_A_TIME = "[execution]\nconcurrency = 1\n"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Project]:
    made = projects(tmp_path)
    make: Callable[..., Project] = next(made)
    yield make(settings=ONE_AT_A_TIME).start()
    next(made, None)


def approved_in_turn(house: Project, names: list[tuple[str, str]], front: str = "", busy: int = 0) -> None:
    """Approve plans one after the other, each with a priority, while the one place is taken."""
    notes = {}
    for name, priority in names:
        head = f"id: {name}\npriority: {priority}\n{front}"
        notes[name] = house.pending(f"{name}.md", plan(record(name), front=head))
    if busy:
        step = f"action: stub.slow\nwith:\n  text: busy\n  seconds: {busy}\n"
        house.approve(house.pending("Busy.md", plan(step)))
        house.await_entry("intent")
    for name, note in notes.items():
        house.approve(note)
        house.await_entry("approved", plan=name)


def order(house: Project, number: int) -> list[str]:
    """The texts of the calls, but for the one that kept them waiting."""
    calls = house.await_calls(number)
    return [call["arguments"]["text"] for call in calls if call["arguments"]["text"] != "busy"]


FOUR = [("late", "low"), ("first", "normal"), ("second", "normal"), ("urgent", "high")]


@pytest.mark.promise("4")
def test_plans_that_wait_for_a_place_start_by_priority_and_then_in_the_order_of_their_approval(
    house: Project,
) -> None:
    approved_in_turn(house, FOUR, busy=10)
    assert order(house, 5) == ["urgent", "first", "second", "late"]


MANY = [("late", "low"), *((f"n{9 - number}", "normal") for number in range(5)), ("urgent", "high")]
IN_TURN = ["urgent", *(name for name, _ in MANY[1:-1]), "late"]


@pytest.mark.promise("4")
def test_plans_that_waited_for_the_same_plan_start_in_that_order_too(house: Project) -> None:
    approved_in_turn(house, MANY, "depends_on: [busy]")
    house.approve(house.pending("Busy.md", plan(record("busy"), front="id: busy")))
    assert order(house, len(MANY) + 1) == IN_TURN


@needs_a_clock
@pytest.mark.promise("4")
def test_plans_whose_time_comes_at_once_start_in_that_order_too(tmp_path: Path) -> None:
    house = ClockedProject(tmp_path / "clocked", settings=ONE_AT_A_TIME)
    try:
        house.start()
        at = (house.now() + timedelta(hours=1)).isoformat()
        approved_in_turn(house, MANY, f"run_at: '{at}'")
        house.await_note("urgent.md", "Approved", "status: scheduled")
        house.put(hours=1)
        assert order(house, len(MANY)) == IN_TURN
    finally:
        house.close()


@pytest.mark.promise("4")
def test_a_low_plan_gets_its_turn_however_many_high_ones_wait(house: Project) -> None:
    names = [("low", "low"), *((f"high{number}", "high") for number in range(FAIR + 4))]
    approved_in_turn(house, names, busy=8)
    eventually(lambda: len(house.calls()) >= FAIR + 2, "most of them have run")
    assert "low" in order(house, FAIR + 2)
