"""JSON, as Python holds it, and whether anything in it is filled in at run time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = "dict[str, Json]"

OPEN, CLOSE = "${{", "}}"
"""What stands between these in a text is worked out when the step runs."""


def is_late(value: Json | Mapping[str, Json]) -> bool:
    """Is anything in a value filled in when the step runs?"""
    if isinstance(value, str):
        return OPEN in value
    if isinstance(value, Mapping):
        return any(map(is_late, value.values()))
    return isinstance(value, list) and any(map(is_late, value))
