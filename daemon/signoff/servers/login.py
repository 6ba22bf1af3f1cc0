"""Logging in at a remote server through the browser: OAuth, an authorisation code with PKCE.

The SDK's provider does the protocol: it finds the authorisation server, registers us there, and trades the
code for tokens. Here are the page that the browser comes back to, on this machine only, and which addresses
may be asked on the server's word. The tokens are kept by `tokens`; the daemon only ever refreshes them.
"""

from __future__ import annotations

import asyncio
import html
import time
from collections.abc import Callable
from typing import Self
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client.auth import OAuthClientProvider, OAuthFlowError, OAuthRegistrationError, OAuthTokenError
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)
from pydantic import AnyUrl

from signoff.errors import RequestRefused
from signoff.servers.address import refusal
from signoff.servers.launch import HttpLaunch, ServerConfig
from signoff.servers.tokens import Grant
from signoff.servers.vetted import ForbiddenError, VettedTransport

PATIENCE = 300.0
"""Seconds that a person has to log in."""

LARGEST_REQUEST = 16 * 1024

_HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "signoff", "version": "1"},
    },
}


async def login(config: ServerConfig, show: Callable[[str], None], *, patience: float = PATIENCE) -> Grant:
    """Has a person log in, and gives what lets us in from then on.

    Args:
        config: the server.
        show: opens an address in a browser, or shows it.
        patience: seconds that the person has.

    Raises:
        RequestRefused: it is no remote server, does not want a login, or the login failed.
    """
    if not isinstance(config.launch, HttpLaunch):
        raise RequestRefused(f"{config.name} is started here: it has no login.", code="not-remote")
    url = config.launch.url
    callback = _Callback()
    async with callback:
        provider = _provider(config, url, callback, show)
        try:
            async with asyncio.timeout(patience):
                status = await _knock(url, config.launch.headers, provider)
        except TimeoutError:
            raise _failed(config.name, f"nobody logged in within {patience:.0f} seconds") from None
        except ForbiddenError as error:
            raise _failed(config.name, f"it names an address that is not asked: {error}") from None
        except (OAuthFlowError, OAuthRegistrationError, OAuthTokenError) as error:
            raise _failed(config.name, str(error)) from None
        except httpx2.HTTPError as error:
            raise _failed(config.name, f"it could not be reached ({type(error).__name__})") from None
    return _grant(config, provider, status)


def _failed(server: str, why: str) -> RequestRefused:
    return RequestRefused(
        f"Logging in at {server} failed: {why}.",
        code="login-failed",
        hint="Nothing was kept. Where it wants a key instead, put it under `headers` in mcp_servers.json.",
    )


def _grant(config: ServerConfig, provider: OAuthClientProvider, status: int) -> Grant:
    context = provider.context
    tokens, client = context.current_tokens, context.client_info
    if tokens is None or client is None or not client.client_id:
        raise _failed(config.name, f"it did not ask for a login (HTTP {status})")
    metadata = context.oauth_metadata
    base = context.get_authorization_base_url(context.server_url)
    return Grant(
        access=tokens.access_token,
        refresh=tokens.refresh_token or "",
        ends=None if tokens.expires_in is None else time.time() + tokens.expires_in,
        token_url=str(metadata.token_endpoint) if metadata is not None else f"{base}/token",
        client_id=client.client_id,
        client_secret=client.client_secret or "",
        scope=tokens.scope or "",
        resource=context.get_resource_url() if context.should_include_resource_param() else "",
    )


def _provider(
    config: ServerConfig, url: str, callback: _Callback, show: Callable[[str], None]
) -> OAuthClientProvider:
    oauth = config.oauth

    async def to_browser(address: str) -> None:
        wrong = await asyncio.to_thread(refusal, address, known=url)
        if wrong:
            raise ForbiddenError(f"{wrong}; it is not opened for a login")
        show(address)

    metadata = OAuthClientMetadata(
        client_name="Signoff",
        redirect_uris=[AnyUrl(callback.address)],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        token_endpoint_auth_method="none",  # noqa: S106  the name of a method: PKCE alone
        scope=oauth.scope or None if oauth is not None else None,
    )
    memory = _Memory()
    if oauth is not None and oauth.client_id:
        method = "client_secret_post" if oauth.client_secret else "none"
        memory.client = OAuthClientInformationFull(
            client_id=oauth.client_id,
            client_secret=oauth.client_secret or None,
            redirect_uris=[AnyUrl(callback.address)],
            token_endpoint_auth_method=method,
        )
    return OAuthClientProvider(url, metadata, memory, to_browser, callback.wait)


async def _knock(url: str, headers: object, provider: OAuthClientProvider) -> int:
    """One request, which the provider turns into a login where the server wants one."""
    async with httpx2.AsyncClient(
        transport=VettedTransport(url), auth=provider, timeout=30.0, follow_redirects=False
    ) as client:
        accept = {"accept": "application/json, text/event-stream", **dict(headers)}  # type: ignore[call-overload]
        async with client.stream("POST", url, json=_HELLO, headers=accept) as response:
            return int(response.status_code)


class _Memory:
    """What the provider keeps during one login; a file is written only when it has succeeded."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class _Callback:
    """A page on this machine that the browser comes back to, once."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._answer: asyncio.Future[AuthorizationCodeResult] | None = None
        self.address = ""

    async def __aenter__(self) -> Self:
        self._answer = asyncio.get_running_loop().create_future()
        self._server = await asyncio.start_server(self._came, "127.0.0.1", 0, limit=LARGEST_REQUEST)
        port = self._server.sockets[0].getsockname()[1]
        self.address = f"http://127.0.0.1:{port}/callback"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        if self._answer is not None:
            self._answer.cancel()

    async def wait(self) -> AuthorizationCodeResult:
        """What the browser brought."""
        assert self._answer is not None  # noqa: S101
        return await self._answer

    async def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(10):
                line = (await reader.readline()).decode("latin-1")
            text = self._taken(line)
            body = f"<!doctype html><title>Signoff</title><p>{html.escape(text)}</p>".encode()
            head = ["HTTP/1.1 200 OK", "content-type: text/html; charset=utf-8", "connection: close"]
            head += [f"content-length: {len(body)}", "", ""]
            writer.write("\r\n".join(head).encode() + body)
            await writer.drain()
        except (OSError, TimeoutError, ValueError):
            return
        finally:
            writer.close()

    def _taken(self, line: str) -> str:
        words = line.split()
        parts = urlsplit(words[1]) if len(words) >= 2 else None
        if parts is None or words[0] != "GET" or parts.path != "/callback":
            return "There is nothing here."
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if self._answer is None or self._answer.done():
            return "This has been answered already."
        if "code" not in asked:
            said = asked.get("error_description") or asked.get("error") or "it gave no code"
            self._answer.set_exception(OAuthFlowError(f"the login page answered: {said[:200]}"))
            return "The login failed. You can close this page."
        self._answer.set_result(
            AuthorizationCodeResult(code=asked["code"], state=asked.get("state"), iss=asked.get("iss"))
        )
        return "You are logged in. You can close this page and go back to the terminal."
