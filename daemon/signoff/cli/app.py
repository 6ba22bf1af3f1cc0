"""The table of commands. What each takes is in `commands`, what it does in a module that it imports."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from signoff import __version__
from signoff.cli.asked import Asked, Command, Config
from signoff.cli.commands import approvers, audit, beginning, deciding, looking, servers

COMMANDS: dict[str, Command] = {
    "init": beginning.init,
    "run": beginning.run,
    "new": beginning.new,
    "approve": deciding.approve,
    "reject": deciding.reject,
    "resolve": deciding.resolve,
    "answer": deciding.answer,
    "retry": deciding.retry,
    "cancel": deciding.cancel,
    "status": looking.status,
    "show": looking.show,
    "check": looking.check,
    "metrics": looking.metrics,
    "doctor": looking.doctor,
    "demo": beginning.demo,
}
SERVERS: dict[str, Command] = {
    "check": servers.check,
    "tools": servers.tools,
    "import": servers.bring_in,
    "add": servers.add,
    "call": servers.call,
    "diagnose": servers.diagnose,
    "login": servers.login,
    "logout": servers.logout,
    "secret": servers.secret,
    "restart": servers.restart,
    "reload": servers.reload,
}
AUDIT: dict[str, Command] = {"show": audit.show, "verify": audit.verify, "export": audit.export}
POLICY: dict[str, Command] = {"explain": looking.explain}
APPROVERS: dict[str, Command] = {
    "list": approvers.show,
    "add": approvers.add,
    "remove": approvers.remove,
    "unlock": approvers.unlock,
}

app = typer.Typer(
    help="Agents propose, a person signs off in a note, Signoff does exactly what was signed, once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if sys.stdout.isatty() else None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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


def _add_group(name: str, what: str, commands: dict[str, Command], alone: Command | None = None) -> None:
    """Add commands under a name, which alone does what `alone` does."""
    group = typer.Typer(help=what)
    if alone is not None:
        group.callback(invoke_without_command=True)(alone)
    for each, command in commands.items():
        group.command(each)(command)
    app.add_typer(group, name=name)


for _name, _command in COMMANDS.items():
    app.command(_name)(_command)
_add_group(
    "servers", "Show the servers, check them, list their tools, bring in others.", SERVERS, servers.alone
)
_add_group("audit", "Show, verify and export the audit log.", AUDIT, audit.alone)
_add_group("policy", "Explain what the policy asks for.", POLICY)
_add_group("approvers", "Show who may approve, and how.", APPROVERS, approvers.show)
