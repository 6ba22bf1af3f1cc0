"""What servers were last seen to offer, so that a note can be checked without starting them.

Derived, and never the ground for a call: before each one the daemon compares with the connection itself.
An entry counts only for the launch identity it was seen under, so that a changed command is not served
what the former one offered. If the file is gone or wrong, it is made anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from signoff import durable, system
from signoff.canonical import canonical, sha256_hex
from signoff.model import JsonObject, ServerView, Tool
from signoff.servers.config import ServerConfig

FORMAT = 1


def read_tools(path: Path, configs: Mapping[str, ServerConfig]) -> dict[str, dict[str, Tool]]:
    """The tools of each configured server that are known for the way it is launched now."""
    kept = _read(path)
    found = {}
    for name, config in configs.items():
        entry = kept.get(name)
        if isinstance(entry, dict) and entry.get("launch") == _key(config.launch_identity()):
            tools = _tools(entry.get("tools"))
            if tools is not None:
                found[name] = tools
    return found


def write_tools(path: Path, views: Mapping[str, ServerView]) -> None:
    """Keeps what these servers offer, beside what is kept of others; those without tools say nothing.

    Raises:
        OSError: it could not be written; what was kept before still is.
    """
    kept = _read(path)
    for name, view in views.items():
        if view.tools is not None:
            tools = [tool.definition() for tool in view.tools.values()]
            kept[name] = {"launch": _key(view.launch), "tools": tools}
    data = json.dumps({"format": FORMAT, "servers": kept}, sort_keys=True).encode()
    if path.exists() and path.read_bytes() == data:
        return
    system.make_owner_only_directory(path.parent)
    durable.replace(path, data, mode=0o600)


def _key(launch: JsonObject) -> str:
    return sha256_hex(canonical(launch))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        return {}
    servers = found.get("servers")
    return servers if isinstance(servers, dict) else {}


def _tools(entries: object) -> dict[str, Tool] | None:
    if not isinstance(entries, list):
        return None
    try:
        tools = [
            Tool(entry["name"], entry["description"], entry["inputSchema"], entry["annotations"])
            for entry in entries
        ]
    except (KeyError, TypeError):
        return None
    return {tool.name: tool for tool in tools}
