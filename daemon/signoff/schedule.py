"""When to look again: APScheduler decides when, the ledger what. It never runs a step.

Jobs are in memory and rebuilt at start. Nothing may be dropped for being late (`misfire_grace_time=None`),
late repetitions are made once (`coalesce`). Its timers use a clock that stands still while the machine
sleeps, so a tick of at most 30 s wakes it after a suspend.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

TICK = 30.0
"""Seconds; the longest that a wake-up may be late after the machine slept."""


class Schedule:
    """Wake-ups and repetitions."""

    def __init__(self, wake: Callable[[str], None]) -> None:
        self._wake = wake
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )

    def start(self) -> None:
        """Start; needs a running event loop."""
        self._scheduler.start()
        self.every(TICK, self._tick, "tick")

    def stop(self) -> None:
        """Stop; no wake-up comes after it."""
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
        """Repeat a job, in the event loop."""
        self._scheduler.add_job(job, IntervalTrigger(seconds=seconds), id=name, replace_existing=True)

    async def _tick(self) -> None:
        self._scheduler.wakeup()
