"""What servers offered when they were last connected, kept on disk by the pool.

With it the pool knows tools from its first moment on, before any server has answered; each server is listed
all the same, compared, and the file follows. See `cache` for what such knowledge is good for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from loguru import logger

from signoff.model import ServerView, Tool
from signoff.servers.cache import read_tools, write_tools
from signoff.servers.launch import ServerConfig

QUIET = 0.2
"""Seconds; what changes within them is written once."""


class Definitions:
    """The file of definitions; without a path nothing is kept."""

    def __init__(self, path: Path | None, configs: Mapping[str, ServerConfig]) -> None:
        self._path = path
        self._known: dict[str, Mapping[str, Tool]] = {}
        self._written: dict[str, Mapping[str, Tool]] = {}
        self.follow(configs, configs)
        self._task: asyncio.Task[None] | None = None

    def follow(self, configs: Mapping[str, ServerConfig], names: Iterable[str]) -> None:
        """Looks up anew what is known of these servers, as they are configured now."""
        changed = {name: configs[name] for name in names}
        usable = {name: each for name, each in changed.items() if not each.disabled and not each.missing}
        found = {} if self._path is None else read_tools(self._path, usable)
        for name in changed:
            self._known.pop(name, None)
            self._written.pop(name, None)
        self._known.update(found)

    def of(self, server: str) -> Mapping[str, Tool] | None:
        """What a server offered when it was last connected; None where that is not known."""
        return self._known.get(server)

    def changed(self, views: Callable[[], Mapping[str, ServerView]]) -> None:
        """Has what is new written, soon."""
        if self._path is not None and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._soon(views), name="keeping of definitions")

    async def _soon(self, views: Callable[[], Mapping[str, ServerView]]) -> None:
        await asyncio.sleep(QUIET)
        await self.flush(views())

    async def flush(self, views: Mapping[str, ServerView]) -> None:
        """Writes what is new."""
        live = {
            name: view
            for name, view in views.items()
            if view.tools is not None and not view.cached and self._written.get(name) is not view.tools
        }
        if self._path is None or not live:
            return
        self._written.update({name: view.tools for name, view in live.items() if view.tools is not None})
        try:
            await asyncio.to_thread(write_tools, self._path, live)
        except OSError as error:  # derived: the next change writes it again
            logger.warning("What the servers offer could not be kept: {}", error)

    async def close(self, views: Mapping[str, ServerView]) -> None:
        """Writes what is left."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.flush(views)
