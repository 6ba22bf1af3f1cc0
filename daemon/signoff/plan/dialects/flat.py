"""Flat keys in the front matter, with the text under a heading.

    ---
    type: approval_request
    action: send_email              # or action_type; or type: email_draft
    to: ana@example.com
    subject: Q4 proposal
    ---
    ## Message
    Dear Ana,

The action is what `action` or `action_type` names (by name or alias, or as `server.tool`), else what the
note's `type` stands for in the catalogue, if need be with its `platform`. Labels and tables in the body
count beside the keys (see `fields`), and must not differ from them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rapidfuzz import fuzz

from signoff.catalogue import Action, ActionTool, Argument, adapt, fold, fold_key
from signoff.errors import NoteError
from signoff.model import Json
from signoff.note.keys import DAEMON_KEYS
from signoff.plan.dialects.arguments import Arguments, note_arguments, prose_of
from signoff.plan.dialects.blanks import is_absent
from signoff.plan.dialects.fields import Field, Material, question_on
from signoff.plan.dialects.kinds import is_no_plan, is_request, platforms
from signoff.plan.dialects.reading import Call, Reading
from signoff.plan.dialects.values import is_same
from signoff.plan.header import HEADER_KEYS, LATER_KEYS, is_time
from signoff.plan.short import CLOSE_ENOUGH, COMMON, METADATA

_ACTION_KEYS = ("action", "action_type")
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[_-][a-z0-9]+)+\Z")
_TOOL = re.compile(r"[A-Za-z_][\w-]*\.[A-Za-z_][\w./-]*\Z", re.ASCII)
_NO_ACTION = frozenset({"none", "no_action", "n_a", "na", "null", "manual", "info", "informational"})
"""Values of `action_type` that say that nothing is to be done."""
_NOT_SAID = frozenset({"unknown", "generic", "other", "general", "custom", "unspecified", "tbd", "various"})
"""Values that stand where an action should be."""
_SIMILAR = 70
"""From this similarity (0 to 100) on, a name is offered as what may have been meant."""
_NAME_IT = "Write an action of the catalogue, such as `send_email`, or a tool as `server.tool`."
_NOW = frozenset({"now", "immediately", "asap", "immediate"})
_PLATFORMS = frozenset(
    {"linkedin", "twitter", "facebook", "instagram", "whatsapp", "telegram", "slack", "discord"}
)
_KINDS = {"cc": "email", "bcc": "email", "amount": "amount"}
_SENDERS = frozenset({"from", "sender", "received_from", "original_from"})
_ANSWERS = ("reply_", "_reply", "response", "draft", "proposed", "answer")
_TEXTS = ("body", "message", "text", "content")


@dataclass(frozen=True, slots=True)
class Named:
    """The action that a note names, and where.

    Attributes:
        tool: the one tool that is named, where it is.
        by_type: only the note's `type` names it.
    """

    name: str
    action: Action | None
    field: Field
    tool: ActionTool | None = None
    by_type: bool = False

    def call(self, values: Mapping[str, Json]) -> Call:
        """The call with these arguments, under the tool's own names where the tool is named."""
        return Call(self.name, adapt(self.tool, values) if self.tool else values, self.field.line)


def read_flat(material: Material) -> Reading | None:
    """The one call of a note with flat keys; None where it names no action in its front matter.

    See the module for the form.
    """
    if is_no_plan(material) or "with" in material.front_by_key:
        return None
    try:
        named = _named(material)
    except NoteError as error:
        return Reading("flat", (), error)
    if named is None:
        return None
    if named.action is None or not named.action.arguments:
        return _undeclared(material, named)
    found = note_arguments(material, named.action, line=named.field.line)
    ask_more(material, named, found)
    return Reading("flat", (named.call(found.values),), found.question)


# ---------------------------------------------------------------- which action


def _named(material: Material) -> Named | None:
    """What the front matter names.

    Raises:
        NoteError: `two-readings`, `unknown-action`, `action-missing`.
    """
    given = [
        field for key in _ACTION_KEYS if (field := material.front_by_key.get(key)) and _is_name(field.value)
    ]
    known = [named for field in given if (named := _resolved(material, field)) is not None]
    if len({named.name for named in known}) > 1:
        said = " and ".join(f"`{one.field.name}: {one.field.value}`" for one in known)
        raise question_on(
            "two-readings", known[-1].field, f"The note names two actions: {said}.", "Keep one of them."
        )
    if known:
        odd = next(
            (field for field in given if field not in [one.field for one in known] and _is_odd(field)), None
        )
        if odd is not None:
            raise _unknown(material, odd)
        return known[0]
    by_type = _by_type(material)
    if by_type is None:
        _require_platform(material, given)
        _refuse_unknown(material, given)
    return by_type


def _is_name(value: Json) -> bool:
    return isinstance(value, str) and bool(value.strip()) and len(value) <= 200


def _is_odd(field: Field) -> bool:
    return bool(_NAME.match(str(field.value).strip()))


def _resolved(material: Material, field: Field) -> Named | None:
    text = str(field.value).strip()
    action = material.catalogue.find(text)
    if action is None and field.key == "action_type":
        action = _of_kind(material, text)
    if action is not None:
        return Named(action.name, action, field)
    if not _TOOL.match(text):
        return None
    server, _, tool = text.partition(".")
    served = material.catalogue.naming(server, tool)
    if len(served) != 1:
        return Named(text, None, field)
    entry = next(each for each in served[0].tools if (each.server, each.tool) == (server, tool))
    return Named(text, served[0], field, tool=entry)


def _of_kind(material: Material, kind: str) -> Action | None:
    where = platforms(material)
    found = {
        action.name: action for name in (where or ("",)) if (action := material.catalogue.of_type(kind, name))
    }
    return next(iter(found.values())) if len(found) == 1 and len(where) < 2 else None


def _require_platform(material: Material, given: list[Field]) -> None:
    """Asks for the platform, where `action_type` names what is done and not where."""
    for field in given:
        begins = f"{fold_key(str(field.value))}_"
        known = sorted(
            kind.removeprefix(begins) for kind in material.catalogue.types if kind.startswith(begins)
        )
        if field.key == "action_type" and _PLATFORMS & set(known) and len(platforms(material)) != 1:
            raise question_on(
                "platform-missing",
                field,
                f"`{str(field.value)[:60]}` does not say on which platform.",
                f"Add a line `platform:` with one of {', '.join(known)}.",
            )


def _by_type(material: Material) -> Named | None:
    field = material.front_by_key.get("type")
    if field is None or not _is_name(field.value):
        return None
    action = _of_kind(material, str(field.value))
    return Named(action.name, action, field, by_type=True) if action else None


def _refuse_unknown(material: Material, given: list[Field]) -> None:
    """Asks for the action where the note clearly asks for one."""
    for field in given:
        meant = field.key == "action_type" and fold_key(str(field.value)) not in _NO_ACTION
        if meant or _is_nearly_known(material, str(field.value)) or is_request(material):
            raise _unknown(material, field)


def _is_nearly_known(material: Material, text: str) -> bool:
    close = material.catalogue.nearest(text, limit=1)
    return bool(close) and fuzz.ratio(text.strip().lower(), close[0].lower()) >= CLOSE_ENOUGH


def _unknown(material: Material, field: Field) -> NoteError:
    shown = str(field.value).strip()[:80]
    if shown.startswith("{{"):
        return question_on(
            "placeholder", field, f"`{shown}` is still to be filled in.", "Write the action's name."
        )
    if fold_key(shown) in _NOT_SAID:
        hint = f"Write the action there, such as `{field.name}: send_email`, or a tool as `server.tool`."
        message = f"`{field.name}: {shown}` does not say what is to be done."
        return question_on("unknown-action", field, message, hint)
    close = [name for name in material.catalogue.nearest(shown) if fuzz.ratio(fold(shown), name) >= _SIMILAR]
    hint = f"Did you mean {' or '.join(f'`{name}`' for name in close)}?" if close else _NAME_IT
    return question_on("unknown-action", field, f"There is no action `{shown}`.", hint)


# ---------------------------------------------------------------- what else counts


def ask_more(material: Material, named: Named, found: Arguments) -> None:
    """Asks where another platform or another time is named than what would be done."""
    for name in platforms(material):
        others = {word for word in _PLATFORMS if word in fold(named.name)}
        if name in _PLATFORMS and others and name not in others:
            field = next(each for each in material.front if each.key in {"platform", "platforms", "channel"})
            found.ask(
                question_on(
                    "values-disagree", field, f"`{named.name}` is not for `{name}`.", "Keep one of the two."
                )
            )
    _ask_whose_text(material, named, found)
    _ask_when(material, found)


def _ask_when(material: Material, found: Arguments) -> None:
    """Asks where a time is named that cannot be read, that is not the only one, or that is a label."""
    named = [field for field in (*material.front, *material.labels) if field.key in (*LATER_KEYS, "run_at")]
    named = [
        field for field in named if not is_absent(field.value) and fold_key(str(field.value)) not in _NOW
    ]
    times = [field for field in named if field.form == "front" and is_time(field.value)]
    for field in named:
        if times and " ".join(str(field.value).split()) == " ".join(str(times[0].value).split()):
            continue
        found.ask(
            question_on(
                "time-unclear",
                field,
                f"It is not plain whether `{field.name}: {str(field.value)[:40]}` is when to do this.",
                "Write `run_at: 2026-03-01 09:00` in the front matter, or delete the line.",
            )
        )


def _ask_whose_text(material: Material, named: Named, found: Arguments) -> None:
    """Asks where an answer goes to the sender, and the only text may be what the sender wrote."""
    prose = prose_of(named.action) if named.action else None
    sender = next((field for field in material.front if field.key in _SENDERS), None)
    to = found.values.get("to")
    if prose is None or sender is None or to is None or prose.name not in found.values:
        return
    names = [section.key for section in material.body.sections] + [field.key for field in material.front]
    if not is_same(sender.value, to, "email") or any(word in name for name in names for word in _ANSWERS):
        return
    found.ask(
        question_on(
            "text-unclear",
            sender,
            f"It is not plain whether the text is the answer, or what `{str(to)[:60]}` wrote.",
            "Put the answer under a heading `## Reply`.",
        )
    )


def _undeclared(material: Material, named: Named) -> Reading | None:
    """A call of an action whose arguments the catalogue does not list: common keys as they stand.

    Others beside them could be meant as arguments, so they are a question. With none at all the note is
    of the short form.
    """
    known = HEADER_KEYS | DAEMON_KEYS | METADATA | {"action", "action_type"}
    keys = [section.key for section in material.body.sections] + [label.key for label in material.labels]
    prose = next((key for key in (*material.front_by_key, *keys) if key in _TEXTS), "body")
    common = [Argument(name, kind=_KINDS.get(name, "text")) for name in COMMON]
    generic = Action(named.name, (), arguments=(*common, Argument(prose, kind="prose")))
    loose = [field for field in material.front if field.name not in known]
    strange = [field for field in loose if field.key not in generic.names_of_arguments]
    if strange or named.by_type or named.field.key != "action":
        return None  # the short form asks
    found = note_arguments(material, generic, line=named.field.line)
    return Reading("flat", (Call(named.name, found.values, named.field.line),), found.question)
