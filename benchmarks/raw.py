"""The baseline: the raw `mcp` client calling the same server, and this disk's fsync."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

STUB = Path(__file__).parent.parent / "tests" / "servers" / "stub.py"


@asynccontextmanager
async def client(log: Path) -> AsyncIterator[Client]:
    """The raw client, connected to a stub server that has answered once."""
    command = StdioServerParameters(command=sys.executable, args=[str(STUB), "--log", str(log), "--no-fsync"])
    async with Client(stdio_client(command), mode="legacy") as session:
        await session.list_tools()
        await session.call_tool("record", {"text": "warm"})
        yield session


async def _in_flight(log: Path, flows: int, calls: int) -> float:
    async with client(log) as session:

        async def flow() -> None:
            for number in range(calls):
                result = await session.call_tool("record", {"text": f"call {number}"})
                if result.is_error:
                    raise RuntimeError(str(result.content))

        begin = time.perf_counter()
        await asyncio.gather(*(flow() for _ in range(flows)))
        return time.perf_counter() - begin


def seconds(folder: Path, *, flows: int, calls: int) -> float:
    """How long the raw client takes for `flows` flows at once of `calls` calls one after the other."""
    return asyncio.run(_in_flight(folder / "raw.jsonl", flows, calls))


def fsync_ms(folder: Path, *, times: int = 200, size: int = 800) -> float:
    """The median of an append and fsync of `size` bytes, in milliseconds."""
    path = folder / "fsync"
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    taken = []
    try:
        for _ in range(times):
            begin = time.perf_counter()
            os.write(fd, b"x" * size)
            os.fsync(fd)
            taken.append((time.perf_counter() - begin) * 1000)
    finally:
        os.close(fd)
        path.unlink()
    return statistics.median(taken)
