"""Times as people write them in a note.

The documented rule for `run_at` and `expires`:

* ISO 8601 with a zone (`2026-03-01T09:00:00Z`, `2026-03-01 09:00+02:00`) is that moment;
* without a zone it is local time; where the clocks go back, the earlier of the two moments;
  where they go forward over it, that moment as a clock shows it that was not put (so the new one is later);
* a date alone is the end of that day for `expires` and its start for `run_at`, both in local time;
* `+00:00Z`, which several programs write, says UTC twice and is read as UTC; any other zone that is
  given twice is not readable;
* what lies before all years or after them (`9999-12-31T23:59:59Z`, which many programs write for "never")
  is the first or the last moment that every zone still has a date for;
* whatever else is unreadable: the note stays a draft. It never means "forever".
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

from signoff.errors import NoteError

FIRST = datetime(1, 1, 2, tzinfo=UTC)
LAST = datetime(9999, 12, 30, 23, 59, 59, tzinfo=UTC)
"""The bounds of what has a date in every zone."""
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?) ?(Z|z|[+-]\d{2}(?::?\d{2})?)?", re.ASCII
)
_HINT = (
    "Write it like 2026-03-01T09:00:00+01:00, or 2026-03-01 09:00 for local time, "
    "or 2026-03-01 for the whole day."
)


def read_time(text: str, *, zone: tzinfo, end_of_day: bool = False, key: str = "time") -> datetime:
    """A moment, in UTC, after the rule of this module.

    Args:
        text: as written in the note.
        zone: local time, for texts that name no zone.
        end_of_day: a date alone means its last second rather than its first.
        key: the name of the key, for the message.

    Raises:
        NoteError: `time-unreadable`; without line and column, which the caller knows.
    """
    written = text.strip()
    moment = _moment(written, zone, end_of_day=end_of_day)
    if moment is not None:
        return min(max(moment, FIRST), LAST)
    raise NoteError(
        f"`{key}: {written[:60]}` is not a date or time that can be read.", code="time-unreadable", hint=_HINT
    )


def _moment(written: str, zone: tzinfo, *, end_of_day: bool) -> datetime | None:
    """The moment in UTC, or None where the text is unreadable."""
    if written.endswith("+00:00Z"):
        written = written.removesuffix("+00:00Z") + "Z"
    try:
        if _DATE.fullmatch(written):
            day = f"{written}T{'23:59:59' if end_of_day else '00:00:00'}"
            return _local(datetime.fromisoformat(day), zone)
        if parts := _TIME.fullmatch(written):
            date, time, offset = parts.groups()
            moment = datetime.fromisoformat(f"{date}T{time}{(offset or '').upper()}")
            return moment.astimezone(UTC) if offset else _local(moment, zone)
    except (ValueError, OverflowError):  # the 31st of June, 25 o'clock; before the year 1 in UTC
        pass
    return None


def _local(moment: datetime, zone: tzinfo) -> datetime:
    """A local time in UTC; what has no date there is one of the bounds."""
    try:
        return moment.replace(tzinfo=zone).astimezone(UTC)
    except OverflowError:
        return FIRST if moment.year == 1 else LAST


def expiry(
    note_expires: str | None,
    *,
    policy_ttl: float | None,
    settings_ttl: float,
    approved_at: datetime,
    zone: tzinfo,
) -> datetime:
    """Until when an approval given at `approved_at` holds, in UTC; never without an end.

    The earliest of what the note says and the longest that the policy allows. A note that names no
    expiry gets `settings_ttl` in its place.

    Args:
        note_expires: the note's text, or None.
        policy_ttl: the longest expiry of the policy in seconds, or None where it sets none.
        settings_ttl: seconds, for a note that names no expiry.
        approved_at: with a zone.
        zone: local time.

    Raises:
        NoteError: `time-unreadable`.
    """
    approved = approved_at.astimezone(UTC)
    named = (
        approved + timedelta(seconds=settings_ttl)
        if note_expires is None
        else read_time(note_expires, zone=zone, end_of_day=True, key="expires")
    )
    return named if policy_ttl is None else min(named, approved + timedelta(seconds=policy_ttl))
