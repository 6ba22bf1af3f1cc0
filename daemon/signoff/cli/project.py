"""The project that a command is about: its settings, its rules, what its ledger says, its daemon.

Reads only, and only what is asked for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from signoff import system
from signoff.config import Settings, load_environment, load_settings, with_vault
from signoff.errors import ConfigError
from signoff.places import Places

if TYPE_CHECKING:
    from signoff.catalogue import Catalogue
    from signoff.ledger.entry import Entry
    from signoff.ledger.state import State
    from signoff.model import PlanState
    from signoff.policy import Policy
    from signoff.redact import Redactor
    from signoff.servers.config import ServerConfig
    from signoff.servers.keyring import Keyring
    from signoff.servers.tokens import TokenStore
    from signoff.vault import Vault


@dataclass(frozen=True, slots=True)
class Running:
    """The daemon that owns the vault, as it says of itself; empty where it has not said so yet."""

    pid: int | None
    host: str
    since: str


class Project:
    """One vault with its configuration and logs.

    Raises:
        ConfigError: there is no such config folder.
    """

    def __init__(self, config_dir: Path, environ: Mapping[str, str]) -> None:
        if not config_dir.is_dir():
            raise ConfigError(
                f"There is no config folder {config_dir}.",
                code="config-missing",
                hint="Name it with --config DIR, or make a project with `signoff init`.",
            )
        self.config_dir = config_dir
        self.process_environ = environ

    @cached_property
    def settings(self) -> Settings:
        """What `signoff.toml` says."""
        return load_settings(self.config_dir, self.process_environ)

    @cached_property
    def places(self) -> Places:
        """Where the daemon keeps its files."""
        return Places(self.settings)

    @cached_property
    def environ(self) -> dict[str, str]:
        """The environment with `config/.env` under it."""
        return load_environment(self.config_dir, self.process_environ)

    @cached_property
    def vault(self) -> Vault:
        """The notes."""
        from signoff.vault import Vault

        return Vault(self.settings.vault.path, self.settings.vault.folders)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The actions that plans can name."""
        from signoff.catalogue import load_catalogue

        return load_catalogue(self._file("actions.yaml"))

    @cached_property
    def policy(self) -> Policy:
        """What each call needs."""
        from signoff.policy import load_policy

        return load_policy(self._file("policy.yaml"))

    @cached_property
    def redactor(self) -> Redactor:
        """Hides secrets in whatever is shown."""
        from signoff.redact import Redactor

        return Redactor.of_environment(self.environ)

    def redactor_of(self, server: str) -> Redactor:
        """One that knows a server's secrets too, to show what comes from it."""
        return self.redactor.knowing({*self.servers[server].credentials(), *self.keyring.fetched})

    @property
    def tokens(self) -> TokenStore:
        """What lets us in at remote servers."""
        from signoff.servers.tokens import TokenStore

        return TokenStore(self.places.tokens, self.keyring)

    def require_valid(self) -> None:
        """Reads the whole configuration, so that what is wrong in it is said before anything else.

        Raises:
            ConfigError: with file, line and key.
        """
        _ = self.settings, self.catalogue, self.policy, self.servers

    def _file(self, name: str) -> Path | None:
        path = self.config_dir / name
        return path if path.exists() else None

    @cached_property
    def servers(self) -> dict[str, ServerConfig]:
        """The configured servers, by name."""
        from signoff.servers.config import load_servers

        path, environ = self.config_dir / "mcp_servers.json", with_vault(self.environ, self.settings)
        return load_servers(path, environ, keyring=self.keyring)

    @cached_property
    def keyring(self) -> Keyring:
        """The secrets that are kept for this project."""
        from signoff.servers.keyring import Keyring

        return Keyring(self.config_dir)

    # ------------------------------------------------------------ what the ledger says

    def entries(self) -> Iterator[Entry]:
        """All entries of the ledger, oldest first; unverified."""
        from signoff.ledger.walk import read_entries

        return read_entries(self.places.audit)

    @cached_property
    def state(self) -> State:
        """Every plan, as the ledger tells it."""
        from signoff.ledger.state import fold

        return fold(self.entries())

    def plan(self, plan_id: str) -> PlanState | None:
        """Everything about one plan, ended or not; None for one never frozen."""
        from signoff.ledger.state import history

        return self.state.plans.get(plan_id) or history(plan_id, self.entries())

    # ------------------------------------------------------------ its daemon

    def running(self) -> Running | None:
        """The daemon that owns the vault now; None where there is none.

        The lock's file is left behind by a daemon that ended, so the lock counts. It is tried only where
        the process named in the file may be alive: a daemon that starts at this moment is not disturbed.
        """
        try:
            fd = os.open(self.places.lock, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        except OSError:
            return None
        try:
            owner = _owner(os.read(fd, 4096))
            if not _may_be_alive(owner):
                return None
            if system.try_lock(fd):
                system.unlock(fd)
                return None
        except OSError:
            return None
        finally:
            os.close(fd)
        return owner


def _owner(text: bytes) -> Running:
    try:
        found = json.loads(text)
        return Running(int(found["pid"]), str(found["host"]), str(found["started"]))
    except (ValueError, KeyError, TypeError):
        return Running(None, "", "")


def _may_be_alive(owner: Running) -> bool:
    import socket

    import psutil

    if owner.pid is None or owner.host != socket.gethostname():
        return True
    return psutil.pid_exists(owner.pid)
