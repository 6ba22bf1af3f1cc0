"""Tool calls over a pipe beside the SDK's session: written by us, and their answers told from all others.

The session makes four models, a span and a memory stream of every request, and reads each answer twice; that
is most of what a call costs. On a handshake connection over pipes a call is one line each way, so the lane
writes that line and picks its answer out. Everything else on the connection (the handshake, lists, pings,
what the server asks) stays with the session.

Calls that come in the same turn of the loop leave in one write: waking the server costs more than the line.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from loguru import logger
from mcp import MCPError
from pydantic_core import from_json

from signoff.model import JsonObject
from signoff.servers.exchange import Exchange
from signoff.servers.lines import answer_id
from signoff.servers.outcome import CONNECTION_CLOSED

if TYPE_CHECKING:
    from mcp.shared.dispatcher import ProgressFnT

FIRST_ID = 1 << 30
"""Our requests are numbered from here, the session's from 0; numbers, for not every server takes others."""
MOST_TOGETHER = 4096
"""Bytes that leave in one write: a pipe takes so many (PIPE_BUF of Linux) whole, or none of them."""


@dataclass(slots=True, eq=False)
class _Asked:
    """A call that waits for its answer, and before that to be written.

    Attributes:
        line: the request.
        exchange: what is known of it; its guard is asked right before the write.
        answer: what it comes to.
        progress: is told how far it is.
    """

    line: bytes
    exchange: Exchange
    answer: asyncio.Future[dict[str, Any]]
    progress: ProgressFnT | None


class Lane:
    """The calls in flight on one connection.

    Args:
        ready: returns when everything written before has left our hands, or the connection has ended.
        write: writes requests, of which it notes that they were sent; raises where nothing was written.
        write_courtesy: writes a notice, or drops it where the server does not read.
    """

    def __init__(
        self,
        ready: Callable[[], Coroutine[Any, Any, None]],
        write: Callable[[bytes, Sequence[Exchange]], None],
        write_courtesy: Callable[[bytes], None],
    ) -> None:
        self._ready = ready
        self._write = write
        self._write_courtesy = write_courtesy
        self._asked: dict[int, _Asked] = {}
        self._leaving: deque[_Asked] = deque()
        self._departure: asyncio.Task[None] | None = None
        self._last = FIRST_ID
        self._tasks: set[asyncio.Task[None]] = set()

    async def call(
        self, params: JsonObject, exchange: Exchange, *, progress: ProgressFnT | None = None
    ) -> dict[str, Any]:
        """Writes a `tools/call` and waits for its answer; a cancelled caller has the server told.

        Raises:
            MCPError: the server answered with an error, or the connection ended.
            ValueError: what the server answered is no answer.
            SignoffError: the guard of the exchange forbids the call; it was not written.
            anyio.ClosedResourceError: the connection had ended; it was not written.
        """
        self._last = number = self._last + 1
        if progress is not None:
            meta = params.get("_meta")
            params["_meta"] = {**(meta if isinstance(meta, dict) else {}), "progressToken": number}
        line = _line({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[number] = asked = _Asked(line, exchange, answer, progress)
        self._leaving.append(asked)
        if self._departure is None:
            self._departure = asyncio.ensure_future(self._depart())
        try:
            return await answer
        except asyncio.CancelledError:
            if exchange.sent:
                self._call_off(number)
            raise
        finally:
            del self._asked[number]

    async def _depart(self) -> None:
        """Writes what waits to leave, each time that everything before has left our hands."""
        try:
            while self._leaving:
                await self._ready()
                self._write_together(self._next_to_leave())
        finally:
            self._departure = None

    def _next_to_leave(self) -> list[_Asked]:
        """Those that still may leave, one at least if there is any, and no more than leave in one write."""
        batch: list[_Asked] = []
        size = 0
        while self._leaving and (not batch or size + len(self._leaving[0].line) <= MOST_TOGETHER):
            asked = self._leaving.popleft()
            if _may_leave(asked):
                batch.append(asked)
                size += len(asked.line)
        return batch

    def _write_together(self, batch: Sequence[_Asked]) -> None:
        """Nothing is awaited between the guards and this write."""
        if not batch:
            return
        try:
            self._write(b"".join(asked.line for asked in batch), [asked.exchange for asked in batch])
        except Exception as error:  # noqa: BLE001  whatever it is, those who wait must hear of it
            for asked in batch:
                asked.answer.set_exception(error)

    def _call_off(self, number: int) -> None:
        params: JsonObject = {"requestId": number, "reason": "The caller gave the call up."}
        self._write_courtesy(_line({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}))

    def takes(self, line: bytes) -> bool:
        """Whether a line from the server was for a call of ours; then it has been dealt with."""
        if not self._asked:
            return False
        message = _read(line)
        if message is None:
            return self._cannot_be_read(line)
        if "method" in message:
            return message["method"] == "notifications/progress" and self._progressed(message.get("params"))
        asked = self._asked.get(_number(message.get("id")))
        if asked is None:
            return False
        if not asked.answer.done():
            _settle(asked.answer, message)
        return True

    def _cannot_be_read(self, line: bytes) -> bool:
        """Nested too deep, say. Its call has been answered all the same, and does not wait for more."""
        asked = self._asked.get(_number(answer_id(line)))
        if asked is None:
            return False
        if not asked.answer.done():
            asked.answer.set_exception(ValueError("an answer that cannot be read"))
        return True

    def _progressed(self, params: object) -> bool:
        if not isinstance(params, dict):
            return False
        asked = self._asked.get(_number(params.get("progressToken")))
        progress, total, words = params.get("progress"), params.get("total"), params.get("message")
        if asked is None or asked.progress is None or not isinstance(progress, int | float):
            return False
        told = asked.progress(
            float(progress),
            float(total) if isinstance(total, int | float) else None,
            words if isinstance(words, str) else None,
        )
        task = asyncio.ensure_future(_contained(told))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    def end(self) -> None:
        """The connection has ended: so have the calls that wait."""
        for asked in self._asked.values():
            if not asked.answer.done():
                asked.answer.set_exception(MCPError(code=CONNECTION_CLOSED, message="Connection closed"))


def _may_leave(asked: _Asked) -> bool:
    """Does somebody still wait for it, and does its guard let it pass?"""
    if asked.answer.done():
        return False
    try:
        if asked.exchange.guard is not None:
            asked.exchange.guard()
    except Exception as refusal:  # noqa: BLE001  also by a defect of it: in doubt the call does not leave
        asked.answer.set_exception(refusal)
        return False
    return True


async def _contained(told: Coroutine[Any, Any, None]) -> None:
    try:
        await told
    except Exception as error:  # noqa: BLE001  a listener's defect is not the call's
        logger.opt(exception=error).error("Being told of a call's progress failed.")


def _line(message: JsonObject) -> bytes:
    """A message as one line; also with numbers that are too large for the fast writer."""
    try:
        return orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:
        return json.dumps(message, allow_nan=False).encode() + b"\n"


def _read(line: bytes) -> dict[str, Any] | None:
    """The object in a line, or None where there is none; what is not Unicode is replaced."""
    for read in (from_json, _with_other_bytes, _with_half_a_character):
        try:
            message = read(line)
        except (ValueError, RecursionError):
            continue
        return message if isinstance(message, dict) else None
    return None


def _with_other_bytes(line: bytes) -> Any:
    """A message with bytes in it that are not UTF-8."""
    return from_json(line.decode("utf-8", "replace"))


def _with_half_a_character(line: bytes) -> Any:
    """A message with a text that was cut in the middle of a character, as JavaScript writes it."""
    if b"\\ud" not in line and b"\\uD" not in line:
        raise ValueError("that is not what is wrong with it")
    message = json.loads(line.decode("utf-8", "replace"))
    return from_json(json.dumps(message, ensure_ascii=False).encode("utf-8", "replace"))


def _number(given: object) -> int:
    """A request's number as the server gives it back; some turn it into a text."""
    if isinstance(given, str) and given.isascii() and given.isdigit():
        return int(given[:20])
    return given if isinstance(given, int) else -1


def _settle(answer: asyncio.Future[dict[str, Any]], message: dict[str, Any]) -> None:
    error, result = message.get("error"), message.get("result")
    if isinstance(error, dict) and isinstance(error.get("code"), int):
        words = error.get("message")
        answer.set_exception(
            MCPError(
                code=error["code"], message=words if isinstance(words, str) else "", data=error.get("data")
            )
        )
    elif isinstance(result, dict):
        answer.set_result(result)
    else:
        answer.set_exception(ValueError("neither a result nor an error"))
