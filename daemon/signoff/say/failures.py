"""What failed in a plan: one step in a sentence, several in one table with the class of each. Pure."""

from __future__ import annotations

from signoff.model import OutcomeClass, StepState, StepStatus
from signoff.say.block import table
from signoff.say.escape import code
from signoff.say.steps import call_of, name_of, number_of, reason_of
from signoff.say.view import PlanView
from signoff.say.words import plural

MOST_LISTED = 50
"""Failures that are listed; all of them are in the table of steps, and in the log."""
ITEMS_FAILED = "items-failed"
"""The reason of a step with `for_each` whose items say themselves why they failed."""

_CLASSES = {
    OutcomeClass.REFUSED: "refused by the server",
    OutcomeClass.TRANSIENT: "not sent",
    OutcomeClass.RATE_LIMITED: "rate limited",
    OutcomeClass.AUTHENTICATION: "authentication",
    OutcomeClass.SERVER_ERROR: "server error, perhaps done",
    OutcomeClass.UNKNOWN: "not known",
}


def failures(view: PlanView) -> list[StepState]:
    """The steps and items that failed; of a step whose items failed, the items only."""
    failed = view.steps(StepStatus.FAILED)
    items = [step for step in failed if step.reason != ITEMS_FAILED]
    return items or failed


def failures_table(view: PlanView) -> list[str]:
    """Every failure in a line of one table, where there are several; nothing where there is at most one."""
    failed = failures(view)
    if len(failed) < 2:
        return []
    rows = [
        [
            str(number_of(view, step)),
            name_of(view, step),
            code(call_of(step)),
            class_of(step),
            reason_of(view, step.reason, step.message),
        ]
        for step in failed[:MOST_LISTED]
    ]
    more = len(failed) - MOST_LISTED
    rest = [f"and {plural(more, 'more failure', 'more failures')}.", ""] if more > 0 else []
    return [*table(["#", "Step", "Call", "Class", "What happened"], rows), *rest]


def class_of(step: StepState) -> str:
    """The class of a failure, in words: how its last call ended, or that there was none."""
    last = step.attempts[-1] if step.attempts else None
    if last is None:
        return "not called"
    return _CLASSES.get(last.outcome, "failed before the call") if last.outcome else "not known"
