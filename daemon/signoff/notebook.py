"""What the daemon writes for others to read and can always write again: dashboard, notes' stamps, servers.

Nothing here is truth. If a file is gone or wrong, it is made anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime

import orjson
from loguru import logger
from tzlocal import get_localzone

from signoff import durable, system
from signoff.durable import Stamp
from signoff.model import Folder
from signoff.parts import Parts
from signoff.places import Places
from signoff.say.dashboard import MARK, dashboard
from signoff.servers.history import History
from signoff.servers.pool import ServerPool


class Notebook:
    """The daemon's derived files.

    Attributes:
        history: how the servers were over time.
    """

    def __init__(
        self, parts: Parts, pool: ServerPool, places: Places, is_lost: Callable[[str], bool]
    ) -> None:
        self._parts = parts
        self._is_lost = is_lost
        self._pool = pool
        self._places = places
        self._basis: object = None
        self.history = History(places.health)
        system.make_owner_only_directory(places.state)

    def dashboard(self) -> bytes | None:
        """What `Dashboard.md` should say now; None where nothing has happened since it was last asked."""
        health = self._pool.health()
        lost = frozenset(filter(self._is_lost, self._parts.state.plans))
        servers = tuple((name, str(each.status)) for name, each in health.items())
        basis = (self._parts.state.sequence, servers, lost)
        if basis == self._basis:
            return None
        self._basis = basis
        plans = [*self._parts.state.plans.values(), *self._parts.state.recent]
        return dashboard(plans, health, datetime.now(get_localzone() or UTC), lost).encode()

    def write_dashboard(self, text: bytes) -> None:
        """Write the dashboard where it says something new; a person's own file of that name is left alone."""
        try:
            name = self._parts.vault.dashboard_name(MARK.encode())
            path = self._parts.vault.root / name if name else None
            if path is None or (path.exists() and _said(path.read_bytes()) == _said(text)):
                return
            self._parts.vault.write_own(path.name, text)
        except OSError as error:
            logger.warning("The dashboard could not be written: {}", error)

    def write(self, stamps: dict[str, Stamp]) -> None:
        """Write down how the archived notes were left, and how the servers are."""
        archived = {
            path: [stamp.size, stamp.mtime_ns, stamp.inode]
            for path, stamp in stamps.items()
            if self._parts.vault.kind_of(path) in {Folder.DONE, Folder.REJECTED}
        }
        self.write_servers(self.servers())
        try:
            durable.replace(self._places.notes, orjson.dumps(archived), mode=0o600)
            self.history.save()
        except OSError as error:
            logger.warning("What was learnt could not be written down: {}", error)

    def servers(self) -> bytes:
        """How the servers are, as commands read it."""
        health = {name: asdict(health) for name, health in self._pool.health().items()}
        return orjson.dumps(health, default=str)

    def write_servers(self, health: bytes) -> None:
        """Write down how the servers are."""
        try:
            durable.replace(self._places.servers, health, mode=0o600)
        except OSError as error:
            logger.warning("How the servers are could not be written down: {}", error)

    def read(self) -> dict[str, Stamp]:
        """How the archived notes were left by the last daemon; empty where that is not known."""
        try:
            found = orjson.loads(self._places.notes.read_bytes())
            return {path: Stamp(*numbers) for path, numbers in found.items()}
        except (OSError, orjson.JSONDecodeError, TypeError, AttributeError):
            return {}


def _said(text: bytes) -> list[bytes]:
    """A dashboard without the time at which it was written."""
    return [line for line in text.splitlines() if not line.startswith(MARK.encode())]
