"""One run of one plan: an `ApprovedPlan` to outcomes, every intent recorded before its call.

A single coordinator a plan writes to the ledger; each call is a task of its own. The loop:

    ask what may run next (graph), ask the gate for it, record what ended together with what is about
    to leave (one write, one fsync), let the calls go, wait for the next thing to happen.

So the outcome of one step and the intent of the next are one durable write, and no call leaves before
its intent is durable. What ended is recorded even when the run is being stopped; if the ledger cannot
be written, nothing more is called and the outcomes are kept until it can.

The run ends by itself when the plan has ended, when nothing can happen before a later time (`until`),
or when the gate refuses. It decides nothing about the note.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol, cast

import orjson

from signoff.approval import ApprovedPlan, Facts, admit
from signoff.canonical import digest_of
from signoff.errors import CallError, GateRefused, LedgerError, OutsideLimits, SignoffError
from signoff.flow import ENDED, MOST_ITEMS, MOST_LATE_ITEMS, Flow, origin_id
from signoff.ledger.entry import Event
from signoff.model import (
    Attempt,
    Call,
    CallResult,
    FrozenPlan,
    FrozenStep,
    Json,
    JsonObject,
    OutcomeClass,
    PlanState,
    Status,
    StepStatus,
)
from signoff.plan import conditions, expressions
from signoff.redact import secret_values
from signoff.sequel import class_of, next_call, sequel
from signoff.slots import Slots

PATIENCE = 30.0
"""Seconds that a run waits by itself; for longer it ends and is started again in time."""
RECORD_AGAIN = 1.0
"""Seconds between attempts to record an outcome while the ledger cannot be written."""
WORTH_TELLING = 1.0
"""Seconds; a plan that waits for longer says so in its note."""
EARLIER = "An earlier attempt was sent, and it is not known whether that one happened."
STOPPED = "The daemon was stopped during the call."


@dataclass(frozen=True, slots=True)
class CallTerms:
    """What the catalogue, the policy and the settings say about calling one step.

    Attributes:
        timeout: seconds for one call.
        retries: how often a call that was not sent is tried again.
        repeatable: by index of the step's calls, whether calling twice does no harm.
        secret: argument names that may be shown nowhere.
        key_argument: by index of the calls, the argument that takes the idempotency key, or None.
    """

    timeout: float
    retries: int
    repeatable: tuple[bool, ...]
    secret: frozenset[str] = frozenset()
    key_argument: tuple[str | None, ...] = ()


class World(Protocol):
    """What a run needs of everything around it."""

    slots: Slots
    retry_delay: float

    async def facts(self, plan_id: str) -> Facts:
        """What the gate looks at, read afresh."""

    async def record(self, events: Sequence[Event]) -> None:
        """Append to the ledger; returns when durable and folded."""

    async def keep(self, blob: bytes) -> str:
        """Store a result; its SHA-256, when durable."""

    def result_of(self, blob: str) -> JsonObject:
        """A stored result."""

    def state_of(self, plan_id: str) -> PlanState:
        """What the ledger knows of a plan."""

    def terms(self, frozen: FrozenPlan, step: FrozenStep) -> CallTerms:
        """How a step is to be called."""

    def within_limits(self, frozen: FrozenPlan, step: FrozenStep, call: Call) -> str:
        """Empty where the final arguments keep all limits, else what is wrong, in plain words."""

    def locked_out(self, server: str) -> str:
        """Empty, or why no plan calls this server now: it has refused to know us, a short time ago."""

    def misfit(self, frozen: FrozenPlan, call: Call) -> str:
        """Empty where the final arguments fit the tool's input schema, else what is wrong."""

    def summary(self, value: Json, secret: Iterable[str], hidden: Iterable[str] = ()) -> Json:
        """A value as it may be shown: redacted and bounded.

        Args:
            value: what is to be shown.
            secret: names whose values are hidden.
            hidden: texts that are hidden wherever they stand.
        """

    def shown(self, value: Json, secret: Iterable[str]) -> Json:
        """A value as a person approves it: redacted, in full."""

    async def call(self, call: Call, *, timeout: float, meta: JsonObject, pin: JsonObject) -> CallResult:
        """Make the call; raises the `CallError` classes and `PinChanged`."""

    def progressed(self, plan_id: str) -> None:
        """Something happened that the note should tell."""

    def said(self, plan_id: str, step: str, line: str, text: str) -> None:
        """A line for the readable log: CALL, PARAMS or RESPONSE."""


@dataclass(frozen=True, slots=True)
class Begin:
    """A call that may leave once its intent is durable."""

    step: FrozenStep
    call: Call
    attempt: int
    intent: Event
    meta: JsonObject
    pin: JsonObject
    terms: CallTerms
    repeatable: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that ended: with a result or with an error."""

    begin: Begin
    result: CallResult | None
    error: SignoffError | None
    milliseconds: float


@dataclass(slots=True)
class Run:
    """The coordinator of one run.

    Attributes:
        plan_id: which plan.
        world: everything around it.
        stop: set to end the run: no further call leaves; those in flight are awaited.
    """

    plan_id: str
    world: World
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    refusal: GateRefused | None = None
    trouble: LedgerError | None = None
    _picture: Flow | None = None
    _results: dict[str, JsonObject] = field(default_factory=dict)
    _outbox: list[Event] = field(default_factory=list)
    _flying: dict[asyncio.Task[Ended], Begin] = field(default_factory=dict)
    _place: asyncio.Task[None] | None = None
    _stopping: asyncio.Task[bool] | None = None
    _holding: bool = False
    _abandoned: bool = False
    _told: datetime | None = None

    async def go(self) -> datetime | None:
        """Run until the plan ends, must wait for long, or is refused.

        Returns:
            When to run again, where the run ended only because it has to wait; else None.

        Raises:
            GateRefused: where the gate refused, before or in the middle; nothing was called after it.
            LedgerError: where the ledger cannot be written; nothing was called after it.
        """
        approved = admit(await self.world.facts(self.plan_id))
        self._load(approved.frozen)
        self._outbox.append(self._started(approved))
        try:
            await self._loop()
            if not self._ending() and self._take_back():
                await self._loop()
        finally:
            await self._leave()
        if self.refusal is None and self.trouble is None:
            return await self._conclude()
        if self.trouble is not None:  # what has happened must be recorded; all else is found again
            self._outbox = [event for event in self._outbox if event.event == "outcome"]
        await self._flush()
        raise self.trouble or self.refusal or AssertionError

    def abandon(self) -> None:
        """Stop waiting for the calls in flight: they are recorded as unknown, if that is possible now."""
        self._abandoned = True
        self.stop.set()
        for task in self._flying:
            task.cancel()

    # ------------------------------------------------------------ the loop

    async def _loop(self) -> None:
        while True:
            self._take_answers()
            begins = [] if self._ending() else await self._begin_ready()
            if not begins and not self._flying and (self._ending() or not self._may_continue()):
                return  # what ended is recorded together with the conclusion
            if not begins and not self._flying:
                self._tell_the_wait()
            if await self._record([begin.intent for begin in begins]):
                for begin in begins:
                    self._fly(begin)
            if self._flying or (not self._ending() and self._may_continue()):
                await self._next_event()
            await self._take_landed()

    def _ending(self) -> bool:
        return self.stop.is_set() or self.refusal is not None or self.trouble is not None

    def _take_answers(self) -> None:
        """A person may say what happened to one call while others are still under way."""
        recorded = self.world.state_of(self.plan_id).steps
        for step in sorted(self._flow.unknown):
            known = recorded.get(step)
            if known is None or step in self._flow.members:
                continue
            if known.status in {StepStatus.DONE, StepStatus.PENDING}:
                self._flow.attempts[step] = list(known.attempts)
                self._flow.mark(step, known.status)

    def _tell_the_wait(self) -> None:
        """Where nothing happens for a while, the note says so."""
        until = min(self._flow.waits().values(), default=None)
        if until is None or self._place is not None or until == self._told:
            return
        if (until - _now()).total_seconds() > WORTH_TELLING:
            self._outbox.append(self._waits(until))
            self._told = until

    def _may_continue(self) -> bool:
        """Is there a step to begin now, a place to wait for, or a short time to sit out?"""
        if self._place is not None:
            return True
        if next(self._due(), None) is not None:
            return True
        return any((until - _now()).total_seconds() <= PATIENCE for until in self._flow.waits().values())

    def _due(self) -> Iterator[FrozenStep]:
        """Steps that may be called now, those in flight and those that wait left out."""
        flying = {begin.step.id for begin in self._flying.values()}
        while skips := self._flow.skips():
            for step, blocker in skips:
                self._skip(step, "needs-failed", f"Skipped: step {blocker} did not succeed.")
        return self._flow.due(_now(), flying)

    async def _begin_ready(self) -> list[Begin]:
        """Prepare every step that may be called now, as far as there are places.

        A refusal of the gate holds for all of them: none of those prepared leaves.
        """
        begins: list[Begin] = []
        again = True
        while again:
            again = False
            for step in self._due():
                if self._to_unfold(step):
                    again = True  # its items can be called now, or it has ended
                    continue
                if not self._take_place():
                    return begins
                begin = await self._try_to_begin(step)
                if self.refusal is not None:
                    self._call_off(begins)
                    return []
                if begin is None:
                    again = True  # it was skipped or failed: others may follow now
                else:
                    begins.append(begin)
        if self._holding:
            self._holding = False
            self.world.slots.give_back()
        return begins

    def _to_unfold(self, step: FrozenStep) -> bool:
        """Take the list of a step with `for_each`, once; False for everything else."""
        if step.for_each is None or step.id in self._flow.members:
            return False
        try:
            own = step.condition is not None and not conditions.names_in_condition(step.condition).item
            if own and not self._wanted(step):
                self._skip(step, "condition-false", "Skipped: its condition is false.")
                return True
            values = self._values(step)
        except SignoffError as error:
            self._fail(step, error)
            return True
        for member in self._flow.unfold(step, values):
            self._outbox.append(self._added(member, step))
        return True

    def _values(self, step: FrozenStep) -> list[Json]:
        """The list of a `for_each`, within the number of items that the preview showed.

        Raises:
            SignoffError: it is no list, or too long; nothing was called for any item.
        """
        late = bool(expressions.late_paths(step.for_each))
        values = expressions.evaluate(step.for_each, self._context(step))
        most = MOST_LATE_ITEMS if late else MOST_ITEMS
        if not isinstance(values, list):
            raise SignoffError("`for_each` did not come to a list.", code="expression-failed")
        if len(values) > most:
            raise SignoffError(
                f"`for_each` came to {len(values)} items; up to {most} were approved.", code="too-many-items"
            )
        return values

    def _take_back(self) -> bool:
        """Begin to take back what was done, where the plan failed and asks for it."""
        undos = self._flow.take_back()
        for undo in undos:
            self._outbox.append(self._added(undo, self._step_named(origin_id(undo.id))))
        return bool(undos)

    def _added(self, called: FrozenStep, step: FrozenStep) -> Event:
        """An item, or an undo, is a call of its own from here on; said again it changes nothing."""
        state = self.world.state_of(self.plan_id)
        name = state.steps[step.id].name
        of = self._flow.members.get(step.id, ())
        label = f"{name} ({of.index(called) + 1} of {len(of)})" if called in of else f"Take back: {name}"
        data: JsonObject = {
            "of": step.id,
            "name": label,
            "action": called.action,
            "call": called.calls[0].name,
        }
        if called.id in self._flow.items:
            secret = self.world.terms(self._plan, step).secret
            data["item"] = self.world.summary(self._flow.items[called.id], secret)
        return Event("added", plan=self.plan_id, step=called.id, digest=self._plan.digest, data=data)

    def _step_named(self, name: str) -> FrozenStep:
        return next(step for step in self._plan.steps if step.id == name)

    def _tell_groups(self) -> None:
        """Record how a step with `for_each` ended, once its items have."""
        recorded = self.world.state_of(self.plan_id).steps
        for name, members in self._flow.members.items():
            status = self._flow.statuses[name]
            if status not in ENDED or recorded[name].status is status:
                continue
            done = sum(self._flow.statuses[member.id] is StepStatus.DONE for member in members)
            words = f"{done} of {len(members)} items are done."
            step = self._step_named(name)
            reason = "" if status is StepStatus.DONE else "items-failed"
            self._outbox.append(self._step_event(step, status, reason, words))

    async def _try_to_begin(self, step: FrozenStep) -> Begin | None:
        begin: Begin | None = None
        try:
            begin = await self._prepare(step)
        except GateRefused as refusal:
            self.refusal = refusal
        except SignoffError as error:
            self._fail(step, error)
        if begin is None:
            self.world.slots.give_back()
        else:
            self._flow.mark(step.id, StepStatus.RUNNING)
        return begin

    def _call_off(self, begins: Sequence[Begin]) -> None:
        """These calls do not leave: no intent of theirs was recorded."""
        for begin in begins:
            self._flow.mark(begin.step.id, StepStatus.PENDING)
            self.world.slots.give_back()

    def _take_place(self) -> bool:
        """A place for one call, now; otherwise get in line, and the loop is woken when it comes."""
        if self._holding:
            self._holding = False
            return True
        if self._place is not None:
            return False
        if self.world.slots.take():
            return True
        priority = self.world.state_of(self.plan_id).priority
        self._place = asyncio.ensure_future(self.world.slots.wait(priority))
        return False

    async def _next_event(self) -> None:
        """Wait until a call ends, a place is free, a wait is over, or the run is to stop."""
        if self._stopping is None:
            self._stopping = asyncio.ensure_future(self.stop.wait())
        waits: set[asyncio.Future[object]] = {cast("asyncio.Future[object]", task) for task in self._flying}
        if self._place is not None:
            waits.add(cast("asyncio.Future[object]", self._place))
        if not self.stop.is_set():
            waits.add(cast("asyncio.Future[object]", self._stopping))
        await asyncio.wait(waits, timeout=self._nap(), return_when=asyncio.FIRST_COMPLETED)
        if self._place is not None and self._place.done():
            self._place = None
            self._holding = True

    def _nap(self) -> float | None:
        """Seconds until the next wait of a step is over; None where no step waits."""
        waits = self._flow.waits()
        if not waits or self._ending():
            return None
        left = min((until - _now()).total_seconds() for until in waits.values())
        return max(0.0, left) if left > 0 or next(self._due(), None) is not None else None

    async def _leave(self) -> None:
        """Give back what is held, however the loop ended."""
        if self._stopping is not None:
            self._stopping.cancel()
            self._stopping = None
        if self._place is not None:
            self._place.cancel()
            await asyncio.gather(self._place, return_exceptions=True)
            self._holding = not self._place.cancelled()  # it came at the last moment
            self._place = None
        if self._holding:
            self._holding = False
            self.world.slots.give_back()

    # ------------------------------------------------------------ before a call

    async def _prepare(self, step: FrozenStep) -> Begin | None:
        """Everything that must hold before the intent is recorded; None where the step is skipped."""
        attempts = self._flow.attempts[step.id]
        terms = self.world.terms(self._plan, step)
        index = next_call(step, attempts, terms.retries)
        if index is None:
            raise SignoffError("No server could be reached for this step.", code="not-sent")
        chosen = step.calls[index]
        approved = admit(await self.world.facts(self.plan_id), origin_id(step.id), chosen)
        locked_out = self.world.locked_out(chosen.server)
        if locked_out:
            raise GateRefused(locked_out, code="authentication")
        if not self._wanted(step):
            self._skip(step, "condition-false", "Skipped: its condition is false.")
            return None
        call = self._final(step, chosen)
        key = self._key(step)
        name = terms.key_argument[index] if index < len(terms.key_argument) else None
        if name is not None:
            call = Call(call.server, call.tool, {**call.arguments, name: key})
        self._require_within_limits(step, call, terms)
        self._require_fit(chosen, call)
        number = max((made.number for made in attempts), default=0) + 1
        summary = self.world.summary(dict(call.arguments), terms.secret)
        intent = Event(
            "intent",
            plan=self.plan_id,
            step=step.id,
            attempt=number,
            server=call.server,
            tool=call.tool,
            digest=approved.frozen.digest,
            data={
                "arguments": summary,
                "key": key,
                "sha256": digest_of(dict(call.arguments)),
                **({"keyed": True} if name is not None else {}),
            },
        )
        return Begin(
            step=step,
            call=call,
            attempt=number,
            intent=intent,
            meta=self._meta(step, number, key, approved),
            pin=self._plan.pins[chosen.name],
            terms=terms,
            repeatable=terms.repeatable[index],
        )

    def _require_within_limits(self, step: FrozenStep, call: Call, terms: CallTerms) -> None:
        """Limits hold over the final arguments, or a person has approved exactly these since."""
        wrong = self.world.within_limits(self._plan, step, call)
        if not wrong:
            return
        final = digest_of(dict(call.arguments))
        if self.world.state_of(self.plan_id).exceptions.get(step.id) == final:
            return
        shown = _text(self.world.shown(dict(call.arguments), terms.secret))
        raise OutsideLimits(
            f"Step {step.id}: {wrong} It would be called as {call.name} with {shown}. "
            "To allow exactly this call, approve again.",
            step=step.id,
            arguments=final,
        )

    def _require_fit(self, chosen: Call, final: Call) -> None:
        """Arguments that were filled in just now must fit the tool's schema, as the others did before."""
        if chosen.arguments == final.arguments:
            return
        wrong = self.world.misfit(self._plan, final)
        if wrong:
            raise SignoffError(wrong, code="argument-invalid")

    def _wanted(self, step: FrozenStep) -> bool:
        if step.condition is None:
            return True
        return conditions.holds(step.condition, self._context(step))

    def _final(self, step: FrozenStep, call: Call) -> Call:
        """The call with its late arguments filled in, once, as data."""
        if not expressions.late_arguments(call):
            return call
        filled = expressions.evaluate(dict(call.arguments), self._context(step))
        return Call(call.server, call.tool, cast("JsonObject", filled))

    def _context(self, of: FrozenStep) -> dict[str, Json]:
        """What the expressions of a step or an item may read."""
        steps: dict[str, Json] = {}
        for name in sorted(_read_by(of)):
            status = self._flow.statuses[name]
            steps[name] = {
                "ok": status is StepStatus.DONE,
                "failed": status is StepStatus.FAILED,
                "skipped": self._flow.standing.left_out(name),
                "result": self._result(name) if status is StepStatus.DONE else None,
            }
        context: dict[str, Json] = {"steps": steps, "plan": {"id": self.plan_id}}
        if of.id in self._flow.items:
            context["item"] = self._flow.items[of.id]
        return context

    def _result(self, step: str) -> Json:
        """A result as expressions see it: its structured content, with the plain text as `text`.

        Of a step with `for_each`, the list of its items' results, in the order of the items.
        """
        if step in self._flow.members:
            return [self._result(member.id) for member in self._flow.members[step]]
        kept = self._results.get(step)
        if kept is None:
            done = next((made for made in reversed(self._flow.attempts[step]) if made.result), None)
            if done is None or done.result is None:
                return None
            kept = self._results[step] = self.world.result_of(done.result)
        structured = kept.get("structured")
        if isinstance(structured, dict):
            return {"text": kept.get("text"), **structured}
        return {"text": kept.get("text")}

    def _key(self, step: FrozenStep) -> str:
        """The idempotency key: the same for every attempt under one approval."""
        state = self.world.state_of(self.plan_id)
        source = f"{self.plan_id}\n{state.digest}\n{state.presentation}\n{step.id}"
        return hashlib.sha256(source.encode()).hexdigest()[:32]

    def _meta(self, step: FrozenStep, number: int, key: str, approved: ApprovedPlan) -> JsonObject:
        state = self.world.state_of(self.plan_id)
        return {
            "signoff/plan": self.plan_id,
            "signoff/step": step.id,
            "signoff/attempt": number,
            "signoff/digest": approved.frozen.digest,
            "signoff/risk": state.risk,
            "signoff/approvers": [given.approver for given in approved.approvals],
            "signoff/time": _stamp(_now()),
            "signoff/idempotency-key": key,
        }

    # ------------------------------------------------------------ the call and after it

    def _fly(self, begin: Begin) -> None:
        self._flow.attempts[begin.step.id].append(
            Attempt(begin.attempt, begin.call.server, begin.call.tool, _stamp(_now()))
        )
        self._flow.until.pop(begin.step.id, None)
        self.world.said(self.plan_id, begin.step.id, "CALL", f"{begin.call.name} attempt {begin.attempt}")
        self.world.said(self.plan_id, begin.step.id, "PARAMS", _text(begin.intent.data["arguments"]))
        self._flying[asyncio.ensure_future(self._call(begin))] = begin
        self.world.progressed(self.plan_id)

    async def _call(self, begin: Begin) -> Ended:
        """Make the call; never raises for what a server or a cancellation does."""
        clock = asyncio.get_running_loop().time
        start = clock()
        result: CallResult | None = None
        error: SignoffError | None = None
        try:
            result = await self.world.call(
                begin.call, timeout=begin.terms.timeout, meta=begin.meta, pin=begin.pin
            )
        except SignoffError as failed:
            error = failed
        except asyncio.CancelledError:
            error = SignoffError(STOPPED, code="outcome-unknown")
        except Exception as defect:  # noqa: BLE001  whatever went wrong in here, the call may have gone out
            error = SignoffError(f"Making the call failed: {defect!r}.", code="outcome-unknown")
        finally:
            self.world.slots.give_back()
        return Ended(begin, result, error, (clock() - start) * 1000)

    async def _take_landed(self) -> None:
        for task in [task for task in self._flying if task.done()]:
            begin = self._flying.pop(task)
            if task.cancelled():  # before it could begin
                self.world.slots.give_back()
                ended = Ended(begin, None, SignoffError(STOPPED, code="outcome-unknown"), 0.0)
            else:
                ended = task.result()
            self._outbox.append(await self._landed(ended))

    async def _landed(self, ended: Ended) -> Event:
        """The event that tells how a call ended; the local picture follows it."""
        begin = ended.begin
        attempt = self._flow.attempts[begin.step.id][-1]
        attempt.outcome, reason, message, retry_after = _classified(ended)
        follow = sequel(
            begin.step,
            self._flow.attempts[begin.step.id],
            attempt.outcome,
            repeatable=begin.repeatable,
            retries=begin.terms.retries,
            retry_delay=self.world.retry_delay,
            retry_after=retry_after,
            jitter=random.random(),  # noqa: S311  spreads retries, guards nothing
        )
        if follow.outcome is not attempt.outcome:
            attempt.outcome, message = follow.outcome, f"{message} {EARLIER}"
        data: JsonObject = {"class": attempt.outcome.value, "ms": round(ended.milliseconds, 1)}
        if ended.result is not None:
            attempt.result = await self._kept(ended.result)
            data["result"] = attempt.result
            data["summary"] = self._said_by(begin, ended.result.text)
        else:
            data["reason"], data["message"] = reason, self._said_by(begin, message)
        if isinstance(ended.error, CallError) and ended.error.detail:
            data["summary"] = self._said_by(begin, ended.error.detail)
        status = _status_after(attempt.outcome)
        if follow.again:
            until = _now() + timedelta(seconds=follow.delay)
            self._flow.until[begin.step.id] = until
            data["again"], data["until"] = True, _stamp(until)
            status = StepStatus.WAITING
        if reason == "definition-changed":
            self.refusal = GateRefused(message, code=reason)
        self._flow.mark(begin.step.id, status)
        self.world.said(self.plan_id, begin.step.id, "RESPONSE", _response(attempt.outcome, data))
        return Event(
            "outcome",
            plan=self.plan_id,
            step=begin.step.id,
            attempt=begin.attempt,
            server=begin.call.server,
            tool=begin.call.tool,
            digest=self._plan.digest,
            data=data,
        )

    def _said_by(self, begin: Begin, text: str) -> Json:
        """What a server said, without the secret arguments it was given and may have repeated."""
        hidden = secret_values(dict(begin.call.arguments), begin.terms.secret)
        return self.world.summary(text, (), hidden)

    async def _kept(self, result: CallResult) -> str | None:
        """Store a result. Where that fails the call has happened all the same: it is recorded without."""
        while True:
            try:
                return await self.world.keep(_encoded(result.to_json()))
            except (LedgerError, OSError):
                if self._abandoned:
                    return None
                await asyncio.sleep(RECORD_AGAIN)

    # ------------------------------------------------------------ recording

    async def _record(self, intents: Sequence[Event]) -> bool:
        """What ended and what is about to leave, in one durable write; False where it failed.

        Where the ledger cannot be written, the intents are given up (their calls do not leave) and
        what ended stays in the outbox until it can be recorded.
        """
        events = [*self._outbox, *intents]
        if not events:
            return True
        try:
            await self.world.record(events)
        except LedgerError as error:
            self.trouble = error
            for event in intents:
                self._flow.mark(event.step or "", StepStatus.PENDING)
                self.world.slots.give_back()
            return False
        self._outbox.clear()
        self.world.progressed(self.plan_id)
        return True

    async def _flush(self) -> None:
        """Record what ended, again and again if need be: a fact is never dropped."""
        while self._outbox or self._flying:
            if self._flying:
                await asyncio.wait(list(self._flying))
                await self._take_landed()
            if not await self._record(()):
                if self._abandoned:
                    return  # after the restart an intent without an outcome is unknown
                await asyncio.sleep(RECORD_AGAIN)

    async def _conclude(self) -> datetime | None:
        """After the loop: record how the plan ended, or until when it waits."""
        self._take_answers()
        self._tell_groups()
        ended = self._flow.verdict()
        if ended is not None:
            self._outbox.append(self._finished(ended))
        until = min(self._flow.waits().values(), default=None) if ended is None else None
        if until is not None and until != self._told and not self.stop.is_set():
            self._outbox.append(self._waits(until))
        await self._flush()
        return until

    def _finished(self, status: Status) -> Event:
        data: JsonObject = {"status": status.value}
        culprit = self._flow.halted_by()
        if culprit is not None and status is not Status.DONE:
            step = self.world.state_of(self.plan_id).steps.get(culprit)
            data["step"] = culprit
            for event in reversed(self._outbox):
                if event.step == culprit and "reason" in event.data:
                    data["reason"], data["message"] = event.data["reason"], event.data.get("message", "")
                    break
            else:
                if step is not None:
                    data["reason"], data["message"] = step.reason, step.message
        return Event("finished", plan=self.plan_id, digest=self._plan.digest, data=data)

    def _waits(self, until: datetime) -> Event:
        waits = self._flow.waits()
        step = min(waits, key=lambda name: waits[name])
        last = self._flow.attempts[step][-1]
        reason = last.outcome.value if last.outcome else "waiting"
        return Event(
            "waiting",
            plan=self.plan_id,
            digest=self._plan.digest,
            data={"reason": reason.replace("_", "-"), "step": step, "until": _stamp(until)},
        )

    def _started(self, approved: ApprovedPlan) -> Event:
        state = self.world.state_of(self.plan_id)
        resumed = any(step.status is not StepStatus.PENDING for step in state.steps.values())
        return Event(
            "started",
            plan=self.plan_id,
            digest=approved.frozen.digest,
            data={"resumed": True} if resumed else {},
        )

    def _skip(self, step: FrozenStep, reason: str, message: str) -> None:
        self._flow.mark(step.id, StepStatus.SKIPPED)
        self._outbox.append(self._step_event(step, StepStatus.SKIPPED, reason, message))

    def _fail(self, step: FrozenStep, error: SignoffError) -> None:
        self._flow.mark(step.id, StepStatus.FAILED)
        self._outbox.append(self._step_event(step, StepStatus.FAILED, error.code, str(error)))

    def _step_event(self, step: FrozenStep, status: StepStatus, reason: str, message: str) -> Event:
        return Event(
            "step",
            plan=self.plan_id,
            step=step.id,
            digest=self._plan.digest,
            data={"status": status.value, "reason": reason, "message": self.world.summary(message, ())},
        )

    # ------------------------------------------------------------ the picture at the start

    @property
    def _plan(self) -> FrozenPlan:
        return self._flow.plan

    @property
    def _flow(self) -> Flow:
        assert self._picture is not None  # noqa: S101  set before the loop
        return self._picture

    def _load(self, frozen: FrozenPlan) -> None:
        """Take the picture from the ledger's state; from here on it follows what is recorded."""
        self._picture = Flow.of(frozen, self.world.state_of(self.plan_id))


def _read_by(step: FrozenStep) -> frozenset[str]:
    """The steps whose outcomes the expressions of a step, an item or an undo read."""
    names = expressions.names_in_value([step.for_each, *(dict(call.arguments) for call in step.calls)])
    if step.condition is not None:
        names |= conditions.names_in_condition(step.condition)
    return names.steps


def _classified(ended: Ended) -> tuple[OutcomeClass, str, str, float | None]:
    """Class, reason code, message and the server's wait in seconds."""
    error = ended.error
    if error is None:
        return OutcomeClass.DONE, "", "", None
    if isinstance(error, CallError):
        return class_of(error), error.code, str(error), getattr(error, "retry_after", None)
    if error.code == "definition-changed":
        return OutcomeClass.TRANSIENT, error.code, str(error), None
    return OutcomeClass.UNKNOWN, error.code, str(error), None


def _status_after(outcome: OutcomeClass) -> StepStatus:
    if outcome is OutcomeClass.DONE:
        return StepStatus.DONE
    return StepStatus.UNKNOWN if outcome is OutcomeClass.UNKNOWN else StepStatus.FAILED


def _response(outcome: OutcomeClass, data: Mapping[str, Json]) -> str:
    words = data.get("summary") or data.get("message") or ""
    return f"{outcome.value} {words}".strip()


def _now() -> datetime:
    return datetime.now(UTC)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _encoded(value: Json) -> bytes:
    """A result as it is kept; also one with numbers or texts that strict JSON does not allow."""
    try:
        return orjson.dumps(value)
    except (orjson.JSONEncodeError, RecursionError):
        return json.dumps(value).encode()


def _text(value: Json) -> str:
    return orjson.dumps(value).decode()
