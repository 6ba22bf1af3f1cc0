"""Servers on stdin and stdout, with real processes; each pitfall of the transport has its test."""

from __future__ import annotations

import asyncio
import json
import os
import signal

import pytest

from servers.kit import Project, available, until
from signoff.errors import OutcomeUnknown, Refused, ServerFault, Transient


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


async def test_a_call_reaches_the_server_once_with_exactly_its_arguments(project):
    arguments = {"text": "é\u2028\n", "none": None, "deep": [{"n": None}, 1.5, True, 2**60]}
    async with project.stub().pool() as pool:
        await pool.settled(15)
        result = await pool.call("stub", "record", arguments, timeout=10, meta={"signoff/plan": "p1"})
    assert result.text.startswith("ok: é")
    assert [(call["tool"], call["arguments"], call["meta"]) for call in project.calls()] == [
        ("record", arguments, {"signoff/plan": "p1"})
    ]


async def test_an_idle_owner_is_told_that_its_server_died_and_connects_it_again(project):
    async with project.stub().pool() as pool:
        await pool.settled(15)
        os.kill(project.pids()[0], signal.SIGKILL)
        await until(lambda: len(project.pids()) == 2)
        await available(pool)
        assert (await pool.call("stub", "look", {"text": "back"}, timeout=10)).text == "ok: back"
        assert pool.health()["stub"].restarts == 1


@pytest.mark.promise("1.2")
async def test_killing_a_server_in_the_middle_of_a_call_leaves_the_outcome_unknown(project):
    async with project.stub().pool() as pool:
        await pool.settled(15)
        call = asyncio.create_task(pool.call("stub", "slow", {"seconds": 60}, timeout=60))
        await until(project.calls)
        os.kill(project.pids()[0], signal.SIGKILL)
        with pytest.raises(OutcomeUnknown):
            await call
        await available(pool)
        assert (await pool.call("stub", "look", {"text": "a"}, timeout=10)).text == "ok: a"
    assert [call["tool"] for call in project.calls()] == ["slow", "look"]


@pytest.mark.promise("1.2")
@pytest.mark.parametrize("tool", ["crash", "crash_early"])
async def test_a_server_that_dies_of_a_call_leaves_it_unknown_whether_or_not_it_acted(project, tool):
    async with project.stub().pool() as pool:
        await pool.settled(15)
        with pytest.raises(OutcomeUnknown):
            await pool.call("stub", tool, {}, timeout=10)
        await available(pool)
    assert len(project.calls()) == (1 if tool == "crash" else 0)


@pytest.mark.promise("1.2")
async def test_of_calls_that_raced_a_kill_none_is_said_to_be_unsent_that_happened(project):
    async with project.stub().pool() as pool:
        await pool.settled(15)
        calls = [
            asyncio.create_task(pool.call("stub", "record", {"text": str(number)}, timeout=20))
            for number in range(60)
        ]
        await until(project.calls)
        os.kill(project.pids()[0], signal.SIGKILL)
        ends = await asyncio.gather(*calls, return_exceptions=True)
    happened = [call["arguments"]["text"] for call in project.calls()]
    assert len(happened) == len(set(happened))
    for number, end in enumerate(ends):
        if isinstance(end, Transient):
            assert str(number) not in happened
        elif not isinstance(end, Exception):
            assert str(number) in happened
        else:
            assert type(end) is OutcomeUnknown


@pytest.mark.promise("1.2")
async def test_a_frozen_server_with_a_full_pipe_costs_no_more_than_the_timeout(project):
    """Pitfall 2: the SDK's timeout begins after the write, which such a server blocks."""
    loop = asyncio.get_running_loop()
    async with project.stub().pool() as pool:
        await pool.settled(15)
        os.kill(project.pids()[0], signal.SIGSTOP)
        try:
            with pytest.raises(OutcomeUnknown):
                await pool.call("stub", "record", {"text": "x" * 1_000_000}, timeout=0.3)
            began = loop.time()
            with pytest.raises(Transient):
                await pool.call("stub", "record", {"text": "never written"}, timeout=0.3)
            assert loop.time() - began < 5
        finally:
            os.kill(project.pids()[0], signal.SIGCONT)
        await until(project.calls)
    texts = [call["arguments"]["text"] for call in project.calls()]
    assert "never written" not in texts


@pytest.mark.promise("1.2")
async def test_a_timeout_after_the_write_is_unknown_and_the_connection_goes_on(project):
    async with project.stub().pool() as pool:
        await pool.settled(15)
        with pytest.raises(OutcomeUnknown):
            await pool.call("stub", "slow", {"seconds": 60}, timeout=0.2)
        assert (await pool.call("stub", "look", {"text": "on"}, timeout=10)).text == "ok: on"
        assert pool.health()["stub"].restarts == 0


@pytest.mark.parametrize("option", ["--invalid-utf8", "--garbage"])
async def test_what_is_not_the_protocol_is_skipped_and_bad_bytes_are_replaced(project, option):
    """Pitfall 3: one byte of invalid UTF-8 hangs the SDK's connection."""
    async with project.stub(option).pool() as pool:
        await pool.settled(15)
        text = (await pool.call("stub", "look", {"text": "here"}, timeout=10)).text
    assert text.replace("\ufffd", "") == "ok: here"


async def test_a_long_line_is_read_in_linear_time(project):
    """Pitfall 4: 20 MB take the SDK's buffer more than five seconds."""
    async with project.stub().pool() as pool:
        await pool.settled(15)
        result = await pool.call("stub", "big", {"bytes": 20_000_000}, timeout=5)
    assert len(result.text) == 20_000_000


@pytest.mark.slow
async def test_a_line_beyond_the_cap_closes_the_connection_and_says_so(project):
    seen = []
    async with project.stub().pool(on_change=lambda name: seen.append(pool.health()[name].reason)) as pool:
        await pool.settled(15)
        with pytest.raises(OutcomeUnknown):
            await pool.call("stub", "big", {"bytes": 100_000_000}, timeout=60)
        await until(lambda: "line-too-long" in seen)
        await available(pool)


async def test_nothing_is_listed_after_a_call_so_that_nothing_can_fail_after_it(project):
    """Pitfall 5: a tool whose list failed later would make a call raise that had happened."""
    async with project.stub("--page-size", "2").pool() as pool:
        await pool.settled(15)
        for _ in range(3):
            assert (await pool.call("stub", "structured", {"text": "ab"}, timeout=10)).structured == {
                "text": "ab",
                "length": 2,
            }
    assert len(project.calls()) == 3


async def test_an_answer_that_does_not_fit_its_schema_is_still_the_answer(project):
    """The call ran: losing its result to a complaint about its form would lose the truth."""
    definition = {"name": "structured", "outputSchema": {"type": "object", "required": ["nope"]}}
    (project.root / "definitions.json").write_text(json.dumps([definition]))
    async with project.stub("--definitions", str(project.root / "definitions.json")).pool() as pool:
        await pool.settled(15)
        assert (await pool.call("stub", "structured", {"text": "a"}, timeout=10)).structured == {
            "text": "a",
            "length": 1,
        }


async def test_what_the_server_answers_while_it_lives_is_its_word(project):
    async with project.stub().pool() as pool:
        await pool.settled(15)
        for code, kind in [
            (-32603, ServerFault),
            (-32602, Refused),
            (-32000, ServerFault),
            (-32001, OutcomeUnknown),
        ]:
            with pytest.raises(kind) as caught:
                await pool.call("stub", "error", {"code": code, "message": "no"}, timeout=10)
            assert type(caught.value) is kind


async def test_a_server_that_floods_us_does_not_fill_our_memory_and_answers_still_come(project):
    async with project.stub("--garbage").pool() as pool:
        await pool.settled(15)
        calls = [pool.call("stub", "look", {"text": str(n)}, timeout=30) for n in range(300)]
        results = await asyncio.gather(*calls)
    assert [result.text for result in results] == [f"ok: {n}" for n in range(300)]


@pytest.mark.promise("1.2")
async def test_a_cancelled_call_is_cancelled_and_the_connection_goes_on(project):
    async with project.stub().pool() as pool:
        await pool.settled(15)
        call = asyncio.create_task(pool.call("stub", "slow", {"seconds": 60}, timeout=60))
        await until(project.calls)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert (await pool.call("stub", "look", {"text": "on"}, timeout=10)).text == "ok: on"


async def test_a_call_ends_with_its_server_though_a_child_holds_the_pipe_open(project):
    async with project.stub("--child-holds").pool() as pool:
        await pool.settled(15)
        with pytest.raises(OutcomeUnknown):
            await pool.call("stub", "crash", {}, timeout=20)
        await until(lambda: project.pids()[1] not in project.running())
