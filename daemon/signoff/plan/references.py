"""References: what an expression reads, where it is nothing but a path into the context.

`steps.ID.result.path[0].name`, `steps.ID.ok`, `steps.ID.failed`, `steps.ID.skipped`, `plan.id`, `item`, or a
text in quotes. They are looked up as they are, so that a value of whatever kind and size passes through
unchanged. A hyphen directly after a letter belongs to the name (`steps.step-1.ok`, `item.first-name`).

The context of an evaluation is `{"steps": {ID: {"ok", "failed", "skipped", "result"}}, "plan":
{"id"}, "item"}`; of a call that belongs to a step, such as its undo, also "with" and "result", the
step's own. Nothing else is within reach.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from signoff.errors import NoteError
from signoff.model import Json

Path: TypeAlias = "tuple[str | int, ...]"
Context: TypeAlias = "Mapping[str, Json]"

LONGEST = 4096
"""Characters of one expression."""

OUTCOMES = ("result", "ok", "failed", "skipped")
REFERENCE = re.compile(
    r"\s*(steps|plan|item|with|result)((?:\.[A-Za-z_][A-Za-z0-9_-]*|\[[0-9]{1,9}\]|\['[^']*'\]|\[\"[^\"]*\"\])*)\s*",
    re.ASCII,
)
_PART = re.compile(r"\.([A-Za-z_][A-Za-z0-9_-]*)|\[([0-9]+)\]|\['([^']*)'\]|\[\"([^\"]*)\"\]", re.ASCII)
_QUOTED = re.compile(r"\s*(?:'([^'\\]*)'|\"([^\"\\]*)\")\s*")


@dataclass(frozen=True, slots=True)
class Names:
    """What an expression reads: ids of steps, whether `item`, and whether `with` or `result`."""

    steps: frozenset[str] = frozenset()
    item: bool = False
    own: bool = False

    def __or__(self, other: Names) -> Names:
        """Both together."""
        return Names(self.steps | other.steps, self.item or other.item, self.own or other.own)


def is_reference(expression: str) -> bool:
    """Is an expression a reference, or a text in quotes, and so looked up without CEL?"""
    return any(form.fullmatch(expression) is not None for form in (REFERENCE, _QUOTED))


def names_in_reference(expression: str) -> Names:
    """What a reference reads."""
    match _parse_reference(expression):
        case ("steps", str(step), *_):
            return Names(frozenset({step}))
        case ("item", *_):
            return Names(item=True)
        case ("with" | "result", *_):
            return Names(own=True)
    return Names()


def reads_own_argument(expression: str) -> bool:
    """Is an expression a reference to `with`?"""
    return is_reference(expression) and _parse_reference(expression)[0] == "with"


@lru_cache(maxsize=4096)
def _parse_reference(expression: str) -> Path:
    """A reference as the path into the context; a quoted text as `("", text)`."""
    if quoted := _QUOTED.fullmatch(expression):
        return ("", quoted[1] if quoted[1] is not None else quoted[2])
    parsed = REFERENCE.fullmatch(expression)
    if parsed is None:
        raise invalid(
            expression, "here it can only be a reference such as `steps.ID.result.name`, `item` or `plan.id`"
        )
    path: list[str | int] = [parsed[1]]
    for name, index, single, double in _PART.findall(parsed[2]):
        path.append(int(index) if index else name or single or double)
    _check_path(expression, path)
    return tuple(path)


def _check_path(expression: str, path: list[str | int]) -> None:
    """A reference names something that exists in every context."""
    if path[0] == "plan" and path != ["plan", "id"]:
        raise invalid(expression, "of the plan there is only `plan.id`")
    if path[0] == "steps":
        if len(path) < 3 or path[2] not in OUTCOMES:
            raise invalid(
                expression, "of a step there are `steps.ID.result`, `.ok`, `.failed` and `.skipped`"
            )
        if path[2] != "result" and len(path) > 3:
            raise invalid(expression, f"`{path[2]}` is true or false and has nothing inside")


def look_up(expression: str, context: Context) -> Json:
    """The value that a reference refers to."""
    root, *path = _parse_reference(expression)
    if root == "":
        return str(path[0])
    value: Json = dict(context)
    for part in (root, *path):
        try:
            value = _inside(value, part)
        except LookupError:
            raise failed(expression, f"there is no `{part}`; {_what_there_is(value)}") from None
    return value


def _inside(value: Json, part: str | int) -> Json:
    """A named part of an object or an item of a list; a LookupError where there is none."""
    if isinstance(part, str) and isinstance(value, dict):
        return value[part]
    if isinstance(part, int) and isinstance(value, list):
        return value[part]
    raise LookupError(part)


def _what_there_is(value: Json) -> str:
    """In words, what a value offers in place of a missing name."""
    if isinstance(value, dict):
        shown = ", ".join(f"`{key[:40]}`" for key in list(value)[:10])
        return f"there is {shown}" if shown else "it is empty"
    if isinstance(value, list):
        return f"it is a list of {len(value)}"
    return f"it is {'null' if value is None else 'a single value'}"


def invalid(expression: str, why: str) -> NoteError:
    """The error for an expression that can never be worked out."""
    return NoteError(
        f"The expression `{_shown(expression)}` is not valid: {why}.",
        code="expression-invalid",
        hint="References look like ${{ steps.ID.result.name }}.",
    )


def failed(expression: str, why: str) -> NoteError:
    """The error for an expression that could not be worked out this time."""
    return NoteError(f"The expression `{_shown(expression)}` has no value: {why}.", code="expression-failed")


def _shown(expression: str) -> str:
    """An expression as shown to people: on one line, bounded."""
    text = " ".join(expression.split())
    return text if len(text) <= 80 else f"{text[:79]}…"
