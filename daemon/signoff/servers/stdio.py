"""A connection to a server that is a process of ours, over its stdin and stdout.

Not the SDK's own transport, for what that lacks (all found by experiment): it tells an idle owner when the
server is gone, survives invalid UTF-8 and long lines, knows whether a request was written, never waits
for a frozen server longer than a call may take, and ends the whole process tree, also when cancelled.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import anyio
from mcp.client.stdio import get_default_environment
from mcp.os.win32.utilities import get_windows_executable_command
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCRequest

from signoff.servers.config import StdioLaunch
from signoff.servers.exchange import CURRENT, Exchange
from signoff.servers.lane import Lane
from signoff.servers.lines import LONGEST_LINE, Inbox, LineSplitter, LineTooLongError, parse
from signoff.servers.stderr import StderrLog
from signoff.servers.tree import MARK, POSIX, Keeper, Tree, finish
from signoff.system import process_group_options

STDIN_GRACE = 1.0
"""Seconds for a server to end by itself after its stdin is closed."""

TERM_GRACE = 1.0
"""Seconds between asking a process tree to end and killing it."""

EXIT_GRACE = 0.25
"""Seconds for the last output of a process that has exited, whose children may hold its stdout open."""

MANY_UNREAD = 1000
"""Messages; with more waiting to be read, the server's output is left in its pipe."""

MOST_COURTESY = 1024 * 1024
"""Bytes waiting to be written, above which answers and notices to the server are dropped."""


class _Process(asyncio.SubprocessProtocol):
    """Callbacks of the pipes and the process, as asyncio calls them."""

    def __init__(self, link: StdioLink) -> None:
        self._link = link

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 1:
            self._link.received(data)
        else:
            self._link.stderr.feed(data)

    def pipe_connection_lost(self, fd: int, _error: Exception | None) -> None:
        if fd == 1:
            self._link.ended("its output ended")

    def process_exited(self) -> None:
        self._link.exited()

    def pause_writing(self) -> None:
        self._link.drained.clear()

    def resume_writing(self) -> None:
        self._link.drained.set()


class Outbox:
    """The stream of messages that a session writes; writes straight to the pipe, in the caller's task."""

    def __init__(self, link: StdioLink) -> None:
        self._link = link

    async def send(self, message: SessionMessage) -> None:
        """Writes a message.

        A request waits until earlier ones have left our hands, so that it is known what was sent; its
        own timeout bounds that. Everything else is a courtesy and never waits.

        Raises:
            anyio.ClosedResourceError: the connection has ended; the message was not written.
            SignoffError: the guard of the exchange forbids it; the message was not written.
        """
        line = message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
        if not isinstance(message.message, JSONRPCRequest):
            self._link.write_courtesy(line)
            return
        await self._link.ready()
        exchange = CURRENT.get() if message.message.method == "tools/call" else None
        if exchange is not None and exchange.guard is not None:
            exchange.guard()
        self._link.write(line, [] if exchange is None else [exchange])

    async def aclose(self) -> None:
        """The link is closed by its owner."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class StdioLink:
    """An async context manager that yields the (read, write) streams the SDK's client wants.

    Attributes:
        closed: set when the server is gone or its connection unusable, for whatever reason.
        reason: why, once it is: `exited`, `line-too-long` or `stopped`.
        exit_code: of the process, once it has exited; negative for a signal.
        drained: set while everything written has been taken by the pipe.
        lane: for tool calls of the handshake protocol.
    """

    def __init__(
        self,
        launch: StdioLaunch,
        *,
        keeper: Keeper | None = None,
        stderr: StderrLog | None = None,
        longest_line: int = LONGEST_LINE,
        on_closed: Callable[[], None] = lambda: None,
    ) -> None:
        self._launch = launch
        self._on_closed = on_closed
        self._keeper = keeper
        self._splitter = LineSplitter(longest_line)
        self._inbox = Inbox(self._taken)
        self.lane = Lane(self.ready, self.write, self.write_courtesy)
        self._paused = False
        self._transport: asyncio.SubprocessTransport | None = None
        self._tree: Tree | None = None
        self._closing = False
        self._dead = asyncio.Event()
        self.stderr = stderr or StderrLog()
        self.closed = asyncio.Event()
        self.drained = asyncio.Event()
        self.drained.set()
        self.reason = ""
        self._why = ""
        self.exit_code: int | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the server, once it is started."""
        return None if self._tree is None else self._tree.pid

    async def __aenter__(self) -> tuple[Inbox, Outbox]:
        loop = asyncio.get_running_loop()
        command = self._launch.command if POSIX else get_windows_executable_command(self._launch.command)
        mark = ""
        if self._keeper is not None:
            self._keeper.start()
            mark = self._keeper.mark()
        transport, _ = await loop.subprocess_exec(
            lambda: _Process(self),
            command,
            *self._launch.args,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=get_default_environment() | dict(self._launch.env) | ({MARK: mark} if mark else {}),
            cwd=self._launch.cwd,
            **process_group_options(),
        )
        self._transport = transport
        self._tree = Tree(transport.get_pid(), self._keeper, mark)
        self._pipe().set_write_buffer_limits(high=0)
        if transport.get_returncode() is not None and not self._dead.is_set():
            self.exited()
        return self._inbox, Outbox(self)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await finish(asyncio.create_task(self._end(), name="end of a server's processes"))

    def _pipe(self) -> asyncio.WriteTransport:
        assert self._transport is not None  # noqa: S101
        pipe = self._transport.get_pipe_transport(0)
        assert isinstance(pipe, asyncio.WriteTransport)  # noqa: S101
        return pipe

    # ---- callbacks of the process

    def received(self, data: bytes) -> None:
        """Takes a chunk of the server's output."""
        if self.closed.is_set():
            return
        try:
            lines = self._splitter.feed(data)
        except LineTooLongError:
            self.ended("it wrote a line of more than 64 MiB", reason="line-too-long")
            return
        for line in lines:
            if self.lane.takes(line):
                continue
            message = parse(line)
            if message is not None:
                self._inbox.put(message)
        if len(self._inbox) > MANY_UNREAD and not self._paused:
            self._pause(paused=True)

    def _pause(self, *, paused: bool) -> None:
        pipe = None if self._transport is None else self._transport.get_pipe_transport(1)
        if isinstance(pipe, asyncio.ReadTransport) and not pipe.is_closing():
            self._paused = paused
            (pipe.pause_reading if paused else pipe.resume_reading)()

    def _taken(self) -> None:
        """A message was read by the session."""
        if self._paused and len(self._inbox) < MANY_UNREAD // 2:
            self._pause(paused=False)

    def exited(self) -> None:
        """The process has exited; its last output may still be in the pipe."""
        if self._transport is None:  # it was quicker than we: what it left is read when we have it
            return
        self.exit_code = self._transport.get_returncode()
        self._dead.set()
        if not self.closed.is_set():
            asyncio.get_running_loop().call_later(EXIT_GRACE, self.ended, "it exited")

    def ended(self, why: str, *, reason: str = "exited") -> None:
        """The connection is unusable from now on: pending calls end, and the owner is told."""
        if self.closed.is_set():
            return
        self.reason = reason
        self._why = why
        self.closed.set()
        self.drained.set()  # wakes those who wait to write; they see that it is closed
        self._inbox.end()
        self.lane.end()
        self._on_closed()

    async def describe(self) -> str:
        """Why the connection ended, for people; waits a moment for the exit code."""
        if self.reason == "exited":
            await _within(self._dead, EXIT_GRACE)
        why = self._why
        if self.exit_code is not None and self.exit_code < 0:
            why = f"it was killed by signal {-self.exit_code}"
        elif self.exit_code is not None:
            why = f"it exited with code {self.exit_code}"
        said = self.stderr.last_line()
        return f"{why}; the last it said: {said}" if said else why

    # ---- writing

    async def ready(self) -> None:
        """Returns when everything written before has left our hands, or the connection has ended."""
        while not self.drained.is_set() and not self.closed.is_set():
            await self.drained.wait()

    def write(self, requests: bytes, exchanges: Sequence[Exchange]) -> None:
        """Writes requests whose guards were asked in this very moment, and notes that they were sent.

        Raises:
            anyio.ClosedResourceError: the connection has ended; provably nothing was written.
        """
        pipe = self._pipe()
        if self.closed.is_set() or self._closing or pipe.is_closing():
            raise anyio.ClosedResourceError
        for exchange in exchanges:
            exchange.sent = True
        pipe.write(requests)
        if pipe.is_closing():
            # The buffer was empty before, so it was this very write that the broken pipe refused.
            for exchange in exchanges:
                exchange.sent = False
            raise anyio.ClosedResourceError

    def write_courtesy(self, line: bytes) -> None:
        """Writes an answer or a notice, unless the server has not been reading for long."""
        if self.closed.is_set() or self._closing or self._pipe().is_closing():
            return
        if self._pipe().get_write_buffer_size() < MOST_COURTESY:
            self._pipe().write(line)

    # ---- the end

    async def _end(self) -> None:
        """Closes stdin, waits, asks the process group to end, kills it. Every wait is bounded."""
        self._closing = True
        self.ended("it was stopped", reason="stopped")
        transport, tree = self._transport, self._tree
        if transport is None or tree is None:
            return
        pipe = self._pipe()
        if pipe.get_write_buffer_size():
            pipe.abort()  # closing would wait for a frozen server to read
        else:
            pipe.close()
        if not await _within(self._dead, STDIN_GRACE) or tree.alive():
            tree.end(force=False)
            await tree.gone(TERM_GRACE)
        if tree.alive() or not self._dead.is_set():
            tree.end(force=True)
            await _within(self._dead, TERM_GRACE)
            await tree.gone(TERM_GRACE)
        if tree.there():
            tree.end(force=True)  # also one that was started between two looks
        await tree.end_strays(TERM_GRACE)
        await tree.release()
        transport.close()
        self.stderr.close()
        await asyncio.sleep(0)  # the pipes close in the next round of the loop


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
