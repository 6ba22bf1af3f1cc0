"""The parts that a daemon is made of, put together once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from signoff.catalogue import Catalogue
from signoff.config import Settings
from signoff.config.roster import Roster
from signoff.ledger.blobs import BlobStore
from signoff.ledger.log import Ledger
from signoff.ledger.state import State
from signoff.model import CallResult, InputNeeded, Inquiry, JsonObject, Reply, ServerView
from signoff.policy import Policy
from signoff.redact import Redactor
from signoff.servers.health import ServerHealth
from signoff.vault import Vault


class Servers(Protocol):
    """What the daemon needs of a server pool."""

    def views(self) -> dict[str, ServerView]:
        """What is known of each server now."""

    def health_of(self, name: str) -> ServerHealth | None:
        """How one server is now; None where there is none of that name."""

    def most_at_once(self, name: str) -> int | None:
        """How many calls one server takes at once; None for any number, and where there is no such server."""

    async def call(
        self,
        server: str,
        tool: str,
        arguments: JsonObject,
        *,
        timeout: float,
        meta: JsonObject | None = None,
        pin: JsonObject | None = None,
        person: Callable[[Inquiry], Awaitable[Reply]] | None = None,
        still: Callable[[], bool] | None = None,
        resuming: Callable[[], Awaitable[bool]] | None = None,
        suspended: InputNeeded | None = None,
        cache: float | None = None,
    ) -> CallResult:
        """Make one call; raises the `CallError` classes and `PinChanged`. `person` answers the server.

        `still` is asked right before it is written whether it may leave, `resuming` right before it is
        resumed whether the answers may. `suspended` is what it lacks, where it was made before.
        `cache` is how many seconds old an answer may be; None for what is configured.
        """


@dataclass(frozen=True, slots=True)
class Rules:
    """What a person configured: the catalogue, the policy, who may approve, what may never be shown."""

    catalogue: Catalogue
    policy: Policy
    roster: Roster
    redactor: Redactor = field(default_factory=Redactor)


@dataclass(slots=True)
class Parts:
    """Settings and rules, and the things that hold state: vault, ledger, blobs, servers.

    Only `rules` is ever replaced, by `signoff.reload`: they are asked anew each time, and kept by nobody.
    """

    settings: Settings
    rules: Rules
    vault: Vault
    ledger: Ledger
    state: State
    blobs: BlobStore
    servers: Servers
