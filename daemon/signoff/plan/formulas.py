"""Formulas: expressions in CEL over `steps`, `plan` and `item`, for conditions and for values.

Here only the tokens are looked at, to find what is read and to write `steps.step-1.ok`, where the hyphen
belongs to the id, in a way that CEL understands. The grammar is for CEL's own parser to judge. CEL is loaded
only where a plan needs it. Bounds: 4 KiB, brackets 32 deep, and a number of steps for an evaluation; all
formulas of one value share these. Numbers are of 64 bits at most, and a value that JSON cannot carry (bytes,
times, infinity) is an error.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from signoff.model import SURVIVES_ALL, Json
from signoff.plan.references import LONGEST, OUTCOMES, Context, Names, failed, invalid

if TYPE_CHECKING:
    from lark import Tree

    from signoff.cel import Evaluation

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
_ALWAYS = re.compile(r"\s*\(\s*\)")
_PLAN_ID = re.compile(r"\s*\.\s*id\b(?!\s*[.\[])", re.ASCII)
_OF_FAILURES = frozenset({"failed", "skipped"})
_LOOPS = frozenset({"all", "exists", "exists_one", "filter", "map"})
_FUNCTIONS = frozenset(
    {"size", "type", "dyn", "int", "uint", "double", "string", "bool", "bytes"}
) | frozenset({"timestamp", "duration", "has", "matches"})
_METHODS = (
    _LOOPS
    | frozenset({"size", "matches", "contains", "startsWith", "endsWith"})
    | frozenset(
        f"get{part}"
        for part in ("Date", "DayOfMonth", "DayOfWeek", "DayOfYear", "FullYear", "Hours", "Milliseconds")
    )
    | frozenset({"getMinutes", "getMonth", "getSeconds"})
)
_CONSTANTS = frozenset({"true", "false", "null", "in"})


def names_in_formula(expression: str, *, condition: bool = False) -> Names:
    """What a formula reads.

    Args:
        expression: the formula.
        condition: it is an `if`, where there is `always()`, and neither `with` nor `result`.

    Raises:
        NoteError: `expression-invalid`.
    """
    return _compiled(expression, condition)[0]


def survived_in_formula(expression: str) -> frozenset[str]:
    """The steps whose failure a condition asks for.

    Raises:
        NoteError: `expression-invalid`.
    """
    return frozenset(_translate(expression, condition=True).survived)


def _translate(expression: str, *, condition: bool) -> _Reading:
    """A formula with what it reads, as CEL understands it, and which failures it survives."""
    _check_size(expression)
    reading = _Reading(expression, condition)
    reading.known |= set() if condition else {"with", "result"}
    while reading.position < len(expression):
        reading.read_token()
    return reading


@dataclass(slots=True)
class _Reading:
    """A formula, as far as it was read.

    Attributes:
        known: names that may begin a path here.
        steps, item, own, survived: what was found.
        written: the formula for CEL.
        before: the token before, white space left out.
    """

    expression: str
    condition: bool
    position: int = 0
    known: set[str] = field(default_factory=lambda: {"plan", "item", *_CONSTANTS})
    steps: set[str] = field(default_factory=set)
    survived: set[str] = field(default_factory=set)
    item: bool = False
    own: bool = False
    written: list[str] = field(default_factory=list)
    before: str = ""

    def read_token(self) -> None:
        """The next token, and what it means."""
        word = _next_token(self.expression, self.position)
        self.position += len(word)
        called = self.expression[self.position :].lstrip().startswith("(")
        root = self.before != "."
        if word == "steps" and root:
            step, outcome, self.position = _step_reference(self.expression, self.position)
            self.steps.add(step)
            self.survived |= {step} if outcome in _OF_FAILURES else set()
            word = f'steps["{step}"].{outcome}'
        elif word == "always" and root and self.condition:
            word, self.position = _always(self.expression, self.position)
            self.survived.add(SURVIVES_ALL)
        elif called and word in _LOOPS:
            self.known |= set(re.findall(r"\A\s*\(\s*([A-Za-z_]\w*)\s*,", self.expression[self.position :]))
        elif called:
            _check_function(self.expression, word, _FUNCTIONS if root else _METHODS)
        elif root:
            _check_known(self.expression, word, self.known)
        if word == "plan" and root and not _PLAN_ID.match(self.expression, self.position):
            raise invalid(self.expression, "of the plan there is only `plan.id`")
        self.item |= root and word == "item"
        self.own |= root and word in {"with", "result"} and not self.condition
        self.written.append(word)
        self.before = word.strip() or self.before


def _always(expression: str, position: int) -> tuple[str, int]:
    """`always()` for CEL, and where it ends."""
    found = _ALWAYS.match(expression, position)
    if found is None:
        raise invalid(expression, "write `always()`, with nothing in its brackets")
    return "true", found.end()


def _check_known(expression: str, word: str, known: set[str]) -> None:
    """A name at the start of a path is one of those that there are."""
    if word.isidentifier() and word not in known:
        raise invalid(expression, f"`{word}` is not known here; there are `steps`, `plan` and `item`")


def _check_function(expression: str, word: str, known: frozenset[str]) -> None:
    """What is called is one of the functions that there are; `in (...)` is no call."""
    if word.isidentifier() and word not in known | _CONSTANTS:
        raise invalid(expression, f"there is no function `{word}` here")


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
    """The id after `steps`, what is read of it, and where the reference ends."""
    found = _OF_STEP.match(expression, position)
    if found is None or found[4] not in OUTCOMES:
        raise invalid(expression, "of a step there are `steps.ID.result`, `.ok`, `.failed` and `.skipped`")
    step = found[1] or found[2] or found[3] or ""
    return step, found[4], found.end()


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


class Workings:
    """The formulas of one value, or one condition: they share a context and a number of steps."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._evaluation: Evaluation | None = None

    def value(self, expression: str, *, condition: bool = False) -> Json:
        """What a formula comes to.

        Raises:
            NoteError: `expression-failed`; `expression-invalid`, for one that was never checked.
        """
        tree = _compiled(expression, condition)[1]

        from celpy.evaluation import CELEvalError

        from signoff import cel

        try:
            self._evaluation = self._evaluation or cel.Evaluation(self._context, BUDGET)
            value = cel.to_json(self._evaluation.value(tree))
        except cel.TooCostly:
            raise failed(
                expression, "it takes too many steps to work out, or too many values to look through"
            ) from None
        except (RecursionError, MemoryError):
            raise failed(expression, "it is nested too deep to work out") from None
        except (CELEvalError, ValueError, TypeError, ArithmeticError, AttributeError, LookupError) as error:
            raise failed(expression, _in_words(error)) from error
        if isinstance(value, float) and not math.isfinite(value):
            raise failed(expression, "it is no number that JSON can carry")
        return value


@lru_cache(maxsize=512)
def _compiled(expression: str, condition: bool) -> tuple[Names, Tree[Any]]:  # noqa: FBT001  a key of the cache
    """What a formula reads, and its syntax tree."""
    reading = _translate(expression, condition=condition)
    names = Names(frozenset(reading.steps), reading.item, reading.own)

    from celpy.celparser import CELParseError

    from signoff import cel

    try:
        return names, cel.parse("".join(reading.written))
    except (CELParseError, RecursionError) as error:
        raise invalid(expression, f"it is not valid {'as a condition' if condition else 'CEL'}") from error


def _in_words(error: Exception) -> str:
    """The first line of what CEL says, without its inner state."""
    said = str(error.args[0] if error.args else error)
    cause = error.args[2] if len(error.args) > 2 else None
    if "overload" in said or isinstance(error, TypeError):
        said = str(cause[0]) if isinstance(cause, tuple) and cause else ""
        said = said if "cannot be compared" in said else "its parts are of kinds that do not go together"
    return said.partition(" (in activation")[0].partition("\n")[0][:200]
