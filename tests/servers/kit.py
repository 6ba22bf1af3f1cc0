"""What the tests of servers share: configurations of the stubs, and what the stubs recorded."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import psutil

from signoff.servers.config import ServerConfig, load_servers
from signoff.servers.pool import ServerPool

STUB = Path(__file__).with_name("stub.py")


class Project:
    """A folder with `config/mcp_servers.json` in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.file = root / "config" / "mcp_servers.json"
        self.log = root / "calls.jsonl"
        self.pid_file = root / "pids"
        self.entries: dict[str, object] = {}

    def stub(self, *options: str, name: str = "stub", **keys: object) -> Project:
        """Adds a stdio stub that records in the log."""
        args = [str(STUB), "--log", str(self.log), "--pids", str(self.pid_file), *options]
        self.entries[name] = {"command": "${SIGNOFF_PYTHON}", "args": args, **keys}
        return self

    def server(self, name: str, **keys: object) -> Project:
        """Adds a server as it is written in the file."""
        self.entries[name] = keys
        return self

    def configs(self, **environ: str) -> dict[str, ServerConfig]:
        """Writes the file and reads it."""
        self.file.parent.mkdir(exist_ok=True)
        self.file.write_text(json.dumps({"mcpServers": self.entries}, indent=2), encoding="utf-8")
        return load_servers(self.file, dict(os.environ) | environ, python=sys.executable)

    def pool(
        self,
        *,
        environ: dict[str, str] | None = None,
        on_change: Callable[[str], None] | None = None,
        **options,
    ) -> ServerPool:
        """A pool of the servers that were added."""
        configs = self.configs(**(environ or {}))
        return ServerPool(configs, logs=self.root / "logs", on_change=on_change, **options)

    def calls(self) -> list[dict[str, object]]:
        """The calls that happened, in order."""
        if not self.log.exists():
            return []
        whole, _, _ = self.log.read_text(encoding="utf-8").rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def pids(self) -> list[int]:
        """The processes that the stubs have said they are."""
        return [int(line) for line in self.pid_file.read_text(encoding="ascii").split()]

    def running(self) -> list[int]:
        """Those of them that are still there."""
        return [pid for pid in self.pids() if is_running(pid)]


def is_running(pid: int) -> bool:
    """Whether a process is there and has not ended (one that nobody has reaped yet has)."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def pin_of(pool: ServerPool, tool: str, server: str = "stub") -> dict[str, object]:
    """What a plan that was approved now would pin."""
    view = pool.view(server)
    return {"launch": view.launch, "definition": view.tools[tool].definition()}


async def until(condition: Callable[[], object], within: float = 15.0) -> None:
    """Waits for something that has no event of its own, such as the end of a foreign process."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.01)


async def available(pool: ServerPool, server: str = "stub") -> None:
    """Waits until a server can be called."""
    await until(lambda: pool.health()[server].status == "available")
