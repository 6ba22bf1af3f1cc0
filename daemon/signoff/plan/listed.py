"""The form for programs: a list `steps` in the front matter, of mappings with the keys of a step.

Where nothing in that list has an action it is something else (a recipe has `steps` too), unless the
note has other keys that only plans have: then an empty list is a question.
"""

from __future__ import annotations

from signoff.catalogue import Catalogue
from signoff.errors import NoteError
from signoff.model import Json, Step
from signoff.note.document import Front, Note
from signoff.plan.steps import STEP_KEYS, Source, read_step

_ONLY_OF_PLANS = frozenset({"action", "with", "mode", "on_failure", "depends_on", "run_at", "proposed_by"})


def read_listed(note: Note, catalogue: Catalogue) -> tuple[Step, ...] | None:  # noqa: ARG001  a reader's form
    """The steps of the list `steps`; None where there is none with an action.

    Raises:
        NoteError: the question to the author.
    """
    if note.front is None or "steps" not in note.front.values:
        return None
    value = note.front.values["steps"]
    if not value:
        if _ONLY_OF_PLANS & note.front.values.keys():
            raise _question(note.front, "steps-empty", "`steps` is empty.", "Add a step, or delete the line.")
        return None
    if not _has_action(value):
        return None
    if not isinstance(value, list):
        raise _question(
            note.front, "wrong-type", "`steps` must be a list.", "Begin each step with `- action: NAME`."
        )
    return tuple(_step(note.front, value, number) for number in range(1, len(value) + 1))


def _step(front: Front, steps: list[Json], number: int) -> Step:
    """One entry of the list; its `name` is for people."""
    prefix = ("steps", number - 1)
    place = front.places.get(prefix) or front.places.get(("steps",))
    source = Source.of(steps[number - 1], front.places, prefix, place.line if place else 1, f"step {number}")
    source.only((*STEP_KEYS, "name"))
    name = source.text("name") if "name" in source.values else ""
    others = {key: value for key, value in source.values.items() if key != "name"}
    return read_step(source.holding(others), number, name=name, line=source.line)


def _has_action(value: Json) -> bool:
    """Whether an entry has `action` or `with`."""
    entries = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
    return any(
        isinstance(entry, dict) and ("action" in entry or "with" in entry) for entry in [value, *entries]
    )


def _question(front: Front, code: str, message: str, hint: str) -> NoteError:
    place = front.places.get(("steps",))
    return NoteError(
        message, code=code, hint=hint, line=place.line if place else 1, column=place.column if place else None
    )
