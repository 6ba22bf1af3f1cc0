"""Servers as other applications have them, with their secrets taken out. Pure.

Those applications keep keys and tokens in clear. Here they become references (`${NAME}`), and their
values belong into `config/.env`. What is secret is told by the name (`API_KEY`) or the shape (`sk-...`);
a header's value always counts as secret when the header authorises.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from signoff.redact import looks_secret, redact_text

_INPUT = re.compile(r"\$\{input:([^}]+)\}")


@dataclass(slots=True)
class Opened:
    """An entry without secrets.

    Attributes:
        entry: as it can be written into `mcp_servers.json`.
        secrets: the values taken out, by variable.
        asked: variables that the application asks its user for: nobody knows their values here.
    """

    entry: dict[str, Any]
    secrets: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


def without_secrets(name: str, entry: Mapping[str, Any], taken: Mapping[str, str]) -> Opened:
    """An entry with references in the place of secrets.

    Args:
        name: the server's.
        entry: as the other application has it; not changed.
        taken: variables that are set already, with their values: a name that has another value is not used.
    """
    opened = Opened(copy.deepcopy(dict(entry)))
    for key in ("env", "environment", "headers"):
        values = opened.entry.get(key)
        if isinstance(values, dict):
            for variable, value in values.items():
                if isinstance(value, str):
                    values[variable] = _reference(opened, name, variable, value, taken, named=key)
    arguments = opened.entry.get("args")
    if isinstance(arguments, list):
        opened.entry["args"] = [
            _reference(opened, name, f"ARGUMENT_{number}", value, taken, named="args")
            if isinstance(value, str)
            else value
            for number, value in enumerate(arguments, 1)
        ]
    for key in ("url", "serverUrl", "httpUrl"):
        if isinstance(opened.entry.get(key), str):
            opened.entry[key] = _reference(opened, name, key, opened.entry[key], taken, named=key)
    return opened


def _reference(
    opened: Opened, server: str, variable: str, value: str, taken: Mapping[str, str], *, named: str
) -> str:
    value = _INPUT.sub(lambda found: _asked(opened, found[1]), value)
    by_name = named in {"env", "environment", "headers"} and looks_secret(variable)
    if "${" in value or not value or not (by_name or redact_text(value) != value):
        return value
    name = _variable(variable if named.startswith("env") else f"{server}_{variable}")
    if {**taken, **opened.secrets}.get(name, value) != value:
        name = _variable(f"{server}_{variable}")
    opened.secrets[name] = value
    return f"${{{name}}}"


def _asked(opened: Opened, asked: str) -> str:
    name = _variable(asked)
    if name not in opened.asked:
        opened.asked.append(name)
    return f"${{{name}}}"


def _variable(text: str) -> str:
    """A name that a variable can have."""
    name = re.sub(r"[^A-Z0-9]+", "_", text.upper()).strip("_") or "SECRET"
    return name if name[0].isalpha() else f"_{name}"


def dotenv_line(name: str, value: str) -> str:
    """`NAME=value` as `config/.env` has it, read back to exactly this value."""
    if "'" not in value and value.isprintable():
        return f"{name}='{value}'"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'{name}="{escaped}"'
