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
policy = typer.Typer(help="Explain what the policy asks for.")
approvers = typer.Typer(help="Show who may approve, and how.")
app.add_typer(servers, name="servers")
app.add_typer(audit, name="audit")
app.add_typer(policy, name="policy")
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
    existing: Annotated[
        Path | None,
        typer.Option("--existing", metavar="VAULT", help="Propose how to work in a vault that is there."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="With --existing: set it up as proposed.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a vault, a configuration and a folder for logs. Nothing is overwritten."""
    from signoff.cli import starting

    asked = _asked(context, config, as_json=as_json)
    if existing is not None:
        starting.init_existing(folder, asked.config, existing, yes=yes, as_json=asked.as_json)
    else:
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


@app.command()
def new(
    context: typer.Context,
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
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a note in the inbox of a template, or list the templates."""
    from signoff.cli import templating

    asked = _asked(context, config, as_json=as_json)
    if template is None:
        templating.show(_project(asked), as_json=asked.as_json)
    else:
        templating.new(_project(asked), template, title=title, folder=folder, as_json=asked.as_json)


# ---------------------------------------------------------------- decisions


@app.command()
def approve(
    context: typer.Context,
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
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Approve a plan that waits for approval."""
    from signoff.cli import decisions, signing

    asked = _asked(context, config, as_json=as_json)
    if sign is not None:
        make = signing.signed_approval(sign)
    elif statement is not None:
        make = signing.detached_approval(statement, signature)
    else:
        make = decisions.approval(by)
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
def answer(
    context: typer.Context,
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
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Answer what a server asks in the middle of a call."""
    from signoff.cli import answer as answering

    asked = _asked(context, config, as_json=as_json)
    given = answering.Given(values or (), accept, decline, question, by, code, sign)
    _end(answering.answer(_project(asked), plan, step, given, as_json=asked.as_json))


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
def show(
    context: typer.Context,
    plan: Plan,
    *,
    to_sign: Annotated[
        bool, typer.Option("--to-sign", help="Print what a signature must cover, and nothing else.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show a plan: its steps, attempts and approvals."""
    from signoff.cli import showing

    asked = _asked(context, config, as_json=as_json)
    if to_sign:
        showing.to_sign(_project(asked), plan)
    else:
        showing.show(_project(asked), plan, as_json=asked.as_json)


@app.command()
def check(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Notes, wherever they lie.")],
    *,
    fix: Annotated[bool, typer.Option("--fix", help="Mend the known breakages, in the file.")] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Ask the servers, even where their tools are known.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show what notes would do, and the approval they need. Changes nothing without --fix."""
    from signoff.cli import check as checking

    asked = _asked(context, config, as_json=as_json)
    _end(checking.check(_project(asked), files, fix=fix, live=live, as_json=asked.as_json))


# ---------------------------------------------------------------- who may approve


@approvers.callback(invoke_without_command=True)
def _approvers(context: typer.Context, *, config: Config = None, as_json: Json = False) -> None:
    context.obj = _asked(context, config, as_json=as_json)
    if context.invoked_subcommand is None:
        approvers_list(context)


@approvers.command("list")
def approvers_list(context: typer.Context, *, config: Config = None, as_json: Json = False) -> None:
    """Show who may approve, and how."""
    from signoff.cli import enrolment

    asked = _asked(context, config, as_json=as_json)
    enrolment.list_approvers(_project(asked), as_json=asked.as_json)


@approvers.command("add")
def approvers_add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    *,
    code: Annotated[bool, typer.Option("--code", help="Enrol one-time codes; prints the QR code.")] = False,
    ssh_key: Annotated[
        Path | None, typer.Option("--ssh-key", metavar="FILE", help="A public key that may sign.")
    ] = None,
    default: Annotated[
        bool, typer.Option("--default", help="Theirs is the gesture where a note names nobody.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Enrol an approver, or a method for one."""
    from signoff.cli import enrolment

    asked = _asked(context, config, as_json=as_json)
    enrolment.add(_project(asked), name, code=code, ssh_key=ssh_key, default=default, as_json=asked.as_json)


@approvers.command("remove")
def approvers_remove(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Take an approver away. What they approved and has not run yet, does not run."""
    from signoff.cli import enrolment

    asked = _asked(context, config, as_json=as_json)
    enrolment.take_away(_project(asked), name, as_json=asked.as_json)


@approvers.command("unlock")
def approvers_unlock(context: typer.Context, *, config: Config = None, as_json: Json = False) -> None:
    """Take one-time codes again after too many wrong ones."""
    from signoff.cli import enrolment

    asked = _asked(context, config, as_json=as_json)
    enrolment.unlock(_project(asked), as_json=asked.as_json)


# ---------------------------------------------------------------- how all is


@app.command()
def metrics(context: typer.Context, *, config: Config = None, as_json: Json = False) -> None:
    """Show counts of plans, calls, approvals and refusals."""
    from signoff.cli import counting

    asked = _asked(context, config, as_json=as_json)
    counting.metrics(_project(asked), as_json=asked.as_json)


@app.command()
def doctor(context: typer.Context, *, config: Config = None, as_json: Json = False) -> None:
    """Look whether everything is in place for the daemon."""
    from signoff.cli import doctoring

    asked = _asked(context, config, as_json=as_json)
    _end(doctoring.doctor(_project(asked), as_json=asked.as_json))


@app.command()
def demo(
    *,
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="DIR", help="Play it in this folder, and leave it there.")
    ] = None,
) -> None:
    """Play the whole story of a plan in a temporary folder, and check each stage of it."""
    from rich.console import Console

    from signoff.demo import play

    _end(play(Console(), keep=keep))


# ---------------------------------------------------------------- servers


@servers.callback(invoke_without_command=True)
def _servers(context: typer.Context, *, config: Config = None, as_json: Json = False) -> None:
    asked = context.obj = _asked(context, config, as_json=as_json)
    if context.invoked_subcommand is None:
        from signoff.cli import health

        health.show(_project(asked), as_json=asked.as_json)


@servers.command("check")
def servers_check(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Default: all.")] = None,
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Connect to servers, and say how they are."""
    from signoff.cli import health

    asked = _asked(context, config, as_json=as_json)
    _end(health.check(_project(asked), names or [], as_json=asked.as_json))


@servers.command("tools")
def servers_tools(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Default: all.")] = None,
    *,
    live: Annotated[bool, typer.Option("--live", help="Ask them, even where it is known.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List what servers offer."""
    from signoff.cli import health

    asked = _asked(context, config, as_json=as_json)
    _end(health.tools(_project(asked), names or [], live=live, as_json=asked.as_json))


class Application(StrEnum):
    """Whose servers can be brought in."""

    CLAUDE_DESKTOP = "claude-desktop"
    CURSOR = "cursor"
    VSCODE = "vscode"


@servers.command("import")
def servers_import(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="A list of servers.")] = None,
    *,
    application: Annotated[
        Application | None, typer.Option("--from", help="Where that application keeps it.")
    ] = None,
    keyring: Annotated[
        bool, typer.Option("--keyring", help="Secrets go to the keyring, not to config/.env.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Add them.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show the servers of another application, and with --yes add them. Secrets go to config/.env."""
    from signoff.cli import importing

    asked = _asked(context, config, as_json=as_json)
    importing.bring_in(_project(asked), file, application, in_keyring=keyring, yes=yes, as_json=asked.as_json)


@servers.command("add")
def servers_add(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Default: list them.")] = None,
    *,
    given: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="What its entry asks for.")
    ] = None,
    as_name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Its name in mcp_servers.json.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Add it.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show a known server with what it needs, and with --yes add it with its actions."""
    from signoff.cli import adding

    asked = _asked(context, config, as_json=as_json)
    adding.add(_project(asked), name, given or [], as_name=as_name, yes=yes, as_json=asked.as_json)


@servers.command("call")
def servers_call(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    tool: Annotated[str, typer.Argument(metavar="TOOL")],
    *,
    given: Annotated[
        list[str] | None, typer.Option("--with", metavar="NAME=VALUE", help="An argument; or a JSON object.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Call a tool that only reads. Everything else needs a plan."""
    from signoff.cli import asking

    asked = _asked(context, config, as_json=as_json)
    _end(asking.call(_project(asked), name, tool, given or [], as_json=asked.as_json))


@servers.command("diagnose")
def servers_diagnose(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Say what is wrong with a server, what to do, and how it was over time."""
    from signoff.cli import diagnosing

    asked = _asked(context, config, as_json=as_json)
    _end(diagnosing.tell(_project(asked), name, as_json=asked.as_json))


@servers.command("login")
def servers_login(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    *,
    browse: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")] = True,
    file: Annotated[
        bool, typer.Option("--file", help="Keep the login in a file that only you can read.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Log in at a remote server, through the browser."""
    from signoff.cli import entering

    asked = _asked(context, config, as_json=as_json)
    entering.enter(_project(asked), name, browse=browse, file=file, as_json=asked.as_json)


@servers.command("logout")
def servers_logout(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Forget what lets us in at a remote server."""
    from signoff.cli import entering

    asked = _asked(context, config, as_json=as_json)
    entering.leave(_project(asked), name, as_json=asked.as_json)


@servers.command("secret")
def servers_secret(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="As in ${keyring:NAME}.")],
    *,
    file: Annotated[
        bool, typer.Option("--file", help="In a file that only you can read, not in the system's keyring.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Forget it.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Keep a secret for mcp_servers.json in the system's keyring: typed unseen, or from stdin."""
    from signoff.cli import keeping

    asked = _asked(context, config, as_json=as_json)
    if remove:
        keeping.forget(_project(asked), name, as_json=asked.as_json)
    else:
        keeping.keep(_project(asked), name, file=file, as_json=asked.as_json)


@servers.command("restart")
def servers_restart(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Have the daemon start a server again."""
    from signoff.cli import health

    asked = _asked(context, config, as_json=as_json)
    _end(health.restart(_project(asked), name, as_json=asked.as_json))


@servers.command("reload")
def servers_reload(context: typer.Context, *, config: Config = None, as_json: Json = False) -> None:
    """Have the daemon read servers, actions and policy anew; it does so by itself soon after they change."""
    from signoff.cli import reloading

    asked = _asked(context, config, as_json=as_json)
    _end(reloading.reload(_project(asked), as_json=asked.as_json))


# ---------------------------------------------------------------- the audit log


@audit.callback(invoke_without_command=True)
def _audit(context: typer.Context, *, config: Config = None, as_json: Json = False) -> None:
    asked = context.obj = _asked(context, config, as_json=as_json)
    if context.invoked_subcommand is None:
        from signoff.cli import auditing

        auditing.show(_project(asked), None, last=None, as_json=asked.as_json)


@audit.command("show")
def audit_show(
    context: typer.Context,
    plan: Annotated[str | None, typer.Argument(metavar="[PLAN]", help="Only of this plan.")] = None,
    *,
    last: Annotated[int | None, typer.Option("--last", min=1, metavar="N", help="Only the last N.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show entries, newest last; with --json one object a line."""
    from signoff.cli import auditing

    asked = _asked(context, config, as_json=as_json)
    auditing.show(_project(asked), plan, last=last, as_json=asked.as_json)


@audit.command("verify")
def audit_verify(
    context: typer.Context,
    *,
    anchor: Annotated[
        Path | None, typer.Option("--anchor", metavar="FILE", help="A checkpoint that was kept elsewhere.")
    ] = None,
    evidence: Annotated[
        bool, typer.Option("--evidence", help="Check every approval, signature and call again, offline.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Verify the log. Ends with 0 (ok, unanchored), 5 (torn tail), 6 (truncated) or 7 (tampered)."""
    from signoff.cli import auditing

    asked = _asked(context, config, as_json=as_json)
    _end(auditing.verify(_project(asked), anchor, evidence=evidence, as_json=asked.as_json))


@audit.command("export")
def audit_export(
    context: typer.Context,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Default: signoff-audit-TIME.zip here.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Write log, checkpoint and public key into one zip file, to be kept elsewhere."""
    from signoff.cli import auditing

    asked = _asked(context, config, as_json=as_json)
    auditing.export(_project(asked), output, as_json=asked.as_json)


# ---------------------------------------------------------------- the policy


@policy.command("explain")
def policy_explain(
    context: typer.Context, plan: Plan, *, config: Config = None, as_json: Json = False
) -> None:
    """Say for each call of a plan which rule decided its risk, and what approval the plan needs."""
    from signoff.cli import explaining

    asked = _asked(context, config, as_json=as_json)
    explaining.explain_policy(_project(asked), plan, as_json=asked.as_json)
