"""All servers together: started, stopped, looked at, and called.

`call` is the only way to a tool. What it raises says what the caller must do (`signoff.errors.CallError`),
and before every write it compares what was approved with what is there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack, overload

from loguru import logger

from signoff.errors import NotFound, Refused
from signoff.model import CallResult, Json, ServerView
from signoff.servers.answers import Answers
from signoff.servers.calling import PinChanged
from signoff.servers.calls import Calling, CallOptions, split
from signoff.servers.config import ServerConfig
from signoff.servers.crew import Crew
from signoff.servers.definitions import Definitions
from signoff.servers.diagnosis import Diagnosis, diagnose
from signoff.servers.given import Given, configs_of
from signoff.servers.health import ServerHealth
from signoff.servers.many import Answer, Ask, gather
from signoff.servers.outcome import Where
from signoff.servers.owner import CONNECT_TIMEOUT, Owner
from signoff.servers.registry import Registry
from signoff.servers.replicas import Replicas
from signoff.servers.succession import Change, change
from signoff.servers.tokens import TokenStore
from signoff.servers.tree import Keeper

__all__ = ["PinChanged", "ServerPool"]

_REMOVED = ServerHealth("unavailable", reason="removed", message="It is not in mcp_servers.json any more.")

Subscriber = Callable[[str, ServerHealth], None]
"""Told the name of a server, and how it is now."""


class ServerPool:
    """The configured servers, each with its owner.

    Args:
        configs: the servers: a file, or what would be in it, or what was read from it.
        logs: the folder of logs; what servers write to stderr goes to `servers/NAME.stderr` in it.
        on_change: called with a server's name when its condition or its tools change.
        definitions: a file in which what servers offer is kept, so that the next pool knows it at once.
        tokens: where tokens of remote servers are kept; of a folder: in files in it.
        capabilities: names for the registry, each with its `(server, tool)` in order of preference.
        cache: by `(server, tool)`, seconds for which an answer of a tool that only reads stays good.
        default_timeout: seconds for a call whose timeout is not given by the caller or the file.
        connect_timeout: seconds for a server to start and list its tools.
    """

    def __init__(
        self,
        configs: Given,
        *,
        logs: Path | None = None,
        on_change: Callable[[str], None] | None = None,
        definitions: Path | None = None,
        tokens: Path | TokenStore | None = None,
        capabilities: Mapping[str, Sequence[tuple[str, str]]] | None = None,
        cache: Mapping[tuple[str, str], float] | None = None,
        default_timeout: float = 30.0,
        connect_timeout: float = CONNECT_TIMEOUT,
    ) -> None:
        configs = configs_of(configs)
        self.default_timeout = default_timeout
        self._answers = Answers()
        self._cache = dict(cache or {})
        self._keeper = Keeper()
        self._definitions = Definitions(definitions, configs)
        self._subscribers: list[Subscriber] = [] if on_change is None else [_name_only(on_change)]
        store = TokenStore(tokens) if isinstance(tokens, Path) else tokens

        def make(config: ServerConfig, label: str) -> Owner:
            return Owner(
                config,
                keeper=self._keeper,
                logs=logs,
                on_change=self._changed,
                connect_timeout=connect_timeout,
                label=label,
                cached=self._definitions.of(config.name),
                tokens=store,
            )

        self._crew = Crew(make)
        self._servers = {name: self._crew.take_on(config) for name, config in configs.items()}
        self.registry = Registry(self.views, self.health, capabilities)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Starts an owner for each server, and waits for none of them."""
        self._crew.start()

    async def stop(self) -> None:
        """Ends every connection and every process, in about five seconds at most."""
        await self._crew.stop()
        await self._definitions.close(self.views())
        # Whatever is left in the keeper's care ends with it.
        await asyncio.to_thread(self._keeper.stop)

    def difference(self, configs: Mapping[str, ServerConfig]) -> Change:
        """What `reconfigure` would change."""
        return change({name: server.config for name, server in self._servers.items()}, configs)

    def reconfigure(
        self,
        configs: Given,
        *,
        capabilities: Mapping[str, Sequence[tuple[str, str]]] | None = None,
        cache: Mapping[tuple[str, str], float] | None = None,
    ) -> Change:
        """Has these servers from now on, and waits for nothing; what is as it was goes on untouched.

        A server that is gone, or is another now, takes no further call. Those under way end first, then its
        processes do, and only then its successor starts.

        Args:
            configs, capabilities, cache: as for the pool itself.
        """
        configs = configs_of(configs)
        found = self.difference(configs)
        for name in (*found.changed, *found.removed):
            self._crew.dismiss(self._servers[name])
        fresh = (*found.added, *found.changed)
        self._definitions.follow(configs, fresh)
        self._servers = {
            name: self._crew.take_on(config) if name in fresh else self._servers[name]
            for name, config in configs.items()
        }
        self._cache = dict(cache or {})
        self.registry.follow(capabilities or {})
        for name in (*found.added, *found.changed, *found.removed):
            self._changed(name)
        return found

    async def settled(self, timeout: float) -> None:
        """Returns when every enabled server is available or has failed once, or the time (seconds) is up."""
        await self._settled(self._owners.values(), timeout)

    async def known(self, timeout: float) -> None:
        """The same, without waiting for servers whose tools are known from an earlier connection."""
        await self._settled([owner for owner in self._owners.values() if owner.view().tools is None], timeout)

    async def _settled(self, owners: Iterable[Owner], timeout: float) -> None:
        waiting = [asyncio.create_task(owner.settled.wait()) for owner in owners]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=timeout)
            for task in late:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    @property
    def _owners(self) -> Mapping[str, Owner]:
        return self._crew.owners

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Has `subscriber` called, in the event loop, whenever a server's condition or tools change.

        Returns:
            What ends that.
        """
        self._subscribers.append(subscriber)

        def unsubscribe() -> None:
            with contextlib.suppress(ValueError):
                self._subscribers.remove(subscriber)

        return unsubscribe

    def _changed(self, name: str) -> None:
        self._definitions.changed(self.views)
        server = self._servers.get(name)
        health = _REMOVED if server is None else server.health()
        for subscriber in list(self._subscribers):
            try:
                subscriber(name, health)
            except Exception as error:  # noqa: BLE001  a listener's defect is not the server's
                logger.opt(exception=error).error("A subscriber to the servers' changes failed.")

    def views(self) -> dict[str, ServerView]:
        """Every server as the reader and the gate see it."""
        return {name: server.view() for name, server in self._servers.items()}

    def view(self, name: str) -> ServerView:
        """One server.

        Raises:
            NotFound: there is none of that name.
        """
        return self._server(name).view()

    def health(self) -> dict[str, ServerHealth]:
        """The condition of every server."""
        return {name: server.health() for name, server in self._servers.items()}

    def health_of(self, name: str) -> ServerHealth | None:
        """The condition of one server; None where there is none of that name."""
        server = self._servers.get(name)
        return None if server is None else server.health()

    def most_at_once(self, name: str) -> int | None:
        """How many calls a server takes at once; None for any number, and where there is no such server."""
        server = self._servers.get(name)
        return None if server is None else server.config.max_concurrency

    async def check(self, name: str) -> ServerHealth:
        """Asks a server whether it is there, bounded to a few seconds.

        Raises:
            NotFound: there is none of that name.
        """
        server = self._server(name)
        await asyncio.gather(*(owner.check() for owner in server.owners))
        return server.health()

    async def look(self, name: str) -> ServerHealth:
        """The same, because a person wants to know: one that waits to be connected again is tried at once.

        Returns when that has gone well or failed, which can take as long as the server may take to start.

        Raises:
            NotFound: there is none of that name.
        """
        server = self._server(name)
        await asyncio.gather(*(owner.look() for owner in server.owners))
        return server.health()

    def diagnose(self, name: str) -> Diagnosis:
        """What is wrong with a server, and what to do, in words.

        Raises:
            NotFound: there is none of that name.
        """
        server = self._server(name)
        return diagnose(server.config, server.health(), server.view(), server.said())

    async def restart(self, name: str) -> None:
        """Ends the connection to a server and makes a new one at once; waits for neither.

        Raises:
            NotFound: there is none of that name.
        """
        for owner in self._server(name).owners:
            owner.restart()

    def _server(self, name: str) -> Replicas:
        server = self._servers.get(name)
        if server is None:
            raise NotFound(
                f"There is no server called {name!r}.", hint="`signoff servers` lists the configured ones."
            )
        return server

    # ---- calls

    @overload
    async def call(
        self,
        server: str,
        tool: str,
        arguments: Mapping[str, Json],
        *,
        timeout: float | None = ...,
        cache: float | None = ...,
        **options: Unpack[CallOptions],
    ) -> CallResult: ...

    @overload
    async def call(
        self,
        server: str,
        tool: Mapping[str, Json],
        arguments: None = ...,
        *,
        timeout: float | None = ...,
        cache: float | None = ...,
        **options: Unpack[CallOptions],
    ) -> CallResult: ...

    async def call(
        self,
        server: str,
        tool: str | Mapping[str, Json],
        arguments: Mapping[str, Json] | None = None,
        *,
        timeout: float | None = None,
        cache: float | None = None,
        **options: Unpack[CallOptions],
    ) -> CallResult:
        """Calls a tool, at most once: `call("mail", "send", {...})` or `call("mail.send", {...})`.

        Args:
            server, tool: which; together as `server.tool`, or each on its own.
            arguments: in the tool's own names; sent exactly as given.
            timeout: seconds for everything, from waiting for a turn to the answer.
            cache: of a tool that declares that it only reads, an answer that is not older than so many
                seconds will do; it then says in `cached_at` when it was given. None for what the pool was
                told of this tool.
            options: see `CallOptions`.

        Raises:
            PinChanged: something else is there than was approved; nothing was sent.
            CallError: of the class that says what became of the call.
            asyncio.CancelledError: the caller was cancelled; the call may have happened.
        """
        if not isinstance(tool, str):
            arguments = tool
            server, tool = split(server, self._servers)
        given = arguments or {}
        call = self._calling(server, tool, given, timeout=timeout, **options)
        seconds = cache if cache is not None else self._cache.get((server, tool), 0.0)
        key = Answers.key(self.view(server), tool, given, options.get("pin")) if seconds > 0 else None
        if key is None:
            return await call.call()
        clock = asyncio.get_running_loop().time
        kept = self._answers.get(key, seconds, clock())
        if kept is not None:
            return kept
        result = await call.call()
        if not call.asked:  # what a person answered is not in the arguments that it is kept under
            self._answers.put(key, result, clock())
        return result

    async def call_many(
        self, asks: Sequence[Ask], *, concurrency: int = 8, timeout: float | None = None
    ) -> list[Answer]:
        """Makes several calls at once, and gives an answer to each, in their order; raises for none of them.

        When the time for all is up, or a critical one has failed, calls that have not left do not leave
        (`Transient`, code `not-begun`). Those that have left are awaited after a critical failure, each for
        its own time; when the time for all is up, their outcome is unknown.

        Args:
            asks: the calls.
            concurrency: how many are under way at once, at most.
            timeout: seconds for all of them together; None for no such bound.
        """

        def begin(ask: Ask) -> Calling:
            server, tool = split(ask.name, self._servers)
            return self._calling(server, tool, ask.arguments, timeout=ask.timeout)

        return await gather(asks, begin, concurrency=concurrency, timeout=timeout)

    def _calling(
        self,
        server: str,
        tool: str,
        arguments: Mapping[str, Json],
        *,
        timeout: float | None = None,
        **options: Unpack[CallOptions],
    ) -> Calling:
        found = self._servers.get(server)
        if found is None:
            raise Refused(
                f"There is no server called {server!r}.", server=server, tool=tool, code="unknown-server"
            )
        seconds = timeout if timeout is not None else found.config.timeout or self.default_timeout
        return Calling(found, Where(server, tool), arguments, seconds=seconds, **options)


def _name_only(on_change: Callable[[str], None]) -> Subscriber:
    return lambda name, _health: on_change(name)
