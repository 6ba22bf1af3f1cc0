"""The text of a message that has no content heading, in the two places where nothing else could be it.

    ---                                 ---
    action: send_email                  action: send_email
    to: ana@example.com                 to: ana@example.com
    subject: Q4                         subject: Q4
    ---                                 ---
    Dear Ana,                           # Draft Reply
                                        **To:** ana@example.com
    thank you.
                                        ---
                                        Dear Ana,

                                        ---
                                        *Drafted by an agent.*

On the left all of the body is plain text, without headings, labels, boxes, rules or quotes. On the right
the title says that it is a draft, and a rule parts the text from what stands above it. A body that may say
what to write ("Please send the figures"), or that speaks of the note ("for your approval"), is a question,
and so is everything else.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from signoff.catalogue import Action
from signoff.errors import NoteError
from signoff.plan.dialects.body import BLANK, RULE, TEXT, Body, Row, Section
from signoff.plan.dialects.fields import LABEL
from signoff.plan.dialects.headings import is_drafted, suits
from signoff.plan.dialects.texts import Found, text_in, unclear

_PREVIEWS = frozenset(
    {"preview", "post_preview", "message_preview", "content_preview", "draft_preview", "text_preview"}
)
_BOX = re.compile(r"[ \t]*(?:[-*+]|\d{1,3}[.)])[ \t]+\[[^\]]\][ \t]")
_TABLE = re.compile(r"[ \t]{0,3}\|")
_ORDER = re.compile(
    r"[ \t]*(?:[-*+][ \t]+)?"
    r"(?:(?:please|kindly|pls|can you|could you|we should|you should|i want you to)[ \t,]+)?"
    r"(?:send|write|draft|create|reply|respond|answer|compose|generate|prepare|post|publish|tweet|share"
    r"|make|follow[ -]up|ask|tell|remind|inform|notify|thank|email|mail|message|contact|call|review|check"
    r"|approve|confirm|schedule|use|attach|include|mention|say|let (?:him|her|them|the)|todo|note|pay"
    r"|transfer|process)\b",
    re.IGNORECASE,
)
"""How a body begins that may say what to write or do, instead of being the text."""
_ABOUT = re.compile(
    r"\b(?:approv(?:al|ed?|es|ing)|reject(?:ed)?|(?:this|the) (?:file|note|draft|request)"
    r"|(?:move|drag) (?:this|it))\b",
    re.IGNORECASE,
)
"""Words of a body that may speak about the note, instead of being the text."""


def drafted_sections(body: Body) -> Iterator[tuple[int, Section]]:
    """The author's own sections whose heading says that a text to be sent is under it; not the title."""
    for number, section in enumerate(body.sections):
        if (
            section.level
            and not section.theirs
            and not _is_title(number, section)
            and is_drafted(section.title)
        ):
            yield number, section


def text_without_heading(body: Body, action: Action, arguments: Collection[str]) -> Found | None:
    """The text; None where there is none that nothing else could be.

    Raises:
        NoteError: `text-unclear`.
    """
    if len(body.sections) == 1:
        return _whole_body(body, arguments)
    if preview := next((each for each in body.sections if each.key in _PREVIEWS and not each.theirs), None):
        raise NoteError(
            f"`{preview.title[:60]}` may be cut off, so it is not taken for the text.",
            code="text-missing",
            hint="If it is the whole text, change the heading to `## Message`.",
            line=preview.line,
        )
    title = body.sections[1]
    if _is_title(1, title) and not title.theirs and is_drafted(title.title) and suits(title.title, action):
        return _below_rule(body, title, arguments)
    return None


def _is_title(number: int, section: Section) -> bool:
    return section.level == 1 and number == 1


def _whole_body(body: Body, arguments: Collection[str]) -> Found | None:
    rows = body.own_rows(body.sections[0])
    filled = [row for row in rows if row.kind != BLANK]
    if not filled or not all(_is_plain(row) for row in filled):
        return None
    odd = next((row for row in filled if _ABOUT.search(row.text)), None)
    if _ORDER.match(filled[0].text) or odd is not None:
        raise unclear(
            odd.line if odd else filled[0].line,
            "It is not plain whether this is the text to be sent, or a remark about it.",
            "If it is the text, put a heading `## Message` above it.",
        )
    return text_in(body, body.sections[0].first, body.sections[0].last, arguments)


def _is_plain(row: Row) -> bool:
    """Whether a row is plain text: no label, box, or row of a table."""
    return row.kind == TEXT and not (LABEL.match(row.text) or _BOX.match(row.text) or _TABLE.match(row.text))


def _below_rule(body: Body, title: Section, arguments: Collection[str]) -> Found | None:
    """The text after the first rule below a title, where only labels stand above that rule."""
    index = title.first
    while index < title.last and (body.rows[index].kind == BLANK or LABEL.match(body.rows[index].text)):
        index += 1
    if index >= title.last or body.rows[index].kind != RULE:
        return None
    return text_in(body, index, title.last, arguments)
