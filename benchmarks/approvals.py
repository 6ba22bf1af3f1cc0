"""From a person's approval to the call, and a thousand approvals at once."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from benchmarks import raw
from benchmarks.figure import Figure, spread
from benchmarks.house import House, plan, running, until

SETTLE_MS = 100.0


def latency(folder: Path, *, quick: bool, profile: Path | None = None) -> list[Figure]:
    """From saving `status: approved` to the call arriving at the server, one plan after the other."""
    number = 5 if quick else 20
    place = folder / "latency"
    place.mkdir()
    house = House(place)
    names = [f"plan-{index:03}" for index in range(number)]
    saved = {}
    with running(house, profile=profile):
        house.drop({f"{name}.md": plan(name) for name in names})
        house.shown(number)
        for index, name in enumerate(names):
            path = house.vault / "Pending_Approval" / f"{name}.md"
            aside = path.with_name(f".{name}.tmp")
            aside.write_text(path.read_text().replace("status: pending", "status: approved", 1))
            aside.rename(path)
            saved[f"{name} 1"] = time.time()
            until(lambda wanted=index: len(house.calls()) > wanted, "the call arrives", every=0.005)
            time.sleep(0.15)
    taken = [(call["time"] - saved[call["arguments"]["text"]]) * 1000 for call in house.calls()]
    middle = statistics.median(taken)
    return [
        Figure(
            f"from saving the approval to the call, {number} plans",
            spread(taken, "ms", 0),
            "settle time 100 ms",
            middle / SETTLE_MS,
            "median at most settle + 50 ms",
            middle <= SETTLE_MS + 50,
            tuple(taken),
        )
    ]


def thousand(folder: Path, *, quick: bool, profile: Path | None = None) -> list[Figure]:
    """Plans of one step, all moved to `Approved/` at once, until the last note is in `Done/`."""
    number = 200 if quick else 1000
    place = folder / "thousand"
    place.mkdir()
    house = House(place, concurrency=100)
    names = [f"plan-{index:04}.md" for index in range(number)]
    with running(house, profile=profile):
        begin = time.perf_counter()
        house.drop({name: plan(name.removesuffix(".md")) for name in names})
        house.shown(number)
        shown = time.perf_counter() - begin - 1.5
        begin = time.perf_counter()
        house.move(names)
        until(lambda: house.events("finished") >= number, "all are finished", every=0.05)
        finished = time.perf_counter() - begin
        until(lambda: house.count("Done") >= number, "all are in Done", every=0.05)
        taken = time.perf_counter() - begin
    if len(house.calls()) != number:
        raise RuntimeError("not every call was made once")
    baseline = raw.seconds(folder, flows=100, calls=max(1, number // 100))
    ratio = (number / taken) / (number / baseline)
    return [
        Figure(
            f"{number} plans of one step, from approval to Done",
            f"{number / taken:.0f} plans/s ({taken:.2f} s; the last call recorded after {finished:.2f} s)",
            f"{number / baseline:.0f} calls/s raw client",
            ratio,
            "at least half the raw client's rate",
            ratio >= 0.5,
            (taken,),
        ),
        Figure(f"{number} plans from Inbox to shown", f"{number / shown:.0f} plans/s ({shown:.2f} s)"),
    ]
