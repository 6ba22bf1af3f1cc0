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
        raise ConfigError(
            f"This is not JSON: {error.msg}.",
            hint=_hint(error),
            file=file,
            line=error.lineno,
            column=error.colno,
        ) from error
    except RecursionError:
        raise ConfigError("This JSON is nested too deeply.", file=file) from None


def _hint(error: json.JSONDecodeError) -> str:
    if error.msg == "Extra data":
        return "Something follows the end of the JSON there: take it out."
    if not error.doc[: error.pos].strip():
        return "The file must begin with { or [: take out what stands before."
    return "Look for a missing quote, comma or bracket just before."


def line_of(text: str, path: list[str], *, last: bool = False) -> int | None:
    """The line, from 1, of the key at the end of a path of keys; None where it is not found."""
    position = 0
    for key in path:
        found = list(re.finditer(re.escape(json.dumps(key, ensure_ascii=False)) + r"\s*:", text[position:]))
        if not found:
            return None
        position += found[-1 if last else 0].start()
    return text.count("\n", 0, position) + 1
