"""Memory and processor time of a server with all its children."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Usage:
    """What the processes of a server use.

    Attributes:
        processes: how many there are.
        memory_bytes: resident, all together.
        cpu_seconds: processor time used so far, of those that are still there.
        at: when this was read, in monotonic seconds.
    """

    processes: int
    memory_bytes: int
    cpu_seconds: float
    at: float

    def cpu_percent(self, before: Usage | None) -> float | None:
        """Of one core, since `before`; None where that cannot be said."""
        if before is None or self.at <= before.at or self.cpu_seconds < before.cpu_seconds:
            return None
        return round(100 * (self.cpu_seconds - before.cpu_seconds) / (self.at - before.at), 1)


def usage_of(pid: int) -> Usage | None:
    """Of a process and its children; None where it is gone."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.Error:
        return None
    processes, memory, seconds = 0, 0, 0.0
    for process in family:
        try:
            with process.oneshot():
                memory += process.memory_info().rss
                times = process.cpu_times()
        except psutil.Error:
            continue  # it ended while we looked
        processes += 1
        seconds += times.user + times.system
    return Usage(processes, memory, round(seconds, 3), time.monotonic()) if processes else None
