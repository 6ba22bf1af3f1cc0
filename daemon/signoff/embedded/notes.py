"""The notes of one folder: finding, reading, writing.

Callers name notes relative to that folder, with `/`; `.md` is added where a name has no suffix. What
they get back are paths in the vault, as they are on the disk. Whatever is no regular file with such a
name is not there. Every function blocks, and refuses with `NotDone`, or `BadName`, which is one.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from signoff import durable
from signoff.embedded.inside import BadName, check_name, invisible, locate, quoted
from signoff.embedded.tools import NotDone, PartlyDone
from signoff.errors import NoteChanged, UnsafeFile

MAX_NOTE = 1 << 20
"""Bytes; larger notes are neither read nor written."""

_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,9}$")
_DEEPEST = 32  # folders
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Entry:
    """A note as a listing shows it: its path in the folder, its size in bytes, seconds since 1970."""

    path: str
    size: int
    modified: float


def note_name(path: str) -> str:
    """The name of the note that an author means; see `check_name` for what is refused.

    Raises:
        BadName: also for files of another kind than `.md`.
    """
    check_name(path)
    suffix = _SUFFIX.search(path)
    if suffix is None:
        return check_name(path + ".md")
    if suffix.group().lower() != ".md":
        raise BadName(f"The path {quoted(path)} is not a note; only .md files are.")
    return path


class Notes:
    """One folder of a vault.

    Attributes:
        vault: the vault's folder, resolved.
        folder: the folder's name in it, with `/`; it need not exist yet.
    """

    def __init__(self, vault: Path, folder: str) -> None:
        self.vault = vault
        self.folder = folder

    def inner(self, path: str) -> str:
        """A path in the vault, relative to the folder."""
        return "/".join(path.split("/")[self.folder.count("/") + 1 :])

    def read(self, name: str) -> tuple[str, bytes]:
        """The note's path in the vault, and its bytes.

        Raises:
            NotDone: there is no such note, or it is no regular file or too large.
        """
        path, exists = self._locate(name)
        if not exists:
            raise NotDone(f"There is no note {quoted(path)}.")
        return path, self._bytes(path)

    def create(self, name: str, data: bytes) -> str:
        """Makes a new note; returns its path in the vault.

        Raises:
            NotDone: there is such a note already, or it cannot be written.
            PartlyDone: it is written, but the disk did not confirm it.
        """
        path, exists = self._locate(name)
        if exists:
            raise NotDone(f"There is a note {quoted(path)} already; it was not touched.")
        with self._writing(path, data):
            _make_folders(self.vault, (self.vault / path).parent)
            durable.create(self.vault / path, data)
        return path

    def replace(self, name: str, data: bytes) -> tuple[str, int]:
        """Replaces a note; returns its path in the vault and how many bytes it had before.

        Raises:
            NotDone, PartlyDone: as `create`; also where there is no such note.
        """
        for _ in range(_TRIES):
            path, before = self.read(name)
            with contextlib.suppress(NoteChanged), self._writing(path, data):
                durable.replace(self.vault / path, data, expect=before)
                return path, len(before)
        raise _restless(name)

    def append(self, name: str, text: bytes) -> tuple[str, bytes, bool]:
        """Adds lines to the end of a note; returns its path, its whole content, and whether it is new.

        Raises:
            NotDone, PartlyDone: as `create`.
        """
        for _ in range(_TRIES):
            path, exists = self._locate(name)
            if not exists:
                data = _ended(text, b"\n")
                return self.create(self.inner(path), data), data, True
            before = self._bytes(path)
            data = _appended(before, text)
            if len(data) > MAX_NOTE:
                raise NotDone(f"The note {quoted(path)} would have more than {MAX_NOTE:,} bytes.")
            with contextlib.suppress(NoteChanged), self._writing(path, data):
                durable.replace(self.vault / path, data, expect=before)
                return path, data, False
        raise _restless(name)

    def walk(self, under: str = "") -> Iterator[Entry]:
        """The notes below the folder, or one folder in it, in the order of their paths.

        Raises:
            NotDone: there is no such folder.
        """
        start = f"{self.folder}/{check_name(under)}" if under else self.folder
        path, exists = locate(self.vault, start)
        if exists and not (self.vault / path).is_dir():
            raise NotDone(f"{quoted(path)} is not a folder.")
        if not exists and under:
            raise NotDone(f"There is no folder {quoted(path)}.")
        if exists:
            yield from _walk(self.vault / path, self.inner(path), depth=0)

    def _locate(self, name: str) -> tuple[str, bool]:
        return locate(self.vault, f"{self.folder}/{note_name(name)}")

    def _bytes(self, path: str) -> bytes:
        try:
            return durable.read_regular(self.vault, path, max_bytes=MAX_NOTE)[0]
        except UnsafeFile as error:
            large = error.code == "note-too-large"
            reason = f"has more than {MAX_NOTE:,} bytes" if large else "is not a regular file"
            raise NotDone(f"{quoted(path)} {reason}.") from error
        except OSError as error:
            raise NotDone(f"{quoted(path)} cannot be read: {error.strerror}.") from error

    @contextlib.contextmanager
    def _writing(self, path: str, data: bytes) -> Iterator[None]:
        """Says in words why a write failed, and whether the content is there all the same."""
        try:
            yield
        except FileExistsError as error:
            raise NotDone(f"{quoted(path)} came into being meanwhile; it was not touched.") from error
        except OSError as error:
            reason = error.strerror or "the disk refused"
            if self._holds(path, data):
                raise PartlyDone(
                    f"{quoted(path)} has the new content, but the disk did not confirm it ({reason}): "
                    "it may be lost if the power fails now."
                ) from error
            raise NotDone(f"{quoted(path)} cannot be written: {reason}.") from error

    def _holds(self, path: str, data: bytes) -> bool:
        try:
            return self._bytes(path) == data
        except NotDone:
            return False


def _restless(name: str) -> NotDone:
    return NotDone(
        f"The note {quoted(name)} was changed by others each time it was to be written; it has their text."
    )


def _ended(data: bytes, line_end: bytes) -> bytes:
    return data if not data or data.endswith((b"\n", b"\r")) else data + line_end


def _appended(before: bytes, addition: bytes) -> bytes:
    line_end = b"\r\n" if b"\r\n" in before else b"\n"
    return _ended(before, line_end) + _ended(addition, line_end)


def _make_folders(root: Path, folder: Path) -> None:
    """Makes what is missing of a folder below `root`, durably."""
    at = root
    for part in folder.relative_to(root).parts:
        parent, at = at, at / part
        with contextlib.suppress(FileExistsError):
            at.mkdir()
            durable.sync_directory(parent)


def _walk(folder: Path, prefix: str, depth: int) -> Iterator[Entry]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        return  # gone, or closed to us: it holds nothing that we could show
    for entry in entries:
        if entry.name.startswith((".", "~$")) or invisible(entry.name):
            continue
        path = f"{prefix}/{entry.name}" if prefix else entry.name
        if entry.is_dir(follow_symlinks=False):
            if depth < _DEEPEST:
                yield from _walk(Path(entry.path), path, depth + 1)
        elif entry.name.lower().endswith(".md") and entry.is_file(follow_symlinks=False):
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                yield Entry(path, status.st_size, status.st_mtime)
