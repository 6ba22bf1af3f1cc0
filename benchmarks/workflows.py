"""Plans of a thousand steps: checking one, running one over four servers, and finding what is ready."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from benchmarks import raw
from benchmarks.figure import Figure, spread
from benchmarks.house import House, environment, moment, running, until
from signoff.graph import Standing
from signoff.model import FrozenPlan, FrozenStep, StepStatus

SERVERS = 4
IN_FLIGHT = 32


def check(folder: Path, *, quick: bool, profile: Path | None = None) -> list[Figure]:  # noqa: ARG001
    """`signoff check` as a person runs it, its start included, once the servers' tools are known."""
    repeats = 2 if quick else 5
    place = folder / "check"
    place.mkdir()
    house = House(place)
    house.start()
    house.stop()
    note = place / "plan.md"
    taken = []
    for steps in (1, 1000):
        note.write_text(_plan(steps, ["stub"]))
        command = [
            sys.executable,
            "-m",
            "signoff",
            "check",
            str(note),
            "--json",
            "--config",
            str(house.config),
        ]
        taken.append([_seconds(command) for _ in range(repeats)])
    one, many = taken
    return [
        Figure(
            "check of a plan of 1,000 steps",
            spread(many, "s"),
            spread(one, "s") + " for one step",
            target="under 1 s",
            met=statistics.median(many) < 1.0,
            samples=tuple(many),
        )
    ]


def _seconds(command: list[str]) -> float:
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    if done.returncode != 0:
        raise RuntimeError(done.stdout[-2000:] + done.stderr)
    return time.perf_counter() - begin


def parallel(folder: Path, *, quick: bool, profile: Path | None = None) -> list[Figure]:
    """One plan of parallel steps over four servers, from its first intent until it is finished."""
    steps, repeats = (200, 1) if quick else (1000, 3)
    taken, baselines = [], []
    for attempt in range(repeats):
        baselines.append(asyncio.run(_raw(folder, steps)))
        taken.append(_run(folder / f"parallel-{attempt}", steps, profile))
        baselines.append(asyncio.run(_raw(folder, steps)))
    ratio = statistics.median(taken) / statistics.median(baselines)
    return [
        Figure(
            f"one plan of {steps} parallel steps over {SERVERS} servers, {IN_FLIGHT} in flight",
            spread(taken, "s"),
            spread(baselines, "s") + " raw client",
            ratio,
            "at most 1.3 times",
            ratio <= 1.3,
            tuple(taken),
        )
    ]


def _run(place: Path, steps: int, profile: Path | None) -> float:
    place.mkdir()
    names = [f"stub{number}" for number in range(SERVERS)]
    servers: dict[str, Any] = {
        name: {"command": sys.executable, "args": [str(raw.STUB), "--log", str(place / name), "--no-fsync"]}
        for name in names
    }
    house = House(place, concurrency=IN_FLIGHT, servers=servers)
    with running(house, profile=profile):
        house.drop({"plan.md": _plan(steps, names, front="id: plan\nmode: parallel\n")})
        house.shown(1)
        house.move(["plan.md"])
        until(lambda: house.events("finished") >= 1, "the plan is finished", every=0.02)
    [finished] = house.entries("finished")
    calls = sum((place / name).read_bytes().count(b"\n") for name in names)
    if calls != steps or finished["data"]["status"] != "done":
        raise RuntimeError("not every call was made once")
    return moment(finished) - moment(house.entries("started")[0])


async def _raw(folder: Path, steps: int) -> float:
    """The raw client: as many calls in flight, spread over as many servers."""
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(raw.client(folder / f"raw-{number}.jsonl"))
            for number in range(SERVERS)
        ]
        numbers = iter(range(steps))

        async def flow() -> None:
            for number in numbers:
                result = await clients[number % SERVERS].call_tool("record", {"text": f"call {number}"})
                if result.is_error:
                    raise RuntimeError(str(result.content))

        begin = time.perf_counter()
        await asyncio.gather(*(flow() for _ in range(IN_FLIGHT)))
        return time.perf_counter() - begin


def ready(folder: Path, *, quick: bool, profile: Path | None = None) -> list[Figure]:  # noqa: ARG001
    """What finding the next ready step costs when few, and when nearly all, steps have finished."""
    steps = 2_000 if quick else 10_000
    plan = FrozenPlan("p", "d", {}, tuple(_pairs(steps)), {}, mode="parallel")
    costs = _costs(plan)
    share = steps // 10
    early, late = statistics.median(costs[share : 2 * share]), statistics.median(costs[-share:])
    return [
        Figure(
            f"finding the next ready step, 90 % of {steps:,} finished",
            f"{late:.1f} µs",
            f"{early:.1f} µs with 10 %",
            late / early,
            "does not grow with finished steps",
            late / early < 1.3,
            (early, late),
        )
    ]


def _pairs(steps: int) -> list[FrozenStep]:
    return [
        FrozenStep(f"s{number}", "s.t", {}, (), needs=(f"s{number - 1}",) if number % 2 else ())
        for number in range(steps)
    ]


def _costs(plan: FrozenPlan) -> list[float]:
    """Microseconds of each turn: what is ready is asked for, begins, and ends."""
    standing = Standing(plan, dict.fromkeys((step.id for step in plan.steps), StepStatus.PENDING))
    costs = []
    for _ in plan.steps:
        begin = time.perf_counter()
        step = next(standing.ready())
        standing.update(step.id, StepStatus.RUNNING)
        standing.update(step.id, StepStatus.DONE)
        standing.verdict()
        costs.append((time.perf_counter() - begin) * 1e6)
    return costs


def _plan(steps: int, servers: list[str], *, front: str = "id: plan\n") -> str:
    """A plan whose steps are spread over servers."""
    items = "".join(
        f"{number}. [ ] Step {number}\n   ```yaml\n   action: {servers[number % len(servers)]}.record\n"
        f"   with:\n     text: call {number}\n   ```\n"
        for number in range(1, steps + 1)
    )
    return f"---\n{front}---\n# A plan\n\nSome words of the author.\n\n## Steps\n\n{items}"
