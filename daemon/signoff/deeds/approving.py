"""Approving: the gate asked about a gesture, a command or the policy, and what it passed recorded."""

from __future__ import annotations

from datetime import datetime

from loguru import logger
from tzlocal import get_localzone

from signoff import observe
from signoff.approval import Claim, Facts, claim, counted_approvals
from signoff.decide import Decision
from signoff.deeds.asking import Asking
from signoff.errors import GateRefused
from signoff.evidence import Evidence
from signoff.gesture import NoteFacts
from signoff.ledger.entry import Event
from signoff.model import Assessment, JsonObject, Method, PlanState, Status
from signoff.parts import Parts
from signoff.plan.times import expiry
from signoff.presence import Presence
from signoff.runs import Runs
from signoff.say.words import moment
from signoff.witness import Witness
from signoff.writeback import WriteBack

TAKEN_BACK = frozenset(
    {"revoked", "refused-by-gesture", "limits-violated", "definition-changed", "answer-missing"}
)
"""Reasons after which even a plan that needs no approval waits for a person."""


class Approving:
    """Takes approvals.

    Attributes:
        witness: judges codes and signatures.
    """

    def __init__(
        self, parts: Parts, presence: Presence, writeback: WriteBack, runs: Runs, asking: Asking
    ) -> None:
        self._parts = parts
        self._presence = presence
        self._writeback = writeback
        self._runs = runs
        self._asking = asking
        self.witness = Witness(parts, presence)

    async def claim(self, plan_id: str, sight: observe.Sight, _: Decision) -> None:
        """Ask the gate whether the gesture is an approval; record it, or why not."""
        note = sight.seen.facts
        evidence = await self.witness.of_note(self._parts.state.plans[plan_id], note)
        if evidence is None:
            self._writeback.soon(plan_id)
            return
        try:
            await self.approve(plan_id, evidence, note)
        except GateRefused as refusal:
            logger.info("{}: not approved: {} ({})", sight.reading.path, refusal.message, refusal.code)
            await self._asking.record_refusal(plan_id, refusal.code, refusal.message, sight.reading.path)
            await self._writeback.project(plan_id)

    async def approve(
        self, plan_id: str, evidence: Evidence, note: NoteFacts | None = None, by: str | None = None
    ) -> Claim:
        """Record one approver's approval if the gate passes it, and start the run if it is enough.

        Args:
            plan_id: which plan.
            evidence: what the approval rests on.
            note: the note as it was when the gesture was seen in it.
            by: the approver, where a command approves.

        Raises:
            GateRefused: with the code of the check that refused; nothing was recorded.
        """
        facts = await self._presence.facts(plan_id, by, evidence)
        passed = claim(facts)
        state = self._parts.state.plans[plan_id]
        others = {given.approver for given in counted_approvals(facts)} - {passed.approver}
        complete = len(others) + 1 >= facts.requirement.approvers
        seen = note or facts.note
        data: JsonObject = {
            **evidence.detail,
            "method": passed.method.value,
            "gesture": passed.gesture,
            "expires": self._expiry(facts, evidence).isoformat(timespec="seconds"),
            "note": seen.sha256 if seen else None,
            "path": seen.path if seen else state.path,
            "complete": complete,
        }
        await self._parts.ledger.append(
            [Event("approved", plan=plan_id, approver=passed.approver, digest=state.digest, data=data)]
        )
        logger.info("{} approved by {} ({}, {})", plan_id, passed.approver, passed.method, passed.gesture)
        self._run_or_show(plan_id, complete=complete)
        return passed

    def _expiry(self, facts: Facts, evidence: Evidence) -> datetime:
        """Fixed now: the earliest of the note's, as shown and as it is, the policy's and the signature's.

        Raises:
            GateRefused: `expired`, where that is past.
        """
        until = expiry(
            facts.note.expires if facts.note else None,
            policy_ttl=facts.requirement.ttl,
            settings_ttl=self._parts.settings.approval.ttl,
            approved_at=facts.now,
            zone=get_localzone(),
        )
        shown = facts.plan.expires if facts.plan else None
        ends = [until, evidence.expires, datetime.fromisoformat(shown) if shown else None]
        until = min(end for end in ends if end is not None)
        if until <= facts.now:
            said = moment(until, get_localzone())
            raise GateRefused(f"An approval would have ended before it was given: on {said}.", code="expired")
        return until

    async def approve_if_automatic(self, plan_id: str) -> None:
        """Run what the policy lets run without an approval, once it has been shown."""
        state = self._parts.state.plans.get(plan_id)
        if state is None or state.status is not Status.PENDING or state.reason in TAKEN_BACK:
            return
        assessment = self.assessment_of(state)
        if assessment is not None and assessment.requirement.method is Method.AUTO:
            await self._approve_by_policy(plan_id)

    async def _approve_by_policy(self, plan_id: str) -> None:
        state = self._parts.state.plans[plan_id]
        note = await self._presence.note_facts(plan_id)
        data: JsonObject = {
            "method": Method.AUTO.value,
            "gesture": "policy",
            "note": note.sha256 if note else None,
            "complete": True,
        }
        await self._parts.ledger.append([Event("approved", plan=plan_id, digest=state.digest, data=data)])
        self._run_or_show(plan_id, complete=True)

    def assessment_of(self, state: PlanState) -> Assessment | None:
        """What the policy says of a plan as it was frozen; None where that is not kept any more."""
        frozen = self._presence.frozen(state.digest)
        return self._presence.assessment(frozen) if frozen else None

    def _run_or_show(self, plan_id: str, *, complete: bool) -> None:
        if complete:
            self._runs.start(plan_id)
        self._writeback.soon(plan_id)
