"""Setting keys of the front matter, line by line, so that nothing else in the note changes.

In a block that reads, a key's lines are known exactly, and the result is read again before it is given
out: it must say what it said before, with the new values. In a block that does not read, only a line
that can be told apart without reading YAML is replaced: one `key: value` on one line, or none yet.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from signoff.errors import NoteError
from signoff.model import Json
from signoff.note.front import Block, Front, find_block, read_front
from signoff.note.lines import BOM, Line, join_lines, newline_of, split_lines, to_bytes
from signoff.note.places import Extent
from signoff.note.quoting import CannotSplice, as_yaml
from signoff.note.size import changeable_text, within_size

_LONGEST = 4000
"""Characters of a line that is looked at without reading it as YAML."""
_KEY = re.compile(r"[A-Za-z_][\w-]*\Z", re.ASCII)
_COMMENT = re.compile(r"[ \t]*#")
_ONE_LINE = re.compile(
    r"(?P<lead>[A-Za-z_][\w-]*:)[ \t]*"
    r"(?:[^\s\"'|>\[{&*!%@`#](?:[^:#]|:(?=\S)|(?<=\S)#)*?|\"(?:[^\"\\]|\\.)*\")?"
    r"(?P<comment>[ \t]+#.*)?[ \t]*\Z",
    re.ASCII,
)


def set_keys(data: bytes, keys: Mapping[str, Json]) -> bytes:
    """The note with these keys in its front matter; None takes a key's lines away.

    Existing keys keep their place and the comment behind them, new ones are put last; a note without
    front matter gets one. A key that has the value already is not touched. Comments on lines of their own
    stay, also where the key they belong to goes.

    Raises:
        CannotSplice: where that would touch what a person wrote: front matter that is not closed, is
            written as `{...}`, or is broken just there; also for a value that YAML cannot carry exactly.
    """
    for key in keys:
        if not _KEY.match(key):
            raise CannotSplice(f"`{key}` cannot be written as a key.")
    text = changeable_text(data)
    try:
        block = find_block(text)
    except NoteError as error:
        raise _cannot(error.message, error.hint) from error
    changed = _with_new_block(text, keys) if block is None else _with_changed_block(text, block, keys)
    return within_size(to_bytes(changed), data)


def _cannot(message: str, hint: str = "") -> CannotSplice:
    return CannotSplice(f"The front matter cannot be changed: {message}", hint=hint)


def _with_new_block(text: str, keys: Mapping[str, Json]) -> str:
    lines = _new_lines(keys, indent="", end=newline_of(text))
    if not lines:
        return text
    fence = f"---{newline_of(text)}"
    start = len(BOM) if text.startswith(BOM) else 0
    return text[:start] + fence + join_lines(lines) + fence + text[start:]


def _new_lines(keys: Mapping[str, Json], *, indent: str, end: str) -> list[Line]:
    return [Line(f"{indent}{key}: {as_yaml(value)}", end) for key, value in keys.items() if value is not None]


def _with_changed_block(text: str, block: Block, keys: Mapping[str, Json]) -> str:
    lines = split_lines(text[block.inner : block.close])
    end = newline_of(text[block.start :])
    try:
        front = read_front(text)
    except NoteError:
        front = None
    lines = _set_unread(lines, keys, end) if front is None else _set_read(lines, front, keys, end)
    changed = text[: block.inner] + join_lines(lines) + text[block.close :]
    if front is not None:
        _check(changed, front, keys)
    return changed


# ---------------------------------------------------------------- where the block reads


def _set_read(lines: list[Line], front: Front, keys: Mapping[str, Json], end: str) -> list[Line]:
    if front.values and not front.extents:
        raise _cannot("it is written in braces.", "Write it as `key: value` lines.")
    existing = [key for key in front.extents if key in keys and not _same(front.values[key], keys[key])]
    for key in reversed(existing):
        extent = front.extents[key]
        last = _last_row(lines, extent)
        lines[extent.row : last + 1] = _replaced(lines, extent, last, keys[key], end)
    indent = " " * next((extent.column for extent in front.extents.values()), 0)
    new = {key: value for key, value in keys.items() if key not in front.values}
    return lines + _new_lines(new, indent=indent, end=end)


def _last_row(lines: list[Line], extent: Extent) -> int:
    """The last row of a key's value, without the empty lines after it."""
    row = extent.end_row - 1 if extent.literal and extent.end_column == 0 else extent.end_row
    row = min(row, len(lines) - 1)
    while row > extent.row and not lines[row].text.strip():
        row -= 1
    return row


def _replaced(lines: list[Line], extent: Extent, last: int, value: Json, end: str) -> list[Line]:
    """The lines that stand for a key's lines: the new value, if any, and the comments that were there."""
    first = lines[extent.row]
    comment = _comment_behind(lines, extent, last)
    kept = [line for line in lines[extent.row + 1 : last + 1] if _COMMENT.match(line.text)]
    if _is_long_text(lines, extent):
        kept = []
    if value is not None:
        new = first.text[: extent.column] + _key_and_gap(first.text, extent) + as_yaml(value) + comment
        return [Line(new, first.end or end), *kept]
    if comment:
        kept.insert(0, Line(first.text[: extent.column] + comment.lstrip(), first.end or end))
    return kept


def _key_and_gap(row: str, extent: Extent) -> str:
    """The key as written, its colon and the blanks before a value on the same line."""
    if extent.value_row == extent.row and extent.value_column < len(row):
        lead = row[extent.column : extent.value_column]
        return lead if lead[-1:] in {" ", "\t"} else f"{lead} "
    return f"{row[extent.column : extent.key_end]}: "


def _comment_behind(lines: list[Line], extent: Extent, last: int) -> str:
    """The comment at the end of a one-line value, or behind the key of a longer one, with its blanks."""
    row = lines[extent.row].text
    if last == extent.row and extent.end_row == extent.row:
        rest = row[extent.end_column :]
    elif extent.value_row > extent.row:
        rest = row[extent.key_end :].lstrip(" \t").removeprefix(":")
    else:
        return ""
    return rest.rstrip() if re.match(r"[ \t]+#", rest) else ""


def _is_long_text(lines: list[Line], extent: Extent) -> bool:
    """Is the value a text over several lines, where a `#` is no comment?"""
    row = lines[extent.value_row].text if extent.value_row < len(lines) else ""
    return row[extent.value_column : extent.value_column + 1] in {"|", ">", '"', "'"}


def _same(one: Json, other: Json) -> bool:
    """Equal, and of the same types: 1 is not true, and not 1.0."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _check(changed: str, front: Front, keys: Mapping[str, Json]) -> None:
    """Refuse a result that does not say what the block said, with the new values."""
    wanted: dict[str, Json] = {key: value for key, value in front.values.items() if key not in keys}
    wanted |= {key: value for key, value in keys.items() if value is not None}
    try:
        after = read_front(changed)
    except NoteError as error:
        raise _cannot(error.message, error.hint) from error
    if after is None or not _same(dict(after.values), wanted):
        raise _cannot("its lines are not where they should be.", "Write it as plain `key: value` lines.")


# ---------------------------------------------------------------- where it does not


def _set_unread(lines: list[Line], keys: Mapping[str, Json], end: str) -> list[Line]:
    new: dict[str, Json] = {}
    for key, value in keys.items():
        row = _row_of(lines, key)
        if row is None:
            new[key] = value
        else:
            lines[row : row + 1] = _replaced_unread(lines[row], value)
    return lines + _new_lines(new, indent="", end=end)


def _row_of(lines: list[Line], key: str) -> int | None:
    """The one row of a key, where it is a value on one line; None where there is none.

    Raises:
        CannotSplice: where it is there more than once, or in a form that only YAML could tell.
    """
    form = re.compile(rf"[ \t?{{-]*[\"']?{re.escape(key)}[\"']?[ \t]*:", re.IGNORECASE)
    rows = [row for row, line in enumerate(lines) if form.match(line.text)]
    if not rows:
        return None
    row = rows[0]
    after = lines[row + 1].text if row + 1 < len(lines) else ""
    goes_on = bool(after.strip()) and after[0] in " \t-" and not _COMMENT.match(after)
    if len(rows) > 1 or goes_on or not _is_one_line(lines[row].text, key):
        raise _cannot(f"it is broken, and `{key}` is not one plain line.", "Mend the front matter first.")
    return row


def _is_one_line(row: str, key: str) -> bool:
    match = _ONE_LINE.match(row) if len(row) <= _LONGEST else None
    return match is not None and match["lead"] == f"{key}:"


def _replaced_unread(line: Line, value: Json) -> list[Line]:
    match = _ONE_LINE.match(line.text)
    comment = (match["comment"] or "") if match else ""
    if value is None:
        return [Line(comment.lstrip(), line.end)] if comment else []
    key = line.text.split(":", 1)[0]
    return [Line(f"{key}: {as_yaml(value)}{comment.rstrip()}", line.end)]
