"""watchdog's events as hints: "look again at this path". Nothing depends on one arriving.

Native events where the file system gives them; on network and foreign mounts, where it gives none, a
polling observer. Events of opening, reading and of our own temporary files are dropped here, so that
the daemon does not wake itself. The observer's thread hands paths to the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil
from loguru import logger
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver
from watchdog.observers.polling import PollingObserver

HEARD = frozenset({"created", "modified", "moved", "deleted", "closed"})
"""`closed` is closed after writing; opened and closed-without-write wake nobody."""
DEAF = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "sshfs", "fuse.sshfs", "9p", "drvfs", "afpfs", "webdav", "davfs",
     "fuse.rclone", "fuse.gvfsd-fuse", "virtiofs", "vboxsf", "prl_fs"}
)  # fmt: skip
"""File systems that tell of no changes made elsewhere."""
MOVED_OUT = 0.02
"""Seconds that watchdog waits for the other half of a move, and holds back all later events meanwhile."""
POLL_EVERY = 2.0
"""Seconds between two looks of the polling observer."""


class _Handler(FileSystemEventHandler):
    def __init__(self, tell: Callable[[Path], None]) -> None:
        self._tell = tell

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type not in HEARD:
            return
        for path in (event.src_path, event.dest_path):
            if path:
                self._tell(Path(os.fsdecode(path)))


class Watch:
    """Watches folders and hints at what changed in them."""

    def __init__(
        self, folders: Iterable[Path], hint: Callable[[Path], None], *, polling: bool = False
    ) -> None:
        self._folders = list(folders)
        self._hint = hint
        self._polling = polling or any(_is_deaf(folder) for folder in self._folders)
        self._observer: BaseObserver | None = None
        self._inodes: dict[Path, int] = {}

    def start(self) -> None:
        """Start watching. Where native events cannot be had, polling takes their place."""
        if sys.platform == "linux":
            from watchdog.observers.inotify_move_event_grouper import InotifyMoveEventGrouper

            InotifyMoveEventGrouper.delay = MOVED_OUT
        loop = asyncio.get_running_loop()

        def tell(path: Path) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._hint, path)

        try:
            self._observer = self._started(
                PollingObserver(timeout=POLL_EVERY) if self._polling else Observer(), tell
            )
        except OSError as error:
            logger.warning(
                "Native file events cannot be had ({}); looking every {} s instead.", error, POLL_EVERY
            )
            self._observer = self._started(PollingObserver(timeout=POLL_EVERY), tell)

    def _started(self, observer: BaseObserver, tell: Callable[[Path], None]) -> BaseObserver:
        handler = _Handler(tell)
        self._inodes = self._found()
        for folder in self._inodes:
            observer.schedule(handler, str(folder), recursive=True)
        observer.start()
        return observer

    @property
    def alive(self) -> bool:
        """Is the observer's thread still running, and are the folders the ones that it watches?"""
        watching = self._observer is not None and self._observer.is_alive()
        return watching and self._found() == self._inodes

    def _found(self) -> dict[Path, int]:
        """The folders that are there now; one that was deleted and made again is another."""
        found = {}
        for folder in self._folders:
            with contextlib.suppress(OSError):
                if folder.is_dir():
                    found[folder] = folder.stat().st_ino
        return found

    def stop(self) -> None:
        """Stop watching; no hint comes after it."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(timeout=2.0)
            self._observer = None


def _is_deaf(folder: Path) -> bool:
    """Does this folder lie on a file system that gives no events?"""
    best, kind = "", ""
    resolved = str(folder.resolve())
    for mount in psutil.disk_partitions(all=True):
        point = mount.mountpoint
        inside = resolved == point or resolved.startswith(point.rstrip(os.sep) + os.sep)
        if inside and len(point) >= len(best):
            best, kind = point, mount.fstype.lower()
    return kind in DEAF
