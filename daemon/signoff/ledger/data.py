"""What an entry's `data` holds, read without faith: what is not as it should be counts as not there."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from signoff.model import Json, JsonObject

Word = TypeVar("Word", bound=StrEnum)


def text_of(data: JsonObject, key: str, default: str = "") -> str:
    """A text."""
    value = data.get(key)
    return value if isinstance(value, str) else default


def optional_of(data: JsonObject, key: str) -> str | None:
    """A text; None where there is none."""
    value = data.get(key)
    return value if isinstance(value, str) else None


def object_of(value: Json) -> JsonObject:
    """An object; an empty one where it is none."""
    return value if isinstance(value, dict) else {}


def time_of(data: JsonObject, key: str) -> str | None:
    """A moment that can be compared: ISO 8601 with a zone; None where it is none."""
    value = optional_of(data, key)
    if value is None:
        return None
    try:
        return value if datetime.fromisoformat(value).tzinfo is not None else None
    except ValueError:
        return None


def word_of(kind: type[Word], data: JsonObject, key: str, default: Word) -> Word:
    """A value of an enumeration; the default for one that this program does not know."""
    try:
        return kind(text_of(data, key))
    except ValueError:
        return default


def count_of(data: JsonObject, key: str) -> int:
    """A whole number above 0; 0 where it is none."""
    value = data.get(key)
    return value if isinstance(value, int) and value > 0 else 0
