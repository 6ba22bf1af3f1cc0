"""Plans that repeat: when the next run is due, and what it is. Pure.

A plan with `schedule` never calls anything itself. At each due time it has an occurrence: a plan of its own,
with a note of its own, whose content is the parent's without the schedule and under an id of its own. It
runs under the parent's approval, until that ends. What was missed while the daemon was down is run once,
late, and the log says how many runs were missed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import cast

from apscheduler.triggers.cron import CronTrigger

from signoff.canonical import canonical, digest_of
from signoff.config import parse_duration
from signoff.model import FrozenPlan, Json, JsonObject
from signoff.note.splice import set_keys, set_section
from signoff.plan.freeze import thaw

LEAST = timedelta(minutes=1)
"""Two runs of a plan are at least this far apart, whatever its schedule says."""
MOST_MISSED = 10_000
_EVERY = re.compile(r"every\s+(\S+)", re.IGNORECASE)
_OWN_KEYS = ("status", "risk", "digest", "progress", "started", "finished", "next_run", "error", "run")


@dataclass(frozen=True, slots=True)
class Due:
    """A run that is due.

    Attributes:
        at: the time it was due at, in UTC.
        missed: how many due times before it passed without a run.
    """

    at: datetime
    missed: int = 0


def next_time(schedule: str, after: datetime, zone: tzinfo) -> datetime | None:
    """The first due time after a moment, in UTC; None for a schedule that never comes due again.

    Args:
        schedule: five cron fields, read in local time, or `every` with a duration, counted from `after`.
        after: the approval, or the last run that was due.
        zone: local time. A time that daylight saving leaves out moves to the next that exists; one that it
            repeats counts once.
    """
    every = _EVERY.fullmatch(schedule)
    if every is not None:
        return after + max(timedelta(seconds=parse_duration(every[1])), LEAST)
    # The clock on the wall is followed as if it were UTC: around a repeated hour, APScheduler 3.11 does not
    # come back from a search in a zone that has one.
    wall = after.astimezone(zone).replace(tzinfo=UTC, fold=0)
    trigger = CronTrigger.from_crontab(schedule, timezone=UTC)
    found: datetime | None = trigger.get_next_fire_time(None, wall + timedelta(seconds=1))
    if found is None:
        return None
    first, second = (found.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return first if first > after else second


def due(schedule: str, after: datetime, now: datetime, zone: tzinfo) -> Due | None:
    """The latest run that is due by now, with those before it counted as missed; None where none is."""
    found: Due | None = None
    moment = next_time(schedule, after, zone)
    while moment is not None and moment <= now:
        missed = found.missed + 1 if found else 0
        found = Due(moment, missed)
        if missed >= MOST_MISSED:
            break
        moment = next_time(schedule, moment, zone)
    return found


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
    keys: dict[str, Json] = dict.fromkeys(_OWN_KEYS)
    keys |= dict.fromkeys(("schedule", "run_at", "depends_on", "approved_by", "approved", "approval_code"))
    keys |= {"id": own_id, "status": "approved", "occurrence_of": f"[[{parent_note}]]"}
    return set_keys(set_section(data, None), keys)
