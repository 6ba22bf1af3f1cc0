"""What of the servers is another when their configuration has changed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from signoff.servers.launch import ServerConfig


@dataclass(frozen=True, slots=True)
class Change:
    """The names of servers that came, that are otherwise configured than before, and that are gone."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything changed."""
        return bool(self.added or self.changed or self.removed)

    def sentence(self) -> str:
        """What changed, for people."""
        named = (("added", self.added), ("changed", self.changed), ("removed", self.removed))
        parts = [f"{word} {', '.join(names)}" for word, names in named if names]
        return f"Servers {'; '.join(parts)}." if parts else "No server has changed."


def change(old: Mapping[str, ServerConfig], new: Mapping[str, ServerConfig]) -> Change:
    """How `new` differs from `old`; what is only said about an entry does not count."""
    return Change(
        added=tuple(name for name in new if name not in old),
        changed=tuple(name for name in new if name in old and _bare(old[name]) != _bare(new[name])),
        removed=tuple(name for name in old if name not in new),
    )


def _bare(config: ServerConfig) -> ServerConfig:
    return replace(config, warnings=(), peers=tuple(_bare(peer) for peer in config.peers))
