"""Content on its way to a file of its own: durable at once, many at the cost of one fsync.

Results come many at a time, and a file of its own for each costs three waits for the disk. So they are
appended together to one file first, and get their own a moment later, when nothing waits for it. What a
crash leaves is given its files at the next start; a torn end was never reported as kept.

A record is a line with the SHA-256 and the length in bytes, the content, and a newline.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from loguru import logger

from signoff import durable, system
from signoff.canonical import sha256_hex
from signoff.errors import LedgerError

QUIET, LATEST = 0.1, 1.0
"""Seconds: content gets its files once nothing has come for so long, at the latest after so long."""
AGAIN = 5.0
"""Seconds until that is tried again where it failed."""
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)

Settle = Callable[[Iterable[bytes]], object]
"""Gives each content a file of its own, durable on return."""


class Journal:
    """Files `000001`, `000002` and so on in a folder of their own. `keep` is for one thread at a time."""

    def __init__(self, folder: Path, settle: Settle) -> None:
        self.folder = folder
        self._give_files = settle
        self._lock = threading.Lock()
        self._waiting: dict[str, bytes] = {}
        self._fd = -1
        self._size = 0
        self._number = 0
        self._news = threading.Event()
        self._closing = threading.Event()
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None

    def keep(self, contents: Sequence[tuple[str, bytes]]) -> None:
        """Keeps content under its hash; durable on return. What waits here already is durable already.

        Raises:
            OSError: none of it is kept.
        """
        with self._lock:
            contents = [(name, data) for name, data in contents if name not in self._waiting]
            if not contents:
                return
            data = b"".join(b"%s %d\n%s\n" % (name.encode(), len(data), data) for name, data in contents)
            try:
                self._open()
                durable.write_all(self._fd, data)
                system.sync_file(self._fd)
            except OSError:
                self._give_up_file()
                raise
            self._size += len(data)
            self._waiting.update(contents)
        self._begin()
        self._news.set()

    def get(self, name: str) -> bytes | None:
        """Content that has no file of its own yet; None where there is none of this hash."""
        waiting = self._waiting.get(name)
        if waiting is not None:
            return waiting
        return next((data for found, data in self._left_behind() if found == name), None)

    def settle(self) -> None:
        """Gives all that waits a file of its own.

        Raises:
            LedgerError, OSError: not all of it could be; it is still kept here.
        """
        with self._lock:
            waiting, number = dict(self._waiting), self._number
            self._close_file()
        self._give_files(waiting.values())
        for file in self._files():
            if int(file.name) <= number:
                file.unlink(missing_ok=True)
        with self._lock:
            for name in waiting:
                self._waiting.pop(name, None)

    def recover(self) -> None:
        """Gives what an earlier daemon left behind its files.

        Raises:
            LedgerError, OSError: not all of it could be; it is still kept here.
        """
        files = self._files()
        if files:
            self._give_files([data for _, data in self._left_behind()])
        for file in files:
            file.unlink(missing_ok=True)

    def hurry(self) -> None:
        """Somebody will look for the files now."""
        if self._waiting:
            self._hurry.set()

    def close(self) -> None:
        """Gives the rest its files; what cannot have one now has it after the next start."""
        self._closing.set()
        self._hurry.set()
        self._news.set()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            self._close_file()

    # ------------------------------------------------------------ the file

    def _open(self) -> None:
        if self._fd >= 0:
            return
        system.make_owner_only_directory(self.folder)
        if not self._number:  # the folder may be new
            durable.sync_directory(self.folder.parent)
        taken = max((int(file.name) for file in self._files()), default=0)
        self._number = max(self._number, taken) + 1
        self._fd = os.open(self.folder / f"{self._number:06}", _FLAGS, 0o600)
        self._size = 0
        durable.sync_directory(self.folder)

    def _give_up_file(self) -> None:
        """After a write that failed nobody knows what the file ends with: it is cut, and a new one begun."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, self._size)
        self._close_file()

    def _close_file(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _files(self) -> list[Path]:
        try:
            return sorted(file for file in self.folder.iterdir() if file.name.isdigit())
        except FileNotFoundError:
            return []

    def _left_behind(self) -> Iterator[tuple[str, bytes]]:
        for file in self._files():
            with contextlib.suppress(FileNotFoundError):
                yield from records(file.read_bytes())

    # ------------------------------------------------------------ in a thread of its own

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="blobs", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        failed = False
        while not self._closing.is_set() or self._news.is_set():
            self._news.wait()
            self._pause(failed=failed)
            try:
                if self._waiting:
                    self.settle()
            except (OSError, LedgerError, RuntimeError) as error:  # the last: no thread can be had
                if not failed:
                    logger.warning(
                        "Results wait for files of their own: {}. They are kept; trying on.", error
                    )
                failed = True
                if self._closing.is_set():
                    return
                self._news.set()
            else:
                failed = False

    def _pause(self, *, failed: bool) -> None:
        """Until nothing more comes, so that what makes files is not in the way of what makes results."""
        if failed:
            self._closing.wait(AGAIN)
        latest = time.monotonic() + LATEST
        while self._news.is_set() and time.monotonic() < latest and not self._hurry.is_set():
            self._news.clear()
            self._hurry.wait(QUIET)
        self._news.clear()
        self._hurry.clear()


def records(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The records of a file, up to the first that is torn."""
    at = 0
    while (end := data.find(b"\n", at)) >= 0:
        name, _, length = data[at:end].partition(b" ")
        if not length.isdigit():
            return
        content = data[end + 1 : end + 1 + int(length)]
        if len(content) < int(length) or sha256_hex(content) != name.decode("ascii", "replace"):
            return
        yield name.decode(), content
        at = end + int(length) + 2
