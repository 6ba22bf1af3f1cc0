"""Turns at servers that take only so many calls at once: a call is only intended once it is its turn.

So a server that is busy keeps no place from calls to other servers, and a crash leaves nothing in doubt that
only stood in line. A turn is a step's until its call has ended; one that comes and cannot be used yet, for
want of a place, is kept until it can be, or given back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from signoff.slots import Slots


@dataclass(slots=True)
class Turns:
    """The turns of one run.

    Attributes:
        line: by server, where its callers stand in line; None for one without a limit.
    """

    line: Callable[[str], Slots | None]
    _used: dict[str, tuple[str, Slots]] = field(default_factory=dict)
    _kept: dict[str, Slots] = field(default_factory=dict)
    _awaited: dict[str, tuple[Slots, asyncio.Task[None]]] = field(default_factory=dict)

    @property
    def awaited(self) -> set[asyncio.Task[None]]:
        """Each ends when a turn comes."""
        return {task for _, task in self._awaited.values()}

    def stands_at(self, *servers: str) -> bool:
        """Does the run stand in line at each of these, so that no step of it can be called there now?"""
        return all(server in self._awaited for server in servers)

    def take(self, step: str, server: str, priority: str) -> bool:
        """Is it a step's turn? Otherwise the run stands in line at the server, once for all its steps."""
        if server in self._awaited:
            return False
        kept = self._kept.pop(server, None)
        line = kept or self.line(server)
        if line is None:
            return True
        if kept is None and not line.take():
            self._awaited[server] = line, asyncio.ensure_future(line.wait(priority))
            return False
        self._used[step] = server, line
        return True

    def keep(self, step: str) -> None:
        """The turn cannot be used yet: it is kept for the next step at that server."""
        if step in self._used:
            server, line = self._used.pop(step)
            self._kept[server] = line

    def give_back(self, step: str) -> None:
        """The call has ended, or is not made."""
        if step in self._used:
            self._used.pop(step)[1].give_back()

    def give_back_kept(self) -> None:
        """Nothing needs them now."""
        while self._kept:
            self._kept.popitem()[1].give_back()

    def arrive(self) -> None:
        """Keep the turns that have come."""
        for server in [server for server, (_, task) in self._awaited.items() if task.done()]:
            self._kept[server] = self._awaited.pop(server)[0]

    async def leave(self) -> None:
        """Leave every line, and give back what is not used."""
        for task in self.awaited:
            task.cancel()
        await asyncio.gather(*self.awaited, return_exceptions=True)
        for line, task in self._awaited.values():
            if not task.cancelled():
                line.give_back()  # it came at the last moment
        self._awaited.clear()
        self.give_back_kept()
