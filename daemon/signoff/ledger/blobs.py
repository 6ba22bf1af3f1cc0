"""Content kept beside the log, each in a file named by its SHA-256, readable by the owner only.

The log holds the hashes, so content may be deleted after a time without breaking the chain, and
content that was changed is found when it is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from signoff import durable, system
from signoff.canonical import sha256_hex
from signoff.errors import LedgerError
from signoff.ledger.journal import Journal

_NAME = re.compile(r"[0-9a-f]{64}")
_AT_ONCE = 16  # fsyncs in flight: the file system writes them out together
_MODE = 0o600


class BlobStore:
    """A folder of blobs. All methods block; they may be called from several threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._journal = Journal(folder.with_name("journal"), self.put_many)
        system.make_owner_only_directory(folder)

    def put(self, data: bytes) -> str:
        """Keeps content, durable on return, and says its hash; content that is there already is kept.

        Raises:
            LedgerError: it could not be written.
        """
        name = sha256_hex(data)
        path = self.folder / name
        try:
            if self._holds(path, data):
                durable.sync_directory(self.folder)
            else:
                durable.replace(path, data, mode=_MODE)
        except OSError as error:
            raise _not_kept(error, path) from error
        return name

    def put_many(self, contents: Iterable[bytes]) -> list[str]:
        """As `put` for each, at the cost of a few.

        Raises:
            LedgerError: one could not be written; others may have been.
        """
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="blobs") as pool:
            return list(pool.map(self.put, contents))

    def keep(self, contents: Sequence[bytes]) -> None:
        """As `put` for each, at the cost of one wait for the disk: files of their own follow.

        For one thread at a time.

        Raises:
            LedgerError: none of it is kept.
        """
        try:
            self._journal.keep([(sha256_hex(data), data) for data in contents])
        except OSError as error:
            raise _not_kept(error, self._journal.folder) from error

    def recover(self) -> None:
        """Gives content that was kept right before a crash its files.

        Raises:
            LedgerError: some of it could not be; it is still kept.
        """
        try:
            self._journal.recover()
        except OSError as error:
            raise _not_kept(error, self.folder) from error

    def hurry(self) -> None:
        """Has what was kept given its files at once, without waiting for that."""
        self._journal.hurry()

    def close(self) -> None:
        """Gives all that was kept its files."""
        self._journal.close()

    def get(self, name: str) -> bytes:
        """The content with a hash.

        Raises:
            LedgerError: `blob-missing`, or `blob-damaged` where the content has another hash.
        """
        path = self._path(name)
        try:
            data = self._read(path)
        except FileNotFoundError as error:
            raise LedgerError(
                f"The content with the hash {name[:12]}… is gone; it may have been deleted after its time.",
                code="blob-missing",
                file=str(path),
            ) from error
        except OSError as error:
            raise LedgerError(f"Content could not be read: {error.strerror}.", file=str(path)) from error
        if sha256_hex(data) != name:
            raise LedgerError(
                f"The content with the hash {name[:12]}… was changed; it is not used.",
                code="blob-damaged",
                hint="Bring it back from a backup, or present the plan again.",
                file=str(path),
            )
        return data

    def delete(self, name: str) -> None:
        """Deletes content, durably; what is gone already is fine."""
        if self._journal.get(name) is not None:
            self._journal.settle()
        durable.remove(self._path(name))

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            waiting = self._journal.get(path.name)
            return path.read_bytes() if waiting is None else waiting  # it may have got its file just now

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise LedgerError(f"{name!r} is not the name of a blob.", code="blob-missing")
        return self.folder / name

    @staticmethod
    def _holds(path: Path, data: bytes) -> bool:
        try:
            return path.stat().st_size == len(data) and path.read_bytes() == data
        except FileNotFoundError:
            return False


def _not_kept(error: OSError, path: Path) -> LedgerError:
    return LedgerError(
        f"Content could not be kept: {error.strerror or error}.",
        hint="Make room on the disk of the logs folder, or give the daemon access to it.",
        file=str(path),
    )
