"""What stands in a note only to be filled in: placeholders, and words that say there is nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from signoff.model import Json

_ABSENT = frozenset(
    [
        "none",
        "n a",
        "na",
        "null",
        "nil",
        "unknown",
        "unspecified",
        "not specified",
        "not provided",
        "not set",
        "not available",
        "not applicable",
        "undefined",
        "no content",
        "no subject",
        "no body",
        "no text",
        "no message",
        "empty",
        "missing",
        "see below",
        "see above",
        "see draft",
        "see draft below",
        "see attached",
        "see content below",
        "see body below",
        "see message below",
        "as below",
        "below",
        "no specific content provided",
        "no content provided",
        "no message provided",
        "to be determined",
        "to be decided",
        "to be added",
        "to be filled in",
    ]
)
_NOT_WORD = re.compile(r"[\W_]+")
_BRACES = re.compile(
    r"\{\{[^{}\n]{0,200}\}\}|\$\{[^{}\n]{0,200}\}|<%[^%\n]{0,200}%>|\{[A-Z][A-Z0-9_]{2,60}\}"
)
_TODO = re.compile(r"\b(?:TODO|TBD|TBC|FIXME|XXX+|PLACEHOLDER|CHANGEME|LOREM IPSUM)\b|\?\?\?+|____+")
_DOTS = re.compile(r"[ \t]*(?:\.{3,}|…|\[\.{3}\]|\[…\])[ \t]*\Z")
_SQUARE = re.compile(r"(?<!\[)(?<!\\)\[(?P<inner>[^\[\]\n]{2,200})\](?![(\[\]:])")
_ANGLE = re.compile(r"<(?P<inner>[^<>\n]{2,100})>")
_SLOT = re.compile(
    r"\b(?:your|insert|enter|add|edit|fill|replace|name|date|time|amount|e-?mail|address|company|link|url|number"
    r"|signature|phone|title|subject|body|message|text|content|recipient|client|customer|sender|response|reply"
    r"|here|project|invoice|placeholder|value|position|role|product|topic|contact|first|last|day|month|year)\b",
    re.IGNORECASE,
)
_HTML = re.compile(
    r"/?(?:a|b|i|u|s|p|br|hr|em|strong|div|span|ul|ol|li|table|tr|td|th|tbody|thead|h[1-6]|img|code|pre|sub|sup"
    r"|blockquote|html|head|body|style|small|mark|del|ins|details|summary)(?:[ \t/][^<>]*)?\Z",
    re.IGNORECASE,
)
_TAG = re.compile(r"[A-Z0-9 :#/-]{2,24}\Z")


def is_absent(value: Json) -> bool:
    """Whether a value says that there is none: nothing, `none`, `N/A`, `see below`, `-`."""
    if value is None or value in ([], {}):
        return True
    if not isinstance(value, str):
        return False
    if len(value) > 60:
        return not value.strip()
    bare = value.strip().strip("*_`[]()<>\"'").strip()
    return not re.search(r"\w|\.\.|…|\?|!", bare) or _NOT_WORD.sub(" ", bare).strip().lower() in _ABSENT


def placeholder_in(text: str) -> tuple[int, str] | None:
    """Where a text has something to be filled in, and what; None where it has not."""
    return min(_placeholders(text), default=None)


def _placeholders(text: str) -> Iterator[tuple[int, str]]:
    for pattern in (_BRACES, _TODO):
        if found := pattern.search(text):
            yield found.start(), found[0]
    at = 0
    for line in text.split("\n"):
        if ("." in line or "…" in line) and _DOTS.match(line):
            yield at, line.strip()
            break
        at += len(line) + 1
    yield from _bracketed(text)


def _bracketed(text: str) -> Iterator[tuple[int, str]]:
    for found in _SQUARE.finditer(text):
        inner = found["inner"].strip()
        if _is_slot(inner):
            yield found.start(), found[0]
            break
    whole = text.strip()
    for found in _ANGLE.finditer(text):
        inner = found["inner"].strip()
        if "@" in inner or "://" in inner or (_HTML.match(inner) and found[0] != whole):
            continue
        if (
            found[0] == whole
            or (" " in inner and "=" not in inner)
            or _SLOT.fullmatch(inner.replace("_", " "))
        ):
            yield found.start(), found[0]
            break


def _is_slot(inner: str) -> bool:
    """Whether what stands in brackets is there to be replaced: `Your Name`, not `x`, `1` or `URGENT`."""
    words = inner.replace("_", " ")
    if not re.search(r"[^\W\d_]{2}", words):
        return False
    if _SLOT.search(words):
        return True
    return len(words.split()) > 1 and not _TAG.match(inner)
