"""A command as it looks in a terminal of so many columns."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from typing import Any

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


def in_terminal(command: Sequence[str], *, columns: int = 80, **options: Any) -> list[str]:
    """The lines that the command shows, without colours; longer ones the terminal itself would fold."""
    import pty
    import termios

    outer, inner = pty.openpty()
    termios.tcsetwinsize(inner, (50, columns))
    options["env"] = {**options.get("env", os.environ), "TERM": "xterm"}
    for name in ("COLUMNS", "LINES"):
        options["env"].pop(name, None)
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=inner, stderr=subprocess.DEVNULL, **options
    ):
        os.close(inner)
        shown = b""
        while chunk := _read(outer):
            shown += chunk
    os.close(outer)
    return _CONTROL.sub("", shown.decode()).splitlines()


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 65536)
    except OSError:  # how a terminal ends
        return b""
