"""From a template to the text and the name of a new note. Pure.

Filled in is what Obsidian's own templates know: `{{title}}`, `{{date}}`, `{{time}}`, the last two with a
format (`{{date:YYYY-MM-DD}}`). What stands alone as a value, or within double quotes, is quoted as YAML
needs it. Everything else that asks for something is left to the person, and named.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime

from signoff.note.quoting import as_yaml
from signoff.plan.placeholders import marks_in

LONGEST_NAME = 120
"""Bytes of a note's name in UTF-8, its `.md` left out; file systems allow 255."""

_KNOWN = re.compile(r"\{\{\s*(title|date|time)\s*(?::([^{}\n]{1,60}))?\s*\}\}", re.IGNORECASE)
_VALUE = re.compile(r"(?P<head>\s*(?:-\s+)?[\w-]+:[ \t]+)(?P<mark>\{\{[^{}\n]*\}\})[ \t]*\Z")
_TITLE = re.compile(r"(?<=\n)title:[ \t]*<[^<>\n]*>(?=[ \t]*\r?\n)")
_DATE, _TIME = "YYYY-MM-DD", "HH:mm"
_PARTS = re.compile(r"\[[^\]\n]*\]|YYYY|YY|MMMM|MMM|MM|M|DD|D|dddd|ddd|HH|H|mm|ss|[A-Za-z]+")
_FORBIDDEN = re.compile(r'[<>:"/\\|?*#^\[\]\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+')
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)
_CONFLICT = re.compile(r"conflicted copy|sync-conflict", re.IGNORECASE)
"""What sync tools call copies; a note of such a name is never read as a plan."""


@dataclass(frozen=True, slots=True)
class Left:
    """Something that is left to the person: its line, from 1, and what it says."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Filled:
    """The text of a new note, the placeholders that were filled in, and what is left."""

    text: str
    done: tuple[str, ...]
    left: tuple[Left, ...]


def fill(template: str, *, title: str, now: datetime, titled: bool = False) -> Filled:
    """The text of a note made from a template.

    Args:
        template: its text.
        title: what the note is called, on one line.
        now: local time.
        titled: somebody has given the title, so that a property `title: <...>` is filled in with it too.
    """
    done: dict[str, None] = {}
    if titled:
        template = _TITLE.sub("title: {{title}}", template, count=1)
    lines = [
        _fill_line(line.removesuffix("\r"), title, now, done) + "\r" * line.endswith("\r")
        for line in template.split("\n")
    ]
    left = [Left(number, mark) for number, line in enumerate(lines, 1) for mark in marks_in(line)]
    return Filled("\n".join(lines), tuple(done), tuple(left))


def _fill_line(line: str, title: str, now: datetime, done: dict[str, None]) -> str:
    """A line with the placeholders that are known filled in; noted in `done`."""
    whole = _VALUE.match(line)
    alone = whole is not None and _KNOWN.fullmatch(whole["mark"]) is not None

    def value(found: re.Match[str]) -> str:
        done.setdefault(found[1].lower())
        text = _value(found, title, now)
        if alone:
            return as_yaml(text)
        return json.dumps(text, ensure_ascii=False)[1:-1] if _in_quotes(line, found.start()) else text

    return _KNOWN.sub(value, line)


def _value(found: re.Match[str], title: str, now: datetime) -> str:
    name = found[1].lower()
    if name == "title":
        return title
    return formatted(now, found[2] or (_DATE if name == "date" else _TIME))


def _in_quotes(line: str, position: int) -> bool:
    """Whether a place in a line stands within double quotes."""
    return len(re.findall(r'(?<!\\)"', line[:position])) % 2 == 1


def formatted(now: datetime, pattern: str) -> str:
    """A time in the way of Obsidian's templates (`YYYY-MM-DD`, `HH:mm`, `[text]`); unknown letters stay."""
    values = {
        "YYYY": f"{now.year:04}",
        "YY": f"{now.year % 100:02}",
        "MMMM": f"{now:%B}",
        "MMM": f"{now:%b}",
        "MM": f"{now.month:02}",
        "M": str(now.month),
        "DD": f"{now.day:02}",
        "D": str(now.day),
        "dddd": f"{now:%A}",
        "ddd": f"{now:%a}",
        "HH": f"{now.hour:02}",
        "H": str(now.hour),
        "mm": f"{now.minute:02}",
        "ss": f"{now.second:02}",
    }

    def part(found: re.Match[str]) -> str:
        word = found[0]
        return word[1:-1] if word.startswith("[") else values.get(word, word)

    return _PARTS.sub(part, pattern)


# ---------------------------------------------------------------- names


def note_name(title: str) -> str:
    """A name for a note, without `.md`, that is valid on Linux, macOS and Windows and linkable in Obsidian.

    Empty where nothing of the title can be in a name.
    """
    plain = "".join(
        mark for mark in unicodedata.normalize("NFC", title) if unicodedata.category(mark) != "Cs"
    )
    flat = " ".join(_CONFLICT.sub("copy", _FORBIDDEN.sub(" ", plain)).split()).lstrip(".~$ ").rstrip(". ~")
    short = flat.encode()[:LONGEST_NAME].decode(errors="ignore").rstrip(". ~")
    return f"{short} note" if _DEVICE.fullmatch(short) else short
