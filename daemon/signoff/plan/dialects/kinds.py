"""What a note says that it is: a request for an action, or something that only speaks of actions.

E-mails and messages received, records of what was done, briefings, logs, dashboards, templates' manuals:
their fields look like those of a plan, and mean something else.
"""

from __future__ import annotations

import re
from itertools import islice

from signoff.catalogue import fold_key
from signoff.plan.dialects.body import BLANK, TEXT
from signoff.plan.dialects.fields import Field, Material


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_RECEIVED = _words(
    "email email_inquiry message whatsapp whatsapp_message sms facebook_message instagram_message"
    " linkedin_message slack_message notification file_drop inbox_item lead inquiry bug_report event"
    " business_event call"
)
"""What came in. An action named in such a note is what somebody thinks should follow, not its order."""
_RECORDS = _words(
    "action_completed approval_record approval_log log audit audit_log report ceo_briefing briefing"
    " daily_briefing weekly_briefing dashboard documentation handbook guide manual template readme"
    " index meeting_notes journal daily_note summary completion_report execution_log receipt"
    " transaction full_vault_audit skill reference test_file scheduled_trigger alert"
)
"""What was done, or what is only to be read."""
_DONE = frozenset({"posted", "sent", "executed", "published", "completed", "processed", "delivered", "paid"})
"""Values of `status` that the daemon does not write, and that say it has happened already."""
_DONE_KEYS = _words(
    "executed_at completed_at posted_at sent_at published_at post_url execution_result sent_message_id"
)
_SAYS_DONE = re.compile(
    r"[ \t]*[*_]{1,2}(?:posted|sent|published|executed|delivered|paid)(?: (?:at|on|to|via) [^:*_]{1,40})?"
    r":?[*_]{0,2}:?[ \t]+[^\n]{0,20}\d",
    re.IGNORECASE,
)
"""A remark in italics or bold with the time at which it happened, as executors leave it."""
_ARRIVED_KEYS = frozenset(
    {"received", "received_at", "message_id", "thread_id", "original_from", "sender", "from"}
)
_LAST = 8
"""Filled rows at the end of a note in which such a remark counts."""
_REQUESTS = _words(
    "approval_request approval approval_required approval_needed pending_approval action_request"
    " request_for_approval"
)
_WAITS = _words(
    "pending_approval awaiting_approval waiting_for_approval approval_pending needs_approval approval_needed"
    " approval_required pending_human_approval awaiting_human_approval ready_for_approval waiting_approval"
    " ready_to_send ready_to_post ready_to_publish"
)
"""Values of `status` that say that the note waits for approval. (`pending` alone may be a task.)"""
_NEEDS = (
    "requires_approval",
    "approval_required",
    "needs_approval",
    "approval_needed",
    "requires_human_approval",
)
_YES = frozenset({"true", "yes"})


def is_no_plan(material: Material) -> bool:
    """Whether the note says of itself that it asks for nothing."""
    if is_record(material):
        return True
    arrived = material.front_by_key.keys() & _ARRIVED_KEYS
    return material.says("type") in _RECEIVED and ("action" not in material.front_by_key or bool(arrived))


def is_record(material: Material) -> bool:
    """Whether the note says what was done, or is only to be read."""
    kind, status = material.says("type"), material.says("status")
    if kind in _RECORDS or status in _DONE or material.front_by_key.keys() & _DONE_KEYS:
        return True
    if any(section.key.startswith("approval_record") for section in material.body.sections[:2]):
        return True
    filled = islice((row for row in reversed(material.body.rows) if row.kind != BLANK), _LAST)
    return any(row.kind == TEXT and _SAYS_DONE.match(row.text) for row in filled)


def request_of(material: Material) -> Field | None:
    """The key with which the front matter says that it asks for approval; None where none does."""
    for key, words in (("type", _REQUESTS), ("status", _WAITS), *((key, _YES) for key in _NEEDS)):
        field = material.front_by_key.get(key)
        if field is not None and fold_key(str(field.value)) in words:
            return field
    return None


def is_request(material: Material) -> bool:
    """Whether the note says of itself that it asks for approval of an action."""
    return request_of(material) is not None or was_request(material) is not None


def was_request(material: Material) -> Field | None:
    """The status of a note that the daemon has asked about before: `draft` stands where the status was."""
    asked_before = material.note.section_line is not None and material.says("status") == "draft"
    return material.front_by_key["status"] if asked_before else None


def platforms(material: Material) -> tuple[str, ...]:
    """The platforms that the note names in its front matter, folded."""
    found: list[str] = []
    for key in ("platform", "platforms", "channel", "network"):
        field = material.front_by_key.get(key)
        value = field.value if field else None
        entries = value if isinstance(value, list) else [value] if value else []
        found += [fold_key(str(entry)) for entry in entries]
    return tuple(dict.fromkeys(found))
