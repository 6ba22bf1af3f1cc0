"""What a start finds of calls that were under way when the daemon died. Pure.

An intent without an outcome means: the call may have gone out. It is never made again by itself, unless
its tool is declared repeatable; otherwise a person is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from signoff.ledger.changes import INPUT_REQUIRED
from signoff.ledger.entry import Event
from signoff.model import Attempt, JsonObject, OutcomeClass, PlanState, StepState

INTERRUPTED = "The daemon was stopped during the call, so nobody knows whether it happened."
ASKED = (
    "The daemon was stopped while the server waited for an answer. Whether it did anything without it is not "
    "known."
)
GIVEN_UP = (
    "The server waited for an answer, and the call was not resumed. Until it has what it asks for, it has "
    "done nothing, by the rules of the protocol."
)


def interrupted(
    plans: Iterable[PlanState],
    repeatable: Callable[[PlanState, StepState, Attempt], bool],
    kept: Callable[[str], bool] = lambda _: False,
    message: str = "",
) -> list[Event]:
    """The outcomes to record for calls that were intended and never ended.

    Args:
        plans: all plans that may still do something.
        repeatable: whether a step's interrupted call may be made twice without harm.
        kept: whether all that it takes to resume a suspended call is there, by its hash; such a call
            has not ended.
        message: why, where it is not that the daemon was stopped.
    """
    events: list[Event] = []
    for plan in plans:
        for step in plan.steps.values():
            for attempt in step.attempts:
                if attempt.outcome is None and not (step.suspended and kept(step.suspended)):
                    again = repeatable(plan, step, attempt)
                    events.append(_unknown(plan, step, attempt, again=again, message=message))
    return events


def given_up(plan: PlanState) -> list[Event]:
    """The outcomes of calls that are suspended, and will not be resumed."""
    return [
        Event(
            "outcome",
            plan=plan.id,
            step=step.id,
            attempt=step.attempts[-1].number,
            server=step.attempts[-1].server,
            tool=step.attempts[-1].tool,
            digest=plan.digest,
            data={"class": OutcomeClass.REFUSED.value, "reason": INPUT_REQUIRED, "message": GIVEN_UP},
        )
        for step in plan.steps.values()
        if step.suspended
    ]


def _unknown(plan: PlanState, step: StepState, attempt: Attempt, *, again: bool, message: str) -> Event:
    asked = any(question.attempt == attempt.number for question in step.open_questions)
    data: JsonObject = {
        "class": OutcomeClass.UNKNOWN.value,
        "reason": "outcome-unknown",
        "message": message or (ASKED if asked else INTERRUPTED),
        "interrupted": True,
    }
    if again:
        data["again"] = True
    return Event(
        "outcome",
        plan=plan.id,
        step=step.id,
        attempt=attempt.number,
        server=attempt.server,
        tool=attempt.tool,
        digest=plan.digest,
        data=data,
    )
