"""A line of the log has one sequence of bytes, and its place in the chain is checked byte for byte."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from enum import StrEnum
from hashlib import sha256
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from signoff.canonical import NotCanonical, canonical
from signoff.ledger.chain import BadLineError, Chain
from signoff.ledger.entry import GENESIS, Entry, Event, draft, read_entry
from signoff.model import Json, Risk

TIME = "2026-11-21T06:25:01.123Z"
LARGEST = 2**53 - 1

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalars = st.none() | st.booleans() | st.integers(-LARGEST, LARGEST) | text
numbers = scalars | st.floats(allow_nan=False, allow_infinity=False)


def objects(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    values = st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4)
    )
    return st.dictionaries(text, values, max_size=6)


maybe = st.none() | text
events = st.builds(
    Event,
    event=text,
    plan=maybe,
    step=maybe,
    attempt=st.none() | st.integers(0, LARGEST),
    server=maybe,
    tool=maybe,
    approver=maybe,
    digest=maybe,
    data=objects(numbers),
)


@given(objects(numbers))
@example({"\ue000": 1, "\U0001f600": 2})  # UTF-16 puts the second first, UTF-8 the other way round
@example({"a": 1.0, "b": -0.0, "c": 1e21, "d": 5e-324, "e": 1e16, "f": [0.1]})
@example({'\x00\x1f\x7f"\\/\b\f\n\r\t\u2028': '\x00\x1f\x7f"\\/\b\f\n\r\t\u2028'})
@example({"deep": {"\ufb33": 1, "\U00010000": [{"\uffff": 1, "\U0010ffff": 2}]}})
def test_the_fast_form_is_always_that_of_the_standard(value: Json) -> None:
    assert canonical(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


class Shouting(StrEnum):
    LOUD = "LOUD"


@pytest.mark.parametrize("value", [Risk.HIGH, Shouting.LOUD, {"a": Risk.LOW}, (1, 2), [(), {"b": (True,)}]])
def test_texts_with_names_and_tuples_are_written_as_the_standard_does(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


def nested(depth: int) -> Json:
    value: Json = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        [-math.inf],
        2**53,
        {"a": [-(2**53)]},
        "\ud800",
        {"\udfff": 1},
        b"bytes",
        {1: 2},
        object(),
    ],
)
def test_what_json_cannot_carry_is_refused_before_it_is_queued(value: Any) -> None:
    with pytest.raises(NotCanonical):
        draft(Event("x", data={"value": value}))


def test_what_is_nested_too_deeply_to_be_read_again_is_refused() -> None:
    with pytest.raises(NotCanonical):
        draft(Event("x", data={"value": nested(5_000)}))


@pytest.mark.parametrize(
    "event",
    [
        Event("x", plan=1),  # type: ignore[arg-type]
        Event("x", attempt="1"),  # type: ignore[arg-type]
        Event("x", data=[]),  # type: ignore[arg-type]
        Event(None),  # type: ignore[arg-type]
        Event("x", attempt=True),
    ],
)
def test_a_field_of_the_wrong_type_is_refused(event: Event) -> None:
    with pytest.raises(TypeError):
        draft(event)


def as_double(digits: str) -> int | float:
    """A whole number in JSON, as the standard takes it."""
    number = int(digits)
    return number if abs(number) <= LARGEST else float(number)


@pytest.mark.promise("9")
@given(events)
def test_a_line_is_canonical_json_with_its_hash_over_the_rest(event: Event) -> None:
    line, entry = Chain(7, "ab" * 32, TIME).add(draft(event), TIME)

    found = json.loads(line, parse_int=as_double)
    assert rfc8785.dumps(found) + b"\n" == line
    assert list(found) == sorted(Entry._fields)
    stated = found.pop("hash")
    assert stated == sha256(rfc8785.dumps(found)).hexdigest()
    assert (found["seq"], found["prev"], found["time"]) == (8, "ab" * 32, TIME)
    assert read_entry(line) == entry
    assert (entry.event, entry.plan, entry.attempt) == (event.event, event.plan, event.attempt)


@given(st.lists(events, min_size=1, max_size=5))
def test_what_is_added_is_what_passes_the_check(several: list[Event]) -> None:
    writing, reading = Chain(), Chain()
    for event in several:
        line, entry = writing.add(draft(event), TIME)
        assert entry.prev == reading.head
        reading.check(line, "2026-11")
    assert writing == reading
    assert reading.seq == len(several)


def lines(*several: Event) -> list[bytes]:
    chain = Chain()
    return [chain.add(draft(event), TIME)[0] for event in several]


LINE = lines(Event("intent", plan="p", attempt=1, data={"hash": "x", "n": 1.5, "deep": {',"hash":"': "ü"}}))[
    0
]


@pytest.mark.promise("9")
@given(st.integers(0, len(LINE) - 1), st.integers(0, 255))
def test_no_byte_of_a_line_can_be_another(at: int, byte: int) -> None:
    edited = bytearray(LINE)
    edited[at] = byte
    if bytes(edited) == LINE:
        Chain().check(LINE, "2026-11")
        return
    with pytest.raises(BadLineError):
        Chain().check(bytes(edited), "2026-11")


@pytest.mark.promise("9")
@pytest.mark.parametrize("length", range(len(LINE)))
def test_no_line_can_be_cut(length: int) -> None:
    with pytest.raises(BadLineError):
        Chain().check(LINE[:length], "2026-11")


def rehashed(
    change: Callable[[dict[str, Any]], None], write: Callable[[Any], bytes] = rfc8785.dumps
) -> bytes:
    """A line by somebody who knows how the hash is made."""
    found = json.loads(LINE)
    change(found)
    del found["hash"]
    digest = sha256(write(found)).hexdigest()
    return write({**dict(sorted(found.items())), "hash": digest}) + b"\n"


def loose(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(", ", ":")).encode()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (rehashed(lambda found: None, loose), "canonical"),
        (rehashed(lambda found: found.update(extra=1)), "keys"),
        (rehashed(lambda found: found.pop("tool")), "keys"),
        (rehashed(lambda found: found.update(seq=2)), "entry 1 should be here, and there is entry 2"),
        (rehashed(lambda found: found.update(prev="1" * 64)), "does not continue"),
        (rehashed(lambda found: found.update(time="2026-12-01T00:00:00.000Z")), "month"),
        (rehashed(lambda found: found.update(plan=7)), "`plan`"),
        (rehashed(lambda found: found.update(seq=True)), "`seq`"),
        (rehashed(lambda found: found.update(data=[])), "`data`"),
        (LINE.replace(b'"n":1.5', b'"n":2.5'), "hash does not match"),
        (b"[]\n", "keys"),
        (b"{nonsense\n", "not JSON"),
        (b"\n", "not JSON"),
        (LINE[:-1], "cut off"),
    ],
)
def test_a_bad_line_is_named_for_what_is_wrong_with_it(line: bytes, reason: str) -> None:
    chain = Chain()
    with pytest.raises(BadLineError, match=reason):
        chain.check(line, "2026-11")
    assert chain == Chain(), "the chain stays where it was"


@pytest.mark.parametrize("number", [b"1.0", b"1e0", b"10e-1", b"-0", b"1.50", b"9007199254740993", b"1E400"])
def test_a_number_in_another_notation_is_not_canonical(number: bytes) -> None:
    stated = b',"hash":"%b"' % read_entry(LINE).hash.encode()
    before, after = LINE.replace(b'"n":1.5', b'"n":%b' % number).split(stated)
    digest = sha256(before + after[:-1]).hexdigest().encode()
    with pytest.raises(BadLineError, match=r"canonical|not JSON"):
        Chain().check(before + b',"hash":"%b"' % digest + after, "2026-11")


@pytest.mark.parametrize("number", [1e16, 2.0**53, -(2.0**60), 1e20, 1e21, 5e-324, 0.0, 3.0])
def test_a_double_that_is_written_as_an_integer_still_verifies(number: float) -> None:
    chain = Chain()
    chain.check(lines(Event("x", data={"n": number}))[0], "2026-11")
    assert chain.seq == 1


def test_a_line_nested_beyond_all_measure_is_bad_and_no_more() -> None:
    with pytest.raises(BadLineError):
        Chain().check(LINE.replace(b'"n":1.5', b'"n":' + b"[" * 900 + b"]" * 900), "2026-11")


def test_time_cannot_go_back_and_entries_cannot_change_places() -> None:
    first, second = lines(Event("a"), Event("b"))
    with pytest.raises(BadLineError, match="entry 1 should be here"):
        Chain().check(second, "2026-11")
    chain = Chain()
    chain.check(first, "2026-11")
    later = Chain(chain.seq, chain.head, "2026-11-30T00:00:00.000Z")
    with pytest.raises(BadLineError, match="before the entry above"):
        later.check(second, "2026-11")


def test_the_first_entry_continues_sixty_four_zeros() -> None:
    assert read_entry(LINE).prev == GENESIS == "0" * 64
    assert read_entry(LINE).seq == 1


@pytest.mark.parametrize("line", [b"", b"[]", b"{}", b'{"seq":1}', b"null", b"\xff"])
def test_what_is_not_an_entry_is_not_read_as_one(line: bytes) -> None:
    with pytest.raises(ValueError):
        read_entry(line)
