"""The circuit breaker of a server: it spares a server, and us, when it fails again and again.

What fails is connecting, or, while it is connected, calls. Closed: attempts are made. Open, after so many
failures in a row: none are, for a time. Half-open, when that time is over: one attempt is made, which closes
the breaker or opens it anew.

Pure: times are passed in, in seconds of a monotonic clock, and nothing is awaited here.
"""

from __future__ import annotations

from typing import Literal

BreakerState = Literal["closed", "open", "half-open"]


class Breaker:
    """Opens after `threshold` failures in a row, and lets one attempt through after `cooldown` seconds."""

    def __init__(self, threshold: int = 5, cooldown: float = 30.0) -> None:
        self.threshold = threshold
        self.cooldown = cooldown
        self.opened = 0
        """How often it has opened, first openings and renewed ones together."""
        self._failures = 0
        self._since: float | None = None
        self._trying = False

    def state(self, now: float) -> BreakerState:
        """The state at `now`, without changing it."""
        if self._since is None:
            return "closed"
        return "half-open" if self._trying or now >= self._since + self.cooldown else "open"

    def wait(self, now: float) -> float:
        """Seconds until an attempt is allowed; 0 where it is allowed now."""
        if self._since is None or self._trying:
            return 0.0
        return max(0.0, self._since + self.cooldown - now)

    def admit(self, now: float) -> float:
        """Seconds that a call must wait; 0 for one that may go now.

        When the time is over one may, and for all others it begins anew, unless that one goes well. If it
        ends without a word of the server, because it was not sent after all, nothing more is changed.
        """
        if self._since is None:
            return 0.0
        wait = self._since + self.cooldown - now
        if wait > 0:
            return wait
        self._since = now
        return 0.0

    def attempt(self) -> None:
        """An attempt to connect begins."""
        self._trying = self._since is not None

    def succeeded(self) -> None:
        """The attempt succeeded, or a person asked for a new beginning: closed again."""
        self._failures, self._since, self._trying = 0, None, False

    def failed(self, now: float) -> None:
        """The attempt failed: one more in a row."""
        self._failures += 1
        self._trying = False
        if self._failures >= self.threshold:
            self._since = now
            self.opened += 1

    @property
    def failures(self) -> int:
        """Failures in a row."""
        return self._failures
