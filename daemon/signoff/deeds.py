"""Carrying out what was decided about a note: asking, freezing, showing, approving, ending, going on.

Each deed records before it acts, and can be done again without harm. Whoever calls holds the plan's lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Protocol

from loguru import logger
from tzlocal import get_localzone

from signoff import observe
from signoff.answering import Answering, Said, fitting
from signoff.approval import Claim, Facts, claim, counted_approvals
from signoff.decide import Decision, Do
from signoff.dependencies import require_no_circle
from signoff.durable import Stamp
from signoff.errors import GateRefused, NoteError, RequestRefused
from signoff.evidence import Evidence
from signoff.freezing import (
    frozen_event,
    require_harmless_verify,
    require_not_denied,
    require_within_limits,
    require_writable,
)
from signoff.gesture import NoteFacts, Stance, stance_on_pending
from signoff.kept import Kept
from signoff.ledger.entry import Event
from signoff.ledger.state import history
from signoff.model import (
    FINAL,
    LIVE,
    Assessment,
    Call,
    FrozenPlan,
    FrozenStep,
    JsonObject,
    Method,
    Plan,
    PlanState,
    Status,
    StepStatus,
)
from signoff.note.splice import section_items, section_of
from signoff.parts import Parts
from signoff.plan.freeze import blob, freeze, new_plan_id
from signoff.plan.known import known_calls
from signoff.plan.times import expiry
from signoff.presence import Presence
from signoff.runs import Runs
from signoff.say.form import BOTH, code_rows, consumed_rows, require_lines, typed_code, typed_texts
from signoff.say.view import OpenQuestion
from signoff.say.words import moment
from signoff.witness import Witness
from signoff.writeback import WriteBack


class Eyes(Protocol):
    """Whoever looks at notes."""

    def hint(self, path: str, *, after: float = 0.0) -> None:
        """Look at a note soon."""

    def look_anew(self, path: str) -> None:
        """Look at a note even if it has not changed."""


MOVING = 1.5
"""Seconds in which a copy is expected to be the note itself: sync tools move by copying, then deleting."""
COPY_CODES = frozenset({"duplicate-id", "consumed"})
"""Questions in a note that carries the id of another one, which may be the place it is just moved from."""
TAKEN_BACK = frozenset(
    {"revoked", "refused-by-gesture", "limits-violated", "definition-changed", "answer-missing"}
)
"""Reasons after which even a plan that needs no approval waits for a person."""


class Deeds:
    """What follows from a decision.

    Attributes:
        asked: by path, the question that stands in a note.
        witness: judges codes and signatures.
        answering: takes answers to what servers ask.
    """

    def __init__(
        self, parts: Parts, presence: Presence, writeback: WriteBack, runs: Runs, eyes: Eyes
    ) -> None:
        self._parts = parts
        self._presence = presence
        self._writeback = writeback
        self._runs = runs
        self._eyes = eyes
        self.witness = Witness(parts, presence)
        self.answering = Answering(parts, presence, runs)
        self.asked: dict[str, NoteError] = {}
        self._joining = asyncio.Lock()
        self._judged: dict[str, tuple[str, Stamp | None]] = {}

    # ------------------------------------------------------------ which deed

    async def carry_out(self, decision: Decision, sight: observe.Sight, plan_id: str | None) -> None:
        """Do what was decided about a note.

        Raises:
            LedgerError: it could not be recorded, and was not done.
            OSError: the note could not be written; the record stands, and it is tried again.
        """
        path = sight.reading.path
        if decision.do is not Do.ASK:
            question = self.asked.pop(path, None)
            decision = self._as_answered(decision, question, plan_id)
        if decision.do is Do.NOTHING:
            return
        if decision.do is Do.ASK and decision.error is not None:
            await self._ask(path, decision.error, plan_id)
            return
        if decision.do is Do.FREEZE:
            await self._freeze(sight, plan_id, decision)
            return
        if plan_id is not None:
            await self._deed(decision.do)(plan_id, sight, decision)

    def _as_answered(self, decision: Decision, question: NoteError | None, plan_id: str | None) -> Decision:
        """Where a question answered itself by what was shown before, that is shown anew, without it."""
        state = self._parts.state.plans.get(plan_id or "")
        if question is None or state is None or decision != Decision(Do.PROJECT):
            return decision
        stands = state.status is Status.PENDING and state.reason == question.code
        return Decision(Do.FREEZE) if stands else decision

    def _deed(self, do: Do) -> Callable[[str, observe.Sight, Decision], Awaitable[None]]:
        return {
            Do.PRESENT: self._present,
            Do.CLAIM: self._claim,
            Do.REJECT: self._end,
            Do.CANCEL: self._end,
            Do.WITHDRAW: self._withdraw,
            Do.RETRY: self._retry,
            Do.RESOLVE: self._resolve,
            Do.ANSWER: self._answer,
            Do.PROJECT: self._project,
        }[do]

    async def _ask(self, path: str, error: NoteError, plan_id: str | None) -> None:
        """Write a question into a note; recorded once for each time it is put."""
        if error.code == "server-unavailable" and self._connecting(error):
            self.asked[path] = error
            return  # it is starting: the question may answer itself in a moment
        if error.code in COPY_CODES and path not in self.asked:
            self.asked[path] = error
            self._eyes.hint(path, after=MOVING)
            return
        written = await self._writeback.ask(path, error, plan_id)
        if written is None:
            self._eyes.hint(path, after=self._presence.quiet_in(path) + 0.01)
            return
        self.asked[path] = error
        if written:
            logger.info("{}: {} ({})", path, error, error.code)
            await self.record_refusal(plan_id, error.code, str(error), path)

    def _connecting(self, error: NoteError) -> bool:
        """Has the server in question not yet failed even once?"""
        views = self._presence.views()
        return any(
            view.tools is None and not view.problem and f"`{name}`" in error.message
            for name, view in views.items()
        )

    async def record_refusal(self, plan_id: str | None, code: str, message: str, path: str) -> None:
        """Record that something was asked for and not done."""
        known = plan_id if plan_id and self._parts.state.status(plan_id) else None
        data: JsonObject = {
            "reason": code,
            "message": self._parts.rules.redactor.text(message),
            "path": path,
        }
        if known is not None and path and self._presence.ids.get(path) != known:
            data["copy"] = True  # another note than the plan's own: nothing happened to the plan
        await self._parts.ledger.append([Event("refused", plan=known, data=data)])

    # ------------------------------------------------------------ freezing and presenting

    async def _freeze(self, sight: observe.Sight, plan_id: str | None, decision: Decision) -> None:
        reading = sight.reading
        plan = reading.plan
        if plan is None:
            return
        plan_id = plan_id or new_plan_id(plan.title, secrets.token_bytes)
        if plan_id in self._parts.state.ended:
            await self.bring_back(plan_id)  # what has been done stays done
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
            await self._ask(reading.path, error, plan_id)
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
            await self._ask(reading.path, error, plan_id)
            return
        self._presence.carry(reading.path, plan_id)
        if not await self._approved_unseen(plan_id, sight):
            await self._present(plan_id, sight, Decision(Do.PRESENT))

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
        await self._claim(plan_id, sight, Decision(Do.CLAIM))
        return self._parts.state.status(plan_id) is not Status.PENDING

    def _must_be_shown(self, plan_id: str) -> bool:
        assessment = self._assessment_of(self._parts.state.plans[plan_id])
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

    async def _present(self, plan_id: str, sight: observe.Sight, decision: Decision) -> None:
        """Write the preview and put the note where it waits; recorded as shown only when it is."""
        if decision.code:
            await self.record_refusal(plan_id, decision.code, decision.message, sight.reading.path)
        await self._writeback.project(plan_id)

    async def approve_if_automatic(self, plan_id: str) -> None:
        """Run what the policy lets run without an approval, once it has been shown."""
        state = self._parts.state.plans.get(plan_id)
        if state is None or state.status is not Status.PENDING or state.reason in TAKEN_BACK:
            return
        assessment = self._assessment_of(state)
        if assessment is not None and assessment.requirement.method is Method.AUTO:
            await self._approve_by_policy(plan_id)

    def _assessment_of(self, state: PlanState) -> Assessment | None:
        frozen = self._presence.frozen(state.digest)
        return self._presence.assessment(frozen) if frozen else None

    # ------------------------------------------------------------ approving

    async def _claim(self, plan_id: str, sight: observe.Sight, _: Decision) -> None:
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
            await self.record_refusal(plan_id, refusal.code, refusal.message, sight.reading.path)
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

    def _run_or_show(self, plan_id: str, *, complete: bool) -> None:
        if complete:
            self._runs.start(plan_id)
        self._writeback.soon(plan_id)

    # ------------------------------------------------------------ ending, going back, going on

    async def _end(self, plan_id: str, sight: observe.Sight, decision: Decision) -> None:
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

    async def _withdraw(self, plan_id: str, sight: observe.Sight, decision: Decision) -> None:
        """Stop a live plan and show it anew: what was approved is no longer what is asked for."""
        async with self._runs.halted(plan_id):
            state = self._parts.state.plans.get(plan_id)
            if state is not None and state.status in LIVE:
                data: JsonObject = {"reason": decision.code, "message": decision.message}
                returned = Event("returned", plan=plan_id, digest=state.digest, data=data)
                await self._parts.ledger.append([returned])
        self._eyes.look_anew(sight.reading.path)

    async def _retry(self, plan_id: str, sight: observe.Sight, decision: Decision) -> None:
        await self._freeze(sight, plan_id, decision)

    async def _resolve(self, plan_id: str, sight: observe.Sight, _: Decision) -> None:
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

    async def _answer(self, plan_id: str, sight: observe.Sight, _: Decision) -> None:
        """Take what a person answered in the note to the questions of servers."""
        reading = sight.reading
        save = (reading.sha256, self._presence.stamps.get(reading.path))
        if self._judged.get(plan_id) == save:
            return  # looking twice at what was saved once is not guessing twice
        self._judged[plan_id] = save
        for number, action in sight.seen.replies:
            try:
                await self._answer_one(plan_id, number, action, reading.data)
            except (GateRefused, RequestRefused) as refusal:
                logger.info("{}: {} ({})", plan_id, refusal.message, refusal.code)
                if refusal.code != "no-question":
                    await self.record_refusal(plan_id, refusal.code, refusal.message, reading.path)
        await self._writeback.project(plan_id)

    async def _answer_one(self, plan_id: str, number: int, action: str, note: bytes) -> None:
        items, section = section_items(note), section_of(note) or ""
        state = self._parts.state.plans[plan_id]
        asked = self._writeback.worded(plan_id, self.answering.find(state, number))
        redactor = self._parts.rules.redactor
        if action == BOTH:
            raise RequestRefused("Both boxes are ticked: nothing was sent.", code="answer-unclear")
        if action == "accept":
            require_lines(section, asked, redactor)
        code = typed_code(items, asked.question) if action == "accept" else ""
        self._presence.said.have_read(plan_id, code_rows(items, asked.question))
        evidence = await self.witness.of_typed_code(state, code) if code else Evidence()
        said = Said(action, typed_texts(items, asked, redactor) if action == "accept" else {}, "note")
        if action == "accept" and self._needs_code(state):
            self._require_offered(plan_id, asked, said, code)
        by = evidence.approver  # whose code it is, whoever is named as the approver of the plan
        await self.answering.answer(plan_id, asked, said, evidence, by)
        if action == "accept":
            self._presence.said.have_read(plan_id, consumed_rows(items, asked, redactor))

    def _needs_code(self, state: PlanState) -> bool:
        assessment = self._assessment_of(state)
        return assessment is not None and assessment.requirement.method is Method.CODE

    def _require_offered(self, plan_id: str, asked: OpenQuestion, said: Said, code: str) -> None:
        """A code counts for the answer that was shown before it was typed: whoever writes notes changes none.

        Raises:
            RequestRefused: `answer-not-shown`; it is shown now, and the code is used up.
        """
        if not asked.form.fields:
            return
        answer = fitting(asked.form, said)
        if self._presence.said.offer(plan_id, asked.question.number, answer) != answer and code:
            raise RequestRefused(
                "The code was typed before it was shown what it would send, so nothing was sent. See what "
                "would be sent now; to send that, type a new code.",
                code="answer-not-shown",
            )

    async def go_on(self, plan_id: str) -> None:
        """Bring the note back among the approved ones first, so that its place says so; then run."""
        for _ in range(40):
            if await self._writeback.project(plan_id):
                break
            await asyncio.sleep(0.1)  # somebody has just saved the note: it is left alone for a second
        self._runs.start(plan_id)

    async def _project(self, plan_id: str, sight: observe.Sight, decision: Decision) -> None:
        if decision.code:
            await self.record_refusal(plan_id, decision.code, decision.message, sight.reading.path)
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
