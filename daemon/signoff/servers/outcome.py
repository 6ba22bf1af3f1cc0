"""What the end of a call means: pure, and decided from our own state where codes could mislead.

Order of belief: our own guard; whether the request was written; the HTTP status; whether the connection was
still there; and only then the code that the server sent. In doubt a call is unknown, never failed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from signoff.errors import (
    AuthenticationFailed,
    CallError,
    OutcomeUnknown,
    RateLimited,
    Refused,
    ServerFault,
    TimedOut,
    Transient,
)
from signoff.model import CallResult, Json
from signoff.servers.exchange import Exchange
from signoff.servers.lines import UNREADABLE

if TYPE_CHECKING:
    from mcp import MCPError

LOOK = "Look whether it happened before anything is done again."
LONGEST_DETAIL = 2000
"""Characters of the server's own words that are kept."""

REFUSALS = frozenset({-32600, -32601, -32602, -32020, -32021, -32022, -32042})
"""Codes by which a server says that it did not begin: invalid, unknown, wrong version, needs a person."""

CONNECTION_CLOSED, REQUEST_TIMEOUT, PARSE_ERROR, INVALID_REQUEST = -32000, -32001, -32700, -32600

_RATE = re.compile(
    r"\brate[ -]?limit(s|ed|ing)?\b|\btoo many requests\b|\bquota exceeded\b"
    r"|\b(try|retry) again in \d|\bretry after \d|\bthrottl(ed|ing)\b",
    re.IGNORECASE,
)
_WAIT = re.compile(
    r"\b(?:in|after|for|within)[: ]+(\d+(?:\.\d+)?)\s*"
    r"(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hours?)?\b",
    re.IGNORECASE,
)
_ACTED = re.compile(r"\b(partial\w*|already|some of|but (was|were)|succeeded|\d+ of \d+)\b", re.IGNORECASE)
_LONGEST_RATE_TEXT = 500


@dataclass(frozen=True, slots=True)
class Where:
    """Which call a message is about."""

    server: str
    tool: str

    def __str__(self) -> str:
        return f"{self.server}.{self.tool}"


def rate_limit(text: str) -> tuple[bool, float | None]:
    """Whether a text says "not now, too often", and in how many seconds to come back if it says that.

    A long text, or one that says that something was done, is not taken for a refusal: repeating it
    could do that twice.
    """
    if len(text) > _LONGEST_RATE_TEXT or not _RATE.search(text) or _ACTED.search(text):
        return False, None
    found = _WAIT.search(text)
    if found is None:
        return True, None
    unit = (found[2] or "s").lower()
    factor = 0.001 if unit.startswith(("ms", "milli")) else {"s": 1.0, "m": 60.0, "h": 3600.0}[unit[0]]
    return True, float(found[1]) * factor


def is_plain(raw: dict[str, Any]) -> bool:
    """Is an answer made of texts and structure alone, as most are? It is surely what the protocol allows."""
    content, structured = raw.get("content"), raw.get("structuredContent", {})
    return (
        raw.keys() <= {"content", "structuredContent", "isError"}
        and isinstance(raw.get("isError", False), bool)
        and isinstance(structured, dict)
        and isinstance(content, list)
        and all(isinstance(block, dict) and _is_text(block) for block in content)
    )


def _is_text(block: dict[str, Any]) -> bool:
    return block.keys() == {"type", "text"} and block["type"] == "text" and isinstance(block["text"], str)


def read_result(raw: dict[str, Any], where: Where) -> CallResult:
    """The result of a call, from the protocol's JSON.

    Raises:
        Refused, RateLimited: the tool says that it failed.
        OutcomeUnknown: it answered, but in no form that can be read.
    """
    content = raw.get("content", [])
    if not isinstance(content, list) or not all(isinstance(block, dict) for block in content):
        raise unreadable(where)
    text = "\n".join(
        block["text"]
        for block in content
        if block.get("type") == "text" and isinstance(block.get("text"), str)
    )
    if raw.get("isError"):
        raise _said_failed(text, where)
    structured: Json = raw.get("structuredContent")
    return CallResult(content=content, structured=structured, text=text)


def unreadable(where: Where) -> OutcomeUnknown:
    """It answered outside the protocol: it ran, but how it ended cannot be read."""
    return OutcomeUnknown(
        f"{where} was called and answered, but its answer cannot be read; it most likely acted.",
        server=where.server,
        tool=where.tool,
        code="answer-unreadable",
        hint="Look whether it happened before anything is done again.",
    )


def _said_failed(text: str, where: Where) -> CallError:
    detail = text[:LONGEST_DETAIL]
    limited, seconds = rate_limit(text)
    if limited:
        return _limited(where, seconds, detail)
    return Refused(
        f"{where} says that it failed: {_first_line(text) or 'it gave no reason'}",
        server=where.server,
        tool=where.tool,
        detail=detail,
    )


def _limited(where: Where, seconds: float | None, detail: str) -> RateLimited:
    when = "" if seconds is None else f" It asks to wait {seconds:g} seconds."
    return RateLimited(
        f"{where} is limited in how often it may be called, and refused for now.{when}",
        server=where.server,
        tool=where.tool,
        retry_after=seconds,
        detail=detail,
    )


def classify(error: MCPError, exchange: Exchange, *, connected: bool, where: Where) -> CallError:
    """What an error from the SDK means.

    Args:
        error: as raised by the SDK, made by the server or by the SDK itself.
        exchange: what happened on the wire.
        connected: whether the connection was still there when the error came.
        where: which call.
    """
    if not exchange.sent:
        return not_sent(where, exchange.failure or "the connection ended before it was written")
    if exchange.failure:
        return unknown(where, exchange.failure)
    if exchange.status is not None:
        found = _by_status(exchange, where)
        if found is not None:
            return found
        if error.code in {CONNECTION_CLOSED, REQUEST_TIMEOUT, PARSE_ERROR, INVALID_REQUEST}:
            # The SDK gives these codes itself for an answer that broke off or could not be read.
            return unknown(where, f"the answer broke off or could not be read ({_first_line(error.message)})")
    if error.code == CONNECTION_CLOSED and not connected:
        return unknown(where, "the connection ended before an answer came")
    return _by_code(error, where)


def _by_code(error: MCPError, where: Where) -> CallError:
    detail = error.message[:LONGEST_DETAIL]
    limited, seconds = rate_limit(error.message)
    said = _first_line(error.message)
    if error.code == PARSE_ERROR and error.message == UNREADABLE:
        return unreadable(where)
    if error.code in {REQUEST_TIMEOUT, PARSE_ERROR}:
        return unknown(where, f"the server itself says: {said}")
    if error.code == 429 or limited:
        return _limited(where, seconds, detail)
    if error.code in REFUSALS:
        return Refused(f"{where} was refused: {said}", server=where.server, tool=where.tool, detail=detail)
    return ServerFault(
        f"{where} failed inside the server, which may or may not have acted: {said}",
        server=where.server,
        tool=where.tool,
        detail=detail,
    )


def _by_status(exchange: Exchange, where: Where) -> CallError | None:
    """What an HTTP status means; None for 200, where the content decides."""
    status = exchange.status or 200
    detail = exchange.body[:LONGEST_DETAIL]
    if status in {401, 403, 407}:
        return authentication(where, f"it answered {status}", detail)
    if status == 429 or (status == 503 and exchange.retry_after is not None):
        return _limited(where, exchange.retry_after, detail)
    if exchange.session_lost:
        return not_sent(where, "the server had forgotten our session and did not take it")
    if status == 503 and '"jsonrpc"' not in exchange.body:
        return not_sent(where, "the server is not taking requests (HTTP 503)")
    if status in {202, 408, 502, 504}:
        # A gateway gave up, or the server took the request and promised nothing.
        return unknown(where, f"HTTP {status} came instead of an answer")
    if status >= 500:
        return ServerFault(
            f"{where} failed inside the server (HTTP {status}), which may or may not have acted.",
            server=where.server,
            tool=where.tool,
            detail=detail,
        )
    if status >= 300:
        return _refused_status(status, where, detail)
    return None


def _refused_status(status: int, where: Where, detail: str) -> Refused:
    moved = status < 400
    return Refused(
        f"{where} was refused: "
        + (f"the server has moved (HTTP {status})." if moved else f"the server answered HTTP {status}."),
        server=where.server,
        tool=where.tool,
        detail=detail,
        hint="Put its new address into mcp_servers.json." if moved else "",
    )


def not_sent(where: Where, why: str, *, code: str | None = None, hint: str = "") -> Transient:
    """Provably not sent."""
    return Transient(
        f"{where} was not called: {why}.", server=where.server, tool=where.tool, code=code, hint=hint
    )


def unknown(where: Where, why: str) -> OutcomeUnknown:
    """Sent, and no answer."""
    return OutcomeUnknown(
        f"{where} was called, but {why}: it may or may not have happened.",
        server=where.server,
        tool=where.tool,
        hint=LOOK,
    )


def kept_waiting(where: Where, seconds: float) -> Transient:
    """Another call has the only turn."""
    why = (
        f"it waited {seconds:g} seconds for another call to end, which may wait for an answer: calls to this "
        "server go one at a time, since it once was unclear which of them had asked"
    )
    return not_sent(where, why, code="server-busy")


def timed_out(exchange: Exchange, seconds: float, where: Where) -> CallError:
    """The time of a call ran out, before it was written or after."""
    if exchange.sent:
        why = f"no answer came within {seconds:g} seconds"
        return TimedOut(unknown(where, why).message, server=where.server, tool=where.tool, hint=LOOK)
    return not_sent(where, f"the server did not take it within {seconds:g} seconds")


def authentication(where: Where, why: str, detail: str = "", hint: str = "") -> AuthenticationFailed:
    """The server does not know us."""
    return AuthenticationFailed(
        f"{where} was not called: {why}.",
        server=where.server,
        tool=where.tool,
        detail=detail,
        hint=hint or "Check the key or token that mcp_servers.json gives this server.",
    )


def _first_line(text: str) -> str:
    return next((line.strip()[:300] for line in text.splitlines() if line.strip()), "")
