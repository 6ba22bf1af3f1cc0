"""What a large vault costs: at rest, at the start, and for one event."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import Figure, spread
from benchmarks.house import House, plan, running, until
from signoff import system
from signoff.ledger.checkpoint import ensure_key
from signoff.ledger.entry import Event, draft
from signoff.ledger.resume import resume
from signoff.ledger.writer import Writer

MB = 1024 * 1024


def idle(folder: Path, *, quick: bool, profile: Path | None = None) -> list[Figure]:
    """A daemon over many finished plans, with their notes in `Done/` and their entries in the ledger."""
    notes, rest = (10_000, 5.0) if quick else (100_000, 20.0)
    place = folder / "idle"
    place.mkdir()
    house = House(place)
    house.start()  # makes the folders and the key
    house.stop()
    _old_notes(house, notes)
    write_history(house, notes)
    first = house.start(profile=profile)
    until(lambda: _rested(house), "the daemon rests", every=1.0)
    house.stop()
    again = house.start()
    until(lambda: _rested(house), "the daemon rests", every=1.0)
    before, begin = house.cpu_seconds(), time.perf_counter()
    time.sleep(rest)
    share = (house.cpu_seconds() - before) / (time.perf_counter() - begin) * 100
    memory = house.daemon().memory_info().rss / MB
    house.stop()
    shutil.rmtree(place)
    return [
        Figure(f"idle, {notes:,} notes in Done: processor", f"{share:.2f} % of a core over {rest:.0f} s",
               target="under 1 %", met=share < 1.0, samples=(share,)),
        Figure("the same: memory", f"{memory:.0f} MB", target="under 150 MB", met=memory < 150,
               samples=(memory,)),
        Figure("the same: start to ready", f"{again:.2f} s; the first time {first:.2f} s",
               target="under 3 s", met=max(first, again) < 3.0, samples=(first, again)),
    ]  # fmt: skip


def _rested(house: House) -> bool:
    before = house.cpu_seconds()
    time.sleep(1.0)
    return house.cpu_seconds() - before < 0.05


def _old_notes(house: House, notes: int) -> None:
    """The notes of plans that have ended, and what a daemon remembers of them when it stops."""
    text = plan("ID", front="status: done\n")
    for number in range(notes):
        name = f"old-{number:06}"
        (house.vault / "Done" / f"{name}.md").write_text(text.replace("ID", name))
    with os.scandir(house.vault / "Done") as entries:
        found = {f"Done/{entry.name}": entry.stat() for entry in entries}
    stamps = {name: [status.st_size, status.st_mtime_ns, status.st_ino] for name, status in found.items()}
    (house.logs / "state" / "notes.json").write_text(json.dumps(stamps))


def write_history(house: House, plans: int) -> int:
    """The ledger of so many plans that have ended, eight entries each; the number of entries."""
    key = ensure_key(house.config / "secrets" / "checkpoint.key")
    directory = house.logs / "audit"
    system.make_owner_only_directory(directory)
    resumed = resume(directory, public_key=key.public_key(), blobs=house.logs / "blobs")
    writer = Writer(directory, resumed, key=key)
    for start in range(0, plans, 1000):
        names = [f"old-{number:06}" for number in range(start, min(start + 1000, plans))]
        writer.append([draft(event) for name in names for event in _life(name)])
    writer.checkpoint()
    entries = writer.chain.seq
    writer.close()
    return entries


def _life(name: str) -> Iterator[Event]:
    digest = "0" * 64
    steps = [
        {"id": "step-1", "name": "Step 1", "action": "stub.record", "call": "stub.record", "risk": "medium"}
    ]
    yield Event("frozen", plan=name, digest=digest, data={
        "path": f"Pending_Approval/{name}.md", "title": "A plan", "steps": steps, "risk": "medium",
        "needs": {"method": "edit", "approvers": 1}, "proposed_by": None, "priority": "normal",
        "expires": None, "replaces": None, "spent": []})  # fmt: skip
    yield Event("presented", plan=name, digest=digest)
    yield Event("approved", plan=name, approver="ana", digest=digest, data={
        "method": "edit", "gesture": "move", "expires": "2099-01-01T00:00:00+00:00", "note": None,
        "complete": True})  # fmt: skip
    yield Event("started", plan=name, digest=digest)
    yield Event("intent", plan=name, step="step-1", attempt=1, server="stub", tool="record", digest=digest)
    yield Event("outcome", plan=name, step="step-1", attempt=1, server="stub", tool="record", digest=digest,
                data={"class": "done", "ms": 1.0})  # fmt: skip
    yield Event("finished", plan=name, digest=digest, data={"status": "done"})
    yield Event("moved", plan=name, data={"from": f"Approved/{name}.md", "to": f"Done/{name}.md"})


def event_cost(folder: Path, *, quick: bool, profile: Path | None = None) -> list[Figure]:
    """Processor time of freezing and showing one plan, in an empty vault and in one with many notes."""
    many, samples = (5_000, 2) if quick else (30_000, 5)
    costs = {}
    for notes in (0, many):
        place = folder / f"events-{notes}"
        place.mkdir()
        house = House(place)
        house.start()
        house.stop()
        for index in range(notes):
            name = house.vault / "Done" / f"old-{index:06}.md"
            name.write_text("---\nstatus: done\n---\n# Old\n")
        with running(house, profile=profile):
            until(lambda: _rested(house), "the daemon rests", every=1.0)  # noqa: B023
            costs[notes] = [_events(house, f"event-{notes}-{index}") for index in range(samples)]
        shutil.rmtree(place)
    small, large = (statistics.median(costs[notes]) for notes in (0, many))
    return [
        Figure(
            f"processor time of one event, {many:,} notes in the vault",
            spread(costs[many], "ms", 1),
            f"{spread(costs[0], 'ms', 1)} in an empty vault",
            large / small,
            "does not grow with the notes",
            large / small < 1.3,
            tuple(costs[many]),
        )
    ]


TOGETHER = 10
"""Events in one sample: the system counts processor time in hundredths of a second."""


def _events(house: House, name: str) -> float:
    """Milliseconds of processor time for freezing and showing one plan, over ten of them one by one."""
    before = house.cpu_seconds()
    for index in range(TOGETHER):
        number = house.events("presented")
        house.drop({f"{name}-{index}.md": plan(f"{name}-{index}")})
        until(lambda known=number: house.events("presented") > known, "the plan is shown", every=0.05)
    time.sleep(0.3)
    return (house.cpu_seconds() - before) * 1000 / TOGETHER
