"""The catalogue: names of actions, and the tools that carry them out (`actions.yaml`).

An action is looked up by its name, then by an alias, then as a tool named directly (`server.tool`).
Names compare without regard to case, and `-`, `_` and spaces are one. Two actions that answer to
the same name are an error when the file is read: what runs must never depend on an order.

Reading the file is strict; everything after it is pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from signoff.config.files import read_yaml
from signoff.config.section import Section, nearest
from signoff.errors import NoteError
from signoff.model import Json, Risk

ACTION_KEYS = (
    "aliases",
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

_TOOL_NAME = re.compile(r"(?P<server>[^\s.]+)\.(?P<tool>\S+)")
_ACTION_NAME = re.compile(r"[^\W\d_][\w -]{0,99}")
_WORD_BREAKS = re.compile(r"[\s_-]+")


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
class Action:
    """A name for something that a tool does.

    Attributes:
        aliases: other names for it.
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
    phrases: tuple[str, ...] = ()
    risk: Risk | None = None
    repeatable: bool | None = None
    timeout: float | None = None
    retries: int | None = None
    cache: float | None = None
    verify: FollowUp | None = None
    undo: FollowUp | None = None
    idempotency_key: str | None = None
    line: int | None = None


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

    @classmethod
    def of(cls, actions: Iterable[Action]) -> Catalogue:
        """A catalogue of these actions, whose names are known to differ."""
        by_name = {action.name: action for action in actions}
        names = {
            fold(name): action.name for action in by_name.values() for name in (*action.aliases, action.name)
        }
        return cls(MappingProxyType(by_name), MappingProxyType(names))

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


def fold(name: str) -> str:
    """A name as it is compared: lower case, with `_` for every run of spaces, `-` and `_`."""
    return _WORD_BREAKS.sub("_", name.strip()).casefold()


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
    """The catalogue of a file; an empty one for None or where there is no file.

    Raises:
        ConfigError: with file, line and key.
    """
    if path is None:
        return Catalogue()
    section = read_yaml(path)
    actions = [_action(section, name) for name in section.values]
    _refuse_shared_names(section, actions)
    return Catalogue.of(actions)


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
        phrases=entry.names("phrases") if entry.values.get("phrases") != [] else (),
        risk=Risk(risk) if risk else None,
        repeatable=entry.optional_flag("repeatable"),
        timeout=entry.optional_seconds("timeout"),
        retries=entry.optional_whole("retries", least=0, most=100),
        cache=entry.optional_seconds("cache"),
        verify=_follow_up(entry, "verify"),
        undo=_follow_up(entry, "undo"),
        idempotency_key=entry.optional_text("idempotency_key"),
        line=section.line_of(name),
    )


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


def _follow_up(entry: Section, key: str) -> FollowUp | None:
    if not entry.has(key):
        return None
    section = entry.table(key)
    section.only(*CALL_KEYS)
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
