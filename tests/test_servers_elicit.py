"""Questions of servers through the pool: whose call asks, its time, and being resumed, in both protocols."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import mcp_types as types
import pytest

from servers.kit import Project, available
from signoff.errors import OutcomeUnknown, Refused, Transient
from signoff.model import CallResult, InputNeeded, Inquiry, Reply
from signoff.servers.elicit import Callers, Queue, input_needed, resumption
from signoff.servers.outcome import Where
from signoff.servers.pool import ServerPool

DESK = Path(__file__).parent / "servers" / "desk.py"
HERE = Where("s", "t")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(DESK), "--http", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield f"http://127.0.0.1:{port}/mcp"
    process.kill()
    process.wait()


@asynccontextmanager
async def desks(tmp_path: Path, protocol: str, transport: str, address: str) -> AsyncIterator[ServerPool]:
    project = Project(tmp_path)
    if transport == "http":
        project.server("desk", url=address)
    else:
        project.server("desk", command=sys.executable, args=[str(DESK)])
    async with project.pool() as pool:
        for owner in pool._servers["desk"].owners:
            owner._mode = "legacy" if protocol == "handshake" else "auto"
        await available(pool, "desk")
        incarnation = pool._servers["desk"].owners[0].incarnation
        assert incarnation is not None
        assert (incarnation.client.protocol_version >= "2026") == (protocol != "handshake")
        yield pool


class Person:
    """Answers after longer than the call may take."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.asked: list[str] = []

    async def __call__(self, inquiry: Inquiry) -> Reply:
        if inquiry.problem is not None:
            return Reply("decline")
        self.asked.append(inquiry.message)
        await asyncio.sleep(self.seconds)
        fields = dict(inquiry.schema or {}).get("properties")  # type: ignore[call-overload]
        if "name" in fields:
            return Reply("accept", {"name": "Mia"})
        return Reply("accept", {"seats": 2, "window": True, "kind": "dinner"})


@pytest.mark.parametrize("transport", ["stdio", "http"])
@pytest.mark.parametrize("protocol", ["handshake", "newest"])
async def test_the_call_waits_for_its_answers_and_its_time_stands_still(
    tmp_path: Path, address: str, protocol: str, transport: str
) -> None:
    async with desks(tmp_path, protocol, transport, address) as pool:
        person = Person(1.2)

        result = await pool.call("desk", "book_twice", {"text": "x"}, timeout=1.0, person=person)

        assert result.text == "booked 2 for Mia"
        assert person.asked == ["A table for x?", "In which name are the 2 seats?"]


@pytest.mark.parametrize(
    ("protocol", "transport"), [("handshake", "http"), ("newest", "http"), ("newest", "stdio")]
)
async def test_where_it_can_be_told_each_call_has_its_own_person(
    tmp_path: Path, address: str, protocol: str, transport: str
) -> None:
    async with desks(tmp_path, protocol, transport, address) as pool:
        people = {name: Person(0.3) for name in ("one", "two", "three")}

        await asyncio.gather(
            *(pool.call("desk", "book", {"text": name}, person=person) for name, person in people.items())
        )

        assert {name: person.asked for name, person in people.items()} == {
            name: [f"A table for {name}?"] for name in people
        }


@pytest.mark.parametrize("protocol", ["handshake", "newest"])
async def test_without_a_person_everything_is_declined(tmp_path: Path, address: str, protocol: str) -> None:
    async with desks(tmp_path, protocol, "stdio", address) as pool:
        result = await pool.call("desk", "book", {"text": "x"})

        assert result.text == "not booked: decline"


async def test_once_it_was_unclear_which_call_asked_the_calls_go_one_at_a_time(tmp_path: Path) -> None:
    people = {name: Person() for name in ("one", "two", "three")}

    async def ask(pool: ServerPool, name: str, timeout: float = 10.0) -> CallResult:
        arguments = {"text": name, "schema": {"type": "object", "properties": {"name": {"type": "string"}}}}
        return await pool.call("stub", "ask", arguments, timeout=timeout, person=people[name])

    async with Project(tmp_path).stub().pool() as pool:
        await available(pool)
        unclear = await asyncio.gather(*(ask(pool, name) for name in people))
        assert {result.text for result in unclear} == {'{"action": "decline"}'}
        assert not any(person.asked for person in people.values())

        answered = await asyncio.gather(*(ask(pool, name) for name in people))

        assert {result.text for result in answered} == {'{"action": "accept", "content": {"name": "Mia"}}'}
        assert {name: person.asked for name, person in people.items()} == {name: [name] for name in people}

        people["one"].seconds = 1.0
        first = asyncio.ensure_future(ask(pool, "one"))
        while not people["one"].asked[1:]:
            await asyncio.sleep(0.01)
        with pytest.raises(Transient, match="go one at a time"):
            await ask(pool, "two", timeout=0.2)
        assert (await first).text == '{"action": "accept", "content": {"name": "Mia"}}'


async def test_a_question_outside_of_any_call_is_declined() -> None:
    params = types.ElicitRequestFormParams(message="Now?", requested_schema={"type": "object"})

    assert (await Callers(Queue()).asked(None, params)).action == "decline"  # type: ignore[arg-type]


async def test_an_answer_that_a_person_had_a_part_in_is_not_kept_for_others(
    tmp_path: Path, address: str
) -> None:
    async with desks(tmp_path, "newest", "stdio", address) as pool:
        people = Person(), Person()
        for person in people:
            await pool.call("desk", "look", {"text": "x"}, person=person, cache=60.0)

        assert [person.asked for person in people] == [["A table for x?"], ["A table for x?"]]


async def test_a_suspended_call_that_may_not_go_on_is_not_resumed(tmp_path: Path, address: str) -> None:
    async def nobody(_: Inquiry) -> Reply:
        return Reply("cancel", goes_on=False)

    async with desks(tmp_path, "newest", "stdio", address) as pool:
        with pytest.raises(Refused) as refused:
            await pool.call("desk", "book", {"text": "x"}, person=nobody)

    assert refused.value.code == "input-required"


async def test_a_server_that_dies_while_it_asks_leaves_the_outcome_unknown(tmp_path: Path) -> None:
    project = Project(tmp_path).stub()

    async def kills(_: Inquiry) -> Reply:
        with contextlib.suppress(ProcessLookupError):
            subprocess.run(["kill", "-9", str(project.pids()[0])], check=True)
        await asyncio.sleep(60)
        return Reply("accept", {})

    async with project.pool() as pool:
        await available(pool)
        with pytest.raises(OutcomeUnknown):
            await pool.call("stub", "ask", {"text": "x"}, timeout=5.0, person=kills)


@pytest.mark.parametrize(
    "raw",
    [
        {"inputRequests": {"k": {"method": "sampling/createMessage", "params": {}}}},
        {"inputRequests": {"k": {"method": "roots/list"}}},
        {"inputRequests": {"k": "what"}},
        {"inputRequests": ["what"]},
        {"inputRequests": {}, "requestState": 7},
        {},
    ],
)
def test_what_is_no_question_to_a_person_is_refused(raw: dict[str, object]) -> None:
    with pytest.raises(Refused) as refused:
        input_needed({"resultType": "input_required", **raw}, HERE)
    assert refused.value.code == "input-required"
    assert input_needed({"content": []}, HERE) is None


def test_a_call_is_resumed_with_every_answer_and_the_state_as_it_was_given() -> None:
    form = {"method": "elicitation/create", "params": {"message": "m", "requestedSchema": {"type": "object"}}}
    raw = {"resultType": "input_required", "inputRequests": {"a": form, "b": form}, "requestState": "s\u2603"}
    needed = input_needed(raw, HERE)
    assert needed is not None
    more = resumption(needed, {"a": Reply("accept", {"x": 1}), "b": Reply("decline")})
    assert more == {
        "inputResponses": {"a": {"action": "accept", "content": {"x": 1}}, "b": {"action": "decline"}},
        "requestState": "s\u2603",
    }
    assert resumption(InputNeeded({}, "s"), {}) == {"requestState": "s"}
