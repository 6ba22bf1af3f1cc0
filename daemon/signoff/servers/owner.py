"""The one task that a server belongs to: connects, lists its tools, keeps it, and connects again.

Everything that the SDK wants done in one task is done in this one: a client is entered and left here.
Callers use the connection from their own tasks. The owner is stopped by an event, never by cancelling.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import mcp_types as types
from mcp import Client, MCPError
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from signoff import __version__
from signoff.model import ServerView, Tool
from signoff.servers.config import HttpLaunch, ServerConfig
from signoff.servers.exchange import CURRENT, Exchange
from signoff.servers.health import Breaker, ServerHealth, Status, backoff
from signoff.servers.http import HttpLink
from signoff.servers.incarnation import Incarnation, decline, ping
from signoff.servers.sse import SseLink
from signoff.servers.stderr import StderrLog, log_path
from signoff.servers.stdio import StdioLink
from signoff.servers.tokens import TokenAuth, TokenStore
from signoff.servers.tools import Listing, list_tools
from signoff.servers.trouble import Trouble, standing_trouble, trouble_of
from signoff.servers.usage import Usage, usage_of
from signoff.servers.window import Window

if TYPE_CHECKING:
    from mcp.client.session import IncomingMessage

    from signoff.servers.tree import Keeper

CONNECT_TIMEOUT = 60.0
"""Seconds until the tools are listed: `npx` may have to download the server first."""

LIST_TIMEOUT = 30.0
QUIET, LONGEST_BURST = 0.05, 0.5
"""Seconds: tools are listed anew once the server has been quiet for so long, at the latest after so long."""

DRAIN = 10.0
"""Seconds for calls in flight to end before a connection that is no more use is left."""

SHORT_LIFE = 5.0
"""Seconds; a server that lives shorter is connected again ever more slowly."""

PING_TIMEOUT = 5.0

MOST_UNANSWERED = 3
"""Checks in a row; then a server that has nothing to do is started again."""


class Owner:
    """Keeps one server connected.

    Attributes:
        settled: set once it was connected, or failed to, for the first time.
        incarnation: the connection, while there is one.
    """

    def __init__(
        self,
        config: ServerConfig,
        *,
        keeper: Keeper | None,
        logs: Path | None,
        on_change: Callable[[str], None],
        connect_timeout: float = CONNECT_TIMEOUT,
        label: str = "",
        cached: Mapping[str, Tool] | None = None,
        tokens: TokenStore | None = None,
    ) -> None:
        self.config = config
        self.label = label or config.name
        self.settled = asyncio.Event()
        self.incarnation: Incarnation | None = None
        self.trouble: Trouble | None = standing_trouble(config)
        self._keeper = keeper
        self._logs = logs
        self._on_change = on_change
        self._connect_timeout = connect_timeout
        self._breaker = Breaker()
        self._mode: Literal["auto", "legacy"] = "legacy" if config.transport == "sse" else "auto"
        self._generation = 0
        self._short_lives = 0
        self._listing: Listing | None = None
        self._cached = cached
        self._tokens = tokens
        self._auth: TokenAuth | None = None
        self._calls = 0
        self._window = Window()
        self._changed: str | None = None
        self._told: tuple[str, str] = ("", "")
        self._next_attempt: float | None = None
        self._pid: int | None = None
        self._usage: Usage | None = None
        self._cpu_percent: float | None = None
        self._clock: asyncio.Timeout | None = None
        self._wake = asyncio.Event()
        self._news = asyncio.Event()
        self._stopping = False
        self._restarting = False
        self._relist = False
        self._errors = 0
        self._faults_in_row = 0
        self._unanswered = 0
        self._last_check: str | None = None
        self._response_ms: float | None = None

    # ---- what is known

    def view(self) -> ServerView:
        """The server as the reader and the gate see it; tools stay known while it is away."""
        tools = self._cached if self._listing is None else self._listing.tools
        return ServerView(
            name=self.config.name,
            launch=self.config.launch_identity(),
            tools=tools,
            problem="" if tools is not None else self._problem(),
            cached=self._listing is None and tools is not None,
        )

    def _problem(self) -> str:
        return self.trouble.message if self.trouble is not None else "it has not been connected yet"

    def health(self) -> ServerHealth:
        """Its condition now."""
        status, reason, message = self._condition()
        now = _now()
        figures = self._window.figures(now)
        incarnation = self.incarnation
        return ServerHealth(
            status=status,
            last_check=self._last_check,
            response_time_ms=self._response_ms,
            error_count=self._errors,
            restarts=max(0, self._generation - 1),
            breaker=self._breaker.state(_now()),
            reason=reason,
            message=message,
            changed=self._changed,
            next_attempt=None if self._next_attempt is None else round(max(0.0, self._next_attempt - now), 1),
            median_ms=figures.median_ms,
            p95_ms=figures.p95_ms,
            call_median_ms=figures.call_median_ms,
            call_p95_ms=figures.call_p95_ms,
            errors=figures.errors,
            error_rate=figures.error_rate,
            flapping=figures.flapping,
            in_flight=0 if incarnation is None else incarnation.in_flight,
            calls=self._calls,
            replicas_up=int(incarnation is not None),
            pid=self._pid if incarnation is not None else None,
            processes=None if self._usage is None else self._usage.processes,
            memory_bytes=None if self._usage is None else self._usage.memory_bytes,
            cpu_percent=self._cpu_percent,
        )

    @property
    def connected(self) -> bool:
        """Whether there is a connection, and it has not just ended."""
        return self.incarnation is not None and self.incarnation.connected

    async def decided(self) -> None:
        """Returns once it is connected, or it is known why not."""
        while not self.connected and self.trouble is None and not self._stopping:
            await self._news.wait()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def breaker_wait(self) -> float | None:
        """Seconds until the open breaker lets an attempt through; None where it is not open."""
        now = _now()
        return self._breaker.wait(now) if self._breaker.state(now) == "open" else None

    def _condition(self) -> tuple[Status, str, str]:
        if self.incarnation is None or not self.incarnation.connected:
            if self.trouble is None:
                return "unknown", "connecting", "It is being connected."
            return "unavailable", self.trouble.reason, self.trouble.message
        if self.trouble is not None:
            return "degraded", self.trouble.reason, self.trouble.message
        if self.incarnation.listing.problem:
            return "degraded", "tools-ambiguous", self.incarnation.listing.problem
        return "available", "", ""

    # ---- what others ask of it

    def stop(self) -> None:
        """Ends the connection and the task, soon."""
        self._stopping = True
        self._interrupt()

    def restart(self) -> None:
        """Ends the connection and makes a new one, at once."""
        self._restarting = True
        self._breaker.succeeded()
        self._short_lives = 0
        self._interrupt()

    def _interrupt(self) -> None:
        self._wake.set()
        if self._clock is not None:
            with contextlib.suppress(RuntimeError):  # it has run out by itself
                self._clock.reschedule(_now())

    def answered(self, milliseconds: float) -> None:
        """A call was answered."""
        self._faults_in_row = 0
        self._calls += 1
        self._window.called(_now(), milliseconds)

    def faulted(self, message: str) -> None:
        """A call ended in a fault of the server: three in a row, and it counts as degraded."""
        self._failed()
        self._faults_in_row += 1
        if self._faults_in_row >= 3 and self.trouble is None:
            self._change(Trouble("failing", message))

    def scrub(self, text: str) -> str:
        """The text without this server's secrets, the tokens it gave us included."""
        text = self.config.scrub(text)
        for secret in self._auth.secrets if self._auth is not None else ():
            text = text.replace(secret, "***")
        return text

    async def check(self) -> ServerHealth:
        """Asks the server whether it is there, and measures how long it takes to answer."""
        incarnation = self.incarnation
        if incarnation is None:
            return self.health()
        began = _now()
        try:
            async with asyncio.timeout(PING_TIMEOUT):
                await ping(incarnation.client)
        except TimeoutError:
            self._silent(incarnation)
        except MCPError as error:
            if not incarnation.connected:
                self._failed()
            elif error.code != types.METHOD_NOT_FOUND:
                self._change(Trouble("failing", self.scrub(error.message)))
        else:
            self._measured(began)
            self._unanswered = 0
            if self.trouble is not None and incarnation is self.incarnation:
                self._faults_in_row = 0
                self._change(None)
        self._last_check = _utc()
        await self._look_at_usage()
        return self.health()

    async def _look_at_usage(self) -> None:
        """Memory and processor time of its processes; another thread reads them, for that takes a while."""
        if self._pid is None or self.incarnation is None:
            return
        before, self._usage = self._usage, await asyncio.to_thread(usage_of, self._pid)
        self._cpu_percent = None if self._usage is None else self._usage.cpu_percent(before)

    def _measured(self, began: float) -> None:
        self._response_ms = round((_now() - began) * 1000, 3)
        self._window.checked(_now(), self._response_ms)

    def _failed(self) -> None:
        self._errors += 1
        self._window.failed(_now())

    def _silent(self, incarnation: Incarnation) -> None:
        """It did not answer a check. Busy with a call it may be silent; with none, it is frozen."""
        self._failed()
        self._unanswered += 1
        self._change(Trouble("not-answering", f"It did not answer within {PING_TIMEOUT:g} seconds."))
        if self._unanswered >= MOST_UNANSWERED and not incarnation.in_flight:
            self._unanswered = 0
            self.restart()

    # ---- the task

    async def run(self) -> None:
        """Connects and keeps the server until `stop`."""
        if self.trouble is not None:
            self.settled.set()
            return
        try:
            while not self._stopping:
                await self._live()
                await self._pause()
        finally:
            self.incarnation = None
            self.settled.set()
            self._tell()

    async def _pause(self) -> None:
        failures = max(self._breaker.failures - 1, self._short_lives)
        delay = backoff(max(0, failures), jitter=random.random())  # noqa: S311
        delay = max(delay, self._breaker.wait(_now()))
        if self._restarting or self._stopping:
            return
        self._wake.clear()
        self._next_attempt = _now() + delay
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._wake.wait()
        self._next_attempt = None

    async def _live(self) -> None:
        """One connection, from its beginning to its end; whatever goes wrong is noted, not raised."""
        self._restarting = False
        self._wake.clear()
        self._breaker.attempt()
        link = self._link()
        exchange = Exchange(timeout=self._connect_timeout)
        token = CURRENT.set(exchange)
        began: float | None = None
        failure: BaseException | None = None
        try:
            async with asyncio.timeout(self._connect_timeout) as clock:
                self._clock = clock
                async with self._client(link) as client:
                    incarnation = await self._connected(client, link)
                    clock.reschedule(None)
                    self._clock = None
                    CURRENT.set(None)
                    began = _now()
                    await self._serve(incarnation)
        except asyncio.CancelledError as error:
            if _cancelled_from_outside():
                raise
            failure = error
        except Exception as error:  # noqa: BLE001  the SDK raises anything, also in groups; the owner outlives it
            failure = error
        finally:
            self._clock = None
            self.incarnation = None
            CURRENT.reset(token)
        await self._ended(link, exchange, failure, began)

    def _link(self) -> StdioLink | HttpLink:
        launch = self.config.launch
        if isinstance(launch, HttpLaunch):
            kind = SseLink if self.config.transport == "sse" else HttpLink
            # Read anew for each connection: somebody may have logged in meanwhile.
            if self._tokens is not None:
                self._auth = TokenAuth(self.config.name, launch.url, self.config.oauth, self._tokens)
            return kind(launch, auth=self._auth, on_closed=self._wake.set)
        path = log_path(self._logs / "servers", self.label) if self._logs else None
        stderr = StderrLog(path, scrub=self.config.scrub)
        return StdioLink(launch, keeper=self._keeper, stderr=stderr, on_closed=self._wake.set)

    def _client(self, link: StdioLink | HttpLink) -> Client:
        return Client(
            link,
            mode=self._mode,
            cache=None,
            client_info=types.Implementation(name="signoff", version=__version__),
            elicitation_callback=decline,
            message_handler=self._heard,
        )

    async def _connected(self, client: Client, link: StdioLink | HttpLink) -> Incarnation:
        """Lists every tool; only then is the server there for others."""
        if client.protocol_version in HANDSHAKE_PROTOCOL_VERSIONS:
            self._mode = "legacy"  # the next connection need not ask again
        began = _now()
        self._relist = False
        listing = await list_tools(client)
        self._measured(began)
        self._last_check = _utc()
        self._pid, self._usage, self._cpu_percent = link.pid, None, None
        self._generation += 1
        incarnation = Incarnation(self._generation, client, link, listing)
        incarnation.idle.set()
        incarnation.fresh.set()
        self.incarnation = incarnation
        self._listing = listing
        self._faults_in_row = 0
        self._breaker.succeeded()
        self._change(None)
        self.settled.set()
        return incarnation

    async def _serve(self, incarnation: Incarnation) -> None:
        """Waits for the end; lists the tools anew when they change."""
        async with self._listening(incarnation.client):
            while not (self._stopping or self._restarting) and incarnation.connected:
                if self._relist:
                    await self._refresh(incarnation)
                    continue
                await self._wake.wait()
                self._wake.clear()
        self.incarnation = None
        if not self._stopping and incarnation.in_flight:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN):
                    await incarnation.idle.wait()

    async def _refresh(self, incarnation: Incarnation) -> None:
        """Lists the tools again, after a burst of notices has ended."""
        latest = _now() + LONGEST_BURST
        while self._relist and _now() < latest and incarnation.connected:
            self._relist = False
            await asyncio.sleep(QUIET)
        self._relist = False
        async with asyncio.timeout(LIST_TIMEOUT):
            listing = await list_tools(incarnation.client)
        incarnation.listing = self._listing = listing
        if not self._relist:
            incarnation.fresh.set()
        self._on_change(self.config.name)

    async def _heard(self, message: IncomingMessage) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self._tools_changed()

    def _tools_changed(self) -> None:
        self._relist = True
        if self.incarnation is not None:
            self.incarnation.fresh.clear()
        self._wake.set()

    @asynccontextmanager
    async def _listening(self, client: Client) -> AsyncIterator[None]:
        """On a connection of the newer protocol, changes of the tools come only when asked for."""
        tools = client.server_capabilities.tools
        if client.protocol_version in HANDSHAKE_PROTOCOL_VERSIONS or tools is None or not tools.list_changed:
            yield
            return
        task = asyncio.create_task(self._listen(client), name=f"changes of {self.config.name}")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _listen(self, client: Client) -> None:
        while True:
            with contextlib.suppress(Exception):
                async with client.listen(tools_list_changed=True) as changes:
                    async for _ in changes:
                        self._tools_changed()
            await asyncio.sleep(5.0)
            self._tools_changed()  # what happened meanwhile was not told

    async def _ended(
        self,
        link: StdioLink | HttpLink,
        exchange: Exchange,
        failure: BaseException | None,
        began: float | None,
    ) -> None:
        """Notes why a connection could not be made, or was lost."""
        if self._stopping or self._restarting:
            return
        self._last_check = _utc()
        self._failed()
        if began is None:
            if self._mode == "auto" and link.reason == "exited" and self.config.transport == "stdio":
                self._mode = "legacy"  # it may have died of the question which protocol it speaks
                self._restarting = True
                return
            self._breaker.failed(_now())
        else:
            self._window.lost(_now())
            self._short_lives = self._short_lives + 1 if _now() - began < SHORT_LIFE else 0
        self._change(await trouble_of(self.config, link, exchange, failure))
        self.settled.set()

    def _change(self, trouble: Trouble | None) -> None:
        self.trouble = trouble
        told = self._condition()[:2]
        if told != self._told:
            self._told, self._changed = told, _utc()
        self._tell()
        self._on_change(self.config.name)


def _cancelled_from_outside() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _now() -> float:
    return asyncio.get_running_loop().time()


def _utc() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
