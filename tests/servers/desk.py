"""A booking desk made with the SDK, which asks in the middle of a call, in either protocol.

    python tests/servers/desk.py --log FILE [--http PORT]

Every finished booking is a line of the log, and so is every question ("asked").

Tools: book(text) asks for seats, window and kind; book_twice(text) asks twice, then about the first
answer; confirm(text) asks for consent alone; look(text) only reads, and asks for seats.
"""

from __future__ import annotations

import argparse
import json
import os
from typing import Annotated, Literal

from mcp.server import MCPServer
from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
from mcp.server.mcpserver.resolve import Elicit, Resolve
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field

server = MCPServer("desk")
options = argparse.Namespace(log=None)


class Seats(BaseModel):
    seats: int = Field(ge=1, le=8, title="Seats", description="How many people come")
    window: bool = Field(default=False, description="At the window")
    kind: Literal["lunch", "dinner"] = Field(description="Which meal")


class Name(BaseModel):
    name: str = Field(min_length=2)


class Consent(BaseModel):
    """Nothing but yes."""


def note(tool: str, **what: object) -> None:
    line = json.dumps({"tool": tool, "arguments": what, "pid": os.getpid()}) + "\n"
    if options.log:
        with open(options.log, "a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())


async def ask_seats(text: str) -> Elicit[Seats]:
    note("asked", text=text)
    return Elicit(f"A table for {text}?", Seats)


async def ask_name(seats: Annotated[Seats, Resolve(ask_seats)]) -> Elicit[Name]:
    return Elicit(f"In which name are the {seats.seats} seats?", Name)


async def ask_consent() -> Elicit[Consent]:
    return Elicit("Shall it be booked?", Consent)


@server.tool()
async def book(text: str, seats: Annotated[ElicitationResult[Seats], Resolve(ask_seats)]) -> str:
    """Books a table."""
    if not isinstance(seats, AcceptedElicitation):
        return f"not booked: {seats.action}"
    note("book", text=text, **seats.data.model_dump())
    return f"booked {seats.data.seats} for {seats.data.kind}"


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
async def look(text: str, seats: Annotated[Seats, Resolve(ask_seats)]) -> str:
    """Looks for a table."""
    return f"there are {seats.seats}"


@server.tool()
async def book_twice(
    text: str,
    seats: Annotated[Seats, Resolve(ask_seats)],
    name: Annotated[Name, Resolve(ask_name)],
) -> str:
    """Books a table in a name."""
    note("book_twice", text=text, seats=seats.seats, name=name.name)
    return f"booked {seats.seats} for {name.name}"


@server.tool()
async def confirm(text: str, consent: Annotated[Consent, Resolve(ask_consent)]) -> str:
    """Books once it is confirmed."""
    note("confirm", text=text)
    return "confirmed"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--log")
    parser.add_argument("--http", type=int)
    parser.parse_args(namespace=options)
    if options.http:
        server.run("streamable-http", host="127.0.0.1", port=options.http)
    else:
        server.run("stdio")


if __name__ == "__main__":
    main()
