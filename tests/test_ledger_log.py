"""What was appended is on the disk before anybody hears of it, in one order, whatever happens."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signoff import durable, system
from signoff.canonical import NotCanonical
from signoff.errors import LedgerDamaged, LedgerError
from signoff.ledger.checkpoint import NAME, ensure_key
from signoff.ledger.entry import Entry, Event
from signoff.ledger.log import Ledger
from signoff.ledger.resume import Repair
from signoff.ledger.verify import verify
from signoff.ledger.walk import read_entries

KEY = Ed25519PrivateKey.generate()


class Clock:
    """A clock that is set by hand."""

    def __init__(self, now: str) -> None:
        self.now = datetime.fromisoformat(now).replace(tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def open_ledger(folder: Path, **options: object) -> Ledger:
    return Ledger.open(folder / "audit", blobs=folder / "blobs", key=KEY, **options)  # type: ignore[arg-type]


def status(folder: Path) -> str:
    return verify(folder / "audit", public_key=KEY.public_key()).status


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    ledger = open_ledger(tmp_path)
    yield ledger
    ledger.close()


def newest(folder: Path) -> Path:
    return max((folder / "audit").glob("*.jsonl"))


@pytest.mark.promise("1.3")
async def test_an_entry_is_on_the_disk_when_append_returns(ledger: Ledger, tmp_path: Path) -> None:
    (entry,) = await ledger.append([Event("intent", plan="p", step="s", attempt=1, data={"to": "ü"})])

    on_disk = json.loads(newest(tmp_path).read_bytes())
    assert on_disk == entry.to_json()
    assert (entry.seq, entry.plan, entry.data) == (1, "p", {"to": "ü"})
    assert list(ledger.entries()) == [entry]
    assert (ledger.size, ledger.head) == (1, entry.hash)


@pytest.mark.promise("1.3")
async def test_nobody_hears_of_an_entry_before_it_is_synced(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    sync = system.sync_file

    def note_sync(fd: int) -> None:
        sync(fd)
        happened.append("synced")

    monkeypatch.setattr(system, "sync_file", note_sync)
    ledger.on_entries = lambda _entries: happened.append("subscriber")

    await ledger.append([Event("a")], on_durable=lambda _entries: happened.append("on_durable"))
    happened.append("appender")

    assert happened[:4] == ["synced", "subscriber", "on_durable", "appender"]


async def test_the_entries_of_one_call_stand_together_and_all_hear_in_order(ledger: Ledger) -> None:
    heard: list[Entry] = []
    ended: list[int] = []
    ledger.on_entries = heard.extend

    async def work(number: int) -> None:
        for turn in range(10):
            entries = await ledger.append(
                [Event("outcome", plan=f"{number}"), Event("intent", plan=f"{number}")]
            )
            assert [entry.event for entry in entries] == ["outcome", "intent"]
            assert entries[1].seq == entries[0].seq + 1
            assert heard[-1].seq >= entries[1].seq, f"the subscriber hears first (turn {turn})"
            ended.append(entries[0].seq)

    await asyncio.gather(*(work(number) for number in range(30)))

    assert ended == sorted(ended)
    assert [entry.seq for entry in heard] == list(range(1, 601))
    assert list(ledger.entries()) == heard


async def test_many_waiting_share_one_write(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs = []
    sync = system.sync_file
    monkeypatch.setattr(system, "sync_file", lambda fd: (syncs.append(fd), sync(fd)))

    await asyncio.gather(*(ledger.append([Event("x")]) for _ in range(200)))

    assert ledger.size == 200
    assert len(syncs) < 100


@pytest.mark.promise("1.3")
async def test_a_caller_who_is_cancelled_does_not_stop_the_record(ledger: Ledger) -> None:
    told = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(ledger.append([Event("outcome", plan="p")], on_durable=told.set_result))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    (entry,) = await told
    assert list(ledger.entries()) == [entry]


async def test_appending_nothing_writes_nothing(ledger: Ledger) -> None:
    assert await ledger.append([]) == []
    assert ledger.size == 0


async def test_a_value_that_cannot_be_recorded_harms_nobody_else(ledger: Ledger) -> None:
    good, bad = await asyncio.gather(
        ledger.append([Event("good")]),
        ledger.append([Event("bad", data={"n": 2**60})]),
        return_exceptions=True,
    )
    assert isinstance(bad, NotCanonical)
    assert isinstance(good, list)
    assert [entry.event for entry in ledger.entries()] == ["good"]


async def test_what_the_caller_changes_later_changes_no_entry(ledger: Ledger) -> None:
    data = {"list": [1.0]}
    (entry,) = await ledger.append([Event("x", data=data)])  # type: ignore[arg-type]
    data["list"].append(2)
    assert next(ledger.entries()) == entry


async def test_after_closing_all_is_there_and_nothing_can_be_added(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    waiting = [asyncio.ensure_future(ledger.append([Event("x")])) for _ in range(20)]
    await asyncio.sleep(0)
    ledger.close()
    ledger.close()

    assert [(await each)[0].seq for each in waiting] == list(range(1, 21))
    with pytest.raises(LedgerError, match="closed"):
        await ledger.append([Event("y")])
    assert json.loads((tmp_path / "audit" / NAME).read_bytes())["size"] == 20


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
async def test_the_log_is_readable_by_its_owner_only(ledger: Ledger, tmp_path: Path) -> None:
    await ledger.append([Event("x")])
    assert stat.S_IMODE((tmp_path / "audit").stat().st_mode) == 0o700
    assert stat.S_IMODE(newest(tmp_path).stat().st_mode) == 0o600


@pytest.mark.promise("9")
async def test_each_month_has_a_file_and_the_chain_goes_through_all(tmp_path: Path) -> None:
    clock = Clock("2026-11-30T23:59:59.999")
    for month in range(3):
        ledger = open_ledger(tmp_path, clock=clock)
        await ledger.append([Event("before"), Event("before")])
        clock.now += timedelta(days=31)
        await ledger.append([Event("after")])
        assert len(list((tmp_path / "audit").glob("*.jsonl"))) == month + 2
        ledger.close()
        assert status(tmp_path) == "unanchored"
    names = sorted(path.name for path in (tmp_path / "audit").glob("*.jsonl"))
    assert names == ["2026-11.jsonl", "2026-12.jsonl", "2027-01.jsonl", "2027-03.jsonl"]
    assert [entry.seq for entry in read_entries(tmp_path / "audit")] == list(range(1, 10))


async def test_a_clock_that_is_set_back_never_turns_the_log_back(tmp_path: Path) -> None:
    clock = Clock("2026-12-01T00:00:00.500")
    ledger = open_ledger(tmp_path, clock=clock)
    await ledger.append([Event("a")])
    clock.now -= timedelta(days=40)
    await ledger.append([Event("b")])
    ledger.close()
    ledger = open_ledger(tmp_path, clock=clock)
    await ledger.append([Event("c")])
    ledger.close()

    assert [path.name for path in (tmp_path / "audit").glob("*.jsonl")] == ["2026-12.jsonl"]
    assert {entry.time for entry in read_entries(tmp_path / "audit")} == {"2026-12-01T00:00:00.500Z"}


async def test_a_month_that_a_failed_write_opened_is_not_left_again(tmp_path: Path) -> None:
    clock = Clock("2026-12-05T00:00:00")
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "2027-01.jsonl").touch()
    ledger = open_ledger(tmp_path, clock=clock)
    (entry,) = await ledger.append([Event("a")])
    ledger.close()

    assert entry.time == "2027-01-01T00:00:00.000Z"
    assert status(tmp_path) == "unanchored"


# ---------------------------------------------------------------- when things go wrong


@pytest.mark.promise("1.3")
async def test_when_the_disk_is_full_nothing_is_half_recorded_and_work_goes_on_later(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ledger.append([Event("before")])
    whole = newest(tmp_path).read_bytes()

    def full(fd: int, data: bytes) -> None:
        os.write(fd, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable, "write_all", full)
    failed = await asyncio.gather(*(ledger.append([Event("x")]) for _ in range(5)), return_exceptions=True)
    monkeypatch.undo()

    assert all(isinstance(each, LedgerError) and "No space left" in each.message for each in failed)
    assert newest(tmp_path).read_bytes() == whole
    assert ledger.failure is None
    (entry,) = await ledger.append([Event("after")])
    assert entry.seq == 2
    assert status(tmp_path) == "unanchored"


@pytest.mark.promise("1.3")
async def test_after_an_fsync_that_failed_nothing_is_believed_any_more(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ledger.append([Event("before")])

    def broken(_fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(system, "sync_file", broken)
    with pytest.raises(LedgerError, match="did not confirm"):
        await ledger.append([Event("x")])
    monkeypatch.undo()

    with pytest.raises(LedgerError, match="did not confirm"):
        await ledger.append([Event("y")])
    assert ledger.failure is not None
    assert [entry.event for entry in ledger.entries()] == ["before"]
    assert status(tmp_path) == "unanchored"


@pytest.mark.promise("1.3")
@pytest.mark.parametrize("deed", ["append", "cut", "delete", "replace"])
async def test_a_log_that_somebody_else_touches_is_not_written_to(
    ledger: Ledger, tmp_path: Path, deed: str
) -> None:
    await ledger.append([Event("before"), Event("before")])
    path = newest(tmp_path)
    if deed == "append":
        with path.open("ab") as file:
            file.write(b"{}\n")
    elif deed == "cut":
        os.truncate(path, 10)
    elif deed == "delete":
        path.unlink()
    else:
        durable.replace(path, path.read_bytes())

    for _ in range(2):
        with pytest.raises(LedgerError, match="another program"):
            await ledger.append([Event("x")])
    assert ledger.failure is not None


async def test_a_subscriber_that_fails_stops_the_ledger(ledger: Ledger) -> None:
    def defective(_entries: list[Entry]) -> None:
        raise KeyError("plan")

    ledger.on_entries = defective
    with pytest.raises(LedgerError, match="failed to take it in") as failed:
        await ledger.append([Event("x")])
    assert failed.value.code == "ledger-subscriber-failed"
    with pytest.raises(LedgerError):
        await ledger.append([Event("y")])
    assert [entry.event for entry in ledger.entries()] == ["x"]


async def test_a_defect_of_the_writer_is_told_to_those_who_wait(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defective(_drafts: object) -> list[Entry]:
        raise ZeroDivisionError

    monkeypatch.setattr(ledger._writer, "append", defective)
    with pytest.raises(LedgerError, match="ZeroDivisionError"):
        await ledger.append([Event("x")])


async def test_a_checkpoint_that_cannot_be_written_does_not_stop_the_record(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable, "replace", full)
    ledger._said = 0
    await ledger.append([Event("x")])
    await ledger.append([Event("y")])
    assert ledger.failure is None


@pytest.mark.promise("9")
async def test_a_running_daemon_signs_what_is_durable(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed, write = threading.Event(), ledger._writer.checkpoint

    def checkpoint() -> None:
        write()
        signed.set()

    monkeypatch.setattr(ledger._writer, "checkpoint", checkpoint)
    (entry,) = await ledger.append([Event("x")])
    assert await asyncio.to_thread(signed.wait, 30)

    found = json.loads((tmp_path / "audit" / NAME).read_bytes())
    assert (found["size"], found["head"]) == (1, entry.hash)


# ---------------------------------------------------------------- opening


@pytest.mark.promise("9")
@pytest.mark.parametrize("kept", [1, 20, -1])
async def test_a_torn_tail_is_cut_kept_and_recorded(tmp_path: Path, kept: int) -> None:
    ledger = open_ledger(tmp_path)
    await ledger.append([Event("a"), Event("b")])
    ledger.close()
    path = newest(tmp_path)
    whole = path.read_bytes()
    partial = whole.splitlines(keepends=True)[1][:kept]
    path.write_bytes(whole + partial)
    assert status(tmp_path) == "torn tail"
    repairs: list[Repair] = []

    ledger = open_ledger(tmp_path, on_repair=repairs.append)
    entries = list(ledger.entries())
    ledger.close()

    (repair,) = repairs
    assert repair.kept.read_bytes() == partial
    assert (repair.offset, repair.cut) == (len(whole), len(partial))
    assert [entry.event for entry in entries] == ["a", "b", "repaired"]
    assert entries[2].data["kept"] == repair.kept.name
    assert path.read_bytes().startswith(whole)
    assert status(tmp_path) == "unanchored"


@pytest.mark.promise("9")
async def test_a_damaged_log_is_not_opened_and_not_changed(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    await ledger.append([Event("a", data={"amount": 100}), Event("b")])
    ledger.close()
    path = newest(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"100", b"900"))
    before = {each: each.read_bytes() for each in (tmp_path / "audit").iterdir()}

    with pytest.raises(LedgerDamaged) as refused:
        open_ledger(tmp_path)

    assert (refused.value.code, refused.value.file, refused.value.line) == ("tampered", str(path), 1)
    assert {each: each.read_bytes() for each in (tmp_path / "audit").iterdir()} == before


@pytest.mark.promise("9")
@pytest.mark.parametrize("missing", ["lines", "file", "bytes"])
async def test_a_log_shorter_than_its_checkpoint_is_not_opened(tmp_path: Path, missing: str) -> None:
    ledger = open_ledger(tmp_path)
    await ledger.append([Event("a"), Event("b")])
    ledger.close()
    path = newest(tmp_path)
    whole = path.read_bytes()
    if missing == "file":
        path.unlink()
    else:
        path.write_bytes(whole[: whole.index(b"\n") + 1] if missing == "lines" else whole[:-1])

    with pytest.raises(LedgerDamaged) as refused:
        open_ledger(tmp_path)
    assert refused.value.code == "truncated"


async def test_a_log_that_is_gone_while_its_blobs_are_there_is_not_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / ("ab" * 32)).touch()
    with pytest.raises(LedgerDamaged) as refused:
        open_ledger(tmp_path)
    assert refused.value.code == "truncated"


async def test_a_crash_between_the_first_blob_and_the_first_entry_is_no_damage(tmp_path: Path) -> None:
    open_ledger(tmp_path).close()
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / ("ab" * 32)).touch()
    open_ledger(tmp_path).close()
    assert status(tmp_path) == "unanchored"


async def test_what_came_after_the_checkpoint_is_read_entry_by_entry(tmp_path: Path) -> None:
    clock = Clock("2026-11-30T12:00:00")
    ledger = open_ledger(tmp_path, clock=clock)
    await ledger.append([Event("a", data={"long": "x" * 20_000})])
    ledger.close()
    early = (tmp_path / "audit" / NAME).read_bytes()
    ledger = open_ledger(tmp_path, clock=clock)
    await ledger.append([Event("b")])
    clock.now += timedelta(days=1)
    await ledger.append([Event("c")])
    ledger.close()
    (tmp_path / "audit" / NAME).write_bytes(early)  # as after a crash

    ledger = open_ledger(tmp_path, clock=clock)
    (entry,) = await ledger.append([Event("d")])
    ledger.close()
    assert entry.seq == 4
    assert status(tmp_path) == "unanchored"

    (tmp_path / "audit" / NAME).write_bytes(early)
    path = tmp_path / "audit" / "2026-12.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"event":"c"', b'"event":"C"'))
    with pytest.raises(LedgerDamaged) as refused:
        open_ledger(tmp_path)
    assert (refused.value.file, refused.value.line) == (str(path), 1)


async def test_a_folder_that_cannot_hold_the_log_is_explained(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("a file")
    with pytest.raises(LedgerError, match="Nothing was started"):
        open_ledger(tmp_path)


# ---------------------------------------------------------------- real crashes and real full disks

APPEND = """
import asyncio, sys
from pathlib import Path
from signoff.ledger.checkpoint import ensure_key
from signoff.ledger.entry import Event
from signoff.ledger.log import Ledger

folder = Path(sys.argv[1])
ledger = Ledger.open(folder / "audit", blobs=folder / "blobs", key=ensure_key(folder / "checkpoint.key"))

async def work():
    while True:
        entries = await ledger.append([Event("outcome", data={"x": "y" * 3000}), Event("intent")])
        print(*(entry.hash for entry in entries), flush=True)

async def main():
    await asyncio.gather(*(work() for _ in range(5)))

asyncio.run(main())
"""


@pytest.mark.promise("1.3")
@pytest.mark.skipif(sys.platform == "win32", reason="kills with a signal")
@pytest.mark.parametrize("lines", [1, 37, 150])
def test_what_a_killed_process_was_told_is_recorded_is_there(tmp_path: Path, lines: int) -> None:
    acknowledged: set[str] = set()
    for life in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", APPEND, tmp_path], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for _ in range(lines):
                acknowledged.update(process.stdout.readline().split())
            process.send_signal(signal.SIGKILL)
            acknowledged.update(
                hash_ for line in process.stdout if line[-1] == "\n" for hash_ in line.split()
            )

        key = ensure_key(tmp_path / "checkpoint.key")
        verdict = verify(tmp_path / "audit", public_key=key.public_key())
        assert verdict.status in {"unanchored", "torn tail"}, verdict
        recorded = {entry.hash for entry in read_entries(tmp_path / "audit")}
        assert len(acknowledged) >= 2 * lines * (life + 1)
        assert acknowledged <= recorded


FILL = """
import asyncio, sys
from pathlib import Path
from signoff.errors import LedgerError
from signoff.ledger.checkpoint import ensure_key
from signoff.ledger.entry import Event
from signoff.ledger.log import Ledger

folder = Path(sys.argv[1])
ledger = Ledger.open(folder / "audit", blobs=folder / "blobs", key=ensure_key(Path(sys.argv[2])))

async def main():
    {limit}
    recorded = 0
    try:
        while True:
            recorded = (await ledger.append([Event("x", data={{"x": "y" * 5000}})]))[-1].seq
    except LedgerError as error:
        print(error)
    assert ledger.size == recorded
    {relief}
    print((await ledger.append([Event("after")]))[0].seq - recorded)
    ledger.close()

asyncio.run(main())
"""


def fill(folder: Path, key: Path, *, limit: str, relief: str, before: list[str]) -> list[str]:
    command = [*before, sys.executable, "-c", FILL.format(limit=limit, relief=relief), str(folder), str(key)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.promise("1.3")
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_a_write_that_the_system_cuts_short_is_taken_back(tmp_path: Path) -> None:
    message, after = fill(
        tmp_path,
        tmp_path / "checkpoint.key",
        limit="import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, -1))",
        relief="resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))",
        before=[],
    )
    assert "File too large" in message
    assert after == "1"
    key = ensure_key(tmp_path / "checkpoint.key")
    assert verify(tmp_path / "audit", public_key=key.public_key()).status == "unanchored"


def can_mount() -> bool:
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    return subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.promise("1.3")
@pytest.mark.skipif(not can_mount(), reason="needs to mount a small file system")
def test_a_disk_that_is_really_full_is_told_and_survived(tmp_path: Path) -> None:
    small, key = tmp_path / "small", tmp_path / "checkpoint.key"
    small.mkdir()
    mount = f'mount -t tmpfs -o size=256k tmpfs {small} && cp -r {tmp_path}/start/. {small} && "$@"'
    keep = f"{mount} && cp -r {small}/audit {tmp_path}/audit"
    (tmp_path / "start").mkdir()
    (tmp_path / "start" / "ballast").write_bytes(b"x" * 50_000)

    message, after = fill(
        small,
        key,
        limit="pass",
        relief=f"Path({str(small / 'ballast')!r}).unlink()",
        before=["unshare", "-m", "sh", "-c", keep, "sh"],
    )

    assert "No space left on device" in message
    assert after == "1"
    assert verify(tmp_path / "audit", public_key=ensure_key(key).public_key()).status == "unanchored"


@pytest.fixture(autouse=True)
def no_writer_is_left() -> Iterator[None]:
    yield
    for thread in threading.enumerate():
        if thread.name == "ledger":
            thread.join(10)
            assert not thread.is_alive()
