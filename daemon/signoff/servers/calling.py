"""One call over one connection: may it be written, and what became of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import mcp_types as types
from mcp import MCPError
from mcp_types.methods import validate_server_result
from pydantic import TypeAdapter

from signoff.errors import BreakerOpen, CallError, Refused, SignoffError
from signoff.model import CallResult, InputNeeded, Json, JsonObject
from signoff.servers import outcome
from signoff.servers.elicit import input_needed
from signoff.servers.exchange import Exchange
from signoff.servers.incarnation import Incarnation
from signoff.servers.outcome import Where
from signoff.servers.owner import Owner
from signoff.servers.remedy import remedy
from signoff.servers.tools import exact

if TYPE_CHECKING:
    from mcp.shared.dispatcher import ProgressFnT

START_GRACE = 5.0
"""Seconds that a call waits for a server that is being connected; for longer, it is tried again later."""

_ANY_RESULT: TypeAdapter[Any] = TypeAdapter(dict[str, Any])


class PinChanged(SignoffError):
    """The server's launch identity or the tool's definition is not what was approved: nothing was called.

    Attributes:
        old: what was approved, `{"launch", "definition"}`.
        new: what is there now; `definition` is None where the tool is gone.
    """

    code = "definition-changed"

    def __init__(self, message: str, *, old: JsonObject, new: JsonObject) -> None:
        super().__init__(message, hint="Look at what changed, and approve the plan again.")
        self.old = old
        self.new = new


async def ready(owner: Owner, where: Where) -> Incarnation:
    """The connection to write to, with its tools freshly listed where the server said that they changed.

    Raises:
        CallError: there is none now.
    """
    require_kept(owner, where)
    incarnation = owner.incarnation
    if not owner.connected and owner.trouble is None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_GRACE):
                await owner.decided()
        incarnation = owner.incarnation
    if incarnation is not None and not incarnation.fresh.is_set():
        await incarnation.fresh.wait()
        incarnation = owner.incarnation
    if incarnation is not None and incarnation.connected:
        return incarnation
    trouble = owner.trouble
    if trouble is None:
        raise outcome.not_sent(where, "the server is still being connected", code="server-starting")
    if trouble.reason in {"missing-variable", "authentication"}:
        raise outcome.authentication(
            where, _clause(trouble.message), hint=remedy(trouble.reason, owner.config)
        )
    if trouble.reason == "disabled":
        raise Refused(
            f"{where} was not called: {_clause(trouble.message)}.",
            server=where.server,
            tool=where.tool,
            code=f"server-{trouble.reason}",
        )
    wait = owner.breaker_wait()
    if wait is not None:
        raise BreakerOpen(
            f"{where} was not called: the server failed to connect again and again, and is tried next in "
            f"{wait:.0f} seconds: {_clause(trouble.message)}.",
            server=where.server,
            tool=where.tool,
        )
    raise outcome.not_sent(where, f"the server is not available: {_clause(trouble.message)}")


def require_admission(owner: Owner, where: Where) -> None:
    """Whether the server is called at all for now, after its last calls failed one after the other.

    Raises:
        BreakerOpen: it is not.
    """
    wait = owner.condition.breaker.admit(asyncio.get_running_loop().time())
    if wait > 0:
        raise BreakerOpen(
            f"{where} was not called: the last calls of this server failed one after the other, so that it "
            f"is left alone; the next may go in {wait:.0f} seconds.",
            server=where.server,
            tool=where.tool,
        )


def _clause(message: str) -> str:
    return f"{message[:1].lower()}{message[1:]}".rstrip(".")


def require_kept(owner: Owner, where: Where) -> None:
    """Whether the server is still configured as it was when the call was made.

    Raises:
        Transient: it is not; tried again, the call meets what is there now.
    """
    if owner.retired:
        raise outcome.not_sent(
            where, "its entry in mcp_servers.json was changed meanwhile", code="server-changed"
        )


@dataclass(frozen=True, slots=True)
class Pin:
    """What was approved of a tool and its server.

    Attributes:
        approved: `{"launch", "definition"}`.
        exact: the definition, as bytes that are equal only for the same JSON.
    """

    approved: JsonObject
    exact: bytes

    @classmethod
    def of(cls, approved: JsonObject) -> Pin:
        """As it is given."""
        return cls(approved, exact(approved.get("definition")))


def check_pin(incarnation: Incarnation, owner: Owner, where: Where, pin: Pin | None) -> None:
    """Whether what was approved is what is there.

    Raises:
        PinChanged: it is not.
        Refused: the tool is not there, and none was pinned.
        Transient: the server is configured otherwise by now.
    """
    require_kept(owner, where)
    current = incarnation.listing.exact.get(where.tool)
    if pin is None:
        if current is None:
            raise Refused(
                f"The server {where.server} has no tool called {where.tool!r}.",
                server=where.server,
                tool=where.tool,
                code="unknown-tool",
            )
        return
    launch = owner.config.identity
    if current is not None and pin.exact == current and pin.approved.get("launch") == launch:
        return
    tool = incarnation.listing.tools.get(where.tool)
    what = "is gone" if tool is None else "is not defined as it was when the plan was approved"
    if pin.approved.get("launch") != launch:
        what = "is on a server that is started otherwise than when the plan was approved"
    raise PinChanged(
        f"{where} {what}; it was not called.",
        old=pin.approved,
        new={"launch": dict(launch), "definition": None if tool is None else tool.definition()},
    )


async def exchange_call(
    incarnation: Incarnation,
    where: Where,
    arguments: Mapping[str, Json],
    meta: JsonObject | None,
    exchange: Exchange,
    *,
    progress: ProgressFnT | None = None,
    more: JsonObject | None = None,
) -> CallResult | InputNeeded:
    """Writes the request and waits for its answer.

    Args:
        more: what is added where a call is resumed that lacked something.

    Raises:
        CallError, PinChanged: see `ServerPool.call`.
    """
    incarnation.enter()
    incarnation.callers.enter(exchange)
    try:
        params = _params(where, arguments, meta) | (more or {})
        raw = await _answer(incarnation, params, exchange, progress)
    except MCPError as error:
        if exchange.refusal is not None:
            raise exchange.refusal from None
        raise outcome.classify(error, exchange, connected=incarnation.connected, where=where) from error
    except (TimeoutError, SignoffError):
        raise
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise _broken(exchange, where) from None  # the connection's own end, not ours
    except ValueError as error:
        raise (outcome.unreadable(where) if exchange.sent else _broken(exchange, where)) from error
    except Exception as error:
        raise _broken(exchange, where) from error
    finally:
        incarnation.callers.leave(exchange)
        incarnation.leave()
    return input_needed(raw, where) or outcome.read_result(raw, where)


def _params(where: Where, arguments: Mapping[str, Json], meta: JsonObject | None) -> JsonObject:
    params: JsonObject = {"name": where.tool, "arguments": dict(arguments)}
    return {**params, "_meta": meta} if meta else params


async def _answer(
    incarnation: Incarnation, params: JsonObject, exchange: Exchange, progress: ProgressFnT | None
) -> dict[str, Any]:
    """The answer as the server gave it: in our own lane where there is one, else through the session."""
    lane = incarnation.lane
    if lane is not None:
        answer = await lane.call(params, exchange, progress=progress)
        if not outcome.is_plain(answer):
            validate_server_result("tools/call", incarnation.client.protocol_version, answer)
        return answer
    # Not the client's `call_tool`: that lists tools after the call, may send it again, and
    # throws the answer away where it does not fit the output schema.
    request = types.CallToolRequest(params=types.CallToolRequestParams.model_validate(params))
    session = incarnation.client.session
    answer = await session.send_request(request, _ANY_RESULT, progress_callback=progress)
    return cast("dict[str, Any]", answer)


def _broken(exchange: Exchange, where: Where) -> CallError:
    why = "the connection ended"
    return outcome.unknown(where, why) if exchange.sent else outcome.not_sent(where, why)
