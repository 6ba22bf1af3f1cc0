"""Who can do what: servers, tools and capabilities by name, and which server is the best for one.

A capability is a name for something that tools of several servers do: the name of a tool itself (`send_email`
and `send-email` are one), or a name given to the registry with the tools that do it, in order of preference.
What the registry answers is for choosing and showing. It is never the ground for a call: that compares
with the connection itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from signoff.model import ServerView, Tool
from signoff.servers.health import ServerHealth

_BREAKS = re.compile(r"[\s_.-]+")
_RANK = {"available": 0, "degraded": 1, "unknown": 2, "unavailable": 3}


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool of a server that does what was looked for.

    Attributes:
        preference: 0 for what the given order names first; the same for all where there is none.
    """

    server: str
    tool: Tool
    preference: int = 0

    @property
    def name(self) -> str:
        """`server.tool`."""
        return f"{self.server}.{self.tool.name}"


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of all servers together."""

    servers: int
    available: int
    degraded: int
    unavailable: int
    unknown: int
    tools: int
    capabilities: int
    calls: int
    errors: int
    in_flight: int


class Registry:
    """Look-ups over the servers as they are now; the index is made anew only when their tools change.

    Args:
        views: what each server offers.
        health: how each server is.
        capabilities: further names, each with its `(server, tool)` in order of preference.
    """

    def __init__(
        self,
        views: Callable[[], Mapping[str, ServerView]],
        health: Callable[[], Mapping[str, ServerHealth]],
        capabilities: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    ) -> None:
        self._views = views
        self._health = health
        self._capabilities = dict(capabilities or {})
        self._basis: tuple[object, ...] = ()
        self._tools: dict[str, Offer] = {}
        self._by_name: dict[str, tuple[Offer, ...]] = {}

    def follow(self, capabilities: Mapping[str, Sequence[tuple[str, str]]]) -> None:
        """Has these names from now on, in place of those it was given before."""
        self._capabilities = dict(capabilities)
        self._basis = ()

    def tool(self, name: str) -> Offer | None:
        """The tool called `server.tool`."""
        self._follow()
        return self._tools.get(name)

    def capabilities(self) -> list[str]:
        """Every name that can be looked up, folded, in order."""
        self._follow()
        return sorted(self._by_name)

    def find(self, capability: str) -> tuple[Offer, ...]:
        """All that can do it, the preferred first; empty where nothing can."""
        self._follow()
        return self._by_name.get(fold(capability), ())

    def fallbacks(self, capability: str) -> tuple[Offer, ...]:
        """All that can do it, in the order in which to try them.

        What works now comes before what does not, then the preferred, then the faster and less busy.
        """
        offers = self.find(capability)
        if len(offers) < 2:
            return offers
        health = self._health()
        return tuple(sorted(offers, key=lambda offer: _worth(offer, health[offer.server])))

    def recommended(self, capability: str) -> Offer | None:
        """The best that can do it now; None where none that can is there."""
        first = next(iter(self.fallbacks(capability)), None)
        if first is None or _RANK[self._health()[first.server].status] > 1:
            return None
        return first

    def statistics(self) -> Statistics:
        """Counts over all servers."""
        self._follow()
        health = list(self._health().values())
        states = [each.status for each in health]
        return Statistics(
            servers=len(health),
            available=states.count("available"),
            degraded=states.count("degraded"),
            unavailable=states.count("unavailable"),
            unknown=states.count("unknown"),
            tools=len(self._tools),
            capabilities=len(self._by_name),
            calls=sum(each.calls for each in health),
            errors=sum(each.error_count for each in health),
            in_flight=sum(each.in_flight for each in health),
        )

    def _follow(self) -> None:
        """Makes the index anew where a server offers something else than when it was made."""
        views = self._views()
        basis = (*views, *(view.tools for view in views.values()))
        if len(basis) == len(self._basis) and all(
            one is other for one, other in zip(basis, self._basis, strict=True)
        ):
            return
        self._basis = basis
        self._tools = {
            f"{name}.{tool.name}": Offer(name, tool)
            for name, view in views.items()
            for tool in (view.tools or {}).values()
        }
        found: dict[str, list[Offer]] = {}
        for offer in self._tools.values():
            found.setdefault(fold(offer.tool.name), []).append(offer)
        for capability, tools in self._capabilities.items():
            named = [self._tools.get(f"{server}.{tool}") for server, tool in tools]
            found[fold(capability)] = [
                Offer(offer.server, offer.tool, preference)
                for preference, offer in enumerate(named)
                if offer is not None
            ]
        self._by_name = {name: tuple(offers) for name, offers in found.items()}


def fold(name: str) -> str:
    """A capability's name as it is compared."""
    return _BREAKS.sub("_", name.strip()).casefold()


def _worth(offer: Offer, health: ServerHealth) -> tuple[bool, int, int, bool, int, float]:
    rank = _RANK[health.status]
    there = rank <= 1
    speed = health.median_ms if health.median_ms is not None else 1e9
    return (not there, offer.preference, rank, health.flapping, health.in_flight, speed)
