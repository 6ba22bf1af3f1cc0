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
from typing import Self

from loguru import logger

from signoff.errors import CallError, NotFound, OutcomeUnknown, Refused, ServerFault, Transient
from signoff.model import CallResult, Json, JsonObject, ServerView
from signoff.servers import outcome
from signoff.servers.calling import PinChanged, check_pin, exchange_call, ready
from signoff.servers.config import ServerConfig
from signoff.servers.definitions import Definitions
from signoff.servers.diagnosis import Diagnosis, diagnose
from signoff.servers.exchange import CURRENT, Exchange
from signoff.servers.health import ServerHealth
from signoff.servers.outcome import Where
from signoff.servers.owner import CONNECT_TIMEOUT, Owner
from signoff.servers.registry import Registry
from signoff.servers.replicas import Replicas
from signoff.servers.tokens import TokenStore
from signoff.servers.tree import Keeper

__all__ = ["PinChanged", "ServerPool"]

_STOP_TIMEOUT = 5.0

Subscriber = Callable[[str, ServerHealth], None]
"""Told the name of a server, and how it is now."""


class ServerPool:
    """The configured servers, each with its owner.

    Args:
        configs: by name.
        logs: the folder of logs; what servers write to stderr goes to `servers/NAME.stderr` in it.
        on_change: called with a server's name when its condition or its tools change.
        definitions: a file in which what servers offer is kept, so that the next pool knows it at once.
        tokens: the folder in which tokens of remote servers are kept.
        capabilities: names for the registry, each with its `(server, tool)` in order of preference.
        default_timeout: seconds for a call whose timeout is not given by the caller or the file.
        connect_timeout: seconds for a server to start and list its tools.
    """

    def __init__(
        self,
        configs: Mapping[str, ServerConfig],
        *,
        logs: Path | None = None,
        on_change: Callable[[str], None] | None = None,
        definitions: Path | None = None,
        tokens: Path | None = None,
        capabilities: Mapping[str, Sequence[tuple[str, str]]] | None = None,
        default_timeout: float = 30.0,
        connect_timeout: float = CONNECT_TIMEOUT,
    ) -> None:
        self.default_timeout = default_timeout
        self._keeper = Keeper()
        self._definitions = Definitions(definitions, configs)
        self._subscribers: list[Subscriber] = [] if on_change is None else [_name_only(on_change)]
        self._owners: dict[str, Owner] = {}
        self._servers: dict[str, Replicas] = {}
        for name, config in configs.items():
            labels = [name if number == 1 else f"{name}#{number}" for number in range(1, 1000)]
            owners = {
                label: Owner(
                    instance,
                    keeper=self._keeper,
                    logs=logs,
                    on_change=self._changed,
                    connect_timeout=connect_timeout,
                    label=label,
                    cached=self._definitions.of(name),
                    tokens=None if tokens is None else TokenStore(tokens),
                )
                for label, instance in zip(labels, config.instances(), strict=False)
            }
            self._owners.update(owners)
            self._servers[name] = Replicas(config, list(owners.values()))
        self.registry = Registry(self.views, self.health, capabilities)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Starts an owner for each server, and waits for none of them."""
        for name, owner in self._owners.items():
            if name not in self._tasks:
                self._tasks[name] = asyncio.create_task(owner.run(), name=f"owner of {name}")

    async def stop(self) -> None:
        """Ends every connection and every process, in about five seconds at most."""
        for owner in self._owners.values():
            owner.stop()
        tasks = list(self._tasks.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_STOP_TIMEOUT)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()
        await self._definitions.close(self.views())
        # Whatever is left in the keeper's care ends with it.
        await asyncio.to_thread(self._keeper.stop)

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
        health = self._servers[name].health()
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

    async def check(self, name: str) -> ServerHealth:
        """Asks a server whether it is there, bounded to a few seconds.

        Raises:
            NotFound: there is none of that name.
        """
        server = self._server(name)
        await asyncio.gather(*(owner.check() for owner in server.owners))
        return server.health()

    def diagnose(self, name: str) -> Diagnosis:
        """What is wrong with a server, and what to do, in words.

        Raises:
            NotFound: there is none of that name.
        """
        server = self._server(name)
        return diagnose(server.config, server.health(), server.view())

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

    async def call(
        self,
        server: str,
        tool: str,
        arguments: Mapping[str, Json],
        *,
        timeout: float | None = None,
        meta: JsonObject | None = None,
        pin: JsonObject | None = None,
    ) -> CallResult:
        """Calls a tool, at most once.

        Args:
            server, tool: which.
            arguments: in the tool's own names; sent exactly as given.
            timeout: seconds for everything, from waiting for a turn to the answer.
            meta: goes along as `_meta`.
            pin: `{"launch", "definition"}` as approved; compared right before the write.

        Raises:
            PinChanged: something else is there than was approved; nothing was sent.
            CallError: of the class that says what became of the call.
            asyncio.CancelledError: the caller was cancelled; the call may have happened.
        """
        where = Where(server, tool)
        found = self._servers.get(server)
        if found is None:
            raise Refused(
                f"There is no server called {server!r}.", server=server, tool=tool, code="unknown-server"
            )
        seconds = timeout if timeout is not None else found.config.timeout or self.default_timeout
        return await _Calling(found, where, arguments, meta=meta, pin=pin, seconds=seconds).call()


class _Calling:
    """One call on its way: to the best replica, and to another where that one provably was not sent it."""

    def __init__(
        self,
        server: Replicas,
        where: Where,
        arguments: Mapping[str, Json],
        *,
        meta: JsonObject | None,
        pin: JsonObject | None,
        seconds: float,
    ) -> None:
        self._server = server
        self._where = where
        self._arguments = arguments
        self._meta = meta
        self._pin = pin
        self._seconds = seconds
        self._exchange = Exchange(timeout=seconds)
        self._tried: set[Owner] = set()
        self._owner = server.owners[0]

    async def call(self) -> CallResult:
        """See `ServerPool.call`."""
        token = CURRENT.set(self._exchange)
        try:
            async with asyncio.timeout(self._seconds), self._server.turn(self._where, self._seconds):
                return await self._to_one_of_them()
        except TimeoutError:
            error: CallError = outcome.timed_out(self._exchange, self._seconds, self._where)
            if not self._exchange.sent and self._owner.health().status == "unknown":
                error.code = "server-starting"
        except CallError as raised:
            error = raised
        finally:
            CURRENT.reset(token)
        raise _noted(self._owner, error)

    async def _to_one_of_them(self) -> CallResult:
        while True:
            owner = self._server.choose(self._where.tool, self._pin, self._tried)
            assert owner is not None  # noqa: S101  the last one's error was raised
            self._owner = owner
            self._tried.add(owner)
            try:
                return await self._to(owner)
            except Transient:
                if len(self._tried) == len(self._server.owners) or self._exchange.sent:
                    raise

    async def _to(self, owner: Owner) -> CallResult:
        where, pin, exchange = self._where, self._pin, self._exchange
        incarnation = await ready(owner, where)
        check_pin(incarnation, owner, where, pin)
        exchange.guard = lambda: check_pin(incarnation, owner, where, pin)
        clock = asyncio.get_running_loop().time
        began = clock()
        result = await exchange_call(incarnation, where, self._arguments, self._meta, exchange)
        owner.answered((clock() - began) * 1000)
        return result


def _name_only(on_change: Callable[[str], None]) -> Subscriber:
    return lambda name, _health: on_change(name)


def _noted(owner: Owner, error: CallError) -> CallError:
    """Counts a fault of the server, and takes its secrets out of what it said."""
    error.message = owner.scrub(error.message)
    error.detail = owner.scrub(error.detail)
    error.args = (error.message,)
    error.__cause__ = error.__context__ = None
    if isinstance(error, ServerFault | OutcomeUnknown):
        owner.faulted(error.message)
    return error
