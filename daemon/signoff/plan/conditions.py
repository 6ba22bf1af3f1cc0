"""`if`: conditions in CEL over `steps`, `plan` and `item`.

A condition that is a plain reference (`steps.proposal.ok`) is looked up without CEL, which is loaded
only where a plan needs it. Bounds: 4 KiB, brackets 32 deep, and a number of steps for an evaluation.
Its value must be true or false.

Here only the tokens are looked at, to find what is read and to write `steps.step-1.ok`, where the
hyphen belongs to the id, in a way that CEL understands. The grammar is for CEL's own parser to judge.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from signoff.plan.expressions import (
    LONGEST,
    OUTCOMES,
    REFERENCE,
    Context,
    Names,
    failed,
    invalid,
    look_up,
    names_in_reference,
)

if TYPE_CHECKING:
    from lark import Tree

DEEPEST = 32
"""Brackets within brackets."""
BUDGET = 50_000
"""Steps of one evaluation; some tenths of a second at most."""

_TOKEN = re.compile(
    r"""\s+|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[A-Za-z_][A-Za-z0-9_]*|\d[A-Za-z0-9_.]*|.""", re.ASCII
)
_OF_STEP = re.compile(
    r"""\s*(?:\.\s*([A-Za-z_][A-Za-z0-9_-]{0,63})|\[\s*(?:'([^'"\\]*)'|"([^'"\\]*)")\s*\])\s*\.\s*([A-Za-z_]\w*)""",
    re.ASCII,
)
_LOOPS = frozenset({"all", "exists", "exists_one", "filter", "map"})
_CONSTANTS = frozenset({"true", "false", "null", "in"})


def names_in_condition(expression: str) -> Names:
    """What a condition reads.

    Raises:
        NoteError: `expression-invalid`, for what is not a condition over `steps`, `plan` and `item`.
    """
    if REFERENCE.fullmatch(expression):
        return names_in_reference(expression)
    return _compiled(expression)[0]


def holds(expression: str, context: Context) -> bool:
    """Whether a condition holds; `context` as in `expressions`.

    Raises:
        NoteError: `expression-failed`, where it cannot be worked out or is neither true nor false;
            `expression-invalid`, for one that was never checked.
    """
    plain = REFERENCE.fullmatch(expression) is not None
    value = look_up(expression, context) if plain else _worked_out(expression, context)
    if not isinstance(value, bool):
        raise failed(expression, "it is neither true nor false")
    return value


def _translate(expression: str) -> tuple[Names, str]:
    """What a condition reads, and the condition with each `steps.ID` written as `steps["ID"]`."""
    _check_size(expression)
    steps: set[str] = set()
    known = {"plan", "item", *_CONSTANTS}
    written: list[str] = []
    item, position, before = False, 0, ""
    while position < len(expression):
        word = _next_token(expression, position)
        position += len(word)
        called = expression[position:].lstrip().startswith("(")
        root = before != "."
        if word == "steps" and root:
            step, word, position = _step_reference(expression, position)
            steps.add(step)
        elif called and word in _LOOPS:
            known |= set(re.findall(r"\A\s*\(\s*([A-Za-z_]\w*)\s*,", expression[position:]))
        elif root and not called:
            _check_known(expression, word, known)
        item |= root and word == "item"
        written.append(word)
        before = word.strip() or before
    return Names(frozenset(steps), item), "".join(written)


def _check_known(expression: str, word: str, known: set[str]) -> None:
    """A name at the start of a path is one of those that there are."""
    if word.isidentifier() and word not in known:
        raise invalid(expression, f"`{word}` is not known here; there are `steps`, `plan` and `item`")


def _next_token(expression: str, position: int) -> str:
    """The token at a position; comments and the rarer forms of text are refused."""
    found = _TOKEN.match(expression, position)
    word = found[0] if found else ""
    after = expression[position + len(word) : position + len(word) + 1]
    odd_text = word[:1] in ("'", '"') and (len(word) == 1 or after in ("'", '"'))
    prefixed = word.isidentifier() and after in ("'", '"') and after != ""
    if not word or odd_text or prefixed or (word == "/" and after == "/"):
        raise invalid(expression, "write texts as '...', and no comments")
    return word


def _step_reference(expression: str, position: int) -> tuple[str, str, int]:
    """The id after `steps`, the reference in CEL, and where it ends."""
    found = _OF_STEP.match(expression, position)
    if found is None or found[4] not in OUTCOMES:
        raise invalid(expression, "of a step there are `steps.ID.result`, `.ok`, `.failed` and `.skipped`")
    step = found[1] or found[2] or found[3] or ""
    return step, f'steps["{step}"].{found[4]}', found.end()


def _check_size(expression: str) -> None:
    """Bounds that a parser and an evaluator can carry."""
    if not expression.strip():
        raise invalid(expression, "it is empty")
    if len(expression) > LONGEST:
        raise invalid(expression, f"it is longer than {LONGEST} characters")
    depth = deepest = 0
    for character in expression:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    if deepest > DEEPEST:
        raise invalid(expression, f"brackets are nested more than {DEEPEST} deep")


def _worked_out(expression: str, context: Context) -> object:
    """The value that CEL gives a condition; a bool where it is one."""
    _, tree = _compiled(expression)

    from celpy.celtypes import BoolType
    from celpy.evaluation import CELEvalError

    from signoff import cel

    try:
        value = cel.evaluate(tree, context, BUDGET)
    except cel.TooCostly:
        raise failed(expression, "it takes too many steps to work out") from None
    except (RecursionError, MemoryError):
        raise failed(expression, "it is nested too deep to work out") from None
    except (CELEvalError, ValueError, TypeError, ArithmeticError, AttributeError, LookupError) as error:
        raise failed(expression, _in_words(error)) from error
    return bool(value) if isinstance(value, BoolType) else value


@lru_cache(maxsize=512)
def _compiled(expression: str) -> tuple[Names, Tree[Any]]:
    """What a condition reads, and its syntax tree."""
    names, text = _translate(expression)

    from celpy.celparser import CELParseError

    from signoff import cel

    try:
        return names, cel.parse(text)
    except (CELParseError, RecursionError) as error:
        raise invalid(expression, "it is not a valid condition") from error


def _in_words(error: Exception) -> str:
    """The first line of what CEL says, without its inner state."""
    said = str(error.args[0] if error.args else error)
    cause = error.args[2] if len(error.args) > 2 else None
    if "overload" in said or isinstance(error, TypeError):
        said = str(cause[0]) if isinstance(cause, tuple) and cause else ""
        said = said if "cannot be compared" in said else "its parts are of kinds that do not go together"
    return said.partition(" (in activation")[0].partition("\n")[0][:200]
