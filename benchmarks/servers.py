"""The server pool: discovery, look-ups, falling back, coming back after a kill, throughput, large results.

Ratios compare the best of several with the best of several, in turns: what else the machine does at a time is
nobody's cost.
"""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from benchmarks.figure import Figure, spread
from benchmarks.raw import STUB
from signoff.errors import Transient
from signoff.model import ServerView, Tool
from signoff.servers.health import ServerHealth
from signoff.servers.pool import ServerPool
from signoff.servers.registry import Registry

SERVERS, IN_FLIGHT = 4, 100
MEGABYTE = 1_000_000
SLOW_START = 1.0


def servers(folder: Path, *, quick: bool, profile: Path | None = None) -> list[Figure]:  # noqa: ARG001
    """All figures of the pool."""
    repeats = 1 if quick else 5
    return [
        *asyncio.run(_discovered(folder, repeats)),
        _lookup(),
        asyncio.run(_fallback(folder)),
        asyncio.run(_killed(folder, repeats)),
        *asyncio.run(_throughput(500 if quick else 2000, repeats)),
        *asyncio.run(_large(repeats)),
    ]


def _stub(*options: str) -> dict[str, object]:
    return {"command": sys.executable, "args": [str(STUB), "--no-fsync", *options]}


async def _until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.002)


async def _discovered(folder: Path, repeats: int) -> list[Figure]:
    """Nine servers, the slowest of which needs a second to start; then the same with kept definitions."""
    config = {f"s{number}": _stub() for number in range(8)} | {
        "slow": _stub("--start-delay", str(SLOW_START))
    }
    kept = folder / "definitions.json"
    alone, cold, warm = [], [], []
    for _ in range(repeats):
        for samples, given, known in (
            (alone, {"slow": config["slow"]}, None),
            (cold, config, kept),
        ):
            begin = time.perf_counter()
            async with ServerPool(given, definitions=known) as pool:
                await pool.settled(30)
                samples.append((time.perf_counter() - begin) * 1000)
        begin = time.perf_counter()
        async with ServerPool(config, definitions=kept) as pool:
            await pool.known(30)
            warm.append((time.perf_counter() - begin) * 1000)
            if any(view.tools is None for view in pool.views().values()):
                raise RuntimeError("a server was not known")
    ratio = min(cold) / min(alone)
    return [
        Figure("nine servers discovered, one slow", spread(cold, "ms", 0),
               spread(alone, "ms", 0) + ", the slow one alone", ratio, "at most 1.1 times the slowest",
               ratio <= 1.1, tuple(cold)),
        Figure("the same, ready from kept definitions", spread(warm, "ms", 1), target="under 500 ms",
               met=statistics.median(warm) < 500, samples=tuple(warm)),
    ]  # fmt: skip


def _lookup() -> Figure:
    tools = {f"tool_{number}": Tool(f"tool_{number}", "", {}) for number in range(250)}
    views = {f"s{number}": ServerView(f"s{number}", {}, tools) for number in range(4)}
    health = dict.fromkeys(views, ServerHealth("available", median_ms=1.0))
    registry = Registry(lambda: views, lambda: health)
    taken = []
    for number in range(250):
        begin = time.perf_counter()
        registry.recommended(f"tool-{number}")
        taken.append((time.perf_counter() - begin) * 1000)
    return Figure("look-up of the best of 4 servers, 1,000 tools", spread(taken, "ms", 4),
                  target="under 1 ms", met=statistics.median(taken) < 1, samples=tuple(taken))  # fmt: skip


async def _fallback(folder: Path) -> Figure:
    config = {"dead": {"command": str(folder / "nothing")}, "alive": _stub()}
    plain, fallen = [], []
    async with ServerPool(config) as pool:
        await pool.settled(30)
        for _ in range(50):
            begin = time.perf_counter()
            await pool.call("alive.look", {"text": "x"})
            plain.append((time.perf_counter() - begin) * 1000)
            begin = time.perf_counter()
            try:
                await pool.call("dead.look", {"text": "x"})
            except Transient:
                await pool.call("alive.look", {"text": "x"})
            fallen.append((time.perf_counter() - begin) * 1000)
    added = statistics.median(fallen) - statistics.median(plain)
    return Figure("falling back from a dead server adds", f"{added:.2f} ms",
                  spread(plain, "ms") + " the call itself", target="under 100 ms", met=added < 100,
                  samples=tuple(fallen))  # fmt: skip


async def _killed(folder: Path, repeats: int) -> Figure:
    """A server on the SDK, whose import alone takes a second."""
    program = folder / "server.py"
    program.write_text(
        "from mcp.server import MCPServer\nserver = MCPServer('b')\n"
        "@server.tool()\ndef look(text: str) -> str:\n    return text\nserver.run('stdio')\n"
    )
    config = {"python": {"command": sys.executable, "args": [str(program)]}}
    starts, back = [], []
    for _ in range(repeats):  # a pool each: one that is killed again and again waits between its starts
        begin = time.perf_counter()
        async with ServerPool(config) as pool:
            await pool.settled(60)
            starts.append(time.perf_counter() - begin)
            pid = pool.health()["python"].pid
            if pid is None:
                raise RuntimeError("the server has no process")
            begin = time.perf_counter()
            os.kill(pid, signal.SIGKILL)
            await _until(lambda: pool.health()["python"].restarts == 1)
            await pool.call("python.look", {"text": "x"})
            back.append(time.perf_counter() - begin)
    return Figure("a killed Python server serves again", spread(back, "s"), spread(starts, "s") + ", a start",
                  min(back) / min(starts), "within 2 s", min(back) < 2, tuple(back))  # fmt: skip


async def _throughput(calls: int, repeats: int) -> list[Figure]:
    """So many calls, 100 in flight, over four servers; by the SDK's client, and by the pool."""
    raw, ours = [], []
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(_raw()) for _ in range(SERVERS)]
        pool = await stack.enter_async_context(
            ServerPool({f"s{number}": _stub() for number in range(SERVERS)})
        )
        await pool.settled(30)
        for _ in range(repeats):
            raw.append(
                await _flown(calls, lambda n: clients[n % SERVERS].call_tool("look", {"text": str(n)}))
            )
            ours.append(await _flown(calls, lambda n: pool.call(f"s{n % SERVERS}", "look", {"text": str(n)})))
    what = f"{calls} calls, {IN_FLIGHT} in flight over {SERVERS} servers"
    figures = []
    for number, kind in enumerate(("time", "processor time of the client")):
        mine, theirs = [each[number] for each in ours], [each[number] for each in raw]
        ratio = min(mine) / min(theirs)
        figures.append(
            Figure(f"{what}: {kind}", spread(mine, "s"), spread(theirs, "s"), ratio,
                   "at most 1.1 times the raw client", ratio <= 1.1, tuple(mine))
        )  # fmt: skip
    return figures


@asynccontextmanager
async def _raw() -> AsyncIterator[Client]:
    """The raw client of a server of its own."""
    command = StdioServerParameters(command=sys.executable, args=[str(STUB), "--no-fsync"])
    async with Client(stdio_client(command), mode="legacy") as client:
        await client.list_tools()
        yield client


async def _flown(calls: int, call: Callable[[int], Awaitable[object]]) -> tuple[float, float]:
    """Seconds, and seconds of this process's processor time."""
    numbers = iter(range(calls))

    async def flow() -> None:
        for number in numbers:
            await call(number)

    begin, worked = time.perf_counter(), time.process_time()
    await asyncio.gather(*(flow() for _ in range(IN_FLIGHT)))
    return time.perf_counter() - begin, time.process_time() - worked


async def _large(repeats: int) -> list[Figure]:
    """Ten times the bytes must not take a hundred times as long, as it does where a line is searched anew."""
    small, large, raw = [], [], []
    async with ServerPool({"s": _stub()}) as pool, _raw() as client:
        await pool.settled(30)
        for _ in range(repeats):
            for samples, size in ((small, MEGABYTE), (large, 10 * MEGABYTE)):
                begin = time.perf_counter()
                result = await pool.call("s.big", {"bytes": size}, timeout=60)
                samples.append((time.perf_counter() - begin) * 1000)
                if len(result.text) != size:
                    raise RuntimeError(f"{len(result.text)} bytes came")
            begin = time.perf_counter()
            await client.call_tool("big", {"bytes": 10 * MEGABYTE}, read_timeout_seconds=120)
            raw.append((time.perf_counter() - begin) * 1000)
    grown = min(large) / min(small)
    return [
        Figure("a result of 10 MB against one of 1 MB", spread(large, "ms", 0), spread(small, "ms", 1), grown,
               "linear: at most 20 times", grown <= 20, tuple(large)),
        Figure("a result of 10 MB against the raw client", spread(large, "ms", 0), spread(raw, "ms", 0),
               min(large) / min(raw), samples=tuple(large)),
    ]  # fmt: skip
