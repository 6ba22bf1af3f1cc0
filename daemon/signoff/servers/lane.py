"""Tool calls over a pipe beside the SDK's session: written by us, and their answers told from all others.

The session makes four models, a span and a memory stream of every request, and reads each answer twice; that
is most of what a call costs. On a handshake connection over pipes a call is one line each way, so the lane
writes that line and picks its answer out. Everything else on the connection (the handshake, lists, pings,
what the server asks) stays with the session.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from loguru import logger
from mcp import MCPError
from pydantic_core import from_json

from signoff.model import JsonObject
from signoff.servers.exchange import Exchange
from signoff.servers.outcome import CONNECTION_CLOSED

if TYPE_CHECKING:
    from mcp.shared.dispatcher import ProgressFnT

FIRST_ID = 1 << 30
"""Our requests are numbered from here, the session's from 0; numbers, for not every server takes others."""


@dataclass(slots=True, eq=False)
class _Asked:
    answer: asyncio.Future[dict[str, Any]]
    progress: ProgressFnT | None


class Lane:
    """The calls in flight on one connection.

    Args:
        ready: returns when everything written before has left our hands, or the connection has ended.
        write: writes a request after its guard; raises where nothing was written.
        write_courtesy: writes a notice, or drops it where the server does not read.
    """

    def __init__(
        self,
        ready: Callable[[], Coroutine[Any, Any, None]],
        write: Callable[[bytes, Exchange | None], None],
        write_courtesy: Callable[[bytes], None],
    ) -> None:
        self._ready = ready
        self._write = write
        self._write_courtesy = write_courtesy
        self._asked: dict[int, _Asked] = {}
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
        await self._ready()
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[number] = _Asked(answer, progress)
        try:
            self._write(line, exchange)
            return await answer
        except asyncio.CancelledError:
            if exchange.sent:
                self._call_off(number)
            raise
        finally:
            del self._asked[number]

    def _call_off(self, number: int) -> None:
        params: JsonObject = {"requestId": number, "reason": "The caller gave the call up."}
        self._write_courtesy(_line({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}))

    def takes(self, line: bytes) -> bool:
        """Whether a line from the server was for a call of ours; then it has been dealt with."""
        if not self._asked:
            return False
        message = _read(line)
        if message is None:
            return False
        if "method" in message:
            return message["method"] == "notifications/progress" and self._progressed(message.get("params"))
        asked = self._asked.get(_number(message.get("id")))
        if asked is None:
            return False
        if not asked.answer.done():
            _settle(asked.answer, message)
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
