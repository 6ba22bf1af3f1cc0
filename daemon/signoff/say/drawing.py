"""The order of a plan's steps as a drawing (Mermaid, which Obsidian shows), where it is no plain list. Pure.

The nodes are called `s1`, `s2` and so on, whatever the steps are called. A step's own name is only ever
within a quoted label, behind words of this program, and of it only letters, digits, spaces and harmless
signs: no quote, bracket, tag, entity or backtick is left with which it could end the label, or act. The exact
names are in the table of calls.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from signoff.model import SURVIVES_ALL, FrozenPlan, FrozenStep
from signoff.model.values import is_late
from signoff.say.escape import visible
from signoff.say.view import PlanView
from signoff.say.words import plural

MOST_STEPS = 60
"""More than these cannot be seen at a glance; they are said to be too many."""
MOST_ARROWS = 200
LONGEST_LABEL = 40
"""Characters of a name."""
MOST_LATE_ITEMS = 50
"""What `signoff.flow` takes of a list that is only known when it runs."""

_SIGNS = frozenset(" .,-'")


def drawing(view: PlanView) -> list[str]:
    """The lines of the drawing; none for a plan that is a plain list."""
    plan = view.frozen
    if plan is None or not _is_graph(plan):
        return []
    arrows = list(_arrows(plan))
    if len(plan.steps) > MOST_STEPS or len(arrows) > MOST_ARROWS:
        return [f"There is no drawing of the order: {plural(len(plan.steps), 'step')} are too many.", ""]
    nodes = [_node(view, number, step) for number, step in enumerate(plan.steps, start=1)]
    return ["```mermaid", "flowchart TD", *nodes, *arrows, "```", ""]


def _is_graph(plan: FrozenPlan) -> bool:
    """Is there more to the order than one step after the other?"""
    if len(plan.steps) < 2:
        return False
    return plan.mode == "parallel" or any(
        step.needs or step.condition is not None or step.for_each is not None for step in plan.steps
    )


def _node(view: PlanView, number: int, step: FrozenStep) -> str:
    state = view.state.steps.get(step.id)
    name = label(view.redactor.text(state.name if state and state.name else step.id))
    said = ", ".join([f"Step {number}: {name}" if name else f"Step {number}", *_remarks(step)])
    opening, closing = ("(", ")") if step.condition is not None else ("[", "]")
    return f'  s{number}{opening}"{said}"{closing}'


def _remarks(step: FrozenStep) -> Iterator[str]:
    if SURVIVES_ALL in step.survives:
        yield "also after a failure"
    elif step.condition is not None:
        yield "only if its condition holds"
    if is_late(step.for_each):
        yield f"for each of up to {MOST_LATE_ITEMS} items"
    elif isinstance(step.for_each, list):
        yield f"for each of {plural(len(step.for_each), 'item')}"


def _arrows(plan: FrozenPlan) -> Iterator[str]:
    """One after the other in the sequential mode, dotted where a step needs one that is further above."""
    numbers = {step.id: number for number, step in enumerate(plan.steps, start=1)}
    for number, step in enumerate(plan.steps, start=1):
        if plan.mode == "sequential" and number > 1:
            yield f"  s{number - 1} --> s{number}"
        for other in sorted(numbers[name] for name in set(step.needs) if name in numbers):
            if plan.mode != "sequential":
                yield f"  s{other} --> s{number}"
            elif other != number - 1:
                yield f"  s{other} -. needed by .-> s{number}"


def label(text: str) -> str:
    """What a label can hold of a text: letters, digits and a few signs, on one line, bounded."""
    shown = "".join(mark if _is_harmless(mark) else " " for mark in visible(text[: 4 * LONGEST_LABEL]))
    flat = " ".join(shown.split())
    return flat if len(flat) <= LONGEST_LABEL else f"{flat[: LONGEST_LABEL - 1].rstrip()}…"


def _is_harmless(mark: str) -> bool:
    return mark in _SIGNS or unicodedata.category(mark)[0] in "LNM"
