"""Going on: after a person's word on an unknown outcome, or because the note is to say it again."""

from __future__ import annotations

import asyncio

from loguru import logger

from signoff import observe
from signoff.decide import Decision
from signoff.deeds.asking import Asking, Eyes
from signoff.errors import RequestRefused
from signoff.ledger.entry import Event
from signoff.ledger.state import history
from signoff.model import LIVE, JsonObject, StepStatus
from signoff.parts import Parts
from signoff.presence import Presence
from signoff.runs import Runs
from signoff.writeback import WriteBack


class GoingOn:
    """Lets plans go on, and brings ended ones back."""

    def __init__(
        self,
        parts: Parts,
        presence: Presence,
        writeback: WriteBack,
        runs: Runs,
        *,
        eyes: Eyes,
        asking: Asking,
    ) -> None:
        self._parts = parts
        self._presence = presence
        self._writeback = writeback
        self._runs = runs
        self._eyes = eyes
        self._asking = asking

    async def as_noted(self, plan_id: str, sight: observe.Sight, _: Decision) -> None:
        """Take a person's word on what happened to calls of unknown outcome."""
        default = self._parts.rules.roster.default()
        for step, answer in sight.seen.answers:
            try:
                await self.resolve(plan_id, step, answer, via="note", by=default)
            except RequestRefused as refusal:
                logger.info("{}: {}", plan_id, refusal)

    async def resolve(self, plan_id: str, step: str, answer: str, *, via: str, by: str | None) -> None:
        """Record what happened to a call of unknown outcome; the plan goes on when nothing is unknown.

        Raises:
            RequestRefused: where that step's outcome is not unknown.
        """
        state = self._parts.state.plans.get(plan_id)
        known = state.steps.get(step) if state else None
        if state is None or known is None or known.status is not StepStatus.UNKNOWN:
            raise RequestRefused(
                f"The outcome of step {step} of plan {plan_id} is not unknown.", code="not-unknown"
            )
        data: JsonObject = {"answer": answer, "via": via}
        await self._parts.ledger.append(
            [Event("resolved", plan=plan_id, step=step, approver=by, digest=state.digest, data=data)]
        )
        if state.status in LIVE:
            await self.go_on(plan_id)
        else:
            self._eyes.look_anew(self._presence.paths.get(plan_id, state.path))  # it may wait for this answer
            self._writeback.soon(plan_id)

    async def go_on(self, plan_id: str) -> None:
        """Bring the note back among the approved ones first, so that its place says so; then run."""
        for _ in range(40):
            if await self._writeback.project(plan_id):
                break
            await asyncio.sleep(0.1)  # somebody has just saved the note: it is left alone for a second
        self._runs.start(plan_id)

    async def project(self, plan_id: str, sight: observe.Sight, decision: Decision) -> None:
        """Write a note anew from the record, which may first have to be read; a plan that is live goes on."""
        if decision.code:
            await self._asking.record_refusal(plan_id, decision.code, decision.message, sight.reading.path)
        state = self._parts.state
        if plan_id not in state.plans and state.status(plan_id) is not None:
            await self.bring_back(plan_id)
        await self._writeback.project(plan_id)
        if plan_id in state.plans and state.plans[plan_id].status in LIVE:
            self._runs.start(plan_id)

    async def bring_back(self, plan_id: str) -> None:
        """Fold a long-ended plan's details from the log again, to write its note anew."""
        found = await asyncio.to_thread(history, plan_id, self._parts.ledger.entries())
        if found is not None:
            self._parts.state.recall(found)
            self._writeback.recall(found)
