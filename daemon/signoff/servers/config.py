"""`mcp_servers.json`: the forms that people have, read into one.

Read are `mcpServers` (Claude Desktop, Cursor and most others), `servers` (VS Code), `mcp_servers`, either of
them inside `mcp`, a bare map of servers, and a list of servers with a `name`. What is wrong in the file is
an error that names the place; a missing variable is not: that server alone is then unavailable.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from signoff.errors import ConfigError
from signoff.model import Json, JsonObject
from signoff.servers import jsonc
from signoff.servers.entry import Entry, Source
from signoff.servers.expand import Expander
from signoff.servers.keyring import Keyring
from signoff.servers.launch import HttpLaunch, ServerConfig, StdioLaunch

__all__ = ["HttpLaunch", "ServerConfig", "StdioLaunch", "load_servers", "parse_servers", "raw_servers"]

_CONTAINERS = ("mcpServers", "servers", "mcp_servers", "context_servers")


def load_servers(
    path: Path, environ: Mapping[str, str], *, python: str = sys.executable, keyring: Keyring | None = None
) -> dict[str, ServerConfig]:
    """The servers of a configuration file, by name; none where there is no file.

    Args:
        path: the file; the folder above its own is where servers are started.
        environ: the environment that references are replaced from.
        python: what `${SIGNOFF_PYTHON}` stands for.
        keyring: what `${keyring:NAME}` is read from; without one, it is missing.

    Raises:
        ConfigError: the file cannot be read, or an entry in it is wrong; with file, line and key.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        raise ConfigError("The file is not UTF-8 text.", file=str(path)) from error
    except OSError as error:
        raise ConfigError(f"The file cannot be read: {error.strerror}.", file=str(path)) from error
    if not text.strip():
        return {}
    value = jsonc.load(text, str(path))
    root = path.absolute().parent.parent
    source = Source(path, jsonc.strip(text))
    return parse_servers(value, environ, source=source, root=root, python=python, keyring=keyring)


def raw_servers(path: Path) -> dict[str, dict[str, Any]]:
    """The entries of a configuration file by name, as they are written; without a `name` of their own.

    Raises:
        ConfigError: it is not JSON, or has none of the known forms.
        OSError: it cannot be read.
    """
    text = path.read_bytes().decode("utf-8-sig", "replace")
    entries = _entries(jsonc.load(text, str(path)), Source(path, jsonc.strip(text)))
    return {
        name: {key: value for key, value in entry.items() if key != "name"}
        for name, entry in entries
        if isinstance(entry, dict)
    }


def parse_servers(
    value: Any,
    environ: Mapping[str, str],
    *,
    source: Source,
    root: Path,
    python: str,
    keyring: Keyring | None = None,
) -> dict[str, ServerConfig]:
    """The servers in a JSON value, whichever of the known forms it has.

    Raises:
        ConfigError: it has none of the forms, or an entry is wrong.
    """
    built_in = {"SIGNOFF_PYTHON": python, "workspaceFolder": str(root)}
    inputs = _inputs(value)
    found: dict[str, list[ServerConfig]] = {}
    for name, entry in _entries(value, source):
        reader = Entry(name, entry, source, Expander(environ, built_in, inputs, keyring), root)
        found.setdefault(name, []).append(reader.read())
    return {name: _grouped(entries) for name, entries in found.items()}


def _inputs(value: Any) -> dict[str, str]:
    """The defaults of what VS Code would ask for (`${input:ID}`), by id."""
    listed = value.get("inputs") if isinstance(value, dict) else None
    return {
        entry["id"]: entry["default"]
        for entry in (listed if isinstance(listed, list) else [])
        if isinstance(entry, dict)
        and isinstance(entry.get("id"), str)
        and isinstance(entry.get("default"), str)
    }


def _grouped(entries: list[ServerConfig]) -> ServerConfig:
    """Several entries under one name are replicas of one server; what is pinned names all of them."""
    first, *others = entries
    identities: list[Json] = []
    for entry in entries:
        if entry.identity not in identities:
            identities.append(dict(entry.identity))
    identity: JsonObject = dict(first.identity) if len(identities) == 1 else {"replicas": identities}
    return replace(first, identity=identity, peers=tuple(others)) if others else first


def _entries(value: Any, source: Source) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        found = next((value[key] for key in _CONTAINERS if key in value), None)
        if found is not None:
            return _entries_of(found, source)
        if isinstance(value.get("mcp"), dict):
            return _entries(value["mcp"], source)
        if "tools" in value and isinstance(value.get("transport"), dict):
            raise source.error(
                "This describes one server for a directory; it is no configuration.",
                "transport",
                hint='Put what is under "transport" under "mcpServers": {"name": ...}.',
            )
        value = {key: entry for key, entry in value.items() if not key.startswith("$") and key != "inputs"}
        if all(isinstance(entry, dict) for entry in value.values()):
            return list(value.items())
    elif isinstance(value, list):
        return _entries_of(value, source)
    raise source.error(
        "No servers were found in this file.", hint='Put them under "mcpServers": {"name": {"command": ...}}.'
    )


def _entries_of(value: Any, source: Source) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        named = [(name, entry) for name, entry in value.items() if not name.startswith(("_", "$"))]
        hidden = [name for name, entry in value.items() if name.startswith("_") and _is_entry(entry)]
        if hidden and not named:
            raise source.error(
                f"The server {hidden[0]!r} is not used, for its name begins with `_`, and there is no other.",
                hidden[0],
                hint="Give it a name without `_`.",
            )
        return named
    if not isinstance(value, list):
        raise source.error("The servers must be an object or a list.")
    return [found for entry in value for found in _listed(entry, source)]


def _listed(entry: Any, source: Source) -> list[tuple[str, Any]]:
    """An item of a list: a server with its name in it, or under it."""
    if isinstance(entry, dict) and isinstance(entry.get("name"), str):
        return [(entry["name"], entry)]
    if isinstance(entry, dict) and entry and all(_is_entry(item) for item in entry.values()):
        return list(entry.items())
    path = [next(iter(entry))] if isinstance(entry, dict) and entry else []
    raise source.error(
        'Every server in a list needs a "name".', *path, hint='Write {"name": "files", "command": ...}.'
    )


def _is_entry(value: Any) -> bool:
    return isinstance(value, dict) and not {"command", "url", "serverUrl", "httpUrl"}.isdisjoint(value)
