"""Looking actions up: by name, by alias, by the kind of a note, or as `server.tool`; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from signoff.catalogue.action import Action, ActionTool
from signoff.catalogue.names import TOOL_NAME, fold, fold_key
from signoff.config.section import nearest


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
        if direct := TOOL_NAME.fullmatch(name):
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
