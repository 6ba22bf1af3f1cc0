"""What commands take in common: --config and --json, before a command's name or after it, and a plan."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from signoff.cli.project import Project

Plan = Annotated[str, typer.Argument(metavar="PLAN", help="Its id, its file, or the start of either.")]
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="DIR", help="The config folder. Default: $SIGNOFF_CONFIG, or ./config."),
]
Json = Annotated[bool, typer.Option("--json", help="Answer with JSON.")]

CONFIG = Parameter("config", Parameter.KEYWORD_ONLY, default=None, annotation=Config)
JSON = Parameter("as_json", Parameter.KEYWORD_ONLY, default=False, annotation=Json)
_CONTEXT = Parameter("context", Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which project is meant, and in which form to answer."""

    config: Path | None = None
    as_json: bool = False

    def project(self) -> Project:
        """The project that is meant.

        Raises:
            ConfigError: there is no such config folder.
        """
        named = self.config or os.environ.get("SIGNOFF_CONFIG") or "config"
        return Project(Path(named), dict(os.environ))


Command: TypeAlias = Callable[..., None]


def takes(*options: Parameter) -> Callable[[Callable[..., int | None]], Command]:
    """Make a command of a function that is given what was `Asked`, and then arguments of its own.

    The command takes those and, after them, these options. What the function returns is the exit code,
    None for 0. Where the command is the name of a group, it acts only if none of the group is named, and
    what was asked of it holds for that one.
    """

    def of(body: Callable[..., int | None]) -> Command:
        own = list(signature(body, eval_str=True).parameters.values())[1:]
        taken = Signature([_CONTEXT, *own, *options])

        @wraps(body)
        def command(
            context: typer.Context, *, config: Path | None = None, as_json: bool = False, **given: Any
        ) -> None:
            above = context.obj if isinstance(context.obj, Asked) else Asked()
            asked = context.obj = Asked(config or above.config, as_json or above.as_json)
            code = body(asked, **given) if context.invoked_subcommand is None else None
            if code:
                raise typer.Exit(code)

        command.__signature__ = taken  # type: ignore[attr-defined]  # typer reads it
        command.__annotations__ = {name: each.annotation for name, each in taken.parameters.items()}
        return command

    return of
