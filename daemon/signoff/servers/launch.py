"""One configured server: how it is launched or reached, what is shown of it and what is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from signoff.model import JsonObject
from signoff.redact import looks_secret
from signoff.servers.keyring import PREFIX
from signoff.servers.rate import Rate

Transport = Literal["stdio", "http", "sse"]


@dataclass(frozen=True, slots=True)
class StdioLaunch:
    """How to start a server; what is expanded from the environment may be secret, so nothing is shown."""

    command: str = field(repr=False)
    args: tuple[str, ...] = field(default=(), repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: Path | None = None


@dataclass(frozen=True, slots=True)
class HttpLaunch:
    """Where a server is, and what it is sent with every request; both may be secret, so neither is shown."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class OAuth:
    """What the configuration says about logging in; without it, the server and the login say it all.

    Attributes:
        client_id, client_secret: who we are there, where that was agreed beforehand.
        scope: what to ask for.
        token_url: where client credentials are traded for a token; then nobody needs to log in.
        resource: what such a token is for, as that place wants it named; None for the server's address,
            empty where it wants none.
    """

    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    scope: str = ""
    token_url: str = ""
    resource: str | None = None


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """One server, as it is to be reached.

    Attributes:
        transport: `stdio`, `http` (streamable) or `sse` (its predecessor).
        launch: with references expanded; never shown.
        identity: the launch identity, with references unexpanded.
        disabled: configured, but not to be used.
        missing: variables that it needs and that are not set.
        timeout: seconds for one call, where the file says so.
        max_concurrency: calls in flight at once, all replicas together, where the file bounds it.
        rate_limit: how often it may be called, where the file bounds it.
        replicas: how many of it are started; calls go to the best of them.
        peers: further entries under the same name, which share its calls.
        oauth: about logging in, where the file says something.
        warnings: about the entry, for people.
        secrets: values that may not be shown anywhere.
    """

    name: str
    transport: Transport
    launch: StdioLaunch | HttpLaunch = field(repr=False)
    identity: JsonObject = field(repr=False)
    disabled: bool = False
    missing: tuple[str, ...] = ()
    timeout: float | None = None
    max_concurrency: int | None = None
    rate_limit: Rate | None = None
    replicas: int = 1
    peers: tuple[ServerConfig, ...] = field(default=(), repr=False)
    oauth: OAuth | None = None
    warnings: tuple[str, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def launch_identity(self) -> JsonObject:
        """What the digest pins: `{"command", "args"}` or `{"url"}`, with references unexpanded."""
        return dict(self.identity)

    def credentials(self) -> frozenset[str]:
        """Values that are secret by their names or their place, to be found wherever they come back."""
        launch = self.launch
        named = launch.env if isinstance(launch, StdioLaunch) else launch.headers
        found = {value for name, value in named.items() if looks_secret(name)}
        found |= {word for value in found for word in value.split() if value.lower().startswith("bearer ")}
        found |= {self.oauth.client_secret} if self.oauth is not None else set()
        return frozenset(found).union(*(peer.credentials() for peer in self.peers))

    def instances(self) -> list[ServerConfig]:
        """Every replica on its own, under the identity that they all share."""
        return [
            replace(entry, identity=self.identity, peers=(), replicas=1)
            for entry in (self, *self.peers)
            for _ in range(entry.replicas)
        ]

    def scrub(self, text: str) -> str:
        """The text without this server's secrets."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def missing_words(missing: Sequence[str]) -> str:
    """What a server needs and does not have; what to do about it is in `remedy`."""
    variables = [name for name in missing if not name.startswith(PREFIX)]
    kept = [name.removeprefix(PREFIX) for name in missing if name.startswith(PREFIX)]
    said = [f"It needs {', '.join(variables)}, which is not set."] if variables else []
    said += [f"It needs {', '.join(kept)} from the keyring, where it was not found."] if kept else []
    return " ".join(said)
