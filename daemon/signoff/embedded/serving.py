"""The frame of the embedded servers: a list of tools, served over stdio.

Built on the SDK's low-level server. It starts a little faster than `MCPServer` and answers a fifth
faster, but the reasons are others: `MCPServer` ignores arguments that a tool does not have, reads
JSON inside strings, and cannot name an argument `from`. Here the schema that is declared, pinned in
the digest and shown to the person is the one that is enforced, and nothing is converted.

Outcomes, as the daemon will class them:

* an `Answer`: done;
* `NotDone` and `PartlyDone`: an error result (`isError`), so the step failed and is not tried again;
* `OutcomeLost`: nobody can know whether it happened, so no answer may go out, for each kind of
  answer says either that it happened or that it did not. The process ends instead: a connection that
  closes under a call is what the protocol has for "unknown". Calls that run beside it are let finish
  and answered first.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import anyio
import anyio.to_thread
import mcp_types as protocol
from mcp import MCPError
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from signoff import __version__
from signoff.embedded.tools import Call, NotDone, OutcomeLost, PartlyDone, Tool
from signoff.model import JsonObject

EXIT_OUTCOME_LOST = 75  # EX_TEMPFAIL
_LAST_ANSWERS_LEAVE = 0.1  # seconds, for what other calls answered just now to reach the pipe
_LONGEST_COMPLAINT = 300  # characters; an argument may be a megabyte


def serve(name: str, instructions: str, tools: Sequence[Tool]) -> None:
    """Serves until the client closes our standard input.

    Does not return where an outcome was lost: the process ends with status 75.
    """
    by_name = {tool.name: tool for tool in tools}
    running = _Running()
    listed = protocol.ListToolsResult(tools=[_declared(tool) for tool in tools])

    async def list_tools(_context: object, _params: object) -> protocol.ListToolsResult:
        return listed

    async def call_tool(context: Any, params: protocol.CallToolRequestParams) -> protocol.CallToolResult:
        tool = by_name.get(params.name)
        if tool is None:
            raise MCPError(
                protocol.INVALID_PARAMS, f"There is no tool {params.name[:100]!r}. Nothing was done."
            )
        arguments = params.arguments or {}
        if complaint := _complaint(tool, arguments):
            return _failed(f"{complaint} {tool.nothing}")
        return await _carry_out(tool, Call(arguments, _meta(context.params)), running)

    server: Server[Any] = Server(
        name, version=__version__, instructions=instructions, on_list_tools=list_tools, on_call_tool=call_tool
    )

    async def main() -> None:
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())

    try:
        anyio.run(main)
    except KeyboardInterrupt:
        sys.exit(130)


async def _carry_out(tool: Tool, call: Call, running: _Running) -> protocol.CallToolResult:
    with running.one():
        try:
            answer = await anyio.to_thread.run_sync(tool.run, call, abandon_on_cancel=True)
        except NotDone as error:
            return _failed(f"{error} {tool.nothing}")
        except PartlyDone as error:
            return _failed(str(error))
        except OutcomeLost as error:
            print(f"{tool.name}: {error}", file=sys.stderr, flush=True)
            await running.end_unanswered()
        except anyio.get_cancelled_exc_class():
            call.given_up.set()
            raise
        except Exception as error:
            # Where, but not what: the error's text may hold arguments or settings.
            traceback.print_tb(error.__traceback__)
            raise MCPError(
                protocol.INTERNAL_ERROR,
                f"{tool.name} failed inside ({type(error).__name__}); see the server's log.",
            ) from error
    return protocol.CallToolResult(
        content=[protocol.TextContent(type="text", text=answer.text)], structured_content=answer.data
    )


@dataclass
class _Running:
    """The calls that run, and those among them whose outcome is lost."""

    calls: int = 0
    lost: int = 0
    changed: anyio.Event = field(default_factory=anyio.Event)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Counts a call while it runs."""
        self.calls += 1
        try:
            yield
        finally:
            self.calls -= 1
            self.changed.set()
            self.changed = anyio.Event()

    async def end_unanswered(self) -> NoReturn:
        """Ends the process when the other calls are answered.

        A client that tires of waiting cancels the call; then it has its unknown outcome already, and
        the process may live.
        """
        self.lost += 1
        try:
            while self.calls > self.lost:
                await self.changed.wait()
            await anyio.sleep(_LAST_ANSWERS_LEAVE)
            os._exit(EXIT_OUTCOME_LOST)
        finally:
            self.lost -= 1


def _declared(tool: Tool) -> protocol.Tool:
    return protocol.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.input_schema,
        output_schema=tool.output_schema,
        annotations=protocol.ToolAnnotations(
            read_only_hint=tool.read_only,
            destructive_hint=tool.destructive,
            idempotent_hint=tool.idempotent,
            open_world_hint=tool.open_world,
        ),
    )


def _complaint(tool: Tool, arguments: Mapping[str, Any]) -> str:
    """What is wrong with the arguments, in words; empty where nothing is."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    problem = best_match(Draft202012Validator(tool.input_schema).iter_errors(dict(arguments)))
    if problem is None:
        return ""
    place = ".".join(str(part) for part in problem.absolute_path)
    text = (
        problem.message if len(problem.message) <= _LONGEST_COMPLAINT else f"its {problem.validator} is wrong"
    )
    return f"The argument `{place}` is wrong: {text}." if place else f"The arguments are wrong: {text}."


def _meta(params: Mapping[str, Any] | None) -> JsonObject:
    meta = (params or {}).get("_meta")
    return meta if isinstance(meta, dict) else {}


def _failed(text: str) -> protocol.CallToolResult:
    return protocol.CallToolResult(content=[protocol.TextContent(type="text", text=text)], is_error=True)
