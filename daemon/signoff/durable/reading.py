"""Reads files, following no link, each with the stamp of its state."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from signoff import system
from signoff.errors import UnsafeFile

_READ_AT_ONCE = 1 << 20
_NOTE_LIMIT = (1 << 20) + 1


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
