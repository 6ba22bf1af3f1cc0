"""The known breakages of front matter, mended on request (`signoff check --fix`). Pure.

Only what a person would do with the hint in hand: quotes around a value, `---` on a line of its own,
a missing `---`, blanks instead of tabs, straight quotes for typographic ones around a whole value, one
line where the same key stands twice with the same value. All other lines stay as they are, and a note that
would not read afterwards stays as it is altogether.
"""

from __future__ import annotations

import re

from signoff.errors import NoteError
from signoff.note.explain import in_quotes, mended_row
from signoff.note.front import Front, read_front
from signoff.note.lines import Line, join_lines, newline_of, split_lines

_ROUNDS = 100
"""At most as many lines are mended in one note."""
_FRONT_ROW = re.compile(r"[A-Za-z_][\w .-]*:(?:[ \t]|\Z)|[ \t]+\S|- ")
_PAIR = re.compile(r"(?P<key>[A-Za-z_][\w -]{0,99}):[ \t]+(?P<value>\S.*)")
_CURLY = re.compile(r"(?P<key>[A-Za-z_][\w -]{0,99}:[ \t]+)[“„‟”](?P<value>[^“”„‟]{1,4000})[”“‟][ \t]*")
_MENDED_BY_QUOTES = frozenset({"yaml-invalid", "yaml-complex-key", "yaml-alias", "yaml-tag"})


def mend(data: bytes, rounds: int = _ROUNDS) -> bytes | None:
    """The note with its front matter mended; None where it reads as it is, or cannot be mended so.

    Args:
        data: the note.
        rounds: at most so many lines are mended.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    changed = text
    for _ in range(rounds):
        try:
            front = read_front(changed)
        except NoteError as error:
            mended = _mended(changed, error)
            if mended is None or mended == changed:
                return None
            changed = mended
        else:
            changed = _straightened(changed, front)
            return changed.encode() if changed != text else None
    return None


def _straightened(text: str, front: Front | None) -> str:
    """With straight quotes around the values of front matter that stand in typographic ones."""
    if front is None or not any(mark in text[: front.block.close] for mark in "“”„‟"):
        return text
    lines = split_lines(text[front.block.inner : front.block.close])
    for line in lines:
        match = _CURLY.fullmatch(line.text)
        if match is not None:
            line.text = f"{match['key']}{in_quotes(match['value'])}"
    straight = text[: front.block.inner] + join_lines(lines) + text[front.block.close :]
    try:
        read_front(straight)
    except NoteError:
        return text
    return straight


def _mended(text: str, error: NoteError) -> str | None:
    lines = split_lines(text)
    index = (error.line or 1) - 1
    if index >= len(lines):
        return None
    if error.code == "front-matter-glued":
        return _unglued(lines, index)
    if error.code == "front-matter-unclosed":
        return _closed(lines, newline_of(text))
    if error.code == "yaml-duplicate-key":
        return _without_double(lines, index)
    if error.code not in _MENDED_BY_QUOTES:
        return None
    row = mended_row([line.text for line in lines], index)
    if row is None:
        return None
    lines[index].text = row
    return join_lines(lines)


def _without_double(lines: list[Line], index: int) -> str | None:
    """Without the second of two lines with the same key and the same value; None where they differ.

    Only top-level keys whose whole value stands in their line.
    """
    second = _PAIR.fullmatch(lines[index].text)
    if second is None or _goes_on(lines, index):
        return None
    for earlier in range(1, index):
        first = _PAIR.fullmatch(lines[earlier].text)
        if first is None or first["key"] != second["key"]:
            continue
        if _unquoted(first["value"]) != _unquoted(second["value"]) or _goes_on(lines, earlier):
            return None
        return join_lines([*lines[:index], *lines[index + 1 :]])
    return None


def _goes_on(lines: list[Line], index: int) -> bool:
    """Whether the value of a line goes on below it."""
    after = lines[index + 1].text if index + 1 < len(lines) else ""
    return after.startswith((" ", "\t", "- "))


def _unquoted(value: str) -> str:
    bare = value.strip()
    quoted = len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'" and "\\" not in bare
    return bare[1:-1] if quoted and bare[0] not in bare[1:-1] else bare


def _unglued(lines: list[Line], index: int) -> str:
    value = lines[index].text.rstrip().removesuffix("---").rstrip()
    end = lines[index].end
    lines[index : index + 1] = [Line(value, end or "\n"), Line("---", end)]
    return join_lines(lines)


def _closed(lines: list[Line], end: str) -> str:
    """With a closing line after the first run of lines that look like front matter."""
    last = 1
    while last < len(lines) and _FRONT_ROW.match(lines[last].text):
        last += 1
    lines[last - 1].end = lines[last - 1].end or end
    return join_lines([*lines[:last], Line("---", end), *lines[last:]])
