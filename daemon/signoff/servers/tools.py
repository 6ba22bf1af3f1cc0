"""All the tools of a server, page by page, in the form that the digest pins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson
from mcp import MCPError
from mcp_types import METHOD_NOT_FOUND, PaginatedRequestParams
from mcp_types import Tool as WireTool

from signoff.model import Json, JsonObject, Tool

if TYPE_CHECKING:
    from mcp import Client

MOST_TOOLS = 10_000
MOST_PAGES = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """The tools of a server at one moment.

    Attributes:
        tools: by name.
        exact: each definition as bytes that are equal only where the definitions are the same JSON.
        problem: in plain words, what is wrong with the list; empty where nothing is.
    """

    tools: Mapping[str, Tool]
    problem: str = ""
    exact: Mapping[str, bytes] = field(default_factory=dict)


def exact(value: Json) -> bytes:
    """Bytes that are equal only for the same JSON; Python's `==` takes 1 for true and for 1.0."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


async def list_tools(client: Client) -> Listing:
    """Asks for every page.

    Raises:
        MCPError: the server cannot list its tools.
        ValueError: the list does not end, or is longer than any honest one.
    """
    found: list[WireTool] = []
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        try:
            page = await client.session.list_tools(params=PaginatedRequestParams(cursor=cursor))
        except MCPError as error:
            if error.code == METHOD_NOT_FOUND and not found:
                return Listing({})  # a server without tools
            raise
        found.extend(page.tools)
        if len(found) > MOST_TOOLS:
            raise ValueError(f"it lists more than {MOST_TOOLS:,} tools")
        if page.next_cursor is None:
            return listing_of([from_wire(tool) for tool in found])
        cursor = page.next_cursor
    raise ValueError(f"its list of tools has more than {MOST_PAGES:,} pages")


def from_wire(tool: WireTool) -> Tool:
    """A tool as the program knows it."""
    hints = tool.annotations
    annotations: JsonObject = {}
    if hints is not None:
        named = {
            "readOnlyHint": hints.read_only_hint,
            "destructiveHint": hints.destructive_hint,
            "idempotentHint": hints.idempotent_hint,
            "openWorldHint": hints.open_world_hint,
        }
        annotations = {name: value for name, value in named.items() if value is not None}
    return Tool(
        name=tool.name,
        description=tool.description or "",
        input_schema=dict(tool.input_schema),
        annotations=annotations,
    )


def listing_of(tools: list[Tool]) -> Listing:
    """The tools by name; of a name with two meanings neither is kept, for a call could mean either."""
    by_name: dict[str, Tool] = {}
    seen: dict[str, bytes] = {}
    twice: set[str] = set()
    for tool in tools:
        definition = exact(tool.definition())
        if seen.setdefault(tool.name, definition) != definition:
            twice.add(tool.name)
        by_name[tool.name] = tool
    for name in twice:
        del by_name[name], seen[name]
    problem = ""
    if twice:
        names = ", ".join(sorted(twice))
        problem = f"It lists different tools under one name, which are not used: {names}."
    return Listing(by_name, problem, seen)
