"""Answers of tools that only read, kept for a while: for as long as the catalogue says that they stay good.

An answer counts only for the same server, the same definition of the tool and exactly the same arguments.
What is served from here is marked with the time of the call that it comes from.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from signoff.canonical import sha256_hex
from signoff.model import CallResult, Json, JsonObject, ServerView
from signoff.servers.tools import exact

MOST = 256
"""Answers that are kept; beyond, the one that was asked for longest ago goes."""

LARGEST = 256 * 1024
"""Bytes; a longer answer is not kept."""


class Answers:
    """The kept answers of all servers. Pure: times are passed in, in monotonic seconds."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: OrderedDict[str, tuple[float, CallResult]] = OrderedDict()

    @staticmethod
    def key(
        view: ServerView, tool: str, arguments: Mapping[str, Json], pin: JsonObject | None = None
    ) -> str | None:
        """What an answer is kept under; None where the tool may act, or is not what was approved.

        Args:
            view: the server as it is connected now; of one that is only remembered nothing is kept.
            tool: its name.
            arguments: of the call.
            pin: what was approved, `{"launch", "definition"}`; where it differs the call itself says so.
        """
        known = None if view.cached or view.tools is None else view.tools.get(tool)
        if known is None or known.annotations.get("readOnlyHint") is not True:
            return None
        live: JsonObject = {"launch": view.launch, "definition": known.definition()}
        if pin is not None and exact(pin) != exact(live):
            return None
        return sha256_hex(exact([live, dict(arguments)]))

    def get(self, key: str, seconds: float, now: float) -> CallResult | None:
        """The answer, where one is there that is not older than so many seconds."""
        found = self._kept.get(key)
        if found is None or now - found[0] > seconds:
            return None
        self._kept.move_to_end(key)
        return found[1]

    def put(self, key: str, result: CallResult, now: float) -> None:
        """Keeps an answer that has just come."""
        if len(result.text) > LARGEST:
            return
        stamp = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        self._kept[key] = (now, replace(result, cached_at=stamp))
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
