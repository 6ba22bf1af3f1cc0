"""Plans that repeat: when the next run is due, and what it is. Pure.

A plan with `schedule` never calls anything itself. At each due time it has an occurrence: a plan of its own,
with a note of its own, whose content is the parent's without the schedule and under an id of its own. It
runs under the parent's approval, until that ends.

However many due times passed without a run (the daemon was down, the machine slept, the run before had not
ended), there is at most one run for them, of the latest; the others are counted as missed.

The clock on the wall counts for cron: a time that daylight saving leaves out is due when the clock has been
put forward, one that it repeats is due once, the first time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import cast

from signoff.canonical import canonical, digest_of
from signoff.config import parse_duration
from signoff.cron import Cron, read_cron
from signoff.model import FrozenPlan, Json, JsonObject
from signoff.note.splice import set_keys, set_section
from signoff.plan.freeze import thaw
from signoff.plan.times import read_time
from signoff.say.escape import is_linkable

LEAST = timedelta(minutes=1)
"""Two runs of a plan are at least this far apart, whatever its schedule says."""
MOST_COUNTED = 1000
"""Missed runs are counted up to here."""
LATE = timedelta(minutes=1)
"""A run that begins this long after it was due is late, and the due time was missed."""
_EVERY = re.compile(r"every\s+(\S+)", re.IGNORECASE)
_OWN_KEYS = ("status", "risk", "digest", "progress", "started", "finished", "next_run", "error", "run")


@dataclass(frozen=True, slots=True)
class Due:
    """A run that is due.

    Attributes:
        at: the time it was due at, in UTC.
        missed: how many due times before it passed without a run, up to `MOST_COUNTED`.
    """

    at: datetime
    missed: int = 0


def next_time(schedule: str, after: datetime, zone: tzinfo) -> datetime | None:
    """The first due time after a moment, in UTC; None for a schedule that never comes due again.

    Args:
        schedule: five cron fields, read in local time, or `every` with a duration, counted from `after`.
        after: the approval, or the last run that was due.
        zone: local time.
    """
    every = _EVERY.fullmatch(schedule)
    if every is not None:
        try:
            return after + _period(every)
        except OverflowError:
            return None
    cron = _cron(schedule)
    return _first(cron, after, zone) if cron is not None else None


def due(schedule: str, after: datetime, now: datetime, zone: tzinfo) -> Due | None:
    """The latest run that is due by now, with those before it counted as missed; None where none is."""
    every = _EVERY.fullmatch(schedule)
    if every is not None:
        passed = max(0, (now - after) // _period(every))
        return Due(after + passed * _period(every), min(passed - 1, MOST_COUNTED)) if passed else None
    cron = _cron(schedule)
    at = _latest(cron, now, zone) if cron is not None else None
    if cron is None or at is None or at <= after:
        return None
    missed, moment = 0, _first(cron, after, zone)
    while moment is not None and moment < at and missed < MOST_COUNTED:
        missed, moment = missed + 1, _first(cron, moment, zone)
    return Due(at, missed)


def counted_from(schedule: str, approved: datetime, run_at: datetime | None) -> datetime:
    """The moment after which the first run is due: the approval, or just before a `run_at` after that.

    So a plan of every hour has its first run at `run_at`, and one with cron at the first due time from it on.
    """
    if run_at is None or run_at <= approved:
        return approved
    every = _EVERY.fullmatch(schedule)
    return run_at - (_period(every) if every is not None else timedelta(seconds=1))


def not_before(frozen: FrozenPlan, zone: tzinfo) -> datetime | None:
    """The `run_at` of a plan, in UTC; None where it has none."""
    return read_time(frozen.run_at, zone=zone, key="run_at") if frozen.run_at is not None else None


def first_begin(frozen: FrozenPlan, approved: str, zone: tzinfo) -> datetime | None:
    """When a plan begins that is approved then; None for one that begins at once, or never."""
    start = not_before(frozen, zone)
    if frozen.schedule is None:
        return start
    return next_time(
        frozen.schedule, counted_from(frozen.schedule, datetime.fromisoformat(approved), start), zone
    )


def _period(every: re.Match[str]) -> timedelta:
    return max(timedelta(seconds=parse_duration(every[1])), LEAST)


def _cron(schedule: str) -> Cron | None:
    """The schedule read; None for one that only an earlier version could read."""
    try:
        return read_cron(schedule)
    except ValueError:
        return None


def _first(cron: Cron, after: datetime, zone: tzinfo) -> datetime | None:
    start = after.astimezone(zone).replace(tzinfo=None, fold=0)
    return _along(cron.after, start, zone, lambda moment: moment > after)


def _latest(cron: Cron, now: datetime, zone: tzinfo) -> datetime | None:
    local = now.astimezone(zone)
    first, second = (local.replace(fold=fold).utcoffset() or timedelta(0) for fold in (0, 1))
    ahead = first - second if local.fold else timedelta(0)  # of a repeated hour, all was due the first time
    start = local.replace(tzinfo=None, fold=0) + ahead
    return _along(cron.until, start, zone, lambda moment: moment <= now, back=timedelta(minutes=1))


def _along(
    step: Callable[[datetime], datetime | None],
    start: datetime,
    zone: tzinfo,
    good: Callable[[datetime], bool],
    back: timedelta = timedelta(0),
) -> datetime | None:
    """Step over due times on the wall until one is good as a moment: where the clock is put, some are not."""
    wall = step(start)
    while wall is not None:
        moment = _moment(wall, zone)
        if good(moment):
            return moment
        wall = step(wall - back)
    return None


def _moment(wall: datetime, zone: tzinfo) -> datetime:
    """When a clock on the wall first shows this, in UTC; where it never does, when it was put forward."""
    before = wall.replace(tzinfo=zone).astimezone(UTC)
    if before.astimezone(zone).replace(tzinfo=None, fold=0) == wall:
        return before
    earliest, latest = wall.replace(tzinfo=zone, fold=1).astimezone(UTC), before
    offset = latest.astimezone(zone).utcoffset()
    while latest - earliest > timedelta(seconds=1):
        middle = earliest + (latest - earliest) // 2
        if middle.astimezone(zone).utcoffset() == offset:
            latest = middle
        else:
            earliest = middle
    return latest.replace(microsecond=0)


def occurrence_id(parent: str, at: datetime) -> str:
    """The id of the run that was due at a time, such as `report-7f3a9c--20261121T0900Z`."""
    return f"{parent}--{at.astimezone(UTC):%Y%m%dT%H%MZ}"


def occurrence_of(parent: FrozenPlan, at: datetime) -> FrozenPlan:
    """The content of one run: the parent's, once, under an id of its own."""
    content = as_occurrence(parent.content, occurrence_id(parent.id, at))
    return thaw(canonical(content), digest=digest_of(content))


def as_occurrence(content: JsonObject, own_id: str) -> JsonObject:
    """A plan's content as that of one of its runs."""
    return {**content, "id": own_id, "schedule": None, "run_at": None, "depends_on": cast("list[Json]", [])}


def occurrence_note(data: bytes, own_id: str, parent_note: str) -> bytes:
    """The note of one run: the parent's, without its schedule and what the daemon wrote into it.

    Args:
        data: the parent's note.
        own_id: the run's id.
        parent_note: the name of the parent's note, without folder and ending, for a link.
    """
    of = f"[[{parent_note}]]" if is_linkable(parent_note) else parent_note
    keys: dict[str, Json] = dict.fromkeys(_OWN_KEYS)
    keys |= dict.fromkeys(("schedule", "run_at", "depends_on", "approved_by", "approved", "approval_code"))
    keys |= {"id": own_id, "status": "approved", "occurrence_of": of}
    return set_keys(set_section(data, None), keys)
