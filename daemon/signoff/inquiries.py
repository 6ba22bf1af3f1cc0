"""The questions that servers have open at this moment, each waiting for somebody to answer it.

What was asked and answered is in the ledger; here is only who waits for it, and ends with the process. A
question of a suspended call is opened again by the next daemon, before any note is looked at.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from signoff.model import Reply


@dataclass(slots=True, eq=False)
class Pending:
    """A question that waits.

    Attributes:
        plan, number: which.
        lock: held by whoever answers it or gives it up, from looking to recording.
        reply: the answer, once it is recorded.
        dropped: set where nobody waits for the answer any more, or the plan must not go on.
    """

    plan: str
    number: int
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    reply: Reply | None = None
    dropped: asyncio.Event = field(default_factory=asyncio.Event)
    settled: asyncio.Event = field(default_factory=asyncio.Event)

    def settle(self, reply: Reply) -> None:
        """The question is answered, and that is recorded."""
        self.reply = reply
        self.settled.set()


class Inquiries:
    """All open questions."""

    def __init__(self) -> None:
        self._open: dict[int, Pending] = {}
        self._last = 0

    def open(self, plan: str, sequence: int) -> Pending:
        """A new question; its number is greater than any before it, over restarts too.

        Args:
            plan: the plan's id.
            sequence: the number of the ledger's last entry.
        """
        self._last = max(self._last, sequence) + 1
        pending = Pending(plan, self._last)
        self._open[pending.number] = pending
        return pending

    def again(self, plan: str, number: int) -> Pending:
        """A question that an earlier daemon had open; the same each time, and answered perhaps already."""
        return self._open.setdefault(number, Pending(plan, number))

    def close(self, pending: Pending) -> None:
        """Nobody waits for it any more."""
        self._open.pop(pending.number, None)

    def find(self, plan: str, number: int) -> Pending | None:
        """The open question of a plan with this number."""
        found = self._open.get(number)
        return found if found is not None and found.plan == plan and not found.settled.is_set() else None

    def drop(self, plan: str) -> None:
        """Give up all questions of a plan: it must not go on."""
        for pending in list(self._open.values()):
            if pending.plan == plan:
                pending.dropped.set()
