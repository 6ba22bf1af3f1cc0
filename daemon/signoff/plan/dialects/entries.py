"""A structure that says a call: a mapping with the name of a tool or an action, and its arguments.

mcp_server: mail                 mcp_tool: mail.send_email        action: send_email
tool_name: send_email            mcp_params:                      params:
tool_inputs:                       to: ana@example.com              to: ana@example.com
  to: ana@example.com
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from signoff.catalogue import Action, ActionTool, Catalogue, fold_key
from signoff.errors import NoteError
from signoff.model import Json
from signoff.note.front import load_fragment
from signoff.note.places import Path, Place
from signoff.plan.dialects.arguments import any_text, placeholder_question, settle
from signoff.plan.dialects.blanks import placeholder_in
from signoff.plan.dialects.fields import Field, question_on
from signoff.plan.dialects.reading import Call
from signoff.plan.short import INPUTS

SERVER_KEYS = ("mcp_server", "server", "server_name")
TOOL_KEYS = ("mcp_tool", "tool_name", "tool", "method")
ACTION_KEYS = ("action", "action_type", "action_name")
INPUT_KEYS = (*INPUTS, "with")
_REMARKS = frozenset(
    [
        "id",
        "name",
        "step",
        "title",
        "description",
        "reason",
        "priority",
        "status",
        "risk",
        "risk_level",
        "requires_approval",
        "approval_required",
        "note",
        "notes",
        "type",
        "order",
        "expected_outcome",
        "retry_policy",
        "dry_run",
        "comment",
        "timestamp",
        "created",
        "created_at",
        "rationale",
    ]
)
_TOOL = re.compile(r"[A-Za-z_][\w-]{0,99}\.[A-Za-z_][\w./-]{0,99}\Z", re.ASCII)
_CLAUDE = re.compile(r"mcp__(?P<server>[A-Za-z0-9-]+(?:_[A-Za-z0-9-]+)*)__(?P<tool>\w+)\Z", re.ASCII)
_WORD = re.compile(r"[A-Za-z_][\w-]{0,99}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Entry:
    """A mapping in a note, and where its parts stand."""

    values: Mapping[str, Json]
    places: Mapping[Path, Place]
    prefix: Path
    line: int

    def field(self, name: str, value: Json, *inner: str) -> Field:
        """A key of it as a field."""
        place = self.places.get((*self.prefix, *inner, name)) or self.places.get((*self.prefix, *inner))
        line, column = (place.line, place.column) if place else (self.line, None)
        return Field(name, fold_key(name), value, line, column, "entry")

    def question(self, code: str, message: str, key: str, hint: str) -> NoteError:
        """The error for one of its keys."""
        return question_on(code, self.field(key, None), message, hint)


@dataclass(frozen=True, slots=True)
class Target:
    """What is called: an action of the catalogue, or the one tool that is named (then with its server)."""

    name: str
    action: Action | None
    tool: ActionTool | None
    key: str


def target_of(entry: Entry, catalogue: Catalogue) -> Target | None:
    """What a mapping calls; None where it names nothing that can be called."""
    values = {fold_key(key): (key, value) for key, value in entry.values.items() if isinstance(value, str)}
    server = next((values[key][1].strip() for key in SERVER_KEYS if key in values), "")
    for known in (*TOOL_KEYS, *ACTION_KEYS):
        if known not in values:
            continue
        key, text = values[known][0], values[known][1].strip()
        found = _named(text, server if known in TOOL_KEYS else "", catalogue, key)
        if found is not None:
            return found
    return None


def _named(text: str, server: str, catalogue: Catalogue, key: str) -> Target | None:
    if claude := _CLAUDE.match(text):
        text = f"{claude['server']}.{claude['tool']}"
    if server and _WORD.match(server) and _WORD.match(text):
        text = f"{server}.{text}"
    if _TOOL.match(text):
        tool = text.replace("/", ".", 1) if text.count(".") == 0 else text
        owner, _, name = tool.partition(".")
        served = catalogue.naming(owner, name)
        entry = (
            next((each for each in served[0].tools if each.name == tool), None) if len(served) == 1 else None
        )
        return Target(tool, served[0] if entry else None, entry or ActionTool(owner, name), key)
    action = catalogue.find(text) if len(text) <= 100 else None
    return Target(action.name, action, None, key) if action else None


def read_entry(entry: Entry, target: Target) -> tuple[Call, NoteError | None]:
    """The call of a mapping, and the question in its way.

    Raises:
        NoteError: `wrong-type`, `two-readings`, `unknown-key`: nothing is known of it.
    """
    inputs, inner = _inputs(entry)
    line = entry.field(target.key, None).line
    if target.tool is not None and target.action is None:
        return Call(target.name, inputs, line), _placeholder(entry, inputs, inner)
    if target.tool is not None:  # the tool's own names: written as they are, only looked at
        return Call(target.name, inputs, line), _placeholder(entry, inputs, inner) or _blank(
            entry, target, inputs, inner
        )
    action = target.action
    if action is None or not action.arguments:
        return Call(target.name, inputs, line), _placeholder(entry, inputs, inner)
    fields = [entry.field(name, value, *inner) for name, value in inputs.items()]
    if strange := next((each for each in fields if action.argument(each.name) is None), None):
        close = ", ".join(f"`{argument.name}`" for argument in action.arguments)
        raise question_on(
            "argument-unknown",
            strange,
            f"`{action.name}` has no argument `{strange.name[:60]}`.",
            f"It takes {close}.",
        )
    found = settle(action, fields, line=line)
    return Call(target.name, found.values, line), found.question or _placeholder(entry, inputs, inner)


def _inputs(entry: Entry) -> tuple[dict[str, Json], tuple[str, ...]]:
    """The arguments, and the key they stand under; nothing where they are the mapping's other keys."""
    given = [key for key in entry.values if fold_key(key) in INPUT_KEYS and entry.values[key] is not None]
    if len(given) > 1:
        raise entry.question(
            "two-readings", f"The arguments stand under `{given[0]}` and `{given[1]}`.", given[1], "Keep one."
        )
    if not given:
        named = {*SERVER_KEYS, *TOOL_KEYS, *ACTION_KEYS, *_REMARKS}
        others = {key: value for key, value in entry.values.items() if fold_key(key) not in named}
        return others, ()
    value = entry.values[given[0]]
    if isinstance(value, str):
        value = _json_of(entry, given[0], value)
    if not isinstance(value, dict):
        raise entry.question(
            "wrong-type",
            f"`{given[0]}` must be a group of `key: value` lines.",
            given[0],
            "Indent them under it.",
        )
    return dict(value), (given[0],)


def _json_of(entry: Entry, key: str, text: str) -> Json:
    """JSON that is written as one text, such as `tool_inputs: '{"to": "a@b.c"}'`."""
    at = entry.field(key, None)
    value, _ = load_fragment(text, first_line=at.line, column_offset=at.column or 0, language="json")
    return value


def _placeholder(entry: Entry, inputs: Mapping[str, Json], inner: tuple[str, ...]) -> NoteError | None:
    for name, text in any_text(inputs):
        if found := placeholder_in(text):
            at = entry.field(name, None, *inner)
            return placeholder_question(found, text, at.line, at.column, name)
    return None


def _blank(
    entry: Entry, target: Target, inputs: Mapping[str, Json], inner: tuple[str, ...]
) -> NoteError | None:
    """Required arguments that are there, and are empty."""
    for name, value in inputs.items():
        argument = target.action.argument(name) if target.action else None
        if argument is not None and argument.required and (value is None or value in ("", [])):
            at = entry.field(name, value, *inner)
            return question_on(
                "text-missing" if argument.kind == "prose" else "argument-missing",
                at,
                f"`{name}` of `{target.name}` is empty.",
                "Fill it in.",
            )
    return None


def canonical(call: Call, catalogue: Catalogue) -> tuple[str, Mapping[str, Json]]:
    """A call under the names of the catalogue, to see whether two dialects mean the same."""
    action = catalogue.find(call.action)
    names: Mapping[str, str] = {}
    if action is None and _TOOL.match(call.action):
        server, _, tool = call.action.partition(".")
        served = catalogue.naming(server, tool)
        action = served[0] if len(served) == 1 else catalogue.find(tool)
        for entry in served[0].tools if len(served) == 1 else ():
            names = entry.names if entry.name == call.action else names
    if action is None:
        return call.action, call.arguments
    arguments: dict[str, Json] = {}
    for name, value in call.arguments.items():
        own = names.get(name, name)
        argument = action.argument(own)
        arguments[argument.name if argument else own] = value
    return action.name, arguments
