"""Events are hints, scans are truth: nothing half-written is read, nothing is missed, idle is idle."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from signoff.watch import Watch
from support.project import Project, eventually, plan, projects, record


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    yield from projects(tmp_path)


def start_deaf(house: Project) -> None:
    """A daemon to which the system tells of no change."""
    program = (
        "from signoff import watch; watch.Watch.start = lambda self: None;"
        "watch.Watch.alive = property(lambda self: True);"
        "from signoff.cli import main; main()"
    )
    house.process = subprocess.Popen(
        [sys.executable, "-c", program, "run", "--config", str(house.config)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=house.environment(),
        start_new_session=True,
    )
    house.await_entry("daemon-started")


@pytest.mark.promise("3")
def test_a_note_that_arrives_in_two_halves_is_read_whole(project: Callable[..., Project]) -> None:
    house = project(settings='[vault]\nsettle = "600ms"\n').start()
    text = plan(record("first"), record("second"))
    half = text.index("2. [ ]")
    path = house.vault / "Inbox" / "A.md"
    with path.open("w") as file:
        file.write(text[:half])
        file.flush()
        time.sleep(0.3)
        file.write(text[half:])

    house.await_note("A.md", "Pending_Approval", "status: pending")
    (frozen,) = house.entries("frozen")
    assert len(frozen.data["steps"]) == 2
    assert not house.entries("refused")


@pytest.mark.promise("3")
def test_a_daemon_that_hears_of_nothing_finds_everything_by_looking(project: Callable[..., Project]) -> None:
    house = project(settings='[vault]\nrescan = "1s"\n')
    start_deaf(house)
    note = house.pending("A.md", plan(record("a")))
    note.rename(house.vault / "Approved" / "A.md")
    house.await_note("A.md", "Done", "status: done")
    assert len(house.calls()) == 1


@pytest.mark.promise("3")
def test_polling_finds_everything_too(project: Callable[..., Project]) -> None:
    house = project(settings='[vault]\npolling = true\nrescan = "1h"\n').start()
    house.approve(house.pending("A.md", plan(record("a"))))
    house.await_note("A.md", "Done", "status: done")


@pytest.mark.promise("3")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="stops the daemon")
def test_after_more_events_than_the_system_keeps_every_plan_is_found(project: Callable[..., Project]) -> None:
    house = project(settings='[vault]\nsettle = "10ms"\nrescan = "1s"\n').start()
    assert house.process is not None
    house.process.send_signal(signal.SIGSTOP)
    inbox = house.vault / "Inbox"
    for number in range(5_000):
        text = plan(record(f"p{number}")) if number % 500 == 0 else f"# Note {number}\n"
        (inbox / f"n{number}.md").write_text(text)
    house.process.send_signal(signal.SIGCONT)

    eventually(lambda: len(house.entries("presented")) == 10, "all ten plans are shown", deadline=30)
    assert len(list(inbox.iterdir())) == 4_990


@pytest.mark.promise("11")
def test_an_idle_daemon_records_reads_and_writes_nothing(project: Callable[..., Project]) -> None:
    house = project(settings='[vault]\nrescan = "1s"\n').start()
    waits = house.pending("Waits.md", plan(record("a")))
    house.approve(house.pending("Ran.md", plan(record("b"))))
    done = house.await_note("Ran.md", "Done", "status: done")
    eventually(lambda: house.entries("moved")[-1].data["to"] == "Done/Ran.md", "the move is recorded")
    time.sleep(1.5)  # what follows from the last write is over
    for path in (waits, done):
        status = path.stat()
        os.utime(path, ns=(10**9, status.st_mtime_ns))  # the next read would renew the time of access
    entries, busy = len(house.entries()), cpu(house)
    stamps = {path: path.stat().st_mtime_ns for path in (waits, done)}

    time.sleep(3.0)

    assert len(house.entries()) == entries
    for path in (waits, done):
        status = path.stat()
        assert status.st_mtime_ns == stamps[path]
        assert status.st_atime_ns == 10**9, "it was read"
    assert cpu(house) - busy < 1.0
    waits.read_text()
    if waits.stat().st_atime_ns == 10**9:
        pytest.skip("this file system keeps no times of access; the rest was tested")


def cpu(house: Project) -> float:
    """Seconds of processor time of the daemon so far."""
    assert house.process is not None
    spent = psutil.Process(house.process.pid).cpu_times()
    return float(spent.user + spent.system)


@pytest.mark.promise("3")
async def test_a_folder_that_was_deleted_and_made_again_is_watched_anew(tmp_path: Path) -> None:
    heard: list[Path] = []
    folder = tmp_path / "Inbox"
    missing = tmp_path / "Approved"
    folder.mkdir()
    watch = Watch([folder, missing], heard.append)
    watch.start()
    try:
        assert watch.alive
        folder.rename(tmp_path / "away")
        folder.mkdir()
        assert not watch.alive
        watch.stop()
        watch.start()
        assert watch.alive
        (folder / "x.md").write_text("x")
        async with asyncio.timeout(10):
            while folder / "x.md" not in heard:
                await asyncio.sleep(0.01)
        missing.mkdir()
        assert not watch.alive
    finally:
        watch.stop()
