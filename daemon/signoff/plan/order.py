"""What steps say of each other: ids, `needs`, and which results an expression may read.

In `sequential` mode every earlier step comes before a later one; in `parallel` mode only those that
`needs` leads to. An expression may read a step only if that step comes before in every run.
"""

from __future__ import annotations

from collections.abc import Sequence

from signoff.config.section import suggestion
from signoff.errors import NoteError
from signoff.model import Step
from signoff.plan.conditions import names_in_condition
from signoff.plan.expressions import Names, names_in_value


def check_order(steps: Sequence[Step], mode: str) -> None:
    """Refuse steps that could not run, or could read what is not there yet.

    Raises:
        NoteError: `step-id-twice`, `needs-unknown`, `needs-cycle`, `expression-invalid`,
            `expression-step-unknown`, `expression-step-later`, `expression-no-item`; at the step's line.
    """
    numbers = _numbers(steps)
    for step in steps:
        for other in step.needs:
            if other not in numbers:
                raise _at(
                    step,
                    "needs-unknown",
                    f"Step `{step.id}` needs `{other[:80]}`, and there is no such step.",
                    suggestion(other, list(numbers)),
                )
    if mode == "sequential":
        _refuse_later(steps, numbers)
        before = [(1 << number) - 1 for number in range(len(steps))]
    else:
        before = _before(steps, numbers)
    for number, step in enumerate(steps):
        _check_expressions(step, number, numbers, before[number], mode)


def _numbers(steps: Sequence[Step]) -> dict[str, int]:
    """The place of each step, from 0, by id."""
    numbers: dict[str, int] = {}
    for number, step in enumerate(steps):
        first = numbers.setdefault(step.id, number)
        if first != number:
            raise _at(
                step,
                "step-id-twice",
                f"Two steps have the id `{step.id}` (the other one is step {first + 1}).",
                "Give each its own `id`.",
            )
    return numbers


def _refuse_later(steps: Sequence[Step], numbers: dict[str, int]) -> None:
    """In sequence, a step can only need an earlier one."""
    for number, step in enumerate(steps):
        later = next((other for other in step.needs if numbers[other] >= number), None)
        if later == step.id:
            raise _at(step, "needs-cycle", f"Step `{step.id}` needs itself.", "Take it out of `needs`.")
        if later is not None:
            raise _at(
                step,
                "needs-cycle",
                f"Step `{step.id}` needs `{later}`, which comes after it: {step.id} → {later} → {step.id}.",
                "Put the steps in the order in which they run, or set `mode: parallel`.",
            )


def _before(steps: Sequence[Step], numbers: dict[str, int]) -> list[int]:
    """For each step the steps that come before it, as bits; refuses circles."""
    before: list[int | None] = [None] * len(steps)
    waiting = [len(step.needs) for step in steps]
    followers: list[list[int]] = [[] for _ in steps]
    for number, step in enumerate(steps):
        for other in step.needs:
            followers[numbers[other]].append(number)
    ready = [number for number, count in enumerate(waiting) if count == 0]
    while ready:
        number = ready.pop()
        mask = 0
        for other in steps[number].needs:
            mask |= (before[numbers[other]] or 0) | 1 << numbers[other]
        before[number] = mask
        for follower in followers[number]:
            waiting[follower] -= 1
            if waiting[follower] == 0:
                ready.append(follower)
    stuck = next((number for number, mask in enumerate(before) if mask is None), None)
    if stuck is not None:
        raise _circle(steps, numbers, before, stuck)
    return [mask or 0 for mask in before]


def _circle(
    steps: Sequence[Step], numbers: dict[str, int], before: Sequence[int | None], stuck: int
) -> NoteError:
    """The question for steps that wait for each other, with the way around."""
    path: list[int] = []
    while stuck not in path:
        path.append(stuck)
        stuck = next(numbers[other] for other in steps[stuck].needs if before[numbers[other]] is None)
    circle = [*path[path.index(stuck) :], stuck]
    around = " → ".join(steps[number].id for number in circle[:20])
    first = steps[min(circle)]
    if len(circle) == 2:
        return _at(first, "needs-cycle", f"Step `{first.id}` needs itself.", "Take it out of `needs`.")
    return _at(
        first,
        "needs-cycle",
        f"These steps wait for each other: {around}{' → …' if len(circle) > 20 else ''}.",
        "Take one of them out of `needs`.",
    )


def _check_expressions(step: Step, number: int, numbers: dict[str, int], before: int, mode: str) -> None:
    """Every expression of a step reads only what is there when it is worked out."""
    try:
        listed = names_in_value(step.for_each)
        filled = names_in_value(dict(step.arguments))
        condition = names_in_condition(step.condition) if step.condition is not None else Names()
        undone = names_in_value(dict(step.undo or {}))
    except NoteError as error:
        error.line = error.line or step.line
        raise
    if listed.own or filled.own or condition.own:
        raise _at(
            step,
            "expression-invalid",
            f"Step `{step.id}` reads `with` or `result`, which are only there in its `undo`.",
            "Write `steps.ID.result` to read the answer of an earlier step.",
        )
    for name in sorted(listed.steps | filled.steps | condition.steps | undone.steps):
        known = numbers.get(name)
        if known is None:
            hint = suggestion(name, list(numbers))
            raise _at(
                step,
                "expression-step-unknown",
                f"Step `{step.id}` reads `steps.{name}`, and there is no such step.",
                hint,
            )
        own_undo = known == number and name not in listed.steps | filled.steps | condition.steps
        if not (before >> known & 1 or own_undo):
            raise _too_early(step, name, mode)
    outside = listed.item or (step.for_each is None and (filled.item or condition.item or undone.item))
    if outside:
        raise _at(
            step,
            "expression-no-item",
            f"Step `{step.id}` reads `item`, which is only there inside a step with `for_each`.",
            "Add `for_each:` with a list, or write the value.",
        )


def _too_early(step: Step, name: str, mode: str) -> NoteError:
    """The question for a step that reads what has not run by then."""
    if name == step.id:
        return _at(
            step, "expression-step-later", f"Step `{step.id}` reads its own result.", "Read an earlier step."
        )
    return _at(
        step,
        "expression-step-later",
        f"Step `{step.id}` reads `steps.{name}`, which need not have run by then.",
        f"Put `{name}` before it." if mode == "sequential" else f"Add `{name}` to its `needs`.",
    )


def _at(step: Step, code: str, message: str, hint: str = "") -> NoteError:
    return NoteError(message, code=code, hint=hint, line=step.line)
