"""Windows: the twin of `signoff.system.posix`."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from signoff.errors import UnsafeFile
from signoff.system.sddl import grants_write_to_others

if sys.platform != "win32":
    raise ImportError("signoff.system.windows is for Windows alone")

import getpass
import msvcrt

_LOCK_AT = 0x7FFF_0000  # far behind the text in a lock file, which stays readable while it is locked
_TRIES = 20  # with growing pauses, about two seconds: editors and virus scanners let go by then
_SE_FILE_OBJECT = 1
_OWNER_AND_ACCESS = 0x1 | 0x4


def sync_file(fd: int) -> None:
    """Returns when what was written to the file is on the disk itself."""
    os.fsync(fd)  # FlushFileBuffers, which also empties the drive's cache


def sync_directory(path: Path) -> None:
    """Folders cannot be flushed on Windows: NTFS journals names in the order they were changed."""
    if not path.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such folder", str(path))


def try_lock(fd: int) -> bool:
    """Takes the exclusive lock of an open file, or says at once that another open file has it."""
    os.lseek(fd, _LOCK_AT, os.SEEK_SET)
    try:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EDEADLK}:
            return False
        raise
    finally:
        os.lseek(fd, 0, os.SEEK_SET)
    return True


def unlock(fd: int) -> None:
    """Gives the lock back."""
    os.lseek(fd, _LOCK_AT, os.SEEK_SET)
    msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)


def open_regular(root: Path, relative: str) -> int:
    """Opens a regular file below `root` for reading, through no link or junction below `root`.

    Raises:
        UnsafeFile: a reparse point anywhere on the way, a device, a folder, or `..` in the name.
        FileNotFoundError: there is no such file.
    """
    path = root
    parts = relative.replace("\\", "/").split("/")
    if any(part in {"", ".", ".."} or ":" in part or "\0" in part for part in parts):
        raise _unsafe(relative)
    for part in parts:
        path /= part
        status = path.lstat()
        if status.st_file_attributes & stat.FILE_ATTRIBUTE_REPARSE_POINT and not _is_cloud(status):
            raise _unsafe(relative)
    if not stat.S_ISREG(status.st_mode):
        raise _unsafe(relative)
    fd = os.open(path, os.O_RDONLY | os.O_BINARY | os.O_NOINHERIT)
    opened = os.fstat(fd)
    if not stat.S_ISREG(opened.st_mode) or (opened.st_dev, opened.st_ino) != (status.st_dev, status.st_ino):
        os.close(fd)
        raise _unsafe(relative)
    return fd


def _is_cloud(status: os.stat_result) -> bool:
    """Whether a reparse point is OneDrive's mark on a file of its own, which leads nowhere else."""
    return status.st_reparse_tag & 0xFFFF_0FFF == 0x9000_001A


def _unsafe(relative: str) -> UnsafeFile:
    return UnsafeFile(
        f"{relative} is not a regular file, or a link leads to it; it was not opened.",
        hint="Put the note itself there.",
        file=relative,
    )


def owner_only_file(path: Path) -> None:
    """From now on only the owner may read or write the file."""
    _grant_only_owner(path, "F")


def make_owner_only_directory(path: Path) -> None:
    """Makes a folder that only the owner may enter; files made in it inherit that."""
    if path.is_dir() and not others_can_write(path):
        return
    path.mkdir(parents=True, exist_ok=True)
    _grant_only_owner(path, "(OI)(CI)F")


def _grant_only_owner(path: Path, rights: str) -> None:
    command = ["icacls", str(path), "/inheritance:r", "/grant:r", f"{getpass.getuser()}:{rights}"]
    done = subprocess.run(
        command, capture_output=True, check=False, creationflags=subprocess.CREATE_NO_WINDOW
    )
    if done.returncode:
        raise OSError(errno.EACCES, "icacls could not take away the rights of others", str(path))


def others_can_write(path: Path) -> bool:
    """Whether somebody other than this user (and administrators) may change the file or folder."""
    return grants_write_to_others(_access_list(path))


def _access_list(path: Path) -> str:
    library = ctypes.WinDLL("advapi32", use_last_error=True)
    kernel = ctypes.WinDLL("kernel32")
    kernel.LocalFree.argtypes = [ctypes.c_void_p]
    descriptor, text = ctypes.c_void_p(), ctypes.c_wchar_p()
    failed = library.GetNamedSecurityInfoW(
        ctypes.c_wchar_p(str(path)), _SE_FILE_OBJECT, _OWNER_AND_ACCESS, None, None, None, None,
        ctypes.byref(descriptor),
    )  # fmt: skip
    if failed:
        raise ctypes.WinError(failed)
    try:
        if not library.ConvertSecurityDescriptorToStringSecurityDescriptorW(
            descriptor, 1, _OWNER_AND_ACCESS, ctypes.byref(text), None
        ):
            raise ctypes.WinError(ctypes.get_last_error())
        sddl = text.value or ""
        kernel.LocalFree(text)
        return sddl
    finally:
        kernel.LocalFree(descriptor)


def keep_owner(fd: int, former: os.stat_result) -> None:
    """New files belong to the folder's heirs on Windows: there is nothing to hand over."""
    _ = fd, former


def is_being_written(path: Path) -> bool:  # noqa: ARG001  the same name as its twin
    """Always False: a file that somebody has open cannot be replaced here, so nothing is lost."""
    return False


def replace_file(source: Path, target: Path) -> None:
    """Puts `source` in the place of `target` in one step; waits a little for programs that hold it open.

    Raises:
        PermissionError: another program still holds the file after about two seconds.
    """
    for attempt in range(_TRIES):
        try:
            source.replace(target)
            return
        except PermissionError:
            if attempt == _TRIES - 1:
                raise
            time.sleep(0.01 * (attempt + 1))


def exchange_files(one: Path, other: Path) -> bool:  # noqa: ARG001  the twin's signature
    """Gives two files each other's name in one step: Windows cannot, so this is always False."""
    return False


def rename_exclusive(source: Path, target: Path) -> None:
    """Moves a file within a file system, in one step, never over another.

    Raises:
        FileExistsError: the name is taken; nothing was moved.
        PermissionError: another program still holds the file after about two seconds.
    """
    for attempt in range(_TRIES):
        try:
            source.rename(target)  # refuses a taken name on Windows
            return
        except FileExistsError:
            raise
        except PermissionError:
            if attempt == _TRIES - 1:
                raise
            time.sleep(0.01 * (attempt + 1))


def process_group_options() -> dict[str, Any]:
    """Options for `Popen` that give a child a group of its own, so that Ctrl-C does not reach it."""
    return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}


def end_process_tree(pid: int, *, force: bool) -> None:
    """Ends a child and all that it started.

    Args:
        pid: of the child.
        force: kill; Windows cannot ask a program without a window to end, so the other is the same.
    """
    _ = force
    try:
        child = psutil.Process(pid)
        tree = [*child.children(recursive=True), child]
    except psutil.NoSuchProcess:
        return
    for process in tree:
        try:
            process.kill()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


def raise_file_limit() -> int:
    """Windows has no such limit on handles; returns what a process may count on."""
    return 65_536
