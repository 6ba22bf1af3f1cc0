"""How each entry holds the hash of the one before: to add one, and to check one. Pure.

Canonical JSON sorts keys, so in a line `hash` stands between `event` and `plan`, and what is hashed
is the line without it. The text `,"hash":"` unescaped, seen from the right, is always that key: only
scalars follow it, and a quote inside them is escaped.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from signoff.canonical import NotCanonical, canonical
from signoff.ledger.entry import GENESIS, SORTED, Draft, Entry, holds_float, may_be_trusted, wrong_fields
from signoff.model import JsonObject

_HASH = b',"hash":"'
_HEX = 64
_LARGEST_EXACT = 2**53 - 1
_KEYS = frozenset(Entry._fields) - {"hash"}


class BadLineError(Exception):
    """A line that is not the next entry; the message says why, to follow "line 7: "."""


@dataclass(slots=True)
class Chain:
    """Where a log ends: the number, hash and time of its last entry."""

    seq: int = 0
    head: str = GENESIS
    time: str = ""

    def copy(self) -> Chain:
        """A chain that goes on from the same entry."""
        return Chain(self.seq, self.head, self.time)

    def add(self, draft: Draft, time: str) -> tuple[bytes, Entry]:
        """The next line, newline included, and its entry. `time` must not be before the last one's."""
        seq = self.seq + 1
        rest = b',"plan":%b,"prev":"%b","seq":%d,%b,"time":"%b","tool":%b}' % (
            draft.plan,
            self.head.encode(),
            seq,
            draft.server_and_step,
            time.encode(),
            draft.tool,
        )
        digest = sha256(draft.before_hash + rest).hexdigest()
        event = draft.event
        entry = Entry(
            seq,
            time,
            event.event,
            event.plan,
            event.step,
            event.attempt,
            event.server,
            event.tool,
            event.approver,
            event.digest,
            draft.data,
            self.head,
            digest,
        )
        self.seq, self.head, self.time = seq, digest, time
        return b'%b,"hash":"%b"%b\n' % (draft.before_hash, digest.encode(), rest), entry

    def check(self, line: bytes, month: str) -> None:
        """Goes on by one line, newline included, of the file of a month (`2026-11`).

        Raises:
            BadLineError: the line is not the next entry, byte for byte; the chain stays where it was.
        """
        before, key, after = line.rpartition(_HASH)
        body = before + after[_HEX + 1 : -1]
        digest = sha256(body).hexdigest()
        if not key or after[: _HEX + 1] != b'%b"' % digest.encode() or line[-1:] != b"\n":
            raise BadLineError(_why_unhashed(line))
        found = _read_canonical(body)
        time = found["time"]
        if found["prev"] != self.head or found["seq"] != self.seq + 1:
            raise BadLineError(self._why_unlinked(found))
        if time < self.time or not time.startswith(month):
            raise BadLineError(f"its time, {time}, is before the entry above it, or not of this file's month")
        self.seq += 1
        self.head = digest
        self.time = time

    def _why_unlinked(self, found: JsonObject) -> str:
        if found["seq"] != self.seq + 1:
            return f"entry {self.seq + 1} should be here, and there is entry {found['seq']}"
        return "it does not continue the entry before it (`prev` is another hash)"


def _read_canonical(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadLineError("it is not JSON") from error
    if type(found) is not dict or found.keys() != _KEYS:
        raise BadLineError("it does not have exactly the keys of an entry")
    if wrong := next(wrong_fields(found), None):
        raise BadLineError(f"`{wrong}` has a value of another type than entries have")
    if not _is_canonical(found, body):
        raise BadLineError("it is not in canonical form")
    return found


def _is_canonical(found: dict[str, Any], body: bytes) -> bool:
    try:
        if may_be_trusted(body) and not holds_float(found["data"]):
            return orjson.dumps(found, option=SORTED) == body
    except orjson.JSONEncodeError:  # an integer beyond 2**53: the slow way knows what to do
        pass
    except RecursionError:
        return False
    try:
        return canonical(_as_doubles(found)) == body
    except (NotCanonical, RecursionError):
        return False


def _as_doubles(value: Any) -> Any:
    """As the standard reads JSON: a number like 1e16 is written as an integer, and is a double still."""
    kind = type(value)
    if kind is dict:
        return {key: _as_doubles(each) for key, each in value.items()}
    if kind is list:
        return [_as_doubles(each) for each in value]
    return float(value) if kind is int and abs(value) > _LARGEST_EXACT else value


def _why_unhashed(line: bytes) -> str:
    if line[-1:] != b"\n":
        return "it is cut off"
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return "it is not JSON"
    if type(found) is not dict or found.keys() != _KEYS | {"hash"}:
        return "it does not have exactly the keys of an entry"
    if not _is_canonical(found, line[:-1]):
        return "it is not in canonical form"
    return "its hash does not match its content"
