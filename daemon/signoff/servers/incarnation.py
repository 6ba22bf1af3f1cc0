"""One connection to a server, and what is said over it besides calls."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import mcp_types as types
from mcp import Client
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from signoff.servers.elicit import Callers
from signoff.servers.http import HttpLink
from signoff.servers.lane import Lane
from signoff.servers.stdio import StdioLink
from signoff.servers.tools import Listing


@dataclass(slots=True, eq=False)
class Incarnation:
    """One connection, from its tools being known to its end.

    Attributes:
        lane: the shorter way for calls; None where the transport or the protocol has none.
    """

    generation: int
    client: Client
    link: StdioLink | HttpLink
    listing: Listing
    callers: Callers
    in_flight: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    fresh: asyncio.Event = field(default_factory=asyncio.Event)
    lane: Lane | None = field(init=False)

    def __post_init__(self) -> None:
        handshake = self.client.protocol_version in HANDSHAKE_PROTOCOL_VERSIONS
        self.lane = self.link.lane if handshake and isinstance(self.link, StdioLink) else None

    @property
    def connected(self) -> bool:
        """Whether the connection is there."""
        return not self.link.closed.is_set()

    def enter(self) -> None:
        """A call begins."""
        self.in_flight += 1
        self.idle.clear()

    def leave(self) -> None:
        """A call has ended."""
        self.in_flight -= 1
        if not self.in_flight:
            self.idle.set()


async def ping(client: Client) -> None:
    """Returns when the server has answered; the newer protocol has no ping, but a question as cheap."""
    if client.protocol_version in HANDSHAKE_PROTOCOL_VERSIONS:
        await client.session.send_request(types.PingRequest(), types.EmptyResult)
    else:
        await client.session.send_discover(client.protocol_version)
