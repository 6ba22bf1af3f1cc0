"""Would a note that cannot be read be a plan if it could? Pure.

A received e-mail with a colon in its subject, or a log with a line too many, is none of Signoff's business:
a question in it would be noise. So a note that does not parse is looked at once more as it would read when
mended, or, where nothing mends it, with what its rows say one by one. That only decides whether to ask. What
such a note says is never used for anything else.
"""

from __future__ import annotations

import json
import re

from signoff.catalogue import Catalogue, fold_key
from signoff.errors import NoteError
from signoff.note.document import parse
from signoff.note.mend import mend
from signoff.plan.read import read_plan
from signoff.plan.short import INPUTS

_ASKS = frozenset(
    {"action", "action_type", "actions", "steps", "with", "tool_calls", "mcp_calls", "proposed_actions"}
    | {"mcp_tool", "tool_name", "mcp_server", *INPUTS}
) - {"input", "inputs", "args", "payload"}
"""Keys that a note without an action has no reason to have."""
DAMAGED = frozenset({"note-too-large", "not-utf8", "nul-byte", "conflict-markers"})
"""What is wrong with a note as a file, whatever it says: where it has a word of plans, that is told."""
_PLANLIKE = re.compile(rb"action|steps|tool|mcp_|approv|server|send|type:", re.IGNORECASE)
MOST_FRONT = 16 << 10
"""Bytes of front matter up to which it is mended only to see what it says: each line mended reads it anew."""
MOST_MENDED = 10
MOST_ROWS = 500
"""Rows of front matter that are looked at one by one."""
_ROW = re.compile(r"(?P<key>[^\s:#'\"-][^:\n]{0,99}):(?:[ \t]+(?P<value>.*))?\Z")


def may_be_a_plan(data: bytes, problem: NoteError, catalogue: Catalogue) -> bool:
    """Whether a note that cannot be read may ask for an action.

    Args:
        data: the note.
        problem: why it cannot be read.
        catalogue: the actions that there are.
    """
    if problem.code in DAMAGED:
        return _PLANLIKE.search(data.replace(b"\0", b"")) is not None
    short = len(data) <= MOST_FRONT or b"\n---" in data[:MOST_FRONT].replace(b"\r", b"\n")
    mended = mend(data, MOST_MENDED) if short else None
    if mended is not None and _asks(mended, catalogue):
        return True
    text = data.decode(errors="replace")
    if mended is not None and problem.code != "front-matter-unclosed":
        return False
    keys, plain = _plainly(text)
    return bool(keys & _ASKS) or _asks(plain.encode(), catalogue)


def _asks(data: bytes, catalogue: Catalogue) -> bool:
    try:
        return read_plan(parse(data), catalogue, fallback_title="") is not None
    except NoteError:
        return True


def _plainly(text: str) -> tuple[set[str], str]:
    """The folded keys of a note's front matter, and the note with nothing in it but `key: "value"` rows."""
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].rstrip() != "---":
        return set(), "\n".join(lines)
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), len(lines))
    rows: dict[str, str] = {}
    for line in lines[1:end][:MOST_ROWS]:
        if match := _ROW.match(line.rstrip()):
            rows.setdefault(fold_key(match["key"]), (match["value"] or "").strip().strip("\"'"))
    said = [f"{key}: {json.dumps(value)}" for key, value in rows.items() if key.isascii()]
    return set(rows), "\n".join(["---", *said, "---", *lines[end + 1 :]])
