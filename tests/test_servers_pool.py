"""The pool: discovery, pins, health, restarts and the classes of errors, with real servers."""

from __future__ import annotations

import asyncio
import json
import os
import signal

import pytest

from servers.kit import STUB, Project, available, pin_of, until
from signoff.errors import AuthenticationFailed, NotFound, OutcomeUnknown, RateLimited, Refused, Transient
from signoff.model import Tool
from signoff.servers.pool import PinChanged
from signoff.servers.tools import exact, listing_of


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def define(project, *definitions):
    """Changes the stub's definitions in one step."""
    file = project.root / "definitions.json"
    file.with_suffix(".new").write_text(json.dumps(definitions))
    file.with_suffix(".new").replace(file)
    return str(file)


# ---------------------------------------------------------------- discovery


@pytest.mark.promise("8")
async def test_every_page_of_tools_is_discovered(project):
    async with project.stub("--extra", "120", "--page-size", "7").pool() as pool:
        await pool.settled(15)
        tools = pool.view("stub").tools
    assert len(tools) == 136
    assert {"record", "extra-0001", "extra-0120"} <= set(tools)
    assert tools["record"].annotations == {
        "readOnlyHint": False,
        "destructiveHint": False,
        "idempotentHint": False,
    }
    assert tools["error"].input_schema["properties"]["code"] == {"type": "integer"}


@pytest.mark.promise("8")
async def test_a_list_of_tools_that_never_ends_makes_the_server_unavailable(project):
    async with project.stub("--endless-pages", "--page-size", "600").pool() as pool:
        await pool.settled(20)
        health = pool.health()["stub"]
        assert (health.status, health.reason) == ("unavailable", "protocol")
        assert "more than 10,000 tools" in health.message


@pytest.mark.promise("8")
async def test_servers_are_discovered_side_by_side_and_one_that_fails_holds_up_no_other(project):
    for number in range(3):
        project.stub(name=f"s{number}")
    project.server("gone", command="/no/such/program")
    project.server("off", command="x", disabled=True)
    project.server("lost", command="x", cwd="no-such-folder")
    project.server("keyless", command="x", env={"KEY": "${NO_SUCH_VARIABLE}"})
    project.server("old", url="http://127.0.0.1:1/sse", type="sse")
    async with project.pool() as pool:
        await pool.settled(20)
        health = pool.health()
    assert {name: (entry.status, entry.reason) for name, entry in health.items()} == {
        "s0": ("available", ""),
        "s1": ("available", ""),
        "s2": ("available", ""),
        "gone": ("unavailable", "command-not-found"),
        "off": ("unavailable", "disabled"),
        "lost": ("unavailable", "folder-not-found"),
        "keyless": ("unavailable", "missing-variable"),
        "old": ("unavailable", "unreachable"),
    }
    assert "NO_SUCH_VARIABLE" in health["keyless"].message
    assert "/no/such/program" in health["gone"].message


@pytest.mark.parametrize("option", ["--exit-on-discover", "--mute-discover"])
@pytest.mark.slow
async def test_a_server_that_cannot_bear_the_newer_protocols_question_is_asked_in_the_older_way(
    project, option
):
    async with project.stub(option).pool() as pool:
        await pool.settled(30)
        assert (await pool.call("stub", "look", {"text": "a"}, timeout=10)).text == "ok: a"
        starts = len(project.pids())
        os.kill(project.pids()[-1], signal.SIGKILL)
        await until(lambda: len(project.pids()) == starts + 1)
        async with asyncio.timeout(8):  # the question alone would take ten seconds again
            await available(pool)


async def test_a_server_that_never_answers_is_given_up_after_its_time_and_ended(project):
    async with project.stub("--mute").pool(connect_timeout=0.5) as pool:
        await pool.settled(15)
        assert pool.health()["stub"].reason == "timeout"
        await until(lambda: len(project.running()) <= 1)


async def test_a_server_whose_list_fails_is_tried_again(project):
    async with project.stub("--instance-file", str(project.root / "n"), "--bad-starts", "3").pool() as pool:
        await available(pool)
        # The first may have died of the question which protocol it speaks, and is not held against it.
        assert pool.health()["stub"].error_count == 2
        assert pool.health()["stub"].breaker == "closed"


async def test_the_breaker_opens_for_a_server_that_never_starts_and_a_restart_closes_it(project):
    async with project.stub("--exit", "1").pool() as pool:
        await until(lambda: pool.health()["stub"].breaker == "open")
        with pytest.raises(Transient):
            await pool.call("stub", "look", {}, timeout=5)
        await pool.restart("stub")
        assert pool.health()["stub"].breaker == "closed"


def tool(name, **changes):
    return Tool(**{"name": name, "description": "", "input_schema": {"minimum": 1}} | changes)


def test_a_name_with_two_definitions_is_not_used_and_said_to_be_ambiguous():
    listing = listing_of([tool("a"), tool("b"), tool("b"), tool("a", description="other")])
    assert set(listing.tools) == set(listing.exact) == {"b"}
    assert listing.problem.endswith(": a.")


@pytest.mark.promise("5")
def test_definitions_are_compared_as_json_and_not_as_python_has_it():
    one, true = tool("a"), tool("a", input_schema={"minimum": True})
    assert one == true
    assert exact(one.definition()) != exact(true.definition())
    assert exact({"a": 1, "b": 2}) == exact({"b": 2, "a": 1})


async def test_a_tool_listed_twice_in_the_same_way_is_one_tool(project):
    async with project.stub("--duplicate", "record").pool() as pool:
        await pool.settled(15)
        assert pool.health()["stub"].status == "available"
        assert "record" in pool.view("stub").tools


# ---------------------------------------------------------------- pins


@pytest.mark.promise("5")
async def test_a_call_under_its_pin_goes_through(project):
    async with project.stub().pool() as pool:
        await pool.settled(15)
        await pool.call("stub", "record", {"text": "a"}, timeout=10, pin=pin_of(pool, "record"))
    assert len(project.calls()) == 1


@pytest.mark.promise("5")
async def test_a_definition_that_changed_since_the_approval_stops_the_call(project):
    path = define(project)
    changes = asyncio.Event()
    async with project.stub("--definitions", path).pool(on_change=lambda _name: changes.set()) as pool:
        await pool.settled(15)
        pin = pin_of(pool, "record")
        changes.clear()
        define(project, {"name": "record", "description": "Now sends it to everybody."})
        await asyncio.wait_for(changes.wait(), 10)
        with pytest.raises(PinChanged) as caught:
            await pool.call("stub", "record", {"text": "a"}, timeout=10, pin=pin)
        assert caught.value.code == "definition-changed"
        assert caught.value.old == pin
        assert caught.value.new["definition"]["description"] == "Now sends it to everybody."
        await pool.call("stub", "record", {"text": "b"}, timeout=10, pin=pin_of(pool, "record"))
    assert [call["arguments"]["text"] for call in project.calls()] == ["b"]


@pytest.mark.promise("5")
async def test_a_call_that_meets_a_notice_of_change_waits_for_the_new_list(project):
    async with project.stub("--change-after", "1").pool() as pool:
        await pool.settled(15)
        pin = pin_of(pool, "record")
        await pool.call("stub", "look", {"text": "the change comes right after this"}, timeout=10)
        await until(lambda: not pool._owners["stub"].incarnation.fresh.is_set())
        with pytest.raises(PinChanged):
            await pool.call("stub", "record", {"text": "a"}, timeout=10, pin=pin)
    assert [call["tool"] for call in project.calls()] == ["look"]


@pytest.mark.promise("5")
async def test_a_change_between_the_first_look_and_the_write_is_seen(project):
    """The write has to wait here: the guard looks again when its turn comes, right before it."""
    async with project.stub().pool() as pool:
        await pool.settled(15)
        pin = pin_of(pool, "record")
        incarnation = pool._owners["stub"].incarnation
        os.kill(project.pids()[0], signal.SIGSTOP)
        filler = asyncio.create_task(pool.call("stub", "record", {"text": "x" * 2_000_000}, timeout=30))
        await until(lambda: not incarnation.link.drained.is_set())
        call = asyncio.create_task(pool.call("stub", "record", {"text": "a"}, timeout=30, pin=pin))
        await until(lambda: incarnation.in_flight == 2)
        incarnation.listing = listing_of([tool("record", description="other")])
        os.kill(project.pids()[0], signal.SIGCONT)
        with pytest.raises(PinChanged):
            await call
        await filler
    assert [call["arguments"]["text"][:1] for call in project.calls()] == ["x"]


@pytest.mark.promise("5")
async def test_a_pinned_tool_that_is_gone_or_started_otherwise_stops_the_call(project):
    path = define(project, {"name": "put", "remove": True})
    async with project.stub("--definitions", path).pool() as pool:
        await pool.settled(15)
        pin = pin_of(pool, "record")
        with pytest.raises(PinChanged) as caught:
            await pool.call("stub", "put", {}, timeout=10, pin=pin | {"definition": {"name": "put"}})
        assert caught.value.new["definition"] is None
        with pytest.raises(PinChanged):
            await pool.call(
                "stub", "record", {}, timeout=10, pin=pin | {"launch": {"command": "x", "args": []}}
            )
    assert project.calls() == []


async def test_a_burst_of_notices_is_answered_with_few_lists(project):
    path = define(project)
    seen = []
    async with project.stub("--definitions", path).pool(on_change=seen.append) as pool:
        await pool.settled(15)
        for _ in range(40):
            pool._owners["stub"]._tools_changed()
        before = len(seen)
        await pool._owners["stub"].incarnation.fresh.wait()
        assert len(seen) - before == 1


# ---------------------------------------------------------------- calls


@pytest.mark.promise("7")
async def test_what_cannot_be_called_is_refused_or_not_sent_with_its_reason(project):
    project.stub().server("off", command="x", disabled=True)
    project.server("keyless", command="x", env={"KEY": "${NO_SUCH_VARIABLE}"})
    project.server("gone", command="/no/such/program").stub("--start-delay", "30", name="starting")
    async with project.pool() as pool:
        await until(lambda: all(pool.health()[name].status != "unknown" for name in ("stub", "gone")))
        for server, name, kind, code in [
            ("nobody", "look", Refused, "unknown-server"),
            ("stub", "nothing", Refused, "unknown-tool"),
            ("off", "look", Refused, "server-disabled"),
            ("keyless", "look", AuthenticationFailed, "authentication"),
            ("gone", "look", Transient, "not-sent"),
            ("starting", "look", Transient, "server-starting"),
        ]:
            with pytest.raises(kind) as caught:
                await pool.call(server, name, {}, timeout=0.5)
            assert (type(caught.value), caught.value.code) == (kind, code)
            assert (caught.value.server, caught.value.tool) == (server, name)
    assert project.calls() == []


@pytest.mark.promise("7")
async def test_the_words_of_a_failing_tool_reach_the_person(project):
    async with project.stub().pool() as pool:
        await pool.settled(15)
        with pytest.raises(Refused) as refused:
            await pool.call("stub", "fail", {"text": "no such account"}, timeout=10)
        with pytest.raises(RateLimited) as limited:
            await pool.call("stub", "rate", {}, timeout=10)
    assert refused.value.message == "stub.fail says that it failed: no such account"
    assert limited.value.retry_after == 30


async def test_calls_beyond_the_servers_limit_wait_their_turn_and_count_it_in_their_time(project):
    async with project.stub(max_concurrency=2).pool() as pool:
        await pool.settled(15)
        first = [asyncio.create_task(pool.call("stub", "slow", {"seconds": 1}, timeout=30)) for _ in range(2)]
        await until(lambda: len(project.calls()) == 2)
        with pytest.raises(Transient):
            await pool.call("stub", "record", {}, timeout=0.1)
        await asyncio.gather(*first)
        await pool.call("stub", "record", {}, timeout=10)
    assert [call["tool"] for call in project.calls()] == ["slow", "slow", "record"]


@pytest.mark.promise("7")
async def test_a_server_that_asks_a_person_is_declined_and_one_that_asks_a_model_is_refused(project):
    async with project.stub().pool() as pool:
        await pool.settled(15)
        assert json.loads((await pool.call("stub", "ask", {}, timeout=10)).text) == {"action": "decline"}
        answer = json.loads((await pool.call("stub", "sample", {}, timeout=10)).text)
    assert answer["code"] == -32600


@pytest.mark.promise("8")
async def test_a_secret_of_the_server_is_in_no_error_health_or_view(project):
    secret = "very-secret-value-42"
    project.stub("--stderr", "${KEY}", "--exit", "2", name="dies", env={"KEY": "${KEY}"})
    project.stub(env={"STUB_GREETING": "${KEY}"})
    async with project.pool(environ={"KEY": secret}) as pool:
        await pool.settled(15)
        with pytest.raises(Refused) as caught:
            await pool.call("stub", "fail", {"text": f"bad key {secret}"}, timeout=10)
        with pytest.raises(Transient) as dead:
            await pool.call("dies", "look", {}, timeout=10)
        shown = [
            caught.value,
            caught.value.detail,
            repr(caught.value),
            dead.value,
            pool.health(),
            pool.views(),
        ]
        shown += [(project.root / "logs" / "servers" / "dies.stderr").read_text()]
    assert secret not in " ".join(map(str, shown))
    assert "bad key ***" in caught.value.message


# ---------------------------------------------------------------- health


@pytest.mark.promise("8")
async def test_a_check_measures_and_notices_a_server_that_does_not_answer(project, monkeypatch):
    monkeypatch.setattr("signoff.servers.owner.PING_TIMEOUT", 0.2)
    async with project.stub().pool() as pool:
        await pool.settled(15)
        health = await pool.check("stub")
        assert health.status == "available"
        assert health.response_time_ms > 0
        assert health.last_check.endswith("Z")
        os.kill(project.pids()[0], signal.SIGSTOP)
        health = await pool.check("stub")
        assert (health.status, health.reason) == ("degraded", "not-answering")
        os.kill(project.pids()[0], signal.SIGCONT)
        assert (await pool.check("stub")).status == "available"
        with pytest.raises(NotFound):
            await pool.check("nobody")


@pytest.mark.promise("8")
async def test_a_server_that_is_frozen_is_started_again_but_not_under_a_call(project, monkeypatch):
    monkeypatch.setattr("signoff.servers.owner.PING_TIMEOUT", 0.05)
    async with project.stub().pool() as pool:
        await pool.settled(15)
        call = asyncio.create_task(pool.call("stub", "slow", {"seconds": 60}, timeout=60))
        await until(project.calls)
        os.kill(project.pids()[0], signal.SIGSTOP)
        for _ in range(4):
            assert (await pool.check("stub")).reason == "not-answering"
        assert not call.done()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await pool.check("stub")
        await until(lambda: len(project.pids()) == 2)
        await available(pool)


async def test_faults_in_a_row_make_a_server_degraded_until_a_check_passes(project):
    async with project.stub().pool() as pool:
        await pool.settled(15)
        for _ in range(3):
            with pytest.raises(OutcomeUnknown):
                await pool.call("stub", "slow", {"seconds": 30}, timeout=0.05)
        assert (pool.health()["stub"].status, pool.health()["stub"].error_count) == ("degraded", 3)
        assert (await pool.check("stub")).status == "available"


@pytest.mark.promise("8")
async def test_changes_notify_and_a_restart_keeps_the_tools_known(project):
    seen = []
    async with project.stub().pool(
        on_change=lambda name: seen.append((name, pool.health()[name].status))
    ) as pool:
        await pool.settled(15)
        await pool.restart("stub")
        await until(lambda: pool.health()["stub"].status != "available")
        assert "record" in pool.view("stub").tools
        await available(pool)
        assert pool.health()["stub"].restarts == 1
        os.kill(project.pids()[-1], signal.SIGKILL)
        await until(lambda: ("stub", "unavailable") in seen)
        await available(pool)
    assert seen[0] == ("stub", "available")


async def test_a_call_in_flight_is_let_finish_before_a_restart(project):
    async with project.stub().pool() as pool:
        await pool.settled(15)
        call = asyncio.create_task(pool.call("stub", "slow", {"seconds": 0.5, "text": "whole"}, timeout=10))
        await until(project.calls)
        await pool.restart("stub")
        assert (await call).text == "ok: whole"
        await until(lambda: len(project.pids()) == 2)


async def test_a_pool_without_servers_starts_and_stops(project):
    async with project.pool() as pool:
        await pool.settled(1)
        assert (pool.views(), pool.health()) == ({}, {})
        with pytest.raises(NotFound):
            pool.view("nobody")


@pytest.mark.promise("8")
async def test_a_server_of_the_newest_protocol_is_called_and_checked_too(project):
    program = str(STUB.with_name("modern.py"))
    async with project.server("new", command="${SIGNOFF_PYTHON}", args=[program]).pool() as pool:
        await pool.settled(30)
        assert pool._owners["new"].incarnation.client.protocol_version >= "2026"
        pin = pin_of(pool, "add", "new")
        result = await pool.call(
            "new", "add", {"a": 1, "b": 2}, timeout=10, pin=pin, meta={"signoff/plan": "p"}
        )
        assert (result.text, result.structured) == ("3", {"result": 3})
        with pytest.raises(Refused):
            await pool.call("new", "add", {"a": "one"}, timeout=10)
        assert (await pool.check("new")).status == "available"


@pytest.mark.promise("8")
async def test_a_change_of_tools_is_heard_over_the_newest_protocol_too(project):
    """There nothing is told of changes unless it was asked for."""
    program = str(STUB.with_name("modern.py"))
    async with project.server("new", command="${SIGNOFF_PYTHON}", args=[program]).pool() as pool:
        await available(pool, "new")
        assert "grown" not in pool.view("new").tools
        await pool.call("new", "grow", {}, timeout=10)
        await until(lambda: "grown" in pool.view("new").tools)
        assert (await pool.call("new", "grown", {}, timeout=10)).text == "grown"
