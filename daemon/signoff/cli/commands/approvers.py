"""Commands about who may approve."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from signoff.cli.asked import CONFIG, JSON, Asked, takes


@takes(CONFIG, JSON)
def show(asked: Asked) -> None:
    """Show who may approve, and how."""
    from signoff.cli import enrolment

    enrolment.list_approvers(asked.project(), as_json=asked.as_json)


@takes(CONFIG, JSON)
def add(
    asked: Asked,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    *,
    code: Annotated[bool, typer.Option("--code", help="Enrol one-time codes; prints the QR code.")] = False,
    ssh_key: Annotated[
        Path | None, typer.Option("--ssh-key", metavar="FILE", help="A public key that may sign.")
    ] = None,
    default: Annotated[
        bool, typer.Option("--default", help="Theirs is the gesture where a note names nobody.")
    ] = False,
) -> None:
    """Enrol an approver, or a method for one."""
    from signoff.cli import enrolment

    enrolment.add(asked.project(), name, code=code, ssh_key=ssh_key, default=default, as_json=asked.as_json)


@takes(CONFIG, JSON)
def remove(
    asked: Asked,
    name: Annotated[str, typer.Argument(metavar="NAME")],
) -> None:
    """Take an approver away. What they approved and has not run yet, does not run."""
    from signoff.cli import enrolment

    enrolment.take_away(asked.project(), name, as_json=asked.as_json)


@takes(CONFIG, JSON)
def unlock(asked: Asked) -> None:
    """Take one-time codes again after too many wrong ones."""
    from signoff.cli import enrolment

    enrolment.unlock(asked.project(), as_json=asked.as_json)
