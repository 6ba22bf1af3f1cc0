"""From the bytes that a server writes to messages: in linear time, and with a longest line."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import PARSE_ERROR, ErrorData, JSONRPCError, jsonrpc_message_adapter

LONGEST_LINE = 64 * 1024 * 1024
"""Bytes; a server that writes more without a newline is not speaking the protocol."""
LONGEST_SEARCH = 1024 * 1024
"""Bytes at the start of a line that cannot be read, in which it is looked for whom it answers."""
LONGEST_END = 200
"""Bytes at its end, for the same; servers put the number first or last."""
UNREADABLE = "its answer cannot be read"
"""What is said to whoever waits for an answer that came and cannot be read."""
_PARTS = re.compile(rb'"((?:[^"\\]|\\.)*)"(\s*:\s*(?:"(\d{1,19})"|(\d{1,19})\b)?)?|[\[{]|[\]}]')
"""Of JSON: a string, with what follows it where it is a key and its value a number; brackets."""
_LAST = re.compile(rb'"id"\s*:\s*(?:"(\d{1,19})"|(\d{1,19}))\s*(?:,\s*"jsonrpc"\s*:\s*"2.0"\s*)?}$')


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
    return _unreadable(line)


def _unreadable(line: bytes) -> SessionMessage | None:
    """An answer that cannot be read, as the error that it is: whoever asked need not wait for another."""
    number = answer_id(line)
    if number is None:
        return None
    error = ErrorData(code=PARSE_ERROR, message=UNREADABLE)
    return SessionMessage(JSONRPCError(jsonrpc="2.0", id=number, error=error))


def answer_id(line: bytes) -> int | None:
    """Whom a line answers that looks like an answer and cannot be read, such as one nested too deep.

    Found without reading it; None where it does not say, or is no answer.
    """
    line = line.strip()
    if not (line.startswith(b"{") and line.endswith(b"}")):
        return None
    number, answers, depth = None, False, 0
    for part in _PARTS.finditer(line, 0, LONGEST_SEARCH):
        if part[1] is None:
            depth += 1 if part[0] in b"[{" else -1
        elif depth == 1 and part[2] is not None:
            if part[1] == b"method":
                return None
            answers = answers or part[1] in {b"result", b"error"}
            if part[1] == b"id":
                number = int(part[3] or part[4] or -1)
            if answers and number is not None:
                return None if number < 0 else number
    last = _LAST.search(line, max(0, len(line) - LONGEST_END))
    return int(last[1] or last[2]) if answers and last else None


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
