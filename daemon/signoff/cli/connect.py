"""Connecting to servers for the length of a command, and keeping what they were seen to offer.

A server that a running daemon has started is started a second time for this; nothing is called on it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from signoff.cli.project import Project
from signoff.cli.screen import SCREEN
from signoff.errors import NotFound
from signoff.model import ServerView
from signoff.servers.cache import read_tools, write_tools
from signoff.servers.config import ServerConfig
from signoff.servers.health import ServerHealth
from signoff.servers.launch import missing_words

PATIENCE = 15.0
"""Seconds that servers have to start and list their tools."""
ENDING = 5.0
"""Seconds more, in which one that did not is ended, and it is known why."""


@dataclass(frozen=True, slots=True)
class Met:
    """What servers were like while they were connected; by name."""

    views: Mapping[str, ServerView]
    health: Mapping[str, ServerHealth]


def connect(project: Project, names: Collection[str]) -> Met:
    """Starts these servers, asks each whether it is there, and ends them again.

    Raises:
        ConfigError: `mcp_servers.json` is wrong.
    """
    configs = {name: project.servers[name] for name in names}
    if not configs:
        return Met({}, {})
    import asyncio

    with SCREEN.busy(f"Connecting to {', '.join(sorted(configs))}…"):
        met = asyncio.run(_connect(project, configs))
    with contextlib.suppress(OSError):  # it only spares the next command the connecting
        write_tools(project.places.tools, met.views)
    return met


async def _connect(project: Project, configs: Mapping[str, ServerConfig]) -> Met:
    import asyncio

    from signoff.servers.pool import ServerPool

    timeout = project.settings.execution.timeout
    async with ServerPool(
        configs,
        logs=project.settings.logs,
        tokens=project.tokens,
        default_timeout=timeout,
        connect_timeout=PATIENCE,
    ) as pool:
        await pool.settled(PATIENCE + ENDING)
        await asyncio.gather(*(pool.check(name) for name in configs), return_exceptions=True)
        return Met(pool.views(), pool.health())


def views(project: Project, names: Collection[str], *, live: bool) -> dict[str, ServerView]:
    """Every configured server, with the tools of those named as far as they can be known.

    Args:
        project: the project.
        names: of servers whose tools are needed.
        live: ask the servers even where it is known what they offer.
    """
    configs = project.servers
    kept = {} if live else read_tools(project.places.tools, configs)
    wanted = [name for name in names if name in configs and name not in kept and usable(configs[name])]
    met = connect(project, wanted).views
    return {name: met[name] if name in met else _view(config, kept) for name, config in configs.items()}


def usable(config: ServerConfig) -> bool:
    """Whether there is a point in connecting."""
    return not config.disabled and not config.missing


def _view(config: ServerConfig, kept: Mapping[str, object]) -> ServerView:
    tools = kept.get(config.name)
    if config.disabled:
        tools, problem = None, "it is disabled in mcp_servers.json"
    elif config.missing:
        words = missing_words(config.missing)
        tools, problem = None, f"{words[:1].lower()}{words[1:]}".rstrip(".")
    else:
        problem = "" if tools is not None else "it was not asked"
    return ServerView(config.name, config.launch_identity(), tools, problem)  # type: ignore[arg-type]


def require_server(project: Project, name: str) -> ServerConfig:
    """A configured server.

    Raises:
        NotFound: `unknown-server`.
    """
    from signoff.config import suggestion

    config = project.servers.get(name)
    if config is None:
        raise NotFound(
            f"There is no server `{name}` in mcp_servers.json.",
            code="unknown-server",
            hint=suggestion(name, list(project.servers)),
        )
    return config
