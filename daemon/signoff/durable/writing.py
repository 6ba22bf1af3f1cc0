"""Writes files, whole or not at all, by way of a temporary one in the same folder."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from signoff import system
from signoff.durable.names import sync_directory
from signoff.durable.reading import Stamp, read_regular
from signoff.errors import NoteChanged, UnsafeFile

_TEMPORARY = ".signoff-"
_STALE_AFTER = 60.0  # seconds; a write takes milliseconds
_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
_counter = itertools.count()


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


def _is_stale(entry: os.DirEntry[str]) -> bool:
    if not (entry.name.startswith(_TEMPORARY) and entry.name.endswith(".tmp")):
        return False
    writer = entry.name.removeprefix(_TEMPORARY).partition("-")[0]
    if writer.isdecimal() and not psutil.pid_exists(int(writer)):
        return True
    with contextlib.suppress(FileNotFoundError):
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > _STALE_AFTER
    return False
