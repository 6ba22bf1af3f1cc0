"""The table of commands: names, arguments and what each is for. What they do is in modules of their own."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from signoff import __version__
from signoff.cli.project import Project

Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="DIR", help="The config folder. Default: $SIGNOFF_CONFIG, or ./config."),
]
Json = Annotated[bool, typer.Option("--json", help="Answer with JSON.")]
Plan = Annotated[str, typer.Argument(metavar="PLAN", help="Its id, its file, or the start of either.")]
As = Annotated[
    str | None, typer.Option("--as", metavar="NAME", help="Who decides; otherwise the default approver.")
]

app = typer.Typer(
    help="Agents propose, a person signs off in a note, Signoff does exactly what was signed, once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if sys.stdout.isatty() else None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
servers = typer.Typer(help="Show the servers, check them, list their tools, bring in others.")
audit = typer.Typer(help="Show, verify and export the audit log.")
approvers = typer.Typer(help="Show who may approve, and how.")
app.add_typer(servers, name="servers")
app.add_typer(audit, name="audit")
app.add_typer(approvers, name="approvers")


class Answer(StrEnum):
    """What a person says of a call of unknown outcome."""

    HAPPENED = "happened"
    DID_NOT_HAPPEN = "did-not-happen"


# ---------------------------------------------------------------- what all commands take


@dataclass(frozen=True, slots=True)
class Asked:
    """The options that may stand before or after a command's name."""

    config: Path | None = None
    as_json: bool = False


def _asked(context: typer.Context, config: Path | None, *, as_json: bool) -> Asked:
    above = context.obj if isinstance(context.obj, Asked) else Asked()
    return Asked(config or above.config, as_json or above.as_json)


def _project(asked: Asked) -> Project:
    named = asked.config or os.environ.get("SIGNOFF_CONFIG") or "config"
    return Project(Path(named), dict(os.environ))


def _end(code: int) -> None:
    if code:
        raise typer.Exit(code)


def _version(value: bool) -> None:  # noqa: FBT001  as typer calls it
    if value:
        print(f"signoff {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    *,
    config: Config = None,
    version: Annotated[  # noqa: ARG001  its callback acts
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    context.obj = Asked(config)


# ---------------------------------------------------------------- the daemon


@app.command()
def init(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where; made if missing.")] = Path(),
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a vault, a configuration and a folder for logs. Nothing is overwritten."""
    from signoff.cli import starting

    asked = _asked(context, config, as_json=as_json)
    starting.init(folder, asked.config, as_json=asked.as_json)


@app.command()
def run(
    context: typer.Context,
    *,
    once: Annotated[bool, typer.Option("--once", help="End when nothing is runnable.")] = False,
    config: Config = None,
) -> None:
    """Watch the vault, and do what is approved."""
    from signoff.cli import running

    running.run(_project(_asked(context, config, as_json=False)), once=once)


# ---------------------------------------------------------------- decisions


@app.command()
def approve(
    context: typer.Context,
    plan: Plan,
    *,
    by: As = None,
    sign: Annotated[
        str | None, typer.Option("--sign", metavar="KEY", help="The SSH key to sign with.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Approve a plan that waits for approval."""
    from signoff.cli import decisions

    asked = _asked(context, config, as_json=as_json)
    make = decisions.approval(by, signing=sign is not None)
    _end(decisions.decide(_project(asked), plan, make, as_json=asked.as_json))


@app.command()
def reject(
    context: typer.Context,
    plan: Plan,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is written into the note.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Turn a plan down."""
    from signoff.cli import decisions

    asked = _asked(context, config, as_json=as_json)
    _end(decisions.decide(_project(asked), plan, decisions.rejection(reason), as_json=asked.as_json))


@app.command()
def resolve(
    context: typer.Context,
    plan: Plan,
    step: Annotated[str, typer.Argument(metavar="STEP", help="Its id or number.")],
    answer: Annotated[Answer, typer.Argument(help="What you found at the other end.")],
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Say what happened to a call whose outcome is unknown."""
    from signoff.cli import decisions

    asked = _asked(context, config, as_json=as_json)
    make = decisions.resolution(step, answer.value)
    _end(decisions.decide(_project(asked), plan, make, as_json=asked.as_json))


@app.command()
def retry(context: typer.Context, plan: Plan, *, config: Config = None, as_json: Json = False) -> None:
    """Show a stopped plan for approval again. Finished steps stay finished."""
    from signoff.cli import decisions

    asked = _asked(context, config, as_json=as_json)
    _end(decisions.decide(_project(asked), plan, decisions.retrial(), as_json=asked.as_json))


@app.command()
def cancel(
    context: typer.Context,
    plan: Plan,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is written into the note.")] = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """End a plan. A call in flight is awaited, no further one leaves."""
    from signoff.cli import decisions

    asked = _asked(context, config, as_json=as_json)
    _end(decisions.decide(_project(asked), plan, decisions.cancellation(reason), as_json=asked.as_json))


# ---------------------------------------------------------------- looking


@app.command()
def status(context: typer.Context, *, config: Config = None, as_json: Json = False) -> None:
    """Show what waits for whom, what runs, what failed and why."""
    from signoff.cli import standing

    asked = _asked(context, config, as_json=as_json)
    standing.status(_project(asked), as_json=asked.as_json)


@app.command()
def show(context: typer.Context, plan: Plan, *, config: Config = None, as_json: Json = False) -> None:
    """Show a plan: its steps, attempts and approvals."""
    from signoff.cli import showing

    asked = _asked(context, config, as_json=as_json)
    showing.show(_project(asked), plan, as_json=asked.as_json)
