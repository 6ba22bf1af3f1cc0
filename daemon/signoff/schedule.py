"""When to look again: APScheduler decides when, the ledger what. It never runs a step.

Jobs are in memory and rebuilt at start. Nothing may be dropped for being late (`misfire_grace_time=None`).
Its times are those of the clock on the wall, its timers those of a clock that stands still while the machine
sleeps: a tick has it look again, after a suspend and after the clock was put.

What is repeated goes by the time that passes, whatever the clock on the wall says: one that is put back must
not silence the daemon, and one that is put forward must not have every repetition counted that it left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from loguru import logger

TICK = 1.0
"""Seconds; the longest that a wake-up may be late after the machine slept or the clock was put."""


class Schedule:
    """Wake-ups and repetitions.

    Args:
        wake: called with a plan whose time has come.
        put_back: called where the clock on the wall was put back.
    """

    def __init__(self, wake: Callable[[str], None], put_back: Callable[[], None] = lambda: None) -> None:
        self._wake = wake
        self._put_back = put_back
        self._last = datetime.now(UTC)
        self._scheduler = AsyncIOScheduler(timezone=UTC, job_defaults={"misfire_grace_time": None})
        self._repeated: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start; needs a running event loop."""
        self._scheduler.start()
        self.every(TICK, self._tick, "tick")

    def stop(self) -> None:
        """Stop; no wake-up comes after it."""
        for task in self._repeated:
            task.cancel()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def wake_at(self, plan_id: str, moment: datetime) -> None:
        """Wake a plan at a time; a later call for the same plan replaces the earlier."""
        self._scheduler.add_job(
            self._woken, DateTrigger(run_date=moment), [plan_id], id=f"plan:{plan_id}", replace_existing=True
        )

    async def _woken(self, plan_id: str) -> None:  # a coroutine, so that it runs in the event loop
        self._wake(plan_id)

    def every(self, seconds: float, job: Callable[[], Awaitable[None]], name: str) -> None:
        """Repeat a job, in the event loop, so long after it was ready the last time."""
        self._repeated.append(asyncio.ensure_future(_repeat(seconds, job, name)))

    async def _tick(self) -> None:
        self._scheduler.wakeup()
        last, self._last = self._last, datetime.now(UTC)
        if self._last < last:
            self._put_back()


async def _repeat(seconds: float, job: Callable[[], Awaitable[None]], name: str) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await job()
        except Exception as defect:  # noqa: BLE001  what failed once must be tried again the next time
            logger.warning("What is repeated ({}) did not succeed, and is tried again: {!r}", name, defect)
