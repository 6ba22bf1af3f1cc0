"""An action named by a bold label or in a table of two columns in the body, with its arguments beside it.

    **Action:** send_email              | Field   | Value           |
    - **To:** ana@example.com           |---------|-----------------|
    - **Subject:** Q4                   | Action  | send_email      |
                                        | To      | ana@example.com |
    ## Message
    Dear Ana,

The label must hold the name of an action or `server.tool` and nothing else ("**Action:** reply to Ana" is
prose), and at least one of its arguments must stand in the note. Where several sections name one each,
every one is a step, with what stands in it. A section that says how it ended is a record.
"""

from __future__ import annotations

from signoff.catalogue import Action, fold_key
from signoff.errors import NoteError
from signoff.model import Json
from signoff.plan.dialects.arguments import note_arguments
from signoff.plan.dialects.entries import Entry as Mapped
from signoff.plan.dialects.entries import Target, target_of
from signoff.plan.dialects.fields import Field, Material
from signoff.plan.dialects.kinds import is_no_plan
from signoff.plan.dialects.reading import Call, Reading

MOST = 50
"""Actions that labels may name in one note: each one is looked for in all of its part."""

_NAMES = {
    "action": "action",
    "action_type": "action",
    "mcp_tool": "tool",
    "tool": "tool",
    "execute": "action",
}
_ENDED = frozenset(
    {"result", "outcome", "response", "executed", "executed_at", "sent", "sent_at", "completed_at"}
)
_ENDINGS = frozenset(
    {
        "success",
        "successful",
        "sent",
        "done",
        "completed",
        "executed",
        "failed",
        "posted",
        "delivered",
        "complete",
    }
)


def read_labels(material: Material) -> Reading | None:
    """The calls that labels in the body name; None where none does."""
    if is_no_plan(material) or _is_named_above(material):
        return None
    named = [(field, target) for field in material.labels if (target := _target(material, field)) is not None]
    records = _records(material) if named else ()
    named = [(field, target) for field, target in named if field.section not in records]
    named = list({(field.section, target.name): (field, target) for field, target in named}.values())
    if not named:
        return None
    if len(named) > MOST:
        hint = "Split it into several notes, or write a list of steps."
        message = f"The note names {len(named)} actions by labels; at most {MOST} are read."
        question = NoteError(message, code="too-many-steps", hint=hint, line=named[MOST][0].line)
        return Reading("labels", (), question)
    alone = len({target.name for _, target in named}) == 1 and len(named) == 1
    readings = [_reading(material, field, target, alone=alone) for field, target in named]
    found = [reading for reading in readings if reading is not None]
    if not found:
        return None
    asked = next((reading.question for reading in found if reading.question), None)
    return Reading("labels", tuple(call for reading in found for call in reading.calls), asked)


def _is_named_above(material: Material) -> bool:
    """Whether the front matter names an action that is none: then the body does not decide."""
    given = (material.front_by_key.get(key) for key in ("action", "action_type"))
    names = [field.value for field in given if field and isinstance(field.value, str)]
    return "with" in material.front_by_key or any(material.catalogue.find(name) is None for name in names)


def _target(material: Material, field: Field) -> Target | None:
    """What a label calls; with the server that another label of its section names."""
    if field.key not in _NAMES or not isinstance(field.value, str):
        return None
    named: dict[str, Json] = {_NAMES[field.key]: _bare(field)}
    server = material.named_servers.get(field.section)
    if server is not None:
        named = {"server": _bare(server), "tool": _bare(field)}
    return target_of(Mapped(named, {}, (), field.line), material.catalogue)


def _bare(field: Field) -> str:
    return str(field.value).strip().strip("`*").strip()


def _records(material: Material) -> frozenset[int]:
    """The sections that say how it ended."""
    return frozenset(
        label.section
        for label in material.labels
        if label.key in _ENDED or (label.key == "status" and fold_key(str(label.value)) in _ENDINGS)
    )


def _reading(material: Material, field: Field, target: Target, *, alone: bool) -> Reading | None:
    action = target.action
    if action is None or not action.arguments or (target.tool is not None and target.tool.names):
        return None  # what it takes is not known, so labels cannot be told from remarks
    sections = None if alone else _part(material, field.section)
    found = note_arguments(material, action, line=field.line, sections=sections)
    if not _says_argument(material, action, sections) and not (found.values and material.note.front is None):
        return None
    return Reading("labels", (Call(target.name, found.values, field.line),), found.question)


def _part(material: Material, section: int) -> range:
    """The section with its subsections."""
    end = material.body.sections[section].end
    last = max(
        number
        for number, each in enumerate(material.body.sections)
        if each.first <= end and number >= section
    )
    while last > section and material.body.sections[last].first > end:
        last -= 1
    return range(section, last + 1)


def _says_argument(material: Material, action: Action, sections: range | None) -> bool:
    """Whether a label names one of the action's arguments."""
    return any(
        action.argument(label.key) is not None and (sections is None or label.section in sections)
        for label in material.labels
    )
