"""Reads `actions.yaml`, strictly, over the one that comes with the program."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from types import MappingProxyType

from signoff.catalogue.action import KINDS, Action, ActionTool, Argument, FollowUp, Verify
from signoff.catalogue.lookup import Catalogue
from signoff.catalogue.names import TOOL_NAME, fold, fold_key
from signoff.config.files import read_yaml
from signoff.config.section import Section
from signoff.limits import LimitError, check
from signoff.model import Risk

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
_ACTION_NAME = re.compile(r"[^\W\d_][\w -]{0,99}")


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
        aliases=entry.any_names("aliases"),
        types=entry.any_names("types"),
        arguments=_arguments(entry),
        phrases=entry.any_names("phrases"),
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
        names = argument.any_names("names")
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
    name = TOOL_NAME.fullmatch(section.text("tool", " "))
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
