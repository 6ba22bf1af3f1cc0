"""Appends to the log durably: all of a group or nothing. Synchronous; for one thread at a time.

What is on the disk is never assumed. A write that fails is cut off again. After an fsync that failed
nobody knows what is on the disk, so the writer refuses all further work; so it does when the file was
changed or moved by somebody else. A crash can leave a beginning of a group that nobody was told of.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signoff import durable, system
from signoff.errors import LedgerError
from signoff.ledger.chain import Chain
from signoff.ledger.checkpoint import Covered, sign, write_checkpoint
from signoff.ledger.entry import Draft, Entry
from signoff.ledger.resume import Resumed

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

Clock = Callable[[], datetime]
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


class Writer:
    """The end of a log.

    Attributes:
        failure: why it takes no more entries, or None.
        unsaid: entries that the last checkpoint does not cover.
    """

    def __init__(
        self, directory: Path, resumed: Resumed, *, key: Ed25519PrivateKey | None, clock: Clock = utc_now
    ) -> None:
        self.failure: LedgerError | None = None
        self.unsaid = not resumed.has_checkpoint or resumed.chain.seq > 0
        self._directory = directory
        self._chain = resumed.chain
        self._key = key
        self._clock = clock
        self._closed = {
            file.name: Covered(resumed.sizes[file], running.hexdigest())
            for file, running in resumed.hashes.items()
            if resumed.sizes[file]
        }
        self._fd = -1
        self._file = directory / "none"
        self._size = 0
        self._hash: Hash = hashlib.sha256()
        if resumed.hashes:
            newest = list(resumed.hashes)[-1]
            fd = os.open(newest, _FLAGS, 0o600)
            self._adopt(fd, newest, resumed.sizes[newest], resumed.hashes[newest])

    @property
    def chain(self) -> Chain:
        """Where the log ends, durably."""
        return self._chain

    def append(self, drafts: Sequence[Draft]) -> list[Entry]:
        """Adds entries, in this order; durable on return.

        Raises:
            LedgerError: nothing was added.
        """
        if self.failure is not None:
            raise self.failure
        time, month = self._next_time()
        try:
            self._open_month(month)
        except OSError as error:
            raise _unwritten(error, self._file) from error
        self._require_untouched(self._size)
        chain = self._chain.copy()
        lines, entries = [], []
        for draft in drafts:
            line, entry = chain.add(draft, time)
            lines.append(line)
            entries.append(entry)
        data = b"".join(lines)
        self._write(data)
        self._chain = chain
        self._size += len(data)
        self._hash.update(data)
        self.unsaid = True
        return entries

    def _write(self, data: bytes) -> None:
        try:
            durable.write_all(self._fd, data)
        except OSError as error:
            self._take_back()
            raise _unwritten(error, self._file) from error
        try:
            system.sync_file(self._fd)
        except OSError as error:
            self.failure = _unsynced(error, self._file)
            self._take_back()
            raise self.failure from error
        self._require_untouched(self._size + len(data))

    def _take_back(self) -> None:
        """Cuts off what was written after the last durable entry."""
        try:
            os.ftruncate(self._fd, self._size)
            system.sync_file(self._fd)
        except OSError as error:
            self.failure = self.failure or _unsynced(error, self._file)

    def _next_time(self) -> tuple[str, str]:
        """The time of the next entries and their month; neither ever goes back, whatever the clock does."""
        time = max(self._chain.time, _stamp(self._clock()))
        newest = self._file.stem
        if self._fd >= 0 and time[:7] < newest:  # an empty newest file, from a clock that went wrong
            time = f"{newest}-01T00:00:00.000Z"
        return time, time[:7]

    def _open_month(self, month: str) -> None:
        file = self._directory / f"{month}.jsonl"
        if file == self._file:
            return
        fd = os.open(file, _FLAGS, 0o600)
        try:
            durable.sync_directory(self._directory)
        except OSError:
            os.close(fd)
            raise
        self._adopt(fd, file, 0, hashlib.sha256())

    def _adopt(self, fd: int, file: Path, size: int, running: Hash) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        if self._size:
            self._closed[self._file.name] = Covered(self._size, self._hash.hexdigest())
        self._fd, self._file, self._size, self._hash = fd, file, size, running
        self._closed.pop(file.name, None)

    def _require_untouched(self, size: int) -> None:
        """The name still leads to the file that is open, and nobody else wrote to it."""
        try:
            named, opened = self._file.lstat(), os.fstat(self._fd)
            good = named.st_ino == opened.st_ino and named.st_dev == opened.st_dev and opened.st_size == size
        except OSError:
            good = False
        if not good:
            self.failure = LedgerError(
                f"{self._file.name} was changed, moved or deleted by another program while it was open."
                " Nothing more is recorded, so nothing more is done.",
                hint="Stop the daemon, run `signoff audit verify`, and find out what touched the log.",
                file=str(self._file),
            )
            raise self.failure

    def checkpoint(self) -> None:
        """Signs how far the log is durable and puts that beside it; without a key, does nothing.

        Raises:
            OSError: it could not be written; the former checkpoint still stands.
        """
        if self._key is None or not self.unsaid or self.failure is not None:
            return
        files = dict(self._closed)
        if self._size:
            files[self._file.name] = Covered(self._size, self._hash.hexdigest())
        time = max(self._chain.time, _stamp(self._clock()))
        chain = self._chain
        write_checkpoint(
            self._directory, sign(self._key, size=chain.seq, head=chain.head, time=time, files=files)
        )
        self.unsaid = False

    def close(self) -> None:
        """Closes the file; all that was appended is durable already."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self.failure = self.failure or LedgerError("The ledger is closed.", file=str(self._directory))


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _unwritten(error: OSError, file: Path) -> LedgerError:
    return LedgerError(
        f"The audit log cannot be written: {error.strerror or error}."
        " What could not be recorded was not done.",
        hint="Make room on the disk of the logs folder; the daemon goes on by itself then.",
        file=str(file),
    )


def _unsynced(error: OSError, file: Path) -> LedgerError:
    return LedgerError(
        f"The disk did not confirm a write to the audit log: {error.strerror or error}."
        " Nobody knows what is on the disk, so nothing more is recorded or done.",
        hint="Check the disk, then start the daemon again: it verifies the log first.",
        file=str(file),
    )
