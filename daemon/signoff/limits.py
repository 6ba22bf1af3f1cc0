"""Limits: what must hold over a call's final arguments (CEL), in the policy and in plans.

`with` is the arguments, `plan` and `step` what is known of those. A limit holds only if its value
is `true`. One that cannot be evaluated (an argument is missing, a text is compared with a number,
it takes too long) does not hold, and says why; so a limit is never met by accident.

Note that `matches` finds its pattern anywhere in a text: write `^...$` to bind all of it, or use
`endsWith`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from signoff.errors import SignoffError
from signoff.model import Json

if TYPE_CHECKING:
    from lark import Tree

MOST_BYTES = 4096
DEEPEST_NESTING = 32
"""Brackets within brackets."""
DEEPEST_TREE = 600
"""Levels of the syntax tree, of which each pair of brackets makes about ten."""
BUDGET = 100_000
"""Steps of one evaluation: about a fifth of a second, or a list of some thousand items."""


class LimitError(SignoffError):
    """An expression that is not CEL, or is beyond the bounds. `line` and `column` are within it."""

    code = "limit-invalid"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a limit holds; false in a condition where it does not, with a message saying why."""

    holds: bool
    message: str = ""

    def __bool__(self) -> bool:
        return self.holds


def check(expression: str, variables: Sequence[str] = ("with", "plan", "step")) -> None:
    """Refuse an expression that could never hold for its form, before anyone relies on it.

    Args:
        expression: in CEL.
        variables: what it may read.

    Raises:
        LimitError: with line and column within the expression, where it is none.
    """
    from signoff import cel

    unknown = cel.unknown_names(_compiled(expression), variables)
    if unknown:
        there = ", ".join(f"`{name}`" for name in variables)
        raise LimitError(
            f"Nothing is called `{unknown[0][:60]}`.",
            hint=f"It can read {there}, such as `{variables[0]}.NAME`, and call the functions of CEL.",
        )


def holds(
    expression: str,
    arguments: Mapping[str, Json],
    *,
    plan: Mapping[str, Json] | None = None,
    step: Mapping[str, Json] | None = None,
) -> Verdict:
    """Whether a limit holds over the final arguments. Never raises: what cannot be told does not hold."""
    try:
        tree = _compiled(expression)
    except LimitError as error:
        return _not(expression, error.message)
    return _evaluated(
        expression, tree, {"with": dict(arguments), "plan": dict(plan or {}), "step": dict(step or {})}
    )


def truth(expression: str, variables: Mapping[str, Json]) -> bool | None:
    """Whether an expression is true of these values; None where that cannot be told. Never raises."""
    try:
        value = _value(_compiled(expression), variables)
    except LimitError:
        return None
    return value if isinstance(value, bool) else None


def first_broken(
    expressions: Iterable[str],
    arguments: Mapping[str, Json],
    *,
    plan: Mapping[str, Json] | None = None,
    step: Mapping[str, Json] | None = None,
) -> Verdict:
    """The verdict on the first limit that does not hold, or that all do."""
    for expression in expressions:
        if not (verdict := holds(expression, arguments, plan=plan, step=step)):
            return verdict
    return Verdict(holds=True)


def final_arguments(action: Mapping[str, Json], tool: Mapping[str, Json]) -> dict[str, Json]:
    """What `with` stands for: the tool's arguments, and those of the action that it names otherwise.

    Where both have a name, the tool's counts: that is what is sent.
    """
    return {**action, **tool}


def _not(expression: str, why: str) -> Verdict:
    shown = " ".join(expression.split())
    return Verdict(holds=False, message=f"The limit `{shown[:200]}` does not hold: {why.rstrip('.')}.")


def _evaluated(expression: str, tree: Tree[Any], variables: Mapping[str, Json]) -> Verdict:
    value = _value(tree, variables)
    if isinstance(value, str):
        return _not(expression, value)
    # no values in the message: they may be secret
    return Verdict(holds=True) if value else _not(expression, "the arguments are outside it")


def _value(tree: Tree[Any], variables: Mapping[str, Json]) -> bool | str:
    """What an expression comes to; in words, why it comes to nothing."""
    from celpy import celtypes
    from celpy.evaluation import CELEvalError

    from signoff import cel

    try:
        value = cel.evaluate(tree, variables, BUDGET)
    except cel.TooCostly:
        return "it takes too many steps to evaluate"
    except (RecursionError, MemoryError):
        return "it is nested too deeply to evaluate"
    except CELEvalError as error:
        return _reason(error)
    except (ValueError, TypeError, ArithmeticError, AttributeError, LookupError) as error:
        # what celpy lets through untranslated, such as a number beyond 64 bits
        return f"it cannot be evaluated ({error})"
    return bool(value) if isinstance(value, celtypes.BoolType) else "its value is not true or false"


def _reason(error: Exception) -> str:
    """The words of celpy for people: without Python's names, and without values, which may be secret."""
    text = str(error.args[0]) if error.args else "it cannot be evaluated"
    cause = error.args[2] if len(error.args) > 2 else None
    unfit = "its operands do not fit together"
    if text.startswith("no such member in mapping: "):
        return f"there is no {text.removeprefix('no such member in mapping: ')} in it"
    if text.startswith("undeclared reference to "):
        name = text.removeprefix("undeclared reference to ").split(" (in activation", maxsplit=1)[0]
        return f"nothing is called {name}"
    if text.startswith(("found no matching overload", "no such overload")) and cause:
        text = str(cause[0]) if isinstance(cause, tuple) and cause else unfit
    return unfit if "class '" in text or "Type" in text or len(text) > 120 else text


@lru_cache(maxsize=512)
def _compiled(expression: str) -> Tree[Any]:
    """The syntax tree of an expression within the bounds."""
    _refuse_oversize(expression)
    from celpy.celparser import CELParseError

    from signoff import cel

    try:
        tree = cel.parse(expression)
    except CELParseError as error:
        raise LimitError(
            "It is not a valid expression.",
            hint="Limits are written in CEL.",
            line=error.line,
            column=error.column,
        ) from error
    except RecursionError as error:
        raise LimitError("It is nested too deeply.") from error
    _refuse_deep(tree)
    return tree


def _refuse_oversize(expression: str) -> None:
    if not expression.strip():
        raise LimitError("It is empty.")
    if len(expression.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise LimitError(f"It is longer than {MOST_BYTES} bytes.")
    depth = 0
    for character in expression:
        depth += (character in "([{") - (character in ")]}")
        if depth > DEEPEST_NESTING:
            raise LimitError(f"It has brackets more than {DEEPEST_NESTING} deep.")


def _refuse_deep(tree: Tree[Any]) -> None:
    """Refuse a tree on which the evaluator, which recurses, would run out of stack."""
    level, depth = [tree], 0
    while level:
        depth += 1
        level = [child for node in level for child in node.children if hasattr(child, "children")]
        if depth > DEEPEST_TREE:
            raise LimitError("It is nested too deeply, or has too many terms in a row.")
