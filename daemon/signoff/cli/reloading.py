"""`signoff servers reload`: a changed configuration, taken by the daemon that runs."""

from __future__ import annotations

from signoff.cli.decisions import ask_daemon, person
from signoff.cli.project import Project
from signoff.cli.screen import SCREEN
from signoff.errors import RequestRefused
from signoff.requests import Request


def reload(project: Project, *, as_json: bool) -> int:
    """Asks the daemon to read the configuration anew; the exit code.

    Raises:
        ConfigError: it is wrong, and the daemon was not asked.
        RequestRefused: `no-daemon`, or the daemon's own refusal.
    """
    project.require_valid()
    if project.running() is None:
        raise RequestRefused(
            "No daemon runs.",
            code="no-daemon",
            hint="The next one starts with the configuration as it is: `signoff run`.",
        )
    request, answer = ask_daemon(project, Request("reload", "", person()))
    message = answer.message if answer else "The daemon has not answered yet; logs/signoff.log will say."
    if answer is not None and not answer.ok:
        raise RequestRefused(message, code=answer.code)
    if as_json:
        SCREEN.json({"ok": True, "request": request, "answered": answer is not None, "message": message})
    else:
        SCREEN.line(message)
    return 0


def followed(project: Project) -> str:
    """Has a daemon that runs take what a command has changed, and says how that went."""
    if project.running() is None:
        return "No daemon runs; the next one starts with it."
    _, answer = ask_daemon(project, Request("reload", "", person()))
    if answer is None:
        return "The daemon has not answered yet; it takes it soon."
    return f"The daemon has taken it. {answer.message}" if answer.ok else answer.message


def restarted(project: Project, name: str) -> str:
    """Has a daemon that runs start a server again, and says how that went."""
    if project.running() is None:
        return ""
    _, answer = ask_daemon(project, Request("restart", name, person()))
    return "The daemon has not answered yet." if answer is None else answer.message
