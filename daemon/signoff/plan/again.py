"""A plan that is known, read again in a note of which little has changed.

Reading a long note costs much, and most changes of a note are the daemon's own: its keys, its ticks, its
section. Where the lines that a plan is read from are the same as before, so is the plan, but for the places
of its steps; that they are is looked at here, line by line, whoever wrote them. In doubt the answer is
None, and the note is read as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from signoff.model import Plan
from signoff.note.document import Note
from signoff.note.keys import DAEMON_KEYS
from signoff.note.markdown import checkbox_at
from signoff.plan.header import HEADER_KEYS
from signoff.plan.short import METADATA

_NO_PLAN = DAEMON_KEYS | {"approved", "approved_by", "approval_code", "rejection_reason"}
"""Keys of the daemon and of the approver, of which no plan is made."""
_PLAIN = HEADER_KEYS | DAEMON_KEYS | METADATA
"""Front matter of these keys alone holds no steps, and no sign of how the note is meant."""
_MARKS = frozenset(" xX")


def read_again(known: Plan, before: Note, now: Note) -> Plan | None:
    """The plan that `read_plan` would find in `now`; None where that is not plain to see.

    Args:
        known: what `read_plan` found in `before`.
        before, now: the note as it was, and as it is.
    """
    header = _header_of(before)
    if known.dialect != "steps" or header is None or header != _header_of(now):
        return None
    rows = {step.line - before.body_line for step in known.steps if step.checkbox is not None}
    one, other = before.own_rows, now.own_rows
    if one is None or other is None or one[1] != other[1] or not _same_but_marks(one[0], other[0], rows):
        return None
    if any(step.line - before.body_line >= len(one[0]) for step in known.steps):
        return None  # below the daemon's section, whose length counts too
    lines, offset = now.body_line - before.body_line, now.body_offset - before.body_offset
    if not lines and not offset:
        return known
    return replace(
        known,
        steps=tuple(
            replace(
                step,
                line=step.line + lines,
                checkbox=None if step.checkbox is None else step.checkbox + offset,
            )
            for step in known.steps
        ),
    )


def _header_of(note: Note) -> str | None:
    """What the front matter says that a plan is read from, to compare; None where it says more than that."""
    front = note.front
    if front is None or not _PLAIN.issuperset(front.values):
        return None
    values = {key: value for key, value in front.values.items() if key not in _NO_PLAN}
    raw = {path: text for path, text in front.raw.items() if path and path[0] in values}
    return repr((values, raw))


def _same_but_marks(before: Sequence[str], now: Sequence[str], steps: set[int]) -> bool:
    """Whether two bodies differ in nothing but ticks on the steps' own checkboxes."""
    if len(before) != len(now):
        return False
    return all(
        one == other or (row in steps and _same_but_mark(one, other))
        for row, (one, other) in enumerate(zip(before, now, strict=True))
    )


def _same_but_mark(before: str, now: str) -> bool:
    one, other = checkbox_at(before.rstrip("\r\n")), checkbox_at(now.rstrip("\r\n"))
    if one is None or other is None or one[0] != other[0] or not {one[1], other[1]} <= _MARKS:
        return False
    return before[: one[0]] == now[: one[0]] and before[one[0] + 1 :] == now[one[0] + 1 :]
