"""What a start finds of calls that were under way when the daemon died. Pure.

An intent without an outcome means: the call may have gone out. It is never made again by itself, unless
its tool is declared repeatable; otherwise a person is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from signoff.ledger.entry import Event
from signoff.model import Attempt, JsonObject, OutcomeClass, PlanState, StepState

INTERRUPTED = "The daemon was stopped during the call, so nobody knows whether it happened."
ASKED = (
    "The daemon was stopped while the server waited for an answer. Whether it did anything without it is not "
    "known."
)


def interrupted(
    plans: Iterable[PlanState], repeatable: Callable[[PlanState, StepState, Attempt], bool]
) -> list[Event]:
    """The outcomes to record for calls that were intended and never ended.

    Args:
        plans: all plans that may still do something.
        repeatable: whether a step's interrupted call may be made twice without harm.
    """
    events: list[Event] = []
    for plan in plans:
        for step in plan.steps.values():
            for attempt in step.attempts:
                if attempt.outcome is None:
                    again = repeatable(plan, step, attempt)
                    events.append(_unknown(plan, step, attempt, again=again))
    return events


def _unknown(plan: PlanState, step: StepState, attempt: Attempt, *, again: bool) -> Event:
    asked = any(question.attempt == attempt.number for question in step.open_questions)
    data: JsonObject = {
        "class": OutcomeClass.UNKNOWN.value,
        "reason": "outcome-unknown",
        "message": ASKED if asked else INTERRUPTED,
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
