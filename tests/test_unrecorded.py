"""Nothing runs unrecorded: a full or read-only disk, and a log that somebody changed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.project import Project, eventually, plan, projects, record

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prlimit and mounts are Linux's")
root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounts need root")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    yield from projects(tmp_path)


def slow(seconds: float) -> str:
    return f"action: stub.slow\nwith:\n  seconds: {seconds}\n  text: slow\n"


def newest(house: Project) -> Path:
    return max((house.logs / "audit").glob("*.jsonl"))


def limit(house: Project, size: int | None) -> None:
    """No file may grow beyond so many bytes: the kernel refuses, as it does on a full disk."""
    import resource

    assert house.process is not None
    _, hard = resource.prlimit(house.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(house.process.pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))


def log(house: Project) -> str:
    return (house.logs / "signoff.log").read_text()


@linux
@pytest.mark.promise("1.3")
def test_an_approval_that_cannot_be_recorded_leads_to_no_call_until_it_can(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    note = house.pending("A.md", plan(record("a")))
    limit(house, newest(house).stat().st_size + 10)

    house.approve(note)

    eventually(lambda: "could not be recorded" in log(house), "the log says it")
    assert house.calls() == []
    assert house.entries("approved") == []
    limit(house, None)
    house.await_note("A.md", "Done", "status: done")
    assert len(house.calls()) == 1


@linux
@pytest.mark.promise("1.3")
def test_a_call_that_ended_while_nothing_could_be_recorded_is_recorded_later_and_not_repeated(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    house.approve(house.pending("A.md", plan(slow(1.0), record("after"))))
    house.await_calls(1)
    limit(house, newest(house).stat().st_size + 10)

    eventually(
        lambda: "Nothing is called while the audit log cannot be written" in log(house), "the log says it"
    )
    time.sleep(2.5)  # some attempts at recording later
    assert [call["tool"] for call in house.calls()] == ["slow"]
    assert house.entries("outcome") == []
    assert log(house).count("Nothing is called while") == 1

    limit(house, None)
    house.await_note("A.md", "Done", "status: done")
    assert [call["tool"] for call in house.calls()] == ["slow", "record"]
    assert "can be written again" in log(house)


@linux
@pytest.mark.promise("10")
def test_a_daemon_that_cannot_record_still_ends_in_time(project: Callable[..., Project]) -> None:
    house = project().start()
    house.approve(house.pending("A.md", plan(slow(0.5), record("after"))))
    house.await_calls(1)
    limit(house, newest(house).stat().st_size + 10)
    eventually(lambda: "Nothing is called while" in log(house), "the log says it")

    begun = time.monotonic()
    house.stop()
    assert time.monotonic() - begun < 10.0

    house.start()
    house.await_note("A.md", "Failed", "It did not happen")
    assert [call["tool"] for call in house.calls()] == ["slow"]


def quiet(house: Project) -> bool:
    """Nothing has been recorded for a while."""
    before = newest(house).stat().st_size
    time.sleep(1.5)
    return newest(house).stat().st_size == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@linux
@root
@pytest.mark.promise("1.3")
def test_on_a_full_disk_nothing_is_called_and_it_goes_on_when_there_is_room_again(
    project: Callable[..., Project], small_disk: Path
) -> None:
    house = project(settings=f'[logs]\npath = "{small_disk}/logs"\n')
    house.logs = small_disk / "logs"
    house.start()
    note = house.pending("A.md", plan(record("a"), record("b")))
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)

    house.approve(note)
    eventually(lambda: house.find("A.md") != note or quiet(house), "the disk is full")
    assert len(house.calls()) <= len(house.entries("intent"))  # the last page may have held an entry or two
    filler.unlink()

    house.await_note("A.md", "Done", "status: done")
    assert [call["arguments"]["text"] for call in house.calls()] == ["a", "b"]


@linux
@root
@pytest.mark.promise("1.5")
def test_a_vault_that_cannot_be_written_is_caught_up_with_when_it_can(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    note = house.pending("A.md", plan(slow(1.5)))
    house.approve(note)
    house.await_calls(1)
    if subprocess.run(["mount", "--bind", house.vault, house.vault], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", house.vault], check=True)
        house.await_entry("finished", status="done")
        eventually(lambda: "was not written" in log(house), "the log says it")
    finally:
        subprocess.run(["umount", "-l", house.vault], check=True)
    house.await_note("A.md", "Done", "status: done")
    assert len(house.calls()) == 1


# ---------------------------------------------------------------- a log that somebody changed


def edited(text: bytes) -> bytes:
    return text.replace(b'"stub.record"', b'"stub.wipe"', 1) if b'"stub.record"' in text else b"x" + text


def cut(text: bytes) -> bytes:
    return b"".join(text.splitlines(keepends=True)[:-3])


def reordered(text: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    lines[1], lines[2] = lines[2], lines[1]
    return b"".join(lines)


def without_one(text: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    return b"".join(lines[:3] + lines[4:])


def emptied(_: bytes) -> bytes:
    return b""


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a plan that has run."""
    house = Project(tmp_path_factory.mktemp("used") / "house")
    house.drop("A.md", plan(record("a")))
    assert house.once().returncode == 0
    house.approve(house.vault / "Pending_Approval" / "A.md")
    assert house.once().returncode == 0
    assert (house.vault / "Done" / "A.md").exists()
    return house


@pytest.mark.promise("9")
@pytest.mark.parametrize("change", [edited, cut, reordered, without_one, emptied])
def test_a_log_that_was_changed_while_the_daemon_was_down_keeps_it_down(
    used: Project, change: Callable[[bytes], bytes]
) -> None:
    used.drop("Next.md", plan(record("next")))
    file = newest(used)
    good = file.read_bytes()
    file.write_bytes(change(good))
    try:
        ended = used.once()
        assert ended.returncode == 4, ended.stderr
        assert "Nothing was started" in ended.stderr
        assert "Traceback" not in ended.stderr
        assert file.read_bytes() == change(good)
        assert (used.vault / "Inbox" / "Next.md").exists()
    finally:
        file.write_bytes(good)


@pytest.mark.promise("9")
def test_a_log_that_is_gone_keeps_the_daemon_down(used: Project) -> None:
    file = newest(used)
    aside = file.rename(file.with_suffix(".aside"))
    try:
        assert used.once().returncode == 4
    finally:
        aside.rename(file)


@pytest.mark.promise("9")
def test_a_last_line_that_is_not_whole_is_mended_with_a_record(used: Project) -> None:
    with newest(used).open("ab") as file:
        file.write(b'{"approver":null,"attempt":1,"da')
    ended = used.once()
    assert ended.returncode == 0, ended.stderr
    (repaired,) = used.entries("repaired")
    assert repaired.data["bytes"] == 32
    assert used.once().returncode == 0
