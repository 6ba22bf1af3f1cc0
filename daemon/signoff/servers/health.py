"""How a server is doing, and the breaker that spares it when connecting fails again and again.

Pure: times are passed in, in seconds of a monotonic clock, and nothing is awaited here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["available", "degraded", "unavailable", "unknown"]
BreakerState = Literal["closed", "open", "half-open"]


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """What is known of a server's condition at one moment.

    Attributes:
        status: `available`, `degraded` (connected, but something is wrong), `unavailable`, or `unknown`
            (not tried yet).
        last_check: when it last answered or failed to, UTC ISO 8601; None before that.
        response_time_ms: of the last check that was answered; None before that.
        error_count: failed connections, lost connections and faults in calls since the start.
        restarts: how often it was connected again after it had been connected.
        breaker: `closed` (normal), `open` (not tried for now), `half-open` (being tried).
        reason: why it is not available, as a code; empty where it is.
        message: what is wrong and what to do, in plain words; empty where nothing is wrong.
    """

    status: Status = "unknown"
    last_check: str | None = None
    response_time_ms: float | None = None
    error_count: int = 0
    restarts: int = 0
    breaker: BreakerState = "closed"
    reason: str = ""
    message: str = ""


class Breaker:
    """Opens after `threshold` failures in a row, and lets one attempt through after `cooldown` seconds."""

    def __init__(self, threshold: int = 5, cooldown: float = 30.0) -> None:
        self.threshold = threshold
        self.cooldown = cooldown
        self._failures = 0
        self._opened: float | None = None
        self._trying = False

    def state(self, now: float) -> BreakerState:
        """The state at `now`, without changing it."""
        if self._opened is None:
            return "closed"
        return "half-open" if self._trying or now >= self._opened + self.cooldown else "open"

    def wait(self, now: float) -> float:
        """Seconds until an attempt is allowed; 0 where it is allowed now."""
        if self._opened is None or self._trying:
            return 0.0
        return max(0.0, self._opened + self.cooldown - now)

    def attempt(self) -> None:
        """An attempt begins."""
        self._trying = self._opened is not None

    def succeeded(self) -> None:
        """The attempt succeeded: closed again."""
        self._failures, self._opened, self._trying = 0, None, False

    def failed(self, now: float) -> None:
        """The attempt failed: one more in a row."""
        self._failures += 1
        self._trying = False
        if self._failures >= self.threshold:
            self._opened = now

    @property
    def failures(self) -> int:
        """Failures in a row."""
        return self._failures


def backoff(failures: int, *, jitter: float, base: float = 0.1, cap: float = 60.0) -> float:
    """Seconds to wait before the next attempt, after so many failures in a row.

    Args:
        failures: 0 right after a connection that had worked was lost.
        jitter: between 0 and 1; spreads the attempts of many servers by a factor of 0.5 to 1.5.
        base: the first wait, doubled each time.
        cap: the longest wait, before jitter.
    """
    exponent = min(failures, 32)
    return float(min(cap, base * 2**exponent) * (0.5 + jitter))
