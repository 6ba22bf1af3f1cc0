"""A tool named with its server in the front matter, with its inputs as a group or as JSON in a text.

    ---
    mcp_server: mail
    tool_name: send_email
    tool_inputs: {to: ana@example.com, subject: Q4, body: Hello}
    ---

Also `mcp_tool: mail.send_email` with `mcp_params`, and `action: send_email` with `params`, `arguments`,
`payload` and the like; see `entries` for the names.
"""

from __future__ import annotations

from signoff.errors import NoteError
from signoff.plan.dialects.entries import INPUT_KEYS, Entry, read_entry, target_of
from signoff.plan.dialects.fields import Material
from signoff.plan.dialects.kinds import is_no_plan
from signoff.plan.dialects.reading import Reading

_MCP_KEYS = frozenset({"mcp_tool", "tool_name", "mcp_server"})


def read_tool_call(material: Material) -> Reading | None:
    """The one call that the front matter spells out; None where it has none of this form."""
    front = material.note.front
    keys = material.front_by_key.keys()
    inputs = set(INPUT_KEYS) - {"with"}
    if front is None or is_no_plan(material) or not (keys & inputs or keys & _MCP_KEYS):
        return None
    entry = Entry(front.values, front.places, (), 1)
    target = target_of(entry, material.catalogue)
    if target is None:
        return _unnamed(entry, material)
    has_inputs = any(material.front_by_key[key].value is not None for key in keys & inputs)
    if not has_inputs:
        if target.tool is None or ("mcp_tool" not in keys and "tool_name" not in keys):
            return None  # flat keys beside an action
        question = entry.question(
            "arguments-missing",
            f"`{target.name}` has no inputs.",
            target.key,
            "Put them, indented, under `tool_inputs:`.",
        )
        return Reading("tool-call", (), question)
    try:
        call, asked = read_entry(entry, target)
    except NoteError as error:
        return Reading("tool-call", (), error)
    return Reading("tool-call", (call,), asked)


def _unnamed(entry: Entry, material: Material) -> Reading | None:
    """A question where a tool is named by the protocol's own keys, and cannot be."""
    field = next(
        (material.front_by_key[key] for key in ("mcp_tool", "tool_name") if key in material.front_by_key),
        None,
    )
    if field is None or not isinstance(field.value, str) or not field.value.strip():
        return None
    question = entry.question(
        "unknown-action",
        f"It is not known which tool `{field.value.strip()[:80]}` is.",
        field.name,
        "Write it with its server, as `server.tool`, or add a line `mcp_server:`.",
    )
    return Reading("tool-call", (), question)
