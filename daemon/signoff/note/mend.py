"""The known breakages of front matter, mended on request (`signoff check --fix`). Pure.

Only what a person would do with the hint in hand: quotes around a value, `---` on a line of its own,
a missing `---`, blanks instead of tabs. Lines that read stay as they are, and a note that would not read
afterwards stays as it is altogether.
"""

from __future__ import annotations

import re

from signoff.errors import NoteError
from signoff.note.explain import mended_row
from signoff.note.front import read_front
from signoff.note.lines import Line, join_lines, newline_of, split_lines

_ROUNDS = 100
"""At most as many lines are mended in one note."""
_FRONT_ROW = re.compile(r"[A-Za-z_][\w .-]*:(?:[ \t]|\Z)|[ \t]+\S|- ")
_MENDED_BY_QUOTES = frozenset({"yaml-invalid", "yaml-complex-key", "yaml-alias", "yaml-tag"})


def mend(data: bytes) -> bytes | None:
    """The note with its front matter mended; None where it reads as it is, or cannot be mended so."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    changed = text
    for _ in range(_ROUNDS):
        try:
            read_front(changed)
        except NoteError as error:
            mended = _mended(changed, error)
            if mended is None or mended == changed:
                return None
            changed = mended
        else:
            return changed.encode() if changed != text else None
    return None


def _mended(text: str, error: NoteError) -> str | None:
    lines = split_lines(text)
    index = (error.line or 1) - 1
    if index >= len(lines):
        return None
    if error.code == "front-matter-glued":
        return _unglued(lines, index)
    if error.code == "front-matter-unclosed":
        return _closed(lines, newline_of(text))
    if error.code not in _MENDED_BY_QUOTES:
        return None
    row = mended_row([line.text for line in lines], index)
    if row is None:
        return None
    lines[index].text = row
    return join_lines(lines)


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
