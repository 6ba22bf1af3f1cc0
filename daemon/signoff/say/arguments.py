"""Calls and their arguments, shown exactly: short values in the table, long ones in fences below it.

Nothing is ever cut here: a person approves what is shown.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from signoff.model import Json
from signoff.model.values import is_late
from signoff.say.escape import code, fenced, fenced_json, inline
from signoff.say.view import PlanView
from signoff.say.words import plural

_OF_STEPS = re.compile(r"\$\{\{(?:(?!\}\}).)*?\bsteps\b", re.DOTALL)

LONG = 100
"""Characters of a value as shown; a longer one goes below the table."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Arguments in words for a table cell or a sentence, and the fences that belong below it."""

    brief: str
    below: list[str] = field(default_factory=list)


def reads_steps(value: Json) -> bool:
    """Whether what is filled in comes from other steps."""
    if isinstance(value, str):
        return _OF_STEPS.search(value) is not None
    if isinstance(value, list):
        return any(reads_steps(item) for item in value)
    return isinstance(value, dict) and any(reads_steps(item) for item in value.values())


def show_arguments(
    view: PlanView,
    arguments: Mapping[str, Json],
    *,
    label: str,
    secret: Collection[str] = (),
    known: Mapping[str, Json] | None = None,
    final: bool = False,
) -> Shown:
    """Every argument with its exact value.

    Args:
        view: for its redactor.
        arguments: of one call.
        label: what the call is, for the lines above the fences: `Step 1`.
        secret: names of arguments that the policy hides.
        known: arguments shown already; a long value equal to one of them is said to be the same.
        final: they are as they are sent: what looks like an expression is none.
    """
    briefs: list[str] = []
    below: list[str] = []
    hidden = view.hide(dict(arguments), secret)
    assert isinstance(hidden, dict)  # noqa: S101  as it went in
    for name, value in hidden.items():
        brief, lines = _show(name, value, label, known or {})
        late = not final and is_late(value)
        briefs.append(f"{brief} (filled in when it runs)" if late else brief)
        below.extend(lines)
    return Shown(", ".join(briefs) if briefs else "none", below)


def _show(name: str, value: Json, label: str, known: Mapping[str, Json]) -> tuple[str, list[str]]:
    short = inline(value)
    if len(short) <= LONG and not (isinstance(value, str) and "\n" in value):
        return f"{code(name)} = {short}", []
    same = next((other for other, shown in known.items() if shown == value), None)
    if same is not None:
        return f"{code(name)} = the same as {code(same)}", []
    size = _size(value)
    heading = f"{label}, {code(name)} ({size}):"
    return f"{code(name)}: {size}, below", [heading, *_whole(value), ""]


def _size(value: Json) -> str:
    if isinstance(value, str):
        lines = value.count("\n") + 1
        characters = plural(len(value), "character")
        return characters if lines == 1 else f"{plural(lines, 'line')}, {characters}"
    return plural(len(value), "entry", "entries") if isinstance(value, list | dict) else "one value"


def _whole(value: Json) -> list[str]:
    return fenced(value) if isinstance(value, str) else fenced_json(value)
