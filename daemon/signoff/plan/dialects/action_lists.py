"""A list `actions` in the front matter, of mappings; or the same as JSON in a text.

    ---
    actions:
      - action: send_email
        params: {to: ana@example.com, subject: Q4, body: Hello}
      - tool: slack.post_message
        arguments: {channel: sales, text: Sent.}
    ---

A list of texts (`actions: [review, reply]`) is no plan: it names nothing that could be called exactly.
"""

from __future__ import annotations

from collections.abc import Mapping

from signoff.errors import NoteError
from signoff.model import Json
from signoff.note.front import load_fragment
from signoff.note.places import Path, Place
from signoff.plan.dialects.entries import Entry, read_entry, target_of
from signoff.plan.dialects.fields import Material
from signoff.plan.dialects.kinds import is_no_plan
from signoff.plan.dialects.reading import Call, Reading

KEYS = ("actions", "tool_calls", "mcp_calls", "proposed_actions")


def read_action_list(material: Material) -> Reading | None:
    """The calls of the list; None where none of its entries can be called."""
    front = material.note.front
    if front is None or is_no_plan(material):
        return None
    for key in KEYS:
        field = material.front_by_key.get(key)
        if field is None:
            continue
        value, places = front.values[field.name], front.places
        prefix: Path = (field.name,)
        if isinstance(value, str) and value.lstrip()[:1] in {"[", "{"}:
            try:
                value, places = load_fragment(
                    value, first_line=field.line, column_offset=field.column or 0, language="json"
                )
                prefix = ()
            except NoteError as error:
                return Reading("action-list", (), error)
        reading = read_entries(material, "action-list", value, places, prefix=prefix, line=field.line)
        if reading is not None:
            return reading
    return None


def read_entries(
    material: Material, dialect: str, value: Json, places: Mapping[Path, Place], *, prefix: Path, line: int
) -> Reading | None:
    """The calls of a list of mappings, or of one mapping; None where nothing in it can be called."""
    values = value if isinstance(value, list) else [value]
    paths = [(*prefix, number) for number in range(len(values))] if isinstance(value, list) else [prefix]
    entries = [
        Entry(each, places, path, places[path].line if path in places else line)
        for each, path in zip(values, paths, strict=True)
        if isinstance(each, dict)
    ]
    targets = [target_of(entry, material.catalogue) for entry in entries]
    if not any(targets):
        return None
    calls: list[Call] = []
    question: NoteError | None = None
    if len(entries) != len(values) or not all(targets):
        odd = next(
            (entry.line for entry, target in zip(entries, targets, strict=True) if target is None), line
        )
        question = NoteError(
            "Not every entry of the list names an action that is known.",
            code="unknown-action",
            hint="Give each an `action:` of the catalogue or a `tool:` as `server.tool`.",
            line=odd,
        )
    for entry, target in zip(entries, targets, strict=True):
        if target is None:
            continue
        try:
            call, asked = read_entry(entry, target)
            calls.append(call)
            question = question or asked
        except NoteError as error:
            question = question or error
    return Reading(dialect, tuple(calls), question)
