"""Commands as a person runs them: on a project that `signoff init` made, as processes of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.project import Project


class Laid(Project):
    """A project that `signoff init` laid down, with the stub server and without sample plans."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self.vault, self.config, self.logs = root / "vault", root / "config", root / "logs"
        self.process = None
        self.laid = self.signoff("init", str(root))
        assert self.laid.returncode == 0, self.laid.stderr
        for sample in (self.vault / "Inbox").glob("*.md"):
            sample.unlink()
        self.actions("")
        self.set_servers({"stub": self.stub()})

    def json(self, *arguments: str, code: int = 0) -> Any:
        """What a command answers with `--json`, and that it ends with this exit code."""
        result = self.signoff(*arguments, "--json")
        assert result.returncode == code, f"{result.returncode}: {result.stdout}{result.stderr}"
        return json.loads(result.stdout)

    def refused(self, *arguments: str, code: int = 1) -> str:
        """What a command says on stderr when it ends with this exit code; never a traceback."""
        result = self.signoff(*arguments)
        assert result.returncode == code, f"{result.returncode}: {result.stdout}{result.stderr}"
        assert "Traceback" not in result.stderr
        return result.stderr

    def worked(self) -> Project:
        """`signoff run --once`, which must go well."""
        result = self.once()
        assert result.returncode == 0, result.stderr
        return self

    def shown(self, name: str, text: str) -> str:
        """Drop a plan, let a daemon show it for approval, and give its id."""
        self.drop(name, text)
        self.worked()
        path = self.vault / "Pending_Approval" / name
        assert path.exists(), f"{name} is at {self.find(name)}"
        return str(self.front(path)["id"])
