"""The body of a note as the dialects see it: sections under `#` headings, and what each row is.

Quoted rows, fenced rows, comments (`<!-- -->`, `%% %%`) and what stands under a heading such as
`## Original Message` or `## Example` belong to somebody else: nothing is read from them.

A line under which `---` is drawn directly is a heading to CommonMark; here it stays text above a rule,
since that is what people mean who draw a line under a message.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from signoff.catalogue import fold_key
from signoff.note.document import Fence, Note

TEXT, BLANK, QUOTE, FENCE, COMMENT, HEADING, RULE = range(7)
"""What a row is."""

_RULE = re.compile(r" {0,3}(?:-[ \t]*){3,}\Z| {0,3}(?:\*[ \t]*){3,}\Z| {0,3}(?:_[ \t]*){3,}\Z")
_QUOTE = re.compile(r" {0,3}>")
_HEADING = re.compile(r" {0,3}#{1,6}(?:[ \t]|\Z)")
_BRACKETED = re.compile(r"[ \t]*\([^()]*\)[ \t]*\Z")
"""A remark at the end of a heading: `## Tweet (45 of 280)`."""
_OTHERS = re.compile(
    r"(?:original|source|incoming|received|inbound|quoted|previous|references?|examples?|templates?|sample"
    r"|context|background|history|thread|conversation|in_reply_to|their|instructions?|approval_instructions"
    r"|analysis|risk|rejection|audit|logs?|results?|outcome|execution_results?|executed|completion|notes"
    r"|usage|how_to|related|handbook|company_handbook|metadata|input_format|output_format|format)(?:_|\Z)"
    r"|.*_(?:original|received|incoming)(?:_|\Z)|.*_(?:examples?|template|log|history)\Z"
)
"""Headings, folded, under which somebody else's words, examples or remarks stand."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the body: its line in the note, its text, and what it is."""

    line: int
    text: str
    kind: int


@dataclass(frozen=True, slots=True)
class Section:
    """The rows under one heading, down to the next one of any level.

    Attributes:
        key: the heading, folded; empty before the first heading.
        title: the heading as shown.
        level: 0 before the first heading.
        line: of the heading, or of the first row.
        first, last: the rows, as a range of indexes in the body.
        end: the index after its last subsection.
        theirs: it is not the author's own request.
    """

    key: str
    title: str
    level: int
    line: int
    first: int
    last: int
    end: int
    theirs: bool


@dataclass(frozen=True, slots=True)
class Body:
    """All rows and sections of a note's body, and its fences by the line of their first row of content."""

    rows: tuple[Row, ...]
    sections: tuple[Section, ...]
    fences: Mapping[int, Fence]

    def own_rows(self, section: Section) -> Sequence[Row]:
        """The rows of a section without its subsections."""
        return self.rows[section.first : section.last]

    def is_theirs(self, line: int) -> bool:
        """Whether a line stands under a heading of somebody else's."""
        number = bisect_right(self.sections, line, key=lambda each: each.line) - 1
        return number >= 0 and self.sections[number].theirs


def body_of(note: Note) -> Body:
    """The body of a note."""
    rows = tuple(_rows(note))
    return Body(rows, tuple(_sections(note, rows)), {fence.line: fence for fence in note.fences})


def _rows(note: Note) -> Iterator[Row]:
    fenced = _fenced(note)
    comment, quoted = "", False
    for line, text in enumerate(note.prose.split("\n"), note.body_line):
        if line in fenced:
            quoted = False
            yield Row(line, text, FENCE)
            continue
        inside = bool(comment)
        comment = _after(text, comment)
        kind = COMMENT if inside else _kind(text)
        if kind == TEXT and quoted:
            kind = QUOTE  # a quote goes on over rows without `>` until a blank one
        if kind == TEXT and (comment or _is_comment(text)):
            kind = COMMENT
        quoted = kind == QUOTE
        yield Row(line, text, kind)


def _kind(text: str) -> int:
    if not text.strip():
        return BLANK
    if _QUOTE.match(text):
        return QUOTE
    if _HEADING.match(text):
        return HEADING
    return RULE if len(text) < 200 and _RULE.match(text) else TEXT


def _after(text: str, comment: str) -> str:
    """The sign that ends the comment which is open after a row; empty where none is."""
    position = 0
    while True:
        if comment:
            found = text.find(comment, position)
            if found < 0:
                return comment
            position, comment = found + len(comment), ""
        starts = [(text.find(sign, position), sign) for sign in ("<!--", "%%")]
        starts = [(at, sign) for at, sign in starts if at >= 0]
        if not starts:
            return ""
        at, sign = min(starts)
        position, comment = at + len(sign), "-->" if sign == "<!--" else "%%"


def _is_comment(text: str) -> bool:
    bare = text.strip()
    return (bare.startswith("<!--") and bare.endswith("-->")) or (
        len(bare) > 3 and bare.startswith("%%") and bare.endswith("%%")
    )


def _fenced(note: Note) -> set[int]:
    """The lines of all fences, with the lines that open and close them."""
    lines: set[int] = set()
    for fence in note.fences:
        count = fence.content.count("\n") + (not fence.content.endswith("\n") and bool(fence.content))
        lines.update(range(fence.line - 1, fence.line + count + 1))
    return lines


def _sections(note: Note, rows: Sequence[Row]) -> Iterator[Section]:
    first_line = note.body_line
    starts = [
        heading
        for heading in note.headings
        if heading.line - first_line < len(rows) and rows[heading.line - first_line].kind == HEADING
    ]
    indexes = [heading.line - first_line for heading in starts]
    ends = _ends([heading.level for heading in starts], indexes, len(rows))
    cut = note.section_line - first_line if note.section_line else len(rows)
    last = min(indexes[0] if indexes else len(rows), cut)
    yield Section("", "", 0, first_line, 0, last, last, theirs=False)
    level_of_theirs = 7
    for number, heading in enumerate(starts):
        if heading.level <= level_of_theirs:
            level_of_theirs = 7
        key = fold_key(_BRACKETED.sub("", heading.text[:200]))
        if level_of_theirs == 7 and _OTHERS.match(key):
            level_of_theirs = heading.level
        below = indexes[number + 1] if number + 1 < len(starts) else len(rows)
        end = ends[number]
        if indexes[number] < cut:  # what is typed below the daemon's section belongs to no heading above it
            below, end = min(below, cut), min(end, cut)
        yield Section(
            key,
            heading.text,
            heading.level,
            heading.line,
            indexes[number] + 1,
            below,
            end,
            theirs=level_of_theirs < 7,
        )


def _ends(levels: Sequence[int], indexes: Sequence[int], total: int) -> list[int]:
    """For each heading the row before which the next one as high begins."""
    ends = [total] * len(levels)
    next_as_high = [total] * 8
    for number in range(len(levels) - 1, -1, -1):
        level = levels[number]
        ends[number] = next_as_high[level]
        next_as_high[level:] = [indexes[number]] * (8 - level)
    return ends
