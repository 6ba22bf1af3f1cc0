"""JSON as people write it in configuration files: with comments (also `#` lines) and trailing commas.

Both are blanked out in place, so that line and column of an error are those of the file.
"""

from __future__ import annotations

import json
import re
from typing import Any

from signoff.errors import ConfigError

_TOKENS = re.compile(
    r'"(?:\\.|[^"\\])*"|//[^\n]*|^[ \t]*#[^\n]*|/\*.*?\*/|,(?=(?:\s|//[^\n]*|/\*.*?\*/)*[}\]])',
    re.DOTALL | re.MULTILINE,
)


def strip(text: str) -> str:
    """The text without comments and trailing commas, every other character in its place."""
    return _TOKENS.sub(
        lambda found: found[0] if found[0].startswith('"') else re.sub(r"[^\n]", " ", found[0]), text
    )


def load(text: str, file: str) -> Any:
    """The value.

    Raises:
        ConfigError: not JSON, or a key twice in one object; with the place.
    """
    plain = strip(text)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for key, value in pairs:
            if key in seen:
                raise ConfigError(
                    f"The key {key!r} is there twice in one object.",
                    hint="Keep one of them.",
                    file=file,
                    line=line_of(plain, [key], last=True),
                )
            seen[key] = value
        return seen

    try:
        return json.loads(plain, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        what, do = _explained(error)
        raise ConfigError(
            f"This is not JSON: {what}.",
            hint=do,
            file=file,
            line=error.lineno,
            column=error.colno,
        ) from error
    except RecursionError:
        raise ConfigError("This JSON is nested too deeply.", file=file) from None


_BEFORE = "Look at this place, and just before it."
_EXPLAINED = {
    "Extra data": ("it goes on after its end", "Take out what follows the last bracket, from this line on."),
    "Expecting ',' delimiter": ("a comma or a closing bracket is missing", _BEFORE),
    "Expecting ':' delimiter": ("a colon is missing", _BEFORE),
    "Expecting property name enclosed in double quotes": (
        'a name in double quotes ("name") is missing',
        'Write "name": with double quotes, or close the bracket.',
    ),
    "Expecting value": ("a value is missing", _BEFORE),
    "Unterminated string starting at": ("a text has no closing quote", "Close it, on the same line."),
    "Invalid control character at": ("a text goes over several lines", "Put it on one line, or close it."),
    "Invalid \\escape": (
        "a text holds a single backslash",
        'Write each backslash twice: "C:\\\\Users\\\\ana".',
    ),
    "Invalid \\uXXXX escape": ("a text holds a \\u that is no character", "Write the backslash twice."),
}
"""What the parser complains of: in plain words, and what to do."""


def _explained(error: json.JSONDecodeError) -> tuple[str, str]:
    if not error.doc[: error.pos].strip():
        return (
            "it does not begin with { or [",
            "Take out what stands before; of a script or a document, copy the part in brackets.",
        )
    return _EXPLAINED.get(error.msg, (error.msg, _BEFORE))


def line_of(text: str, path: list[str], *, last: bool = False) -> int | None:
    """The line, from 1, of the key at the end of a path of keys; None where it is not found.

    The first of them may also be the `name` of an item in a list.
    """
    position = 0
    for number, key in enumerate(path):
        quoted = re.escape(json.dumps(key, ensure_ascii=False))
        found = list(re.finditer(quoted + r"\s*:", text[position:]))
        if found:
            position += found[-1 if last else 0].start()
            continue
        item = re.search(r'"name"\s*:\s*' + quoted, text) if number == 0 else None
        if item is None:
            return None
        position = item.start() if len(path) == 1 else _opening(text, item.start())
    return text.count("\n", 0, position) + 1


def _opening(text: str, position: int) -> int:
    """Where the object around a position begins."""
    depth = 0
    for index in range(position - 1, -1, -1):
        depth += {"}": 1, "{": -1}.get(text[index], 0)
        if depth < 0:
            return index
    return 0
