"""What servers ask of a person in the middle of a call (elicitation), in both protocols.

On a handshake connection the server sends a request of its own while our call is open. Over HTTP it comes in
the answer to that call and is its question; over pipes nothing says which call it belongs to, so it is put to
a person only where one call alone is in flight on the connection. Once that could not be told, calls to this
server go one at a time. In the newer protocol the call is answered
with what is missing, and is resumed with the answers and the server's state.

Nothing but questions to a person is answered: requests to sample a model, or for roots, are refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import mcp_types as types
from mcp import MCPError

from signoff.errors import CallError, RateLimited, Refused, Transient
from signoff.model import InputNeeded, Inquiry, Json, JsonObject, Reply
from signoff.servers.exchange import CURRENT, Exchange
from signoff.servers.outcome import Where

if TYPE_CHECKING:
    from mcp.client.session import ClientRequestContext

MOST_ROUNDS = 20
"""Times that one call may be answered with what is still missing."""
SEVERAL = (
    "Several calls to this server were under way, and nothing tells which of them asks. From now on its "
    'calls go one at a time; with "max_concurrency": 1 in mcp_servers.json they always do.'
)

Person = Callable[[Inquiry], Awaitable[Reply]]
"""Answers what a server asks during a call; may take as long as a person does."""


class Queue:
    """Calls to one server that go one at a time, once it was unclear which of several had asked something.

    Attributes:
        needed: it was.
    """

    def __init__(self) -> None:
        self.needed = False
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def turn(self, idle: asyncio.Event) -> AsyncIterator[None]:
        """Waits until no other call is in flight; only where that is needed.

        Args:
            idle: set while no call is, of those that were let go before it was needed.
        """
        async with self._turn:
            await idle.wait()
            yield


class Callers:
    """The calls in flight on one connection, to find the one that a question belongs to."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self._calls: set[Exchange] = set()

    def enter(self, exchange: Exchange) -> None:
        """A call is about to be written."""
        self._calls.add(exchange)

    def leave(self, exchange: Exchange) -> None:
        """It has ended."""
        self._calls.discard(exchange)

    async def asked(
        self,
        context: ClientRequestContext,  # noqa: ARG002  as the SDK calls it
        params: types.ElicitRequestParams,
    ) -> types.ElicitResult:
        """Puts a question of the server to the person whose call it belongs to; declines all others."""
        inquiry = inquiry_of(params.model_dump(by_alias=True, mode="json"))
        exchange = self._whose()
        if exchange is not None and exchange.person is not None:
            return _result(await exchange.person(inquiry))
        if exchange is None:
            self.queue.needed = self.queue.needed or len(self._calls) > 1
            unclear = Inquiry(inquiry.mode, inquiry.message, problem=("question-unclear", SEVERAL))
            for each in list(self._calls):
                if each.person is not None:
                    await each.person(unclear)
        return types.ElicitResult(action="decline")

    def _whose(self) -> Exchange | None:
        """The call that asks, where that is certain."""
        current = CURRENT.get()
        if current in self._calls:
            return current
        return next(iter(self._calls)) if len(self._calls) == 1 else None


def _result(reply: Reply) -> types.ElicitResult:
    return types.ElicitResult.model_validate(_told(reply))


def _told(reply: Reply) -> JsonObject:
    """What the server is told, as the protocol has it."""
    if reply.action == "accept" and reply.content is not None:
        return {"action": "accept", "content": reply.content}
    return {"action": reply.action}


def inquiry_of(params: Mapping[str, Any]) -> Inquiry:
    """A question as the program knows it, from the protocol's JSON."""
    message = params.get("message")
    words = message if isinstance(message, str) else ""
    if params.get("mode", "form") == "url":
        url = params.get("url")
        return Inquiry("url", words, url=url if isinstance(url, str) else "")
    return Inquiry("form", words, schema=params.get("requestedSchema"))


# ---------------------------------------------------------------- the newer protocol


def input_needed(raw: Mapping[str, Any], where: Where) -> InputNeeded | None:
    """What a call lacks; None where the answer is a result.

    Raises:
        Refused: it asks for something else than a person's answer, or cannot be read.
    """
    if raw.get("resultType") != "input_required":
        return None
    requests, state = raw.get("inputRequests") or {}, raw.get("requestState")
    if not isinstance(requests, dict) or not isinstance(state, str | None) or not (requests or state):
        raise _not_resumed(where, "asks for input, in a form that cannot be read")
    found = {}
    for key, request in requests.items():
        method = request.get("method") if isinstance(request, dict) else None
        if method != "elicitation/create":
            raise _not_resumed(where, "asks for more than a person's answer, which is refused")
        params = request.get("params")
        found[key] = inquiry_of(params if isinstance(params, dict) else {})
    return InputNeeded(found, state)


def resumption(needed: InputNeeded, replies: Mapping[str, Reply]) -> JsonObject:
    """What is added to the call when it is resumed."""
    more: JsonObject = {}
    if replies:
        told: dict[str, Json] = {key: _told(reply) for key, reply in replies.items()}
        more["inputResponses"] = told
    if needed.state is not None:
        more["requestState"] = needed.state
    return more


def given_up(where: Where) -> Refused:
    """The call is not resumed, since it may not be any more."""
    return _not_resumed(where, "waited for an answer when it was stopped, and was not resumed")


def too_many_rounds(where: Where) -> Refused:
    """It asks again and again."""
    return _not_resumed(where, f"asked for more input {MOST_ROUNDS} times, and was not resumed")


def not_delivered(error: CallError, where: Where) -> CallError:
    """The error of a call that was being resumed: it is not made again from the beginning by itself."""
    if isinstance(error, Refused) and isinstance(error.__cause__, MCPError):
        return _not_resumed(where, "did not take the answer that it had asked for", error.message)
    if isinstance(error, Transient | RateLimited):
        return _not_resumed(where, "waits for an answer that could not be delivered", error.message)
    return error


def _not_resumed(where: Where, what: str, detail: str = "") -> Refused:
    return Refused(
        f"{where} {what}. Until it has what it asks for, it has done nothing, by the rules of the protocol.",
        server=where.server,
        tool=where.tool,
        code="input-required",
        detail=detail,
    )
