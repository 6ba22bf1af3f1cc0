"""Changes to a note that touch only the daemon's own lines. Pure: bytes to bytes.

Byte order mark, line endings, comments, order, quotes and everything else stay byte for byte; also in a
note that cannot be read, as far as its lines can be told apart. What a person typed among the daemon's
lines is kept, beside them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from signoff.errors import NoteError
from signoff.note.document import MAX_NOTE
from signoff.note.front import find_block
from signoff.note.lines import BOM, split_lines, to_bytes, to_text
from signoff.note.markdown import outline
from signoff.note.quoting import CannotSplice
from signoff.note.splice_front import set_keys
from signoff.note.splice_section import (
    body_row,
    section_items,
    section_of,
    section_ticks,
    set_section,
    typed_in_section,
)

__all__ = [
    "CannotSplice",
    "section_items",
    "section_of",
    "section_ticks",
    "set_keys",
    "set_section",
    "set_ticks",
    "typed_in_section",
    "without_daemon_parts",
]


def set_ticks(data: bytes, marks: Mapping[int, str]) -> bytes:
    """The note with these marks in its checkboxes: byte offset of the present mark to a blank or `x`.

    Raises:
        CannotSplice: where an offset is not the mark of a checkbox, or a mark not one character.
    """
    pieces: list[bytes] = []
    rest = len(data)
    for offset in sorted(marks, reverse=True):
        end = data.find(b"]", offset + 1) if offset > 0 else -1
        if data[offset - 1 : offset] != b"[" or not _is_mark(data[offset : max(end, 0)]):
            raise CannotSplice(f"There is no checkbox at byte {offset} of the note: nothing was written.")
        mark = marks[offset].encode("utf-8", "replace")
        if not _is_mark(mark):
            raise CannotSplice(f"{marks[offset]!a} is no mark of a checkbox: nothing was written.")
        pieces += (data[end:rest], mark)
        rest = offset
    return b"".join((data[:rest], *reversed(pieces)))


def without_daemon_parts(data: bytes, keys: Collection[str]) -> bytes:
    """The note without the daemon's keys and section, every tick taken off: what a person has in it.

    Two notes that a person did not change in between come to the same bytes. For comparing, not for
    writing. A note that cannot be spliced is given back as far as it could be.
    """
    try:
        data = set_section(data, None)
        data = _unticked(data)
        return _without_empty_block(set_keys(data, dict.fromkeys(keys)))
    except CannotSplice:
        return data


def _is_mark(mark: bytes) -> bool:
    """Is it one character that can be seen, or a blank?"""
    try:
        text = mark.decode()
    except UnicodeDecodeError:
        return False
    return len(text) == 1 and text.isprintable()


def _unticked(data: bytes) -> bytes:
    if len(data) > MAX_NOTE:
        return data
    text = to_text(data)
    lines = split_lines(text)
    start = body_row(text.removeprefix(BOM))
    found = outline([line.text for line in lines[start:]], first_line=1)
    for row, column in found.checkboxes:
        line = lines[start + row]
        if line.text[column] in "xX":
            line.text = f"{line.text[:column]} {line.text[column + 1 :]}"
    return to_bytes("".join(line.text + line.end for line in lines))


def _without_empty_block(data: bytes) -> bytes:
    """A front matter that the daemon's keys were all of goes with them."""
    text = to_text(data)
    try:
        block = find_block(text)
    except NoteError:
        return data
    if block is None or text[block.inner : block.close].strip():
        return data
    return to_bytes(text[: block.start] + text[block.end :])
