"""JSON values as YAML on one line, so that the strict reader and every other one read the same back."""

from __future__ import annotations

import json
import math
import re

from signoff.errors import SignoffError
from signoff.model import Json
from signoff.note.scalars import MAX_EXACT, NotExact, resolve

_PLAIN = re.compile(r"[^\W_](?:[\w ./()+,;!?@=€$%–—…’-]|:(?=[^\s\"'\[{]))*\Z")
"""One line of letters, digits and harmless signs; quoted otherwise."""
_FLOW_PLAIN = re.compile(r"[A-Za-z_][\w./-]*\Z", re.ASCII)
_OTHER_TYPE = re.compile(
    r"(?:y|n|yes|no|on|off)\Z|[-+]?[0-9][0-9_,.]*\Z|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?\Z"
    r"|0[bxo][0-9a-f_]+\Z|[-+]?[0-9][0-9_]*\.?[0-9_]*e[-+]?[0-9]+\Z",
    re.IGNORECASE,
)
"""What YAML 1.1 readers take for a truth value or a number although it is text here."""
_ESCAPED = re.compile(
    "[\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\uffff\U000e0000-\U000e0fff]"
)
"""Raw, these would be refused on reading, or could not be seen."""


class CannotSplice(SignoffError):
    """The note cannot be changed without touching what a person wrote; nothing was changed."""

    code = "cannot-splice"


def as_yaml(value: Json) -> str:
    """A value as YAML on one line: plain where that is safe everywhere, else in double quotes.

    Raises:
        CannotSplice: `value-not-exact`, for what YAML cannot carry without change.
    """
    if isinstance(value, str):
        return _text(value)
    return _flow(value)


def _flow(value: Json) -> str:
    if isinstance(value, str):
        return value if _FLOW_PLAIN.match(value) and _is_text(value) else _quoted(value)
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    return _number(value)


def _number(value: float | bool | None) -> str:  # noqa: FBT001 - a JSON value, not a switch
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if (isinstance(value, int) and abs(value) > MAX_EXACT) or not math.isfinite(value):
        raise CannotSplice(f"The number {value} cannot be written exactly.", code="value-not-exact")
    return repr(value)


def _text(value: str) -> str:
    plain = _PLAIN.match(value) and value[-1] not in " :" and not value.endswith("---") and _is_text(value)
    return value if plain else _quoted(value)


def _is_text(value: str) -> bool:
    """Is the unquoted value text to the strict reader and to readers of YAML 1.1?"""
    try:
        return isinstance(resolve(value), str) and not _OTHER_TYPE.match(value)
    except NotExact:
        return False


def _quoted(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise CannotSplice("A text has half a character in it.", code="value-not-exact") from None
    return _ESCAPED.sub(_escape, json.dumps(value, ensure_ascii=False))


def _escape(match: re.Match[str]) -> str:
    point = ord(match[0])
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"
