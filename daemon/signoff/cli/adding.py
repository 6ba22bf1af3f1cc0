"""`signoff servers add NAME`: a server that is known, with its entry, its variables and its actions."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from signoff import durable
from signoff.cli.importing import add_to_config
from signoff.cli.project import Project
from signoff.cli.reloading import followed
from signoff.cli.screen import SCREEN
from signoff.cli.unsecret import Opened
from signoff.errors import RequestRefused
from signoff.servers.known import KnownAction, KnownServer, known_server, known_servers


def add(
    project: Project, name: str | None, given: Sequence[str], *, as_name: str | None, yes: bool, as_json: bool
) -> None:
    """Shows what would be added, and with `yes` adds it; without a name, shows the known servers.

    Args:
        given: `NAME=VALUE`, each something that the server's entry asks for.
        as_name: the name in `mcp_servers.json`, where it is to be another.

    Raises:
        NotFound: no server is known by that name.
        RequestRefused: there is one of that name already, or something that it needs was not given.
    """
    if name is None:
        _list(as_json=as_json)
        return
    known = known_server(name)
    server = as_name or name
    if server in project.servers:
        raise RequestRefused(
            f"There is a server `{server}` already. Nothing was changed.",
            code="name-taken",
            hint="Give the new one another name: --as NAME.",
        )
    entry = known.filled(_pairs(given))
    fresh = [action for action in known.actions if project.catalogue.find(action.name) is None]
    if yes:
        add_to_config(project, {server: Opened(entry)})
        _add_actions(project, server, fresh)
    missing = [variable for variable in known.env if not project.environ.get(variable)]
    daemon = followed(project) if yes else ""
    if as_json:
        SCREEN.json(_as_object(known, server, entry, fresh, missing) | {"written": yes, "daemon": daemon})
    else:
        _say(known, server, entry, fresh, missing, yes=yes)
        SCREEN.line(daemon or "Nothing was written. To add it, say it again with --yes.")


def _pairs(given: Sequence[str]) -> dict[str, str]:
    pairs = [each.partition("=") for each in given]
    wrong = next((name for name, sign, _ in pairs if not sign), None)
    if wrong is not None:
        raise RequestRefused(
            f"--set {wrong} has no value.", code="more-needed", hint=f"Write --set {wrong}=..."
        )
    return {name: value for name, _, value in pairs}


# ---------------------------------------------------------------- the catalogue


def _add_actions(project: Project, server: str, actions: Sequence[KnownAction]) -> None:
    """Adds the actions at the end of `actions.yaml`, where the file is still right with them."""
    if not actions:
        return
    from signoff.catalogue import load_catalogue

    path = project.config_dir / "actions.yaml"
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    gap = "" if not old else "\n" if old.endswith("\n") else "\n\n"
    new = old + gap + "\n".join(_as_yaml(server, action) for action in actions)
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / "actions.yaml"
        trial.write_text(new, encoding="utf-8")
        load_catalogue(trial)
    if path.exists():
        durable.replace(path, new.encode(), expect=old.encode())
    else:
        durable.create(path, new.encode())


def _as_yaml(server: str, action: KnownAction) -> str:
    tool = "\n".join(f"    {line}" for line in _as_tool(server, action).splitlines())
    return f"{action.name}:\n  tools:\n{tool}\n  repeatable: {'true' if action.repeatable else 'false'}\n"


def _as_tool(server: str, action: KnownAction) -> str:
    names = ", ".join(f"{own}: {ours}" for own, ours in action.names.items())
    return f"- tool: {server}.{action.tool}" + (f"\n  with: {{{names}}}" if names else "")


# ---------------------------------------------------------------- what is told


def _list(*, as_json: bool) -> None:
    servers = known_servers()
    if as_json:
        SCREEN.json(
            {
                name: {
                    "title": each.title,
                    "checked": each.checked != "no",
                    "how": each.checked,
                    "version": each.version,
                    "env": dict(each.env),
                    "set": dict(each.asked),
                }
                for name, each in servers.items()
            }
        )
        return
    rows = [
        (
            name,
            each.title,
            "unverified" if each.checked == "no" else each.version or "its own",
            ", ".join([*each.env, *(f"--set {asked}" for asked in each.asked)]),
        )
        for name, each in servers.items()
    ]
    SCREEN.table(("Server", "What it is for", "Version", "Needs"), rows)


def _as_object(
    known: KnownServer,
    server: str,
    entry: Mapping[str, Any],
    actions: Sequence[KnownAction],
    missing: list[str],
) -> dict[str, Any]:
    return {
        "add": {server: entry},
        "checked": known.checked != "no",
        "how": known.checked,
        "version": known.version,
        "env": dict(known.env),
        "missing": missing,
        "actions": {
            action.name: {"tool": f"{server}.{action.tool}", "arguments": list(action.arguments)}
            for action in actions
        },
        "notes": known.notes,
    }


def _say(
    known: KnownServer,
    server: str,
    entry: Mapping[str, Any],
    actions: Sequence[KnownAction],
    missing: list[str],
    *,
    yes: bool,
) -> None:
    SCREEN.line(f"{'added' if yes else 'would add'} {server}: {known.title}", "green")
    SCREEN.lines(json.dumps(entry, indent=2, ensure_ascii=False), indent="  ")
    SCREEN.line(known.vouched(), "yellow" if known.checked == "no" else "")
    if known.needs and shutil.which(known.needs) is None:
        SCREEN.line(f"It is started with {known.needs}, which was not found: install that first.", "yellow")
    for variable in missing:
        SCREEN.line(
            f"It needs {variable}, {known.env[variable]}: put {variable}=... into config/.env", "yellow"
        )
    if missing:
        kept = f"signoff servers secret {missing[-1]}, and ${{keyring:{missing[-1]}}} in its entry"
        SCREEN.line(f"What is secret of that can go into the keyring instead: {kept}")
    if known.notes:
        SCREEN.line(known.notes)
    for action in actions:
        SCREEN.line(f"action {action.name}: {server}.{action.tool}({', '.join(action.arguments)})")
    for action in known.actions:
        if action not in actions:
            SCREEN.line(f"action {action.name} is there already; for this server, put under its tools:")
            SCREEN.lines(_as_tool(server, action), indent="  ")
