"""How much calls cost more than with the raw client: many at once, and one at a time.

All plans wait for one gate plan (`depends_on`), so that they start together and nothing but execution is
in the time: gate, intent, call, outcome and result durable, until `finished` is in the ledger.
"""

from __future__ import annotations

import statistics
from pathlib import Path

from benchmarks import raw
from benchmarks.figure import Figure, spread
from benchmarks.house import House, moment, plan, running, until


def in_flight(folder: Path, *, quick: bool, profile: Path | None = None) -> list[Figure]:
    """100 plans at once, 10 steps each one after the other."""
    plans, steps, repeats = (100, 10, 1) if quick else (100, 10, 3)
    taken, baselines = [], []
    for attempt in range(repeats):
        baselines.append(raw.seconds(folder, flows=plans, calls=steps) / (plans * steps) * 1000)
        place = folder / f"in-flight-{attempt}"
        taken.append(_run(place, plans, steps, concurrency=plans, profile=profile) / (plans * steps) * 1000)
        baselines.append(raw.seconds(folder, flows=plans, calls=steps) / (plans * steps) * 1000)
    ratio = statistics.median(taken) / statistics.median(baselines)
    return [
        Figure(
            f"a call, {plans} plans of {steps} steps in flight",
            spread(taken, "ms", 3),
            spread(baselines, "ms", 3) + " raw client",
            ratio,
            "at most 1.3 times",
            ratio <= 1.3,
            tuple(taken),
        )
    ]


def one_at_a_time(folder: Path, *, quick: bool, profile: Path | None = None) -> list[Figure]:
    """One plan whose steps run one after the other."""
    steps, repeats = (20, 1) if quick else (20, 5)
    taken, baselines = [], []
    for attempt in range(repeats):
        baselines.append(raw.seconds(folder, flows=1, calls=steps) / steps * 1000)
        place = folder / f"one-{attempt}"
        taken.append(_run(place, 1, steps, concurrency=8, profile=profile) / steps * 1000)
    sync = raw.fsync_ms(folder)
    added = statistics.median(taken) - statistics.median(baselines)
    return [
        Figure(
            f"a call, one plan of {steps} steps",
            spread(taken, "ms", 3),
            f"{spread(baselines, 'ms', 3)} raw client; fsync {sync:.3f} ms",
            statistics.median(taken) / statistics.median(baselines),
            f"raw + one fsync + 1 ms: {statistics.median(baselines) + sync + 1:.2f} ms",
            added <= sync + 1.0,
            tuple(taken),
        )
    ]


def _run(place: Path, plans: int, steps: int, *, concurrency: int, profile: Path | None) -> float:
    """Seconds from the gate plan's end until the last plan is finished in the ledger."""
    place.mkdir()
    house = House(place, concurrency=concurrency)
    names = [f"plan-{number:04}" for number in range(plans)]
    notes = {f"{name}.md": plan(name, steps, front="depends_on: [gate]\n") for name in names}
    with running(house, profile=profile):
        house.drop({"gate.md": plan("gate"), **notes})
        house.shown(plans + 1)
        house.move(list(notes))
        until(lambda: house.events("waiting") >= plans, "the plans wait for the gate plan", every=0.1)
        until(_rests(house), "the daemon rests", every=0.5)
        house.move(["gate.md"])
        until(lambda: house.events("finished") > plans, "the plans are finished", every=0.02)
    finished = house.entries("finished")
    gate = next(entry for entry in finished if entry["plan"] == "gate")
    if len(house.calls()) != plans * steps + 1 or any(e["data"]["status"] != "done" for e in finished):
        raise RuntimeError("not every call was made once")
    return max(moment(entry) for entry in finished) - moment(gate)


def _rests(house: House) -> object:
    before = [house.cpu_seconds()]

    def rests() -> bool:
        now = house.cpu_seconds()
        used, before[0] = now - before[0], now
        return used < 0.03

    return rests
