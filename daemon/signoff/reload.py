"""What is configured, read at the start and again whenever it changes: taken whole, or refused whole.

Followed are `mcp_servers.json`, `.env`, `actions.yaml` and `policy.yaml`: within seconds of being saved, on
SIGHUP, and when a command asks for it. Where one of them is wrong, the configuration that was good goes on.
Of `signoff.toml` only the approvers are followed (`signoff.config.roster`); the rest is read at the start.

Calls in flight end as they began, and the gate asks the new policy before the next one. A server that is
started otherwise than when a plan was approved voids that plan by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from loguru import logger

from signoff.catalogue import Catalogue, load_catalogue
from signoff.config import Settings, load_environment, with_vault
from signoff.config.roster import Roster
from signoff.errors import ConfigError, LedgerError
from signoff.ledger.entry import Event
from signoff.parts import Parts, Rules
from signoff.policy import load_policy
from signoff.reconcile import Reconciler
from signoff.redact import Redactor
from signoff.servers.config import ServerConfig, load_servers
from signoff.servers.keyring import Keyring
from signoff.servers.pool import ServerPool

FILES = ("mcp_servers.json", ".env", "actions.yaml", "policy.yaml")

Stamps = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the followed files say, and how they were just before they were read."""

    rules: Rules
    servers: Mapping[str, ServerConfig]
    stamps: Stamps

    def capabilities(self) -> dict[str, list[tuple[str, str]]]:
        """By action, the tools that carry it out, in order of preference."""
        return {
            action.name: [(tool.server, tool.tool) for tool in action.tools]
            for action in self._catalogue.actions.values()
        }

    def cached(self) -> dict[tuple[str, str], float]:
        """By tool, the seconds for which an answer of it that only reads stays good."""
        return {
            (tool.server, tool.tool): action.cache
            for action in self._catalogue.actions.values()
            for tool in action.tools
            if action.cache is not None and action.repeatable is not False
        }

    @property
    def _catalogue(self) -> Catalogue:
        return self.rules.catalogue


def read_configuration(settings: Settings, environ: Mapping[str, str]) -> Configuration:
    """Reads the followed files.

    Args:
        settings: says where they are.
        environ: the environment of the process; `.env` lies under it.

    Raises:
        ConfigError: one of them is wrong; with file and line.
    """
    config = settings.config_dir
    stamps = _stamps(config)
    known = load_environment(config, environ)
    keyring = Keyring(config)
    servers = load_servers(config / "mcp_servers.json", with_vault(known, settings), keyring=keyring)
    return Configuration(
        rules=Rules(
            catalogue=load_catalogue(_if_there(config / "actions.yaml")),
            policy=load_policy(_if_there(config / "policy.yaml")),
            roster=Roster(config, known),
            redactor=Redactor.of_environment(known).knowing(
                keyring.fetched.union(*(server.credentials() for server in servers.values()))
            ),
        ),
        servers=servers,
        stamps=stamps,
    )


def _if_there(path: Path) -> Path | None:
    return path if path.exists() else None


class Reload:
    """Follows the configuration of a running daemon."""

    def __init__(
        self,
        parts: Parts,
        reconciler: Reconciler,
        pool: ServerPool,
        environ: Mapping[str, str],
        stamps: Stamps,
    ) -> None:
        self._parts = parts
        self._reconciler = reconciler
        self._pool = pool
        self._environ = environ
        self._taken = self._seen = stamps
        self._folder = parts.settings.config_dir
        self._turn = asyncio.Lock()
        self._redactor = parts.rules.redactor
        self._granted: dict[str, tuple[str, ...]] = {}

    async def look(self) -> None:
        """Takes what has changed and rested since the last look; what is wrong in it is logged, once."""
        stamps = _stamps(self._folder)
        rests, self._seen = stamps == self._seen, stamps
        if rests and stamps != self._taken:
            await self.try_now()

    async def try_now(self) -> None:
        """As `now`, where nobody waits for the answer."""
        try:
            logger.info("The configuration was read anew. {}", await self.now())
        except (ConfigError, LedgerError) as error:
            logger.error("The changed configuration is not used; the one before goes on. {}", error)

    async def now(self) -> str:
        """Reads all of it anew, and puts it in place of what was; in words, what has changed.

        Raises:
            ConfigError: something in it is wrong, and all is as it was before.
            LedgerError: the change could not be recorded, and all is as it was before.
        """
        async with self._turn:
            before, self._taken = self._taken, _stamps(self._folder)
            found = await asyncio.to_thread(read_configuration, self._parts.settings, self._environ)
            try:
                return await self._take(found)
            except LedgerError:
                self._taken = before  # it is tried again
                raise

    def know(self, server: str, secrets: tuple[str, ...]) -> None:
        """What lets us in at a server, besides what is configured: to be found wherever it comes back."""
        self._granted[server] = (*self._granted.get(server, ())[-3:], *secrets)
        self._parts.rules = replace(self._parts.rules, redactor=self._all_known())

    def _all_known(self) -> Redactor:
        return self._redactor.knowing(each for secrets in self._granted.values() for each in secrets)

    async def _take(self, found: Configuration) -> str:
        """Records what changes, and then has it count."""
        old, change = self._parts.rules, self._pool.difference(found.servers)
        ruled = (old.catalogue, old.policy) != (found.rules.catalogue, found.rules.policy)
        if ruled or change:
            data = {"added": [*change.added], "changed": [*change.changed], "removed": [*change.removed]}
            event = Event("configured", data={"servers": data, "rules": ruled})  # type: ignore[dict-item]
            await self._parts.ledger.append([event])
        # What was secret until now may still come back in the answer of a call under way.
        self._redactor = found.rules.redactor.with_all_of(self._redactor)
        self._parts.rules = replace(found.rules, redactor=self._all_known())
        self._pool.reconfigure(found.servers, capabilities=found.capabilities(), cache=found.cached())
        if ruled:
            self._reconciler.rules_changed()
        for name in (*change.added, *change.changed):
            self._reconciler.runs.try_again(name)
        words = "Actions or policy have changed." if ruled else "Actions and policy are as they were."
        return f"{change.sentence()} {words}"


def _stamps(folder: Path) -> Stamps:
    return tuple(_stamp(folder / name) for name in FILES)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
