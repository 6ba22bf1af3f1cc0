"""A note, from its bytes: front matter, and what the body consists of.

Reading is pure and total: bytes give a `Note` or a `NoteError` that says where and how to mend it. The
structure of the body is worked out when it is first asked for.

The daemon's own section (see `section`) is no part of headings, items, fences or texts, and it ends
whatever heading stands above it: a remark that a person typed after it, or in it, is not part of the
message or of the steps before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from signoff.model import Gesture, Json
from signoff.note.front import Front, Place, read_front
from signoff.note.lines import LINE_END, Line, place_of, split_lines
from signoff.note.markdown import ITEM_MARKER, Fence, Heading, Outline, Row, outline, shown
from signoff.note.places import error_at
from signoff.note.section import section_rows

__all__ = ["MAX_NOTE", "Fence", "Front", "Heading", "Item", "Note", "Place", "gesture", "parse"]

MAX_NOTE = 1 << 20
"""Bytes of a note; a larger one is not read."""

_CONFLICT_MARKS = ("<<<<<<< ", "=======", ">>>>>>> ")


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a list under a heading; items of nested lists belong to it and are not items.

    Attributes:
        name: its first line as shown, without the checkbox.
        source: the same as typed.
        line: its line in the note.
        checkbox: byte offset in the file of the mark between `[` and `]`; None without a checkbox.
        mark: the mark itself; a blank where not ticked.
        checked: the mark is `x` or `X`.
        fences: the fenced blocks directly in it, or after it where they were not indented enough.
        text: the lines under the first one, without its indentation and without those fences.
    """

    name: str
    source: str
    line: int
    checkbox: int | None
    mark: str | None
    checked: bool
    fences: tuple[Fence, ...]
    text: tuple[str, ...]


@dataclass(frozen=True)
class Note:
    """A note as read.

    Attributes:
        data: its bytes.
        front: its front matter; None where it has none.
        body: the text after the front matter (and after a byte order mark), as it is.
        body_offset: where the body starts, in bytes.
        body_line: the line that it starts on.
    """

    data: bytes
    front: Front | None
    body: str
    body_offset: int
    body_line: int

    @cached_property
    def prose(self) -> str:
        """The body without the daemon's section (empty lines stand for it), with LF line endings."""
        return "\n".join(self._rows)

    @property
    def section_line(self) -> int | None:
        """The line on which the daemon's section begins; None where there is none."""
        return self._section[0] + self.body_line if self._section else None

    @property
    def headings(self) -> tuple[Heading, ...]:
        """The headings outside of quotes and lists."""
        return tuple(self._outline.headings)

    @property
    def fences(self) -> tuple[Fence, ...]:
        """Every fenced block outside of quotes, also those in items."""
        return tuple(self._outline.fences)

    def headings_named(self, *names: str) -> tuple[Heading, ...]:
        """The headings with one of these texts, whatever their case and level; a colon at the end is free."""
        wanted = {_plain(name) for name in names}
        return tuple(heading for heading in self._outline.headings if _plain(heading.text) in wanted)

    def items_under(self, *names: str) -> tuple[Item, ...]:
        """The items of the lists under the headings of these names, down to the next one as high."""
        wanted: set[int] = set()
        for heading in self.headings_named(*names):
            if heading.line not in wanted:  # one within another adds nothing
                wanted.update(range(*self._span(heading)))
        return tuple(self._item(row) for row in self._outline.items if row.row + self.body_line in wanted)

    def text_under(self, *names: str) -> str | None:
        """The Markdown under the first heading of these names, down to the next one as high; None without.

        Empty lines at its ends are taken off; lines end with LF.
        """
        return next((self.text_of(heading) for heading in self.headings_named(*names)), None)

    def text_of(self, heading: Heading) -> str:
        """The Markdown under one heading, as `text_under` gives it."""
        start, end = (line - self.body_line for line in self._span(heading))
        return "\n".join(_without_outer_blanks(self._rows[start:end]))

    @cached_property
    def checkboxes(self) -> tuple[int, ...]:
        """Byte offsets of the marks of all checkboxes in lists, nested ones too, the daemon's excepted."""
        return tuple(self._byte_offset(row, column) for row, column in self._outline.checkboxes)

    @property
    def own_rows(self) -> tuple[Sequence[str], Sequence[str]] | None:
        """The rows of the body, with their endings, before and after the daemon's section; None without."""
        if self._section is None:
            return None
        first, last = self._section
        rows = [line.text + line.end for line in self._lines]
        return rows[:first], rows[last + 1 :]

    @cached_property
    def _source(self) -> tuple[str, ...]:
        return tuple(line.text for line in self._lines)

    @cached_property
    def _lines(self) -> list[Line]:
        return split_lines(self.body)

    @cached_property
    def _section(self) -> tuple[int, int] | None:
        return section_rows(self._source)

    @cached_property
    def _rows(self) -> Sequence[str]:
        if self._section is None:
            return self._source
        first, last = self._section
        blank = ("",) * (last - first + 1)
        return (*self._source[:first], *blank, *self._source[last + 1 :])

    @cached_property
    def _outline(self) -> Outline:
        """The structure; a rule stands for the section, so that no list or item goes on behind it."""
        rows = list(self._rows)
        if self._section is not None:
            rows[self._section[0]] = "***"
        return outline(rows, first_line=self.body_line)

    @cached_property
    def _row_offsets(self) -> list[int]:
        ends = (len((line.text + line.end).encode()) for line in self._lines)
        return list(accumulate(ends, initial=self.body_offset))

    def _byte_offset(self, row: int, column: int) -> int:
        return self._row_offsets[row] + len(self._source[row][:column].encode())

    def _span(self, heading: Heading) -> tuple[int, int]:
        """The lines under a heading: from the one after it, to before the next as high."""
        return heading.end, self._ends[heading.line]

    @cached_property
    def _ends(self) -> dict[int, int]:
        """The line that ends each heading's part, by the heading's line, worked out from the last one up."""
        section = self._section[0] + self.body_line if self._section else None
        end_of_body = self.body_line + len(self._rows)
        ends: dict[int, int] = {}
        next_as_high = [end_of_body] * 7
        for heading in reversed(self._outline.headings):
            end = next_as_high[heading.level]
            ends[heading.line] = min(end, section) if section and heading.line < section else end
            next_as_high[heading.level :] = [heading.line] * (7 - heading.level)
        return ends

    def _item(self, row: Row) -> Item:
        marker = ITEM_MARKER.match(self._rows[row.row])
        indent = marker.end() if marker else 0
        text = [
            _dedented(self._rows[index], indent)
            for index in range(row.row + 1, min(row.end, len(self._rows)))
            if index not in row.fence_rows
        ]
        return Item(
            name=shown(row.source),
            source=row.source,
            line=self.body_line + row.row,
            checkbox=self._byte_offset(row.row, row.mark[0]) if row.mark else None,
            mark=row.mark[1] if row.mark else None,
            checked=bool(row.mark) and row.mark[1] in "xX" if row.mark else False,
            fences=tuple(row.fences),
            text=_without_outer_blanks(text),
        )


def parse(data: bytes) -> Note:
    """Read a note.

    Raises:
        NoteError: with line, column and hint, where it is not UTF-8, too large, has NUL bytes or conflict
            markers, or where its front matter is not accepted.
    """
    if len(data) > MAX_NOTE:
        raise error_at(
            Place(1, 1),
            "note-too-large",
            f"The note has {len(data)} bytes; at most {MAX_NOTE} are read.",
            "Move attachments and long texts to files of their own.",
        )
    text = _decoded(data)
    _refuse_conflicts(text)
    front = read_front(text)
    start = front.block.end if front else int(text.startswith("\ufeff"))
    offset = front.span[1] if front else len(text[:start].encode())
    line = len(LINE_END.findall(text[:start])) + 1
    return Note(data, front, text[start:], offset, line)


def gesture(front: Front | None) -> Gesture:
    """What the front matter says about the decision; nothing where there is none."""
    if front is None:
        return Gesture()
    status = front.values.get("status")
    approved = front.values.get("approved")
    code = _typed(front, "approval_code")
    return Gesture(
        status=status.strip().lower() if isinstance(status, str) else None,
        ticked=approved is True or (isinstance(approved, str) and approved.strip().lower() == "true"),
        approved_by=_typed(front, "approved_by"),
        approval_code="".join(code.split()) if code else None,
        rejection_reason=_typed(front, "rejection_reason"),
    )


def _typed(front: Front, key: str) -> str | None:
    """What a person typed as value, numbers as typed; the only entry of a list; None where empty."""
    path: tuple[str | int, ...] = (key,)
    value: Json = front.values.get(key)
    if isinstance(value, list) and len(value) == 1:
        path, value = (key, 0), value[0]
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool):
        return None
    return front.raw.get(path)


def _decoded(data: bytes) -> str:
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        raise error_at(Place(1, 1), "not-utf8", "The note is UTF-16, not UTF-8.", "Save it again as UTF-8.")
    nul = data.find(b"\0")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        place = Place(*place_of(data[: error.start].decode(), error.start))
        message = f"The byte 0x{data[error.start]:02x} is not UTF-8."
        raise error_at(place, "not-utf8", message, "Save the note again as UTF-8.") from None
    if nul >= 0:
        place = Place(*place_of(text, text.index("\0")))
        raise error_at(
            place, "nul-byte", "There is a NUL byte in the note.", "Delete it, or restore the file."
        )
    return text


def _refuse_conflicts(text: str) -> None:
    if not all(mark in text for mark in _CONFLICT_MARKS):
        return
    wanted, line = 0, 1
    for number, row in enumerate(LINE_END.split(text), start=1):
        if row.startswith(_CONFLICT_MARKS[0]):
            wanted, line = 1, number
        elif wanted and row.startswith(_CONFLICT_MARKS[wanted]):
            wanted += 1
        if wanted == len(_CONFLICT_MARKS):
            raise error_at(
                Place(line, 1),
                "conflict-markers",
                "The note has conflict markers: two edits of it were not brought together.",
                "Keep the lines that are right, and delete the <<<<<<<, ======= and >>>>>>> lines.",
            )


def _plain(heading: str) -> str:
    return " ".join(heading.split()).rstrip(":").strip().casefold()


def _dedented(row: str, indent: int) -> str:
    lead = len(row) - len(row.lstrip(" \t"))
    return row[min(lead, indent) :]


def _without_outer_blanks(rows: Sequence[str]) -> tuple[str, ...]:
    filled = [index for index, row in enumerate(rows) if row.strip()]
    return tuple(rows[filled[0] : filled[-1] + 1]) if filled else ()
