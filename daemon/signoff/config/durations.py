"""Durations as people write them (`500ms`, `30s`, `5m`, `24h`, `7d`) and as seconds.

One whole number and one unit; nothing is guessed: `30` without a unit is an error, because seconds
and minutes are equally likely to be meant.
"""

from __future__ import annotations

import re

_MILLISECONDS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_WORDS = {"ms": "millisecond", "s": "second", "m": "minute", "h": "hour", "d": "day"}
_DURATION = re.compile(r"([0-9]{1,15})\s?(ms|s|m|h|d)")

LONGEST = 3650 * 86_400.0
"""Ten years, in seconds: longer than any approval should live, and short enough for any clock."""


def parse_duration(text: str) -> float:
    """The seconds that a text such as `500ms`, `30s`, `5m`, `24h` or `7d` stands for.

    Raises:
        ValueError: with a message for people, when it is not of this form or beyond ten years.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f"`{text}` is not a duration: write a whole number and a unit, such as 500ms, 30s, 5m, 24h or 7d."
        )
    seconds = int(match[1]) * _MILLISECONDS[match[2]] / 1000
    if seconds > LONGEST:
        raise ValueError(f"`{text}` is longer than ten years.")
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest exact form, to the millisecond: `format_duration(86400.0)` is `24h`.

    `parse_duration` gives the same number back. Whole days are written in days from two on, since
    people say "24 hours" for one.
    """
    number, unit = _largest_unit(seconds)
    return f"{number}{unit}"


def spell_duration(seconds: float) -> str:
    """The same for a sentence: `4 hours`, `1 minute`."""
    number, unit = _largest_unit(seconds)
    return f"{number} {_WORDS[unit]}" + ("" if number == 1 else "s")


def _largest_unit(seconds: float) -> tuple[int, str]:
    total = round(seconds * 1000)
    for unit, least in (("d", 2), ("h", 1), ("m", 1), ("s", 0)):
        number, rest = divmod(total, _MILLISECONDS[unit])
        if rest == 0 and number >= least:
            return number, unit
    return total, "ms"
