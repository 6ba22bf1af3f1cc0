"""Letting a repeating plan have its next run: recorded first, then its note, then it runs as any plan does.

The clock only says "look again"; whether a run is due is read from the ledger, so that a run happens once
however often the clock wakes or is put back, and across restarts. A run whose note was not written before a
crash gets it at the next start. While one run is live no other begins; what comes due meanwhile is missed.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, tzinfo

from tzlocal import get_localzone

from signoff import durable
from signoff.approval import ApprovedPlan
from signoff.ledger.entry import Event
from signoff.model import LIVE, Folder, FrozenPlan, Json, JsonObject, PlanState
from signoff.occurrences import (
    LATE,
    Due,
    counted_from,
    due,
    next_time,
    not_before,
    occurrence_id,
    occurrence_note,
    occurrence_of,
)
from signoff.parts import Parts
from signoff.plan.freeze import blob
from signoff.presence import Presence


class Timetable:
    """When repeating plans run, and their runs."""

    def __init__(self, parts: Parts, presence: Presence) -> None:
        self._parts = parts
        self._presence = presence

    async def attend(self, approved: ApprovedPlan) -> tuple[str | None, datetime | None]:
        """Have the run that is due, if one is.

        Returns:
            The id of the new run, or None; and when to look again, or None where it never comes due again.
        """
        parent = self._parts.state.plans[approved.frozen.id]
        schedule, now = approved.frozen.schedule or "", self._presence.clock()
        after = _last(parent, approved.frozen, now)
        found = due(schedule, after, now, _zone())
        if found is not None and is_ahead(parent, now):
            found = Due(found.at)  # what was missed was counted when the clock ran ahead
        run = None
        if found is not None:
            run = await self._have_or_pass(parent, approved, found, late=now - found.at > LATE)
            after = found.at
        following = next_time(schedule, after, _zone())
        await self._tell(parent, following)
        return run, following

    async def _have_or_pass(
        self, parent: PlanState, approved: ApprovedPlan, found: Due, *, late: bool
    ) -> str | None:
        """Have a run, unless the one before is live, it is there already, or it is left out as missed."""
        if self.live_runs(parent.id) or self._parts.state.status(occurrence_id(parent.id, found.at)):
            return None
        if not late or not self._parts.settings.schedule.skip_missed:
            return await self._have(parent, approved, found.at, found.missed)
        passed: JsonObject = {"at": found.at.isoformat(timespec="seconds"), "missed": found.missed + 1}
        await self._parts.ledger.append(
            [Event("passed", plan=parent.id, digest=parent.digest, data={**passed, "reason": "missed"})]
        )
        return None

    def live_runs(self, parent: str) -> list[str]:
        """The runs of a repeating plan that have not ended."""
        return [
            plan.id
            for plan in self._parts.state.plans.values()
            if plan.parent == parent and plan.status in LIVE
        ]

    async def _have(self, parent: PlanState, approved: ApprovedPlan, at: datetime, missed: int) -> str:
        run = occurrence_of(approved.frozen, at)
        await asyncio.to_thread(self._parts.blobs.put, blob(run))
        self._presence.remember_frozen(run)
        path = self._free_path(parent, at)
        moment = at.isoformat(timespec="seconds")
        had: JsonObject = {"at": moment, "run": run.id, "note": path, "missed": missed}
        await self._parts.ledger.append(
            [
                Event("occurrence", plan=parent.id, digest=parent.digest, data=had),
                _frozen(parent, run, path, had),
                Event("presented", plan=run.id, digest=run.digest),
                *_approvals(parent, approved, run),
            ]
        )
        self.write_note(self._parts.state.plans[run.id])
        return run.id

    def write_note(self, run: PlanState) -> bool:
        """Write the note of a run where it has none yet; False where its parent's note is gone."""
        parent = self._parts.state.path(run.parent or "")
        if parent is None or self._parts.vault.stamp(run.path) is not None:
            return parent is not None
        parent_path = self._presence.paths.get(run.parent or "", parent)
        try:
            data, _ = self._parts.vault.read(parent_path)
            name = parent_path.rsplit("/", 1)[-1].removesuffix(".md")
            note = occurrence_note(data, run.id, name)
            durable.create(self._parts.vault.root / run.path, note)
        except FileExistsError:
            return True
        except OSError:
            return False
        stamp = self._parts.vault.stamp(run.path)
        if stamp is not None:
            self._presence.own_write(run.path, stamp, run.id)
        return True

    def _free_path(self, parent: PlanState, at: datetime) -> str:
        """A free name beside the parent's note, with the local time at which the run was due."""
        stem = self._presence.paths.get(parent.id, parent.path).rsplit("/", 1)[-1].removesuffix(".md")
        folder = self._parts.vault.names(Folder.APPROVED)[0]
        base = f"{stem} {at.astimezone(_zone()):%Y-%m-%d %H%M}"
        name, count = base, 2
        while self._is_taken(f"{name}.md"):
            name, count = f"{base} {count}", count + 1
        return f"{folder}/{name}.md"

    def _is_taken(self, name: str) -> bool:
        """Is there a note of this name where the run's note lies, or comes to lie? A link must find it."""
        vault = self._parts.vault
        folders = [folder for kind in Folder for folder in vault.names(kind)]
        return any(vault.stamp(f"{folder}/{name}") is not None for folder in folders)

    async def _tell(self, parent: PlanState, following: datetime | None) -> None:
        until = following.isoformat(timespec="milliseconds") if following else None
        if parent.until == until and parent.status.value == "scheduled":
            return
        data: JsonObject = {"scheduled": True, "reason": "schedule", "until": until}
        await self._parts.ledger.append([Event("waiting", plan=parent.id, digest=parent.digest, data=data)])


def _zone() -> tzinfo:
    return get_localzone()


def is_ahead(parent: PlanState, now: datetime) -> bool:
    """Was the last run due at a time still to come? Then the clock ran ahead, and was put back."""
    return parent.last_due is not None and datetime.fromisoformat(parent.last_due) > now


def _last(parent: PlanState, frozen: FrozenPlan, now: datetime) -> datetime:
    """The time from which the next run is counted: the last one that was due, else the approval.

    Where the clock ran ahead, what was due meanwhile comes due once more, in its own time; none of it runs
    twice, since each run has its time in its id.
    """
    approved = datetime.fromisoformat(max((given.time for given in parent.approvals), default=parent.frozen))
    first = counted_from(frozen.schedule or "", approved, not_before(frozen, _zone()))
    if parent.last_due is None or is_ahead(parent, now):
        return first
    return max(first, datetime.fromisoformat(parent.last_due))


def _frozen(parent: PlanState, run: FrozenPlan, path: str, had: JsonObject) -> Event:
    steps: list[Json] = [
        {
            "id": step.id,
            "name": parent.steps[step.id].name,
            "action": step.action,
            "call": step.calls[0].name,
            "risk": parent.steps[step.id].risk,
        }
        for step in run.steps
    ]
    data: JsonObject = {
        "path": path,
        "title": parent.title,
        "steps": steps,
        "risk": parent.risk,
        "needs": parent.needs,
        "proposed_by": parent.proposed_by,
        "priority": parent.priority,
        "expires": parent.expires,
        "parent": parent.id,
        "due": had["at"],
        "missed": had["missed"],
    }
    return Event("frozen", plan=run.id, digest=run.digest, data=data)


def _approvals(parent: PlanState, approved: ApprovedPlan, run: FrozenPlan) -> list[Event]:
    """The parent's approvals, said of the run; they end when the parent's end."""
    given = [
        Event(
            "approved",
            plan=run.id,
            approver=each.approver,
            digest=run.digest,
            data={
                "method": each.method.value,
                "gesture": "schedule",
                "given": each.time,
                "expires": each.expires,
                "of": parent.id,
                "complete": True,
            },
        )
        for each in approved.approvals
    ]
    if given:
        return given
    data: JsonObject = {"method": "auto", "gesture": "schedule", "of": parent.id, "complete": True}
    return [Event("approved", plan=run.id, digest=run.digest, data=data)]
