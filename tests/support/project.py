"""A project on disk with a real daemon process over it, and ways to wait for what it does.

Waiting is on facts (a ledger entry, a note's words, a call in a server's log), with a deadline that
only a broken promise reaches.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import frontmatter
import psutil

from signoff.ledger.walk import read_entries

T = TypeVar("T")
DEADLINE = 20.0
STUB = Path(__file__).parent.parent / "servers" / "stub.py"


def eventually(look: Callable[[], T], what: str, *, deadline: float = DEADLINE) -> T:
    """The first true answer of `look`; fails when there is none in time."""
    end = time.monotonic() + deadline
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.02)


class Project:
    """A vault, a configuration and logs in one folder."""

    def __init__(self, root: Path, *, servers: dict[str, Any] | None = None, settings: str = "") -> None:
        self.root = root
        self.vault = root / "vault"
        self.config = root / "config"
        self.logs = root / "logs"
        self.process: subprocess.Popen[bytes] | None = None
        for folder in (self.vault / "Inbox", self.config):
            folder.mkdir(parents=True, exist_ok=True)
        self.configure(settings)
        self.set_servers(servers if servers is not None else {"stub": self.stub()})

    # ------------------------------------------------------------ files

    def configure(self, settings: str = "") -> None:
        """Write signoff.toml: one default approver, and what a test adds."""
        text = settings if "[approvers" in settings else settings + "\n[approvers.ana]\ndefault = true\n"
        (self.config / "signoff.toml").write_text(text)

    def policy(self, text: str) -> None:
        """Write policy.yaml."""
        (self.config / "policy.yaml").write_text(text)

    def actions(self, text: str) -> None:
        """Write actions.yaml."""
        (self.config / "actions.yaml").write_text(text)

    def stub(self, *options: str, name: str = "stub") -> dict[str, Any]:
        """A stub server's entry; its calls go to `<name>.jsonl`."""
        return {
            "command": sys.executable,
            "args": [str(STUB), "--log", str(self.root / f"{name}.jsonl"), *options],
        }

    def set_servers(self, servers: dict[str, Any]) -> None:
        """Write mcp_servers.json."""
        (self.config / "mcp_servers.json").write_text(json.dumps({"mcpServers": servers}))

    def drop(self, name: str, text: str, folder: str = "Inbox") -> Path:
        """Put a note into a folder, at once and whole, as an editor would."""
        path = self.vault / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{name}.tmp")
        aside.write_text(text)
        aside.replace(path)
        return path

    def calls(self, name: str = "stub") -> list[dict[str, Any]]:
        """The calls that a stub server recorded."""
        path = self.root / f"{name}.jsonl"
        whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
        return [json.loads(line) for line in whole.splitlines()]

    def entries(self, event: str | None = None, **fields: Any) -> list[Any]:
        """Ledger entries, by event and fields (`reason` looks into `data`)."""
        folder = self.logs / "audit"
        found = list(read_entries(folder)) if folder.exists() else []
        return [entry for entry in found if (event is None or entry.event == event) and _has(entry, fields)]

    def find(self, name: str) -> Path | None:
        """Where a note lies now."""
        return next((path for path in self.vault.rglob(name)), None)

    def front(self, path: Path) -> dict[str, Any]:
        """A note's front matter, as another program reads it."""
        return dict(frontmatter.loads(path.read_text()).metadata)

    # ------------------------------------------------------------ the daemon

    def environment(self) -> dict[str, str]:
        """The environment of the daemon: nothing of the user's settings."""
        return {key: value for key, value in os.environ.items() if not key.startswith("SIGNOFF_")}

    def signoff(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        command = [sys.executable, "-m", "signoff", *arguments, "--config", str(self.config)]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=60,
            env=self.environment(),
            check=False,
            **options,
        )

    def once(self) -> subprocess.CompletedProcess[str]:
        """`signoff run --once`."""
        return self.signoff("run", "--once")

    def start(self) -> Project:
        """Start the daemon; returns when it watches."""
        before = len(self.entries("daemon-started"))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "signoff", "run", "--config", str(self.config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=self.environment(),
            start_new_session=True,
        )
        eventually(lambda: len(self.entries("daemon-started")) > before or self._died(), "the daemon starts")
        return self

    def _died(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            _, errors = self.process.communicate()
            raise AssertionError(f"the daemon ended with {self.process.returncode}: {errors.decode()}")
        return False

    def kill(self) -> None:
        """SIGKILL: no goodbye."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()
        self.process = None

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=15)
        code = self.process.returncode
        self.process = None
        return code

    def close(self) -> None:
        """End what is still running, children included."""
        if self.process is None:
            return
        children = (
            psutil.Process(self.process.pid).children(recursive=True) if self.process.poll() is None else []
        )
        self.process.kill()
        self.process.communicate()
        for child in children:
            child.kill()

    # ------------------------------------------------------------ waiting

    def await_entry(self, event: str, **fields: Any) -> Any:
        """The first ledger entry of that kind."""
        return eventually(lambda: next(iter(self.entries(event, **fields)), None), f"{event} {fields}")

    def await_note(self, name: str, folder: str, text: str = "") -> Path:
        """The note, once it lies in a folder (of the vault) and holds a text."""
        path = self.vault / folder / name

        def there() -> Path | None:
            try:
                return path if text in path.read_text() else None
            except FileNotFoundError:
                return None

        return eventually(there, f"{name} in {folder} with {text!r}; it is at {self.find(name)}")

    def await_calls(self, number: int, name: str = "stub") -> list[dict[str, Any]]:
        """At least so many calls at a stub server."""
        return eventually(
            lambda: calls if len(calls := self.calls(name)) >= number else None, f"{number} calls at {name}"
        )

    def pending(self, name: str, text: str) -> Path:
        """Drop a plan and wait until it is shown for approval."""
        shown = len(self.entries("presented"))
        self.drop(name, text)
        path = self.await_note(name, "Pending_Approval", "status: pending")
        eventually(lambda: len(self.entries("presented")) > shown, "the plan is recorded as shown")
        return path

    def edit(self, path: Path, old: str, new: str) -> None:
        """Change a text in a note, whole and at once."""
        text = path.read_text()
        assert old in text, f"{old!r} is not in the note"
        aside = path.with_name(f".{path.name}.tmp")
        aside.write_text(text.replace(old, new, 1))
        aside.replace(path)

    def approve(self, path: Path) -> None:
        """The gesture: `status: approved`."""
        self.edit(path, "status: pending", "status: approved")


def _has(entry: Any, fields: dict[str, Any]) -> bool:
    return all(
        (entry.data.get(key) if key in {"reason", "status", "class", "answer"} else getattr(entry, key))
        == value
        for key, value in fields.items()
    )


def plan(*steps: str, front: str = "") -> str:
    """A plan in the explicit form; each step is the YAML of its block."""
    items = []
    for number, step in enumerate(steps, 1):
        block = "\n".join(f"   {line}" for line in step.strip().splitlines())
        items.append(f"{number}. [ ] Step {number}\n   ```yaml\n{block}\n   ```")
    head = f"---\n{front.strip()}\n---\n" if front else ""
    return f"{head}# A plan\n\nSome words of the author.\n\n## Steps\n\n" + "\n".join(items) + "\n"


def record(text: str, identifier: str = "") -> str:
    """A step that calls the stub's `record`."""
    head = f"id: {identifier}\n" if identifier else ""
    return f"{head}action: stub.record\nwith:\n  text: {text}\n"


def projects(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    """Makes projects and ends their daemons; for a fixture."""
    made: list[Project] = []

    def make(**options: Any) -> Project:
        made.append(Project(tmp_path / f"project{len(made)}", **options))
        return made[-1]

    yield make
    for project in made:
        project.close()
