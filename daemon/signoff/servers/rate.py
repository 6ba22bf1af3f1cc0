"""How often a server may be called: `10/m` in its entry. Pure: times are passed in, monotonic seconds."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

_WRITTEN = re.compile(r"\s*(\d{1,9})\s*(?:/|per)\s*(\d{0,6})\s*(s|sec|second|m|min|minute|h|hour|d|day)s?\s*")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `calls` in any `seconds`."""

    calls: int
    seconds: float

    @classmethod
    def read(cls, text: str) -> Rate | None:
        """The rate in a text such as `10/m`, `1/30s` or `5 per hour`; None where it is none."""
        found = _WRITTEN.fullmatch(text.lower())
        if found is None or int(found[1]) < 1 or found[2] == "0":
            return None
        return cls(int(found[1]), int(found[2] or 1) * _SECONDS[found[3][0]])


class Turnstile:
    """Lets so many through in any stretch of time; in the order in which they ask."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._taken: deque[float] = deque(maxlen=rate.calls)

    def wait(self, now: float) -> float:
        """Seconds until the next may go; 0 where it may go now."""
        if len(self._taken) < self._rate.calls:
            return 0.0
        return max(0.0, self._taken[0] + self._rate.seconds - now)

    def take(self, now: float) -> None:
        """One goes at `now`, or is promised to go then."""
        self._taken.append(now)
