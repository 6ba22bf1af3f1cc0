"""Ends the servers' process groups when the daemon dies without doing so itself (SIGKILL, a crash).

Run as a program by the daemon (`python -S -E keeper.py`), which holds the other end of its stdin: a line
`+PGID` puts a group in its care, `-PGID` takes it out. When stdin ends, so has the daemon: every group
still in care is asked to end, and killed two seconds later; and so is what has left its group, which is found
by the daemon's mark in its environment, where the system shows that (Linux). Standard library only, and next
to nothing of it: it starts in about 10 ms and stays small. Not used on Windows, where a job object does this.
"""

from __future__ import annotations

import os
import signal
import sys
import time

GRACE = 2.0


def keep(lines: int) -> set[int]:
    """Reads until the end of the daemon; returns the groups that are in care then."""
    groups: set[int] = set()
    rest = b""
    while chunk := os.read(lines, 4096):
        *complete, rest = (rest + chunk).split(b"\n")
        for line in complete:
            if line[1:].isdigit() and int(line[1:]) > 1:
                (groups.add if line[:1] == b"+" else groups.discard)(int(line[1:]))
    return groups


def alive(group: int) -> bool:
    """Whether any process of the group is left."""
    return send(group, 0)


def send(group: int, number: int) -> bool:
    """Signals a group; False where it is gone."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS, of a group whose last member is not yet reaped
        return number == 0
    return True


def strays(mark: bytes) -> set[int]:
    """The processes in whose environment there is a variable that begins with the mark."""
    found: set[int] = set()
    try:
        processes = [entry.name for entry in os.scandir("/proc") if entry.name.isdigit()]
    except OSError:
        return found
    for pid in processes if mark else ():
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123  pathlib is slow to import
                if b"\0" + mark in b"\0" + file.read():
                    found.add(int(pid))
        except OSError:  # another user's, or gone
            continue
    return found


def signal_all(pids: set[int], number: int) -> None:
    """Signals processes one by one; those that are gone are gone."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError:
            continue


def end(groups: set[int], mark: bytes = b"") -> None:
    """Asks the groups and the marked processes to end, and kills those that are left after the grace."""
    left = {group for group in groups if send(group, signal.SIGTERM)}
    signal_all(strays(mark), signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while (left or strays(mark)) and time.monotonic() < deadline:
        time.sleep(0.02)
        left = {group for group in left if alive(group)}
    for group in left:
        send(group, signal.SIGKILL)
    signal_all(strays(mark), signal.SIGKILL)


def main() -> None:
    """Keeps until the daemon's end of the pipe is closed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    end(keep(0), sys.argv[1].encode() if len(sys.argv) > 1 else b"")


if __name__ == "__main__":
    main()
