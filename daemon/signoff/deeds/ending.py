"""Ending a plan, or taking it back to be shown anew: what is in flight is awaited, nothing more leaves."""

from __future__ import annotations

from signoff import observe
from signoff.decide import Decision, Do
from signoff.deeds.asking import Eyes
from signoff.ledger.entry import Event
from signoff.model import FINAL, LIVE, JsonObject, Status
from signoff.parts import Parts
from signoff.runs import Runs
from signoff.writeback import WriteBack


class Ending:
    """Ends plans."""

    def __init__(self, parts: Parts, writeback: WriteBack, runs: Runs, eyes: Eyes) -> None:
        self._parts = parts
        self._writeback = writeback
        self._runs = runs
        self._eyes = eyes

    async def as_noted(self, plan_id: str, sight: observe.Sight, decision: Decision) -> None:
        """End a plan as its note says."""
        status = Status.REJECTED if decision.do is Do.REJECT else Status.CANCELLED
        named = sight.reading.gesture.approved_by
        by = named if named in self._parts.rules.roster.approvers() else None
        await self.end(plan_id, status, decision.code, decision.message, by=by)

    async def end(self, plan_id: str, status: Status, code: str, message: str, by: str | None = None) -> None:
        """Reject or cancel a plan: calls in flight are awaited and recorded, no further one leaves."""
        async with self._runs.halted(plan_id):  # first, so that no further run of it comes due meanwhile
            for run in self._runs.runs_of(plan_id):
                await self.end(run, status, code, f"The plan that it is a run of was ended. {message}", by)
            await self._record_end(plan_id, status, code, message, by)
        await self._writeback.project(plan_id)

    async def _record_end(
        self, plan_id: str, status: Status, code: str, message: str, by: str | None
    ) -> None:
        state = self._parts.state.plans.get(plan_id)
        if state is None or state.status in FINAL:
            return
        data: JsonObject = {"status": status.value, "reason": code, "message": message}
        await self._parts.ledger.append(
            [Event("finished", plan=plan_id, approver=by, digest=state.digest, data=data)]
        )

    async def withdraw(self, plan_id: str, sight: observe.Sight, decision: Decision) -> None:
        """Stop a live plan and show it anew: what was approved is no longer what is asked for."""
        async with self._runs.halted(plan_id):
            state = self._parts.state.plans.get(plan_id)
            if state is not None and state.status in LIVE:
                data: JsonObject = {"reason": decision.code, "message": decision.message}
                returned = Event("returned", plan=plan_id, digest=state.digest, data=data)
                await self._parts.ledger.append([returned])
        self._eyes.look_anew(sight.reading.path)
