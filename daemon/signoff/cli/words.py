"""Words that several commands use."""

from __future__ import annotations

from datetime import UTC, datetime

from tzlocal import get_localzone

from signoff.say.words import moment_near


def ago(time: str) -> str:
    """A recorded time by how long ago it was: `5 min ago`."""
    seconds = max(0, int((datetime.now(UTC) - datetime.fromisoformat(time)).total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return "now"


def near(time: str) -> str:
    """A recorded time as said now, in local time: `today 14:05 (Europe/Berlin)`."""
    zone = get_localzone() or UTC
    return moment_near(time, zone, datetime.now(zone))
