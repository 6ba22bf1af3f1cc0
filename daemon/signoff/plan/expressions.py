"""`${{ ... }}`: what is filled in at run time, found and checked at check time, and substituted once.

An expression in an argument value or in `for_each` is a reference (`references`), which gives a value as it
is, or a formula in CEL (`formulas`) over the same context.

Rules that keep it safe: what was substituted is data and is never looked at again for `${{`; an
expression is at most 4 KiB; a value that is missing is an error, never an empty text. The first `}}` ends an
expression: in a formula, write `} }` for two brackets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

import orjson

from signoff.model import Json
from signoff.model.values import CLOSE, OPEN
from signoff.plan.formulas import Workings, names_in_formula
from signoff.plan.references import (
    LONGEST,
    Context,
    Names,
    Path,
    failed,
    invalid,
    is_reference,
    look_up,
    names_in_reference,
    reads_own_argument,
)

__all__ = [
    "CLOSE",
    "LONGEST",
    "LONGEST_TEXT",
    "MOST",
    "OPEN",
    "Context",
    "Names",
    "Path",
    "evaluate",
    "expressions_in",
    "late_arguments",
    "late_paths",
    "names_in_expression",
    "names_in_value",
    "only_expression",
    "only_references",
    "reads_own_argument",
]

MOST = 1000
"""Expressions in one value."""
LONGEST_TEXT = 4 * 1024 * 1024
"""Characters of one text after substitution."""


class HasArguments(Protocol):
    """A step or a call."""

    @property
    def arguments(self) -> Mapping[str, Json]:
        """Values as written, expressions included."""


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
        NoteError: `expression-invalid`, for what is neither a reference nor a formula.
    """
    names = Names()
    for count, (_, expression) in enumerate(expressions_in(value)):
        if count >= MOST:
            raise invalid(expression, f"a value has at most {MOST} of them")
        names |= names_in_expression(expression)
    return names


def names_in_expression(expression: str) -> Names:
    """What a reference or a formula reads.

    Raises:
        NoteError: `expression-invalid`.
    """
    return names_in_reference(expression) if is_reference(expression) else names_in_formula(expression)


def only_references(value: Json) -> bool:
    """Is every expression in a value a plain reference, which costs nothing to look up?"""
    return all(is_reference(expression) for _, expression in expressions_in(value))


# ---------------------------------------------------------------- evaluating


def evaluate(template: Json, context: Context) -> Json:
    """The value with every expression replaced, once, by what it refers to.

    A text that is only one expression becomes that value, of whatever type; within other text, texts
    go in as they are, and all else as JSON.

    Raises:
        NoteError: `expression-failed`, naming the expression and what is missing;
            `expression-invalid`, for a template that was never checked.
    """
    return _evaluated(template, context, Workings(context))


def _evaluated(template: Json, context: Context, workings: Workings) -> Json:
    """The same; the formulas of a whole value share what they may cost."""
    if isinstance(template, str):
        return _evaluate_text(template, context, workings) if OPEN in template else template
    if isinstance(template, dict):
        return {key: _evaluated(inner, context, workings) for key, inner in template.items()}
    if isinstance(template, list):
        return [_evaluated(inner, context, workings) for inner in template]
    return template


def _evaluate_text(text: str, context: Context, workings: Workings) -> Json:
    """A text with its expressions replaced."""
    pieces = _pieces(text)
    if len(pieces) == 1 and pieces[0][0] == "" and (only := pieces[0][1]) is not None:
        return _value(only, context, workings)
    done: list[str] = []
    size = 0
    for literal, expression in pieces:
        value = "" if expression is None else _value(expression, context, workings)
        inserted = _as_text(expression or "", value)
        size += len(literal) + len(inserted)
        if size > LONGEST_TEXT:
            raise failed(expression or "", f"the text becomes longer than {LONGEST_TEXT} characters")
        done += (literal, inserted)
    return "".join(done)


def _value(expression: str, context: Context, workings: Workings) -> Json:
    return look_up(expression, context) if is_reference(expression) else workings.value(expression)


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
