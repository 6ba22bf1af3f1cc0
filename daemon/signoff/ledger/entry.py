"""What the log records, and the one sequence of bytes that stands for it.

A line of the log is the canonical JSON (RFC 8785) of thirteen keys, absent values as null, and a
newline. Its `hash` is the SHA-256 over the canonical JSON of the other twelve, `prev` included.
Pure: no file is touched here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

import orjson

from signoff.canonical import NotCanonical, canonical
from signoff.model import JsonObject

GENESIS = "0" * 64
"""The `prev` of the first entry, and the head of an empty log."""

SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
_MAY_BE_DEEP = 500
"""Bytes: orjson writes 254 levels, each of two bytes at least; what is shorter is not nested so deeply."""
_OUTSIDE_BASIC_PLANE = re.compile(rb"[\xf0-\xff]")  # the first UTF-8 byte of such a character


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, before it has its place in the log.

    Attributes:
        event: what, in a word or two joined by `-`.
        plan, step, attempt, server, tool, approver, digest: what it concerns; None where it does not.
        data: everything else; must be exact JSON (no NaN, no integer beyond 2**53 - 1).
    """

    event: str
    plan: str | None = None
    step: str | None = None
    attempt: int | None = None
    server: str | None = None
    tool: str | None = None
    approver: str | None = None
    digest: str | None = None
    data: JsonObject = field(default_factory=dict)


class Entry(NamedTuple):
    """An event in its place in the log; `time` is UTC ISO 8601 with milliseconds and `Z`."""

    seq: int
    time: str
    event: str
    plan: str | None
    step: str | None
    attempt: int | None
    server: str | None
    tool: str | None
    approver: str | None
    digest: str | None
    data: JsonObject
    prev: str
    hash: str

    def to_json(self) -> JsonObject:
        """The thirteen keys and their values."""
        return self._asdict()


_values = itemgetter(*Entry._fields)
_CONCERNED = ("plan", "step", "server", "tool", "approver", "digest")
"""The fields that hold a text, or null."""
_concerned = attrgetter(*_CONCERNED)


def read_entry(line: bytes) -> Entry:
    """The entry that a line holds; does not check the hash.

    Raises:
        ValueError: the line is not a JSON object with the thirteen keys.
    """
    found = orjson.loads(line)
    try:
        return Entry._make(_values(found))
    except (KeyError, TypeError) as error:
        raise ValueError("not an entry") from error


# ---------------------------------------------------------------- canonical form, when read


def may_be_trusted(data: bytes) -> bool:
    """Whether sorting keys by code point, as orjson does, surely gave the order of RFC 8785.

    The standard sorts by UTF-16 units, which differs only where a key has a character outside the
    basic plane; here any such character anywhere sends the value to the slow way.
    """
    return data.isascii() or _OUTSIDE_BASIC_PLANE.search(data) is None


def holds_float(value: Any) -> bool:
    """Whether a value as read from JSON has a number with a fraction or exponent anywhere."""
    kind = type(value)
    if kind is dict:
        return any(map(holds_float, value.values()))
    if kind is list:
        return any(map(holds_float, value))
    return kind is float


# ---------------------------------------------------------------- an event on its way to the log


class Draft(NamedTuple):
    """An event whose own parts are written already: only its place in the chain is missing."""

    event: Event
    data: JsonObject
    before_hash: bytes
    plan: bytes
    server_and_step: bytes
    tool: bytes


def draft(event: Event) -> Draft:
    """Writes the parts of an event, so that a value that cannot be recorded is found at once.

    Raises:
        NotCanonical: a value that JSON cannot carry without loss.
        TypeError: a field of another type than it is declared with.
    """
    _require_types(event)
    front: JsonObject = {
        "approver": event.approver,
        "attempt": event.attempt,
        "data": event.data,
        "digest": event.digest,
        "event": event.event,
    }
    before_hash = canonical(front)[:-1]
    try:  # what the verifier will have to do
        as_read = orjson.loads(before_hash + b"}")
        if len(before_hash) > _MAY_BE_DEEP:
            orjson.dumps(as_read)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError) as error:
        raise NotCanonical("The value is nested too deeply to be recorded.") from error
    return Draft(
        event,
        as_read["data"],
        before_hash,
        _written(event.plan),
        b'"server":%b,"step":%b' % (_written(event.server), _written(event.step)),
        _written(event.tool),
    )


def _written(text: str | None) -> bytes:
    return b"null" if text is None else canonical(text)


def _require_types(event: Event) -> None:
    if type(event.data) is not dict or not isinstance(event.event, str):
        raise TypeError(f"`event` or `data` has the wrong type in {event}")
    if event.attempt is not None and type(event.attempt) is not int:
        raise TypeError(f"`attempt` has the wrong type in {event}")
    for text in _concerned(event):
        if text is not None and not isinstance(text, str):
            raise TypeError(f"{event} holds something else than text where text belongs")


def wrong_fields(found: dict[str, Any]) -> Iterator[str]:
    """The names of the fields, of an entry as read, whose value has the wrong type."""
    for name in ("event", "time", "prev"):
        if type(found[name]) is not str:
            yield name
    for name in _CONCERNED:
        if found[name] is not None and type(found[name]) is not str:
            yield name
    if type(found["seq"]) is not int:
        yield "seq"
    if found["attempt"] is not None and type(found["attempt"]) is not int:
        yield "attempt"
    if type(found["data"]) is not dict:
        yield "data"
