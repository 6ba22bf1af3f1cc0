"""Where things are in a note, and the error for what is wrong there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from signoff.errors import NoteError
from signoff.model import Json
from signoff.note.keys import folded, look_alike

Path: TypeAlias = "tuple[str | int, ...]"

MAX_DEPTH = 64
"""Levels of mappings and lists in one block."""

_BRIEF = 80
"""Characters of the note that a message repeats at most."""


class Place(NamedTuple):
    """Line and column in the note, both from 1; the column counts characters."""

    line: int
    column: int


class Extent(NamedTuple):
    """Where a top-level key of a block mapping and its value stand: rows and columns of the text, from 0.

    `value_row` and `value_column` are where the value starts; `end_row` and `end_column` where its last
    scalar ends; `literal` says that it is (or ends with) a block scalar, whose end is a row's start.
    """

    row: int
    column: int
    key_end: int
    value_row: int
    value_column: int
    end_row: int
    end_column: int
    literal: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """A value read from a block, and where its parts stand.

    Attributes:
        value: what the block says.
        places: of every key and every list item; `()` is the whole.
        raw: the source text of unquoted numbers and booleans, by path: a code typed as `007` or `1e5`.
        extents: of the top-level keys in order; empty for a list, a scalar and `{...}`.
    """

    value: Json
    places: Mapping[Path, Place]
    raw: Mapping[Path, str]
    extents: Mapping[str, Extent]


def error_at(place: Place, code: str, message: str, hint: str = "") -> NoteError:
    """The error for what stands at a place."""
    return NoteError(message, code=code, hint=hint, line=place.line, column=place.column)


def holds_signoff_keys(path: Path) -> bool:
    """Is the mapping at this path one whose keys Signoff reads: the block's own, a step's, or an `undo`?

    The keys within `with` are the tool's.
    """
    if path[-1:] == ("undo",):
        path = path[:-1]
    if path[:1] == ("steps",):
        path = path[1:]
    return not path or (len(path) == 1 and isinstance(path[0], int))


def brief(text: str) -> str:
    """A piece of the note for a message: one line, bounded, everything in it to be seen."""
    short = text if len(text) <= _BRIEF else text[:_BRIEF] + "..."
    return short if short.isprintable() else ascii(short)[1:-1]


def check_key(key: str, path: Path, seen: dict[str, str], place: Place) -> None:
    """Refuse a key that is there already, or that could be taken for another one.

    `seen` maps the folded keys of this mapping to the keys as written, and is added to.

    Raises:
        NoteError: `yaml-duplicate-key` or `key-look-alike`.
    """
    fold = folded(key)
    if fold in seen:
        _refuse_second(key, seen[fold], place)
    seen[fold] = key
    meant = look_alike(key) if holds_signoff_keys(path) else None
    if meant is not None:
        raise error_at(
            place,
            "key-look-alike",
            f"The key {key[:_BRIEF]!a} looks like `{meant}`, and is not the same.",
            f"Write it exactly `{meant}`, or give it a name that cannot be mistaken.",
        )


def _refuse_second(key: str, other: str, place: Place) -> None:
    if key == other:
        message = f"The key `{brief(key)}` is there twice."
        raise error_at(place, "yaml-duplicate-key", message, "Keep one of the two lines.")
    raise error_at(
        place,
        "key-look-alike",
        f"The keys {key[:_BRIEF]!a} and {other[:_BRIEF]!a} differ only in case, width or unseen signs.",
        "Keep one of the two, or give them names that cannot be mistaken.",
    )
