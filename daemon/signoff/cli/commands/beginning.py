"""Commands to begin with: a project, the daemon, a note, the demonstration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from signoff.cli.asked import CONFIG, JSON, Asked, takes


@takes(CONFIG, JSON)
def init(
    asked: Asked,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where; made if missing.")] = Path(),
    *,
    existing: Annotated[
        Path | None,
        typer.Option("--existing", metavar="VAULT", help="Propose how to work in a vault that is there."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="With --existing: set it up as proposed.")] = False,
) -> None:
    """Make a vault, a configuration and a folder for logs. Nothing is overwritten."""
    from signoff.cli import starting

    if existing is not None:
        starting.init_existing(folder, asked.config, existing, yes=yes, as_json=asked.as_json)
    else:
        starting.init(folder, asked.config, as_json=asked.as_json)


@takes(CONFIG)
def run(
    asked: Asked,
    *,
    once: Annotated[bool, typer.Option("--once", help="End when nothing is runnable.")] = False,
) -> None:
    """Watch the vault, and do what is approved."""
    from signoff.cli import running

    running.run(asked.project(), once=once)


@takes(CONFIG, JSON)
def new(
    asked: Asked,
    template: Annotated[
        str | None, typer.Argument(metavar="[TEMPLATE]", help="Its name. Default: list them.")
    ] = None,
    *,
    title: Annotated[
        str | None, typer.Option("--title", help="What the note is called. Default: as the template.")
    ] = None,
    folder: Annotated[
        str | None, typer.Option("--folder", metavar="FOLDER", help="An inbox folder of the vault.")
    ] = None,
) -> None:
    """Make a note in the inbox of a template, or list the templates."""
    from signoff.cli import templating

    if template is None:
        templating.show(asked.project(), as_json=asked.as_json)
    else:
        templating.new(asked.project(), template, title=title, folder=folder, as_json=asked.as_json)


def demo(
    *,
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="DIR", help="Play it in this folder, and leave it there.")
    ] = None,
) -> None:
    """Play the whole story of a plan in a temporary folder, and check each stage of it."""
    from rich.console import Console

    from signoff.demo import play

    raise typer.Exit(play(Console(), keep=keep))
