"""Linux and macOS: the twin of `signoff.system.windows`."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import sys
from functools import cache
from pathlib import Path
from typing import Any

from signoff.errors import UnsafeFile

if sys.platform == "win32":
    raise ImportError("signoff.system.posix is not for Windows")

import fcntl
import grp
import pwd
import resource
import signal

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1  # Linux, renameat2
_RENAME_EXCHANGE = 2  # macOS calls it RENAME_SWAP
_RENAME_EXCL = 4  # macOS, renamex_np
_FILES_WANTED = 65_536
_NO_EXCLUSIVE_RENAME = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM})


def sync_file(fd: int) -> None:
    """Returns when what was written to the file is on the disk itself, its size and mode included."""
    if sys.platform == "darwin":
        try:
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)  # plain fsync stops at the drive's volatile cache
            return
        except OSError as error:
            if error.errno not in {errno.ENOTSUP, errno.EINVAL, errno.ENOTTY}:
                raise
    os.fsync(fd)


def sync_directory(path: Path) -> None:
    """Returns when the names in a folder are on the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # network file systems without the notion
            raise
    finally:
        os.close(fd)


def try_lock(fd: int) -> bool:
    """Takes the exclusive lock of an open file, or says at once that another open file has it.

    Raises:
        OSError: where the file system has no locks.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
            return False
        raise
    return True


def unlock(fd: int) -> None:
    """Gives the lock back."""
    fcntl.flock(fd, fcntl.LOCK_UN)


def open_regular(root: Path, relative: str) -> int:
    """Opens a regular file below `root` for reading, following no link below `root`; never blocks.

    Args:
        root: a folder; a link to it is fine, for it is the user's own setting.
        relative: names joined by `/`.

    Raises:
        UnsafeFile: a link anywhere on the way, a FIFO, socket, device or folder, or `..` in the name.
        FileNotFoundError: there is no such file.
    """
    *folders, name = _components(relative)
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in folders:
            inner = _open_checked(part, os.O_RDONLY | os.O_DIRECTORY, folder, relative)
            os.close(folder)
            folder = inner
        # A device may act on being opened: look before, and again at what was opened.
        _require_regular(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode, relative)
        fd = _open_checked(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY, folder, relative)
    except NotADirectoryError as error:
        raise _unsafe(relative) from error
    finally:
        os.close(folder)
    try:
        _require_regular(os.fstat(fd).st_mode, relative)
    except UnsafeFile:
        os.close(fd)
        raise
    return fd


def _components(relative: str) -> list[str]:
    parts = relative.split("/")
    if any(part in {"", ".", ".."} or "\0" in part for part in parts):
        raise UnsafeFile(f"{relative!r} is not the name of a file inside the folder.", file=relative)
    return parts


def _open_checked(name: str, flags: int, folder: int, relative: str) -> int:
    try:
        return os.open(name, flags | os.O_NOFOLLOW, dir_fd=folder)
    except OSError as error:
        # ELOOP or ENOTDIR: a link. EMLINK: the same, on some BSDs. ENXIO: a socket, or a FIFO.
        if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.EMLINK, errno.ENXIO}:
            raise _unsafe(relative) from error
        raise


def _require_regular(mode: int, relative: str) -> None:
    if not stat.S_ISREG(mode):
        raise _unsafe(relative)


def _unsafe(relative: str) -> UnsafeFile:
    return UnsafeFile(
        f"{relative} is not a regular file, or a link leads to it; it was not opened.",
        hint="Put the note itself there.",
        file=relative,
    )


def owner_only_file(path: Path) -> None:
    """From now on only the owner may read or write the file."""
    path.chmod(0o600)


def make_owner_only_directory(path: Path) -> None:
    """Makes a folder that only the owner may enter; an existing one is closed to others."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        path.chmod(0o700)


def others_can_write(path: Path) -> bool:
    """Whether somebody other than this user (and root) may change the file or folder."""
    status = path.stat()
    if status.st_uid not in {0, os.geteuid()}:
        return True
    if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
        return True
    return bool(status.st_mode & stat.S_IWGRP) and not _is_own_group(status.st_gid)


def _is_own_group(gid: int) -> bool:
    """Whether a group has this user alone in it, as systems with a umask of 002 give everyone."""
    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return user.pw_gid == gid and user.pw_name == group.gr_name and set(group.gr_mem) <= {user.pw_name}


def keep_owner(fd: int, former: os.stat_result) -> None:
    """Gives a new file to the owner of the one it takes the place of, where this user is allowed to.

    A daemon that runs as root would otherwise take people's notes away from them.
    """
    now = os.fstat(fd)
    if (now.st_uid, now.st_gid) == (former.st_uid, former.st_gid):
        return
    try:
        os.fchown(fd, former.st_uid, former.st_gid)
    except PermissionError:
        return


def is_being_written(path: Path) -> bool:
    """Whether some program has this file open for writing; False where that cannot be known.

    A file that is replaced while somebody writes to it in place loses what is written after that. On
    Linux a read lease is granted only where nobody has the file open for writing; it is given back at
    once. Whoever opens the file in between waits for that moment, and this process gets a signal that
    does nothing.
    """
    if sys.platform != "linux":
        return False
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)  # ignored unless somebody asks for it
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(fd)
    return False


def replace_file(source: Path, target: Path) -> None:
    """Puts `source` in the place of `target` in one step."""
    source.replace(target)


def exchange_files(one: Path, other: Path) -> bool:
    """Gives two files each other's name in one step; False, and nothing done, where that cannot be.

    Raises:
        FileNotFoundError: one of them is not there.
    """
    exchange = _exchanging_rename()
    if exchange is None:
        return False
    if exchange(os.fsencode(one), os.fsencode(other)) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_EXCLUSIVE_RENAME:
        return False
    raise OSError(number, os.strerror(number), os.fspath(one), None, os.fspath(other))


def rename_exclusive(source: Path, target: Path) -> None:
    """Moves a file within a file system, in one step where it can, never over another.

    Raises:
        FileExistsError: the name is taken; nothing was moved.
        FileNotFoundError: there is no such file (any more).
    """
    rename = _exclusive_rename()
    if rename is None:
        _rename_by_link(source, target)
    elif rename(os.fsencode(source), os.fsencode(target)) != 0:
        number = ctypes.get_errno()
        if number not in _NO_EXCLUSIVE_RENAME:
            raise OSError(number, os.strerror(number), os.fspath(source), None, os.fspath(target))
        _rename_by_link(source, target)


def _rename_by_link(source: Path, target: Path) -> None:
    while True:
        before = source.lstat()
        try:
            os.link(source, target, follow_symlinks=False)
        except FileExistsError:
            raise
        except (OSError, NotImplementedError):  # FAT, some network shares
            _rename_over_placeholder(source, target)
            return
        now = source.lstat()
        if (now.st_dev, now.st_ino) == (before.st_dev, before.st_ino):
            source.unlink()
            return
        target.unlink()  # an editor saved meanwhile: its file is the one to move


def _rename_over_placeholder(source: Path, target: Path) -> None:
    source.lstat()  # no placeholder for a file that is not there
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        source.replace(target)
    except OSError:
        target.unlink()
        raise


@cache
def _exclusive_rename() -> Any:
    return _rename_with(_RENAME_EXCL if sys.platform == "darwin" else _RENAME_NOREPLACE)


@cache
def _exchanging_rename() -> Any:
    return _rename_with(_RENAME_EXCHANGE)


def _rename_with(flag: int) -> Any:
    """The system's rename with a flag; None where it has none."""
    library = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "darwin":
        renamex = getattr(library, "renamex_np", None)
        return renamex and (lambda source, target: renamex(source, target, flag))
    renameat2 = getattr(library, "renameat2", None)
    return renameat2 and (lambda source, target: renameat2(_AT_FDCWD, source, _AT_FDCWD, target, flag))


def process_group_options() -> dict[str, Any]:
    """Options for `Popen` that give a child a session of its own, so that its whole tree can be ended."""
    return {"start_new_session": True}


def end_process_tree(pid: int, *, force: bool) -> None:
    """Ends a child that was started with `process_group_options`, and all that it started.

    Args:
        pid: of the child.
        force: kill, instead of asking to end.
    """
    if pid <= 1:
        raise ValueError(f"{pid} is not a child's process id")
    try:
        os.killpg(pid, signal.SIGKILL if force else signal.SIGTERM)
    except (ProcessLookupError, PermissionError):  # gone; macOS says the latter of one not yet reaped
        return


def raise_file_limit() -> int:
    """Allows as many open files as the system lets this user have, up to 65,536; returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _FILES_WANTED
    wanted = _FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, _FILES_WANTED)
    if wanted <= soft:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):  # macOS allows less than it says
        return soft
    return wanted
