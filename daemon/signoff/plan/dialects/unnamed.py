"""The question for a note that asks for something, and names no action in any form.

It waits for approval (`status: pending_approval`, `requires_approval: true`), it is for a platform, or it
holds a drafted text; and what is to be done with that is only in the author's head. The question says which
line gives that impression, and what to write if it is right.
"""

from __future__ import annotations

import re

from signoff.catalogue import TEXT_NAMES, Action, fold_key
from signoff.errors import NoteError
from signoff.plan.dialects.arguments import prose_of
from signoff.plan.dialects.blanks import placeholder_in
from signoff.plan.dialects.body import BLANK, COMMENT, RULE, TEXT, Section
from signoff.plan.dialects.fields import Field, Material, cells, question_on
from signoff.plan.dialects.headings import PLATFORMS, heading_key, suits
from signoff.plan.dialects.kinds import is_no_plan, is_record, platforms, request_of, was_request
from signoff.plan.dialects.unheaded import drafted_sections
from signoff.plan.dialects.values import addresses

_AUTHORIZED = ("actions_authorized", "authorized_actions", "approved_actions")
_TOOL_COLUMNS = frozenset({"tool", "tool_name", "mcp_tool", "mcp_server", "server"})
_PARAMETER_COLUMNS = frozenset({"parameters", "params", "arguments", "args", "inputs", "tool_inputs"})
_MESSAGE_KINDS = frozenset({"email", "message"})
_ARRIVED = frozenset({"received", "received_at", "message_id", "thread_id", "original_from", "sender"})
_MESSAGES = frozenset({"message", "reply", "dm", "response", "answer"})
_ROW = re.compile(r"[ \t]{0,3}\|.*\|[ \t]*\Z")
_GIVEN = re.compile(r"\w[ \t]*[:=][ \t]*[^\s:=-]")
"""An argument with its value in a cell: `to: ana@example.com`."""
_LEAVE = "If Signoff is to do nothing here, move the note to another folder."
_SHOWN = 60


def question_of(material: Material) -> NoteError | None:
    """What to ask about a note in which no form of plan was found; None where it asks for nothing."""
    if material.note.front is not None and (authorized := _authorized(material)) is not None:
        return authorized
    if is_record(material):
        return None
    if is_no_plan(material):
        return _outgoing(material)
    return (
        _requested(material, request_of(material))
        or _for_platform(material)
        or _drafted(material)
        or _tabled(material)
        or _outgoing(material)
        or _requested(material, was_request(material))
    )


def _outgoing(material: Material) -> NoteError | None:
    """A message that names nothing to be done, has a recipient and a text, and nobody who sent it."""
    front, kind = material.front_by_key, material.says("type")
    to, sender = front.get("to"), front.get("from")
    if to is None or (kind and kind not in _MESSAGE_KINDS) or front.keys() & _ARRIVED:
        return None
    texts = any(section.key in TEXT_NAMES and not section.theirs for section in material.body.sections)
    if not texts or not addresses(str(to.value)) or (sender is not None and addresses(str(sender.value))):
        return None
    return question_on(
        "action-missing",
        to,
        f"It is not plain whether this message is to be sent to `{str(to.value)[:_SHOWN]}`, or came in.",
        f"If it is to be sent, add a line `action: send_email` to the front matter. {_LEAVE}",
    )


def _authorized(material: Material) -> NoteError | None:
    """A list of what somebody allowed, without what it takes to do it."""
    for key in _AUTHORIZED:
        field = material.front_by_key.get(key)
        if field is None or not isinstance(field.value, list) or not field.value:
            continue
        first = field.value[0]
        shown = next(iter(first), "") if isinstance(first, dict) else str(first)
        return question_on(
            "arguments-missing",
            field,
            f"`{field.name}` allows `{shown[:_SHOWN]}`, and says neither to whom nor with what.",
            "Write each as a step: `steps:`, and under it `- action:` with its arguments under `with:`.",
        )
    return None


def _requested(material: Material, field: Field | None) -> NoteError | None:
    """A note that says with this key that it waits for approval."""
    if field is None:
        return None
    draft = _first_draft(material)
    held = f" `{draft.title[:_SHOWN]}` (line {draft.line}) may be its text." if draft else ""
    return question_on(
        "action-missing",
        field,
        f"The note asks for approval, and does not say of which action.{held}",
        f"{_advice(material, draft)} {_LEAVE}",
    )


def _for_platform(material: Material) -> NoteError | None:
    """A note with a platform, a text, and no kind of its own."""
    field = material.front_by_key.get("platform")
    where = platforms(material)
    if field is None or "type" in material.front_by_key or len(where) != 1 or where[0] not in PLATFORMS:
        return None
    if not any(row.kind == TEXT for row in material.body.rows):
        return None
    return question_on(
        "action-missing",
        field,
        f"The note is for `{str(field.value)[:_SHOWN]}`, and does not say what is to be done there.",
        f"{_advice(material, None)} {_LEAVE}",
    )


def _drafted(material: Material) -> NoteError | None:
    """A note with a drafted text."""
    draft = _first_draft(material)
    if draft is None:
        return None
    return NoteError(
        f"`{draft.title[:_SHOWN]}` holds a text, and the note does not say what is to be done with it.",
        code="action-missing",
        hint=f"{_advice(material, draft)} {_LEAVE}",
        line=draft.line,
    )


def _tabled(material: Material) -> NoteError | None:
    """A table of tools and their parameters in words."""
    for section in material.body.sections:
        if section.theirs:
            continue
        named = False
        for row in material.body.own_rows(section):
            if row.kind != TEXT or not _ROW.match(row.text):
                continue
            said = cells(row.text[:1000])
            columns = {fold_key(cell) for cell in said}
            named = named or bool(columns & _TOOL_COLUMNS and columns & _PARAMETER_COLUMNS)
            if named and any(_GIVEN.search(cell) for cell in said):
                return NoteError(
                    "This table names tools with their parameters, which are not read from tables.",
                    code="action-missing",
                    hint=f"Write each call under `## Steps`, with `action:` and `with:`. {_LEAVE}",
                    line=row.line,
                )
    return None


def _first_draft(material: Material) -> Section | None:
    """The first section with a drafted text that is not a template's."""
    for _, section in drafted_sections(material.body):
        rows = material.body.rows[section.first : section.end]
        filled = [row.text for row in rows if row.kind not in {BLANK, COMMENT, RULE}]
        if filled and not any("{{" in text for text in filled) and not _is_blank(filled):
            return section
    return None


def _is_blank(rows: list[str]) -> bool:
    """Whether one short row stands there that is still to be filled in."""
    return len(rows) == 1 and placeholder_in(rows[0]) is not None


def _advice(material: Material, draft: Section | None) -> str:
    """What to write for the action that the note seems to be about."""
    action = _suggested(material, draft)
    if action is None:
        return "Name it: a line `action: NAME`, such as `action: send_email`, and what it takes."
    prose = prose_of(action)
    taken = [f"`{each.name}: ...`" for each in action.arguments if each.required and each is not prose]
    *first, last = [f"`action: {action.name}`", *taken]
    lines = f"{', '.join(first)} and {last}" if first else last
    done = "sent" if any(each.required and each is not prose for each in action.arguments) else "posted"
    text = "" if draft and suits(draft.title, action) else ", and put the text under `## Message`"
    return f"To have it {done}, add {lines} to the front matter{text}."


def _suggested(material: Material, draft: Section | None) -> Action | None:
    """The action that the words of the draft's heading, the platform or the source name."""
    words = heading_key(draft.title).split("_") if draft else []
    source = material.says("source") if draft else ""  # where a request came from says little by itself
    where = [word for word in (*words, *platforms(material), source) if word in PLATFORMS]
    if not where:
        return None
    place = PLATFORMS[where[0]]
    noun = next((word for word in words if word in _MESSAGES), "")
    names = [f"{place}_{noun}", f"{place}_message"] if noun else [f"{place}_post", place]
    if place == "email":
        names = ["email"]
    found = (material.catalogue.find(name) for name in names)
    return next((action for action in found if action is not None), None)
