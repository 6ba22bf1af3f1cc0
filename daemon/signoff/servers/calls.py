"""One call on its way: to the best replica of a server, and to another where it provably was not sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from signoff.errors import CallError, OutcomeUnknown, ServerFault, Transient
from signoff.model import CallResult, Json, JsonObject
from signoff.servers import outcome
from signoff.servers.calling import check_pin, exchange_call, ready
from signoff.servers.exchange import CURRENT, Exchange
from signoff.servers.outcome import Where
from signoff.servers.owner import Owner
from signoff.servers.replicas import Replicas

if TYPE_CHECKING:
    from mcp.shared.dispatcher import ProgressFnT


class Calling:
    """One call; used once."""

    def __init__(
        self,
        server: Replicas,
        where: Where,
        arguments: Mapping[str, Json],
        *,
        meta: JsonObject | None,
        pin: JsonObject | None,
        seconds: float,
        progress: ProgressFnT | None = None,
    ) -> None:
        self._server = server
        self._where = where
        self._arguments = arguments
        self._meta = meta
        self._pin = pin
        self._seconds = seconds
        self._progress = progress
        self._exchange = Exchange(timeout=seconds)
        self._tried: set[Owner] = set()
        self._owner = server.owners[0]

    @property
    def sent(self) -> bool:
        """At least one byte of it was handed over."""
        return self._exchange.sent

    async def call(self) -> CallResult:
        """See `ServerPool.call`."""
        token = CURRENT.set(self._exchange)
        try:
            async with asyncio.timeout(self._seconds), self._server.turn(self._where, self._seconds):
                return await self._to_one_of_them()
        except TimeoutError:
            error: CallError = outcome.timed_out(self._exchange, self._seconds, self._where)
            if not self._exchange.sent and self._owner.health().status == "unknown":
                error.code = "server-starting"
        except CallError as raised:
            error = raised
        finally:
            CURRENT.reset(token)
        error.attempt = max(1, len(self._tried))
        raise _noted(self._owner, error)

    async def _to_one_of_them(self) -> CallResult:
        while True:
            owner = self._server.choose(self._where.tool, self._pin, self._tried)
            assert owner is not None  # noqa: S101  the last one's error was raised
            self._owner = owner
            self._tried.add(owner)
            try:
                return await self._to(owner)
            except Transient:
                if len(self._tried) == len(self._server.owners) or self._exchange.sent:
                    raise

    async def _to(self, owner: Owner) -> CallResult:
        where, pin, exchange = self._where, self._pin, self._exchange
        incarnation = await ready(owner, where)
        check_pin(incarnation, owner, where, pin)
        exchange.guard = lambda: check_pin(incarnation, owner, where, pin)
        clock = asyncio.get_running_loop().time
        began = clock()
        result = await exchange_call(
            incarnation, where, self._arguments, self._meta, exchange, progress=self._progress
        )
        owner.condition.answered((clock() - began) * 1000)
        return result


def split(name: str, servers: Iterable[str]) -> tuple[str, str]:
    """`server.tool` as two; a server's name may hold dots too."""
    fitting = [server for server in servers if name.startswith(f"{server}.")]
    if fitting:
        server = max(fitting, key=len)
        return server, name[len(server) + 1 :]
    server, _, tool = name.partition(".")
    return server, tool


def _noted(owner: Owner, error: CallError) -> CallError:
    """Counts a fault of the server, and takes its secrets out of what it said."""
    cause = error.__cause__
    error.cause = owner.scrub(f"{type(cause).__name__}: {cause}".rstrip(": ")) if cause is not None else ""
    error.message = owner.scrub(error.message)
    error.detail = owner.scrub(error.detail)
    error.args = (error.message,)
    error.__cause__ = error.__context__ = None
    if isinstance(error, ServerFault | OutcomeUnknown):
        owner.condition.faulted(error.message)
    return error
