"""`approvers list`, `add`, `remove`, `unlock`: who may approve, and by which evidence."""

from __future__ import annotations

import io
from pathlib import Path

from signoff.cli.decisions import ask_daemon, person
from signoff.cli.project import Project
from signoff.cli.screen import SCREEN
from signoff.config.roster import Roster
from signoff.enrol import Enrolled, enrol, remove
from signoff.errors import RequestRefused
from signoff.model import Method
from signoff.requests import Request


def list_approvers(project: Project, *, as_json: bool) -> None:
    """Everyone who may approve, by which methods, and which of them are enrolled."""
    roster = Roster(project.config_dir, project.process_environ)
    codes = roster.code_secrets()
    signers = _signers(roster.allowed_signers)
    found = {
        name: {
            "default": approver.default,
            "methods": [method.value for method in approver.methods],
            "code": name in codes,
            "keys": signers.get(name, []),
        }
        for name, approver in project.settings.approvers.items()
    }
    if as_json:
        SCREEN.json(found)
        return
    for name, entry in found.items():
        ways = ", ".join(_way(method, entry) for method in project.settings.approvers[name].methods)
        SCREEN.line(f"{name}{' (default)' if entry['default'] else ''}: {ways}")


def _way(method: Method, entry: dict[str, object]) -> str:
    enrolled = {Method.CODE: entry["code"], Method.SIGNATURE: entry["keys"]}.get(method, True)
    return method.value if enrolled else f"{method.value} (not enrolled)"


def _signers(path: Path) -> dict[str, list[str]]:
    signers: dict[str, list[str]] = {}
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        if rest and not line.startswith("#"):
            signers.setdefault(name, []).append(rest)
    return signers


def add(
    project: Project, name: str, *, code: bool, ssh_key: Path | None, default: bool, as_json: bool
) -> None:
    """Enrol an approver; a one-time-code secret is shown here and never again."""
    enrolled = enrol(project.config_dir, name, code=code, ssh_key=ssh_key, default=default)
    if as_json:
        SCREEN.json(
            {
                "name": enrolled.name,
                "methods": list(enrolled.methods),
                "otpauth_uri": enrolled.otpauth_uri,
                "key": enrolled.key,
            }
        )
        return
    SCREEN.line(f"{name} may approve by: {', '.join(enrolled.methods)}.", "green")
    _show_code(enrolled)
    if enrolled.key is not None:
        SCREEN.line("The public key may sign. Approve with `signoff approve PLAN --sign KEY`.")


def _show_code(enrolled: Enrolled) -> None:
    if enrolled.otpauth_uri is None:
        return
    import segno

    drawn = io.StringIO()
    segno.make(enrolled.otpauth_uri, error="m").terminal(drawn, compact=True)
    SCREEN.line("Scan this with an authenticator on your phone. It is shown once:")
    SCREEN.drawing(drawn.getvalue())
    SCREEN.line(enrolled.otpauth_uri)
    SCREEN.line("To approve, type the six digits as `approval_code` in the note's properties.")


def take_away(project: Project, name: str, *, as_json: bool) -> None:
    """Remove an approver; what they approved and has not run yet, does not run."""
    remove(project.config_dir, name)
    if as_json:
        SCREEN.json({"name": name, "removed": True})
    else:
        SCREEN.line(f"{name} may no longer approve. What {name} approved and has not run yet, will not run.")


def unlock(project: Project, *, as_json: bool) -> None:
    """Take one-time codes again after too many wrong ones."""
    name, answer = ask_daemon(project, Request("unlock", "", person()))
    if answer is not None and not answer.ok:
        raise RequestRefused(answer.message, code=answer.code)
    message = answer.message if answer else "Recorded; it takes effect when the daemon runs."
    if as_json:
        SCREEN.json({"ok": True, "request": name, "answered": answer is not None, "message": message})
    else:
        SCREEN.line(message)
