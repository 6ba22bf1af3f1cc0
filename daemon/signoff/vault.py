"""The vault: which folder is for what, which files are notes, and reading, writing and moving them.

Nothing outside the plan folders is ever read as a plan or written. Paths are relative to the vault,
with `/` on every platform. Names that partial files, editors and sync tools use are not notes. What
is written goes through `signoff.durable`, which checks that a note is still what was read.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from signoff import durable, system
from signoff.config import Folders
from signoff.model import Folder

MAX_NOTE = 1 << 20
"""Bytes; larger notes are refused (specification, section 4)."""

_PARTIAL = re.compile(
    r"(\..*|~\$.*|.*\.tmp|.*\.icloud|.*~|.*\.part|.*\.crdownload)\Z", re.IGNORECASE | re.DOTALL
)
_CONFLICT = re.compile(r"conflicted copy|\.sync-conflict-", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


DASHBOARDS = ("Dashboard.md", "Signoff.md")
"""Names of the dashboard: the second one where the first is a file of a person's own."""


def is_note_name(name: str) -> bool:
    """Is this the name of a note at all, not of a partial, hidden or foreign file?"""
    return name.lower().endswith(".md") and not _PARTIAL.match(name)


def is_conflict_copy(name: str) -> bool:
    """Did a sync tool put this file aside because two edits collided?"""
    return bool(_CONFLICT.search(name))


def has_control_characters(path: str) -> bool:
    """Does the path hold characters that can deceive a terminal or a reader?"""
    return bool(_CONTROL.search(path))


class Vault:
    """One vault on disk.

    Attributes:
        root: its folder, resolved.
        folders: the names of the plan folders.
    """

    def __init__(self, root: Path, folders: Folders) -> None:
        self.root = root.resolve()
        self._kinds: dict[Folder, tuple[str, ...]] = {
            Folder.INBOX: folders.inbox,
            Folder.PENDING: folders.pending,
            Folder.APPROVED: folders.approved,
            Folder.DONE: folders.done,
            Folder.FAILED: folders.failed,
            Folder.REJECTED: folders.rejected,
        }
        self._by_name = sorted(
            ((name.strip("/"), kind) for kind, names in self._kinds.items() for name in names),
            key=lambda pair: -len(pair[0]),
        )

    def make_folders(self) -> None:
        """Create the plan folders that are missing."""
        for names in self._kinds.values():
            (self.root / names[0]).mkdir(parents=True, exist_ok=True)

    def kind_of(self, path: str) -> Folder | None:
        """What the folder of a path is for; None outside the plan folders."""
        for name, kind in self._by_name:
            if path.startswith(name + "/"):
                return kind
        return None

    def is_note(self, path: str) -> bool:
        """Is this path a note in a plan folder, by its name?"""
        parts = path.split("/")
        hidden = any(part.startswith(".") for part in parts[:-1])
        return not hidden and is_note_name(parts[-1]) and self.kind_of(path) is not None

    def names(self, kind: Folder) -> tuple[str, ...]:
        """The folders of a kind; the first is where the daemon writes."""
        return self._kinds[kind]

    def relative(self, path: Path) -> str | None:
        """The vault's name for a file; None for one outside, or whose name is no text."""
        try:
            relative = path.relative_to(self.root).as_posix()
            relative.encode()
        except ValueError:
            return None
        return relative

    def scan(self, *kinds: Folder) -> Iterator[tuple[str, durable.Stamp]]:
        """Every note in the folders of these kinds (all, where none is given), without opening any.

        Folders behind links are not entered; what is no regular file is passed over here and
        reported where somebody asks for it.
        """
        for kind in kinds or tuple(Folder):
            for name in self._kinds[kind]:
                for path, stamp in _walk(self.root / name, name):
                    if self.kind_of(path) is kind:
                        yield path, stamp

    def subfolders(self) -> Iterator[Path]:
        """The plan folders and the folders in them, those behind links and hidden ones left out."""
        for names in self._kinds.values():
            for name in names:
                for folder, below, _ in os.walk(self.root / name):
                    below[:] = [each for each in below if not each.startswith(".")]
                    yield Path(folder)

    def stamp(self, path: str) -> durable.Stamp | None:
        """Size, time and inode of a note; None where there is no file."""
        try:
            found = os.lstat(self.root / path)
        except (OSError, ValueError):
            return None
        return durable.Stamp(found.st_size, found.st_mtime_ns, found.st_ino)

    def is_being_written(self, path: str) -> bool:
        """Does some program have this note open for writing, as far as can be known?"""
        return system.is_being_written(self.root / path)

    def is_folder(self, path: str) -> bool:
        """Is there a folder of this name, which is nobody's note?"""
        try:
            return stat.S_ISDIR(os.lstat(self.root / path).st_mode)
        except (OSError, ValueError):
            return False

    def read(self, path: str) -> tuple[bytes, durable.Stamp]:
        """The bytes of a note.

        Raises:
            UnsafeFile: for links, FIFOs, devices, folders and files over 1 MiB.
            OSError: where it is gone or cannot be read.
        """
        return durable.read_regular(self.root, path, max_bytes=MAX_NOTE)

    def write(self, path: str, data: bytes, *, expect: bytes) -> durable.Stamp:
        """Replace a note that is still what was read; the stamp of what was written.

        Raises:
            NoteChanged: where somebody changed it meanwhile; nothing was written.
            OSError: where the disk refuses; nothing was written.
        """
        return durable.replace(self.root / path, data, expect=expect)

    def dashboard_name(self, mark: bytes) -> str | None:
        """Under which of `DASHBOARDS` the daemon writes its own; None where both are a person's.

        Args:
            mark: what a dashboard of the daemon's has in it.

        Raises:
            OSError: one of them cannot be read.
        """
        free = None
        for name in DASHBOARDS:
            path = self.root / name
            if not os.path.lexists(path):
                free = free or name
            elif path.is_file() and not path.is_symlink() and mark in path.read_bytes():
                return name
        return free

    def write_own(self, path: str, data: bytes) -> None:
        """Write a file that is the daemon's alone, such as the dashboard."""
        durable.replace(self.root / path, data)

    def move(self, path: str, kind: Folder) -> str:
        """Move a note to the first folder of a kind, keeping its subfolder; its new path.

        `Approved/email/x.md` goes to `Done/email/x.md`. A taken name gets a numbered suffix.
        """
        target = self.target(path, kind)
        folder = (self.root / target).parent
        folder.mkdir(parents=True, exist_ok=True)
        moved = durable.move(self.root / path, folder)
        return moved.relative_to(self.root).as_posix()

    def targets(self, path: str, kind: Folder) -> Iterator[str]:
        """Where a note that was moved to a kind of folder may lie: the name, or a numbered one."""
        target = self.target(path, kind)
        yield target
        stem = target.rpartition(".")[0]
        for number in range(2, 10):
            yield f"{stem} {number}{target[len(stem) :]}"

    def target(self, path: str, kind: Folder) -> str:
        """Where a note goes when it is moved to a kind of folder, if the name is free there."""
        for name, _ in self._by_name:
            if path.startswith(name + "/"):
                return f"{self._kinds[kind][0]}/{path[len(name) + 1 :]}"
        return f"{self._kinds[kind][0]}/{path.rsplit('/', 1)[-1]}"


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, durable.Stamp]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        path = f"{prefix}/{entry.name}"
        try:
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith("."):
                    yield from _walk(Path(entry.path), path)
            elif is_note_name(entry.name):
                found = entry.stat(follow_symlinks=False)
                yield path, durable.Stamp(found.st_size, found.st_mtime_ns, found.st_ino)
        except OSError:
            continue
