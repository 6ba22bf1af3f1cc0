"""Commands that decide about a plan."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from signoff.cli.asked import CONFIG, JSON, Asked, Plan, takes

As = Annotated[
    str | None, typer.Option("--as", metavar="NAME", help="Who decides; otherwise the default approver.")
]


class Answer(StrEnum):
    """What a person says of a call of unknown outcome."""

    HAPPENED = "happened"
    DID_NOT_HAPPEN = "did-not-happen"


@takes(CONFIG, JSON)
def approve(
    asked: Asked,
    plan: Plan,
    *,
    by: As = None,
    sign: Annotated[
        Path | None,
        typer.Option(
            "--sign", metavar="KEY", help="Sign with this SSH key (or the .pub of one in an agent)."
        ),
    ] = None,
    statement: Annotated[
        Path | None,
        typer.Option(
            "--signed", metavar="FILE", help="What `show --to-sign` printed and you signed elsewhere."
        ),
    ] = None,
    signature: Annotated[
        Path | None, typer.Option("--signature", metavar="FILE", help="Its signature. Default: FILE.sig.")
    ] = None,
) -> int:
    """Approve a plan that waits for approval."""
    from signoff.cli import decisions, signing

    if sign is not None:
        make = signing.signed_approval(sign)
    elif statement is not None:
        make = signing.detached_approval(statement, signature)
    else:
        make = decisions.approval(by)
    return decisions.decide(asked.project(), plan, make, as_json=asked.as_json)


@takes(CONFIG, JSON)
def reject(
    asked: Asked,
    plan: Plan,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is written into the note.")],
) -> int:
    """Turn a plan down."""
    from signoff.cli import decisions

    return decisions.decide(asked.project(), plan, decisions.rejection(reason), as_json=asked.as_json)


@takes(CONFIG, JSON)
def resolve(
    asked: Asked,
    plan: Plan,
    step: Annotated[str, typer.Argument(metavar="STEP", help="Its id or number.")],
    answer: Annotated[Answer, typer.Argument(help="What you found at the other end.")],
) -> int:
    """Say what happened to a call whose outcome is unknown."""
    from signoff.cli import decisions

    make = decisions.resolution(step, answer.value)
    return decisions.decide(asked.project(), plan, make, as_json=asked.as_json)


@takes(CONFIG, JSON)
def answer(
    asked: Asked,
    plan: Plan,
    step: Annotated[str, typer.Argument(metavar="STEP", help="Its id or number.")],
    values: Annotated[
        list[str] | None, typer.Argument(metavar="FIELD=VALUE...", help="Without any, shows the question.")
    ] = None,
    *,
    accept: Annotated[bool, typer.Option("--accept", help="Send it as it is, with the defaults.")] = False,
    decline: Annotated[bool, typer.Option("--decline", help="Tell the server that you will not.")] = False,
    question: Annotated[
        int | None, typer.Option("--question", help="Which, where there are several.")
    ] = None,
    code: Annotated[str, typer.Option("--code", help="A one-time code, where the plan needs one.")] = "",
    sign: Annotated[
        Path | None, typer.Option("--sign", metavar="KEY", help="Sign the answer with this SSH key.")
    ] = None,
    by: As = None,
) -> int:
    """Answer what a server asks in the middle of a call."""
    from signoff.cli import answer as answering

    given = answering.Given(values or (), accept, decline, question, by, code, sign)
    return answering.answer(asked.project(), plan, step, given, as_json=asked.as_json)


@takes(CONFIG, JSON)
def retry(asked: Asked, plan: Plan) -> int:
    """Show a stopped plan for approval again. Finished steps stay finished."""
    from signoff.cli import decisions

    return decisions.decide(asked.project(), plan, decisions.retrial(), as_json=asked.as_json)


@takes(CONFIG, JSON)
def cancel(
    asked: Asked,
    plan: Plan,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is written into the note.")] = "",
) -> int:
    """End a plan. A call in flight is awaited, no further one leaves."""
    from signoff.cli import decisions

    return decisions.decide(asked.project(), plan, decisions.cancellation(reason), as_json=asked.as_json)
