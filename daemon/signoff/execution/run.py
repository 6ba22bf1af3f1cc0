"""The coordinator of one run, and its loop.

A single coordinator a plan writes to the ledger; each call is a task of its own. The loop:

    ask what may run next (flow), ask the gate for it, record what ended together with what is about
    to leave (one write, one fsync), let the calls go, wait for the next thing to happen.

So the outcome of one step and the intent of the next are one durable write, and no call leaves before
its intent is durable. What ended is recorded even when the run is being stopped; if the ledger cannot
be written, nothing more is called and the outcomes are kept until it can.

The run ends by itself when the plan has ended, when nothing can happen before a later time (`until`),
or when the gate refuses. It decides nothing about the note.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import cast

from loguru import logger

from signoff.approval import ApprovedPlan, admit
from signoff.errors import GateRefused, OutsideLimits, ServerAway, SignoffError
from signoff.execution import landing
from signoff.execution.asking import Place
from signoff.execution.events import Events, text_of
from signoff.execution.outbox import Outbox
from signoff.execution.prepare import absence, next_server, prepare, taken_up
from signoff.execution.turns import Turns
from signoff.execution.values import Values
from signoff.execution.verifying import Verifying
from signoff.execution.world import Begin, Ended, World, now, stamp
from signoff.flow import Flow, is_verify, item_id, origin_id
from signoff.graph import OPEN
from signoff.model import Attempt, FrozenPlan, FrozenStep, StepStatus
from signoff.plan import conditions

PATIENCE = 30.0
"""Seconds that a run waits by itself; for longer it ends and is started again in time."""
TOGETHER = 0.0005
"""Seconds that are waited for other calls to end too: what ends together is recorded in one write."""
WORTH_TELLING = 1.0
"""Seconds; a plan that waits for longer says so in its note."""
SOON = 0.5
"""Seconds; a run that was refused, and whose calls under way take longer, says so in its note."""
MOST_ASKED = 50
"""Calls outside their limits that a person is asked about at once; there may be more after them."""
MOST_LOOKED_AT = 200
"""Calls that are looked at for that."""
DEFECT = "A defect of Signoff stood in the way."


@dataclass(slots=True)
class Run:
    """The coordinator of one run.

    Attributes:
        plan_id: which plan.
        world: everything around it.
        stop: set to end the run: no further call leaves; those in flight are awaited.
        refusal: what the gate refused with, or None.
    """

    plan_id: str
    world: World
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    refusal: GateRefused | None = None
    _outbox: Outbox = field(init=False)
    _flow: Flow = field(init=False)
    _values: Values = field(init=False)
    _events: Events = field(init=False)
    _verifying: Verifying = field(init=False)
    _turns: Turns = field(init=False)
    _flying: dict[asyncio.Task[Ended], Begin] = field(default_factory=dict)
    _place: asyncio.Task[None] | None = None
    _stopping: asyncio.Task[bool] | None = None
    _looking: asyncio.Event = field(default_factory=asyncio.Event)
    _news: asyncio.Task[bool] | None = None
    _holding: bool = False
    _told: datetime | None = None
    _refused: datetime | None = None
    _refusal_told: bool = False
    _given_up: bool = False

    def __post_init__(self) -> None:
        self._outbox = Outbox(self.world)
        self._turns = Turns(self.world.line)

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
        self._outbox.events.append(self._events.started(approved))
        try:
            await self._loop()
            if not self._ending() and self._take_back():
                await self._loop()
        except Exception:
            await self._break_off()
            raise
        finally:
            await self._leave()
        if landing.is_unanswered(self.refusal):
            await self._look_again()
        trouble = self._outbox.trouble
        if self._given_up and self.refusal is None:
            await self._flush()  # whoever stopped the run says what becomes of the plan
            return None
        if self.refusal is None and trouble is None:
            return await self._conclude()
        if trouble is not None:  # what has happened must be recorded; all else is found again
            self._outbox.events = [event for event in self._outbox.events if event.event == "outcome"]
        await self._flush()
        raise trouble or self.refusal or AssertionError

    async def _break_off(self) -> None:
        """After a defect of ours: nothing more leaves, and how the calls under way end is recorded."""
        self.stop.set()
        self._outbox.events = [event for event in self._outbox.events if event.event == "outcome"]
        await self._flush()

    async def _look_again(self) -> None:
        """A question got no answer: nothing may come after it, or the plan may not stand any more at all."""
        if self._flow.verdict() is not None:
            self.refusal = None
            return
        try:
            admit(await self.world.facts(self.plan_id))
        except GateRefused as refusal:
            self.refusal = refusal

    def _load(self, frozen: FrozenPlan) -> None:
        """Take the picture from the ledger's state; from here on it follows what is recorded."""
        self._flow = Flow.of(frozen, self.world.state_of(self.plan_id))
        self._values = Values(self.world, self._flow, self._outbox.results)
        self._events = Events(self.world, self._flow)
        self._verifying = Verifying(self.world, self._flow, self._values)
        self._unfold_known()
        for step in tuple(self._flow.suspended):
            self._resume(step)

    def _resume(self, called: str) -> None:
        """Go on with a call that an earlier daemon left suspended; its intent is in the ledger already."""
        self.world.slots.retake()
        self._make(taken_up(self.world, self._flow, called))

    def _unfold_known(self) -> None:
        """The items that an earlier run has added: others read their results, or they are taken back."""
        for step in self._flow.plan.steps:
            if step.for_each is None:
                continue
            recorded = self.world.state_of(self.plan_id).steps
            if item_id(step.id, 0) in recorded or self._flow.statuses[step.id] is StepStatus.DONE:
                with contextlib.suppress(SignoffError):  # it failed since its list could not be worked out
                    self._flow.unfold(step, self._values.items(step))

    def look_again(self) -> None:
        """A server may be there that a call waits for, a person may have answered, the note may be gone."""
        self._looking.set()

    def abandon(self) -> None:
        """Stop waiting for the calls in flight: they are recorded as unknown, if that is possible now."""
        self._outbox.abandoned = True
        self.stop.set()
        for task in self._flying:
            task.cancel()

    @property
    def asks(self) -> bool:
        """Does it do nothing but wait for a person's answer?"""
        open_ones = {
            step.id for step in self.world.state_of(self.plan_id).steps.values() if step.open_questions
        }
        return bool(self._flying) and self._under_way() <= open_ones

    def _under_way(self) -> set[str]:
        """The ids of all that is being called."""
        return {begin.step.id for begin in self._flying.values()}

    # ------------------------------------------------------------ the loop

    async def _loop(self) -> None:
        while True:
            self._take_answers()
            await self._look_around()
            self._verify()
            self._tell_refusal()
            begins = [] if self._ending() else await self._begin_ready()
            if not begins and not self._flying and (self._ending() or not self._may_continue()):
                return  # what ended is recorded together with the conclusion
            if not begins and not self._flying:
                self._tell_the_wait()
            if await self._record(begins):
                for begin in begins:
                    self._fly(begin)
            if self._flying or (not self._ending() and self._may_continue()):
                await self._next_event()
            await self._take_landed()

    def _ending(self) -> bool:
        return self.stop.is_set() or self.refusal is not None or self._outbox.trouble is not None

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

    def _verify(self) -> None:
        """Where an outcome is unknown, and the action names a call that can tell, that one is made."""
        if self._ending():
            return
        for call, step in self._verifying.begin():
            self._outbox.events.append(self._events.added(call, self._flow.standing.step(origin_id(step.id))))
            if step.verify is not None and step.verify.after and call.id not in self._flow.until:
                self._flow.until[call.id] = until = now() + timedelta(seconds=step.verify.after)
                self._outbox.events.append(self._events.will_verify(call, until))

    async def _look_around(self) -> None:
        """Where something has changed outside, the gate is asked, whether a call is due now or later.

        What waits for a server is due once one of its servers is there.
        """
        if self._looking.is_set() and not self._ending():
            approved = await self._ask_gate()
            self.refusal = approved if isinstance(approved, GateRefused) else self.refusal
        self._looking.clear()
        for called in tuple(self._flow.away):
            if not absence(self.world, self._flow.called(called)):
                self._flow.away.discard(called)

    def _tell_refusal(self) -> None:
        """Why nothing more leaves is told while calls are under way: one may wait for hours for an answer."""
        if self.refusal is None or not self._flying or self._refusal_told:
            return
        self._refused = self._refused or now()
        if self._until_told() <= 0:
            self._refusal_told = True
            self._outbox.events.append(self._events.refused(self.refusal))

    def _until_told(self) -> float:
        """Seconds until a refusal is told; calls that end sooner are awaited first."""
        return SOON - (now() - self._refused).total_seconds() if self._refused else SOON

    def _tell_the_wait(self) -> None:
        """Where nothing happens for a while, the note says so."""
        until = min(self._flow.waits().values(), default=None)
        if until is None or self._place is not None or self._turns.awaited or until == self._told:
            return
        if (until - now()).total_seconds() > WORTH_TELLING:
            self._outbox.events.append(self._events.waits(until, self._outbox.events))
            self._told = until

    def _may_continue(self) -> bool:
        """Is there a step to begin now, a place to wait for, or a short time to sit out?"""
        if self._place is not None or self._turns.awaited:
            return True
        if next(self._due(), None) is not None:
            return True
        return any((until - now()).total_seconds() <= PATIENCE for until in self._flow.waits().values())

    def _due(self) -> Iterator[FrozenStep]:
        """Steps that may be called now, those in flight and those that wait left out."""
        flying = self._under_way()
        while skips := self._flow.skips():
            for step, blocker in skips:
                self._skip(step, "needs-failed", f"Step {blocker} did not succeed.")
        return self._flow.due(now(), flying)

    async def _begin_ready(self) -> list[Begin]:
        """Prepare every step that may be called now, as far as there are places.

        The gate is asked once for all of them: nothing is waited for in between. A refusal of the
        gate holds for all of them: none of those prepared leaves.
        """
        begins: list[Begin] = []
        approved: ApprovedPlan | GateRefused | None = None
        again = True
        while again:
            again = False
            for step in self._due():
                if self._to_unfold(step):
                    again = True  # its items can be called now, or it has ended
                    continue
                if self._is_crowded(len(begins)):
                    again = False  # one that ends makes room for the next
                    break
                if not self._take_turn(step):
                    continue
                if not self._take_place():
                    self._turns.keep(step.id)
                    return begins
                approved = approved or await self._ask_gate()
                begin = self._try_to_begin(step, approved)
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
        self._turns.give_back_kept()
        return begins

    def _is_crowded(self, begun: int) -> bool:
        """Can no further call begin before another one ends, whichever step it is of?"""
        full = len(self._flying) + begun >= self.world.per_plan
        return full or self._turns.stands_at(*self._flow.servers)

    def _to_unfold(self, step: FrozenStep) -> bool:
        """Take the list of a step with `for_each`, once; False for everything else."""
        if step.for_each is None or step.id in self._flow.members:
            return False
        try:
            own = step.condition is not None and not conditions.names_in_condition(step.condition).item
            if own and not self._values.wanted(step):
                self._skip(step, "condition-false", "Its condition is false.")
                return True
            values = self._values.items(step)
        except SignoffError as error:
            self._fail(step, error)
            return True
        members = self._flow.unfold(step, values)
        self._outbox.events.extend(self._events.added(member, step) for member in members)
        return True

    def _take_back(self) -> bool:
        """Begin to take back what was done, where the plan failed and asks for it."""
        undos = self._flow.take_back()
        for undo in undos:
            self._outbox.events.append(self._events.added(undo, self._flow.standing.step(origin_id(undo.id))))
        return bool(undos)

    def _try_to_begin(self, step: FrozenStep, approved: ApprovedPlan | GateRefused) -> Begin | None:
        """Prepare a step; None where it was skipped, has failed, or the gate has refused."""
        begin: Begin | None = None
        try:
            if isinstance(approved, GateRefused):
                raise approved
            begin = prepare(self.world, self._flow, self._values, step, approved)
            if begin is None:
                self._skip(step, "condition-false", "Its condition is false.")
        except OutsideLimits as outside:
            self.refusal = self._with_all_outside(outside, cast("ApprovedPlan", approved))
        except GateRefused as refusal:
            self.refusal = refusal
        except SignoffError as error:
            self._not_begun(step, error)
        except Exception as defect:  # noqa: BLE001  nothing was called; its place must be given back
            logger.opt(exception=defect).error("Step {} of {} could not be begun.", step.id, self.plan_id)
            self._not_begun(step, SignoffError(f"{DEFECT} Nothing was called for it.", code="defect"))
        if begin is None:
            self._turns.give_back(step.id)
            self.world.slots.give_back()
        else:
            self._flow.mark(step.id, StepStatus.RUNNING)
        return begin

    def _with_all_outside(self, first: OutsideLimits, approved: ApprovedPlan) -> OutsideLimits:
        """A call outside its limits, with all others whose final values are known by now: one question."""
        others: list[OutsideLimits] = []
        for step in islice(self._known_calls(), MOST_LOOKED_AT):
            if step.id == first.step:
                continue
            try:
                prepare(self.world, self._flow, self._values, step, approved)
            except OutsideLimits as other:
                others.append(other)
            except SignoffError:
                continue  # that is told when it is its turn
            if len(others) == MOST_ASKED - 1:
                break
        return first.together_with(others)

    def _known_calls(self) -> Iterator[FrozenStep]:
        """The calls that could be made now, with the open items of the lists that these belong to."""
        seen: set[str] = set()
        for step in list(self._flow.due(now(), self._under_way())):
            unfolded = self._to_unfold(step)
            items = self._flow.members.get(origin_id(step.id), ())
            for called in items or (() if unfolded else (step,)):
                if called.id not in seen and self._flow.statuses[called.id] in OPEN:
                    seen.add(called.id)
                    yield called

    async def _ask_gate(self) -> ApprovedPlan | GateRefused:
        """What the gate says of the plan, all that it looks at read afresh."""
        try:
            return admit(await self.world.facts(self.plan_id))
        except GateRefused as refusal:
            return refusal

    def _not_begun(self, step: FrozenStep, error: SignoffError) -> None:
        """A call that cannot be made: it has failed, waits for its server, or has nothing to say."""
        if is_verify(step.id):
            self._skip(step, "not-verified", f"It could not be asked whether it happened: {error}")
        elif isinstance(error, ServerAway):
            self._flow.mark(step.id, StepStatus.WAITING)
            self._flow.away.add(step.id)
            self._outbox.events.append(self._events.away(step, str(error)))
        else:
            self._fail(step, error)

    def _call_off(self, begins: Sequence[Begin]) -> None:
        """These calls do not leave: no intent of theirs was recorded."""
        for begin in begins:
            self._flow.mark(begin.step.id, StepStatus.PENDING)
            self._turns.give_back(begin.step.id)
            self.world.slots.give_back()

    def _skip(self, step: FrozenStep, reason: str, message: str) -> None:
        self._flow.mark(step.id, StepStatus.SKIPPED)
        self._outbox.events.append(self._events.skipped(step, reason, message))

    def _fail(self, step: FrozenStep, error: SignoffError) -> None:
        self._flow.mark(step.id, StepStatus.FAILED)
        self._outbox.events.append(self._events.failed(step, error))

    # ------------------------------------------------------------ waiting

    def _take_turn(self, step: FrozenStep) -> bool:
        """A turn at the server that a step calls next, where that takes only so many calls at once."""
        if self._turns.stands_at(*(call.server for call in step.calls)):
            return False
        if all(self.world.line(call.server) is None for call in step.calls):
            return True
        try:
            server = next_server(self.world, self._flow, step)
        except SignoffError:  # it will not be called, and is told why when it is prepared
            return True
        return self._turns.take(step.id, server, self.world.state_of(self.plan_id).priority)

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
        waits |= {cast("asyncio.Future[object]", task) for task in self._turns.awaited}
        if not self.stop.is_set():
            waits.add(cast("asyncio.Future[object]", self._stopping))
        if not self._ending():
            if self._news is None or self._news.done():
                self._news = asyncio.ensure_future(self._looking.wait())
            waits.add(cast("asyncio.Future[object]", self._news))
        await asyncio.wait(waits, timeout=self._nap(), return_when=asyncio.FIRST_COMPLETED)
        if len(self._flying) > 1 and not self._ending():
            await asyncio.wait(list(self._flying), timeout=TOGETHER)
        if self._place is not None and self._place.done():
            self._place = None
            self._holding = True
        self._turns.arrive()

    def _nap(self) -> float | None:
        """Seconds until the next wait of a step is over; None where there is nothing to be woken for."""
        if self._ending():
            untold = self.refusal is not None and not self._refusal_told
            return max(0.0, self._until_told()) if untold else None
        flying = self._under_way()
        crowded = self._place is not None or len(flying) >= self.world.per_plan or self._turns.awaited
        return self._flow.rest(now(), flying, crowded=bool(crowded))

    async def _leave(self) -> None:
        """Give back what is held, however the loop ended."""
        for listening in (self._stopping, self._news):
            if listening is not None:
                listening.cancel()
        self._stopping = self._news = None
        await self._turns.leave()
        if self._place is not None:
            self._place.cancel()
            await asyncio.gather(self._place, return_exceptions=True)
            self._holding = not self._place.cancelled()  # it came at the last moment
            self._place = None
        if self._holding:
            self._holding = False
            self.world.slots.give_back()

    # ------------------------------------------------------------ the call and after it

    def _fly(self, begin: Begin) -> None:
        """Let a call go whose intent is durable."""
        call, step = begin.call, begin.step.id
        self._flow.attempts[step].append(Attempt(begin.attempt, call.server, call.tool, stamp(now())))
        self._flow.until.pop(step, None)
        self.world.said(self.plan_id, step, "CALL", f"{call.name} attempt {begin.attempt}")
        self.world.said(self.plan_id, step, "PARAMS", text_of(begin.intent.data["arguments"]))
        self._make(begin)
        self.world.progressed(self.plan_id)

    def _make(self, begin: Begin) -> None:
        place = Place(self.world.slots, partial(self._turns.give_back, begin.step.id))
        made = landing.make(self.world, begin, self.plan_id, place, stop=self.stop, still=self._may_leave)
        self._flying[asyncio.ensure_future(made)] = begin

    def _may_leave(self) -> bool:
        """May what was recorded as about to leave still do so?"""
        return not self._ending()

    async def _take_landed(self) -> None:
        for task in [task for task in self._flying if task.done()]:
            begin = self._flying.pop(task)
            self._turns.give_back(begin.step.id)
            if task.cancelled():  # before it could begin
                self.world.slots.give_back()
                ended = Ended(begin, None, landing.stopped(), 0.0)
            else:
                ended = task.result()
            if ended.suspended:
                continue
            self._given_up = self._given_up or (self.stop.is_set() and landing.is_given_up(ended))
            self.refusal = self.refusal or ended.refusal
            landed = landing.land(self.world, self._flow, self._outbox, ended)
            self._flow.mark(begin.step.id, landed.status)
            self._outbox.events.append(landed.event)
            self.refusal = landed.refusal or self.refusal
            if is_verify(begin.step.id) and landed.status is not StepStatus.WAITING:
                self._outbox.events.extend(self._verifying.answer(begin, landed.status, landed.event))
                await self._record(())  # a person may answer too: the log says who was first
            self.refusal = self.refusal or landing.unanswered(ended)
        self._outbox.send_ahead()

    # ------------------------------------------------------------ recording

    async def _record(self, begins: Sequence[Begin]) -> bool:
        """What ended and what is about to leave, in one durable write; False where nothing may leave."""
        waiting = bool(self._outbox.events or begins)
        if not await self._outbox.record([begin.intent for begin in begins]):
            self._call_off(begins)
            return False
        if waiting:
            self.world.progressed(self.plan_id)
        return True

    async def _flush(self) -> None:
        """Record what ended, again and again if need be: a fact is never dropped."""
        while self._outbox.events or self._flying:
            if self._flying:
                await asyncio.wait(list(self._flying))
                await self._take_landed()
            if not await self._record(()) and not await self._outbox.again():
                return

    async def _conclude(self) -> datetime | None:
        """After the loop: record how the plan ended, or until when it waits."""
        self._take_answers()
        self._outbox.events.extend(self._events.groups())
        ended = self._flow.verdict()
        if ended is not None:
            self._outbox.events.append(self._events.finished(ended, self._outbox.events))
        until = min(self._flow.waits().values(), default=None) if ended is None else None
        if until is not None and until != self._told and not self.stop.is_set():
            self._outbox.events.append(self._events.waits(until, self._outbox.events))
        away = self._flow.kept_away() if ended is None and until is None else []
        if away and not self.stop.is_set():
            self._outbox.events.append(self._events.waits_for_server(away[0], self._outbox.events))
        await self._flush()
        return until
