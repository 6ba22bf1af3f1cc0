"""`${{ ... }}`: what is filled in at run time, found and checked at check time, and substituted once.

An expression in an argument value or in `for_each` is a reference: `steps.ID.result.path[0].name`,
`steps.ID.ok`, `steps.ID.failed`, `steps.ID.skipped`, `plan.id`, `item`, or a text in quotes. (An
`if` may be more: see `conditions`.)

Rules that keep it safe: what was substituted is data and is never looked at again for `${{`; an
expression is at most 4 KiB; a value that is missing is an error, never an empty text. A hyphen
directly after a letter belongs to the name (`steps.step-1.ok`, `item.first-name`).

The context of an evaluation is `{"steps": {ID: {"ok", "failed", "skipped", "result"}}, "plan":
{"id"}, "item"}`; of a call that belongs to a step, such as its undo, also "with" and "result", the
step's own. Nothing else is within reach.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, TypeAlias

import orjson

from signoff.errors import NoteError
from signoff.model import Json

Path: TypeAlias = "tuple[str | int, ...]"
Context: TypeAlias = "Mapping[str, Json]"

OPEN, CLOSE = "${{", "}}"
LONGEST = 4096
"""Characters of one expression."""
MOST = 1000
"""Expressions in one value."""
LONGEST_TEXT = 4 * 1024 * 1024
"""Characters of one text after substitution."""

OUTCOMES = ("result", "ok", "failed", "skipped")
REFERENCE = re.compile(
    r"\s*(steps|plan|item|with|result)((?:\.[A-Za-z_][A-Za-z0-9_-]*|\[[0-9]{1,9}\]|\['[^']*'\]|\[\"[^\"]*\"\])*)\s*",
    re.ASCII,
)
_PART = re.compile(r"\.([A-Za-z_][A-Za-z0-9_-]*)|\[([0-9]+)\]|\['([^']*)'\]|\[\"([^\"]*)\"\]", re.ASCII)
_QUOTED = re.compile(r"\s*(?:'([^'\\]*)'|\"([^\"\\]*)\")\s*")


class HasArguments(Protocol):
    """A step or a call."""

    @property
    def arguments(self) -> Mapping[str, Json]:
        """Values as written, expressions included."""


@dataclass(frozen=True, slots=True)
class Names:
    """What an expression reads: ids of steps, whether `item`, and whether `with` or `result`."""

    steps: frozenset[str] = frozenset()
    item: bool = False
    own: bool = False

    def __or__(self, other: Names) -> Names:
        """Both together."""
        return Names(self.steps | other.steps, self.item or other.item, self.own or other.own)


# ---------------------------------------------------------------- finding


def expressions_in(value: Json, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Each expression in a value with the path of the text it stands in, in order.

    Raises:
        NoteError: `expression-invalid`, for one that is not closed, too long, or in a name.
    """
    if isinstance(value, str):
        for _, expression in _pieces(value):
            if expression is not None:
                yield path, expression
    elif isinstance(value, dict):
        for key, inner in value.items():
            if OPEN in key:
                raise invalid(key, "an expression can stand in a value, not in a name")
            yield from expressions_in(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from expressions_in(inner, (*path, index))


def late_paths(value: Json) -> frozenset[Path]:
    """The paths of all texts in a value that are filled in at run time."""
    return frozenset(path for path, _ in expressions_in(value))


def late_arguments(step: HasArguments) -> frozenset[Path]:
    """The paths of the arguments of a step or call that are filled in at run time."""
    return late_paths(dict(step.arguments))


def only_expression(text: str) -> str | None:
    """The expression, where the text is nothing but one; else None."""
    pieces = _pieces(text)
    return pieces[0][1] if len(pieces) == 1 and pieces[0][0] == "" else None


def _pieces(text: str) -> list[tuple[str, str | None]]:
    """The text as pairs of literal text and the expression after it (None after the last)."""
    pieces: list[tuple[str, str | None]] = []
    start = 0
    while (begin := text.find(OPEN, start)) >= 0:
        end = text.find(CLOSE, begin)
        if end < 0:
            raise invalid(text[begin:], f"`{OPEN}` is not closed with `{CLOSE}`")
        expression = text[begin + len(OPEN) : end]
        if len(expression) > LONGEST:
            raise invalid(expression, f"it is longer than {LONGEST} characters")
        pieces.append((text[start:begin], expression))
        start = end + len(CLOSE)
    if start < len(text) or not pieces:
        pieces.append((text[start:], None))
    return pieces


# ---------------------------------------------------------------- checking


def names_in_value(value: Json) -> Names:
    """What the expressions in an argument value or `for_each` read.

    Raises:
        NoteError: `expression-invalid`, for anything but references.
    """
    names = Names()
    for count, (_, expression) in enumerate(expressions_in(value)):
        if count >= MOST:
            raise invalid(expression, f"a value has at most {MOST} of them")
        names |= names_in_reference(expression)
    return names


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
    return _parse_reference(expression)[0] == "with"


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


# ---------------------------------------------------------------- evaluating


def evaluate(template: Json, context: Context) -> Json:
    """The value with every expression replaced, once, by what it refers to.

    A text that is only one expression becomes that value, of whatever type; within other text, texts
    go in as they are, and all else as JSON.

    Raises:
        NoteError: `expression-failed`, naming the expression and what is missing;
            `expression-invalid`, for a template that was never checked.
    """
    if isinstance(template, str):
        return _evaluate_text(template, context) if OPEN in template else template
    if isinstance(template, dict):
        return {key: evaluate(inner, context) for key, inner in template.items()}
    if isinstance(template, list):
        return [evaluate(inner, context) for inner in template]
    return template


def _evaluate_text(text: str, context: Context) -> Json:
    """A text with its expressions replaced."""
    pieces = _pieces(text)
    if len(pieces) == 1 and pieces[0][0] == "" and (only := pieces[0][1]) is not None:
        return look_up(only, context)
    done: list[str] = []
    size = 0
    for literal, expression in pieces:
        inserted = "" if expression is None else _as_text(expression, look_up(expression, context))
        size += len(literal) + len(inserted)
        if size > LONGEST_TEXT:
            raise failed(expression or "", f"the text becomes longer than {LONGEST_TEXT} characters")
        done += (literal, inserted)
    return "".join(done)


def _as_text(expression: str, value: Json) -> str:
    """A value within other text."""
    if value is None:
        raise failed(expression, "its value is null, which has no text")
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        raise failed(expression, f"its value cannot be written as JSON ({error})") from error


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
