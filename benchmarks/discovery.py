"""Nine servers, connected and listed in parallel, and what looking one up costs."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from pathlib import Path

from benchmarks.figure import Figure, spread
from benchmarks.raw import STUB
from signoff.servers.config import load_servers
from signoff.servers.pool import ServerPool


def discovery(folder: Path, *, quick: bool, profile: Path | None = None) -> list[Figure]:  # noqa: ARG001
    """From starting the pool until all nine have listed their tools; one of them is slow to start."""
    repeats = 1 if quick else 5
    fast = [asyncio.run(_seconds(folder, [0.0] * 9)) for _ in range(repeats)]
    slow = [asyncio.run(_seconds(folder, [*[0.0] * 8, 1.0])) for _ in range(repeats)]
    single = [asyncio.run(_seconds(folder, [0.0])) for _ in range(repeats)]
    checks, lookups = asyncio.run(_health(folder))
    return [
        Figure("discovery of 9 servers in parallel", spread([took * 1000 for took in fast], "ms", 0),
               spread([took * 1000 for took in single], "ms", 0) + " for one",
               statistics.median(fast) / statistics.median(single), "under 500 ms",
               statistics.median(fast) < 0.5, tuple(fast)),
        Figure("the same, one of them takes 1 s to start", spread([took * 1000 for took in slow], "ms", 0),
               "1000 ms, the slowest", statistics.median(slow), "bounded by the slowest (+ 500 ms)",
               statistics.median(slow) < 1.0 + 0.5, tuple(slow)),
        Figure("health check of a server", spread(checks, "ms", 2), target="under 50 ms",
               met=statistics.median(checks) < 50, samples=tuple(checks)),
        Figure("lookup of a server's tools", spread(lookups, "ms", 4), target="under 1 ms",
               met=statistics.median(lookups) < 1, samples=tuple(lookups)),
    ]  # fmt: skip


def _pool(folder: Path, delays: list[float]) -> ServerPool:
    servers = {
        f"s{index}": {"command": sys.executable, "args": [str(STUB), "--start-delay", str(delay)]}
        for index, delay in enumerate(delays)
    }
    path = folder / "nine.json"
    path.write_text(json.dumps({"mcpServers": servers}))
    return ServerPool(load_servers(path, {}), logs=None)


async def _seconds(folder: Path, delays: list[float]) -> float:
    pool = _pool(folder, delays)
    begin = time.perf_counter()
    await pool.start()
    await pool.settled(30.0)
    taken = time.perf_counter() - begin
    missing = [name for name, view in pool.views().items() if view.tools is None]
    await pool.stop()
    if missing:
        raise RuntimeError(f"not discovered: {missing}")
    return taken


async def _health(folder: Path) -> tuple[list[float], list[float]]:
    checks, lookups = [], []
    async with _pool(folder, [0.0] * 9) as pool:
        await pool.settled(30.0)
        for name in pool.views():
            begin = time.perf_counter()
            await pool.check(name)
            checks.append((time.perf_counter() - begin) * 1000)
            begin = time.perf_counter()
            pool.view(name)
            lookups.append((time.perf_counter() - begin) * 1000)
    return checks, lookups
