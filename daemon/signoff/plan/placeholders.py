"""What a template leaves to be filled in: `<the address>`, `{{title}}`, `<% tp.date.now() %>`.

In the explicit forms only that counts which is a placeholder as a whole: a value, or a line of a text that
says in several words what belongs there. Whatever else stands in angle brackets or braces (an address, a
tag, a line of code) is what the author means. (`signoff.plan.dialects` guesses more, where it guesses at
all.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from signoff.model import Json
from signoff.note.places import Path

_ANGLE = re.compile(r"<(?P<inner>[^\W\d_][^<>\n]{0,198})>")
_BRACES = re.compile(r"(?<!\$)\{\{[^{}\n]{0,200}\}\}|<%[^\n]{0,200}%>")
_LONGEST = 204
"""Characters of a placeholder."""


def is_placeholder(text: str) -> bool:
    """Whether a value is nothing but a placeholder. `<ana@example.com>` is an address, and none."""
    whole = text.strip()
    if len(whole) > _LONGEST:
        return False
    if _BRACES.fullmatch(whole):
        return True
    found = _ANGLE.fullmatch(whole)
    return found is not None and _asks(found["inner"], alone=True)


def placeholders_in(value: Json, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Each placeholder in a value, with its path: whole texts, and whole lines of longer ones."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from placeholders_in(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from placeholders_in(inner, (*path, index))
    elif isinstance(value, str):
        if is_placeholder(value):
            yield path, value.strip()
        elif "<" in value and "\n" in value:
            lines = (line.strip() for line in value.split("\n"))
            yield from ((path, line) for line in lines if _is_placeholder_line(line))


def marks_in(line: str) -> tuple[str, ...]:
    """Whatever in a line of a template looks like something to be filled in; to be named, not refused."""
    angles = (found for found in _ANGLE.finditer(line) if _asks(found["inner"], alone=False))
    found = sorted([*angles, *_BRACES.finditer(line)], key=lambda each: each.start())
    return tuple(each[0] for each in found)


def _is_placeholder_line(line: str) -> bool:
    found = _ANGLE.fullmatch(line)
    return found is not None and _asks(found["inner"], alone=False)


def _asks(inner: str, *, alone: bool) -> bool:
    """Whether words in angle brackets ask for something, and are no address, link or tag."""
    if " " in inner.strip():
        return not re.search(r"=\s*[\"']|/\s*\Z", inner)
    return alone and not re.search(r"[@:/=]", inner)
