"""The only writer of files: what it says is done is on the disk, and nothing is overwritten unseen.

Every write goes to a temporary file in the same folder, is fsynced, and takes its name in one step;
then the folder is fsynced. A crash leaves the old content or the new one, and at worst a temporary
file that `sweep` removes. Names are claimed, never taken: a move or a creation finds another name or
fails where one exists. All functions block; call them from a thread.

Rules for names: temporary files begin with `.signoff-` and end with `.tmp`, so that watchers of the
vault ignore them. Assumes that one daemon owns the vault (`OwnerLock`). Does not decide anything
about notes. The ledger appends to its own files, by the same rules.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from signoff import system
from signoff.errors import ConfigError, NoteChanged, UnsafeFile, VaultOwned

_READ_AT_ONCE = 1 << 20
_NOTE_LIMIT = (1 << 20) + 1
_TEMPORARY = ".signoff-"
_STALE_AFTER = 60.0  # seconds; a write takes milliseconds
_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
_counter = itertools.count()


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells one state of a file from another without reading it: bytes, nanoseconds, inode."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """The stamp of a file whose status is known."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)


# ---------------------------------------------------------------- reading


def read_regular(root: Path, relative: str, *, max_bytes: int = _NOTE_LIMIT) -> tuple[bytes, Stamp]:
    """Reads a regular file below `root`, following no link, and its stamp from before the reading.

    Args:
        root: a folder.
        relative: names joined by `/`.
        max_bytes: a longer file is not read.

    Raises:
        UnsafeFile: `not-a-regular-file`, or `note-too-large`.
        FileNotFoundError: there is no such file.
    """
    with os.fdopen(system.open_regular(root, relative), "rb", buffering=0) as file:
        stamp = Stamp.of(os.fstat(file.fileno()))
        data = bytearray()
        while len(data) <= max_bytes:
            piece = file.read(min(_READ_AT_ONCE, max_bytes + 1 - len(data)))
            if not piece:
                return bytes(data), stamp
            data += piece
    raise UnsafeFile(
        f"{relative} has more than {max_bytes:,} bytes; it was not read.",
        code="note-too-large",
        hint="Move what is not part of the plan to another note.",
        file=relative,
    )


# ---------------------------------------------------------------- writing


def replace(path: Path, data: bytes, *, expect: bytes | None = None, mode: int | None = None) -> Stamp:
    """Puts new content in the place of a file's, in one step; makes the file where there is none.

    Returns the stamp of what was written, which is no longer the file's if somebody wrote to it since.

    Args:
        path: the file; a link is replaced, not followed.
        data: the whole new content.
        expect: what the file must still hold; None where that does not matter.
        mode: permission bits; None keeps those of the file that is replaced.

    Raises:
        NoteChanged: the file no longer holds `expect`, or is gone; nothing was changed.
        OSError: it could not be written; nothing was changed.
    """
    former = _status(path)
    with _temporary(path.parent, data, mode, former) as temporary:
        stamp = Stamp.of(temporary.lstat())
        if expect is None:
            system.replace_file(temporary, path)
        else:
            _replace_unchanged(temporary, path, data, expect)
    sync_directory(path.parent)
    return stamp


def _replace_unchanged(temporary: Path, path: Path, data: bytes, expect: bytes) -> None:
    """Puts a file in the place of another only if that is still what was read.

    Where two files can change names in one step, what was there is looked at once more after it gave way: an
    edit that was saved between the look and the step gets its name back. Elsewhere that moment remains.
    """
    _require_holds(path, expect, path)
    try:
        exchanged = system.exchange_files(temporary, path)
    except FileNotFoundError:
        raise _changed(path) from None
    if not exchanged:
        system.replace_file(temporary, path)
        return
    try:
        _require_holds(temporary, expect, path)
    except NoteChanged:
        system.exchange_files(temporary, path)
        if not _holds(temporary, data):  # it was saved once more meanwhile: the last one stands
            system.exchange_files(temporary, path)
        raise
    temporary.unlink()


def jot(path: Path, data: bytes, *, mode: int) -> None:
    """Puts new content in the place of a file's in one step, without waiting for the disk.

    For what can be made anew: after a power failure the file may be old, empty or gone.

    Raises:
        OSError: it could not be written; nothing was changed.
    """
    temporary = _temporary_name(path.parent)
    try:
        with os.fdopen(os.open(temporary, _NEW, mode), "wb", buffering=0) as file:
            write_all(file.fileno(), data)
        system.replace_file(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def create(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Makes a new file with this content, whole or not at all.

    Raises:
        FileExistsError: there is something of that name already; it was not touched.
        OSError: it could not be written.
    """
    if os.path.lexists(path):  # no need to write for nothing
        raise FileExistsError(17, os.strerror(17), str(path))
    with _temporary(path.parent, data, mode, None) as temporary:
        system.rename_exclusive(temporary, path)
    sync_directory(path.parent)


def move(source: Path, folder: Path, *, name: str | None = None) -> Path:
    """Moves a file to a folder of the same file system, never over another; returns where it is now.

    A taken name gets ` 2`, ` 3` and so on before its suffix. The folder is made where it is missing.
    What is moved is the file that has the name `source` at that moment, whoever wrote it last.

    Args:
        source: the file.
        folder: where it goes.
        name: its name there; None keeps the one it has.

    Raises:
        FileNotFoundError: there is no such file (any more).
        OSError: it could not be moved; it is still where it was.
    """
    _make_folder(folder)
    wanted = name or source.name
    if folder.samefile(source.parent) and wanted == source.name:
        source.lstat()  # it must be there
        return source
    target = _rename_to_free_name(source, folder, wanted)
    sync_directory(folder)
    sync_directory(source.parent)
    return target


def remove(path: Path) -> None:
    """Deletes a file, durably; one that is gone already is fine."""
    path.unlink(missing_ok=True)
    sync_directory(path.parent)


def sweep(folder: Path) -> list[Path]:
    """Removes the temporary files in a folder whose writer is gone; returns what was removed."""
    removed = []
    with os.scandir(folder) as entries:
        stale = [Path(entry.path) for entry in entries if _is_stale(entry)]
    for path in stale:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
            removed.append(path)
    return removed


def sync_directory(folder: Path) -> None:
    """Returns when the names in a folder, as they were at the call, are on the disk.

    Callers at the same time share one fsync, as long as it starts after each of them called.
    """
    with _syncs_lock:
        sync = _syncs.setdefault(os.fspath(folder.absolute()), _SharedSync(folder))
    sync.wait()


class _SharedSync:
    """Group commit of a folder's names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._gate = threading.Lock()
        self._running = threading.Lock()
        self._next: Future[None] | None = None

    def wait(self) -> None:
        with self._gate:
            turn = self._next
            if leads := turn is None:
                self._next = turn = Future()
        if leads:
            self._run(turn)
        turn.result()

    def _run(self, turn: Future[None]) -> None:
        with self._running:  # the fsync before this one ends first; until then others may join
            with self._gate:
                self._next = None
            try:
                system.sync_directory(self._folder)
            except OSError as error:
                turn.set_exception(error)
            else:
                turn.set_result(None)


_syncs: dict[str, _SharedSync] = {}
_syncs_lock = threading.Lock()


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _require_holds(file: Path, expect: bytes, path: Path) -> None:
    if not _holds(file, expect):
        raise _changed(path)


def _holds(file: Path, expect: bytes) -> bool:
    try:
        found, _ = read_regular(file.parent, file.name, max_bytes=max(len(expect), 1))
    except (FileNotFoundError, UnsafeFile):
        return False
    return found == expect


def _changed(path: Path) -> NoteChanged:
    return NoteChanged(
        f"{path.name} was changed while it was being written to; the change was kept.", file=str(path)
    )


@contextlib.contextmanager
def _temporary(folder: Path, data: bytes, mode: int | None, former: os.stat_result | None) -> Iterator[Path]:
    """A fsynced file with this content, for the caller to rename; it is gone if that fails."""
    path = _temporary_name(folder)
    try:
        with os.fdopen(os.open(path, _NEW, 0o666 if mode is None else mode), "wb", buffering=0) as file:
            _keep_permissions(file.fileno(), path, mode, former)
            write_all(file.fileno(), data)
            system.sync_file(file.fileno())
        yield path
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _temporary_name(folder: Path) -> Path:
    return folder / f"{_TEMPORARY}{os.getpid()}-{next(_counter)}-{time.monotonic_ns():x}.tmp"


def _keep_permissions(fd: int, path: Path, mode: int | None, former: os.stat_result | None) -> None:
    if former is not None and stat.S_ISREG(former.st_mode):
        system.keep_owner(fd, former)
        mode = stat.S_IMODE(former.st_mode) if mode is None else mode
    if mode is not None:
        path.chmod(mode)


def write_all(fd: int, data: bytes) -> None:
    """Writes everything, however many writes that takes.

    Raises:
        OSError: disk full and the like; part of it may have been written.
    """
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _rename_to_free_name(source: Path, folder: Path, wanted: str) -> Path:
    names = _numbered(wanted)
    while True:
        target = folder / next(names)
        try:
            system.rename_exclusive(source, target)
        except FileExistsError:
            if not _is_same_name(source, target):
                continue
            source.rename(target)  # only the case of letters changes, where it does not count
        return target


def _is_same_name(source: Path, target: Path) -> bool:
    """Whether two names that differ in case are one directory entry, on file systems that ignore case."""
    return (
        source.name != target.name
        and source.name.casefold() == target.name.casefold()
        and source.parent.samefile(target.parent)
        and target not in target.parent.iterdir()
    )


def _numbered(name: str) -> Iterator[str]:
    yield name
    stem, dot, suffix = name.rpartition(".")
    if not stem:
        stem, dot, suffix = name, "", ""
    for number in itertools.count(2):
        yield f"{stem} {number}{dot}{suffix}"


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
    sync_directory(folder.parent)


def _is_stale(entry: os.DirEntry[str]) -> bool:
    if not (entry.name.startswith(_TEMPORARY) and entry.name.endswith(".tmp")):
        return False
    writer = entry.name.removeprefix(_TEMPORARY).partition("-")[0]
    if writer.isdecimal() and not psutil.pid_exists(int(writer)):
        return True
    with contextlib.suppress(FileNotFoundError):
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > _STALE_AFTER
    return False


# ---------------------------------------------------------------- owning


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
