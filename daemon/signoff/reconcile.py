"""The loop's body: look at a note, decide, carry it out. Events are hints; what is on disk counts.

A hint names a path. It is looked at after it has settled, under a lock of its plan; what follows is
`signoff.decide`'s to say, and carried out here in a few calls each. Looking twice at the same note
changes nothing, so a hint may come too often or too late.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable

from loguru import logger
from tzlocal import get_localzone

from signoff import observe
from signoff.approval import Claim, claim
from signoff.decide import Decision, Do, Known, decide
from signoff.errors import GateRefused, LedgerError, NoteError, RequestRefused, SignoffError, UnsafeFile
from signoff.gesture import NoteFacts
from signoff.ledger.entry import Event
from signoff.ledger.state import history
from signoff.model import (
    FINAL,
    LIVE,
    Assessment,
    FrozenPlan,
    Json,
    JsonObject,
    Method,
    Plan,
    PlanState,
    Status,
    StepState,
    StepStatus,
)
from signoff.parts import Parts
from signoff.plan.expressions import late_arguments
from signoff.plan.freeze import blob, freeze, new_plan_id
from signoff.plan.times import expiry, read_time
from signoff.presence import Presence
from signoff.runs import Runs
from signoff.writeback import WriteBack

SERVER_CODES = frozenset(
    {
        "server-unavailable",
        "unknown-server",
        "unknown-tool",
        "unknown-action",
        "schema-broken",
        "argument-missing",
        "argument-invalid",
        "argument-unknown",
    }
)
"""Questions that a server's coming or changing may answer."""


LOOKS = 1024
"""Notes looked at at the same time; each costs a few reads and a timer."""
MOVED_WITHIN = 1.0
"""Seconds in which a note that is gone from one place is expected at another."""


class Reconciler:
    """Takes hints, looks, decides and carries out.

    Attributes:
        asked: by path, the question that stands in a note.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.presence = Presence(parts)
        self.writeback = WriteBack(parts, self.presence, self.hint)
        self.runs = Runs(parts, self.presence, self.writeback.soon, self.consider_plan)
        self.asked: dict[str, NoteError] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._looking: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._at_once = asyncio.Semaphore(LOOKS)
        self.closing = False

    # ------------------------------------------------------------ hints

    def hint(self, path: str, *, after: float = 0.0) -> None:
        """Something may have changed at this path; look at it soon."""
        if self.closing or self._parts.vault.kind_of(path) is None:
            return
        if after > 0:
            if path not in self._timers:
                self._timers[path] = asyncio.get_running_loop().call_later(after, self._timed, path)
            return
        if path in self._looking:
            self._again.add(path)
            return
        stamp = self._parts.vault.stamp(path)
        if stamp is not None and self.presence.stamps.get(path) == stamp:
            return  # our own write, or already taken into account
        self._look(path)

    def look_anew(self, path: str) -> None:
        """Look at a note even if it has not changed: the servers or the ledger have."""
        self.presence.stamps.pop(path, None)
        self.hint(path)

    def _timed(self, path: str) -> None:
        self._timers.pop(path, None)
        self.look_anew(path)

    def _look(self, path: str) -> None:
        """Look at a note in a task of its own."""
        task = asyncio.ensure_future(self._consider_safely(path))
        self._looking[path] = task
        task.add_done_callback(lambda _: self._looked(path))

    def _looked(self, path: str) -> None:
        self._looking.pop(path, None)
        if path in self._again:
            self._again.discard(path)
            self.hint(path)

    @property
    def busy(self) -> bool:
        """Is any note being looked at or waiting to be?"""
        return bool(self._looking or self._timers)

    async def quiesce(self) -> None:
        """Wait until no note is being looked at."""
        while self._looking:
            await asyncio.wait(list(self._looking.values()))

    async def _consider_safely(self, path: str) -> None:
        try:
            async with self._at_once:
                await self.consider(path)
        except LedgerError as error:
            logger.error("{}: nothing was done, because it could not be recorded. {}", path, error)
            self.hint_later(path)
        except (OSError, SignoffError) as error:
            logger.warning("{}: {}", path, error)
            self.hint_later(path)

    def hint_later(self, path: str) -> None:
        """Look again in a few seconds: what stood in the way may be gone then."""
        self.hint(path, after=5.0)

    # ------------------------------------------------------------ looking

    async def consider(self, path: str) -> None:
        """Look at a note once it rests, and carry out what follows."""
        folder = self._parts.vault.kind_of(path)
        if folder is None:
            return
        try:
            found = await self.presence.settled(path)
        except UnsafeFile as error:
            await self._refuse_file(path, error)
            return
        if found is None:
            self._gone(path)
            return
        data, stamp = found
        self.presence.stamps[path] = stamp
        reading = observe.read(path, data, self._parts.rules.catalogue)
        plan_id = self._plan_of(reading)
        async with self.lock(plan_id or path):
            sight = self.presence.bind(reading, folder, plan_id)
            known = self._known(plan_id, path)
            decision = decide(sight.seen, known)
            if plan_id is not None and not known.original_elsewhere and known.status is not None:
                self.presence.carry(path, plan_id)
            await self._carry_out(decision, sight, plan_id)

    async def consider_plan(self, plan_id: str) -> None:
        """Look at the note of a plan again, whether it changed or not."""
        state = self._parts.state.plans.get(plan_id)
        path = self.presence.paths.get(plan_id, state.path if state else "")
        if path:
            self.look_anew(path)

    def lock(self, name: str) -> asyncio.Lock:
        """The lock of a plan, or of a path that carries none."""
        return self._locks.setdefault(name, asyncio.Lock())

    def _plan_of(self, reading: observe.Reading) -> str | None:
        """The plan a note belongs to: by its id, else by the place where it was last seen.

        The second is for a note that cannot be read, whose id was deleted, or whose id was never
        written because the daemon was killed just before.
        """
        if reading.id is not None:
            return reading.id
        return self.presence.ids.get(reading.path)

    def _known(self, plan_id: str | None, path: str) -> Known:
        state = self._parts.state
        if plan_id is None or state.status(plan_id) is None:
            return Known()
        last = self.presence.paths.get(plan_id) or state.path(plan_id)
        return Known(
            status=state.status(plan_id),
            plan=state.plans.get(plan_id),
            path=state.path(plan_id),
            original_elsewhere=last is not None and last != path and self._carries(last, plan_id),
        )

    def _carries(self, path: str, plan_id: str) -> bool:
        """Does the note at this path carry this id (now, on disk)?"""
        try:
            data, _ = self._parts.vault.read(path)
        except (UnsafeFile, OSError):
            return False
        found = observe.read(path, data, self._parts.rules.catalogue)
        return found.id == plan_id or (found.problem is not None and self.presence.ids.get(path) == plan_id)

    def _gone(self, path: str) -> None:
        """A note is gone. Where its plan is live, deleting is withdrawing; but it may just have moved."""
        self.asked.pop(path, None)
        plan_id = self.presence.forget(path)
        if plan_id is not None and self._parts.state.status(plan_id) in LIVE:
            asyncio.get_running_loop().call_later(MOVED_WITHIN, self._still_gone, plan_id)

    def _still_gone(self, plan_id: str) -> None:
        if plan_id not in self.presence.paths and not self.closing:
            self.runs.start(plan_id)  # the gate sees that there is no note

    async def _refuse_file(self, path: str, error: UnsafeFile) -> None:
        stamp = self._parts.vault.stamp(path)
        if stamp is not None:
            self.presence.stamps[path] = stamp
        logger.warning("{}: {}", path, error)
        await self.record_refusal(None, error.code, error.message, path)

    # ------------------------------------------------------------ carrying out

    async def _carry_out(self, decision: Decision, sight: observe.Sight, plan_id: str | None) -> None:
        path = sight.reading.path
        if decision.do is not Do.ASK:
            self.asked.pop(path, None)
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

    def _deed(self, do: Do) -> Callable[[str, observe.Sight, Decision], Awaitable[None]]:
        return {
            Do.PRESENT: self._present,
            Do.CLAIM: self._claim,
            Do.REJECT: self._end,
            Do.CANCEL: self._end,
            Do.WITHDRAW: self._withdraw,
            Do.RETRY: self._retry,
            Do.RESOLVE: self._resolve,
            Do.PROJECT: self._project,
        }[do]

    async def _ask(self, path: str, error: NoteError, plan_id: str | None) -> None:
        """Write a question into a note; recorded once for each time it is put."""
        if error.code == "server-unavailable" and self._connecting(error):
            self.asked[path] = error
            return  # it is starting: the question may answer itself in a moment
        written = await self.writeback.ask(path, error)
        if written is None:
            self.hint(path, after=self.presence.quiet_in(path) + 0.01)
            return
        self.asked[path] = error
        if written:
            logger.info("{}: {} ({})", path, error, error.code)
            await self.record_refusal(plan_id, error.code, str(error), path)

    def _connecting(self, error: NoteError) -> bool:
        """Has the server in question not yet failed even once?"""
        views = self.presence.views()
        return any(
            view.tools is None and not view.problem and f"`{name}`" in error.message
            for name, view in views.items()
        )

    def servers_changed(self) -> None:
        """What servers offer has changed: look again at the questions that this may answer."""
        self.presence.views_version += 1
        for path, error in list(self.asked.items()):
            if error.code in SERVER_CODES:
                self.look_anew(path)

    async def record_refusal(self, plan_id: str | None, code: str, message: str, path: str) -> None:
        """Record that something was asked for and not done."""
        known = plan_id if plan_id and self._parts.state.status(plan_id) else None
        redacted = self._parts.rules.redactor.text(message)
        await self._parts.ledger.append(
            [Event("refused", plan=known, data={"reason": code, "message": redacted, "path": path})]
        )

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
            frozen = sight.frozen or freeze(plan, plan_id, self._parts.rules.catalogue, self.presence.views())
            self._require_supported(frozen)
            assessment = self.presence.assessment(frozen)
            self._require_allowed(frozen, assessment, plan)
            expires = self._note_expiry(plan)
        except NoteError as error:
            await self._ask(reading.path, error, plan_id)
            return
        await asyncio.to_thread(self._parts.blobs.put, blob(frozen))
        self.presence.remember_frozen(frozen)
        before = self._parts.state.plans.get(plan_id)
        former = self.presence.frozen(before.digest) if before else None
        event = frozen_event(reading.path, plan, frozen, assessment, expires, before, former, decision)
        events = [event]
        if decision.code:
            data: JsonObject = {"reason": decision.code, "message": decision.message, "path": reading.path}
            events.append(Event("refused", plan=plan_id, digest=frozen.digest, data=data))
        await self._parts.ledger.append(events)
        self.presence.carry(reading.path, plan_id)
        await self._present(plan_id, sight, Decision(Do.PRESENT))

    def _require_supported(self, frozen: FrozenPlan) -> None:
        """Say clearly what this version does not do yet, before anybody approves it."""
        for key, used in (
            ("schedule", frozen.schedule is not None),
            ("on_failure: undo", frozen.on_failure == "undo"),
            ("undo", any(step.undo is not None for step in frozen.steps)),
            ("for_each", any(step.for_each is not None for step in frozen.steps)),
        ):
            if used:
                raise NoteError(
                    f"`{key}` is not carried out by this version, so the plan is not shown for approval.",
                    code="not-supported",
                    hint=f"Take `{key}` out of the plan.",
                )

    def _require_allowed(self, frozen: FrozenPlan, assessment: Assessment, plan: Plan) -> None:
        """The policy's word on the calls as far as they are known now.

        Raises:
            NoteError: `denied-by-policy`, `limits-violated`.
        """
        lines = {step.id: step.line for step in plan.steps}
        for step, entry in zip(frozen.steps, assessment.steps, strict=True):
            if entry.denied:
                raise NoteError(
                    f"The policy forbids `{step.calls[0].name}` (step {step.id}): {entry.rule}.",
                    code="denied-by-policy",
                    line=lines[step.id],
                )
            for call in step.calls:
                if late_arguments(call):
                    continue  # asked again over the final arguments, right before the call
                wrong = self.runs.within_limits(frozen, step, call)
                if wrong:
                    raise NoteError(f"Step {step.id}: {wrong}", code="limits-violated", line=lines[step.id])

    def _note_expiry(self, plan: Plan) -> str | None:
        if plan.expires is None:
            return None
        moment = read_time(plan.expires, zone=get_localzone(), end_of_day=True, key="expires")
        if moment <= self.presence.now():
            raise NoteError(
                f"This plan expired at {plan.expires}.", code="expired", hint="Change or delete `expires`."
            )
        return moment.isoformat(timespec="seconds")

    async def _present(self, plan_id: str, sight: observe.Sight, decision: Decision) -> None:
        """Write the preview and put the note where it waits; recorded as shown only when it is."""
        state = self._parts.state.plans[plan_id]
        if decision.code:
            await self.record_refusal(plan_id, decision.code, decision.message, sight.reading.path)
        digest = state.digest
        if not await self.writeback.project(plan_id):
            self.hint(sight.reading.path, after=self.presence.quiet_in(sight.reading.path) + 0.02)
            return
        if not state.presented and state.digest == digest:
            await self._parts.ledger.append([Event("presented", plan=plan_id, digest=digest)])
        assessment = self._assessment_of(state)
        automatic = assessment is not None and assessment.requirement.method is Method.AUTO
        if automatic and state.status is Status.PENDING:
            await self._approve_by_policy(plan_id)

    def _assessment_of(self, state: PlanState) -> Assessment | None:
        frozen = self.presence.frozen(state.digest)
        return self.presence.assessment(frozen) if frozen else None

    # ------------------------------------------------------------ approving

    async def _claim(self, plan_id: str, sight: observe.Sight, _: Decision) -> None:
        """Ask the gate whether the gesture is an approval; record it, or why not."""
        try:
            await self.approve(plan_id, sight.seen.facts)
        except GateRefused as refusal:
            logger.info("{}: not approved: {} ({})", sight.reading.path, refusal.message, refusal.code)
            await self.record_refusal(plan_id, refusal.code, refusal.message, sight.reading.path)
            await self.writeback.project(plan_id)

    async def approve(self, plan_id: str, note: NoteFacts | None = None, by: str | None = None) -> Claim:
        """Record one approver's approval if the gate passes it, and start the run if it is enough.

        Raises:
            GateRefused: with the code of the check that refused; nothing was recorded.
        """
        facts = await self.presence.facts(plan_id, by)
        passed = claim(facts)
        state = self._parts.state.plans[plan_id]
        until = expiry(
            facts.note.expires if facts.note else None,
            policy_ttl=facts.requirement.ttl,
            settings_ttl=self._parts.settings.approval.ttl,
            approved_at=facts.now,
            zone=get_localzone(),
        )
        others = {given.approver for given in state.approvals} - {passed.approver}
        complete = len(others) + 1 >= facts.requirement.approvers
        seen = note or facts.note
        data: JsonObject = {
            "method": passed.method.value,
            "gesture": passed.gesture,
            "expires": until.isoformat(timespec="seconds"),
            "note": seen.sha256 if seen else None,
            "path": seen.path if seen else state.path,
            "complete": complete,
        }
        await self._parts.ledger.append(
            [Event("approved", plan=plan_id, approver=passed.approver, digest=state.digest, data=data)]
        )
        logger.info("{} approved by {} ({})", plan_id, passed.approver, passed.gesture)
        self._run_or_show(plan_id, complete=complete)
        return passed

    async def _approve_by_policy(self, plan_id: str) -> None:
        state = self._parts.state.plans[plan_id]
        note = await self.presence.note_facts(plan_id)
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
            self.runs.start(plan_id)
        self.writeback.soon(plan_id)

    # ------------------------------------------------------------ ending, going back, going on

    async def _end(self, plan_id: str, sight: observe.Sight, decision: Decision) -> None:
        status = Status.REJECTED if decision.do is Do.REJECT else Status.CANCELLED
        by = sight.reading.gesture.approved_by
        await self.end(plan_id, status, decision.code, decision.message, by=by)

    async def end(self, plan_id: str, status: Status, code: str, message: str, by: str | None = None) -> None:
        """Reject or cancel a plan: calls in flight are awaited and recorded, no further one leaves."""
        await self.runs.halt(plan_id)
        state = self._parts.state.plans.get(plan_id)
        if state is None or state.status in FINAL:
            return
        data: JsonObject = {"status": status.value, "reason": code, "message": message}
        await self._parts.ledger.append(
            [Event("finished", plan=plan_id, approver=by, digest=state.digest, data=data)]
        )
        await self.writeback.project(plan_id)

    async def _withdraw(self, plan_id: str, sight: observe.Sight, decision: Decision) -> None:
        """Stop a live plan and show it anew: what was approved is no longer what is asked for."""
        await self.runs.halt(plan_id)
        state = self._parts.state.plans.get(plan_id)
        if state is not None and state.status in LIVE:
            data: JsonObject = {"reason": decision.code, "message": decision.message}
            await self._parts.ledger.append([Event("returned", plan=plan_id, digest=state.digest, data=data)])
        self.look_anew(sight.reading.path)

    async def _retry(self, plan_id: str, sight: observe.Sight, decision: Decision) -> None:
        await self._freeze(sight, plan_id, decision)

    async def _resolve(self, plan_id: str, sight: observe.Sight, _: Decision) -> None:
        """Take a person's word on what happened to calls of unknown outcome."""
        default = self._parts.settings.default_approver
        for step, answer in sight.seen.answers:
            try:
                await self.resolve(plan_id, step, answer, via="note", by=default.name if default else None)
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
            self.writeback.soon(plan_id)

    async def go_on(self, plan_id: str) -> None:
        """Bring the note back among the approved ones first, so that its place says so; then run."""
        for _ in range(40):
            if await self.writeback.project(plan_id):
                break
            await asyncio.sleep(0.1)  # somebody has just saved the note: it is left alone for a second
        self.runs.start(plan_id)

    async def _project(self, plan_id: str, sight: observe.Sight, decision: Decision) -> None:
        if decision.code:
            await self.record_refusal(plan_id, decision.code, decision.message, sight.reading.path)
        state = self._parts.state
        if plan_id not in state.plans and state.status(plan_id) is not None:
            await self.bring_back(plan_id)
        await self.writeback.project(plan_id)
        if plan_id in state.plans and state.plans[plan_id].status in LIVE:
            self.runs.start(plan_id)

    async def bring_back(self, plan_id: str) -> None:
        """Fold a long-ended plan's details from the log again, to write its note anew."""
        found = await asyncio.to_thread(history, plan_id, self._parts.ledger.entries())
        if found is not None:
            self._parts.state.recall(found)


def frozen_event(
    path: str,
    plan: Plan,
    frozen: FrozenPlan,
    assessment: Assessment,
    expires: str | None,
    before: PlanState | None,
    former: FrozenPlan | None,
    decision: Decision,
) -> Event:
    """What is recorded of a freeze.

    A step that has finished stays finished where it still asks for the same; one whose outcome is
    unknown stays unknown whatever it asks for now, since nobody has said yet what happened.
    """
    risks = {entry.step: entry.risk.value for entry in assessment.steps}
    names = {step.id: step.name for step in plan.steps}
    needs = assessment.requirement
    old = {step.id: step for step in former.steps} if former else {}
    steps: list[Json] = []
    for step in frozen.steps:
        item: JsonObject = {
            "id": step.id,
            "name": names.get(step.id, step.id),
            "action": step.action,
            "call": step.calls[0].name,
            "risk": risks.get(step.id, "medium"),
        }
        known = before.steps.get(step.id) if before else None
        if known is not None and _is_kept(known, same=old.get(step.id) == step):
            item["kept"] = _kept(known)
        steps.append(item)
    changed = before is not None and before.digest != frozen.digest
    data: JsonObject = {
        "path": path,
        "title": plan.title,
        "steps": steps,
        "risk": assessment.risk.value,
        "needs": {
            "method": needs.method.value,
            "approvers": needs.approvers,
            "allow_proposer": needs.allow_proposer,
            "ttl": needs.ttl,
            "presented": needs.presented,
        },
        "proposed_by": plan.proposed_by,
        "priority": plan.priority,
        "expires": expires,
        "replaces": before.digest if changed and before else None,
    }
    if decision.code:
        data["reason"], data["message"] = decision.code, decision.message
    return Event("frozen", plan=frozen.id, digest=frozen.digest, data=data)


def _is_kept(step: StepState, *, same: bool) -> bool:
    return step.status is StepStatus.UNKNOWN or (step.status is StepStatus.DONE and same)


def _kept(step: StepState) -> JsonObject:
    last = step.attempts[-1] if step.attempts else None
    kept: JsonObject = {"status": step.status.value}
    if last is not None:
        kept |= {
            "attempt": last.number,
            "server": last.server,
            "tool": last.tool,
            "started": last.started,
            "ended": last.ended,
            "result": last.result,
            "summary": last.summary,
        }
    return kept
