"""A connection to a server over streamable HTTP.

The SDK's transport does the protocol. What it lacks is added below it, in a wrapped HTTP transport: a failed
POST becomes that request's own error instead of the end of the connection, with its status and Retry-After
kept in the `Exchange`; closing is bounded; a lost session is noticed. Redirects to another address are not
followed (the SDK sees to that), certificates are verified.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import httpx2
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCNotification, JSONRPCRequest

from signoff.errors import SignoffError
from signoff.servers.config import HttpLaunch
from signoff.servers.exchange import COURTESY, CURRENT, Exchange
from signoff.servers.proxies import proxy_for

if TYPE_CHECKING:
    from mcp.shared._stream_protocols import ReadStream, WriteStream

LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes of one answer, or of one event of a stream."""

LARGEST_ERROR = 64 * 1024
"""Bytes of an answer that is an error; the rest is not read."""

CLOSE_TIMEOUT = 1.5
"""Seconds for the server to confirm the end of a session."""

CONNECT_TIMEOUT = 10.0

NOT_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)
"""Failures before anything was written to the server."""


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait, from a Retry-After header (seconds, or a date); None where it says nothing."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value.strip())
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


class HttpLink:
    """An async context manager that yields the (read, write) streams the SDK's client wants.

    Attributes:
        closed: set when the server does not know our session any more, or cannot be reached.
        reason: why, once it is: `session-lost`, `unreachable`, `certificate` or `stopped`.
    """

    pid: int | None = None

    def __init__(
        self,
        launch: HttpLaunch,
        *,
        auth: httpx2.Auth | None = None,
        on_closed: Callable[[], None] = lambda: None,
    ) -> None:
        self.launch = launch
        self.auth = auth
        self._on_closed = on_closed
        self._stack = AsyncExitStack()
        self._why = ""
        self.closed = asyncio.Event()
        self.reason = ""

    async def __aenter__(self) -> tuple[ReadStream[SessionMessage | Exception], WriteStream[SessionMessage]]:
        client = self.http_client()
        streams = streamable_http_client(
            self.launch.url, http_client=client, max_sse_event_size=LARGEST_ANSWER
        )
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(client)
            read, write = await stack.enter_async_context(streams)
            self._stack = stack.pop_all()
        return read, Writer(write)

    def http_client(self) -> httpx2.AsyncClient:
        """Sends HTTP requests to this server; certificates are verified, redirects left to the SDK."""
        limits = httpx2.Limits(max_connections=256, max_keepalive_connections=64, keepalive_expiry=2.0)
        inner = httpx2.AsyncHTTPTransport(limits=limits, proxy=proxy_for(self.launch.url))
        return httpx2.AsyncClient(
            transport=self.wire(inner),
            headers=dict(self.launch.headers),
            auth=self.auth,
            timeout=httpx2.Timeout(CONNECT_TIMEOUT, read=None),
            follow_redirects=False,
        )

    def wire(self, inner: httpx2.AsyncHTTPTransport) -> Wire:
        """Sends what is written."""
        return Wire(self, inner)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended("it was stopped", reason="stopped")
        await self._stack.__aexit__(kind, error, trace)

    def ended(self, why: str, *, reason: str) -> None:
        """Tells the owner that this connection is of no more use."""
        if not self.closed.is_set():
            self.reason, self._why = reason, why
            self.closed.set()
            self._on_closed()

    def unreachable(self, error: Exception) -> None:
        """Nothing could be written to it."""
        self.ended(
            words_of(error, self.launch.url),
            reason="unreachable" if _distrust(error) is None else "certificate",
        )

    async def describe(self) -> str:
        """Why the connection ended, for people."""
        return self._why


class Writer:
    """The SDK's write stream; what is sent carries the exchange of the call it belongs to, and no other."""

    def __init__(self, inner: WriteStream[SessionMessage]) -> None:
        self._inner = inner

    async def send(self, message: SessionMessage) -> None:
        """Writes a message."""
        token = None
        content = message.message
        if isinstance(content, JSONRPCNotification) and content.method == "notifications/cancelled":
            token = CURRENT.set(COURTESY)
        elif not isinstance(content, JSONRPCRequest):
            token = CURRENT.set(None)
        try:
            await self._inner.send(message)
        finally:
            if token is not None:
                CURRENT.reset(token)

    async def aclose(self) -> None:
        """Nothing more is written."""
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._inner.__aexit__(kind, error, trace)


class Wire(httpx2.AsyncBaseTransport):
    """Sends HTTP requests, and answers for the server where it does not."""

    def __init__(self, link: HttpLink, inner: httpx2.AsyncHTTPTransport) -> None:
        self.link = link
        self._inner = inner
        self._courtesies: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends a request, as httpx wants it."""
        if request.method == "DELETE":
            await self._bounded(request, CLOSE_TIMEOUT)
            return httpx2.Response(204)
        if request.method != "POST":
            return await self._inner.handle_async_request(request)
        exchange = CURRENT.get()
        if exchange is COURTESY:
            # In a task of its own: the SDK writes nothing else until a notice is answered.
            task = asyncio.create_task(self._bounded(request, COURTESY.timeout))
            self._courtesies.add(task)
            task.add_done_callback(self._courtesies.discard)
            return httpx2.Response(202)
        if exchange is None:  # a stream of changes stays open without end: no timeout of its own
            return await self.post(request, Exchange())
        request.extensions = {**request.extensions, "timeout": _timeouts(exchange)}
        return await self.post(request, exchange)

    async def aclose(self) -> None:
        """Closes all connections."""
        for task in self._courtesies:
            task.cancel()
        await asyncio.gather(*self._courtesies, return_exceptions=True)
        await self._inner.aclose()

    async def _bounded(self, request: httpx2.Request, seconds: float) -> None:
        """Sends what nobody waits for."""
        with contextlib.suppress(TimeoutError, httpx2.TransportError):
            async with asyncio.timeout(seconds):
                response = await self._inner.handle_async_request(request)
                await response.aclose()

    async def post(self, request: httpx2.Request, exchange: Exchange) -> httpx2.Response:
        """Sends a message, noting in its exchange what becomes of it."""
        exchange.begin()
        try:
            if exchange.guard is not None:
                exchange.guard()
        except SignoffError as refusal:
            exchange.refusal = refusal
            return _failed(request, "not allowed")
        exchange.sent = True
        try:
            response = await self._inner.handle_async_request(request)
            return await self._answered(request, response, exchange)
        except NOT_SENT as error:
            exchange.sent = False
            exchange.failure = words_of(error, self.link.launch.url)
            self.link.unreachable(error)
        except (httpx2.TransportError, _TooLongError) as error:
            exchange.failure = words_of(error, self.link.launch.url)
        return _failed(request, exchange.failure)

    async def _answered(
        self, request: httpx2.Request, response: httpx2.Response, exchange: Exchange
    ) -> httpx2.Response:
        exchange.status = response.status_code
        exchange.retry_after = retry_after(response.headers.get("retry-after"), time.time())
        kind = response.headers.get("content-type", "").lower()
        if response.status_code < 400 and not kind.startswith("application/json"):
            return response
        # Read here: a connection that breaks in the middle of an answer would end all of them in the SDK.
        body = await _read(response, LARGEST_ANSWER if response.status_code < 400 else LARGEST_ERROR)
        if response.status_code >= 400:
            exchange.body = body[:2000].decode("utf-8", "replace")
            self._notice_lost_session(request, exchange)
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=httpx2.ByteStream(body),
            extensions=response.extensions,
        )

    def _notice_lost_session(self, request: httpx2.Request, exchange: Exchange) -> None:
        if "mcp-session-id" not in request.headers or "-32601" in exchange.body:
            return
        unknown = exchange.status == 404 or (exchange.status == 400 and "session" in exchange.body.lower())
        if unknown:
            exchange.session_lost = True
            self.link.ended("it does not know our session any more", reason="session-lost")


class _TooLongError(Exception):
    """An answer is longer than is read."""


async def _read(response: httpx2.Response, most: int) -> bytes:
    """The body as it came; of an error only the beginning.

    Raises:
        _TooLongError: an answer that is not an error is longer than `most`.
    """
    parts: list[bytes] = []
    size = 0
    stream = response.stream
    assert isinstance(stream, httpx2.AsyncByteStream)  # noqa: S101
    try:
        async for part in stream:
            parts.append(part)
            size += len(part)
            if size > most:
                if response.status_code < 400:
                    raise _TooLongError
                break
    finally:
        await response.aclose()
    return b"".join(parts)


def _timeouts(exchange: Exchange) -> dict[str, float | None]:
    connect = min(CONNECT_TIMEOUT, exchange.timeout)
    # A little longer than the call itself waits, so that it is the call that gives up; and where a person
    # may be asked meanwhile, only the call knows for how long.
    read = exchange.timeout + 5.0 if exchange.person is None else None
    return {"connect": connect, "pool": connect, "write": exchange.timeout, "read": read}


def words_of(error: Exception, url: str) -> str:
    """How a request failed, in plain words; of the address only host and port are named."""
    if isinstance(error, _TooLongError):
        return "its answer is longer than 64 MiB"
    if not isinstance(error, NOT_SENT):
        return f"the connection broke ({type(error).__name__}: {error})".replace(": )", ")")
    distrust = _distrust(error)
    if distrust is not None:
        return f"its certificate cannot be trusted: {distrust.verify_message}"
    place = _place(url)
    if isinstance(error, httpx2.ConnectTimeout):
        return f"{place} did not answer in time"
    causes = list(_causes(error))
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return f"no address is known for {place}"
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return f"nothing answers at {place}: the connection was refused"
    return f"{place} could not be reached ({type(error).__name__}: {error})".replace(": )", ")")


def _place(url: str) -> str:
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port}" if parts.port else f"{host}"


def _distrust(error: BaseException) -> ssl.SSLCertVerificationError | None:
    """What is wrong with the certificate, where that is what went wrong."""
    return next((found for found in _causes(error) if isinstance(found, ssl.SSLCertVerificationError)), None)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _failed(request: httpx2.Request, why: str) -> httpx2.Response:
    """An answer in the server's place, which the SDK hands to the one request that it is for."""
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": why}}
    return httpx2.Response(
        599, content=json.dumps(error).encode(), headers={"content-type": "application/json"}, request=request
    )
