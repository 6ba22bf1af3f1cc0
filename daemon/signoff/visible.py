"""Text from anywhere on one line, for logs and terminals: nothing in it moves a cursor or forges a line."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """The text on one line, control characters spelled out."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
