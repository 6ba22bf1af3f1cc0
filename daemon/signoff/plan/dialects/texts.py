"""The text of a message: what stands under a content heading or after a bold label.

    ## Message                  **Body:**                  ## Draft
                                Dear Ana,                  ```
    Dear Ana,                                              Dear Ana,
                                thank you.                 thank you.
    thank you.                                             ```

A text ends at the next heading that is as high, or at a rule (`---`) after which only remarks in italics
stand. Labels at its very top (`**Subject:** ...`, `Subject: ...`) are fields, not text. Whatever could be
text or not is a question: part of a letter is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from signoff.catalogue import fold_key
from signoff.errors import NoteError
from signoff.plan.dialects.body import BLANK, COMMENT, FENCE, HEADING, QUOTE, RULE, TEXT, Body, Row
from signoff.plan.dialects.fields import LABEL, Field

_REMARK = re.compile(r"[ \t]*(?:\*[^*].*\*|_[^_].*_|\*\*.*\*\*|<!--.*-->|\([^()]*\))[ \t]*\Z")
_FOOTER = re.compile(
    r"[ \t]*[*_(]+[^\n]*\b(?:characters?|chars|words?|generated|drafted|auto\w*|created|queued|edited)\b",
    re.IGNORECASE,
)
_COUNT = re.compile(
    r"[ \t]*[*_]{1,2}\(?(?:character count:?[ ]?)?\d{1,6}(?:[ ]?(?:/|of)[ ]?\d{1,6})?[ ]"
    r"(?:characters?|chars)\)?[*_]{1,2}[ \t]*\Z",
    re.IGNORECASE,
)
_PLAIN_HEADER = re.compile(r"(?P<name>[A-Za-z][A-Za-z -]{0,20}):[ \t]+(?P<value>\S.*)\Z")
_MARK = re.compile(r" {0,3}>[ \t]?")
_CALLOUT = re.compile(r" {0,3}>[ \t]*\[!")
_TEXT_FENCES = frozenset(
    {"", "text", "txt", "plain", "plaintext", "markdown", "md", "email", "mail", "message"}
)


@dataclass(frozen=True, slots=True)
class Found:
    """A text, where it begins, which rows it takes up, and the fields at its top."""

    value: str
    line: int
    column: int
    rows: range
    fields: tuple[Field, ...] = ()


def unclear(line: int, message: str, hint: str, column: int = 1) -> NoteError:
    """The question for a text of which it is not plain where it begins or ends."""
    return NoteError(message, code="text-unclear", hint=hint, line=line, column=column)


def text_in(
    body: Body, first: int, last: int, arguments: Collection[str], *, drafted: bool = False
) -> Found | None:
    """The text in a range of rows; None where there is none.

    Args:
        body: of the note.
        first, last: the rows, as indexes.
        arguments: folded names of the action's arguments.
        drafted: it is said to be a draft, so that a text which is quoted as a whole is the author's own.

    Raises:
        NoteError: `text-unclear`.
    """
    rows = range(first, last)
    start, fields = _top(body.rows, first, last, arguments)
    start, end = text_bounds(body.rows, start, last)
    lines: Sequence[Row] = body.rows[start:end]
    filled = [row for row in lines if row.kind != BLANK]
    if not filled or all(row.kind == COMMENT for row in filled):
        return Found("", body.rows[first].line if first < last else 1, 1, rows, fields) if fields else None
    if all(row.kind == QUOTE for row in filled):
        if not drafted or _CALLOUT.match(filled[0].text):
            raise unclear(
                filled[0].line,
                "The text is quoted, so it may be somebody else's.",
                "Take the `>` away if it is to be sent.",
            )
        lines = [
            Row(row.line, _MARK.sub("", row.text), BLANK if row.kind == BLANK else TEXT) for row in lines
        ]
        filled = [row for row in lines if row.text.strip()]
        if not filled:
            return None
    if hidden := next((row for row in filled if row.kind == COMMENT), None):
        raise unclear(
            hidden.line, "There is a comment in the text, which is not shown.", "Delete the comment."
        )
    if filled[0].kind == FENCE:
        return _fenced(body, filled, rows, fields)
    if fenced := next((row for row in filled if row.kind == FENCE), None):
        raise unclear(
            fenced.line,
            "Part of the text is in a fence, and part of it is not.",
            "Leave only the text itself under its heading, all of it in the fence or without one.",
        )
    lines = _uncounted(lines)
    filled = [row for row in lines if row.kind != BLANK]
    if not filled:
        return Found("", rows.start, 1, rows, fields)
    _refuse_strange_lines(filled, arguments)
    return Found("\n".join(row.text for row in lines).strip("\n").rstrip(), filled[0].line, 1, rows, fields)


def _uncounted(lines: Sequence[Row]) -> Sequence[Row]:
    """Without a last row that only counts characters (`*(165/280 characters)*`), below a blank one."""
    end = len(lines)
    while end and lines[end - 1].kind == BLANK:
        end -= 1
    if end > 1 and _COUNT.match(lines[end - 1].text) and lines[end - 2].kind == BLANK:
        return lines[: end - 1]
    return lines


def _top(
    rows: Sequence[Row], first: int, last: int, arguments: Collection[str]
) -> tuple[int, tuple[Field, ...]]:
    """The row after the labels at the top, and those labels."""
    fields: list[Field] = []
    index = first
    while index < last:
        row = rows[index]
        match = LABEL.match(row.text) if row.kind == TEXT else None
        if match is not None and not match["box"] and (match["mark"] or not _goes_on(rows, index, last)):
            key = fold_key(match["name"])
            if key in arguments:
                value = match["value"].strip()
                fields.append(Field(match["name"], key, value, row.line, match.start("value") + 1, "label"))
        elif (
            match is not None and not match["box"] and fold_key(match["name"]) in arguments
        ) or row.kind != BLANK:
            break
        index += 1
    return index, tuple(fields)


def _goes_on(rows: Sequence[Row], index: int, last: int) -> bool:
    """Whether a bold label begins a text: nothing stands after it, and text in the next row."""
    match = LABEL.match(rows[index].text)
    after = rows[index + 1] if index + 1 < last else None
    return bool(
        match and not match["value"].strip() and after and after.kind == TEXT and not LABEL.match(after.text)
    )


def text_bounds(rows: Sequence[Row], start: int, last: int) -> tuple[int, int]:
    """Where the text begins and ends: after a rule at its top, before the rule that ends it.

    Raises:
        NoteError: `text-unclear`, where more than remarks stands below that rule.
    """
    while start < last and rows[start].kind in {BLANK, RULE}:
        start += 1
    end = next((index for index in range(start, last) if rows[index].kind == RULE), last)
    remarked = False
    for row in rows[end:last]:
        remark = row.kind == TEXT and _REMARK.match(row.text)
        remarked = remarked or bool(remark)
        quoted = remarked and row.kind == QUOTE  # what it answers
        if row.kind not in {BLANK, RULE, COMMENT} and not (remark or quoted):
            raise unclear(
                row.line,
                "It is not plain whether the text ends at the rule (`---`) or goes on below it.",
                "Delete the rule, or put a heading such as `## Notes` above what is not the text.",
            )
    return start, end


def _fenced(body: Body, filled: Sequence[Row], rows: range, fields: tuple[Field, ...]) -> Found:
    """The one fence that is all of the text."""
    opened = filled[0].line + 1
    fence = body.fences.get(opened)
    height = fence.content.count("\n") + 2 if fence else 0
    alone = len({row.line for row in filled} - set(range(opened - 1, opened + height))) == 0
    if fence is None or not alone or fence.info not in _TEXT_FENCES:
        raise unclear(
            filled[0].line,
            "It is not plain which part of this is the text.",
            "Leave only the text itself under its heading, or in one fence without a language.",
        )
    return Found(fence.content.strip("\n").rstrip(), fence.line, fence.column, rows, fields)


def _refuse_strange_lines(filled: Sequence[Row], arguments: Collection[str]) -> None:
    """Labels of arguments further down, and remarks at the end, are not sent along unasked."""
    for row in filled:
        match = LABEL.match(row.text) if row.kind == TEXT else None
        if match is not None and fold_key(match["name"]) in arguments:
            raise unclear(
                row.line,
                f"`**{match['name'].strip()[:40]}:**` stands within the text.",
                "Move it above the text, or into the front matter.",
            )
    if _FOOTER.match(filled[-1].text) and len(filled) > 1:
        raise unclear(
            filled[-1].line,
            "The last line looks like a remark, not like text to be sent.",
            "Delete it, or put a rule (`---`) above it.",
        )


def header_fields(found: Found, arguments: Collection[str]) -> Found:
    """The same with header lines at the top of the text (`Subject: ...`) as fields."""
    fields: list[Field] = []
    lines = found.value.split("\n")
    count = 0
    while count < len(lines) and (match := _PLAIN_HEADER.match(lines[count])):
        key = fold_key(match["name"])
        if key not in arguments or key not in {"to", "cc", "bcc", "subject"}:
            break
        column = found.column + match.start("value")
        fields.append(Field(match["name"], key, match["value"].strip(), found.line + count, column, "label"))
        count += 1
    if not fields:
        return found
    rest = "\n".join(lines[count:]).strip("\n")
    return Found(rest, found.line + count, found.column, found.rows, (*found.fields, *fields))


def labelled_text(body: Body, label: Field, arguments: Collection[str]) -> Found:
    """The text that a bold label begins.

    Raises:
        NoteError: `text-unclear`.
    """
    inline = str(label.value)
    if label.form in {"table", "parameter"}:
        return Found(inline, label.line, label.column or 1, range(label.row, label.row + 1))
    section = body.sections[label.section]
    rows = body.rows
    end = label.row + 1
    while end < section.last and not (rows[end].kind == TEXT and LABEL.match(rows[end].text)):
        end += 1
    if end < section.last:
        _refuse_unknown_label(rows[end], rows[label.row : end], arguments, has_text=bool(inline))
    if label.bulleted and inline:
        return _item(rows, label, end)
    if not inline:
        found = text_in(body, label.row + 1, end, arguments)
        return found or Found("", label.line, label.column or 1, range(label.row, end))
    start, stop = text_bounds(rows, label.row + 1, end)
    below = rows[label.row + 1 : stop] if start < stop else ()
    if strange := next((row for row in below if row.kind in {FENCE, QUOTE, COMMENT}), None):
        raise unclear(
            strange.line, "It is not plain whether this belongs to the text.", "Put the text under a heading."
        )
    filled = [row for row in below if row.kind == TEXT]
    if filled:
        _refuse_strange_lines([rows[label.row + 1], *filled], ())
    value = "\n".join([inline, *(row.text for row in below)]).rstrip()
    return Found(value, label.line, label.column or 1, range(label.row, stop))


def _item(rows: Sequence[Row], label: Field, end: int) -> Found:
    """The text of a list item: its own line; anything but another item below it is a question."""
    for row in rows[label.row + 1 : end]:
        if row.kind == BLANK:
            continue
        if row.kind in {RULE, HEADING}:
            break
        if re.match(r"[ \t]*(?:[-*+]|\d{1,3}[.)])[ \t]", row.text) and not row.text.startswith(("   ", "\t")):
            break
        raise unclear(
            row.line,
            f"It is not plain whether this still belongs to `{label.name[:40]}`.",
            "Put the whole text under a heading such as `## Message`.",
        )
    return Found(str(label.value), label.line, label.column or 1, range(label.row, label.row + 1))


def _refuse_unknown_label(
    row: Row, before: Sequence[Row], arguments: Collection[str], *, has_text: bool
) -> None:
    """A label that no argument answers to, right in or after a text of several lines, could be part of it."""
    match = LABEL.match(row.text)
    lines = [each for each in before[1:] if each.kind not in {BLANK, RULE}]
    ruled = any(each.kind == RULE for each in before)
    if match is None or match["mark"] or ruled or not (lines or not has_text):
        return
    if lines and fold_key(match["name"]) not in arguments:
        raise unclear(
            row.line,
            f"It is not plain whether `**{match['name'].strip()[:40]}:**` still belongs to the text.",
            "Put the text under a heading such as `## Message`, or a rule (`---`) below it.",
        )
