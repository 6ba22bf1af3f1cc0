"""Where the daemon keeps what is not in the vault: one folder for logs, one for secrets."""

from __future__ import annotations

from signoff.config import Settings


class Places:
    """The files and folders under `logs/` and `config/`."""

    def __init__(self, settings: Settings) -> None:
        logs, config = settings.logs, settings.config_dir
        self.logs = logs
        self.audit = logs / "audit"
        self.blobs = logs / "blobs"
        self.requests = logs / "requests"
        self.lock = logs / "daemon.lock"
        self.state = logs / "state"
        self.sections = logs / "state" / "sections"
        self.notes = logs / "state" / "notes.json"
        self.servers = logs / "state" / "servers.json"
        self.tools = logs / "state" / "tools.json"
        self.health = logs / "state" / "health.jsonl"
        self.checkpoint = logs / "audit" / "checkpoint.json"
        self.tokens = config / "secrets" / "oauth"
        self.checkpoint_key = config / "secrets" / "checkpoint.key"
        self.checkpoint_public = config / "secrets" / "checkpoint.pub"
