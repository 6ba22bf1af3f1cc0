"""The catalogue: names of actions, and the tools that carry them out (`actions.yaml`).

An action is looked up by its name, then by an alias, then as a tool named directly (`server.tool`).
Names compare without regard to case, and `-`, `_` and spaces are one. Two actions that answer to
the same name are an error when the file is read: what runs must never depend on an order.

A user's file extends the one that comes with the program: an action of its own replaces the shipped one
of that name (whose `arguments` and `types` it keeps where it gives none), and a name that it claims is
taken from whatever shipped action answered to it.

Reading the file is strict; everything after it is pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from types import MappingProxyType

from signoff.config.files import read_yaml
from signoff.config.section import Section, nearest
from signoff.errors import NoteError
from signoff.limits import LimitError, check
from signoff.model import Json, Risk

ACTION_KEYS = (
    "aliases",
    "types",
    "arguments",
    "phrases",
    "tools",
    "risk",
    "repeatable",
    "timeout",
    "retries",
    "cache",
    "verify",
    "undo",
    "idempotency_key",
)
TOOL_KEYS = ("tool", "with", "constants")
CALL_KEYS = ("tool", "action", "with")
VERIFY_KEYS = (*CALL_KEYS, "happened", "after", "read_only")
ARGUMENT_KEYS = ("names", "required", "kind")
KINDS = ("text", "prose", "email", "amount", "file")
"""What an argument holds: a line; a text that may stand under a heading; addresses; a sum; a file's path."""

TEXT_NAMES = (
    *("body", "message", "text", "content", "caption", "draft", "reply"),
    *("email_body", "email_content", "email_text", "email_draft", "email_message", "mail_body"),
    *("message_body", "message_content", "message_text", "message_draft"),
    *("reply_body", "reply_content", "reply_message", "reply_text", "reply_draft"),
    *("draft_body", "draft_content", "draft_details", "draft_email", "draft_message", "draft_post"),
    *("draft_reply", "draft_text", "draft_response", "proposed_message", "proposed_reply", "proposed_email"),
    *("proposed_response", "proposed_content", "proposed_post", "final_content", "full_content"),
    *("post", "post_body", "post_content", "post_text", "post_draft", "post_copy", "post_caption"),
    *("post_message_body", "tweet", "tweet_content", "tweet_text", "linkedin_post_content"),
    *("proposed_linkedin_post", "whatsapp_message", "sms_text"),
)
"""The keys and headings under which people put the text of a message, whatever sends it: the first
argument of kind `prose` answers to all of them. (`preview` is none of them: it may be cut off.)"""

_TOOL_NAME = re.compile(r"(?P<server>[^\s.]+)\.(?P<tool>\S+)")
_ACTION_NAME = re.compile(r"[^\W\d_][\w -]{0,99}")
_WORD_BREAKS = re.compile(r"[\s_-]+")
_NOT_WORD = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class ActionTool:
    """A tool that can carry out an action.

    Attributes:
        names: the tool's argument to the action's argument that fills it; others keep their names.
        constants: arguments of the tool that are always these values.
    """

    server: str
    tool: str
    names: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, Json] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`server.tool`."""
        return f"{self.server}.{self.tool}"


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A call that belongs to an action: `verify` asks whether it happened, `undo` takes it back.

    `action` is an action or `server.tool`; `arguments` may refer to the step with `${{ ... }}`.
    """

    action: str
    arguments: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Verify(FollowUp):
    """The call that answers by itself what became of another one; it must only read.

    Attributes:
        happened: CEL over `result` and `with`: true where it happened, false where it did not.
        after: seconds after which a "no" is final; None where none ever is, and a person is asked instead.
        read_only: the person who configures it says so, whatever its server declares.
    """

    happened: str = ""
    after: float | None = None
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of an action, and how people call it.

    Attributes:
        names: what it is also called, in notes and by tools.
        required: a note without it is a question.
        kind: one of `KINDS`.
    """

    name: str
    names: tuple[str, ...] = ()
    required: bool = False
    kind: str = "text"


@dataclass(frozen=True)
class Action:
    """A name for something that a tool does.

    Attributes:
        aliases: other names for it.
        types: values of a note's `type` that ask for it; `post/linkedin` where its `platform` says so too.
        arguments: what it takes, where the catalogue says so; see `signoff.plan.dialects`.
        phrases: how people write it in prose, with `{argument}` where a value stands.
        tools: in order of preference.
        risk: at least this; None where only the policy says.
        repeatable: whether calling twice does no harm; None where the catalogue does not say.
        timeout: seconds for one call; None for the setting's.
        retries: how often an unsent call is tried again; None for the setting's.
        cache: seconds that a result may be used again; None for never.
        idempotency_key: the action's argument that carries the key, or None.
        line: where it stands in the file, for messages.
    """

    name: str
    tools: tuple[ActionTool, ...]
    aliases: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    arguments: tuple[Argument, ...] = ()
    phrases: tuple[str, ...] = ()
    risk: Risk | None = None
    repeatable: bool | None = None
    timeout: float | None = None
    retries: int | None = None
    cache: float | None = None
    verify: Verify | None = None
    undo: FollowUp | None = None
    idempotency_key: str | None = None
    line: int | None = None

    @cached_property
    def names_of_arguments(self) -> Mapping[str, Argument]:
        """The argument behind every folded name that one answers to."""
        names = {fold_key(argument.name): argument for argument in self.arguments}
        for argument in self.arguments:
            for name in argument.names:
                names.setdefault(fold_key(name), argument)
        prose = next((argument for argument in self.arguments if argument.kind == "prose"), None)
        if prose is not None:
            names = {**dict.fromkeys(TEXT_NAMES, prose), **names}
        return names

    def argument(self, name: str) -> Argument | None:
        """The argument that answers to a name; None where none does."""
        return self.names_of_arguments.get(fold_key(name))


@dataclass(frozen=True, slots=True)
class Resolution:
    """What an action's name came to.

    Attributes:
        tools: in order of preference; empty where nothing answers to the name.
        action: the catalogue's entry, or None for a tool named directly.
        nearest: known names that look like it, where nothing answers.
    """

    tools: tuple[ActionTool, ...]
    action: Action | None = None
    nearest: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All actions by name, and by every folded name that they answer to."""

    actions: Mapping[str, Action] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, actions: Iterable[Action]) -> Catalogue:
        """A catalogue of these actions, whose names are known to differ."""
        by_name = {action.name: action for action in actions}
        names = {
            fold(name): action.name for action in by_name.values() for name in (*action.aliases, action.name)
        }
        types = {fold_key(kind): action.name for action in by_name.values() for kind in action.types}
        return cls(MappingProxyType(by_name), MappingProxyType(names), MappingProxyType(types))

    def of_type(self, kind: str, platform: str = "") -> Action | None:
        """The action that a note of this `type`, for this `platform`, asks for."""
        wanted = (f"{kind}/{platform}", kind) if platform else (kind,)
        return next(
            (self.actions[self.types[key]] for key in map(fold_key, wanted) if key in self.types), None
        )

    def find(self, name: str) -> Action | None:
        """The action that answers to a name or an alias."""
        return self.actions.get(name) or self.actions.get(self.names.get(fold(name), ""))

    def resolve(self, name: str) -> Resolution:
        """The tools behind an action's name, or behind `server.tool`."""
        name = name.strip()
        if action := self.find(name):
            return Resolution(action.tools, action)
        if direct := _TOOL_NAME.fullmatch(name):
            return Resolution((ActionTool(direct["server"], direct["tool"]),))
        return Resolution((), nearest=tuple(self.nearest(name)))

    def nearest(self, name: str, more: Iterable[str] = (), limit: int = 3) -> list[str]:
        """Names of actions (and `more`, such as tools) that look like a mistyped one, best first."""
        aliases = [alias for action in self.actions.values() for alias in action.aliases]
        return nearest(name, [*self.actions, *aliases, *more], limit)

    def naming(self, server: str, tool: str) -> tuple[Action, ...]:
        """The actions that a tool may carry out."""
        return tuple(
            action
            for action in self.actions.values()
            if any((entry.server, entry.tool) == (server, tool) for entry in action.tools)
        )


@lru_cache(maxsize=1024)
def fold(name: str) -> str:
    """A name as it is compared: lower case, with `_` for every run of spaces, `-` and `_`."""
    return _WORD_BREAKS.sub("_", name.strip()).casefold()


def fold_key(name: str) -> str:
    """A key or heading as it is compared: lower case, `_` for all that is neither letter nor digit."""
    return _NOT_WORD.sub("_", name).strip("_").casefold()


def adapt(tool: ActionTool, arguments: Mapping[str, Json]) -> dict[str, Json]:
    """The arguments under the tool's own names, with its constants.

    Raises:
        NoteError: when two arguments, or an argument and a constant, land on one name.
    """
    renamed = {source: target for target, source in tool.names.items()}
    adapted: dict[str, Json] = dict(tool.constants)
    origin = dict.fromkeys(tool.constants, "a constant of the catalogue")
    for name, value in arguments.items():
        target = renamed.get(name, name)
        if target in adapted:
            raise NoteError(
                f"`{name}` and {origin[target]} both give the argument `{target}` of {tool.name}.",
                code="argument-twice",
                hint=f"Leave one of them out: the catalogue names `{name}` as `{target}` there.",
            )
        adapted[target] = value
        origin[target] = f"`{name}`"
    return adapted


def load_catalogue(path: Path | None) -> Catalogue:
    """The catalogue of a file over the shipped one; the shipped one for None or where there is no file.

    Raises:
        ConfigError: with file, line and key.
    """
    own = _read(path) if path is not None else ()
    return Catalogue.of(_over(own, _shipped()))


def _read(path: Path) -> tuple[Action, ...]:
    section = read_yaml(path)
    actions = [_action(section, name) for name in section.values]
    _refuse_shared_names(section, actions)
    return tuple(actions)


@lru_cache(maxsize=1)
def _shipped() -> tuple[Action, ...]:
    with as_file(files("signoff") / "data" / "config" / "actions.yaml") as path:
        return _read(path)


def _over(own: tuple[Action, ...], shipped: tuple[Action, ...]) -> list[Action]:
    """A user's actions, and below them what they leave of the shipped ones."""
    claimed = {fold(name): action.name for action in own for name in (*action.aliases, action.name)}
    types = {fold_key(kind) for action in own for kind in action.types}
    kept: list[Action] = []
    heirs: dict[str, Action] = {}
    for action in shipped:
        heir = claimed.get(fold(action.name))
        if heir is not None:
            heirs.setdefault(heir, action)
            continue
        kept.append(
            replace(
                action,
                aliases=tuple(name for name in action.aliases if fold(name) not in claimed),
                types=tuple(kind for kind in action.types if fold_key(kind) not in types),
            )
        )
    return [*(_heir(action, heirs.get(action.name)) for action in own), *kept]


def _heir(action: Action, shipped: Action | None) -> Action:
    """An action with the arguments and types of the shipped one that it replaces, where it gives none."""
    if shipped is None:
        return action
    return replace(
        action, arguments=action.arguments or shipped.arguments, types=action.types or shipped.types
    )


def _action(section: Section, name: str) -> Action:
    if not _ACTION_NAME.fullmatch(name):
        section.fail(
            f"`{name}` cannot be an action's name.",
            name,
            hint="Letters, digits, `_`, `-` and spaces; a letter first.",
        )
    entry = section.table(name)
    entry.only(*ACTION_KEYS)
    risk = entry.choice("risk", "", list(Risk)) if entry.has("risk") else None
    return Action(
        name=name,
        tools=_tools(entry),
        aliases=entry.names("aliases") if entry.values.get("aliases") != [] else (),
        types=entry.names("types") if entry.values.get("types") != [] else (),
        arguments=_arguments(entry),
        phrases=entry.names("phrases") if entry.values.get("phrases") != [] else (),
        risk=Risk(risk) if risk else None,
        repeatable=entry.optional_flag("repeatable"),
        timeout=entry.optional_seconds("timeout"),
        retries=entry.optional_whole("retries", least=0, most=100),
        cache=entry.optional_seconds("cache"),
        verify=_verify(entry),
        undo=_follow_up(entry, "undo", CALL_KEYS),
        idempotency_key=entry.optional_text("idempotency_key"),
        line=section.line_of(name),
    )


def _arguments(entry: Section) -> tuple[Argument, ...]:
    table = entry.table("arguments")
    arguments: list[Argument] = []
    owner: dict[str, str] = {}
    for name in table.values:
        argument = table.table(name)
        argument.only(*ARGUMENT_KEYS)
        names = argument.names("names") if argument.values.get("names") != [] else ()
        for each in (name, *names):
            if owner.setdefault(fold_key(each), name) != name:
                table.fail(
                    f"The arguments `{owner[fold_key(each)]}` and `{name}` share the name `{each}`.", name
                )
        required, kind = argument.flag("required", default=False), argument.choice("kind", "text", KINDS)
        arguments.append(Argument(name, names, required, kind))
    return tuple(arguments)


def _tools(entry: Section) -> tuple[ActionTool, ...]:
    tools = tuple(_tool(section) for section in entry.tables("tools"))
    if not tools:
        entry.fail(
            f"`{entry.name_of('tools')}` names no tool.",
            "tools",
            hint="Write `tools: [{tool: server.tool}]`.",
        )
    names = [tool.name for tool in tools]
    for name in names:
        if names.count(name) > 1:
            entry.fail(f"`{entry.name_of('tools')}` names {name} twice.", "tools")
    return tools


def _tool(section: Section) -> ActionTool:
    section.only(*TOOL_KEYS)
    name = _TOOL_NAME.fullmatch(section.text("tool", " "))
    if name is None:
        section.fail(
            f"`{section.name_of('tool')}` must be `server.tool`.", "tool" if section.has("tool") else None
        )
    mapping = section.table("with")
    names = {target: mapping.text(target, "") for target in mapping.values}
    for target, source in names.items():
        if list(names.values()).count(source) > 1:
            mapping.fail(f"The action's argument `{source}` fills two arguments of {name[0]}.", target)
    constants = section.table("constants")
    for target in constants.values:
        if target in names:
            constants.fail(f"`{target}` is filled both from the action and by a constant.", target)
    return ActionTool(
        name["server"], name["tool"], MappingProxyType(names), MappingProxyType(constants.json())
    )


def _verify(entry: Section) -> Verify | None:
    found = _follow_up(entry, "verify", VERIFY_KEYS)
    if found is None:
        return None
    section = entry.table("verify")
    happened = section.text("happened", "")
    try:
        check(happened, ("result", "with"))
    except LimitError as error:
        section.fail(
            f"`{section.name_of('happened')}` must say in CEL when it happened: {error.message}",
            "happened" if section.has("happened") else None,
            hint="Such as `happened: size(result.messages) > 0`.",
        )
    return Verify(
        found.action,
        found.arguments,
        happened,
        section.optional_seconds("after"),
        section.flag("read_only", default=False),
    )


def _follow_up(entry: Section, key: str, keys: Sequence[str]) -> FollowUp | None:
    if not entry.has(key):
        return None
    section = entry.table(key)
    section.only(*keys)
    names = [section.text(which, "") for which in ("tool", "action") if section.has(which)]
    if len(names) != 1:
        entry.fail(f"`{entry.name_of(key)}` needs one `tool` or one `action`.", key)
    return FollowUp(names[0], MappingProxyType(section.table("with").json()))


def _refuse_shared_names(section: Section, actions: list[Action]) -> None:
    """Refuse two actions that answer to one name."""
    owner: dict[str, str] = {}
    for action in actions:
        for name in (action.name, *action.aliases):
            other = owner.setdefault(fold(name), action.name)
            if other != action.name:
                section.fail(
                    f"The actions `{other}` and `{action.name}` both answer to `{name}`.", action.name
                )
