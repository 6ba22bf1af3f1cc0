"""A connection to a server over the old SSE transport: a stream of events from it, a POST for each message.

The SDK's transport does the protocol. As over streamable HTTP, a failed POST is made that request's own
error: here the SDK would stop writing for good, and the call would wait for an answer that cannot come.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING

import httpx2
from mcp.client.sse import sse_client
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from signoff.servers.exchange import CURRENT, Exchange
from signoff.servers.http import HttpLink, Wire, Writer, words_of
from signoff.servers.lines import Inbox

if TYPE_CHECKING:
    from mcp.shared._stream_protocols import ReadStream, WriteStream


class SseLink(HttpLink):
    """An async context manager that yields the (read, write) streams the SDK's client wants."""

    _pump: asyncio.Task[None] | None = None

    async def __aenter__(self) -> tuple[ReadStream[SessionMessage | Exception], WriteStream[SessionMessage]]:
        self.inbox = Inbox()

        streams = sse_client(self.launch.url, httpx_client_factory=self._made)
        async with AsyncExitStack() as stack:
            read, write = await stack.enter_async_context(streams)
            self._stack = stack.pop_all()
        self._pump = asyncio.create_task(self._read(read), name="events of a server")
        return self.inbox, Writer(write)

    def _made(
        self,
        headers: dict[str, str] | None = None,  # noqa: ARG002  as the SDK calls it; ours are in `http_client`
        timeout: httpx2.Timeout | None = None,  # noqa: ARG002
        auth: httpx2.Auth | None = None,  # noqa: ARG002
    ) -> httpx2.AsyncClient:
        return self.http_client()

    def wire(self, inner: httpx2.AsyncHTTPTransport) -> Wire:
        """Sends what is written."""
        return _SseWire(self, inner)

    async def _read(self, read: ReadStream[SessionMessage | Exception]) -> None:
        """From the SDK's stream into ours, into which failures are put too."""
        try:
            async for message in read:
                if isinstance(message, SessionMessage):
                    self.inbox.put(message)
        finally:
            self.inbox.end()
            self.ended("its stream of events ended", reason="unreachable")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
        await super().__aexit__(kind, error, trace)


class _SseWire(Wire):
    """Answers "accepted" to the SDK in every case; what failed is told where answers come in."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends a request; why the stream could not be had is noted for the owner."""
        if request.method != "GET":
            return await super().handle_async_request(request)
        exchange = CURRENT.get() or Exchange()
        try:
            response = await self._inner.handle_async_request(request)
        except httpx2.TransportError as error:
            exchange.failure = words_of(error, self.link.launch.url)
            self.link.unreachable(error)
            raise
        if response.status_code >= 300:
            exchange.status = response.status_code
        return response

    async def post(self, request: httpx2.Request, exchange: Exchange) -> httpx2.Response:
        """Sends a message, noting in its exchange what becomes of it."""
        response = await super().post(request, exchange)
        if response.status_code < 300:
            await response.aclose()
            exchange.status = None  # the answer comes on the stream, and it alone decides
            return httpx2.Response(202, request=request)
        await response.aread()
        link = self.link
        assert isinstance(link, SseLink)  # noqa: S101
        message = json.loads(request.content)
        if "id" in message and "method" in message:
            error = {"code": -32000, "message": f"HTTP {response.status_code}"}
            failed = {"jsonrpc": "2.0", "id": message["id"], "error": error}
            link.inbox.put(SessionMessage(jsonrpc_message_adapter.validate_python(failed)))
        return httpx2.Response(202, request=request)
