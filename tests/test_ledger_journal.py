"""Results are durable together before the log speaks of them, and each has a file of its own soon after."""

from __future__ import annotations

import asyncio
import os
import stat
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff import durable, system
from signoff.errors import LedgerError
from signoff.ledger import journal
from signoff.ledger.blobs import BlobStore
from signoff.ledger.entry import Event
from signoff.ledger.journal import records
from signoff.ledger.log import Ledger
from support.project import eventually


def name_of(data):
    return sha256(data).hexdigest()


@pytest.fixture
def logs(tmp_path):
    return tmp_path / "logs"


@pytest.fixture
def blobs(logs):
    store = BlobStore(logs / "blobs")
    yield store
    store.close()


def left_behind(logs):
    return [file.read_bytes() for file in sorted((logs / "journal").iterdir())]


@pytest.mark.promise("9")
def test_what_is_kept_can_be_read_at_once_and_has_its_own_file_after_closing(blobs):
    contents = [b"one", b"two\n\n", b"", b"one"]
    blobs.keep(contents)
    assert [blobs.get(name_of(data)) for data in contents] == contents
    blobs.close()
    assert {file.name for file in blobs.folder.iterdir()} == {name_of(data) for data in contents}
    assert list(blobs.folder.with_name("journal").iterdir()) == []
    assert [blobs.get(name_of(data)) for data in contents] == contents


@pytest.mark.promise("9")
def test_it_gets_its_own_file_without_anybody_asking_and_only_the_owner_may_read_it(blobs):
    blobs.keep([b"private"])
    path = blobs.folder / name_of(b"private")
    eventually(path.exists, "the content has its file")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_after_a_crash_what_was_kept_is_there_and_gets_its_file(logs):
    crashed = BlobStore(logs / "blobs")
    crashed._journal._begin = lambda: None  # it dies before any file is made
    crashed.keep([b"one", b"two"])
    crashed.keep([b"three"])
    another = BlobStore(logs / "blobs")  # as a command sees it, with no daemon there
    assert another.get(name_of(b"three")) == b"three"
    another.recover()
    assert {file.name for file in another.folder.iterdir()} == {
        name_of(b) for b in (b"one", b"two", b"three")
    }
    assert left_behind(logs) == []


@given(st.lists(st.binary(max_size=30), max_size=5), st.integers(0, 400))
def test_a_torn_end_costs_nothing_that_was_kept_before_it(contents, cut):
    whole = [b"%s %d\n%s\n" % (name_of(data).encode(), len(data), data) for data in contents]
    data = b"".join(whole)[: max(0, len(b"".join(whole)) - cut)]
    found = list(records(data))
    kept = [content for _, content in found]
    assert kept == contents[: len(kept)]
    complete = 0
    while complete < len(whole) and len(b"".join(whole[: complete + 1])) - 1 <= len(data):
        complete += 1
    assert len(kept) >= complete


def test_content_that_was_changed_in_the_journal_is_not_used(logs):
    crashed = BlobStore(logs / "blobs")
    crashed._journal._begin = lambda: None
    crashed.keep([b"one"])
    [file] = (logs / "journal").iterdir()
    file.write_bytes(file.read_bytes().replace(b"\none", b"\nTWO"))
    with pytest.raises(LedgerError) as raised:
        BlobStore(logs / "blobs").get(name_of(b"one"))
    assert raised.value.code == "blob-missing"


def test_where_the_disk_does_not_take_it_nothing_is_said_to_be_kept_and_the_next_is(blobs, monkeypatch):
    blobs.keep([b"before"])
    real = system.sync_file

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(system, "sync_file", full)
    with pytest.raises(LedgerError, match="No space left"):
        blobs.keep([b"lost"])
    monkeypatch.setattr(system, "sync_file", real)
    blobs.keep([b"after"])
    assert blobs.get(name_of(b"before")) == b"before"
    assert blobs.get(name_of(b"after")) == b"after"


@pytest.mark.parametrize("fails", ["logs", "journal"])
def test_content_is_not_kept_before_the_name_of_its_file_is_durable(blobs, monkeypatch, fails):
    synced, real = [], durable.sync_directory

    def sync(folder):
        if folder.name == fails and folder not in synced:
            synced.append(folder)
            raise OSError(5, "Input/output error")
        synced.append(folder)
        real(folder)

    monkeypatch.setattr(durable, "sync_directory", sync)
    with pytest.raises(LedgerError):
        blobs.keep([b"lost"])
    blobs.keep([b"kept"])
    assert fails in [folder.name for folder in synced[1:]]


def test_where_no_file_can_be_made_the_content_stays_in_the_journal(logs, monkeypatch):
    store = BlobStore(logs / "blobs")
    store._journal._begin = lambda: None
    store.keep([b"one"])

    def refuse(contents):
        raise LedgerError("no")

    monkeypatch.setattr(store._journal, "_give_files", refuse)
    with pytest.raises(LedgerError):
        store._journal.settle()
    assert store.get(name_of(b"one")) == b"one"
    assert BlobStore(logs / "blobs").get(name_of(b"one")) == b"one"


def test_where_no_thread_can_be_had_for_a_while_the_files_follow_later(blobs, monkeypatch):
    real, failures = blobs._journal._give_files, [RuntimeError("can't start new thread")]

    def give(contents):
        if failures:
            raise failures.pop()
        return real(contents)

    monkeypatch.setattr(journal, "AGAIN", 0.01)
    monkeypatch.setattr(blobs._journal, "_give_files", give)
    blobs.keep([b"one"])
    eventually((blobs.folder / name_of(b"one")).exists, "the content has its file")


def test_content_is_durable_before_the_entry_that_speaks_of_it(logs, monkeypatch):
    """Every fsync says what it made durable: the journal's comes first."""
    order = []
    real = system.sync_file

    def noted(fd):
        real(fd)
        order.append(os.path.basename(os.path.dirname(os.readlink(f"/proc/self/fd/{fd}"))))

    blobs = BlobStore(logs / "blobs")
    blobs._journal._begin = lambda: None

    async def run():
        ledger = Ledger.open(logs / "audit", blobs=blobs.folder, key=None, keep=blobs.keep)
        monkeypatch.setattr(system, "sync_file", noted)
        try:
            await ledger.append([Event("outcome", data={"result": name_of(b"r")})], contents=[b"r"])
        finally:
            ledger.close()

    asyncio.run(run())
    assert order == ["journal", "audit"]


def test_an_entry_whose_content_cannot_be_kept_is_not_recorded(logs):
    def refuse(contents):
        raise LedgerError("The disk is full.")

    async def run():
        ledger = Ledger.open(logs / "audit", blobs=logs / "blobs", key=None, keep=refuse)
        try:
            with pytest.raises(LedgerError, match="full"):
                await ledger.append([Event("outcome")], contents=[b"r"])
            await ledger.append([Event("started")])
            return [entry.event for entry in ledger.entries()]
        finally:
            ledger.close()

    assert asyncio.run(run()) == ["started"]
