"""The pool on its own, as other programs use it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap

import pytest

import signoff.servers
from servers.kit import STUB, Project, until
from signoff.errors import ConfigError
from signoff.model import ServerView, Tool
from signoff.servers import (
    Ask,
    BreakerOpen,
    CallError,
    OutcomeUnknown,
    Refused,
    ServerPool,
    TimedOut,
    Transient,
)
from signoff.servers.answers import Answers


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def _run(program):
    command = [sys.executable, "-c", program]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.promise("8")
def test_the_example_of_the_documentation_runs_as_it_stands(tmp_path):
    paragraphs = signoff.servers.__doc__.split("\n\n")
    begin = next(index for index, text in enumerate(paragraphs) if text.startswith("    import asyncio"))
    end = next(index for index, text in enumerate(paragraphs) if "asyncio.run" in text)
    example = textwrap.dedent("\n\n".join(paragraphs[begin : end + 1]))
    config = {"mcpServers": {"notes": {"command": sys.executable, "args": [str(STUB)]}}}
    program = f"CONFIG = {config!r}\n{example}"
    ran = _run(program)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "ok: hello",
        "['ok: one', 'ok: two', 'ok: three']",
        "notes fail no",
        "available notes.look",
    ]


def test_reading_a_configuration_does_not_load_the_sdk():
    program = "import sys; from signoff.servers import load_servers, CallError; print('mcp' in sys.modules)"
    ran = _run(program)
    assert ran.stdout == "False\n"
    with pytest.raises(AttributeError):
        signoff.servers.nothing  # noqa: B018


async def test_a_pool_is_made_of_a_file_or_of_what_is_in_it(project):
    configs = project.stub().configs()
    for given in (configs, str(project.file), project.file, json.loads(project.file.read_text())):
        if isinstance(given, dict) and given is not configs:
            given["mcpServers"]["stub"]["command"] = sys.executable
        async with ServerPool(given) as pool:
            await pool.settled(15)
            assert (await pool.call("stub.look", {"text": "a"})).text == "ok: a"
    with pytest.raises(ConfigError):
        ServerPool(project.root / "nothing.json")


async def test_a_servers_name_may_hold_dots(project):
    async with project.stub(name="a.b").stub(name="a").pool() as pool:
        await pool.settled(15)
        assert (await pool.call("a.b.look", {"text": "x"})).text == "ok: x"
        assert (await pool.call("a.look", {"text": "y"})).text == "ok: y"
        with pytest.raises(Refused) as caught:
            await pool.call("nobody.look", {})
        assert (caught.value.server, caught.value.tool) == ("nobody", "look")


@pytest.mark.promise("8")
async def test_errors_say_what_to_do_and_carry_where_how_often_and_why(project):
    project.stub().stub("--exit", "1", name="dead").stub("--exit", "1", name="dead2", replicas=2)
    async with project.pool() as pool:
        await pool.settled(15)
        with pytest.raises(TimedOut) as late:
            await pool.call("stub.slow", {"seconds": 30}, timeout=0.2)
        assert isinstance(late.value, OutcomeUnknown)
        assert (late.value.server, late.value.tool, late.value.attempt) == ("stub", "slow", 1)
        with pytest.raises(Refused) as refused:
            await pool.call("stub.error", {"code": -32602, "message": "bad words"})
        assert refused.value.cause == "MCPError: bad words"
        with pytest.raises(Transient) as both:
            await pool.call("dead2.look", {})
        assert both.value.attempt == 2
        await until(lambda: pool.health()["dead"].breaker == "open")
        with pytest.raises(BreakerOpen) as open_:
            await pool.call("dead.look", {})
        assert isinstance(open_.value, Transient)
        assert isinstance(open_.value, CallError)


@pytest.mark.promise("8")
async def test_progress_is_passed_on(tmp_path):
    program = tmp_path / "slow.py"
    program.write_text(
        "from mcp.server import MCPServer\n"
        "from mcp.server.mcpserver import Context\n"
        "server = MCPServer('slow')\n"
        "@server.tool()\n"
        "async def work(ctx: Context) -> str:\n"
        "    await ctx.report_progress(1, 2, 'half')\n"
        "    await ctx.report_progress(2, 2, 'all')\n"
        "    return 'done'\n"
        "server.run('stdio')\n"
    )
    seen = []

    async def progress(done, total, message):
        seen.append((done, total, message))

    async with ServerPool({"slow": {"command": sys.executable, "args": [str(program)]}}) as pool:
        await pool.settled(30)
        assert (await pool.call("slow.work", {}, progress=progress)).text == "done"
    assert seen == [(1, 2, "half"), (2, 2, "all")]


# ---------------------------------------------------------------- many


@pytest.mark.promise("8")
async def test_many_calls_are_answered_in_their_order_and_no_more_at_once_than_allowed(project):
    async with project.stub().pool() as pool:
        await pool.settled(15)
        asks = [Ask("stub.slow", {"seconds": 0.3 - number * 0.05}) for number in range(6)]
        asks.insert(3, Ask("stub.fail", {"text": "no"}))
        asks.append(Ask("nobody.look"))
        most = 0

        async def watch():
            nonlocal most
            while True:
                most = max(most, pool.health()["stub"].in_flight)
                await asyncio.sleep(0.005)

        watching = asyncio.create_task(watch())
        answers = await pool.call_many(asks, concurrency=3)
        watching.cancel()
    assert [answer.ask for answer in answers] == asks
    assert [answer.ok for answer in answers] == [True] * 3 + [False] + [True] * 3 + [False]
    assert isinstance(answers[3].error, Refused)
    assert answers[-1].error.code == "unknown-server"
    assert most == 3


@pytest.mark.promise("8")
async def test_when_the_time_is_up_what_came_is_there_and_the_rest_says_whether_it_was_sent(project):
    async with project.stub().pool() as pool:
        await pool.settled(15)
        asks = [
            Ask("stub.look", {"text": "a"}),
            Ask("stub.slow", {"seconds": 60}),
            Ask("stub.record", {"text": "b"}),
        ]
        answers = await pool.call_many(asks, concurrency=1, timeout=1.5)
    assert answers[0].result.text == "ok: a"
    assert isinstance(answers[1].error, OutcomeUnknown)
    assert (type(answers[2].error), answers[2].error.code) == (Transient, "not-begun")
    assert [call["tool"] for call in project.calls()] == ["look", "slow"]


@pytest.mark.promise("8")
async def test_after_a_critical_failure_nothing_more_leaves_and_what_has_left_is_awaited(project):
    async with project.stub().pool() as pool:
        await pool.settled(15)
        asks = [
            Ask("stub.slow", {"seconds": 0.5}),
            Ask("stub.fail", {"text": "no"}, critical=True),
            Ask("stub.record", {"text": "never"}),
        ]
        answers = await pool.call_many(asks, concurrency=2)
        assert await pool.call_many([]) == []
    assert answers[0].ok
    assert isinstance(answers[1].error, Refused)
    assert answers[2].error.code == "not-begun"
    assert "stub.fail failed" in answers[2].error.message
    assert "record" not in [call["tool"] for call in project.calls()]


# ---------------------------------------------------------------- kept answers


@pytest.mark.promise("8")
async def test_what_only_reads_may_be_answered_again_from_what_is_kept_and_says_so(project):
    async with project.stub().pool() as pool:
        await pool.settled(15)
        first = await pool.call("stub.look", {"text": "a"}, cache=60)
        again = await pool.call("stub.look", {"text": "a"}, cache=60)
        other = await pool.call("stub.look", {"text": "b"}, cache=60)
        await pool.call("stub.look", {"text": "a"})
        await pool.call("stub.look", {"text": "a"}, cache=0.000001)
        assert (first.cached_at, first.text, again.text, other.text) == (None, "ok: a", "ok: a", "ok: b")
        assert again.cached_at.endswith("Z")
        assert again.to_json()["cached_at"] == again.cached_at
        assert "cached_at" not in first.to_json()
    assert len(project.calls()) == 4
    async with project.pool(cache={("stub", "look"): 60}) as pool:
        await pool.settled(15)
        answers = [await pool.call("stub", "look", {"text": "c"}) for _ in range(3)]
        assert [answer.cached_at is None for answer in answers] == [True, False, False]
    assert len(project.calls()) == 5


@pytest.mark.promise("1.1")
async def test_what_may_act_is_never_answered_from_what_is_kept(project):
    async with project.stub().pool() as pool:
        await pool.settled(15)
        for _ in range(2):
            assert (await pool.call("stub.record", {"text": "a"}, cache=60)).cached_at is None
        assert (await pool.call("stub.put", {"text": "a"}, cache=60)).cached_at is None
    assert len(project.calls()) == 3


def test_an_answer_is_kept_for_its_definition_and_arguments_alone():
    def key(command="x", arguments=None, pin=None, cached=False, **definition):
        tool = Tool(
            **{"name": "a", "description": "", "input_schema": {}, "annotations": {"readOnlyHint": True}}
            | definition
        )
        view = ServerView("s", {"command": command}, {"a": tool}, cached=cached)
        return Answers.key(view, "a", {"n": 1} if arguments is None else arguments, pin)

    others = {
        key("y"),
        key(description="other"),
        key(arguments={"n": 1.0}),
        key(arguments={"n": True}),
    }
    assert len(others) == 4
    assert key() == key() not in others
    assert key(annotations={"readOnlyHint": "yes"}) is None
    assert key(annotations={}) is None
    assert key(cached=True) is None
    assert key(pin={"launch": {"command": "y"}, "definition": {}}) is None
