"""The daemon's section at the end of a note: put there, replaced, taken away, and what was typed in it.

Its form: a line `%% signoff %%`, an empty line, callout lines (each begins with `>`), an empty line and
a line `%% signoff %%` again; one empty line before it. See `section` for which lines count as markers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from signoff.errors import NoteError
from signoff.note.front import find_block
from signoff.note.lines import BOM, LINE_END, Line, join_lines, newline_of, split_lines, to_bytes, to_text
from signoff.note.markdown import blocks
from signoff.note.section import MARKER, is_callout, marker_rows, section_rows
from signoff.note.size import changeable_text, within_size

_UNWRITABLE = re.compile("[\0\ud800-\udfff]")
_TICK = re.compile(r"(>[> ]*[-*+] \[)[xX](\])")
_CHECKBOX = re.compile(r"\[([^\r\n])\][ \t]+(\S.*)")
_MAYBE_CHECKBOX = re.compile(r"\[[^\r\n]\][ \t]+\S")
_PROSE = re.compile(r"(?!\d{1,9}[.)])[^\W_][^`\[\]<>|{}\\]*\Z")
"""A line that is nothing but words: no list, heading, fence, link, embed or table."""


@dataclass(slots=True)
class _Parts:
    """A note around its section: lines before it, in it (without the markers), and after it."""

    before: list[Line]
    markers: tuple[Line, Line] | None
    inside: list[Line]
    after: list[Line]


def set_section(data: bytes, section: str | None, *, previous: str | None = None) -> bytes:
    """The note with this text as the daemon's section; None (or nothing but blanks) takes it away.

    What a person typed in the section is kept just after it: every line that is not a callout line; and,
    where `previous` (the section as the daemon last wrote it) is given, every callout line that is not in
    it, but for ticks. Such a line loses its `>` where it is plain words; where it would act as Markdown
    of its own (a list, a heading, a fence, a link) it stays quoted, since it could be a tool's output.
    Markers that belong to no section are taken away, and the text around them stays. Lines of `section`
    without a `>` get one.

    Raises:
        CannotSplice: for UTF-16 and for notes that are, or would become, too large.
    """
    text = changeable_text(data)
    mark, text = (BOM, text[len(BOM) :]) if text.startswith(BOM) else ("", text)
    parts = _parts(text)
    ended = bool(LINE_END.search(text[-1:]))
    end = parts.markers[0].end if parts.markers else _last_end(parts.before) or newline_of(text)
    kept = [Line(row, end) for row in _typed([line.text for line in parts.inside], previous)]
    written = _written(section, end)
    lines = _with_section(parts, written, kept, end) if written else _without_section(parts, kept)
    return within_size(to_bytes(mark + join_lines(_ended(lines, end, ended=ended))), data)


def section_of(data: bytes) -> str | None:
    """The text in the daemon's section, with LF line endings; None where there is no section."""
    rows = _inside(data)
    return None if rows is None else "\n".join(rows).strip("\n")


def section_ticks(data: bytes) -> list[tuple[str, bool]]:
    """The checkboxes in the section's callouts, as (label, ticked): how a person answers there.

    A line in a fenced block is a tool's output and no checkbox.
    """
    rows = [row if is_callout(row) else "" for row in _inside(data) or ()]
    if not any(_MAYBE_CHECKBOX.search(row) for row in rows):
        return []
    tokens = blocks("\n".join(rows))
    found = []
    for item, inline in zip(tokens, tokens[2:], strict=False):
        box = _CHECKBOX.match(inline.content.split("\n", 1)[0]) if item.type == "list_item_open" else None
        if box and inline.type == "inline":
            found.append((box[2].strip(), box[1] in "xX"))
    return found


def section_items(data: bytes) -> list[str]:
    """The first line of each item of a list in the section's callouts, as typed, without the quotation.

    A line in a fenced block is a tool's output and no item.
    """
    rows = [row if is_callout(row) else "" for row in _inside(data) or ()]
    found = [
        token.map[0] for token in blocks("\n".join(rows)) if token.type == "list_item_open" and token.map
    ]
    return [rows[row].lstrip("> \t").rstrip() for row in found]


def typed_in_section(data: bytes, previous: str | None = None) -> tuple[str, ...]:
    """The lines that a person typed in the section, as `set_section` would keep them."""
    return tuple(_typed(_inside(data) or (), previous))


def body_row(text: str) -> int:
    """How many lines of the text come before its body; none where the front matter does not end."""
    try:
        block = find_block(text)
    except NoteError:
        return 0
    return len(split_lines(text[: block.end])) if block else 0


def _inside(data: bytes) -> list[str] | None:
    parts = _parts(to_text(data).removeprefix(BOM))
    return None if parts.markers is None else [line.text for line in parts.inside]


def _parts(text: str) -> _Parts:
    lines = split_lines(text)
    if MARKER not in text:
        return _Parts(lines, None, [], [])
    start = body_row(text)
    rows = [line.text for line in lines[start:]]
    markers = marker_rows(rows)
    strays = {start + row for row in markers}
    pair = section_rows(rows, markers)
    if pair is None:
        return _Parts(_except(lines, 0, len(lines), strays), None, [], [])
    first, last = start + pair[0], start + pair[1]
    return _Parts(
        _except(lines, 0, first, strays),
        (lines[first], lines[last]),
        lines[first + 1 : last],
        _except(lines, last + 1, len(lines), strays),
    )


def _except(lines: list[Line], start: int, end: int, strays: set[int]) -> list[Line]:
    return [lines[row] for row in range(start, end) if row not in strays]


def _last_end(lines: Sequence[Line]) -> str:
    return lines[-1].end if lines else ""


def _written(section: str | None, end: str) -> list[Line]:
    """The lines between the markers; none where there is nothing to say."""
    if section is None or not section.strip():
        return []
    return [Line(row, end) for row in ("", *_quoted(section.strip("\r\n")), "")]


def _quoted(section: str) -> list[str]:
    """The rows of a section as they are written: each a callout's, and none that makes a note unreadable."""
    rows = LINE_END.split(_UNWRITABLE.sub("\ufffd", section))
    return [row if is_callout(row) or not row.strip() else f"> {row}" for row in rows]


def _with_section(parts: _Parts, written: list[Line], kept: list[Line], end: str) -> list[Line]:
    if parts.markers is None:
        return [*parts.before, Line("", end), Line(MARKER, end), *written, Line(MARKER, end)]
    first, last = parts.markers
    lines = [*parts.before, first, *written, last]
    if kept:
        lines += [Line("", end), *kept]
        if parts.after and parts.after[0].text.strip():
            lines.append(Line("", end))
    return lines + parts.after


def _without_section(parts: _Parts, kept: list[Line]) -> list[Line]:
    before = parts.before
    following = [*kept, *parts.after]
    own_blank = parts.markers is not None and bool(before) and before[-1].text == ""
    if own_blank and (not following or not following[0].text.strip()):
        before = before[:-1]
    return [*before, *following]


def _ended(lines: list[Line], end: str, *, ended: bool) -> list[Line]:
    """Every line with an ending, the last one as the note had it."""
    if not lines:
        return []
    lines = [Line(line.text, line.end or end) for line in lines]
    if not ended:
        lines[-1].end = ""
    return lines


def _typed(rows: Sequence[str], previous: str | None) -> list[str]:
    known = None if previous is None else Counter(map(_unticked, _quoted(previous)))
    kept = []
    for row in rows:
        if not row.strip():
            continue
        if not is_callout(row):
            kept.append(row)
        elif known is not None and row.strip("> \t"):
            known[_unticked(row)] -= 1
            if known[_unticked(row)] < 0:
                kept.append(_unquoted(row))
    return kept


def _unticked(row: str) -> str:
    return _TICK.sub(r"\1 \2", row.rstrip())


def _unquoted(row: str) -> str:
    text = row.removeprefix(">").strip()
    return text if _PROSE.match(text) else row
