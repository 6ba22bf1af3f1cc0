"""Places for calls in flight, given in the order of priority and then of asking.

One counter for all servers together. Whoever holds a place gives it back; a place that becomes free
goes straight to the first in line, so that nobody who asks later overtakes. Of every `FAIR` places
given to a line, one goes to whoever has waited longest, whatever the priority: nothing starves.
"""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import count

RANK = {"high": 0, "normal": 1, "low": 2}
FAIR = 8


class Slots:
    """A limit on calls in flight.

    Attributes:
        limit: how many places there are.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._free = limit
        self._lines: dict[int, deque[tuple[int, asyncio.Future[None]]]] = {0: deque(), 1: deque(), 2: deque()}
        self._order = count()
        self._given = 0

    def take(self) -> bool:
        """Take a place if one is free and nobody waits."""
        if self._free > 0 and not any(self._lines.values()):
            self._free -= 1
            return True
        return False

    async def wait(self, priority: str = "normal") -> None:
        """Wait in line for a place. A cancelled waiter leaves the line and keeps no place."""
        if self.take():
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lines[RANK.get(priority, 1)].append((next(self._order), place))
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.give_back()
            raise

    def retake(self) -> None:
        """Take a place that was lent for a while, at once, whether one is free or not.

        There may then be more calls in flight than places, and none begins until that is over.
        """
        self._free -= 1

    def give_back(self) -> None:
        """Return a place; the next in line gets it at once."""
        if self._free < 0:
            self._free += 1
            return
        while (line := self._next_line()) is not None:
            _, place = line.popleft()
            if not place.done():
                self._given += 1
                place.set_result(None)
                return
        self._free += 1

    def _next_line(self) -> deque[tuple[int, asyncio.Future[None]]] | None:
        waiting = [line for line in self._lines.values() if line]
        if not waiting:
            return None
        if self._given % FAIR == FAIR - 1:
            return min(waiting, key=lambda line: line[0][0])
        return waiting[0]
