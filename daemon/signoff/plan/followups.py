"""Calls that belong to a step: what takes it back. Pure.

Their arguments may read the step's own: `${{ with.NAME }}` is the step's argument under the name that the
plan uses, `${{ result... }}` its answer, `${{ item }}` its entry of a `for_each`. What the step's arguments
say already is put in when the plan is frozen, so that the preview shows it; the rest is filled in late.
"""

from __future__ import annotations

from collections.abc import Mapping

from signoff.catalogue import Action, FollowUp
from signoff.errors import NoteError
from signoff.model import Json, Step
from signoff.plan.expressions import (
    evaluate,
    expressions_in,
    late_paths,
    names_in_expression,
    names_in_value,
    reads_own_argument,
)


def undo_of(step: Step, action: Action | None, on_failure: str) -> tuple[FollowUp, bool] | None:
    """What takes a step back, and whether the author himself named it; None where nothing does.

    Where the plan asks to take back and the step does not say how, it is what the catalogue says.
    """
    if step.undo is not None:
        arguments = step.undo.get("with")
        return FollowUp(str(step.undo["action"]), arguments if isinstance(arguments, dict) else {}), True
    if on_failure != "undo" or action is None or action.undo is None:
        return None
    return action.undo, False


def filled(arguments: Mapping[str, Json], step: Step, *, of: str) -> dict[str, Json]:
    """The arguments of a follow-up with all that the step's own arguments say already.

    Args:
        arguments: as written in the plan or the catalogue.
        step: the step that it belongs to.
        of: what it is, for messages: `undo of send_email`.

    Raises:
        NoteError: `expression-failed`, where it reads an argument that the step does not give.
    """
    try:
        value = _filled(dict(arguments), step.arguments)
    except NoteError as error:
        raise NoteError(f"The {of} cannot be used here. {error.message}", code=error.code) from error
    assert isinstance(value, dict)  # noqa: S101  as it went in
    return value


def require_own(arguments: Mapping[str, Json], *, of: str) -> None:
    """A follow-up of the catalogue knows nothing of a plan's other steps.

    Raises:
        NoteError: `expression-invalid`.
    """
    other = names_in_value(dict(arguments)).steps
    if other:
        raise NoteError(
            f"The {of} in actions.yaml reads `steps.{min(other)}`; it can read `with`, `result`, `item` "
            "and `plan.id` only.",
            code="expression-invalid",
        )


def _filled(template: Json, own: Mapping[str, Json]) -> Json:
    if isinstance(template, dict):
        return {key: _filled(value, own) for key, value in template.items()}
    if isinstance(template, list):
        return [_filled(value, own) for value in template]
    found = [expression for _, expression in expressions_in(template)]
    if not found or not all(reads_own_argument(expression) for expression in found):
        for expression in found:
            names_in_expression(expression)
        return template
    value = evaluate(template, {"with": dict(own)})
    return template if late_paths(value) else value
