"""Freezing a plan and showing it: what will run is recorded, and the note says so to whoever approves it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Sequence
from datetime import datetime

from signoff import observe
from signoff.decide import Decision, Do
from signoff.deeds.approving import Approving
from signoff.deeds.asking import Asking
from signoff.deeds.going_on import GoingOn
from signoff.dependencies import require_no_circle
from signoff.errors import NoteError
from signoff.freezing import (
    frozen_event,
    require_harmless_verify,
    require_not_denied,
    require_within_limits,
    require_writable,
)
from signoff.gesture import Stance, stance_on_pending
from signoff.kept import Kept
from signoff.ledger.entry import Event
from signoff.model import Call, FrozenPlan, FrozenStep, JsonObject, Plan, Status
from signoff.parts import Parts
from signoff.plan.freeze import blob, freeze, new_plan_id
from signoff.plan.known import known_calls
from signoff.presence import Presence
from signoff.runs import Runs
from signoff.writeback import WriteBack


class Showing:
    """Freezes plans and shows them."""

    def __init__(
        self,
        parts: Parts,
        presence: Presence,
        writeback: WriteBack,
        runs: Runs,
        *,
        asking: Asking,
        approving: Approving,
        going_on: GoingOn,
    ) -> None:
        self._parts = parts
        self._presence = presence
        self._writeback = writeback
        self._runs = runs
        self._asking = asking
        self._approving = approving
        self._going_on = going_on
        self._joining = asyncio.Lock()

    async def freeze(self, plan_id: str | None, sight: observe.Sight, decision: Decision) -> None:
        """Record what would be called, exactly, and show it; what stands in the way is asked in the note."""
        reading = sight.reading
        plan = reading.plan
        if plan is None:
            return
        plan_id = plan_id or new_plan_id(plan.title, secrets.token_bytes)
        if plan_id in self._parts.state.ended:
            await self._going_on.bring_back(plan_id)  # what has been done stays done
        try:
            require_writable(reading.data, plan_id)
            frozen = sight.frozen or freeze(
                plan, plan_id, self._parts.rules.catalogue, self._presence.views()
            )
            assessment = self._presence.assessment(frozen)
            require_not_denied(frozen, assessment, plan)
            require_harmless_verify(frozen, plan, self._parts.rules.policy.trusted_servers)
            require_within_limits(frozen, plan, self._broken)
            expires = self._note_expiry(plan)
            before = self._parts.state.plans.get(plan_id)
            former = self._presence.frozen(before.digest) if before else None
            if before is not None:
                Kept(before, former, frozen).require_answered()
        except NoteError as error:
            await self._asking.ask(reading.path, error, plan_id)
            return
        await asyncio.to_thread(self._parts.blobs.put, blob(frozen))
        self._presence.remember_frozen(frozen)
        event = frozen_event(
            reading.path,
            plan,
            frozen,
            assessment=assessment,
            expires=expires,
            before=before,
            former=former,
            decision=decision,
            note=reading.sha256,
        )
        events = [event]
        if decision.code:
            data: JsonObject = {"reason": decision.code, "message": decision.message, "path": reading.path}
            events.append(Event("refused", plan=plan_id, digest=frozen.digest, data=data))
        try:
            await self._record_frozen(frozen, reading, events)
        except NoteError as error:
            await self._asking.ask(reading.path, error, plan_id)
            return
        self._presence.carry(reading.path, plan_id)
        if not await self._approved_unseen(plan_id, sight):
            await self.present(plan_id, sight, Decision(Do.PRESENT))

    async def _record_frozen(
        self, frozen: FrozenPlan, reading: observe.Reading, events: Sequence[Event]
    ) -> None:
        """Record a freeze, unless the plan would wait for itself by way of others.

        Asked and recorded under one lock: of two plans that close a circle, the second sees the first.

        Raises:
            NoteError: `depends-cycle`; nothing was recorded.
        """
        front = reading.note.front if reading.note else None
        place = front.places.get(("depends_on",)) if front else None
        async with self._joining if frozen.depends_on else contextlib.nullcontext():
            require_no_circle(
                frozen.id, frozen.depends_on, self._presence.waits_for, place.line if place else None
            )
            await self._parts.ledger.append(events)

    async def _approved_unseen(self, plan_id: str, sight: observe.Sight) -> bool:
        """Take a code or a signature in a note that was never shown: who writes notes cannot write those.

        Also a mere gesture, where the policy says that such a plan need not have been shown.
        """
        note = sight.seen.facts
        forgeable = note.gesture.approval_code is None and note.signed is None
        if forgeable and (self._must_be_shown(plan_id) or stance_on_pending(note) is not Stance.APPROVES):
            return False
        await self._approving.claim(plan_id, sight, Decision(Do.CLAIM))
        return self._parts.state.status(plan_id) is not Status.PENDING

    def _must_be_shown(self, plan_id: str) -> bool:
        assessment = self._approving.assessment_of(self._parts.state.plans[plan_id])
        return assessment is None or assessment.requirement.presented

    def _broken(self, frozen: FrozenPlan, step: FrozenStep, call: Call) -> str:
        known = known_calls(step, call, frozen.id)
        return next((said for each in known if (said := self._runs.within_limits(frozen, *each))), "")

    def _note_expiry(self, plan: Plan) -> str | None:
        expires = observe.expires_at(plan)
        if expires is not None and datetime.fromisoformat(expires) <= self._presence.now():
            raise NoteError(
                f"This plan expired at {plan.expires}.", code="expired", hint="Change or delete `expires`."
            )
        return expires

    async def present(self, plan_id: str, sight: observe.Sight, decision: Decision) -> None:
        """Write the preview and put the note where it waits; recorded as shown only when it is."""
        if decision.code:
            await self._asking.record_refusal(plan_id, decision.code, decision.message, sight.reading.path)
        await self._writeback.project(plan_id)
