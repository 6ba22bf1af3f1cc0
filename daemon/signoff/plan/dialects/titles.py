"""A note whose title is the name of a message or a post, with its text under a heading or label.

    # WhatsApp Reply — Ana            # LinkedIn Post Draft
    **To:** Ana                       ## Post Content
    **Status:** Approved              We are hiring.
    ## Message
    At six.                           ## Approval Instructions

The title must be such a name and nothing else, but for what stands after a dash; the note must say that it
waits (a status, a time, a heading on approval); its text must be there. A title alone is only a title.
"""

from __future__ import annotations

import re

from signoff.catalogue import Action, fold_key
from signoff.errors import NoteError
from signoff.plan.dialects.arguments import note_arguments, prose_of
from signoff.plan.dialects.body import Section
from signoff.plan.dialects.fields import Field, Material, question_on
from signoff.plan.dialects.flat import Named, ask_more
from signoff.plan.dialects.headings import heading_key
from signoff.plan.dialects.kinds import is_no_plan, request_of
from signoff.plan.dialects.reading import Reading
from signoff.plan.header import LATER_KEYS

_AROUND = re.compile(
    r"\A(?:draft|new|proposed|request_for|approval_for)_|_(?:draft|request|approval|proposal)\Z"
)
_WAITING = frozenset(
    {
        "approved",
        "pending",
        "needs_action",
        "need_action",
        "needs_approval",
        "action_required",
        "ready",
        "queued",
    }
    | {
        "scheduled",
        "pending_approval",
        "awaiting_approval",
        "pending_review",
        "ready_to_send",
        "ready_to_post",
    }
)
_ON_APPROVAL = re.compile(r"(?:approval|to_approve|how_to_approve|approve)(?:_|\Z)")
_DONE_LABELS = frozenset({"sent", "sent_at", "posted", "posted_at", "published", "published_at", "delivered"})


def read_title(material: Material) -> Reading | None:
    """The one call that the title names; None where it names none, or nothing says that the note waits."""
    if is_no_plan(material) or material.front_by_key.keys() & {"action", "action_type", "with"}:
        return None
    title = next((section for section in material.body.sections if section.level), None)
    action = _named(material, title) if title is not None and not title.theirs else None
    if title is None or action is None or not _waits(material):
        return None
    found = note_arguments(material, action, line=title.line)
    if found.question is not None and found.question.code == "text-missing":
        return None
    named = Named(
        action.name, action, Field(title.title, title.key, title.title, title.line, None, "heading")
    )
    if done := next((label for label in material.labels if label.key in _DONE_LABELS and label.value), None):
        found.ask(_done(done))
    ask_more(material, named, found)
    return Reading("title", (named.call(found.values),), found.question)


def _named(material: Material, title: Section) -> Action | None:
    """The action that sends a text, and whose name, alias or type the title is."""
    if title.level > 2:
        return None
    key = heading_key(title.title)
    for _ in range(3):
        action = material.catalogue.of_type(key) or material.catalogue.find(key)
        if action is not None:
            prose = prose_of(action)
            return action if prose is not None and prose.required else None
        key = _AROUND.sub("", key)
    return None


def _waits(material: Material) -> bool:
    """Whether the note says that something is still to be done with it, or the daemon has taken it up."""
    front = material.front_by_key
    if material.note.section_line is not None:
        return True  # its status is the daemon's then: what was a plan must stay one while it runs
    if request_of(material) is not None or front.keys() & {*LATER_KEYS, "run_at"}:
        return True
    said = [
        material.says("status"),
        *(fold_key(str(each.value)) for each in material.labels if each.key == "status"),
    ]
    return bool(_WAITING & set(said)) or any(
        section.level > 1 and _ON_APPROVAL.match(section.key) for section in material.body.sections
    )


def _done(label: Field) -> NoteError:
    return question_on(
        "done-unclear",
        label,
        f"`{label.name[:40]}: {str(label.value)[:40]}` says that it is done, and yet the note waits.",
        "Delete the line if it is still to be done; else move the note to another folder.",
    )
