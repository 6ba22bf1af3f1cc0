"""The short form of a plan of one step: `action` and `with` in the front matter.

Many notes that are no plans have a key `action`. So one without `with` counts only where the catalogue
knows the action, or it reads `server.tool`; a name that nearly is one of the catalogue's is a question.
Arguments are read from `with` alone: where other keys stand beside an `action` without `with`, they
could be meant as arguments, and that is a question too, unless the dialects know them (`dialects.flat`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from rapidfuzz import fuzz

from signoff.catalogue import TEXT_NAMES, Catalogue, fold_key
from signoff.model import Json, Step
from signoff.note.document import Front, Note
from signoff.note.keys import DAEMON_KEYS
from signoff.plan.header import HEADER_KEYS
from signoff.plan.steps import STEP_KEYS, Source, read_step

METADATA = frozenset(
    {"aliases", "cssclass", "cssclasses", "publish", "tag", "tags", "type"}
    | {"created", "created_at", "modified", "updated", "updated_at"}
)
"""Front-matter keys of notes in general: no sign that arguments were written beside `action`."""
COMMON = (
    *("to", "recipient", "cc", "bcc", "subject", "channel", "phone", "amount", "currency", "reference"),
    *("path", "url", "query", "name", "due_date", "description"),
)
"""Keys that are read as they stand, for an action of which the catalogue does not say what it takes."""
INPUTS = (
    *(
        "tool_inputs",
        "tool_input",
        "mcp_params",
        "mcp_arguments",
        "mcp_args",
        "tool_params",
        "tool_arguments",
    ),
    *("arguments", "args", "params", "parameters", "inputs", "input", "payload", "action_data"),
)
"""Keys under which people put the arguments of a call as a group, besides `with`."""
CLOSE_ENOUGH = 85
"""From this similarity (0 to 100) on, a lone `action` is taken for a misspelt one of the catalogue."""

_TOOL = re.compile(r"[A-Za-z_][\w-]*\.[A-Za-z_][\w./-]*", re.ASCII)
_OF_STEPS = frozenset(STEP_KEYS) - {"id", "action", "with"}


def read_short(note: Note, catalogue: Catalogue) -> tuple[Step, ...] | None:
    """The one step of the short form; None where the note has none.

    Raises:
        NoteError: the question to the author.
    """
    if note.front is None or not _is_meant(note.front, catalogue) or _is_flat(note, note.front, catalogue):
        return None
    values = note.front.values
    place = note.front.places.get(("action",)) or note.front.places.get(("with",))
    source = Source(values, note.front.places, (), place.line if place else 1, "the plan")
    _refuse_other_keys(source)
    kept = {key: values[key] for key in ("action", "with") if key in values}
    step = read_step(source.holding(kept), 1, name="", line=source.line)
    if "with" not in values and not catalogue.resolve(step.action).tools:
        raise source.question(
            "unknown-action",
            f"There is no action `{step.action[:80]}`.",
            "action",
            hint=f"Did you mean `{catalogue.nearest(step.action, limit=1)[0]}`?",
        )
    return (step,)


def _is_meant(front: Front, catalogue: Catalogue) -> bool:
    """Whether `action` or `with` are there as of a plan."""
    has_arguments = "with" in front.values and isinstance(front.values["with"], dict | None)
    action = front.values.get("action")
    if not isinstance(action, str):
        return has_arguments and bool(front.values["with"])
    known = catalogue.find(action) is not None or _TOOL.fullmatch(action.strip()) is not None
    return known or has_arguments or _is_nearly_known(action, catalogue)


def _is_flat(note: Note, front: Front, catalogue: Catalogue) -> bool:
    """Whether the arguments of the action stand where a dialect reads them."""
    action = front.values.get("action")
    if "with" in front.values or not isinstance(action, str):
        return False
    known = catalogue.resolve(action)
    server, _, tool = action.strip().partition(".")
    declared = known.action is not None and known.action.arguments
    if declared or (known.action is None and known.tools and catalogue.naming(server, tool)):
        return True
    folded = {fold_key(key) for key in _loose(front.values)}
    has_text = any(
        fold_key(heading.text[:200]) in TEXT_NAMES for heading in note.headings if heading.level > 1
    )
    if folded & set(INPUTS):
        return True
    return (bool(folded) or has_text) and folded <= {*COMMON, *TEXT_NAMES, "action_type"}


def _loose(values: Mapping[str, Json]) -> list[str]:
    """The keys that could be meant as arguments."""
    known = HEADER_KEYS | DAEMON_KEYS | METADATA | {"action"}
    return [key for key in values if key not in known]


def _is_nearly_known(action: str, catalogue: Catalogue) -> bool:
    close = catalogue.nearest(action, limit=1)
    return bool(close) and fuzz.ratio(action.strip().lower(), close[0].lower()) >= CLOSE_ENOUGH


def _refuse_other_keys(source: Source) -> None:
    """Keys that belong to a step, or that could be meant as arguments, are not silently ignored."""
    for key in source.values:
        if key in _OF_STEPS:
            raise source.question(
                "unknown-key",
                f"`{key}` belongs to a step, and is not read beside `action` at the top.",
                key,
                hint="Write the step in a list: `steps:`, and under it `- action:` with its other keys.",
            )
    if "with" in source.values:
        return
    if loose := _loose(source.values):
        shown = ", ".join(f"`{key[:40]}`" for key in loose[:5])
        raise source.question(
            "arguments-missing",
            f"The arguments of the action are not under `with:`, and {shown} may be meant as some.",
            loose[0],
            hint="Put the arguments, indented, under a line `with:`; where there are none, write `with: {}`.",
        )
