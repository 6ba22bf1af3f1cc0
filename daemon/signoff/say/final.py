"""Final values outside their limits: a fresh approval lets just these go, so all are shown whole. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable

from signoff.errors import LedgerError
from signoff.model import JsonObject, PlanState, StepState, StepStatus
from signoff.say.arguments import show_arguments
from signoff.say.block import paragraphs, table
from signoff.say.escape import code
from signoff.say.steps import name_of
from signoff.say.view import Final, PlanView

FOR_A_TABLE = 3
"""Calls that are not told in a sentence each."""


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
    """Every value that would go outside its limits, exactly; of several calls in a table."""
    shown = [_shown(view, final) for final in view.finals]
    if len(shown) < FOR_A_TABLE:
        return [line for what, call, said, below in shown for line in (*_alone(what, call, said), *below)]
    rows = [[what, call, said] for what, call, said, _ in shown]
    heads = ["Outside its limits", "Would call", "With"]
    return [*table(heads, rows), *(line for *_, below in shown for line in below)]


def _alone(what: str, call: str, said: str) -> list[str]:
    return paragraphs(f"{what} would call {call} with {said}." if call else f"{what}: {said}")


def _shown(view: PlanView, final: Final) -> tuple[str, str, str, list[str]]:
    """What it is, what it would call, its values in one line, and the lines below for long ones."""
    what = f"{name_of(view, final.step)} ({code(final.step.id)})"
    if final.arguments is None:
        return what, "", "its final values are gone and cannot be shown. Refuse it.", []
    shown = show_arguments(view, final.arguments, label=what, final=True)
    return what, code(final.call), shown.brief, shown.below
