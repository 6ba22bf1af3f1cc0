"""The lane that tool calls take on a pipe: every answer reaches its own caller, and nobody else's."""

from __future__ import annotations

import asyncio
import json

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import MCPError

from signoff.errors import SignoffError
from signoff.servers.exchange import Exchange
from signoff.servers.lane import MOST_TOGETHER, Lane


class Wire:
    """What a lane writes, kept."""

    def __init__(self):
        self.requests, self.notices, self.writes = [], [], []
        self.drained = asyncio.Event()
        self.drained.set()
        self.broken = None
        self.lane = Lane(self.drained.wait, self.write, lambda line: self.notices.append(json.loads(line)))

    def write(self, lines, exchanges):
        if self.broken:
            raise self.broken
        for exchange in exchanges:
            exchange.sent = True
        self.writes.append(lines)
        self.requests += [json.loads(line) for line in lines.splitlines()]

    async def asked(self, count, **guards):
        calls = [
            asyncio.ensure_future(
                self.lane.call({"name": "t", "arguments": {"n": n}}, Exchange(guard=guards.get(f"n{n}")))
            )
            for n in range(count)
        ]
        await turn()
        return calls

    def answer(self, request, **other):
        number = request["params"]["arguments"]["n"]
        return {"jsonrpc": "2.0", "id": request["id"], "result": {"content": [], "n": number}} | other


async def turn():
    """The calls are made, and those that may have left."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def line(message):
    return json.dumps(message).encode()


@given(order=st.permutations(range(6)), as_text=st.lists(st.booleans(), min_size=6, max_size=6))
def test_answers_in_any_order_reach_their_own_callers(order, as_text):
    async def run():
        wire = Wire()
        calls = await wire.asked(6)
        for place in order:
            answer = wire.answer(wire.requests[place])
            if as_text[place]:
                answer["id"] = str(answer["id"])  # some servers do
            assert wire.lane.takes(line(answer))
        assert [(await call)["n"] for call in calls] == list(range(6))

    asyncio.run(run())


@given(
    st.one_of(
        st.binary(max_size=40),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=5
        ).map(line),
        st.fixed_dictionaries(
            {},
            optional={
                "id": st.integers() | st.text(max_size=5) | st.none(),
                "result": st.none() | st.integers(),
            },
        ).map(line),
    )
)
def test_what_is_not_for_a_call_of_ours_is_left_to_the_session(said):
    async def run():
        wire = Wire()
        [call] = await wire.asked(1)
        assert not wire.lane.takes(said)
        assert not call.done()
        call.cancel()

    asyncio.run(run())


async def test_what_the_server_asks_is_left_to_the_session_even_under_a_number_of_ours():
    wire = Wire()
    [call] = await wire.asked(1)
    number = wire.requests[0]["id"]
    assert not wire.lane.takes(
        line({"jsonrpc": "2.0", "id": number, "method": "elicitation/create", "params": {}})
    )
    assert wire.lane.takes(line(wire.answer(wire.requests[0])))
    assert (await call)["n"] == 0


async def test_numbers_that_no_float_holds_come_back_as_they_were():
    wire = Wire()
    [call] = await wire.asked(1)
    wire.lane.takes(line(wire.answer(wire.requests[0], result={"content": [], "n": 2**70 + 1})))
    assert (await call)["n"] == 2**70 + 1


async def test_a_text_that_was_cut_in_the_middle_of_a_character_is_an_answer_all_the_same():
    wire = Wire()
    [call] = await wire.asked(1)
    answer = wire.answer(wire.requests[0], result={"content": [{"type": "text", "text": "sent \ud83d"}]})
    assert b"\\ud83d" in line(answer)  # as JavaScript writes it
    assert wire.lane.takes(line(answer))
    assert (await call)["content"][0]["text"].encode() == b"sent ?"


async def test_an_error_is_raised_with_its_code():
    wire = Wire()
    [call] = await wire.asked(1)
    error = {"code": -32602, "message": "no such argument"}
    wire.lane.takes(line({"jsonrpc": "2.0", "id": wire.requests[0]["id"], "error": error}))
    with pytest.raises(MCPError, match="no such argument"):
        await call


@pytest.mark.parametrize("answer", [{"result": [1]}, {"error": "no"}, {}])
async def test_an_answer_that_is_none_is_not_taken_for_success(answer):
    wire = Wire()
    [call] = await wire.asked(1)
    assert wire.lane.takes(line({"jsonrpc": "2.0", "id": wire.requests[0]["id"], **answer}))
    with pytest.raises(ValueError, match="neither"):
        await call


async def test_a_caller_that_gives_up_has_the_server_told_and_a_late_answer_harms_nobody():
    wire = Wire()
    first, second = await wire.asked(2)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert wire.notices[0]["method"] == "notifications/cancelled"
    assert wire.notices[0]["params"]["requestId"] == wire.requests[0]["id"]
    assert not wire.lane.takes(line(wire.answer(wire.requests[0])))
    wire.lane.takes(line(wire.answer(wire.requests[1])))
    assert (await second)["n"] == 1


async def test_a_call_that_its_guard_forbids_is_not_written_and_not_called_off():
    wire = Wire()

    with pytest.raises(SignoffError):
        await wire.lane.call({"name": "t", "arguments": {}}, Exchange(guard=forbid))
    assert not wire.requests
    assert not wire.notices


def forbid():
    raise SignoffError("stopped", code="stopped")


def defective():
    raise ZeroDivisionError


@pytest.mark.parametrize(("guard", "error"), [(forbid, SignoffError), (defective, ZeroDivisionError)])
async def test_calls_of_one_moment_leave_in_one_write_without_those_that_their_guards_forbid(guard, error):
    wire = Wire()
    calls = await wire.asked(4, n2=guard)
    assert len(wire.writes) == 1
    assert [request["params"]["arguments"]["n"] for request in wire.requests] == [0, 1, 3]
    with pytest.raises(error):
        await calls[2]
    for request in wire.requests:
        wire.lane.takes(line(wire.answer(request)))
    assert [(await calls[n])["n"] for n in (0, 1, 3)] == [0, 1, 3]


async def test_what_no_pipe_takes_whole_leaves_in_several_writes():
    wire = Wire()
    long = {"name": "t", "arguments": {"n": 0, "text": "x" * (MOST_TOGETHER // 3)}}
    calls = [asyncio.ensure_future(wire.lane.call(dict(long), Exchange())) for _ in range(7)]
    await turn()
    assert len(wire.requests) == 7
    assert [lines.count(b"\n") for lines in wire.writes] == [2, 2, 2, 1]
    for call in calls:
        call.cancel()


async def test_a_call_given_up_or_forbidden_while_the_server_does_not_read_is_never_written():
    wire, allowed = Wire(), [True]

    def guard():
        if not allowed:
            forbid()

    wire.drained.clear()
    exchange = Exchange()
    given_up = asyncio.ensure_future(wire.lane.call({"name": "t", "arguments": {"n": 9}}, exchange))
    [forbidden, goes] = await wire.asked(2, n0=guard)
    assert not wire.writes
    given_up.cancel()
    allowed.clear()  # its plan is stopped meanwhile
    wire.drained.set()
    with pytest.raises(SignoffError):
        await forbidden
    assert [request["params"]["arguments"]["n"] for request in wire.requests] == [1]
    assert not exchange.sent
    assert not wire.notices
    wire.lane.takes(line(wire.answer(wire.requests[0])))
    assert (await goes)["n"] == 1


async def test_where_a_write_fails_each_of_its_calls_hears_of_it_and_later_ones_leave():
    wire = Wire()
    wire.broken = anyio.ClosedResourceError()
    for failed in await wire.asked(3):
        with pytest.raises(anyio.ClosedResourceError):
            await failed
    wire.broken = None
    [call] = await wire.asked(1)
    wire.lane.takes(line(wire.answer(wire.requests[0])))
    assert (await call)["n"] == 0


async def test_when_the_connection_ends_every_call_that_waits_ends():
    wire = Wire()
    calls = await wire.asked(3)
    wire.lane.end()
    assert all(isinstance(e, MCPError) for e in await asyncio.gather(*calls, return_exceptions=True))


async def test_progress_reaches_the_call_it_is_about_and_a_listener_that_fails_harms_nothing():
    wire, told = Wire(), []

    async def listen(progress, total, message):
        told.append((progress, total, message))
        raise RuntimeError("a defect")

    call = asyncio.ensure_future(
        wire.lane.call({"name": "t", "arguments": {"n": 0}}, Exchange(), progress=listen)
    )
    await turn()
    token = wire.requests[0]["params"]["_meta"]["progressToken"]
    params = {"progressToken": token, "progress": 1, "total": 2, "message": "half"}
    assert wire.lane.takes(line({"jsonrpc": "2.0", "method": "notifications/progress", "params": params}))
    await asyncio.sleep(0)
    wire.lane.takes(line(wire.answer(wire.requests[0])))
    await call
    assert told == [(1.0, 2.0, "half")]


@pytest.mark.promise("7")
async def test_an_answer_nested_too_deep_to_be_read_ends_its_own_call_at_once():
    wire = Wire()
    first, second = await wire.asked(2)
    deep = b'{"jsonrpc": "2.0", "id": %d, "result": {"content": [], "v": %s}}'
    assert wire.lane.takes(deep % (wire.requests[1]["id"], b"[" * 600 + b"]" * 600))
    with pytest.raises(ValueError, match="cannot be read"):
        await second
    wire.lane.takes(line(wire.answer(wire.requests[0])))
    assert (await first)["n"] == 0
