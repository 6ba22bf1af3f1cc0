"""Words that several commands use."""

from __future__ import annotations

from datetime import UTC, datetime

from tzlocal import get_localzone

from signoff.say.words import moment_near


def near(time: str) -> str:
    """A recorded time as said now, in local time: `today 14:05 (Europe/Berlin)`."""
    zone = get_localzone() or UTC
    return moment_near(time, zone, datetime.now(zone))
