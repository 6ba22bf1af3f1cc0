"""Commands about servers."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from signoff.cli.asked import CONFIG, JSON, Asked, takes

Name = Annotated[str, typer.Argument(metavar="NAME")]
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Default: all.")]


class Application(StrEnum):
    """Whose servers can be brought in."""

    CLAUDE_DESKTOP = "claude-desktop"
    CURSOR = "cursor"
    VSCODE = "vscode"


@takes(CONFIG, JSON)
def alone(asked: Asked) -> None:
    """Say how the servers are."""
    from signoff.cli import health

    health.show(asked.project(), as_json=asked.as_json)


@takes(CONFIG, JSON)
def check(
    asked: Asked,
    names: Names = None,
) -> int:
    """Connect to servers, and say how they are."""
    from signoff.cli import health

    return health.check(asked.project(), names or [], as_json=asked.as_json)


@takes(CONFIG, JSON)
def tools(
    asked: Asked,
    names: Names = None,
    *,
    live: Annotated[bool, typer.Option("--live", help="Ask them, even where it is known.")] = False,
) -> int:
    """List what servers offer."""
    from signoff.cli import health

    return health.tools(asked.project(), names or [], live=live, as_json=asked.as_json)


@takes(CONFIG, JSON)
def bring_in(
    asked: Asked,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="A list of servers.")] = None,
    *,
    application: Annotated[
        Application | None, typer.Option("--from", help="Where that application keeps it.")
    ] = None,
    keyring: Annotated[
        bool, typer.Option("--keyring", help="Secrets go to the keyring, not to config/.env.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Add them.")] = False,
) -> None:
    """Show the servers of another application, and with --yes add them. Secrets go to config/.env."""
    from signoff.cli import importing

    importing.bring_in(asked.project(), file, application, in_keyring=keyring, yes=yes, as_json=asked.as_json)


@takes(CONFIG, JSON)
def add(
    asked: Asked,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Default: list them.")] = None,
    *,
    given: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="What its entry asks for.")
    ] = None,
    as_name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Its name in mcp_servers.json.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Add it.")] = False,
) -> None:
    """Show a known server with what it needs, and with --yes add it with its actions."""
    from signoff.cli import adding

    adding.add(asked.project(), name, given or [], as_name=as_name, yes=yes, as_json=asked.as_json)


@takes(CONFIG, JSON)
def call(
    asked: Asked,
    name: Name,
    tool: Annotated[str, typer.Argument(metavar="TOOL")],
    *,
    given: Annotated[
        list[str] | None, typer.Option("--with", metavar="NAME=VALUE", help="An argument; or a JSON object.")
    ] = None,
) -> int:
    """Call a tool that only reads. Everything else needs a plan."""
    from signoff.cli import asking

    return asking.call(asked.project(), name, tool, given or [], as_json=asked.as_json)


@takes(CONFIG, JSON)
def diagnose(
    asked: Asked,
    name: Name,
) -> int:
    """Say what is wrong with a server, what to do, and how it was over time."""
    from signoff.cli import diagnosing

    return diagnosing.tell(asked.project(), name, as_json=asked.as_json)


@takes(CONFIG, JSON)
def login(
    asked: Asked,
    name: Name,
    *,
    browse: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")] = True,
    file: Annotated[
        bool, typer.Option("--file", help="Keep the login in a file that only you can read.")
    ] = False,
) -> None:
    """Log in at a remote server, through the browser."""
    from signoff.cli import entering

    entering.enter(asked.project(), name, browse=browse, file=file, as_json=asked.as_json)


@takes(CONFIG, JSON)
def logout(
    asked: Asked,
    name: Name,
) -> None:
    """Forget what lets us in at a remote server."""
    from signoff.cli import entering

    entering.leave(asked.project(), name, as_json=asked.as_json)


@takes(CONFIG, JSON)
def secret(
    asked: Asked,
    name: Annotated[str, typer.Argument(metavar="NAME", help="As in ${keyring:NAME}.")],
    *,
    file: Annotated[
        bool, typer.Option("--file", help="In a file that only you can read, not in the system's keyring.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Forget it.")] = False,
) -> None:
    """Keep a secret for mcp_servers.json in the system's keyring: typed unseen, or from stdin."""
    from signoff.cli import keeping

    if remove:
        keeping.forget(asked.project(), name, as_json=asked.as_json)
    else:
        keeping.keep(asked.project(), name, file=file, as_json=asked.as_json)


@takes(CONFIG, JSON)
def restart(
    asked: Asked,
    name: Name,
) -> int:
    """Have the daemon start a server again."""
    from signoff.cli import health

    return health.restart(asked.project(), name, as_json=asked.as_json)


@takes(CONFIG, JSON)
def reload(asked: Asked) -> int:
    """Have the daemon read servers, actions and policy anew; it does so by itself soon after they change."""
    from signoff.cli import reloading

    return reloading.reload(asked.project(), as_json=asked.as_json)
