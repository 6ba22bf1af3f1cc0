"""What failed, gathered: each failure in a line of its own, with its class, and bounded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from say_material import attempt, frozen_plan, state
from signoff.model import Call, FrozenStep, OutcomeClass, Status, StepState, StepStatus
from signoff.say.failures import MOST_LISTED, class_of, failures_table
from signoff.say.section import section
from signoff.say.view import PlanView


def failure(name: str, outcome: OutcomeClass | None = OutcomeClass.REFUSED, message: str = "no") -> StepState:
    attempts = [attempt(outcome)] if outcome else []
    return StepState(
        name,
        name.title(),
        "a",
        "m.t",
        status=StepStatus.FAILED,
        attempts=attempts,
        reason="why",
        message=message,
    )


def test_one_failure_is_a_sentence_and_several_are_a_table() -> None:
    assert failures_table(PlanView(state(Status.FAILED, failure("a")))) == []
    both = PlanView(state(Status.FAILED, failure("a"), failure("b", OutcomeClass.AUTHENTICATION)))
    lines = failures_table(both)
    assert lines[2] == "| 1 | A | `mail.send_email` | refused by the server | no (`why`) |"
    assert lines[3] == "| 2 | B | `mail.send_email` | authentication | no (`why`) |"
    assert "2 steps failed. By class: 1 refused by the server, 1 authentication." in section(both)


@pytest.mark.parametrize("outcome", [each for each in OutcomeClass if each is not OutcomeClass.DONE])
def test_every_class_has_a_word_of_its_own(outcome: OutcomeClass) -> None:
    words = {class_of(failure("a", each)) for each in OutcomeClass if each is not OutcomeClass.DONE}
    assert len(words) == len(OutcomeClass) - 1
    assert class_of(failure("a", outcome)) in words
    assert class_of(failure("a", None)) == "not called"


def test_a_thousand_failures_leave_the_note_readable() -> None:
    many = PlanView(
        state(Status.FAILED, *(failure(f"s{number}", message="x" * 5000) for number in range(1000)))
    )
    lines = failures_table(many)
    assert len(lines) == 2 + MOST_LISTED + 3
    assert lines[-2] == "and 950 more failures."
    assert len(section(many).encode()) < 1 << 20


@pytest.mark.promise("1.5")
@pytest.mark.parametrize("status", [Status.UNKNOWN, Status.DONE, Status.CANCELLED])
def test_several_failures_stand_in_one_table_however_the_plan_stands(status: Status) -> None:
    unknown = StepState("u", "U", "a", "m.t", status=StepStatus.UNKNOWN, attempts=[attempt(None)])
    said = section(
        PlanView(state(status, failure("a"), failure("b", OutcomeClass.TRANSIENT), unknown, run=1))
    )
    assert "| 1 | A | `mail.send_email` | refused by the server | no (`why`) |" in said
    assert "| 2 | B | `mail.send_email` | not sent | no (`why`) |" in said


@pytest.mark.promise("1.5")
@pytest.mark.parametrize("status", [Status.REJECTED, Status.CANCELLED, Status.EXPIRED, Status.FAILED])
def test_a_plan_that_ended_while_a_step_waited_does_not_say_that_it_still_waits(status: Status) -> None:
    later = "2026-11-22T09:05:00Z"
    waits = StepState("a", "A", "a", "m.t", status=StepStatus.WAITING, attempts=[attempt()], until=later)
    assert "waiting until" in section(PlanView(state(Status.WAITING, waits, run=1)))
    said = section(PlanView(state(status, waits, run=1)))
    assert "waiting until" not in said
    assert "stopped while it waited" in said


def test_a_step_whose_entries_have_begun_is_not_said_to_be_not_started() -> None:
    step = StepState("a", "A", "a", "m.t")
    entry = StepState("a[0]", "A (1 of 2)", "a", "m.t", status=StepStatus.DONE, attempts=[attempt()])
    said = section(PlanView(state(Status.RUNNING, step, entry, run=1)))
    assert "begun; see its entries" in said
    assert "not started" not in said


@pytest.mark.promise("1.5")
def test_a_plan_that_was_stopped_while_it_was_taken_back_says_what_an_approval_leads_to_now() -> None:
    call = Call("m", "t", {})
    done = StepState("a", "A", "a", "m.t", status=StepStatus.DONE, attempts=[attempt()])
    back = StepState("c:undo", "Take back: C", "m.t", "m.t", status=StepStatus.DONE, attempts=[attempt()])
    known = state(Status.PENDING, done, failure("b"), replace(done, id="c", name="C"), back, run=1)
    steps = [FrozenStep(name, "a", {}, (call,), undo=call) for name in ("a", "c", "b")]
    said = section(PlanView(known, frozen_plan(*steps, on_failure="undo")))
    assert "This plan has failed already. If you approve, what was done is taken back, and it ends." in said
    assert "**Done already, not called again:** A." in said
    assert "**Taken back:** C." in said
    assert "**Failed already:** B." in said
    assert "C (✓ done already)" not in said


def test_what_is_done_names_a_whole_list_once_and_of_a_broken_off_one_the_entries() -> None:
    def entry(name: str, status: StepStatus) -> StepState:
        return StepState(name, name.upper(), "a", "m.t", status=status)

    done, waiting = StepStatus.DONE, StepStatus.PENDING
    steps = [entry("a", done), entry("a[0]", done), entry("a[1]", done)]
    steps += [entry("b", StepStatus.FAILED), entry("b[0]", done), entry("b[1]", waiting)]
    said = section(PlanView(state(Status.FAILED, *steps, failure("c"))))
    [told] = [line for line in said.splitlines() if "**Done:**" in line]
    assert told == "> **Done:** A and `B[0]`."
