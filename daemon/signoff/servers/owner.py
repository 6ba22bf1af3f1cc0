"""The one task that a server belongs to: connects, lists its tools, keeps it, and connects again.

Everything that the SDK wants done in one task is done in this one: a client is entered and left here.
Callers use the connection from their own tasks. The owner is stopped by an event, never by cancelling.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import mcp_types as types
from mcp import Client, MCPError
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from signoff import __version__
from signoff.model import ServerView, Tool
from signoff.servers.condition import Condition, loop_time
from signoff.servers.config import HttpLaunch, ServerConfig
from signoff.servers.elicit import Callers, Queue
from signoff.servers.exchange import CURRENT, Exchange
from signoff.servers.health import ServerHealth, backoff
from signoff.servers.http import HttpLink
from signoff.servers.incarnation import Incarnation, ping
from signoff.servers.listening import listening
from signoff.servers.sse import SseLink
from signoff.servers.stderr import StderrLog, log_path
from signoff.servers.stdio import StdioLink
from signoff.servers.tokens import TokenAuth, TokenStore
from signoff.servers.tools import Listing, list_tools
from signoff.servers.trouble import Trouble, standing_trouble, trouble_of
from signoff.servers.usage import usage_of

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

PING_TIMEOUT = 5.0

LAST_LINES = 10
"""Of what its process wrote to stderr, for a diagnosis."""

MOST_UNANSWERED = 3
"""Checks in a row; then a server that has nothing to do is started again."""


class Owner:
    """Keeps one server connected.

    Attributes:
        settled: set once it was connected, or failed to, for the first time.
        incarnation: the connection, while there is one.
        retired: it takes no further call.
        queue: its calls, where they go one at a time.
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
        self.condition = Condition(config, self._tell)
        self.retired = False
        self.queue = Queue()
        self._keeper = keeper
        self._logs = logs
        self._on_change = on_change
        self._connect_timeout = connect_timeout
        self._mode: Literal["auto", "legacy"] = "legacy" if config.transport == "sse" else "auto"
        self._generation = 0
        self._attempts = 0
        self._listing: Listing | None = None
        self._cached = cached
        self._tokens = tokens
        self._auth: TokenAuth | None = None
        self._stderr: StderrLog | None = None
        self._clock: asyncio.Timeout | None = None
        self._wake = asyncio.Event()
        self._news = asyncio.Event()
        self._stopping = False
        self._restarting = False
        self._relist = False

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
        return self.condition.health()

    @property
    def trouble(self) -> Trouble | None:
        """What is wrong with it; None where nothing is known to be."""
        return self.condition.trouble

    def said(self) -> list[str]:
        """The last lines that its process wrote to stderr, without its secrets."""
        lines = [] if self._stderr is None else self._stderr.last_lines(LAST_LINES)
        return [self.scrub(line) for line in lines]

    @property
    def connected(self) -> bool:
        """Whether there is a connection, and it has not just ended."""
        return self.incarnation is not None and self.incarnation.connected

    async def decided(self) -> None:
        """Returns once it is connected, or it is known why not."""
        while not self.connected and self.trouble is None and not self._stopping:
            await self._news.wait()

    def _tell(self) -> None:
        """Something has changed: whoever waits for the connection, and whoever asked to be told, is told."""
        self._wake_waiting()
        self._on_change(self.config.name)

    def _wake_waiting(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def breaker_wait(self) -> float | None:
        """Seconds until the open breaker lets an attempt through; None where it is not open."""
        now, breaker = loop_time(), self.condition.breaker
        return breaker.wait(now) if breaker.state(now) == "open" else None

    # ---- what others ask of it

    def stop(self) -> None:
        """Ends the connection and the task, soon."""
        self._stopping = True
        self._interrupt()

    def retire(self) -> None:
        """Takes no further call: this server is not configured like this any more."""
        self.retired = True

    async def drained(self) -> None:
        """Returns once no call is under way."""
        if self.incarnation is not None and self.incarnation.in_flight:
            await self.incarnation.idle.wait()

    def restart(self) -> None:
        """Ends the connection and makes a new one, at once."""
        self._restarting = True
        self.condition.breaker.succeeded()
        self.condition.short_lives = 0
        self._interrupt()

    def _interrupt(self) -> None:
        self._wake.set()
        if self._clock is not None:
            with contextlib.suppress(RuntimeError):  # it has run out by itself
                self._clock.reschedule(loop_time())

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
        began = loop_time()
        try:
            async with asyncio.timeout(PING_TIMEOUT):
                await ping(incarnation.client)
        except TimeoutError:
            self._silent(incarnation)
        except MCPError as error:
            if not incarnation.connected:
                self.condition.failed()
            elif error.code == types.METHOD_NOT_FOUND:  # an answer like any other
                self._answered_check(incarnation, began)
            else:
                self.condition.change(Trouble("failing", self.scrub(error.message)))
        else:
            self._answered_check(incarnation, began)
        self.condition.checked()
        await self._look_at_usage()
        return self.health()

    async def look(self) -> ServerHealth:
        """The same; where it is not connected it is tried at once, and that is awaited."""
        if self.connected or standing_trouble(self.config) is not None:
            return await self.check()
        before = self._attempts
        if self.condition.next_attempt is not None:
            self.restart()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._connect_timeout + DRAIN):
                while self._attempts == before and not self._stopping:
                    await self._news.wait()
        return self.health()

    def _answered_check(self, incarnation: Incarnation, began: float) -> None:
        self.condition.measured(began)
        if incarnation is self.incarnation:
            self.condition.passed()

    async def _look_at_usage(self) -> None:
        """Memory and processor time of its processes; another thread reads them, for that takes a while."""
        pid = self.condition.pid
        if pid is not None:
            self.condition.used(await asyncio.to_thread(usage_of, pid))

    def _silent(self, incarnation: Incarnation) -> None:
        """It did not answer a check. Busy with a call it may be silent; with none, it is frozen."""
        condition = self.condition
        condition.failed()
        condition.unanswered += 1
        condition.change(Trouble("not-answering", f"It did not answer within {PING_TIMEOUT:g} seconds."))
        if condition.unanswered >= MOST_UNANSWERED and not incarnation.in_flight:
            condition.unanswered = 0
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
            self._left()
            self.settled.set()
            self._wake_waiting()

    async def _pause(self) -> None:
        condition = self.condition
        failures = max(condition.breaker.failures - 1, condition.short_lives)
        delay = backoff(max(0, failures), jitter=random.random())  # noqa: S311
        delay = max(delay, condition.breaker.wait(loop_time()))
        if self._restarting or self._stopping:
            return
        self._wake.clear()
        condition.next_attempt = loop_time() + delay
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._wake.wait()
        condition.next_attempt = None

    async def _live(self) -> None:
        """One connection, from its beginning to its end; whatever goes wrong is noted, not raised."""
        self._restarting = False
        self._wake.clear()
        self.condition.breaker.attempt()
        link = self._link()
        exchange = Exchange(timeout=self._connect_timeout)
        token = CURRENT.set(exchange)
        began: float | None = None
        failure: BaseException | None = None
        try:
            async with asyncio.timeout(self._connect_timeout) as clock:
                self._clock = clock
                callers = Callers(self.queue)
                async with self._client(link, callers) as client:
                    incarnation = await self._connected(client, link, callers)
                    clock.reschedule(None)
                    self._clock = None
                    CURRENT.set(None)
                    began = loop_time()
                    await self._serve(incarnation)
        except asyncio.CancelledError as error:
            if _cancelled_from_outside():
                raise
            failure = error
        except Exception as error:  # noqa: BLE001  the SDK raises anything, also in groups; the owner outlives it
            failure = error
        finally:
            self._clock = None
            self._left()
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
        self._stderr = StderrLog(path, scrub=self.config.scrub)
        return StdioLink(launch, keeper=self._keeper, stderr=self._stderr, on_closed=self._wake.set)

    def _client(self, link: StdioLink | HttpLink, callers: Callers) -> Client:
        return Client(
            link,
            mode=self._mode,
            cache=None,
            client_info=types.Implementation(name="signoff", version=__version__),
            elicitation_callback=callers.asked,
            message_handler=self._heard,
        )

    async def _connected(self, client: Client, link: StdioLink | HttpLink, callers: Callers) -> Incarnation:
        """Lists every tool; only then is the server there for others."""
        if client.protocol_version in HANDSHAKE_PROTOCOL_VERSIONS:
            self._mode = "legacy"  # the next connection need not ask again
        began = loop_time()
        self._relist = False
        listing = await list_tools(client)
        self.condition.measured(began)
        self._generation += 1
        self._attempts += 1
        incarnation = Incarnation(self._generation, client, link, listing, callers)
        incarnation.idle.set()
        incarnation.fresh.set()
        self.incarnation = incarnation
        self._listing = listing
        self.condition.connected(incarnation, link.pid)
        self.settled.set()
        return incarnation

    async def _serve(self, incarnation: Incarnation) -> None:
        """Waits for the end; lists the tools anew when they change."""
        async with listening(incarnation.client, self._tools_changed, self.config.name):
            while not (self._stopping or self._restarting) and incarnation.connected:
                if self._relist:
                    await self._refresh(incarnation)
                    continue
                await self._wake.wait()
                self._wake.clear()
        self._left()
        if not self._stopping and incarnation.in_flight:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN):
                    await incarnation.idle.wait()

    async def _refresh(self, incarnation: Incarnation) -> None:
        """Lists the tools again, after a burst of notices has ended."""
        latest = loop_time() + LONGEST_BURST
        while self._relist and loop_time() < latest and incarnation.connected:
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
        if began is None and self._died_of_the_question(link):
            self._mode = "legacy"
            self._restarting = True
            return
        trouble = await trouble_of(self.config, link, exchange, failure)
        self._attempts += 1
        if began is None:
            self.condition.not_connected(trouble)
        else:
            self.condition.lost(trouble, began)
        self.settled.set()

    def _died_of_the_question(self, link: StdioLink | HttpLink) -> bool:
        """Whether it may have died of the question which protocol it speaks."""
        return self._mode == "auto" and link.reason == "exited" and self.config.transport == "stdio"

    def _left(self) -> None:
        self.incarnation = None
        self.condition.disconnected()


def _cancelled_from_outside() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
