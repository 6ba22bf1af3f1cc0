"""Tokens for remote servers: kept in the keyring or in files of their owner, refreshed beside running calls.

A token that is about to expire is refreshed while calls go on under it; one that has expired is waited for,
by all calls together, once. A person logs in with `signoff servers login`; client credentials need nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
from loguru import logger

from signoff import durable, system
from signoff.servers.keyring import Keyring, KeyringSilent, backend
from signoff.servers.launch import OAuth
from signoff.servers.vetted import ForbiddenError, VettedTransport

EARLY = 60.0
"""Seconds before its end, from which on a token is refreshed."""

AT_LEAST = 5.0
"""Seconds that a token must be good for to be used at all."""

IN_KEYRING = {"kept": "in the keyring"}
"""In a file of the folder: that the grant itself is in the keyring."""

TIMEOUT = 15.0
LARGEST = 256 * 1024


@dataclass(frozen=True, slots=True)
class Grant:
    """What lets us in at one server.

    Attributes:
        access: the token that requests carry.
        refresh: for a new one; empty where there is none.
        ends: when the token ends, in seconds of Unix time; None where the server did not say.
        token_url: where a new one comes from.
        client_id, client_secret: who we are there.
        scope: what it is good for.
        resource: the server that it is meant for, where the authorisation server wants to know.
    """

    access: str = field(repr=False)
    refresh: str = field(default="", repr=False)
    ends: float | None = None
    token_url: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    scope: str = ""
    resource: str = ""

    def secrets(self) -> tuple[str, ...]:
        """What of it may be shown nowhere."""
        return tuple(filter(None, (self.access, self.refresh, self.client_secret)))


class NoTokenError(Exception):
    """There is no token, and none could be had; the message says why."""


class TokenStore:
    """One file for each server in a folder: with what lets us in, or with the word that the keyring has it.

    So a keyring is asked only for servers at which somebody has logged in.

    Attributes:
        told: called, in any thread, with a server's name and what lets us in there, whenever that is
            read or renewed.
    """

    def __init__(self, folder: Path, keyring: Keyring | None = None) -> None:
        self._folder = folder
        self._keyring = keyring
        self.told: Callable[[str, Grant], None] = lambda _server, _grant: None

    def _path(self, server: str, url: str) -> Path:
        # By address too: a token never goes to another server that took over a name.
        key = hashlib.sha256(f"{server}\n{url}".encode()).hexdigest()[:32]
        return self._folder / f"{key}.json"

    def read(self, server: str, url: str) -> Grant | None:
        """What is kept for a server at this address; None where there is nothing readable."""
        path = self._path(server, url)
        try:
            found = json.loads(path.read_bytes())
            if found == IN_KEYRING:
                found = json.loads((self._keyring.get(_entry(path)) if self._keyring else None) or "")
            grant = Grant(**found)
            self.told(server, grant)
            return grant
        except KeyringSilent as error:
            logger.error("What lets us in at {} is in the keyring, which cannot be read: {}.", server, error)
        except (OSError, ValueError, TypeError):
            pass
        return None

    def write(self, server: str, url: str, grant: Grant) -> str:
        """Keeps it; where, for people.

        Raises:
            OSError: it could not be written.
        """
        self.told(server, grant)
        path, text = self._path(server, url), json.dumps(asdict(grant))
        system.make_owner_only_directory(self._folder)
        kept = self._in_keyring(_entry(path), text)
        durable.replace(path, json.dumps(IN_KEYRING).encode() if kept else text.encode(), mode=0o600)
        return kept or f"{path}, which only you can read"

    def _in_keyring(self, entry: str, text: str) -> str:
        """Where in the keyring it was put; empty where there is none, or it would not take it."""
        try:
            if self._keyring is None or backend() is None:
                return ""
            return self._keyring.put(entry, text).where
        except KeyringSilent as error:
            logger.warning("A token is kept in a file, for the keyring would not take it: {}.", error)
            return ""

    def forget(self, server: str, url: str) -> bool:
        """Removes it; whether there was one."""
        path = self._path(server, url)
        there = path.exists()
        path.unlink(missing_ok=True)
        if there and self._keyring is not None:
            with contextlib.suppress(KeyringSilent):
                self._keyring.remove(_entry(path))
        return there


def _entry(path: Path) -> str:
    return f"oauth-{path.stem}"


class TokenAuth(httpx2.Auth):
    """Puts the token of a server into each request, and gets a new one when it ends or is refused.

    Args:
        server, url: whose it is.
        oauth: what the configuration says about it; None where it says nothing.
        store: where it is kept.
    """

    def __init__(self, server: str, url: str, oauth: OAuth | None, store: TokenStore) -> None:
        self._server = server
        self._url = url
        self._oauth = oauth
        self._store = store
        self._grant: Grant | None = None
        self._read = asyncio.Lock()
        self._was_read = False
        self._refreshing: asyncio.Task[None] | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What may be shown nowhere."""
        return () if self._grant is None else self._grant.secrets()

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """As httpx has it: the request with the token; again with a new one where that was refused."""
        used = await self._token()
        if used is not None:
            request.headers["authorization"] = f"Bearer {used}"
        response = yield request
        if response.status_code != 401 or not self._renewable:
            return
        await response.aread()
        if self._grant is None or self._grant.access == used:  # nobody else got a new one meanwhile
            await self._renew()
        if self._grant is not None and self._grant.access != used:
            request.headers["authorization"] = f"Bearer {self._grant.access}"
            yield request

    @property
    def _renewable(self) -> bool:
        by_itself = self._oauth is not None and self._oauth.token_url != ""
        return by_itself or (self._grant is not None and bool(self._grant.refresh))

    async def _recall(self) -> None:
        """Reads what is kept, once, and beside the event loop: a keyring may take its time."""
        async with self._read:
            if not self._was_read:
                self._grant = await asyncio.to_thread(self._store.read, self._server, self._url)
                self._was_read = True

    async def _token(self) -> str | None:
        await self._recall()
        left = _left(self._grant)
        if left < AT_LEAST and self._renewable:
            await self._renew()
        elif left < EARLY and self._renewable:
            self._start()  # calls go on under the old one
        return None if self._grant is None else self._grant.access

    def _start(self) -> asyncio.Task[None]:
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._get(), name=f"token of {self._server}")
        return self._refreshing

    async def _renew(self) -> None:
        """Gets a new token, once for all who wait; a failure leaves the old one, and the server decides."""
        await asyncio.shield(self._start())

    async def _get(self) -> None:
        try:
            self._grant = await self._asked_for()
            await asyncio.to_thread(self._store.write, self._server, self._url, self._grant)
        except (NoTokenError, OSError) as error:
            logger.warning("No new token for the server {}: {}", self._server, error)

    async def _asked_for(self) -> Grant:
        grant, oauth = self._grant, self._oauth
        if oauth is not None and oauth.token_url:
            who = (oauth.token_url, oauth.client_id, oauth.client_secret, oauth.scope)
            asked = Grant("", "", None, *who, self._url if oauth.resource is None else oauth.resource)
            form = {"grant_type": "client_credentials"}
        elif grant is not None and grant.refresh:
            asked = grant
            form = {"grant_type": "refresh_token", "refresh_token": grant.refresh}
        else:
            raise NoTokenError("nobody has logged in")
        if asked.scope and oauth is not None and oauth.token_url:
            form["scope"] = asked.scope
        if asked.resource:
            form["resource"] = asked.resource
        known = asked.token_url if oauth is not None and oauth.token_url else self._url
        return _granted(await _post(asked, form, known), asked)


def _left(grant: Grant | None) -> float:
    if grant is None:
        return 0.0
    return float("inf") if grant.ends is None else grant.ends - time.time()


async def _post(asked: Grant, form: dict[str, str], known: str) -> dict[str, Any]:
    """Asks the token endpoint; redirects are not followed, for they would carry secrets elsewhere."""
    data = {**form, "client_id": asked.client_id}
    if asked.client_secret:
        data["client_secret"] = asked.client_secret
    try:
        transport = VettedTransport(known)
        async with httpx2.AsyncClient(transport=transport, timeout=TIMEOUT, follow_redirects=False) as client:
            response = await client.post(asked.token_url, data=data, headers={"accept": "application/json"})
            body = response.content[:LARGEST]
    except ForbiddenError as error:
        raise NoTokenError(f"the token endpoint is not asked: {error}") from None
    except httpx2.HTTPError as error:
        raise NoTokenError(f"the token endpoint could not be asked ({type(error).__name__})") from None
    if response.status_code != 200:
        raise NoTokenError(f"the token endpoint answered HTTP {response.status_code}")
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("access_token"), str):
        raise NoTokenError("the token endpoint gave no token")
    return found


def _granted(found: dict[str, Any], asked: Grant) -> Grant:
    seconds = found.get("expires_in")
    return replace(
        asked,
        access=found["access_token"],
        refresh=str(found.get("refresh_token") or asked.refresh),
        ends=time.time() + float(seconds) if isinstance(seconds, int | float) else None,
    )
