"""One call on its way: to the best replica of a server, and to another where it provably was not sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict

from signoff.errors import CallError, OutcomeUnknown, RateLimited, Refused, ServerFault, Transient
from signoff.model import CallResult, InputNeeded, Inquiry, Json, JsonObject, Reply
from signoff.servers import outcome
from signoff.servers.callclock import CallClock
from signoff.servers.calling import Pin, check_pin, exchange_call, ready, require_admission
from signoff.servers.elicit import (
    MOST_ROUNDS,
    Person,
    given_up,
    not_delivered,
    resumption,
    too_many_rounds,
)
from signoff.servers.exchange import CURRENT, Exchange
from signoff.servers.incarnation import Incarnation
from signoff.servers.outcome import Where
from signoff.servers.owner import Owner
from signoff.servers.replicas import Replicas

if TYPE_CHECKING:
    from mcp.shared.dispatcher import ProgressFnT

STATE_ONLY = 0.25
"""Seconds before a call is resumed that asked nothing: the server wants to be asked again a little later."""
RESUME_AGAIN = (0.5, 1.0, 2.0, 4.0)
"""Seconds between attempts to deliver an answer that provably was not sent."""


class CallOptions(TypedDict, total=False):
    """What may be said of one call.

    Attributes:
        meta: goes along as `_meta`.
        pin: `{"launch", "definition"}` as approved; compared right before the write.
        progress: an async callable, called with (progress, total, message) as the server reports it.
        person: an async callable that answers what the server asks during the call, whose time does not
            run meanwhile; None: all is declined.
        still: asked right before the call is written, for it may have had to wait for its turn: may it
            still leave? Asked again right before it is resumed with an answer.
        resuming: an async callable, asked once the server is there to be resumed at: may the answers leave?
        suspended: what the call lacks, where it was made before: it is not made now, but resumed.
    """

    meta: JsonObject | None
    pin: JsonObject | None
    progress: ProgressFnT | None
    person: Person | None
    still: Callable[[], bool] | None
    resuming: Callable[[], Awaitable[bool]] | None
    suspended: InputNeeded | None


class Calling:
    """One call; used once."""

    def __init__(
        self,
        server: Replicas,
        where: Where,
        arguments: Mapping[str, Json],
        *,
        seconds: float,
        meta: JsonObject | None = None,
        pin: JsonObject | None = None,
        progress: ProgressFnT | None = None,
        person: Person | None = None,
        still: Callable[[], bool] | None = None,
        resuming: Callable[[], Awaitable[bool]] | None = None,
        suspended: InputNeeded | None = None,
    ) -> None:
        self._server = server
        self._where = where
        self._arguments = arguments
        self._meta = meta
        self._pin = None if pin is None else Pin.of(pin)
        self._seconds = seconds
        self._progress = progress
        self._person = person
        self._still = still
        self._resuming = resuming
        self._suspended = suspended
        self._exchange = Exchange(timeout=seconds, person=None if person is None else self._asked)
        self._clock = CallClock()
        self._rounds = 0
        self._queued = False
        self._began = 0.0
        self._tried: set[Owner] = set()
        self._owner = server.owners[0]

    @property
    def sent(self) -> bool:
        """At least one byte of it was handed over."""
        return self._exchange.sent

    @property
    def asked(self) -> bool:
        """Something was asked during the call."""
        return self._clock.halts > 0

    async def call(self) -> CallResult:
        """See `ServerPool.call`."""
        token = CURRENT.set(self._exchange)
        try:
            async with asyncio.timeout(self._seconds) as timeout:
                self._clock.timeout = timeout
                if self._suspended is not None:
                    return await self._with_input(self._suspended)
                answer = await self._in_turn()
                return answer if isinstance(answer, CallResult) else await self._with_input(answer)
        except TimeoutError:
            error: CallError = self._timed_out()
            if not self._exchange.sent and self._owner.health().status == "unknown":
                error.code = "server-starting"
        except CallError as raised:
            error = raised
        finally:
            CURRENT.reset(token)
        if self._rounds:
            error = not_delivered(error, self._where)
        error.attempt = max(1, len(self._tried))
        raise self._noted(error)

    def _timed_out(self) -> CallError:
        if self._queued:
            return outcome.kept_waiting(self._where, self._seconds)
        return outcome.timed_out(self._exchange, self._seconds, self._where)

    async def _asked(self, inquiry: Inquiry) -> Reply:
        """Puts a question to the person; the call's time does not run meanwhile."""
        assert self._person is not None  # noqa: S101  the exchange has it only then
        with self._clock.halted():
            return await self._person(inquiry)

    async def _with_input(self, needed: InputNeeded) -> CallResult:
        """Asks the person for what the call lacks, and resumes it, until there is a result.

        Raises:
            CallError: see `ServerPool.call`.
        """
        while self._rounds < MOST_ROUNDS:
            self._rounds += 1
            self._exchange.sent = False  # what was sent has been answered
            more = resumption(needed, await self._replies(needed))
            if not needed.requests:
                await asyncio.sleep(STATE_ONLY)
            answer = await self._resumed(more)
            if isinstance(answer, CallResult):
                return answer
            needed = answer
        raise too_many_rounds(self._where)

    async def _replies(self, needed: InputNeeded) -> dict[str, Reply]:
        """What the person says to each question.

        Raises:
            Refused: the call may not be resumed.
        """
        if self._person is None:
            return dict.fromkeys(needed.requests, Reply("decline"))
        asked = [replace(each, key=key, needed=needed) for key, each in needed.requests.items()]
        replies = await asyncio.gather(*(self._asked(inquiry) for inquiry in asked))
        if not all(reply.goes_on for reply in replies):
            raise given_up(self._where)
        return dict(zip(needed.requests, replies, strict=True))

    async def _resumed(self, more: JsonObject) -> CallResult | InputNeeded:
        """Resumes the call where it was; what provably was not sent is sent again a few times."""
        for delay in RESUME_AGAIN:
            try:
                return await self._leg(more)
            except Transient:
                await asyncio.sleep(delay)
        return await self._leg(more)

    async def _leg(self, more: JsonObject) -> CallResult | InputNeeded:
        self._exchange.sent = False
        async with self._server.turn(self._where, self._seconds):
            if self._suspended is not None:  # it was made by a daemon before us, of any replica
                self._owner = self._server.choose(self._where.tool, self._wanted, set()) or self._owner
            return await self._to(self._owner, more)

    @property
    def _wanted(self) -> bytes | None:
        """How the tool is to be defined, where that is given."""
        return None if self._pin is None else self._pin.exact

    async def _in_turn(self) -> CallResult | InputNeeded:
        if self._server.unlimited:
            return await self._to_one_of_them()
        async with self._server.turn(self._where, self._seconds):
            return await self._to_one_of_them()

    async def _require_resumable(self) -> None:
        """May the answers leave, now that the server is there and it is their turn?

        Raises:
            Refused: they may not.
        """
        if self._resuming is not None and not await self._resuming():
            raise given_up(self._where)

    async def _to_one_of_them(self) -> CallResult | InputNeeded:
        while True:
            owner = self._server.choose(self._where.tool, self._wanted, self._tried)
            assert owner is not None  # noqa: S101  the last one's error was raised
            self._owner = owner
            self._tried.add(owner)
            try:
                return await self._to(owner)
            except Transient:
                if len(self._tried) == len(self._server.owners) or self._exchange.sent:
                    raise

    async def _to(self, owner: Owner, more: JsonObject | None = None) -> CallResult | InputNeeded:
        incarnation = await ready(owner, self._where)
        self._queued = owner.queue.needed
        if not self._queued:
            return await self._over(incarnation, owner, more)
        async with owner.queue.turn(incarnation.idle):
            self._queued = False
            return await self._over(incarnation, owner, more)

    async def _over(
        self, incarnation: Incarnation, owner: Owner, more: JsonObject | None
    ) -> CallResult | InputNeeded:
        where, pin, exchange = self._where, self._pin, self._exchange
        check_pin(incarnation, owner, where, pin)
        if more is None:
            require_admission(owner, where)
        else:
            await self._require_resumable()

        def guard() -> None:
            if self._still is not None and not self._still():
                if more is not None:
                    raise given_up(where)
                raise outcome.not_sent(where, "its plan was stopped before it could leave", code="stopped")
            check_pin(incarnation, owner, where, pin)

        exchange.guard = guard
        clock = asyncio.get_running_loop().time
        self._began = began = clock()
        thought = self._clock.stood
        answer = await exchange_call(
            incarnation, where, self._arguments, self._meta, exchange, progress=self._progress, more=more
        )
        owner.condition.answered((clock() - began - (self._clock.stood - thought)) * 1000)
        return answer

    def _noted(self, error: CallError) -> CallError:
        """Counts a fault of the server, and takes its secrets out of what it said."""
        owner, cause = self._owner, error.__cause__
        error.cause = (
            owner.scrub(f"{type(cause).__name__}: {cause}".rstrip(": ")) if cause is not None else ""
        )
        error.message = owner.scrub(error.message)
        error.detail = owner.scrub(error.detail)
        error.args = (error.message,)
        error.__cause__ = error.__context__ = None
        if isinstance(error, ServerFault | OutcomeUnknown):
            owner.condition.faulted(error.message, self._began)
        elif isinstance(error, Refused | RateLimited) and self._exchange.sent:
            owner.condition.responded()
        return error


def split(name: str, servers: Iterable[str]) -> tuple[str, str]:
    """`server.tool` as two; a server's name may hold dots too."""
    fitting = [server for server in servers if name.startswith(f"{server}.")]
    if fitting:
        server = max(fitting, key=len)
        return server, name[len(server) + 1 :]
    server, _, tool = name.partition(".")
    return server, tool
