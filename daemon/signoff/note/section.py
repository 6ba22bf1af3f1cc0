"""Where the daemon's own section stands: between two lines that are exactly `%% signoff %%`.

Marker lines inside a closed fence are an example, not a marker. A fence that is never closed would
swallow everything after it, the daemon's section too, so markers in it do count.

Of two marker lines, the section is what is between them. Of more (a sync tool doubled it), it is the
last two neighbours with nothing but callout lines between them, else the last two; the others stand for
nothing. One alone stands for nothing either.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from signoff.note.markdown import blocks

MARKER = "%% signoff %%"
_OPENING_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_CLOSING_FENCE = re.compile(r"\s*(`{3,}|~{3,})\s*\Z")


def marker_rows(rows: Sequence[str]) -> list[int]:
    """The rows (from 0) of a body that are markers and not inside a closed fence."""
    found = [row for row, text in enumerate(rows) if text == MARKER]
    if not found or not _may_be_fenced(rows, found[0]):
        return found
    fenced = {
        row
        for token in blocks("\n".join(rows))
        if token.type == "fence"
        and token.map
        and token.level == 0
        and _is_closed(rows, token.map, token.markup)
        for row in range(*token.map)
    }
    return [row for row in found if row not in fenced]


def _may_be_fenced(rows: Sequence[str], marker: int) -> bool:
    """Could a fence open somewhere and close after this row? Most notes need not be parsed to tell."""
    return any(_CLOSING_FENCE.match(text) for text in rows[marker + 1 :]) and any(
        _OPENING_FENCE.match(text) for text in rows
    )


def section_rows(rows: Sequence[str], markers: Sequence[int] | None = None) -> tuple[int, int] | None:
    """The rows of the two marker lines of the section (`markers` where known); None where there is none."""
    found = marker_rows(rows) if markers is None else markers
    pairs = list(pairwise(found))
    for first, last in reversed(pairs):
        if all(is_callout(row) or not row.strip() for row in rows[first + 1 : last]):
            return first, last
    return pairs[-1] if pairs else None


def is_callout(row: str) -> bool:
    """Is this a line as the daemon writes them: quoted?"""
    return row.startswith(">")


def _is_closed(rows: Sequence[str], span: Sequence[int], markup: str) -> bool:
    first, end = span[0], min(span[1], len(rows))
    closing = rows[end - 1].strip()
    return end - 1 > first and len(closing) >= len(markup) and not closing.strip(markup[0])
