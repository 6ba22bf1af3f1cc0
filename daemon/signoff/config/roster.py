"""Who may approve, as the config folder says now: read again whenever it changes.

A person who is removed must not approve a minute later, so this does not wait for a restart. A file that
cannot be read as meant lets nobody approve until it is mended.
"""

from __future__ import annotations

import base64
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

from loguru import logger

from signoff.config.settings import Approver, load_settings
from signoff.errors import ConfigError
from signoff.model import Method

AT_HAND = 0.02
"""Seconds for which what the files said is taken for what they say: a hundred steps may ask at once."""

Stamps = tuple[tuple[int, int, int] | None, ...]


class Roster:
    """The approvers and their secrets.

    Attributes:
        allowed_signers: OpenSSH's file of public keys.
    """

    def __init__(self, config_dir: Path, environ: Mapping[str, str]) -> None:
        self.allowed_signers = config_dir / "allowed_signers"
        self._config_dir = config_dir
        self._environ = environ
        self._files = tuple(os.path.join(config_dir, name) for name in ("signoff.toml", ".env"))  # noqa: PTH118
        self._looked_at = -AT_HAND
        self._stamps: Stamps = ()
        self._approvers: Mapping[str, Approver] = {}

    def approvers(self) -> Mapping[str, Approver]:
        """Everyone who may approve, by name; nobody while the settings are broken."""
        now = time.monotonic()
        if now < self._looked_at + AT_HAND:
            return self._approvers
        stamps = tuple(_stamp(file) for file in self._files)
        self._looked_at = now
        if stamps != self._stamps:
            try:
                self._approvers = load_settings(self._config_dir, self._environ).approvers
            except ConfigError as error:
                logger.error("Nobody can approve until the settings are mended: {}", error)
                self._approvers = {}
            self._stamps = stamps
        return self._approvers

    def default(self) -> str | None:
        """Whose gesture it is where a note names nobody."""
        return next((name for name, approver in self.approvers().items() if approver.default), None)

    def code_secrets(self) -> dict[str, str]:
        """By approver, the secret of their one-time codes, in Base32."""
        secrets = {}
        for name, approver in self.approvers().items():
            if Method.CODE in approver.methods:
                secret = _read_secret(code_file(self._config_dir, name))
                if secret is not None:
                    secrets[name] = secret
        return secrets


def code_file(config_dir: Path, name: str) -> Path:
    """Where an approver's secret is kept (folder 0700, file 0600)."""
    return config_dir / "secrets" / f"{name}.totp"


def _read_secret(path: Path) -> str | None:
    try:
        text = path.read_text().strip()
        base64.b32decode(text + "=" * (-len(text) % 8))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        logger.error("The one-time-code secret {} cannot be read; its codes are not taken.", path)
        return None
    return text if re.fullmatch(r"[A-Z2-7]{26,}", text) else None


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
