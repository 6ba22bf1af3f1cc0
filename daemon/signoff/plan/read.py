"""A note to a plan: one pure, deterministic function from its structure and the catalogue.

Each form of a plan is read by a small reader of its own, which answers None where the note has nothing
of that form. Two forms in one note are a question; so is everything that is nearly a plan. A note that
has none of these explicit forms is read by the dialects (`signoff.plan.dialects`), which know how people
and agents really write. A note in which no reader finds an action is not a plan, and is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from signoff.catalogue import Catalogue
from signoff.errors import NoteError
from signoff.model import Plan, Step
from signoff.note.document import Note
from signoff.plan.dialects.read import WHERE, read_dialects
from signoff.plan.header import read_header
from signoff.plan.items import read_items
from signoff.plan.listed import read_listed
from signoff.plan.order import check_order
from signoff.plan.short import read_short

Reader: TypeAlias = "Callable[[Note, Catalogue], tuple[Step, ...] | None]"

READERS: tuple[tuple[str, Reader], ...] = (
    ("steps", read_items),
    ("front-matter", read_listed),
    ("short", read_short),
)
"""The forms of a plan, by the name that `Plan.dialect` gives them."""

MOST_STEPS = 10_000


def read_plan(note: Note, catalogue: Catalogue, *, fallback_title: str) -> Plan | None:
    """The plan that a note asks for; None where it is not a plan.

    Args:
        note: as parsed.
        catalogue: the actions that there are.
        fallback_title: for a note with neither a title nor a heading; usually the file's name.

    Raises:
        NoteError: the question to the author, with line and column as far as they are known.
    """
    readings = [(dialect, steps) for dialect, read in READERS if (steps := read(note, catalogue)) is not None]
    if len(readings) > 1:
        raise _two_readings(readings)
    said = read_dialects(note, catalogue, readings[0] if readings else None)
    if said is None:
        return None
    dialect, steps = said
    if len(steps) > MOST_STEPS:
        raise NoteError(
            f"The plan has {len(steps)} steps; at most {MOST_STEPS} are read.",
            code="too-many-steps",
            hint="Split it into several plans, with `depends_on` between them.",
            line=steps[MOST_STEPS].line,
        )
    header = read_header(note, fallback_title, strict=bool(readings))
    plan = replace(header, steps=steps, dialect=dialect)
    check_order(plan.steps, plan.mode)
    return plan


def _two_readings(readings: Sequence[tuple[str, tuple[Step, ...]]]) -> NoteError:
    """The question for a note that says in two ways what to do."""
    said = " and ".join(
        f"{WHERE.get(dialect, dialect)} (line {steps[0].line})" for dialect, steps in readings
    )
    return NoteError(
        f"The note says in {len(readings)} places what to do: {said}.",
        code="two-readings",
        hint="Keep one of them.",
        line=readings[-1][1][0].line,
    )
