"""Asking addresses that a server named: each is checked, and what was checked is what is connected to.

A name that is public when it is looked up for the check, and private when it is looked up for the connection
(DNS rebinding), leads nowhere: it is looked up once. Behind a proxy, the proxy looks up, and must guard.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import httpx2

from signoff.servers.address import Vetted, vet
from signoff.servers.proxies import proxy_for


class ForbiddenError(Exception):
    """An address that is not asked; the message says why."""


class VettedTransport(httpx2.AsyncBaseTransport):
    """Sends HTTP requests where that is safe; certificates are verified for the name, as always.

    Args:
        known: the address that the user configured.
    """

    def __init__(self, known: str) -> None:
        self._known = known
        self._inner: dict[str | None, httpx2.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends a request.

        Raises:
            ForbiddenError: it may not be asked; nothing was sent.
        """
        url = str(request.url)
        found = await asyncio.to_thread(vet, url, known=self._known)
        if found.refusal:
            raise ForbiddenError(found.refusal)
        proxy = proxy_for(url)
        inner = self._inner.get(proxy)
        if inner is None:
            inner = self._inner[proxy] = httpx2.AsyncHTTPTransport(proxy=proxy)
        if proxy is not None:
            return await inner.handle_async_request(request)
        return await _to_one_of(inner, request, found)

    async def aclose(self) -> None:
        """Closes all connections."""
        for inner in self._inner.values():
            await inner.aclose()


async def _to_one_of(
    inner: httpx2.AsyncHTTPTransport, request: httpx2.Request, found: Vetted
) -> httpx2.Response:
    """Connects to the addresses that were checked, in order, until one is there."""
    host = urlsplit(str(request.url)).hostname or ""
    failure: httpx2.ConnectError | httpx2.ConnectTimeout = httpx2.ConnectError(f"{host} was not found")
    for address in found.addresses:
        pinned = httpx2.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,  # with the name as `Host`
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        try:
            return await inner.handle_async_request(pinned)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            failure = error
    raise failure
