"""A fenced block of JSON or YAML that says one call, or a list of them.

    ```json
    {"action": "send_email", "to": "ana@example.com", "subject": "Q4", "body": "Hello"}
    ```

    ```yaml
    mcp_server: mail
    tool_name: send_email
    tool_inputs: {to: ana@example.com, subject: Q4, body: Hello}
    ```

Blocks within quotes, under headings of examples, and of other languages are not looked at, nor is a note
that has several of them and no front matter: that is a manual. (Blocks in items of lists are the explicit
form's matter.)
"""

from __future__ import annotations

import re

from signoff.errors import NoteError
from signoff.note.document import Fence
from signoff.note.front import load_fragment
from signoff.plan.dialects.action_lists import KEYS, read_entries
from signoff.plan.dialects.fields import Material
from signoff.plan.dialects.kinds import is_no_plan
from signoff.plan.dialects.reading import Reading

_LOOKS = re.compile(
    r"""^[ \t{\[-]*["']?(?:actions?|action_type|mcp_tool|mcp_server|tool_name|tool|tool_calls)["']?[ \t]*:""",
    re.MULTILINE,
)


def read_fences(material: Material) -> Reading | None:
    """The calls of the note's blocks; None where no block says one."""
    if is_no_plan(material):
        return None
    fences = [fence for fence in material.note.fences if _is_meant(material, fence)]
    if not fences or (len(fences) > 1 and material.note.front is None):
        return None
    readings = [reading for fence in fences if (reading := _read(material, fence)) is not None]
    if not readings:
        return None
    question = next((reading.question for reading in readings if reading.question), None)
    if material.note.front is None and question is not None and question.code == "placeholder":
        return None  # a template
    calls = tuple(call for reading in readings for call in reading.calls)
    return Reading("fence", calls, question)


def _is_meant(material: Material, fence: Fence) -> bool:
    if fence.info not in {"json", "yaml", "yml"} or not _LOOKS.search(fence.content):
        return False
    return fence.column == 1 and not material.body.is_theirs(fence.line)


def _read(material: Material, fence: Fence) -> Reading | None:
    language = "json" if fence.info == "json" else "yaml"
    try:
        value, places = load_fragment(
            fence.content,
            first_line=fence.line,
            column_offset=fence.column - 1,
            language=language,  # type: ignore[arg-type]
        )
    except NoteError as error:
        return Reading("fence", (), error) if material.note.front is not None else None
    prefix: tuple[str, ...] = ()
    if isinstance(value, dict) and (key := next((key for key in KEYS if key in value), None)):
        value, prefix = value[key], (key,)
    return read_entries(material, "fence", value, places, prefix=prefix, line=fence.line)
