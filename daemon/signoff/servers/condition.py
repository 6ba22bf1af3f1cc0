"""What is seen of one server over all its connections: how it answers, what went wrong, whether to try it.

Nothing is awaited here; times are of the running event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from signoff.servers.health import Breaker, ServerHealth, Status
from signoff.servers.launch import ServerConfig
from signoff.servers.remedy import remedy
from signoff.servers.trouble import Trouble, standing_trouble
from signoff.servers.usage import Usage
from signoff.servers.window import Window

if TYPE_CHECKING:
    from signoff.servers.incarnation import Incarnation

SHORT_LIFE = 5.0
"""Seconds; a server that lives shorter is connected again ever more slowly."""

FAULTS_IN_ROW = 3
"""So many calls in a row that end in a fault of the server make it degraded."""


class Condition:
    """The condition of one server.

    Args:
        config: the server's entry.
        on_change: called when something has changed.

    Attributes:
        trouble: what is wrong with it; None where nothing is known to be.
        breaker: whether connecting is tried.
        short_lives: how many of its connections in a row ended soon after they were made.
        unanswered: checks in a row that it did not answer.
        next_attempt: when it is tried again, where that waits.
    """

    def __init__(self, config: ServerConfig, on_change: Callable[[], None]) -> None:
        self.trouble = standing_trouble(config)
        self._config = config
        self.breaker = Breaker()
        self.short_lives = 0
        self.unanswered = 0
        self.next_attempt: float | None = None
        self._on_change = on_change
        self._window = Window()
        self._generation = 0
        self._last_fault = 0.0
        self._calls = self._errors = self._faults_in_row = 0
        self._told: tuple[str, str] = ("", "")
        self._changed: str | None = None
        self._last_check: str | None = None
        self._response_ms: float | None = None
        self._incarnation: Incarnation | None = None
        self._pid: int | None = None
        self._usage: Usage | None = None
        self._cpu_percent: float | None = None

    # ---- what is known

    def health(self) -> ServerHealth:
        """All of it, as of now."""
        status, reason, message = self._state()
        now = loop_time()
        figures = self._window.figures(now)
        next_attempt = self.next_attempt
        there, usage = self._incarnation, self._usage
        return ServerHealth(
            status=status,
            last_check=self._last_check,
            response_time_ms=self._response_ms,
            error_count=self._errors,
            restarts=max(0, self._generation - 1),
            breaker=self.breaker.state(now),
            reason=reason,
            message=message,
            do=remedy(reason, self._config),
            changed=self._changed,
            next_attempt=None if next_attempt is None else round(max(0.0, next_attempt - now), 1),
            median_ms=figures.median_ms,
            p95_ms=figures.p95_ms,
            call_median_ms=figures.call_median_ms,
            call_p95_ms=figures.call_p95_ms,
            errors=figures.errors,
            error_rate=figures.error_rate,
            flapping=figures.flapping,
            in_flight=0 if there is None else there.in_flight,
            calls=self._calls,
            replicas_up=int(there is not None),
            pid=None if there is None else self._pid,
            processes=None if usage is None else usage.processes,
            memory_bytes=None if usage is None else usage.memory_bytes,
            cpu_percent=self._cpu_percent,
        )

    def _state(self) -> tuple[Status, str, str]:
        if self._incarnation is None or not self._incarnation.connected:
            if self.trouble is None:
                return "unknown", "connecting", "It is being connected."
            return "unavailable", self.trouble.reason, self.trouble.message
        if self.trouble is not None:
            return "degraded", self.trouble.reason, self.trouble.message
        if self._incarnation.listing.problem:
            return "degraded", "tools-ambiguous", self._incarnation.listing.problem
        return "available", "", ""

    # ---- connections

    def connected(self, incarnation: Incarnation, pid: int | None) -> None:
        """There is a connection, and the tools are known."""
        self._incarnation = incarnation
        self._generation = incarnation.generation
        self._pid, self._usage, self._cpu_percent = pid, None, None
        self._last_check = utc()
        self._faults_in_row = self.unanswered = 0
        self.breaker.succeeded()
        self.change(None)

    def disconnected(self) -> None:
        """The connection is not there any more, for whatever reason."""
        self._incarnation = None

    def not_connected(self, trouble: Trouble) -> None:
        """Connecting failed."""
        self._ended()
        self.breaker.failed(loop_time())
        self.change(trouble)

    def lost(self, trouble: Trouble, since: float) -> None:
        """A connection that was made at `since` ended without our doing."""
        now = loop_time()
        self._ended()
        self._window.lost(now)
        self.short_lives = self.short_lives + 1 if now - since < SHORT_LIFE else 0
        self.change(trouble)

    def _ended(self) -> None:
        self._last_check = utc()
        self.failed()

    # ---- checks and calls

    def measured(self, began: float) -> None:
        """It has answered a question of ours that was asked at `began`."""
        now = loop_time()
        self._response_ms = round((now - began) * 1000, 3)
        self._window.checked(now, self._response_ms)

    def passed(self) -> None:
        """It has answered a check as it should; that its calls go well again, only a call can show."""
        self.unanswered = 0
        if self.breaker.state(loop_time()) != "closed":
            return
        if self.trouble is not None and self._incarnation is not None:
            self._faults_in_row = 0
            self.change(None)

    def checked(self) -> None:
        """A check is over, however it ended."""
        self._last_check = utc()

    def answered(self, milliseconds: float) -> None:
        """A call was answered."""
        self._calls += 1
        self._window.called(loop_time(), milliseconds)
        self.responded()

    def responded(self) -> None:
        """The server has dealt with a call as it should, be it with a refusal."""
        self._faults_in_row = 0
        if self.breaker.failures and self._incarnation is not None:
            was_closed = self.breaker.state(loop_time()) == "closed"
            self.breaker.succeeded()
            if not was_closed:
                self.change(None)

    def failed(self) -> None:
        """Connecting, a check or a call ended in an error of the server's."""
        self._errors += 1
        self._window.failed(loop_time())

    def faulted(self, message: str, began: float) -> None:
        """A call that was begun at `began` ended in a fault of the server.

        So many in a row, and it counts as degraded; more, and it is called no more for a while. Calls that
        fail together are one failure to the breaker, and what ended with the connection is none.
        """
        self.failed()
        self._faults_in_row += 1
        if self._counts(began):
            self._last_fault = loop_time()
            self.breaker.failed(self._last_fault)
        news = self.trouble is None or self.breaker.state(loop_time()) == "open"
        if self._faults_in_row >= FAULTS_IN_ROW and news:
            self.change(self.trouble or Trouble("failing", message))

    def _counts(self, began: float) -> bool:
        connected = self._incarnation is not None and self._incarnation.connected
        return connected and began >= self._last_fault

    @property
    def pid(self) -> int | None:
        """Of its process, while there is one of ours."""
        return None if self._incarnation is None else self._pid

    def used(self, usage: Usage | None) -> None:
        """What its processes use now."""
        before, self._usage = self._usage, usage
        self._cpu_percent = None if usage is None else usage.cpu_percent(before)

    def change(self, trouble: Trouble | None) -> None:
        """Something has changed; what is wrong now, where anything is."""
        self.trouble = trouble
        told = self._state()[:2]
        if told != self._told:
            self._told, self._changed = told, utc()
        self._on_change()


def loop_time() -> float:
    """Monotonic seconds of the running loop."""
    return asyncio.get_running_loop().time()


def utc() -> str:
    """Now, as it is shown."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
