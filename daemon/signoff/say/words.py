"""Plain words: times, durations, numbers, names, and what to do about each reason code. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

ADVICE: dict[str, str] = {
    "unknown-plan": "Move the note to the inbox folder. It is checked there and shown for approval.",
    "consumed": "To do it again, copy the note to the inbox folder without its `id` and approve the copy.",
    "no-gesture": "Approve or refuse it in the note.",
    "refused-by-gesture": "To approve it after all, set `status: approved`.",
    "unknown-approver": "Write `approved_by` with the name of an approver in config/signoff.toml.",
    "proposer-approves": "Somebody other than the proposer must approve it.",
    "method-insufficient": "Approve it with the stronger evidence that the note asks for.",
    "evidence-invalid": "Type a fresh code as `approval_code`, or sign again with `signoff approve`.",
    "approvers-missing": "The other approvers must approve it too.",
    "digest-changed": "Read the calls as they are now and approve again if they are right.",
    "action-outside": "Nothing outside the approved calls was made. Check the note, then approve it again.",
    "expired": "Approve it again, with a later `expires` if it needs more time.",
    "dependency-unmet": "It starts when the plans it depends on are done.",
    "not-presented": "Read the calls in the note first, then approve.",
    "duplicate-id": "Two notes have the same `id`. Delete the `id` line in the one that is new.",
    "conflict-copy": "Two devices changed this note. Keep the right one, under the old name.",
    "definition-changed": "The server changed this tool. Read the calls as they are now and approve again.",
    "denied-by-policy": "The rules in config/policy.yaml forbid this call. Change the plan or the rules.",
    "limits-violated": "A value is outside its limits. Read the final values, then approve or refuse them.",
    "revoked": "To go on, approve it again.",
    "outcome-unknown": "Look at the other end whether it happened, then tick the answer in the note.",
    "tool-refused": "Read the server's answer and correct the plan.",
    "done-elsewhere": "Take it back by hand where it was done.",
    "not-sent": "Nothing was sent, so trying again is safe. See what is wrong with `signoff servers check`.",
    "answer-needed": "Answer it in the note, or with `signoff answer`.",
    "answer-unfit": "Correct what is marked, then tick the box again.",
    "answer-not-shown": "Read what would be sent, type a new code, then tick the box again.",
    "answer-unclear": "Tick one of the two boxes.",
    "answer-missing": "Read what the server answered, then approve again if the steps after it should run.",
    "input-required": "The server got no answer. To be asked again, let it be tried again.",
    "rate-limited": "Nothing to do: it is tried again by itself at the time given.",
    "authentication": "Check the server's password, key or token (`signoff servers check`).",
    "answer-unreadable": "Look at the other end whether it happened, then tick the answer in the note.",
    "defect": "Please report it with what logs/signoff.log says of it. Trying again does no harm.",
    "server-error": "It may have happened all the same. Look at the other end before you try again.",
    "server-unavailable": "See what is wrong with `signoff servers check`.",
    "note-deleted": "Nothing to do. If the note comes back, the plan is shown for approval again.",
    "note-changed": "Nothing to do: the note was edited meanwhile and is read again.",
}
"""What a person can do now, by reason code. Code spans in backticks; no other Markdown."""


def advice(code: str) -> str:
    """What to do about a reason code; empty for one without advice."""
    return ADVICE.get(code, "")


def moment(time: str | datetime, zone: tzinfo) -> str:
    """A time with its date and zone: `2026-11-21 14:05 (Europe/Berlin)`.

    Notes keep what is written into them, so there is no "today" in it, which is wrong tomorrow.
    """
    local = _local(time, zone)
    return f"{local:%Y-%m-%d %H:%M} ({zone_name(zone, local)})"


def moment_near(time: str | datetime, zone: tzinfo, now: datetime) -> str:
    """A time as said at `now`: `today 14:05 (Europe/Berlin)`; for what is shown once, as in a terminal."""
    local = _local(time, zone)
    days = (local.date() - now.astimezone(zone).date()).days
    day = {-1: "yesterday", 0: "today", 1: "tomorrow"}.get(days, f"{local:%Y-%m-%d}")
    return f"{day} {local:%H:%M} ({zone_name(zone, local)})"


def clock(time: str | datetime, zone: tzinfo) -> str:
    """Date and time of day to the second, without the zone: for tables that name it once."""
    return f"{_local(time, zone):%Y-%m-%d %H:%M:%S}"


def property_time(time: str | datetime, zone: tzinfo) -> str:
    """Local time with its offset, to the second: for front matter."""
    return _local(time, zone).isoformat(timespec="seconds")


def _local(time: str | datetime, zone: tzinfo) -> datetime:
    return (datetime.fromisoformat(time) if isinstance(time, str) else time).astimezone(zone)


def zone_name(zone: tzinfo, at: datetime) -> str:
    """The name that people know a zone by: `Europe/Berlin`, `UTC`, `UTC+02:00`."""
    key = getattr(zone, "key", None)
    return key if isinstance(key, str) else at.astimezone(zone).tzname() or "local time"


def duration(seconds: float | timedelta) -> str:
    """A length of time in at most two units: `300 ms`, `5 minutes`, `1 day and 2 hours`."""
    total = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
    if total < 1:
        return f"{round(total * 1000)} ms"
    rest = round(total)
    parts: list[str] = []
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(plural(count, unit))
        elif parts:
            break  # two units that touch each other, or one
        if len(parts) == 2:
            break
    return " and ".join(parts)


def from_cache(asked: str, cached_at: str | None) -> str:
    """`answer from the cache, 3 minutes old`; empty where it came from the server.

    Args:
        asked: when the answer was asked for.
        cached_at: when it was given; None where it was given then.
    """
    if cached_at is None:
        return ""
    age = max(0.0, (datetime.fromisoformat(asked) - datetime.fromisoformat(cached_at)).total_seconds())
    return f"answer from the cache, {duration(age)} old"


def plural(count: int, noun: str, many: str | None = None) -> str:
    """`1 step`, `2 steps`, `2 replies`."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def joined(names: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`; the names come escaped."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {last} {names[-1]}"
