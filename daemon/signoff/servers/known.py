"""Servers that people ask for, and how each is started: `data/servers.yaml`, read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

from signoff.config.files import read_yaml
from signoff.config.section import Section, suggestion
from signoff.errors import NotFound, RequestRefused

FILE = Path(__file__).parent.parent / "data" / "servers.yaml"

Checked = Literal["started", "source", "no"]


@dataclass(frozen=True, slots=True)
class KnownAction:
    """An action that a known server can carry out; see the catalogue for the words."""

    name: str
    tool: str
    arguments: tuple[str, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = False


@dataclass(frozen=True, slots=True)
class KnownServer:
    """A server that can be added by its name.

    Attributes:
        title: what it is for.
        checked: how those who wrote the list know its tools: it was `started` and listed them, its `source`
            has them, or `no`: nobody looked.
        version: what was checked.
        entry: as it is written into `mcp_servers.json`; `{name}` stands for what is asked for.
        asked: what must be given to fill the entry, and what it is.
        needs: the program that starts it, where that is none of ours.
        env: variables that it needs, and what they are.
        optional: variables that it can do without.
        actions: what it can do.
        notes: what else to know before the first start.
    """

    name: str
    title: str
    checked: Checked
    entry: Mapping[str, Any]
    asked: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    needs: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    optional: Mapping[str, str] = field(default_factory=dict)
    actions: tuple[KnownAction, ...] = ()
    notes: str = ""

    def vouched(self) -> str:
        """How its tools are known, in a sentence for whoever is about to trust it with keys."""
        version = f"Version {self.version}" if self.version else "It"
        if self.checked == "started":
            return f"{version} was started by who wrote this list, and offered these tools."
        if self.checked == "source":
            return f"Who wrote this list did not start it: its tools are those of its source, {self.version}."
        return (
            "Unverified: nobody who wrote this list has seen it. Look at who makes it before you give it "
            f"keys, and at its tools with `signoff servers tools {self.name}`."
        )

    def filled(self, given: Mapping[str, str]) -> dict[str, Any]:
        """The entry with what was asked for in its place.

        Raises:
            RequestRefused: something is missing, or was not asked for.
        """
        missing = [name for name in self.asked if not given.get(name)]
        extra = [name for name in given if name not in self.asked]
        if missing:
            wanted = " ".join(f"--set {name}=..." for name in missing)
            told = "; ".join(f"{name} is {self.asked[name]}" for name in missing)
            raise RequestRefused(
                f"The server {self.name} needs to be told more: {told}.",
                code="more-needed",
                hint=f"Add {wanted}",
            )
        if extra:
            raise RequestRefused(
                f"The server {self.name} does not ask for {extra[0]!r}.",
                hint="Leave that out.",
                code="not-asked",
            )
        return cast("dict[str, Any]", _filled(self.entry, given))


def _filled(value: Any, given: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _filled(item, given) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, given) for item in value]
    if isinstance(value, str):
        for name, text in given.items():
            value = value.replace(f"{{{name}}}", text) if f"${{{name}}}" not in value else value
    return value


@cache
def known_servers() -> Mapping[str, KnownServer]:
    """All of them, by name."""
    section = read_yaml(FILE)
    return {name: _server(name, section.table(name)) for name in section.values}


def known_server(name: str) -> KnownServer:
    """One of them.

    Raises:
        NotFound: there is none of that name.
    """
    found = known_servers().get(name)
    if found is None:
        names = list(known_servers())
        raise NotFound(
            f"No server is known as `{name}`.",
            code="unknown-server",
            hint=suggestion(name, names) or f"Known are: {', '.join(names)}.",
        )
    return found


def _server(name: str, section: Section) -> KnownServer:
    section.only(
        "title", "checked", "version", "entry", "set", "needs", "env", "optional", "actions", "notes"
    )
    actions = section.table("actions")
    return KnownServer(
        name=name,
        title=section.text("title", ""),
        checked=cast("Checked", section.choice("checked", "no", ("started", "source", "no"))),
        version=section.text("version", ""),
        entry=json.loads(json.dumps(section.table("entry").json())),
        asked=_texts(section.table("set")),
        needs=section.text("needs", ""),
        env=_texts(section.table("env")),
        optional=_texts(section.table("optional")),
        actions=tuple(_action(each, actions.table(each)) for each in actions.values),
        notes=section.text("notes", ""),
    )


def _action(name: str, section: Section) -> KnownAction:
    section.only("tool", "arguments", "with", "repeatable")
    return KnownAction(
        name=name,
        tool=section.text("tool", ""),
        arguments=section.names("arguments") if section.values.get("arguments") != [] else (),
        names=_texts(section.table("with")),
        repeatable=section.flag("repeatable", default=False),
    )


def _texts(section: Section) -> dict[str, str]:
    return {name: section.text(name, "") for name in section.values}
