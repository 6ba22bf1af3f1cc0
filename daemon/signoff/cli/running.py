"""`signoff run`: the daemon, in the foreground."""

from __future__ import annotations

import asyncio
import sys

from signoff.cli.project import Project
from signoff.cli.screen import SCREEN


def run(project: Project, *, once: bool) -> None:
    """Runs until stopped, or with `once` until nothing is runnable.

    Raises:
        VaultOwned, LedgerDamaged, ConfigError: nothing was started.
    """
    from signoff.service import serve

    terminal = sys.stderr.isatty()
    settings = project.settings
    SCREEN.line(f"Vault: {settings.vault.path}")
    if terminal and not once:
        SCREEN.line("Ctrl-C ends it; calls in flight are finished first.", "dim")
    asyncio.run(serve(settings, project.process_environ, once=once, terminal=terminal))
