"""What a server did lately: how fast it answered, how often it failed, how often it was lost.

Pure: times are passed in, in seconds of a monotonic clock.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

SPAN = 3600.0
"""Seconds that are looked back on."""

MOST = 500
"""Samples of a kind that are kept; of a busy server these are the newest."""

FLAPPING_SPAN, FLAPPING_LOSSES = 600.0, 3
"""So many lost connections in so many seconds are called flapping."""


@dataclass(frozen=True, slots=True)
class Figures:
    """A server in the last hour.

    Attributes:
        median_ms, p95_ms: response time to checks and listings; None without any.
        call_median_ms, call_p95_ms: the same of the calls that were answered, whatever the tools did.
        errors: failed and lost connections, unanswered checks, and calls that ended in a fault.
        error_rate: the part of everything asked that ended in an error, from 0 to 1; None without any.
        losses: connections that were lost.
        flapping: it is lost again and again.
    """

    median_ms: float | None = None
    p95_ms: float | None = None
    call_median_ms: float | None = None
    call_p95_ms: float | None = None
    errors: int = 0
    error_rate: float | None = None
    losses: int = 0
    flapping: bool = False


class Window:
    """Samples of one server."""

    def __init__(self, span: float = SPAN, most: int = MOST) -> None:
        self._span = span
        self._checks: deque[tuple[float, float]] = deque(maxlen=most)
        self._calls: deque[tuple[float, float]] = deque(maxlen=most)
        self._errors: deque[float] = deque(maxlen=most)
        self._losses: deque[float] = deque(maxlen=most)

    def checked(self, now: float, milliseconds: float) -> None:
        """It answered a check, or listed its tools."""
        self._checks.append((now, milliseconds))

    def called(self, now: float, milliseconds: float) -> None:
        """It answered a call."""
        self._calls.append((now, milliseconds))

    def failed(self, now: float) -> None:
        """Connecting, a check or a call ended in an error of the server's."""
        self._errors.append(now)

    def lost(self, now: float) -> None:
        """A connection that had worked ended without our doing."""
        self._losses.append(now)

    def figures(self, now: float) -> Figures:
        """What the last hour comes to."""
        since = now - self._span
        checks = [ms for at, ms in self._checks if at >= since]
        calls = [ms for at, ms in self._calls if at >= since]
        errors = sum(at >= since for at in self._errors)
        asked = len(checks) + len(calls) + errors
        return Figures(
            median_ms=percentile(checks, 0.5),
            p95_ms=percentile(checks, 0.95),
            call_median_ms=percentile(calls, 0.5),
            call_p95_ms=percentile(calls, 0.95),
            errors=errors,
            error_rate=round(errors / asked, 4) if asked else None,
            losses=sum(at >= since for at in self._losses),
            flapping=sum(at >= now - FLAPPING_SPAN for at in self._losses) >= FLAPPING_LOSSES,
        )


def percentile(samples: Iterable[float], part: float) -> float | None:
    """The smallest sample that `part` of them do not exceed; None without samples."""
    ordered = sorted(samples)
    if not ordered:
        return None
    return round(ordered[max(0, math.ceil(part * len(ordered)) - 1)], 3)
