"""What is filled in at run time, and is known all the same: by a list that stands in the plan.

Each entry of such a list makes one call, and what is wrong with that is a question before anything runs. A
step with a condition may leave entries out, so nothing is said of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import cast

from signoff.errors import NoteError
from signoff.model import Call, FrozenStep, JsonObject, Step, Tool
from signoff.plan.expressions import (
    Context,
    evaluate,
    late_arguments,
    late_paths,
    names_in_value,
    only_references,
)
from signoff.plan.schema import problems


def known_calls(step: FrozenStep, call: Call, plan_id: str) -> Iterator[tuple[FrozenStep, Call]]:
    """A call of a step as it will be made, for each entry of its list; nothing where that is not known yet.

    The step comes with it since its own arguments are filled in too.
    """
    if not late_arguments(call):
        yield step, call
        return
    for context in _contexts(step, call, plan_id):
        own = cast("JsonObject", evaluate(dict(step.arguments), context))
        yield replace(step, arguments=own), _filled(call, context)


def require_fit(step: Step, calls: Iterable[Call], tools: Mapping[str, Tool], plan_id: str) -> None:
    """Every entry of a list in the plan gives arguments that the tools take.

    Raises:
        NoteError: `expression-failed`, `argument-missing`, `argument-unknown`, `argument-invalid`.
    """
    for call in calls:
        contexts = _contexts(step, call, plan_id) if late_arguments(call) else []
        for number, context in enumerate(contexts, 1):
            final = _filled(call, context)
            if wrong := problems(final.arguments, tools[call.name], server=call.server):
                message = f"Entry {number} of `for_each`: {wrong[0].message}"
                raise NoteError(message, code=wrong[0].code, hint=wrong[0].hint)


def _contexts(step: Step | FrozenStep, call: Call, plan_id: str) -> list[Context]:
    """What the expressions of a call will see, for each entry; nothing where that is not known yet."""
    names = names_in_value([dict(step.arguments), dict(call.arguments)])
    listed = isinstance(step.for_each, list) and not late_paths(step.for_each)
    if names.steps or names.own or not listed or step.condition is not None:
        return []
    if not only_references([dict(step.arguments), dict(call.arguments)]):
        return []  # formulas for every entry may take long
    return [{"plan": {"id": plan_id}, "item": item} for item in cast("list[JsonObject]", step.for_each)]


def _filled(call: Call, context: Context) -> Call:
    return replace(call, arguments=cast("JsonObject", evaluate(dict(call.arguments), context)))
