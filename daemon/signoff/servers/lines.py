"""From the bytes that a server writes to messages: in linear time, and with a longest line."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

LONGEST_LINE = 64 * 1024 * 1024
"""Bytes; a server that writes more without a newline is not speaking the protocol."""


class LineTooLongError(Exception):
    """More than the longest line came without a newline."""


class LineSplitter:
    """Cuts a stream of chunks into lines."""

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that the chunk completes, without their newlines.

        Raises:
            LineTooLongError: the unfinished line is longer than allowed.
        """
        *complete, rest = chunk.split(b"\n")
        if complete:
            complete[0] = b"".join((*self._parts, complete[0]))
            self._parts, self._size = [], 0
        if rest:
            self._parts.append(rest)
            self._size += len(rest)
        if self._size > self._longest:
            raise LineTooLongError
        return complete


def parse(line: bytes) -> SessionMessage | None:
    """The message in a line, or None where the line is not one (a banner, a log line, half a message)."""
    line = line.strip()
    if not line.startswith(b"{"):
        return None
    for text in (line, line.decode("utf-8", "replace")):
        try:
            return SessionMessage(jsonrpc_message_adapter.validate_json(text, by_name=False))
        except ValueError:
            continue
    return None


class Inbox:
    """The stream of messages that a session reads; filled from callbacks, read by one task."""

    def __init__(self, on_taken: Callable[[], None] = lambda: None) -> None:
        self._on_taken = on_taken
        self._messages: deque[SessionMessage | Exception] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False

    def __len__(self) -> int:
        return len(self._messages)

    def put(self, message: SessionMessage) -> None:
        """Adds a message."""
        self._messages.append(message)
        self._wake()

    def end(self) -> None:
        """After the messages that are there, the stream ends."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def receive(self) -> SessionMessage | Exception:
        """The next message.

        Raises:
            anyio.EndOfStream: the connection has ended.
        """
        while not self._messages:
            if self._ended:
                raise anyio.EndOfStream
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        message = self._messages.popleft()
        self._on_taken()
        return message

    async def aclose(self) -> None:
        """Nothing more is read."""
        self._messages.clear()
        self.end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
