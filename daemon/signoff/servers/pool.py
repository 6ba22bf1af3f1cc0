"""All servers together: started, stopped, looked at, and called.

`call` is the only way to a tool. What it raises says what the caller must do (`signoff.errors.CallError`),
and before every write it compares what was approved with what is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from signoff.errors import CallError, NotFound, OutcomeUnknown, Refused, ServerFault
from signoff.model import CallResult, Json, JsonObject, ServerView
from signoff.servers import outcome
from signoff.servers.calling import PinChanged, check_pin, exchange_call, ready
from signoff.servers.config import ServerConfig
from signoff.servers.exchange import CURRENT, Exchange
from signoff.servers.health import ServerHealth
from signoff.servers.outcome import Where
from signoff.servers.owner import CONNECT_TIMEOUT, Owner
from signoff.servers.tree import Keeper

__all__ = ["PinChanged", "ServerPool"]

_STOP_TIMEOUT = 5.0


class ServerPool:
    """The configured servers, each with its owner.

    Args:
        configs: by name.
        logs: the folder of logs; what servers write to stderr goes to `servers/NAME.stderr` in it.
        on_change: called with a server's name when its condition or its tools change.
        default_timeout: seconds for a call whose timeout is not given by the caller or the file.
        connect_timeout: seconds for a server to start and list its tools.
    """

    def __init__(
        self,
        configs: Mapping[str, ServerConfig],
        *,
        logs: Path | None = None,
        on_change: Callable[[str], None] | None = None,
        default_timeout: float = 30.0,
        connect_timeout: float = CONNECT_TIMEOUT,
    ) -> None:
        self.default_timeout = default_timeout
        self._keeper = Keeper()
        self._owners = {
            name: Owner(
                config,
                keeper=self._keeper,
                logs=logs,
                on_change=on_change or (lambda _name: None),
                connect_timeout=connect_timeout,
            )
            for name, config in configs.items()
        }
        self._turns = {
            name: asyncio.Semaphore(config.max_concurrency)
            for name, config in configs.items()
            if config.max_concurrency is not None
        }
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
        # Whatever is left in the keeper's care ends with it.
        await asyncio.to_thread(self._keeper.stop)

    async def settled(self, timeout: float) -> None:
        """Returns when every enabled server is available or has failed once, or the time (seconds) is up."""
        waiting = [asyncio.create_task(owner.settled.wait()) for owner in self._owners.values()]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=timeout)
            for task in late:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    def views(self) -> dict[str, ServerView]:
        """Every server as the reader and the gate see it."""
        return {name: owner.view() for name, owner in self._owners.items()}

    def view(self, name: str) -> ServerView:
        """One server.

        Raises:
            NotFound: there is none of that name.
        """
        return self._owner(name).view()

    def health(self) -> dict[str, ServerHealth]:
        """The condition of every server."""
        return {name: owner.health() for name, owner in self._owners.items()}

    async def check(self, name: str) -> ServerHealth:
        """Asks a server whether it is there, bounded to a few seconds.

        Raises:
            NotFound: there is none of that name.
        """
        return await self._owner(name).check()

    async def restart(self, name: str) -> None:
        """Ends the connection to a server and makes a new one at once; waits for neither.

        Raises:
            NotFound: there is none of that name.
        """
        self._owner(name).restart()

    def _owner(self, name: str) -> Owner:
        owner = self._owners.get(name)
        if owner is None:
            raise NotFound(
                f"There is no server called {name!r}.", hint="`signoff servers` lists the configured ones."
            )
        return owner

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
        owner = self._owners.get(server)
        if owner is None:
            raise Refused(
                f"There is no server called {server!r}.", server=server, tool=tool, code="unknown-server"
            )
        seconds = timeout if timeout is not None else owner.config.timeout or self.default_timeout
        exchange = Exchange(timeout=seconds)
        token = CURRENT.set(exchange)
        try:
            async with asyncio.timeout(seconds), self._turn(server):
                incarnation = await ready(owner, where)
                check_pin(incarnation, owner, where, pin)
                exchange.guard = lambda: check_pin(incarnation, owner, where, pin)
                result = await exchange_call(incarnation, where, arguments, meta, exchange)
        except TimeoutError:
            error: CallError = outcome.timed_out(exchange, seconds, where)
        except CallError as raised:
            error = raised
        else:
            owner.answered()
            return result
        finally:
            CURRENT.reset(token)
        raise _noted(owner, error)

    @asynccontextmanager
    async def _turn(self, server: str) -> AsyncIterator[None]:
        turns = self._turns.get(server)
        if turns is None:
            yield
            return
        async with turns:
            yield


def _noted(owner: Owner, error: CallError) -> CallError:
    """Counts a fault of the server, and takes its secrets out of what it said."""
    error.message = owner.config.scrub(error.message)
    error.detail = owner.config.scrub(error.detail)
    error.args = (error.message,)
    error.__cause__ = error.__context__ = None
    if isinstance(error, ServerFault | OutcomeUnknown):
        owner.faulted(error.message)
    return error
