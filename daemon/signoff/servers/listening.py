"""Being told that a server's tools have changed, on connections of the newer protocol: only who asks is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from mcp import Client
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

AGAIN = 5.0
"""Seconds until a stream of changes that has ended is asked for again."""


@asynccontextmanager
async def listening(client: Client, changed: Callable[[], None], name: str) -> AsyncIterator[None]:
    """Calls `changed` when the tools have changed, or may have; on older connections that comes unasked."""
    tools = client.server_capabilities.tools
    if client.protocol_version in HANDSHAKE_PROTOCOL_VERSIONS or tools is None or not tools.list_changed:
        yield
        return
    task = asyncio.create_task(_listen(client, changed), name=f"changes of {name}")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _listen(client: Client, changed: Callable[[], None]) -> None:
    while True:
        with contextlib.suppress(Exception):
            async with client.listen(tools_list_changed=True) as changes:
                changed()  # what happened before was not told
                async for _ in changes:
                    changed()
        await asyncio.sleep(AGAIN)
