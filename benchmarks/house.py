"""A real project on the disk, with a real daemon process over it, for measuring.

Nothing is polled that would cost the daemon much: one looks at the end of the ledger's file, at names
in folders and at the server's own log of calls.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from benchmarks.raw import STUB

DEADLINE = 120.0


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder on the disk (not in memory), gone afterwards; `SIGNOFF_BENCH_DIR` says where."""
    folder = Path(tempfile.mkdtemp(prefix="signoff-bench-", dir=os.environ.get("SIGNOFF_BENCH_DIR")))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def environment() -> dict[str, str]:
    """The environment of the daemon and of commands: nothing of the user's settings."""
    return {name: text for name, text in os.environ.items() if not name.startswith("SIGNOFF_")}


def until(look: Callable[[], bool], what: str, *, every: float = 0.01, deadline: float = DEADLINE) -> None:
    """Wait until something is so.

    Raises:
        TimeoutError: it was not so in time.
    """
    end = time.monotonic() + deadline
    while not look():
        if time.monotonic() > end:
            raise TimeoutError(f"not in {deadline} s: {what}")
        time.sleep(every)


class House:
    """A vault, a configuration, logs, a stub server, and the daemon over them."""

    def __init__(self, root: Path, *, concurrency: int = 8, servers: Mapping[str, Any] | None = None) -> None:
        self.root = root
        self.vault, self.config, self.logs = root / "vault", root / "config", root / "logs"
        self.calls_log = root / "stub.jsonl"
        self.process: subprocess.Popen[bytes] | None = None
        (self.vault / "Inbox").mkdir(parents=True, exist_ok=True)
        self.config.mkdir(exist_ok=True)
        (self.config / "signoff.toml").write_text(
            f"[execution]\nconcurrency = {concurrency}\n[approvers.ana]\ndefault = true\n"
        )
        stub = {
            "command": sys.executable,
            "args": [str(STUB), "--log", str(self.calls_log), "--no-fsync"],
        }
        servers = servers if servers is not None else {"stub": stub}
        (self.config / "mcp_servers.json").write_text(json.dumps({"mcpServers": servers}))

    # ------------------------------------------------------------ the daemon

    def start(self, *, profile: Path | None = None) -> float:
        """Start the daemon; seconds until it says that it watches."""
        run = ["-m", "signoff", "run", "--config", str(self.config)]
        command = [sys.executable, *(["-m", "cProfile", "-o", str(profile)] if profile else []), *run]
        log = self.logs / "signoff.log"
        before = log.read_bytes().count(b"Watching ") if log.exists() else 0
        begin = time.perf_counter()
        with (self.root / "daemon.txt").open("ab") as out:
            self.process = subprocess.Popen(
                command, stdout=out, stderr=out, env=environment(), start_new_session=True
            )
        atexit.register(self.process.kill)

        def watches() -> bool:
            if self.process is not None and self.process.poll() is not None:
                raise RuntimeError((self.root / "daemon.txt").read_text(errors="replace"))
            return log.exists() and log.read_bytes().count(b"Watching ") > before

        until(watches, "the daemon watches", every=0.005)
        return time.perf_counter() - begin

    def stop(self) -> None:
        """SIGTERM, and wait."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def daemon(self) -> psutil.Process:
        """The daemon's process."""
        if self.process is None:
            raise RuntimeError("the daemon is not running")
        return psutil.Process(self.process.pid)

    def cpu_seconds(self) -> float:
        """Processor time that the daemon has used."""
        times = self.daemon().cpu_times()
        return float(times.user + times.system)

    # ------------------------------------------------------------ notes

    def drop(self, names_and_texts: Mapping[str, str], folder: str = "Inbox") -> None:
        """Put notes into a folder."""
        for name, text in names_and_texts.items():
            aside = self.vault / folder / f".{name}.tmp"
            aside.write_text(text)
            aside.rename(self.vault / folder / name)

    def count(self, folder: str) -> int:
        """How many notes a folder holds."""
        try:
            with os.scandir(self.vault / folder) as entries:
                return sum(1 for entry in entries if entry.name.endswith(".md"))
        except FileNotFoundError:
            return 0

    def shown(self, number: int, *, deadline: float = DEADLINE) -> None:
        """Wait until so many plans have been presented, and the quiet second after it is over."""
        until(lambda: self.events("presented") >= number, "the plans are shown", every=0.1, deadline=deadline)
        time.sleep(1.5)

    def move(self, names: list[str], source: str = "Pending_Approval", target: str = "Approved") -> None:
        """Move notes, as a person does in a file manager."""
        for name in names:
            (self.vault / source / name).rename(self.vault / target / name)

    # ------------------------------------------------------------ the record

    def events(self, event: str) -> int:
        """How many entries of a kind the ledger holds."""
        needle = f'"event":"{event}"'.encode()
        folder = self.logs / "audit"
        files = sorted(folder.glob("*.jsonl")) if folder.exists() else []
        return sum(file.read_bytes().count(needle) for file in files)

    def entries(self, event: str) -> list[dict[str, Any]]:
        """The ledger's entries of a kind."""
        lines = (line for file in sorted((self.logs / "audit").glob("*.jsonl")) for line in file.open("rb"))
        return [entry for line in lines if (entry := json.loads(line))["event"] == event]

    def calls(self) -> list[dict[str, Any]]:
        """The calls as the server saw them, with the time (seconds) of each."""
        text = self.calls_log.read_text() if self.calls_log.exists() else ""
        return [json.loads(line) for line in text.splitlines()]


def moment(entry: Mapping[str, Any]) -> float:
    """The time of a ledger entry, in seconds."""
    return datetime.fromisoformat(entry["time"]).timestamp()


@contextlib.contextmanager
def running(house: House, *, profile: Path | None = None) -> Iterator[House]:
    """The daemon, for as long as needed."""
    house.start(profile=profile)
    try:
        yield house
    finally:
        house.stop()


def plan(identifier: str, steps: int = 1, *, front: str = "") -> str:
    """A plan of `steps` calls, one after the other."""
    items = "".join(
        f"{number}. [ ] Step {number}\n   ```yaml\n   action: stub.record\n   with:\n"
        f"     text: {identifier} {number}\n   ```\n"
        for number in range(1, steps + 1)
    )
    head = f"---\nid: {identifier}\n{front}---\n"
    return f"{head}# A plan\n\nSome words of the author.\n\n## Steps\n\n{items}"
