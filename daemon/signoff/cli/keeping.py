"""`signoff servers secret NAME`: a secret for `${keyring:NAME}`, typed without being shown."""

from __future__ import annotations

import getpass
import sys

from signoff.cli.project import Project
from signoff.cli.reloading import followed
from signoff.cli.screen import SCREEN
from signoff.errors import RequestRefused
from signoff.servers.keyring import KeyringSilent


def keep(project: Project, name: str, *, file: bool, as_json: bool) -> None:
    """Keeps a secret from the terminal, where it is not shown, or from stdin.

    Args:
        file: in the file even where there is a keyring.

    Raises:
        RequestRefused: nothing was given, the name is none, or it could not be kept.
    """
    secret = getpass.getpass(f"{name} (is not shown): ") if sys.stdin.isatty() else _piped()
    if not secret:
        raise RequestRefused(
            "Nothing was given, and nothing was kept.",
            code="nothing-given",
            hint=f"Type it, or hand it in: signoff servers secret {name} < FILE",
        )
    try:
        kept = project.keyring.put(name, secret, file=file)
    except KeyringSilent as error:
        raise _refused(name, f"the keyring would not take it: {error}") from error
    except OSError as error:
        raise _refused(name, str(error.strerror or error)) from error
    daemon = followed(project)
    reference = f"${{keyring:{name}}}"
    if as_json:
        SCREEN.json(
            {"name": name, "reference": reference, "keyring": kept.in_keyring, "where": kept.where}
            | {"daemon": daemon}
        )
        return
    SCREEN.line(f"Kept in {kept.where}.")
    SCREEN.line(f"In mcp_servers.json, write in its place: {reference}")
    SCREEN.line(daemon)


def forget(project: Project, name: str, *, as_json: bool) -> None:
    """Forgets a secret.

    Raises:
        RequestRefused: the keyring would not answer.
    """
    try:
        there = project.keyring.remove(name)
    except (KeyringSilent, OSError) as error:
        raise RequestRefused(
            f"{name} could not be taken out: {error}.",
            code="keyring-silent",
            hint="Unlock it, and try again.",
        ) from error
    daemon = followed(project) if there else ""
    message = f"{name} is forgotten." if there else f"There was no {name} of this project."
    if as_json:
        SCREEN.json({"name": name, "was_there": there, "message": message, "daemon": daemon})
    else:
        SCREEN.line(f"{message} {daemon}".rstrip())


def _piped() -> str:
    text = sys.stdin.read()
    return text.removesuffix("\n").removesuffix("\r")


def _refused(name: str, why: str) -> RequestRefused:
    return RequestRefused(
        f"{name} was not kept: {why}.",
        code="keyring-silent",
        hint=f"Unlock the keyring and try again, or use a file that only you can read: "
        f"signoff servers secret {name} --file",
    )
