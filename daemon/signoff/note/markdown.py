"""The structure of a note's body: headings, the items of lists, fenced blocks, as CommonMark has them.

Only blocks are parsed, with their rows; what stands inside a line stays as typed. Quoted text (block
quotes) gives no headings, items or fences: what somebody quotes is not what they ask for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.token import Token

_BLOCKS = MarkdownIt("commonmark")
_BLOCKS.core.ruler.enableOnly(["normalize", "block"])
_INLINE = MarkdownIt("commonmark")

_SHOWN = 2000
"""Characters of a heading or of the first line of an item that are read as Markdown."""

ITEM_MARKER = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+")
_CHECKBOX = re.compile(r"\[([^\r\n])\](?=[ \t]|$)[ \t]*")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: its level from 1, its text as shown, its line in the note, and the line after it."""

    level: int
    text: str
    line: int
    end: int


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block.

    Attributes:
        info: the first word after the fence, in lower case; may be empty.
        content: the text, without the indentation of the list that it is in.
        line: the line in the note of its first line of content.
        column: the column in the note where that content begins, from 1.
    """

    info: str
    content: str
    line: int
    column: int


@dataclass(slots=True)
class Row:
    """An item of a top-level list while it is read; rows count from 0 in the body."""

    row: int
    end: int
    source: str
    mark: tuple[int, str] | None
    fences: list[Fence] = field(default_factory=list)
    fence_rows: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Outline:
    """What a body consists of, in order; lines already count in the note, rows in the body."""

    headings: list[Heading] = field(default_factory=list)
    items: list[Row] = field(default_factory=list)
    fences: list[Fence] = field(default_factory=list)
    checkboxes: list[tuple[int, int]] = field(default_factory=list)


def blocks(text: str) -> list[Token]:
    """The block tokens of a Markdown text."""
    return _BLOCKS.parse(text)


def shown(source: str) -> str:
    """A line of Markdown as a reader sees it: no emphasis, code quotes or link targets."""
    if len(source) > _SHOWN:  # reading emphasis takes longer than the text grows
        return " ".join(source.split())
    text = "".join(_piece(child) for token in _INLINE.parseInline(source) for child in token.children or ())
    return " ".join(text.split())


def _piece(token: Token) -> str:
    return " " if token.type in {"softbreak", "hardbreak"} else token.content


def checkbox_at(row: str) -> tuple[int, str] | None:
    """Where the mark of a list item's checkbox stands in its row, and the mark; None without a checkbox."""
    marker = ITEM_MARKER.match(row)
    box = _CHECKBOX.match(row, marker.end()) if marker else None
    return (box.start(1), box[1]) if box else None


def outline(rows: Sequence[str], *, first_line: int) -> Outline:
    """The structure of a body given as rows without their endings; `first_line` is its line in the note."""
    return _Walk(rows, first_line).walk()


class _Walk:
    """One pass over the tokens. `_item` is the item that a fence at this point belongs to."""

    def __init__(self, rows: Sequence[str], first_line: int) -> None:
        self._rows = rows
        self._first_line = first_line
        self._tokens = blocks("\n".join(rows))
        self._found = Outline()
        self._quotes = 0
        self._item: Row | None = None

    def walk(self) -> Outline:
        for index, token in enumerate(self._tokens):
            if token.type in {"blockquote_open", "blockquote_close"}:
                self._quotes += token.nesting
            if token.level == 0 and token.nesting >= 0 and token.type not in {"fence", "inline"}:
                self._item = None
            if token.map and not self._quotes:
                self._take(index, token)
        return self._found

    def _take(self, index: int, token: Token) -> None:
        if token.type == "heading_open" and token.level == 0:
            self._heading(token, self._tokens[index + 1])
        elif token.type == "list_item_open":
            self._list_item(token, self._tokens[index + 1 : index + 3])
        elif token.type == "fence":
            self._fence(token)

    def _heading(self, token: Token, inline: Token) -> None:
        first, end = (self._first_line + row for row in token.map or (0, 1))
        self._found.headings.append(Heading(int(token.tag[1:]), shown(inline.content), first, end))

    def _list_item(self, token: Token, following: list[Token]) -> None:
        first, end = (token.map or [0, 0])[:2]
        starts_with_text = following[0].type == "paragraph_open" and (following[0].map or [-1])[0] == first
        row = self._rows[first]
        box = checkbox_at(row) if starts_with_text else None
        if box is not None:
            self._found.checkboxes.append((first, box[0]))
        if token.level != 1:
            return
        source = following[1].content.split("\n", 1)[0] if starts_with_text else ""
        if box is not None:
            source = _CHECKBOX.sub("", source, count=1)
        self._item = Row(first, end, source, box)
        self._found.items.append(self._item)

    def _fence(self, token: Token) -> None:
        """A fence of an item is one directly in it, or after its list where it was not indented enough."""
        first, end = (token.map or [0, 0])[:2]
        column = self._rows[first].find(token.markup)
        info = token.info.split()
        fence = Fence(
            info[0].lower() if info else "", token.content, self._first_line + first + 1, max(column, 0) + 1
        )
        self._found.fences.append(fence)
        if self._item is not None and token.level in {0, 2}:
            self._item.fences.append(fence)
            self._item.fence_rows.update(range(first, end))
