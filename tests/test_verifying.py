"""What a verifying call says counts for the call that it was asked about, and for no later one."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from signoff.execution.verifying import Verifying
from signoff.execution.world import Begin, CallTerms
from signoff.flow import verify_id
from signoff.ledger.entry import Event
from signoff.model import Attempt, Call, FrozenPlan, FrozenStep, StepStatus, Verification

CALL, LOOK = Call("mail", "send", {}), Call("mail", "find", {})
STEP = FrozenStep("s", "mail.send", {}, (CALL,), verify=Verification(LOOK, "result.text == 'yes'", after=0.1))


class Values:
    """What the verifying call answered."""

    def result(self, called):
        return {"text": "no"}

    def own_arguments(self, step):
        return {}


def said(called_at, asked_at):
    """What is recorded where the last call began at one time and the verifying call at another."""
    plan = FrozenPlan("p", "d", {}, (STEP,), {})
    look = FrozenStep(verify_id("s"), "mail.find", {}, (LOOK,))
    attempts = {
        "s": [Attempt(1, "mail", "send", called_at)],
        look.id: [Attempt(1, "mail", "find", asked_at)],
    }
    flow = SimpleNamespace(plan=plan, attempts=attempts, called={"s": STEP, look.id: look}.__getitem__)
    begin = Begin(look, LOOK, 1, Event("intent"), {}, {}, CallTerms(1.0, 0, (True,)), repeatable=True)
    [event] = Verifying(None, flow, Values()).answer(begin, StepStatus.DONE, Event("outcome"))
    return event


@pytest.mark.promise("1.2")
def test_a_no_to_an_earlier_call_does_not_let_a_later_one_be_made_again():
    assert said("2026-01-01T10:00:00.000Z", "2026-01-01T10:00:01.000Z").data["answer"] == "did-not-happen"
    assert said("2026-01-01T10:00:02.000Z", "2026-01-01T10:00:01.000Z").event == "step"
