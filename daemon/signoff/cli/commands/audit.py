"""Commands about the audit log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from signoff.cli.asked import CONFIG, JSON, Asked, takes


@takes(CONFIG, JSON)
def alone(asked: Asked) -> None:
    """Show all entries."""
    from signoff.cli import auditing

    auditing.show(asked.project(), None, last=None, as_json=asked.as_json)


@takes(CONFIG, JSON)
def show(
    asked: Asked,
    plan: Annotated[str | None, typer.Argument(metavar="[PLAN]", help="Only of this plan.")] = None,
    *,
    last: Annotated[int | None, typer.Option("--last", min=1, metavar="N", help="Only the last N.")] = None,
) -> None:
    """Show entries, newest last; with --json one object a line."""
    from signoff.cli import auditing

    auditing.show(asked.project(), plan, last=last, as_json=asked.as_json)


@takes(CONFIG, JSON)
def verify(
    asked: Asked,
    *,
    anchor: Annotated[
        Path | None, typer.Option("--anchor", metavar="FILE", help="A checkpoint that was kept elsewhere.")
    ] = None,
    evidence: Annotated[
        bool, typer.Option("--evidence", help="Check every approval, signature and call again, offline.")
    ] = False,
) -> int:
    """Verify the log. Ends with 0 (ok, unanchored), 5 (torn tail), 6 (truncated) or 7 (tampered)."""
    from signoff.cli import auditing

    return auditing.verify(asked.project(), anchor, evidence=evidence, as_json=asked.as_json)


@takes(CONFIG, JSON)
def export(
    asked: Asked,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Default: signoff-audit-TIME.zip here.")
    ] = None,
) -> None:
    """Write log, checkpoint and public key into one zip file, to be kept elsewhere."""
    from signoff.cli import auditing

    auditing.export(asked.project(), output, as_json=asked.as_json)
