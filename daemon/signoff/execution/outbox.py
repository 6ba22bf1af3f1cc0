"""What a run has to record: kept until it is durable, however often that takes."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from signoff.canonical import sha256_hex
from signoff.errors import LedgerError
from signoff.execution.world import World
from signoff.ledger.entry import Event
from signoff.model import Json, JsonObject

RECORD_AGAIN = 1.0
"""Seconds between attempts to record an outcome while the ledger cannot be written."""


@dataclass(slots=True)
class Outbox:
    """What ended, and is not recorded yet.

    Attributes:
        events: what waits to be recorded, in order.
        results: what they speak of, by its hash.
        trouble: why the ledger could not be written, or None; nothing more is called after it.
        abandoned: nobody waits for the run any more: what cannot be recorded now is given up.
    """

    world: World
    events: list[Event] = field(default_factory=list)
    results: dict[str, JsonObject] = field(default_factory=dict)
    _contents: list[bytes] = field(default_factory=list)
    _ahead: int = 0
    trouble: LedgerError | None = None
    abandoned: bool = False

    async def record(self, intents: Sequence[Event]) -> bool:
        """What ended and what is about to leave, in one durable write; False where it failed.

        Then what ended stays here until it can be recorded, and the intents are given up.
        """
        events = [*self.events, *intents]
        if not events:
            return True
        try:
            await self.world.record(events, tuple(self._contents))
        except LedgerError as error:
            self.trouble = error
            return False
        self.events.clear()
        self.results.clear()
        self._contents.clear()
        self._ahead = 0
        return True

    def keep(self, result: JsonObject) -> str:
        """The hash of a result, which is kept together with the event that speaks of it."""
        data = encoded(result)
        name = sha256_hex(data)
        self.results[name] = result
        self._contents.append(data)
        return name

    def send_ahead(self) -> None:
        """Begin to keep the results that came since, while it is worked out what follows from them."""
        self.world.keep_ahead(self._contents[self._ahead :])
        self._ahead = len(self._contents)

    async def again(self) -> bool:
        """Wait before recording once more; False where nobody waits for it."""
        if self.abandoned:
            return False  # after the restart an intent without an outcome is unknown
        await asyncio.sleep(RECORD_AGAIN)
        return True


def encoded(value: Json) -> bytes:
    """A value as it is kept; also one with numbers or texts that strict JSON does not allow."""
    try:
        data = orjson.dumps(value)
    except (orjson.JSONEncodeError, RecursionError):
        return json.dumps(value).encode()
    # orjson makes null of NaN and infinity, and null is a value that another tool may take
    return json.dumps(value).encode() if b"null" in data and _is_odd(value) else data


def _is_odd(value: Json) -> bool:
    """Does a value hold numbers that are none?"""
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, float) and not math.isfinite(item):
            return True
        left += item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    return False
