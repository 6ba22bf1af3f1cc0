"""One daemon a vault, also where two configurations name the same vault but different logs.

On POSIX the vault's folder itself is locked, which leaves no file behind. Windows cannot lock a folder;
there the lock in the logs is the only one.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from signoff import system
from signoff.durable import write_all
from signoff.errors import ConfigError, VaultOwned


@contextmanager
def owned_folder(folder: Path) -> Iterator[None]:
    """Hold a folder for this process.

    Raises:
        VaultOwned: another process holds it.
    """
    if sys.platform == "win32":
        yield
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        if not system.try_lock(fd):
            raise VaultOwned(
                "Another daemon, with other logs, owns this vault.",
                hint="One vault has one daemon: stop the other one first.",
                file=str(folder),
            )
        yield
    finally:
        os.close(fd)


class OwnerLock:
    """The lock that makes one process the owner of a vault, until it ends or gives it up.

    The lock is the operating system's, on an open file: it goes with the process, however that ends,
    and is not inherited by the programs it starts. The file's text only says who the owner is; it stays
    behind, and means nothing then.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    def acquire(self) -> None:
        """Becomes the owner.

        Raises:
            VaultOwned: another process is; the message says which, where, and since when.
            ConfigError: the file system has no locks, or the file cannot be opened.
        """
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        except OSError as error:
            raise self._impossible(error) from error
        try:
            if not system.try_lock(fd):
                raise self._owned(os.read(fd, 4096))
            _write_owner(fd)
        except OSError as error:
            os.close(fd)
            raise self._impossible(error) from error
        except VaultOwned:
            os.close(fd)
            raise
        self._fd = fd

    def release(self) -> None:
        """Gives the ownership up; without one, does nothing."""
        if self._fd is None:
            return
        fd, self._fd = self._fd, None
        try:
            system.unlock(fd)
        finally:
            os.close(fd)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _owned(self, text: bytes) -> VaultOwned:
        try:
            owner = json.loads(text)
            who = f"process {owner['pid']} on {owner['host']}, since {owner['started']}"
        except (ValueError, KeyError, TypeError):
            who = "a process that has not said its name yet"
        return VaultOwned(
            f"Another daemon owns this vault: {who}.",
            hint="Stop it first, or use the commands that leave it a request.",
            file=str(self.path),
        )

    def _impossible(self, error: OSError) -> ConfigError:
        return ConfigError(
            f"The lock file cannot be locked: {error.strerror or error}. Nothing was started.",
            hint="Keep the logs folder on a local disk that you may write to.",
            file=str(self.path),
        )


def _write_owner(fd: int) -> None:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "started": started}
    os.ftruncate(fd, 0)
    write_all(fd, json.dumps(owner).encode() + b"\n")
