"""Final values outside their limits: a fresh approval lets just these go, so all are shown whole. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable

from signoff.errors import LedgerError
from signoff.model import JsonObject, PlanState, StepState, StepStatus
from signoff.say.arguments import show_arguments
from signoff.say.block import paragraphs
from signoff.say.escape import code
from signoff.say.steps import name_of
from signoff.say.view import Final, PlanView


def finals_of(state: PlanState, blob: Callable[[str], bytes]) -> list[Final]:
    """The calls that a fresh approval lets go outside their limits, in order, as they would be made.

    Args:
        state: the plan's.
        blob: the content under a hash; raises LedgerError where it is gone.
    """
    return [
        _final(step, state.finals[step.id], blob)
        for step in state.steps.values()
        if step.id in state.finals and step.status in {StepStatus.PENDING, StepStatus.WAITING}
    ]


def _final(step: StepState, kept: str, blob: Callable[[str], bytes]) -> Final:
    try:
        found: JsonObject = json.loads(blob(kept))
    except (LedgerError, ValueError):
        return Final(step, step.call, None)
    arguments = found.get("arguments")
    return Final(step, str(found.get("call")), arguments if isinstance(arguments, dict) else None)


def final_values(view: PlanView) -> list[str]:
    """Every value that would go outside its limits, exactly."""
    lines: list[str] = []
    for final in view.finals:
        what = f"{name_of(view, final.step)} ({code(final.step.id)})"
        if final.arguments is None:
            lines += paragraphs(f"{what}: its final values are gone and cannot be shown. Refuse it.")
            continue
        shown = show_arguments(view, final.arguments, label=what, final=True)
        lines += [*paragraphs(f"{what} would call {code(final.call)} with {shown.brief}."), *shown.below]
    return lines
