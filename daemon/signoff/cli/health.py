"""`signoff servers`: how they are, what they offer, and starting one again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import orjson

from signoff import durable, system
from signoff.cli.connect import PATIENCE, connect, require_server, usable, views
from signoff.cli.decisions import answers, ask_daemon, person
from signoff.cli.project import Project
from signoff.cli.screen import SCREEN, Cell
from signoff.cli.screen import status as coloured
from signoff.cli.words import ago
from signoff.errors import RequestRefused
from signoff.model import Json, JsonObject, Tool
from signoff.requests import Request, Requests
from signoff.servers.cache import read_tools
from signoff.servers.config import ServerConfig
from signoff.servers.health import ServerHealth
from signoff.servers.remedy import remedy
from signoff.servers.trouble import standing_trouble

KEYS = tuple(field.name for field in fields(ServerHealth))


def show(project: Project, *, as_json: bool) -> None:
    """Shows every configured server as the daemon last saw it.

    Raises:
        ConfigError: `mcp_servers.json` is wrong.
    """
    kept = kept_health(project)
    tools = read_tools(project.places.tools, project.servers)
    found = {
        name: _as_object(config, kept.get(name), tools.get(name)) for name, config in project.servers.items()
    }
    if as_json:
        SCREEN.json(found)
        return
    _say(found)
    if found and project.running() is None:
        SCREEN.line()
        SCREEN.line("No daemon runs: this is how they were last seen. Ask them: signoff servers check")


def check(project: Project, names: Sequence[str], *, as_json: bool) -> int:
    """Has servers asked how they are, and says it; 1 where an enabled one is not available.

    A running daemon asks those that it keeps, so that none is started twice; others are connected for this.

    Raises:
        NotFound: there is no server of that name.
        ConfigError: `mcp_servers.json` is wrong.
    """
    for name in names:
        require_server(project, name)
    chosen = {name: project.servers[name] for name in names or project.servers}
    asked = by_daemon(project, chosen)
    met = connect(project, [name for name in chosen if name not in asked])
    if project.running() is None:
        _keep(project, met.health)
    kept = read_tools(project.places.tools, {name: chosen[name] for name in asked})
    tools = {**kept, **{name: view.tools for name, view in met.views.items()}}
    health = asked | {name: asdict(each) for name, each in met.health.items()}
    found = {name: _as_object(config, health[name], tools.get(name)) for name, config in chosen.items()}
    if as_json:
        SCREEN.json(found)
    else:
        _say(found)
    wrong = [name for name, config in chosen.items() if not config.disabled and not _is_there(found[name])]
    return int(bool(wrong))


def tools(project: Project, names: Sequence[str], *, live: bool, as_json: bool) -> int:
    """Lists what servers offer; 1 where that is not known of one that was named.

    Raises:
        NotFound: there is no server of that name.
        ConfigError: `mcp_servers.json` is wrong.
    """
    for name in names:
        require_server(project, name)
    chosen = list(names or (name for name, config in project.servers.items() if usable(config)))
    found = views(project, chosen, live=live)
    if as_json:
        SCREEN.json({name: _definitions(found[name].tools) for name in chosen})
    for name in () if as_json else chosen:
        SCREEN.line(name, "bold")
        offered = found[name].tools
        if offered is None:
            SCREEN.paragraph(f"Not known: {found[name].problem}", "red", indent=2)
            SCREEN.line(f"  What to do: signoff servers diagnose {name}")
        else:
            SCREEN.table(("Tool", "Says of itself", "Description"), _rows(offered), indent=2)
        SCREEN.line()
    return int(any(found[name].tools is None for name in chosen))


def restart(project: Project, name: str, *, as_json: bool) -> int:
    """Asks the daemon to start a server again; the exit code.

    Raises:
        NotFound: there is no server of that name.
        RequestRefused: `no-daemon`.
    """
    require_server(project, name)
    if project.running() is None:
        raise RequestRefused(
            "No daemon runs, so none of its servers does.",
            code="no-daemon",
            hint="Servers are started with the daemon: `signoff run`.",
        )
    request, answer = ask_daemon(project, Request("restart", name, person()))
    ok = answer is None or answer.ok
    message = answer.message if answer else "Recorded; the daemon has not answered yet."
    if as_json:
        reason = answer.code if answer else ""
        said = {"ok": ok, "server": name, "request": request, "answered": answer is not None}
        SCREEN.json(said | {"reason": reason, "message": message})
    elif ok:
        SCREEN.line(message)
    else:
        raise RequestRefused(message, code=answer.code if answer else None)
    return int(not ok)


# ---------------------------------------------------------------- what the daemon knows


def by_daemon(project: Project, names: Collection[str]) -> dict[str, Any]:
    """How servers are, asked by the daemon just now; without those that it does not keep.

    Of one that is still being asked when the patience is over, it is how the daemon last saw it.
    """
    if project.running() is None:
        return {}
    requests = Requests(project.places.requests)
    left = {name: requests.leave(Request("check", name, person())) for name in names}
    found = answers(requests, list(left.values()), PATIENCE)
    refused = {name for name, request in left.items() if request in found and not found[request].ok}
    kept = kept_health(project)
    connecting = asdict(ServerHealth(reason="connecting", message="It is being connected."))
    return {name: kept.get(name, connecting) for name in left if name not in refused}


def kept_health(project: Project) -> dict[str, Any]:
    """How each server was when a daemon, or a check, last looked."""
    try:
        found = orjson.loads(project.places.servers.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _keep(project: Project, health: Mapping[str, ServerHealth]) -> None:
    """Writes down what was seen, as a daemon would."""
    found = kept_health(project) | {name: asdict(each) for name, each in health.items()}
    with contextlib.suppress(OSError):  # derived: the next check writes it again
        system.make_owner_only_directory(project.places.state)
        durable.replace(project.places.servers, orjson.dumps(found), mode=0o600)


# ---------------------------------------------------------------- one server


def _as_object(config: ServerConfig, health: object, offered: Collection[str] | None) -> JsonObject:
    """A server as JSON; `health` is `ServerHealth` as an object, where anything is known."""
    known = asdict(ServerHealth()) | (health if isinstance(health, dict) else {})
    found: JsonObject = {key: known[key] for key in KEYS}
    trouble = standing_trouble(config)
    if trouble is not None:
        do = remedy(trouble.reason, config)
        found |= {"status": "unavailable", "reason": trouble.reason, "message": trouble.message, "do": do}
    names: list[Json] = [*sorted(offered or ())]
    found["tools"] = names if offered is not None else None
    found["transport"] = config.transport
    found["warnings"] = list(config.warnings)
    return found


def _is_there(found: JsonObject) -> bool:
    return found["status"] == "available"


def _definitions(offered: Mapping[str, Tool] | None) -> object:
    return None if offered is None else [tool.definition() for tool in offered.values()]


# ---------------------------------------------------------------- for people


_COLUMNS: tuple[tuple[str, Callable[[str, Mapping[str, Any]], Cell]], ...] = (
    ("Server", lambda name, _: name),
    ("Status", lambda _, found: coloured("disabled" if found["reason"] == "disabled" else found["status"])),
    ("Tools", lambda _, found: "?" if found["tools"] is None else str(len(found["tools"]))),
    ("Answers in", lambda _, found: _latency(found)),
    ("Errors", lambda _, found: _errors(found)),
    ("Breaker", lambda _, found: found["breaker"]),
    ("Last change", lambda _, found: ago(found["changed"]) if found["changed"] else ""),
    ("Last check", lambda _, found: ago(found["last_check"]) if found["last_check"] else "never"),
    ("Uses", lambda _, found: _uses(found)),
)
_ALWAYS = 7
"""Columns that are shown on a terminal of any width; the others where there is room."""
_ROOM = 100
"""Characters in a line that are room."""


def _say(servers: Mapping[str, Any]) -> None:
    if not servers:
        SCREEN.line("There are no servers in mcp_servers.json yet.")
    width = SCREEN.width
    columns = _COLUMNS if width is None or width >= _ROOM else _COLUMNS[:_ALWAYS]
    rows = [[cell(name, found) for _, cell in columns] for name, found in servers.items()]
    SCREEN.table([title for title, _ in columns], rows, dense=True)
    if any(found["message"] or found["flapping"] or found["warnings"] for found in servers.values()):
        SCREEN.line()
    for name, found in servers.items():
        if found["message"]:
            SCREEN.paragraph(f"{name}: {found['message']} ({found['reason']})")
            if found["do"]:
                SCREEN.paragraph(found["do"], indent=2)
        if found["flapping"]:
            SCREEN.paragraph(f"{name}: It comes and goes. See: signoff servers diagnose {name} (flapping)")
        for warning in found["warnings"]:
            SCREEN.paragraph(f"{name}: {warning}", "yellow")


def _latency(found: Mapping[str, Any]) -> str:
    """Median and 95th percentile where there are enough checks, else the last one."""
    median, p95 = found["median_ms"], found["p95_ms"]
    if median is not None:
        return f"{_short(median)}/{_short(p95 or median)} ms"
    return "" if found["response_time_ms"] is None else f"{_short(found['response_time_ms'])} ms"


def _short(milliseconds: float) -> str:
    return f"{milliseconds:.0f}" if milliseconds >= 10 else f"{milliseconds:.1f}"


def _errors(found: Mapping[str, Any]) -> str:
    rate = found["error_rate"]
    return f"{found['error_count']}{f', {rate:.0%}' if rate else ''}"


def _uses(found: Mapping[str, Any]) -> str:
    if found["memory_bytes"] is None:
        return ""
    cpu = "" if found["cpu_percent"] is None else f", {found['cpu_percent']:.0f} %"
    return f"{found['memory_bytes'] / 2**20:.0f} MB{cpu}"


def _rows(offered: Mapping[str, Tool]) -> list[tuple[str, str, str]]:
    hints = {
        "readOnlyHint": "read-only",
        "destructiveHint": "destructive",
        "idempotentHint": "repeatable",
        "openWorldHint": "open world",
    }
    return [
        (
            tool.name,
            ", ".join(word for hint, word in hints.items() if tool.annotations.get(hint) is True),
            tool.description.strip().partition("\n")[0],
        )
        for tool in offered.values()
    ]
