"""The frame of the embedded servers: how a call may end, seen by the client."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp import Client, MCPError, StdioServerParameters, stdio_client, types

SERVER = """
import threading
from signoff.embedded.serving import serve
from signoff.embedded.tools import Answer, Call, OutcomeLost, PartlyDone, Tool, schema

blocking, losing, released = threading.Event(), threading.Event(), threading.Event()

def crash(call):
    raise RuntimeError("the password is hunter2")

def partly(call):
    raise PartlyDone("Half of it was done.")

def lose(call):
    losing.set()
    raise OutcomeLost("nobody knows")

def block(call):
    blocking.set()
    released.wait(60)
    return Answer("released", {})

def wait_for_both(call):
    blocking.wait(60)
    losing.wait(60)
    return Answer("both", {})

def release(call):
    released.set()
    return Answer("done", {})

serve("test", "", [
    Tool(name=run.__name__, title="", description="", nothing="Nothing was done.", run=run,
         input_schema=schema({}), output_schema=schema({}, closed=False))
    for run in (crash, partly, lose, block, wait_for_both, release)
])
"""


@asynccontextmanager
async def server(folder: Path) -> AsyncIterator[Client]:
    script = folder / "server.py"
    script.write_text(SERVER)
    parameters = StdioServerParameters(command=sys.executable, args=[str(script)])
    with (folder / "stderr").open("w") as errors:
        async with Client(stdio_client(parameters, errlog=errors)) as client:
            yield client


async def test_a_crash_of_a_tool_is_an_internal_error_that_tells_nothing_of_its_text(tmp_path):
    async with server(tmp_path) as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool("crash", {})
        assert caught.value.error.code == types.INTERNAL_ERROR
        assert "RuntimeError" in caught.value.error.message
        assert not (await client.call_tool("release", {})).is_error
    assert "hunter2" not in caught.value.error.message
    assert "hunter2" not in (tmp_path / "stderr").read_text().replace(
        'raise RuntimeError("the password is hunter2")', ""
    )


async def test_what_was_done_in_part_is_an_error_that_does_not_say_nothing_was_done(tmp_path):
    async with server(tmp_path) as client:
        result = await client.call_tool("partly", {})
    assert result.is_error
    assert result.content[0].text == "Half of it was done."


@pytest.mark.promise("7")
async def test_a_lost_call_that_the_client_gives_up_leaves_the_others_their_server(tmp_path):
    async with server(tmp_path) as client:
        block = asyncio.create_task(client.call_tool("block", {}))
        lose = asyncio.create_task(client.call_tool("lose", {}))
        await client.call_tool("wait_for_both", {})
        lose.cancel()
        with pytest.raises(asyncio.CancelledError):
            await lose
        assert not (await client.call_tool("release", {})).is_error
        assert (await block).content[0].text == "released"
        assert not (await client.call_tool("release", {})).is_error
