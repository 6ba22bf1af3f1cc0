"""Servers as other applications have them, with their secrets taken out. Pure.

Those applications keep keys and tokens in clear. What `signoff.servers.exposed` finds of that becomes a
reference here, to `config/.env` (`${NAME}`) or to the keyring (`${keyring:NAME}`); so does what only stands
for a secret that nobody has filled in yet, and what the application asks its user for.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from signoff.servers.exposed import Exposed, exposed

_INPUT = re.compile(r"\$\{input:([^}]+)\}")


@dataclass(slots=True)
class Opened:
    """An entry without secrets.

    Attributes:
        entry: as it can be written into `mcp_servers.json`.
        secrets: the values taken out, by variable.
        asked: variables that the application asks its user for, or that hold a placeholder: nobody knows
            their values here.
    """

    entry: dict[str, Any]
    secrets: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


def without_secrets(
    name: str, entry: Mapping[str, Any], taken: Mapping[str, str], *, prefix: str = ""
) -> Opened:
    """An entry with references in the place of secrets.

    Args:
        name: the server's.
        entry: as the other application has it; not changed.
        taken: variables that are set already, with their values: a name that has another value is not used.
        prefix: of a reference: `keyring:`, or nothing for the environment.
    """
    opened = Opened(copy.deepcopy(dict(entry)))
    for found in exposed(name, entry):
        variable = found.variable if found.placeholder else _free(name, found, {**taken, **opened.secrets})
        if not found.placeholder:
            opened.secrets[variable] = found.secret
        elif variable not in opened.asked:
            opened.asked.append(variable)
        _put(opened.entry, found.path, f"{found.prefix}${{{prefix}{variable}}}")
    opened.entry = _answered(opened.entry, opened.asked, prefix)
    return opened


def _free(server: str, found: Exposed, taken: Mapping[str, str]) -> str:
    """A name that has no other value: the variable's own, or with the server's before it, or numbered."""
    longer = _variable(f"{server}_{found.variable}")
    names = (found.variable, longer, *(f"{longer}_{number}" for number in range(2, 10)))
    free = (name for name in names if taken.get(name, found.secret) == found.secret)
    return next(free, f"{longer}_{next(number for number in count(10) if f'{longer}_{number}' not in taken)}")


def _put(entry: dict[str, Any], path: tuple[str | int, ...], value: str) -> None:
    place: Any = entry
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value


def _answered(value: Any, asked: list[str], prefix: str) -> Any:
    """The same with a reference for each thing that the application would ask for."""

    def reference(found: re.Match[str]) -> str:
        name = _variable(found[1])
        if name not in asked:
            asked.append(name)
        return f"${{{prefix}{name}}}"

    if isinstance(value, dict):
        return {key: _answered(below, asked, prefix) for key, below in value.items()}
    if isinstance(value, list):
        return [_answered(below, asked, prefix) for below in value]
    return _INPUT.sub(reference, value) if isinstance(value, str) else value


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
