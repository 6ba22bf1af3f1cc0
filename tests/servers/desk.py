"""A booking desk made with the SDK, which asks in the middle of a call, in either protocol.

    python tests/servers/desk.py --log FILE [--http PORT] [--key SECRET] [--wire FILE]

Every finished booking is a line of the log, and so is every question ("asked"). With a key, its state of a
suspended call is good in another process too. All that it is sent is in the file of the wire.

Tools: book(text) asks for seats, window and kind; book_twice(text) asks twice, then about the first
answer; book_both(text) asks for seats and for a name at once; confirm(text) asks for consent alone;
look(text) only reads, and asks for seats; slow(text, seconds) asks nothing and takes its time; book_slowly
asks for consent, then takes its time; unlock(text) asks for a password.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import threading
from typing import Annotated, Literal

from mcp.server import MCPServer
from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
from mcp.server.mcpserver.resolve import Elicit, Resolve
from mcp.server.request_state import RequestStateSecurity
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field

parser = argparse.ArgumentParser()
parser.add_argument("--log")
parser.add_argument("--http", type=int)
parser.add_argument("--key")
parser.add_argument("--wire")
options = parser.parse_args() if __name__ == "__main__" else argparse.Namespace(log=None, key=None)
security = RequestStateSecurity(keys=[options.key]) if options.key else None
server = MCPServer("desk", request_state_security=security)


class Seats(BaseModel):
    seats: int = Field(ge=1, le=8, title="Seats", description="How many people come")
    window: bool = Field(default=False, description="At the window")
    kind: Literal["lunch", "dinner"] = Field(description="Which meal")


class Name(BaseModel):
    name: str = Field(min_length=2)


class Secret(BaseModel):
    password: str = Field(min_length=2)


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


async def ask_any_name(text: str) -> Elicit[Name]:
    return Elicit(f"In which name is {text}?", Name)


async def ask_secret(text: str) -> Elicit[Secret]:
    return Elicit(f"The word for {text}?", Secret)


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


@server.tool()
async def book_both(
    text: str,
    seats: Annotated[Seats, Resolve(ask_seats)],
    name: Annotated[Name, Resolve(ask_any_name)],
) -> str:
    """Books a table in a name, asking for both at once."""
    note("book_both", text=text, seats=seats.seats, name=name.name)
    return f"booked {seats.seats} for {name.name}"


@server.tool()
async def slow(text: str, seconds: float) -> str:
    """Takes its time."""
    note("slow", text=text)
    await asyncio.sleep(seconds)
    return "done"


@server.tool()
async def book_slowly(text: str, consent: Annotated[Consent, Resolve(ask_consent)]) -> str:
    """Books once it is confirmed, and takes its time."""
    note("book_slowly", text=text)
    await asyncio.sleep(60)
    return "booked"


@server.tool()
async def unlock(text: str, secret: Annotated[Secret, Resolve(ask_secret)]) -> str:
    """Opens a door."""
    note("unlock", text=text, length=len(secret.password))
    return "open"


def tap(path: str) -> None:
    """Copies what comes in to a file, line by line, before the server reads it."""
    source, target = os.pipe()
    incoming = os.dup(0)
    os.dup2(source, 0)

    def copy() -> None:
        with open(path, "ab", buffering=0) as log, os.fdopen(incoming, "rb") as lines:
            for line in lines:
                log.write(line)
                os.write(target, line)
        os.close(target)

    threading.Thread(target=copy, daemon=True).start()


def main() -> None:
    if options.wire:
        tap(options.wire)
    if options.http:
        server.run("streamable-http", host="127.0.0.1", port=options.http)
    else:
        server.run("stdio")


if __name__ == "__main__":
    main()
