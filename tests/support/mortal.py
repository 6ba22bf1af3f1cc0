"""Daemons that die at a moment of one's choosing: forked from a process that has imported everything.

    python tests/support/mortal.py

Reads one JSON object a line, `{"config": DIR, "status": FILE, "die_at": N or null, "once": bool}`, and
forks a daemon, which sends itself SIGKILL at its N-th moment. Moments are: before and after each durable
write to the ledger, each write to and move of a file, and right after each call was handed to its server.
When it has ended, its wait status is in the file. Many may live at the same time.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from signoff import durable
from signoff.config import load_settings
from signoff.ledger import writer
from signoff.servers import owner, stdio  # noqa: F401  what a daemon imports is imported once, here
from signoff.service import serve


class Fate:
    """Counts moments, and kills at the one that was chosen."""

    def __init__(self, die_at: int | None) -> None:
        self.left = die_at

    def moment(self) -> None:
        if self.left is None:
            return
        self.left -= 1
        if self.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, holder: Any, name: str, *, before: bool = True) -> None:
        real: Callable[..., Any] = getattr(holder, name)

        def fated(*arguments: Any, **named: Any) -> Any:
            if before:
                self.moment()
            result = real(*arguments, **named)
            self.moment()
            return result

        setattr(holder, name, fated)


def live(config: Path, die_at: int | None, *, once: bool) -> None:
    os.setsid()
    fate = Fate(die_at)
    fate.around(writer.Writer, "append")
    for name in ("replace", "create", "move"):
        fate.around(durable, name)
    fate.around(stdio.StdioLink, "write", before=False)
    environ = {key: value for key, value in os.environ.items() if not key.startswith("SIGNOFF_")}
    environ["HOUSE"] = os.environ["HOUSE"] = str(config.parent)
    log = os.open(config.parent / "mortal.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    asyncio.run(serve(load_settings(config, environ), environ, once=once, terminal=False))


def watch(order: dict[str, Any]) -> None:
    """Begin a life, and write down how it ended."""
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            live(Path(order["config"]), order.get("die_at"), once=bool(order.get("once")))
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    file = Path(order["status"])
    aside = file.with_suffix(".tmp")
    aside.write_text(str(status))
    aside.replace(file)


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the watchers
    for line in sys.stdin:
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                watch(json.loads(line))
            finally:
                os._exit(0)


if __name__ == "__main__":
    main()
