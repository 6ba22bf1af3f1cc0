"""Names in folders: made durable, and given to what is moved without taking any that exists."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

from signoff import system


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
