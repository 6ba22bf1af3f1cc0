"""What a server writes to stderr: the end of it in memory, and a bounded file of it for people."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

TAIL = 4096
"""Bytes kept in memory, for the message when the server dies."""

LARGEST_FILE = 512 * 1024
"""Bytes; a full file becomes `NAME.stderr.1` in place of the one before."""


STARTED = "--- started "
"""Begins the line that each start of the server puts before the first it writes."""

LONGEST_LINE = 64 * 1024
"""Bytes; a longer line is written in pieces."""


def log_path(folder: Path, server: str) -> Path:
    """The file for a server whose name may hold any character."""
    return folder / f"{re.sub(r'[^A-Za-z0-9_-]', '_', server)}.stderr"


class StderrLog:
    """Takes chunks as they come; failing to write them is no reason to stop a server."""

    def __init__(
        self,
        path: Path | None = None,
        *,
        largest: int = LARGEST_FILE,
        scrub: Callable[[str], str] = lambda text: text,
    ) -> None:
        self._path = path
        self._largest = largest
        self._scrub = scrub
        self._unwritten = b""
        self._tail = b""
        self._marked = False
        self._fd: int | None = None
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        """Keeps a chunk."""
        self._tail = (self._tail + chunk)[-TAIL:]
        # Whole lines, so that a secret that comes in two chunks is taken out too.
        lines, newline, self._unwritten = (self._unwritten + chunk).rpartition(b"\n")
        if len(self._unwritten) > LONGEST_LINE:
            lines, newline, self._unwritten = lines + newline + self._unwritten, b"\n", b""
        if newline:
            self._keep(lines + newline)

    def _keep(self, lines: bytes) -> None:
        if self._path is None:
            return
        text = self._scrub(lines.decode("utf-8", "replace")).encode()
        try:
            if not self._marked:
                self._write(f"{STARTED}{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} ---\n".encode())
                self._marked = True
            self._write(text[-self._largest :])
        except OSError:
            self._path = None
            self._close_file()

    def _write(self, chunk: bytes) -> None:
        assert self._path is not None  # noqa: S101
        fd = self._open(self._path)
        if self._size and self._size + len(chunk) > self._largest:
            self._close_file()
            self._path.replace(self._path.with_suffix(".stderr.1"))
            fd = self._open(self._path)
        self._size += os.write(fd, chunk)

    def _open(self, path: Path) -> int:
        if self._fd is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            self._size = os.fstat(self._fd).st_size
        return self._fd

    def close(self) -> None:
        """Writes what is left, and closes the file."""
        if self._unwritten:
            self._keep(self._unwritten + b"\n")
            self._unwritten = b""
        self._close_file()

    def _close_file(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def last_line(self) -> str:
        """The last line that says something, bounded in length; empty where there was none."""
        return next(iter(self.last_lines(1)), "").strip()

    def last_lines(self, most: int) -> list[str]:
        """The last lines that say something, oldest first, each bounded in length; secrets and all."""
        lines = self._tail.decode("utf-8", "replace").splitlines()
        return [line.rstrip()[:300] for line in lines if line.strip()][-most:]


def of_last_start(text: str, most: int) -> list[str]:
    """The last lines in a file, of those that the server wrote since it was last started."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith(STARTED):
            lines = []
        elif line.strip():
            lines.append(line.rstrip())
    return lines[-most:]
