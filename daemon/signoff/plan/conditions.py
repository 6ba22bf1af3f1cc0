"""`if`: conditions in CEL over `steps`, `plan` and `item`.

A condition that is a plain reference (`steps.proposal.ok`) is looked up without CEL. Its value must be true
or false. `always()` is true, and asks that the step runs after failures too; so does reading
`steps.ID.failed` or `steps.ID.skipped`, after those of that step.
"""

from __future__ import annotations

import re

from signoff.errors import NoteError
from signoff.plan.formulas import Workings, names_in_formula, survived_in_formula
from signoff.plan.references import REFERENCE, Context, Names, failed, look_up, names_in_reference

_ONLY_ALWAYS = re.compile(r"\s*always\s*\(\s*\)\s*")


def names_in_condition(expression: str) -> Names:
    """What a condition reads.

    Raises:
        NoteError: `expression-invalid`, for what is not a condition over `steps`, `plan` and `item`.
    """
    if REFERENCE.fullmatch(expression):
        return names_in_reference(expression)
    return Names() if _ONLY_ALWAYS.fullmatch(expression) else names_in_formula(expression, condition=True)


def survived_in(expression: str | None) -> frozenset[str]:
    """The steps after whose failure a step with this condition runs all the same.

    `SURVIVES_ALL` stands for every step; nothing is in it for a step without a condition, or with one that
    is not valid.
    """
    try:
        return survived_in_formula(expression) if expression is not None else frozenset()
    except NoteError:
        return frozenset()


def holds(expression: str, context: Context) -> bool:
    """Whether a condition holds; `context` as in `references`.

    Raises:
        NoteError: `expression-failed`, where it cannot be worked out or is neither true nor false;
            `expression-invalid`, for one that was never checked.
    """
    if _ONLY_ALWAYS.fullmatch(expression):
        return True
    plain = REFERENCE.fullmatch(expression) is not None
    value = look_up(expression, context) if plain else Workings(context).value(expression, condition=True)
    if not isinstance(value, bool):
        raise failed(expression, "it is neither true nor false")
    return value
