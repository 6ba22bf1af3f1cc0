"""A server's whole process tree: put in care of the keeper, and ended step by step.

On POSIX systems each server leads a process group of its own; what leaves the group, as a browser does that
a server starts, is found by a mark in its environment. On Windows it is in a job object that ends with the
daemon, made by the SDK's own utilities; there, ending is always at once.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

import psutil

from signoff.system import end_process_tree, process_group_options

POSIX = hasattr(os, "killpg")

MARK = "SIGNOFF_TREE"
"""The variable that every process of a server carries; its value is the daemon's, a dot, and the server's."""

ROUNDS = 3
"""How often strays are looked for: one may start another while it is being ended."""


class Keeper:
    """Our end of the pipe to the keeper process, which is started when the first server is."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._groups: set[int] = set()
        self._mark = secrets.token_hex(12)
        self._numbers = count(1)

    def mark(self) -> str:
        """The value of the mark for one more server."""
        return f"{self._mark}.{next(self._numbers)}"

    def add(self, group: int) -> None:
        """Puts a process group in care."""
        self._groups.add(group)
        self._tell(f"+{group}\n")

    def remove(self, group: int) -> None:
        """Takes a group that has ended out of care."""
        self._groups.discard(group)
        self._tell(f"-{group}\n")

    def start(self) -> None:
        """Starts the keeper, where there is none and the system needs one."""
        if not POSIX or (self._process is not None and self._process.poll() is None):
            return
        self._close_pipe()
        program = str(Path(__file__).with_name("keeper.py"))
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-E", program, f"{MARK}={self._mark}."],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            **process_group_options(),
        )
        self._write("".join(f"+{group}\n" for group in self._groups))

    def _tell(self, line: str) -> None:
        if not POSIX:
            return
        if not self._write(line):
            self.start()  # somebody ended it: a new one takes all groups

    def _write(self, text: str) -> bool:
        if self._process is None or self._process.stdin is None:
            return False
        try:
            os.write(self._process.stdin.fileno(), text.encode())
        except (BrokenPipeError, ValueError):
            return False
        return True

    def _close_pipe(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def stop(self) -> None:
        """Ends the keeper, and with it every group that is still in its care."""
        if self._process is None:
            return
        self._close_pipe()
        try:
            self._process.wait(timeout=0.5 if not self._groups else 3.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


class Tree:
    """The processes of one server.

    Args:
        pid: of the server, which leads its group.
        keeper: in whose care it is put.
        mark: the value of `MARK` in its environment; empty where it has none.
    """

    def __init__(self, pid: int, keeper: Keeper | None, mark: str = "") -> None:
        self.pid = pid
        self._mark = mark
        self._keeper = keeper
        self._job = None if POSIX else _Job(pid)
        if keeper is not None:
            keeper.add(pid)

    def alive(self) -> bool:
        """Whether any process of the tree is left that has not ended."""
        return self.there() and _has_living_member(self.pid)

    def there(self) -> bool:
        """Whether the group is there, be it only of processes that nobody has reaped."""
        if not POSIX:
            return False
        try:
            os.killpg(self.pid, 0)  # type: ignore[attr-defined, unused-ignore]
        except ProcessLookupError:
            return False
        except PermissionError:  # macOS, of a group that is not yet reaped
            return True
        return True

    def end(self, *, force: bool) -> None:
        """Asks every process of the tree to end, or kills it."""
        end_process_tree(self.pid, force=force)

    async def gone(self, within: float) -> bool:
        """Waits until no process of the tree is left; whether that is so."""
        deadline = asyncio.get_running_loop().time() + within
        while self.alive():
            if asyncio.get_running_loop().time() >= deadline:
                return False
            await asyncio.sleep(0.01)
        return True

    async def end_strays(self, within: float) -> None:
        """Asks what has left the group to end, and kills what is left of it after so many seconds."""
        if not POSIX or not self._mark:
            return
        for _ in range(ROUNDS):
            if not await asyncio.to_thread(_signal_marked, self._mark, signal.SIGTERM):
                return
            deadline = asyncio.get_running_loop().time() + within
            while await asyncio.to_thread(_signal_marked, self._mark, 0):
                if asyncio.get_running_loop().time() >= deadline:
                    await asyncio.to_thread(_signal_marked, self._mark, signal.SIGKILL)
                    break
                await asyncio.sleep(0.02)

    async def release(self) -> None:
        """After the end: out of the keeper's care, and whatever still runs in the job is killed."""
        if self._job is not None:
            await self._job.end()
        if self._keeper is not None:
            self._keeper.remove(self.pid)


def _signal_marked(mark: str, number: int) -> bool:
    """Signals every process that carries this mark; whether there is any."""
    found = False
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found = True
                process.send_signal(number)
        except (psutil.Error, OSError):  # another user's, or gone
            continue
    return found


def _has_living_member(group: int) -> bool:
    """Whether a process of the group has not ended.

    The group itself is there until every member has been reaped; orphans are reaped by the init process, and
    in many containers there is none that does.
    """
    for pid in psutil.pids():
        try:
            if os.getpgid(pid) == group and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:  # type: ignore[attr-defined, unused-ignore]
                return True
        except (psutil.Error, OSError):
            continue
    return False


class _Job:
    """A Windows job object around a process; stands in for the SDK's process where that wants one."""

    def __init__(self, pid: int) -> None:
        from mcp.os.win32 import utilities

        self.pid = pid
        self._utilities: Any = utilities
        # The SDK has no public name for this; without a job, children outlive a killed daemon.
        self._utilities._maybe_assign_process_to_job(self, self._utilities._create_job_object())  # noqa: SLF001

    def terminate(self) -> None:
        """Kills the process itself, for the SDK, where it could not be put in a job."""
        end_process_tree(self.pid, force=True)

    async def end(self) -> None:
        """Kills every process of the job."""
        await self._utilities.terminate_windows_process_tree(self)


async def finish(task: asyncio.Task[None]) -> None:
    """Waits for a task that nobody's cancelling may interrupt; a cancel that came meanwhile follows after."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled
