"""`signoff servers login` and `logout`: letting a remote server know us, through the browser."""

from __future__ import annotations

import asyncio
import webbrowser

from signoff.cli.connect import require_server
from signoff.cli.project import Project
from signoff.cli.reloading import restarted
from signoff.cli.screen import SCREEN
from signoff.errors import RequestRefused
from signoff.servers.config import HttpLaunch


def enter(project: Project, name: str, *, browse: bool, file: bool, as_json: bool) -> None:
    """Has a person log in, and keeps what lets us in.

    Args:
        browse: open a browser; otherwise only the address is shown.
        file: keep it in a file even where there is a keyring.

    Raises:
        NotFound: there is no server of that name.
        RequestRefused: it is no remote server, or the login failed; nothing was kept.
    """
    from signoff.servers.login import login
    from signoff.servers.tokens import TokenStore

    config = require_server(project, name)

    def show(address: str) -> None:
        SCREEN.note(f"Log in at: {address}")
        if browse:
            webbrowser.open(address)

    grant = asyncio.run(login(config, show))
    assert isinstance(config.launch, HttpLaunch)  # noqa: S101  or there had been no login
    store = TokenStore(project.places.tokens) if file else project.tokens
    try:
        kept = store.write(name, config.launch.url, grant)
    except OSError as error:
        raise RequestRefused(
            f"What lets us in could not be kept: {error.strerror}.", code="cannot-write"
        ) from error
    daemon = restarted(project, name)
    _say(name, f"Logged in at {name}. What lets us in is kept in {kept}. {daemon}", as_json=as_json)


def leave(project: Project, name: str, *, as_json: bool) -> None:
    """Removes what lets us in at a server.

    Raises:
        NotFound: there is no server of that name.
        RequestRefused: it is no remote server.
    """
    config = require_server(project, name)
    if not isinstance(config.launch, HttpLaunch):
        raise RequestRefused(f"{name} is started here: it has no login.", code="not-remote")
    there = project.tokens.forget(name, config.launch.url)
    said = f"Logged out. {restarted(project, name)}" if there else "There was no login."
    _say(name, said, as_json=as_json)


def _say(name: str, message: str, *, as_json: bool) -> None:
    if as_json:
        SCREEN.json({"ok": True, "server": name, "message": message.rstrip()})
    else:
        SCREEN.line(message.rstrip())
