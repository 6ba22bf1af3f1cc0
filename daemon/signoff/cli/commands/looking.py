"""Commands that look at plans, and at how all is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from signoff.cli.asked import CONFIG, JSON, Asked, Plan, takes


@takes(CONFIG, JSON)
def status(asked: Asked) -> None:
    """Show what waits for whom, what runs, what failed and why."""
    from signoff.cli import standing

    standing.status(asked.project(), as_json=asked.as_json)


@takes(CONFIG, JSON)
def show(
    asked: Asked,
    plan: Plan,
    *,
    to_sign: Annotated[
        bool, typer.Option("--to-sign", help="Print what a signature must cover, and nothing else.")
    ] = False,
) -> None:
    """Show a plan: its steps, attempts and approvals."""
    from signoff.cli import showing

    if to_sign:
        showing.to_sign(asked.project(), plan)
    else:
        showing.show(asked.project(), plan, as_json=asked.as_json)


@takes(CONFIG, JSON)
def check(
    asked: Asked,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Notes, wherever they lie.")],
    *,
    fix: Annotated[bool, typer.Option("--fix", help="Mend the known breakages, in the file.")] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Ask the servers, even where their tools are known.")
    ] = False,
) -> int:
    """Show what notes would do, and the approval they need. Changes nothing without --fix."""
    from signoff.cli import check as checking

    return checking.check(asked.project(), files, fix=fix, live=live, as_json=asked.as_json)


@takes(CONFIG, JSON)
def explain(asked: Asked, plan: Plan) -> None:
    """Say for each call of a plan which rule decided its risk, and what approval the plan needs."""
    from signoff.cli import explaining

    explaining.explain_policy(asked.project(), plan, as_json=asked.as_json)


@takes(CONFIG, JSON)
def metrics(asked: Asked) -> None:
    """Show counts of plans, calls, approvals and refusals."""
    from signoff.cli import counting

    counting.metrics(asked.project(), as_json=asked.as_json)


@takes(CONFIG, JSON)
def doctor(asked: Asked) -> int:
    """Look whether everything is in place for the daemon."""
    from signoff.cli import doctoring

    return doctoring.doctor(asked.project(), as_json=asked.as_json)
