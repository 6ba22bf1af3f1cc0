"""Lines of a note with their endings, so that what is not changed stays byte for byte.

A line ends with LF, CRLF or CR, as CommonMark and YAML have it; U+0085, U+2028 and form feeds do not
end a line. Text that is not UTF-8 is carried through with surrogate escapes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

BOM = "\ufeff"
LINE_END = re.compile(r"\r\n?|\n")
_LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|\Z)")


@dataclass(slots=True)
class Line:
    """One line: its text, and the ending it had (empty for a last line without one)."""

    text: str
    end: str


def split_lines(text: str) -> list[Line]:
    """The lines of a text; joining all `text + end` gives it back. No line for an empty rest."""
    return [Line(row, end) for row, end in _LINE.findall(text) if row or end]


def join_lines(lines: list[Line]) -> str:
    """The opposite of `split_lines`."""
    return "".join(line.text + line.end for line in lines)


def newline_of(text: str) -> str:
    """The line ending of the text's first line; LF where it has none."""
    match = LINE_END.search(text)
    return match[0] if match else "\n"


def to_text(data: bytes) -> str:
    """The note as text; bytes that are not UTF-8 become surrogates, so that `to_bytes` restores them."""
    return data.decode("utf-8", "surrogateescape")


def to_bytes(text: str) -> bytes:
    """The opposite of `to_text`."""
    return text.encode("utf-8", "surrogateescape")


def place_of(text: str, index: int) -> tuple[int, int]:
    """Line and column, both from 1, of a character of the text."""
    before = LINE_END.split(text[:index])
    return len(before), len(before[-1]) + 1
