"""Arguments against a tool's input schema, in plain words.

A problem names the argument as the person wrote it and says what to write instead. Stricter than
JSON Schema in one point: where a schema lists its properties and does not say what it thinks of
others, an argument that is not among them is a question, because a server that silently ignores it
would not do what the person approved.

Arguments that are filled in at run time count as present; what they will hold is checked right
before the call.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from jsonschema.exceptions import ValidationError

from signoff.errors import NoteError
from signoff.model import Json, Tool
from signoff.plan.expressions import Path, only_expression
from signoff.plan.validator import BrokenSchema, extra_properties, violations
from signoff.plan.wording import Problem, Words

_SHAPE = frozenset(
    {"required", "additionalProperties", "minItems", "maxItems", "minProperties", "maxProperties"}
    | {"dependentRequired", "type"}
)
"""Keywords that a value still to be filled in, somewhere inside, cannot change."""
_ELSEWHERE = frozenset(
    {"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "dependentSchemas", "patternProperties"}
)
"""Keywords beside `properties` that may know further arguments."""


def problems(
    arguments: Mapping[str, Json],
    tool: Tool,
    *,
    server: str,
    late: Collection[Path] = (),
    written_as: Mapping[str, str] | None = None,
) -> tuple[Problem, ...]:
    """What is wrong with the arguments of a call, the most telling first; empty where nothing is.

    Args:
        arguments: in the tool's argument names.
        tool: with its input schema.
        server: its name, for messages.
        late: the paths of the arguments that are filled in at run time.
        written_as: how the person wrote an argument, where its name differs from the tool's.

    Raises:
        NoteError: `schema-broken`, where the server's schema cannot be used.
    """
    called = Words(tool, f"{server}.{tool.name}", written_as or {})
    values = dict(arguments)
    try:
        found = [
            violation
            for violation in violations(tool.input_schema, values)
            if not _still_open(violation, late)
        ]
        silent = _silently_ignored(values, tool.input_schema)
    except BrokenSchema as error:
        raise NoteError(
            f"The server `{server}` describes `{tool.name}` by a schema that cannot be used: {error}.",
            code="schema-broken",
            hint=f"Nothing is wrong with the note: the server `{server}` needs mending or updating.",
        ) from error
    told = [called.unknown((), name, values) for name in silent]
    for violation in found:
        told += called.tell(violation, values)
    order = ("argument-unknown", "argument-missing", "argument-invalid")
    return tuple(sorted(dict.fromkeys(told), key=lambda problem: order.index(problem.code)))


def _silently_ignored(values: Mapping[str, Json], schema: Mapping[str, Any]) -> list[str]:
    """The arguments that a schema neither lists nor says anything of."""
    if "properties" not in schema or "additionalProperties" in schema or _ELSEWHERE & schema.keys():
        return []
    return extra_properties(values, schema)


def _still_open(error: ValidationError, late: Collection[Path]) -> bool:
    """Whether what is wrong may be right once the late arguments are filled in."""
    where = tuple(error.absolute_path)
    if where in late:
        value = error.instance
        # Within other text it can only become a text.
        return not (error.validator == "type" and isinstance(value, str) and only_expression(value) is None)
    inside = any(path[: len(where)] == where for path in late)
    return inside and error.validator not in _SHAPE
