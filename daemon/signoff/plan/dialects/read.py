"""All dialects together: what agrees is one reading, what differs is a question.

A note is read by every dialect. A complete reading stands if no other one says anything different, be it
complete or not: an incomplete one (a heading that names the action, without the text) only has to fit. If
none is complete, the first question is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from signoff.catalogue import Action, Catalogue
from signoff.errors import NoteError
from signoff.model import Json, Step
from signoff.note.document import Note
from signoff.plan.dialects.action_lists import read_action_list
from signoff.plan.dialects.entries import canonical
from signoff.plan.dialects.fences import read_fences
from signoff.plan.dialects.fields import Material
from signoff.plan.dialects.flat import read_flat
from signoff.plan.dialects.labels import read_labels
from signoff.plan.dialects.phrases import read_phrases
from signoff.plan.dialects.reading import MISSING, Call, Reading
from signoff.plan.dialects.titles import read_title
from signoff.plan.dialects.tool_calls import read_tool_call
from signoff.plan.dialects.unnamed import question_of
from signoff.plan.dialects.values import is_same

Dialect: TypeAlias = "Callable[[Material], Reading | None]"

STRUCTURED: tuple[Dialect, ...] = (read_tool_call, read_action_list, read_fences)
"""Forms that nothing else could be meant by: they count beside an explicit plan too."""
DIALECTS: tuple[Dialect, ...] = (*STRUCTURED, read_flat, read_labels, read_phrases)

WHERE = {
    "tool-call": "the tool in the front matter",
    "action-list": "the list of actions in the front matter",
    "fence": "a block in the body",
    "flat": "the keys of the front matter",
    "labels": "the labels in the body",
    "title": "the title",
    "phrases": "the list of steps",
    "steps": "the list under `## Steps`",
    "front-matter": "`steps:` in the front matter",
    "short": "`action:` in the front matter",
}


def read_dialects(
    note: Note, catalogue: Catalogue, explicit: tuple[str, tuple[Step, ...]] | None
) -> tuple[str, tuple[Step, ...]] | None:
    """The name of a dialect and the steps that a note says in it; None where it is no plan.

    Args:
        note: as parsed.
        catalogue: the actions that there are.
        explicit: what an explicit form says; it is the answer, unless a structured one differs.

    Raises:
        NoteError: the question to the author.
    """
    material = Material(note, catalogue)
    if explicit is not None:
        readings = [
            reading for read in STRUCTURED[1:] if (reading := _read(read, material, explicit)) is not None
        ]
        calls = tuple(Call(step.action, step.arguments, step.line) for step in explicit[1])
        _require_fit(Reading(explicit[0], calls), readings, catalogue)
        return explicit
    readings = [reading for read in DIALECTS if (reading := read(material)) is not None]
    if not readings and (titled := read_title(material)) is not None:
        readings = [titled]
    if not readings:
        if question := question_of(material):
            raise question
        return None
    complete = next((reading for reading in readings if reading.question is None), None)
    if complete is None:
        first = readings[0].question
        assert first is not None  # noqa: S101  none is complete
        raise first
    _require_fit(complete, [reading for reading in readings if reading is not complete], catalogue)
    return complete.dialect, complete.steps()


def _read(read: Dialect, material: Material, explicit: tuple[str, tuple[Step, ...]]) -> Reading | None:
    """A structured reading beside an explicit one; blocks beside `## Steps` are that form's own matter."""
    if explicit[0] == "steps" and read is read_fences:
        return None
    reading = read(material)
    return reading if reading is not None and reading.calls else None


def _require_fit(complete: Reading, others: Sequence[Reading], catalogue: Catalogue) -> None:
    """Asks where another reading says something else than the complete one, or has a question of its own.

    Only what another one merely lacks is no matter.
    """
    for other in others:
        if other.question is not None and other.question.code not in MISSING:
            raise other.question
        if not _fits(complete, other, catalogue):
            one, two = (f"{WHERE[each.dialect]} (line {each.line})" for each in (complete, other))
            raise NoteError(
                f"The note says in two ways what to do, and they differ: {one} and {two}.",
                code="two-readings",
                hint="Keep one of them, or make both say the same.",
                line=max(complete.line, other.line),
            )


def _fits(complete: Reading, other: Reading, catalogue: Catalogue) -> bool:
    """Whether every call of another reading is the same as one of the complete one, as far as it goes."""
    if other.question is None and len(other.calls) != len(complete.calls):
        return False
    known = [canonical(call, catalogue) for call in complete.calls]
    return all(_is_among(canonical(call, catalogue), known, other, catalogue) for call in other.calls)


def _is_among(
    call: tuple[str, Mapping[str, Json]],
    known: Sequence[tuple[str, Mapping[str, Json]]],
    other: Reading,
    catalogue: Catalogue,
) -> bool:
    """Whether a call is one of those that are known; of an incomplete one, as far as it goes."""
    name, given = call
    action = catalogue.find(name)
    for each, wanted in known:
        same = each == name and all(
            key in wanted and is_same(value, wanted[key], _kind(action, key)) for key, value in given.items()
        )
        if same and (other.question is not None or given.keys() == wanted.keys()):
            return True
    return False


def _kind(action: Action | None, key: str) -> str:
    argument = action.argument(key) if action else None
    return argument.kind if argument else "text"
