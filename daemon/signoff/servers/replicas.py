"""All replicas of one server: which of them takes a call, and when it may go.

The replica that is connected, in order and least busy takes the next call. Limits on how many calls are in
flight, and on how often they go, count for all replicas together.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import count

from signoff.errors import RateLimited
from signoff.model import ServerView
from signoff.servers.health import ServerHealth, together
from signoff.servers.launch import ServerConfig
from signoff.servers.outcome import Where
from signoff.servers.owner import Owner
from signoff.servers.rate import Turnstile

LONGEST_TURN = 5.0
"""Seconds that a call waits for its turn under a rate limit; for longer, its plan waits instead."""


def labels(name: str) -> Iterator[str]:
    """What the replicas of a server are called in logs: `mail`, `mail#2` and so on."""
    yield name
    for number in count(2):
        yield f"{name}#{number}"


class Replicas:
    """The owners of one configured server; usually one."""

    def __init__(self, config: ServerConfig, owners: Sequence[Owner]) -> None:
        self.config = config
        self.owners = tuple(owners)
        self._places = None if config.max_concurrency is None else asyncio.Semaphore(config.max_concurrency)
        self._turnstile = None if config.rate_limit is None else Turnstile(config.rate_limit)
        self._turn = 0
        self._last_turn = dict.fromkeys(range(len(self.owners)), 0)

    def view(self) -> ServerView:
        """As the reader and the gate see it: what a connected replica offers, else what is remembered."""
        views = [owner.view() for owner in self.owners]
        for wanted in (
            [view for view, owner in zip(views, self.owners, strict=True) if owner.incarnation is not None],
            [view for view in views if view.tools is not None and not view.cached],
            [view for view in views if view.tools is not None],
        ):
            if wanted:
                return wanted[0]
        return views[0]

    def health(self) -> ServerHealth:
        """All of them as one."""
        return together([owner.health() for owner in self.owners])

    def said(self) -> list[str]:
        """The last lines on the stderr of the one that is worst off."""
        return min(self.owners, key=lambda owner: (owner.connected, owner.trouble is None)).said()

    # ---- one call

    @property
    def unlimited(self) -> bool:
        """May any number of calls go, as often as they want?"""
        return self._places is None and self._turnstile is None

    def choose(self, tool: str, wanted: bytes | None, tried: set[Owner]) -> Owner | None:
        """The replica for a call, whose tool is to be defined exactly so; None where all have been tried."""
        left = self.owners if not tried else [owner for owner in self.owners if owner not in tried]
        if len(left) <= 1:
            return left[0] if left else None
        best = min(range(len(self.owners)), key=lambda index: self._rank(index, tool, wanted, tried))
        self._turn += 1
        self._last_turn[best] = self._turn
        return self.owners[best]

    def _rank(
        self, index: int, tool: str, wanted: bytes | None, tried: set[Owner]
    ) -> tuple[bool, bool, bool, bool, int, int]:
        """What makes a replica worse than another, the weightiest first."""
        owner = self.owners[index]
        incarnation = owner.incarnation
        there = incarnation is not None and incarnation.connected
        fits = incarnation is not None and wanted in {None, incarnation.listing.exact.get(tool)}
        busy = incarnation.in_flight if incarnation is not None else 0
        return (owner in tried, not there, not fits, owner.trouble is not None, busy, self._last_turn[index])

    @asynccontextmanager
    async def turn(self, where: Where, seconds: float) -> AsyncIterator[None]:
        """Waits until a call may go under the limits of the entry.

        Raises:
            RateLimited: the rate limit lets it go only later; nothing was sent.
        """
        if self._places is None:
            await self._pass(where, seconds)
            yield
            return
        async with self._places:
            await self._pass(where, seconds)
            yield

    async def _pass(self, where: Where, seconds: float) -> None:
        if self._turnstile is None:
            return
        now = asyncio.get_running_loop().time()
        wait = self._turnstile.wait(now)
        if wait > min(LONGEST_TURN, seconds / 2):
            raise RateLimited(
                f"{where} was not called: mcp_servers.json limits how often {where.server} may be called, "
                f"and its next turn is in {wait:.0f} seconds.",
                server=where.server,
                tool=where.tool,
                retry_after=wait,
            )
        self._turnstile.take(now + wait)
        await asyncio.sleep(wait)
