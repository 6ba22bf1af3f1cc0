"""Content beside the log is what its name says, or it is not used."""

from __future__ import annotations

import stat
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signoff.errors import LedgerError
from signoff.ledger.blobs import BlobStore


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "logs" / "blobs")


@pytest.mark.promise("9")
def test_content_is_kept_in_a_file_named_by_its_hash(blobs: BlobStore) -> None:
    name = blobs.put(b"frozen")

    assert name == sha256(b"frozen").hexdigest()
    assert (blobs.folder / name).read_bytes() == b"frozen"
    assert blobs.get(name) == b"frozen"


@pytest.mark.promise("9")
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_content_is_readable_by_its_owner_only(blobs: BlobStore) -> None:
    name = blobs.put(b"private")

    assert stat.S_IMODE((blobs.folder / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(blobs.folder.stat().st_mode) == 0o700


def test_keeping_the_same_twice_keeps_one(blobs: BlobStore) -> None:
    inode = (blobs.folder / blobs.put(b"same")).stat().st_ino
    assert (blobs.folder / blobs.put(b"same")).stat().st_ino == inode
    assert len(list(blobs.folder.iterdir())) == 1


@pytest.mark.parametrize("damage", [b"", b"Frozen", b"frozen and more"])
def test_content_that_was_changed_is_not_used_and_can_be_put_right(blobs: BlobStore, damage: bytes) -> None:
    name = blobs.put(b"frozen")
    (blobs.folder / name).write_bytes(damage)

    with pytest.raises(LedgerError) as refused:
        blobs.get(name)
    assert refused.value.code == "blob-damaged"

    blobs.put(b"frozen")
    assert blobs.get(name) == b"frozen"


def test_content_that_was_deleted_is_missing_and_deleting_it_again_is_fine(blobs: BlobStore) -> None:
    name = blobs.put(b"private")
    blobs.delete(name)
    blobs.delete(name)

    with pytest.raises(LedgerError) as refused:
        blobs.get(name)
    assert refused.value.code == "blob-missing"


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "A" * 64, "a" * 63, "a" * 64 + "/x"])
def test_only_hashes_are_names_of_content(blobs: BlobStore, name: str) -> None:
    with pytest.raises(LedgerError):
        blobs.get(name)
    with pytest.raises(LedgerError):
        blobs.delete(name)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.binary(max_size=20), max_size=6))
def test_many_at_once_come_back_in_order(contents: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        blobs = BlobStore(Path(folder))
        names = blobs.put_many(contents)
        assert [blobs.get(name) for name in names] == contents


def test_the_same_content_from_many_threads_is_kept_once(blobs: BlobStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(blobs.put, [b"one", b"two"] * 20))
    assert len(names) == 2
    assert {path.name for path in blobs.folder.iterdir()} == names


def test_content_that_cannot_be_kept_is_an_error_of_the_ledger(blobs: BlobStore) -> None:
    blobs.folder.rmdir()
    with pytest.raises(LedgerError) as refused:
        blobs.put(b"x")
    assert refused.value.code == "ledger-unavailable"
