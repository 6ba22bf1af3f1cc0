"""How a server is doing.

Pure: times are passed in, in seconds of a monotonic clock, and nothing is awaited here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from signoff.servers.breaker import Breaker, BreakerState

__all__ = ["Breaker", "BreakerState", "ServerHealth", "Status", "backoff", "together"]

Status = Literal["available", "degraded", "unavailable", "unknown"]


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
        message: what is wrong, in plain words; empty where nothing is.
        do: what a person can do about it; empty where nothing is wrong.
        changed: when status or reason last changed, UTC ISO 8601; None before that.
        next_attempt: seconds until it is tried again, where that waits; else None.
        median_ms, p95_ms: response time to checks in the last hour.
        call_median_ms, call_p95_ms: the same of calls.
        errors: errors in the last hour.
        error_rate: the part of what was asked in the last hour that ended in an error, from 0 to 1.
        flapping: its connection is lost again and again.
        in_flight: calls that wait for its answer.
        calls: calls that it has answered since the start.
        replicas, replicas_up: how many of it there are, and how many of them are connected.
        pid: of its process; None for one that is none of ours.
        processes, memory_bytes, cpu_percent: what its processes use, as of the last check.
    """

    status: Status = "unknown"
    last_check: str | None = None
    response_time_ms: float | None = None
    error_count: int = 0
    restarts: int = 0
    breaker: BreakerState = "closed"
    reason: str = ""
    message: str = ""
    do: str = ""
    changed: str | None = None
    next_attempt: float | None = None
    median_ms: float | None = None
    p95_ms: float | None = None
    call_median_ms: float | None = None
    call_p95_ms: float | None = None
    errors: int = 0
    error_rate: float | None = None
    flapping: bool = False
    in_flight: int = 0
    calls: int = 0
    replicas: int = 1
    replicas_up: int = 0
    pid: int | None = None
    processes: int | None = None
    memory_bytes: int | None = None
    cpu_percent: float | None = None


_ORDER: tuple[Status, ...] = ("available", "degraded", "unknown", "unavailable")


def together(replicas: list[ServerHealth]) -> ServerHealth:
    """Several replicas of one server as one: as good as its best, and degraded where another is away."""
    if len(replicas) == 1:
        return replicas[0]
    best = min(replicas, key=lambda each: _ORDER.index(each.status))
    worst = max(replicas, key=lambda each: _ORDER.index(each.status))
    up = sum(each.replicas_up for each in replicas)
    short = best.status == "available" and worst.status == "unavailable"
    times = [each.error_rate for each in replicas if each.error_rate is not None]
    return ServerHealth(
        status="degraded" if short else best.status,
        last_check=max((each.last_check for each in replicas if each.last_check), default=None),
        response_time_ms=best.response_time_ms,
        error_count=sum(each.error_count for each in replicas),
        restarts=sum(each.restarts for each in replicas),
        breaker=best.breaker,
        reason=f"replica-{worst.reason}" if short else best.reason,
        message=f"{up} of {len(replicas)} replicas are connected. {worst.message}" if short else best.message,
        changed=max((each.changed for each in replicas if each.changed), default=None),
        do=worst.do if short else best.do,
        next_attempt=best.next_attempt,
        median_ms=best.median_ms,
        p95_ms=max((each.p95_ms for each in replicas if each.p95_ms is not None), default=None),
        call_median_ms=best.call_median_ms,
        call_p95_ms=max(
            (each.call_p95_ms for each in replicas if each.call_p95_ms is not None), default=None
        ),
        errors=sum(each.errors for each in replicas),
        error_rate=round(sum(times) / len(times), 4) if times else None,
        flapping=any(each.flapping for each in replicas),
        in_flight=sum(each.in_flight for each in replicas),
        calls=sum(each.calls for each in replicas),
        replicas=len(replicas),
        replicas_up=up,
        pid=best.pid,
        processes=sum(each.processes or 0 for each in replicas) or None,
        memory_bytes=sum(each.memory_bytes or 0 for each in replicas) or None,
        cpu_percent=round(sum(each.cpu_percent or 0.0 for each in replicas), 1)
        if any(each.cpu_percent is not None for each in replicas)
        else None,
    )


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
