"""What failed, gathered: each failure in a line of its own, with its class, and bounded."""

from __future__ import annotations

import pytest

from say_material import attempt, state
from signoff.model import OutcomeClass, Status, StepState, StepStatus
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
