"""The time that a call has, which stands still while a person is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class CallClock:
    """Ends a call when its time is up.

    Attributes:
        timeout: what ends the call.
        stood: seconds for which it has stood still.
        halts: how often it was halted.
    """

    def __init__(self) -> None:
        self.timeout: asyncio.Timeout | None = None
        self.stood = 0.0
        self.halts = 0
        self._open = 0
        self._left = 0.0
        self._since = 0.0

    @contextmanager
    def halted(self) -> Iterator[None]:
        """While inside, also several times over, the time does not run."""
        now = asyncio.get_running_loop().time
        if not self._open:
            self._since = now()
            ends = self.timeout.when() if self.timeout is not None else None
            self._left = (ends or self._since) - self._since
            self._reschedule(None)
        self._open += 1
        self.halts += 1
        try:
            yield
        finally:
            self._open -= 1
            if not self._open:
                self.stood += now() - self._since
                self._reschedule(now() + self._left)

    def _reschedule(self, when: float | None) -> None:
        if self.timeout is not None:
            with suppress(RuntimeError):  # the call has ended meanwhile
                self.timeout.reschedule(when)
