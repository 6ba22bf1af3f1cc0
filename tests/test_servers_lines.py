from __future__ import annotations

import asyncio
import json

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCNotification

from signoff.servers.lines import Inbox, LineSplitter, LineTooLongError, answer_id, parse


@given(st.lists(st.binary(max_size=20)), st.lists(st.integers(0, 200)))
def test_lines_come_out_whole_however_the_chunks_were_cut(lines, cuts):
    lines = [line.replace(b"\n", b"") for line in lines]
    data = b"".join(line + b"\n" for line in lines)
    splitter, found, at = LineSplitter(), [], 0
    for cut in [*sorted(cut for cut in cuts if cut < len(data)), len(data)]:
        found += splitter.feed(data[at:cut])
        at = cut
    assert found == lines


def test_a_line_that_does_not_end_is_refused_at_the_cap():
    splitter = LineSplitter(longest=10)
    assert splitter.feed(b"12345") == []
    with pytest.raises(LineTooLongError):
        splitter.feed(b"678901")


@given(st.binary(max_size=200).filter(lambda line: b"\n" not in line))
def test_parsing_never_raises_whatever_a_server_writes(line):
    assert parse(line) is None or line.strip().startswith(b"{")


@pytest.mark.parametrize("line", [b"", b"Listening on 8080", b"{not json}", b"[1]", b'{"a": 1}', b"\xff\xfe"])
def test_what_is_not_a_message_is_skipped(line):
    assert parse(line) is None


def test_invalid_utf8_in_a_message_is_replaced_and_the_message_kept():
    message = parse(b'{"jsonrpc": "2.0", "id": 1, "result": {"text": "caf\xe9"}}')
    assert message is not None
    assert message.message.result == {"text": "caf\ufffd"}


def message(number: int) -> SessionMessage:
    return SessionMessage(JSONRPCNotification(jsonrpc="2.0", method=f"n/{number}"))


async def test_the_inbox_gives_everything_that_came_before_its_end():
    inbox = Inbox()
    reader = asyncio.create_task(inbox.receive())
    await asyncio.sleep(0)
    inbox.put(message(1))
    inbox.put(message(2))
    inbox.end()
    assert (await reader).message.method == "n/1"
    assert [item.message.method async for item in inbox] == ["n/2"]
    with pytest.raises(anyio.EndOfStream):
        await inbox.receive()


async def test_a_reader_that_gives_up_leaves_the_inbox_usable():
    inbox = Inbox()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await inbox.receive()
    inbox.put(message(3))
    assert json.loads((await inbox.receive()).message.model_dump_json())["method"] == "n/3"


DEEP = b"[" * 600 + b"]" * 600


@pytest.mark.parametrize(
    ("line", "number"),
    [
        (b'{"jsonrpc": "2.0", "id": 7, "result": {"id": 3, "v": %s}}', 7),
        (b'{"result": {"id": 3, "v": %s}, "id": "7", "jsonrpc": "2.0"}', 7),
        (b'{"result": {"text": "\\"id\\": 5, [", "v": %s}, "id": 7}', 7),
        (b'{"id": 7, "method": "elicitation/create", "params": %s}', None),
        (b'{"id": null, "result": %s}', None),
        (b'{"id": 7, "params": %s}', None),
        (b'{"id": 7, "result": %s', None),
        (b'[{"id": 7, "result": %s}]', None),
    ],
)
def test_an_answer_nested_too_deep_to_be_read_still_says_whom_it_answers(line, number):
    found = parse(line % DEEP)
    assert answer_id(line % DEEP) == number
    assert (found is None) == (number is None)
    if found is not None:
        assert (found.message.id, found.message.error.code) == (number, -32700)


@given(st.binary(max_size=200))
def test_looking_whom_a_line_answers_never_raises(line):
    assert answer_id(line) is None or b"id" in line
