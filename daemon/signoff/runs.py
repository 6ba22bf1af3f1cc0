"""The runs under way: starting them, waking them in time, and giving each the world it needs.

What follows when a run ends with a refusal: the plan waits, is rejected, cancelled or expired, or goes back
to the person. When and why a run starts is decided by `start`, never by a timer: a timer only asks again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol, cast

import orjson
from loguru import logger
from tzlocal import get_localzone

from signoff.absence import Absence
from signoff.approval import Facts, admit
from signoff.canonical import sha256_hex
from signoff.catalogue import Action
from signoff.decide import Do, refused_by_person
from signoff.errors import (
    AuthenticationFailed,
    GateRefused,
    LedgerError,
    NoteError,
    OutsideLimits,
    SignoffError,
)
from signoff.execution import CallTerms, Run
from signoff.execution.run import DEFECT
from signoff.execution.world import Person
from signoff.flow import is_verify, origin_id
from signoff.inquiries import Inquiries
from signoff.ledger.entry import Entry, Event
from signoff.limits import final_arguments, first_broken
from signoff.logs import say_action
from signoff.model import (
    LIVE,
    Call,
    CallResult,
    Folder,
    FrozenPlan,
    FrozenStep,
    InputNeeded,
    Json,
    JsonObject,
    PlanState,
    Risk,
    Status,
    StepStatus,
    Tool,
)
from signoff.parts import Parts
from signoff.plan.schema import problems
from signoff.plan.times import read_time
from signoff.policy import repeatable
from signoff.presence import Presence
from signoff.recover import given_up, interrupted
from signoff.slots import RANK, Slots
from signoff.timetable import Timetable, is_ahead

LONGEST_SUMMARY = 400
"""Characters of a text in the ledger and the readable log; the rest is in the blob."""
LONGEST_LIST = 50
"""Items of a list, or members of an object, in the same places."""
TRY_AGAIN = 2.0
"""Seconds until a plan is tried again whose record could not be written."""
LOCKED_OUT = 600.0
"""Seconds for which no plan calls a server that has refused to know us."""
FETCH_BACK = 0.3
"""Seconds between looks at whether the note of a plan that goes on has left the folder of failed ones."""
NOT_RECORDED = "What became of the call was not recorded."
_EXACT = 2**53 - 1
_TURNS = frozenset({"frozen", "approved", "started", "waiting", "returned", "resolved", "finished"})
"""What is recorded where a plan comes to stand otherwise."""


class Clock(Protocol):
    """What wakes a plan in time."""

    def wake_at(self, plan_id: str, moment: datetime) -> None:
        """Call `Runs.start_soon` for this plan at this time."""


_LONG_NUMBER = re.compile(rb"[0-9]{19}")
"""A whole number that may be beyond 64 bits: orjson would make a broken one of it."""


class Runs:
    """All runs of the daemon; also the world that each of them sees (`signoff.execution.World`).

    Attributes:
        slots: places for calls in flight, over all plans and servers.
        inquiries: what servers have asked, and wait to be told.
        clock: wakes plans that wait; set by the daemon.
        back_to_person: called with plan id, code and message after `returned` was recorded.
        note_changed: called with a plan id whenever its note should tell something new.
    """

    def __init__(
        self,
        parts: Parts,
        presence: Presence,
        note_changed: Callable[[str], None],
        back_to_person: Callable[[str], Awaitable[None]],
    ) -> None:
        self._parts = parts
        self._presence = presence
        self.note_changed = note_changed
        self.back_to_person = back_to_person
        self._absence = Absence(parts, presence)
        self._locked_out: dict[str, datetime] = {}
        self._timetable = Timetable(parts, presence)
        self.slots = Slots(parts.settings.execution.concurrency)
        self._lines: dict[str, Slots] = {}
        self.inquiries = Inquiries()
        self.retry_delay = parts.settings.execution.retry_delay
        self.per_plan = parts.settings.execution.per_plan
        self.answer_within = parts.settings.execution.answer_within
        self.clock: Clock | None = None
        self._runs: dict[str, tuple[Run, asyncio.Task[None]]] = {}
        self._dependents: dict[str, set[str]] = {}
        self._soon: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._asked_again: set[str] = set()
        self._held: set[str] = set()
        self._trouble = ""
        self.closing = False
        self._opened = False

    # ------------------------------------------------------------ starting and ending

    def open(self) -> None:
        """Begin: until now nothing was started. In the order of priority, then of approval."""
        self._opened = True
        live = [plan for plan in self._parts.state.plans.values() if plan.status in LIVE]
        for plan in sorted(live, key=_turn):
            if not self._presence.is_lost(plan.id):  # else it is still looked for
                self.start(plan.id)

    def start_soon(self, plan_id: str) -> None:
        """Start a plan in a moment: those whose time comes at once start in the order of their turn."""
        if not self._soon:
            asyncio.get_running_loop().call_soon(self._start_in_turn)
        self._soon.add(plan_id)

    def _start_in_turn(self) -> None:
        plans = self._parts.state.plans
        soon, self._soon = [plans[plan_id] for plan_id in self._soon if plan_id in plans], set()
        for plan in sorted(soon, key=_turn):
            self.start(plan.id)

    def ask_again(self) -> None:
        """Open the questions of suspended calls again: they may have been answered in the notes meanwhile."""
        for plan in self._parts.state.plans.values():
            for step in plan.steps.values():
                for question in step.open_questions if step.suspended else ():
                    self.inquiries.again(plan.id, question.number)

    def start(self, plan_id: str, *, asleep: bool = True) -> None:
        """Run a plan if it is live and not running already; the gate decides whether anything happens.

        Args:
            plan_id: which plan.
            asleep: leave one alone that waits for a time still to come.
        """
        state = self._parts.state.plans.get(plan_id)
        if (
            self.closing
            or not self._opened
            or plan_id in self._held
            or state is None
            or state.status not in LIVE
        ):
            return
        if plan_id in self._runs:
            self._asked_again.add(plan_id)  # it may be about to end, and have missed what is new
            self._runs[plan_id][0].look_again()
            return
        if asleep and self._asleep(state):
            return
        run = Run(plan_id, self)
        task = asyncio.ensure_future(self._go(run))
        self._runs[plan_id] = (run, task)
        task.add_done_callback(lambda _: self._gone(plan_id))

    def _gone(self, plan_id: str) -> None:
        """A run has ended; if it was asked for meanwhile, it is looked at once more."""
        del self._runs[plan_id]
        state = self._parts.state.plans.get(plan_id)
        came_back = state is not None and self._absence.is_over(state)  # while it was put down as away
        if plan_id in self._asked_again or came_back:
            self._asked_again.discard(plan_id)
            self.start(plan_id)

    def _asleep(self, state: PlanState) -> bool:
        """Does the plan wait for a server or a time still to come? Then the clock is set; nothing starts."""
        until = self._absence.until(state)
        if until is not None and self.clock is not None:
            self.clock.wake_at(state.id, until)
        if until is not None:
            return True
        if state.until is None or state.status not in {Status.WAITING, Status.SCHEDULED}:
            return False
        until, now = datetime.fromisoformat(state.until), self._presence.clock()
        if until <= now or is_ahead(state, now) or state.approvals_end <= self._presence.now():
            return False
        if self.clock is not None:
            self.clock.wake_at(state.id, min(until, state.approvals_end))
        return True

    def clock_was_put_back(self) -> None:
        """What is scheduled may come due earlier than was thought."""
        for state in self._parts.state.plans.values():
            if state.status is Status.SCHEDULED:
                self.start_soon(state.id)

    def look_for_servers(self) -> None:
        """Servers may have changed: what waits for one goes on, or says what is wrong now."""
        news: list[Event] = []
        for state in sorted(self._absence.waiting(), key=_turn):
            run = self._runs.get(state.id)
            if run is not None:
                run[0].look_again()
                continue
            self.start(state.id)
            if state.id not in self._runs:
                news.extend(self._absence.news(state))
        if news:
            asyncio.ensure_future(self._tell(news))  # noqa: RUF006  what is not told is told at the next look

    async def _tell(self, news: list[Event]) -> None:
        with contextlib.suppress(LedgerError):
            await self.record(news)
        for plan_id in {event.plan for event in news if event.plan is not None}:
            self.note_changed(plan_id)

    def running(self, plan_id: str) -> bool:
        """Is a run of this plan under way?"""
        return plan_id in self._runs

    @property
    def busy(self) -> bool:
        """Is any run under way that does not just wait for a person's answer?"""
        return bool(self._timers) or any(not run.asks for run, _ in self._runs.values())

    @asynccontextmanager
    async def halted(self, plan_id: str) -> AsyncIterator[None]:
        """Let no further call of a plan leave, and wait until those in flight have been recorded.

        Inside, no run of it starts, whoever asks: the caller records there why it was halted.
        """
        self._held.add(plan_id)
        try:
            found = self._runs.get(plan_id)
            if found is not None:
                found[0].stop.set()
                await asyncio.gather(found[1], return_exceptions=True)
            await self._give_up(plan_id)
            yield
        finally:
            self._held.discard(plan_id)

    async def _give_up(self, plan_id: str) -> None:
        """Suspended calls that no run has taken up will not be resumed."""
        plan = self._parts.state.plans.get(plan_id)
        events = given_up(plan) if plan is not None else []
        if events:
            await self.record(events)
            self.inquiries.drop(plan_id)

    async def close(self, patience: float) -> None:
        """Let nothing more leave; wait for the calls in flight, then record the rest as unknown.

        Args:
            patience: seconds to wait for calls in flight.
        """
        self.closing = True
        for timer in self._timers.values():
            timer.cancel()
        tasks = [task for _, task in self._runs.values()]
        for run, _ in self._runs.values():
            run.stop.set()
        if not tasks:
            return
        await asyncio.wait(tasks, timeout=patience)
        for run, _ in list(self._runs.values()):
            run.abandon()
        await asyncio.wait(tasks, timeout=2.0)

    async def _go(self, run: Run) -> None:
        plan_id = run.plan_id
        try:
            lost = self._presence.is_lost(plan_id)  # then the gate is asked, whatever the time
            if (not lost and self._too_early(plan_id)) or self._not_fetched_back(plan_id):
                return
            if await self._repeats(plan_id):
                return
            until = await run.go()
            if until is not None and self.clock is not None:
                self.clock.wake_at(plan_id, until)
        except GateRefused as refusal:
            await self._after_refusal(plan_id, refusal)
        except LedgerError as error:
            logger.debug("Plan {} waits for the ledger: {}", plan_id, error)
            self._again_in(TRY_AGAIN, plan_id)
        except SignoffError as error:
            logger.error("Plan {} stopped: {}", plan_id, error)
            await self._broken_off(plan_id, error.code, str(error))
        except Exception as defect:  # noqa: BLE001  one plan's defect must not be silent, nor stop others
            logger.opt(exception=defect).error("Plan {} stopped, by a defect of the program.", plan_id)
            await self._broken_off(plan_id, "defect", DEFECT)
        finally:
            self._parts.blobs.hurry()
            self.note_changed(plan_id)

    async def _broken_off(self, plan_id: str, code: str, message: str) -> None:
        """A plan that cannot go on, for no reason that the gate or a step gave, is not left as if it ran."""
        state = self._parts.state.plans.get(plan_id)
        if state is None or state.status not in LIVE:
            return
        lost = interrupted([state], lambda *_: False, lambda _: True, f"{message} {NOT_RECORDED}")
        unknown = bool(lost) or any(step.status is StepStatus.UNKNOWN for step in state.steps.values())
        status = Status.UNKNOWN if unknown else Status.FAILED
        data: JsonObject = {"status": status.value, "reason": code, "message": message}
        ended = Event("finished", plan=plan_id, digest=state.digest, data=data)
        try:
            await self.record([*given_up(state), *lost, ended])
        except LedgerError:
            self._again_in(TRY_AGAIN, plan_id)

    def _again_in(self, seconds: float, plan_id: str) -> None:
        def again() -> None:
            self._timers.pop(plan_id, None)
            self.start(plan_id)

        if not self.closing and plan_id not in self._timers:
            self._timers[plan_id] = asyncio.get_running_loop().call_later(seconds, again)

    def _not_fetched_back(self, plan_id: str) -> bool:
        """Does the note still lie among the failed ones, with the answer to an earlier question in it?

        Then nothing runs before it was written anew: the tick of one answer must never be taken for
        the answer to a later question.
        """
        path = self._presence.paths.get(plan_id, self._parts.state.plans[plan_id].path)
        there = self._parts.vault.kind_of(path) is Folder.FAILED and self._parts.vault.stamp(path) is not None
        if there:
            self._again_in(FETCH_BACK, plan_id)
        return there

    async def _repeats(self, plan_id: str) -> bool:
        """A plan with a schedule calls nothing itself: it has runs, each a plan of its own."""
        state = self._parts.state.plans[plan_id]
        frozen = self._presence.frozen(state.digest)
        if state.parent is not None and state.parent not in self._parts.state.ended:
            self._timetable.write_note(state)
        if frozen is None or frozen.schedule is None:
            return False
        run, following = await self._timetable.attend(admit(await self.facts(plan_id)))
        if self.clock is not None:
            self.clock.wake_at(plan_id, min(following or state.approvals_end, state.approvals_end))
        if run is not None:
            self.start(run)
        return True

    def runs_of(self, parent: str) -> list[str]:
        """The runs of a repeating plan that are still live."""
        return self._timetable.live_runs(parent)

    def _too_early(self, plan_id: str) -> bool:
        """Is the plan's `run_at` still to come? Then the clock is set."""
        state = self._parts.state.plans[plan_id]
        frozen = self._presence.frozen(state.digest)
        if (
            frozen is None
            or frozen.run_at is None
            or state.last_due
            or any(step.attempts for step in state.steps.values())
        ):
            return False
        moment = read_time(frozen.run_at, zone=get_localzone())
        if moment <= self._presence.clock():
            return False
        if state.status is not Status.SCHEDULED:
            asyncio.ensure_future(self._wait_for(plan_id, moment))  # noqa: RUF006  the ledger keeps it alive
        if self.clock is not None:
            self.clock.wake_at(plan_id, moment)
        return True

    async def _wait_for(self, plan_id: str, moment: datetime) -> None:
        until = moment.isoformat(timespec="milliseconds")
        await self.record(
            [Event("waiting", plan=plan_id, data={"scheduled": True, "reason": "run-at", "until": until})]
        )
        self.note_changed(plan_id)

    # ------------------------------------------------------------ after a refusal

    async def _after_refusal(self, plan_id: str, refusal: GateRefused) -> None:
        state = self._parts.state.plans.get(plan_id)
        if state is None or state.status not in LIVE:
            return
        logger.info("Plan {} does not go on: {} ({})", plan_id, refusal.message, refusal.code)
        data: JsonObject = {"reason": refusal.code, "message": refusal.message}
        contents: tuple[bytes, ...] = ()
        if isinstance(refusal, OutsideLimits):
            asked = (refusal, *refusal.others)
            contents = tuple(each.shown for each in asked)
            data["final"], *also = map(_final, asked)
            if also:
                data["also"] = also
        if refusal.code not in {"dependency-unmet", "authentication"}:
            await self._give_up(plan_id)
        if refusal.code == "dependency-unmet":
            await self._wait_for_dependencies(plan_id, data)
        elif refusal.code == "authentication":
            await self._wait_to_be_known(plan_id, data)
        elif refusal.code == "refused-by-gesture":
            data = await self._as_refused(plan_id, data)
            await self.record([Event("finished", plan=plan_id, data=data)])
        elif refusal.code == "expired" and self._when_expired(state) == "reject":
            await self.record([Event("finished", plan=plan_id, data={**data, "status": "expired"})])
        elif refusal.code == "revoked" and self._has_nothing_to_stand_on(state):
            await self.record([Event("finished", plan=plan_id, data={**data, "status": "cancelled"})])
        else:
            await self.record([Event("returned", plan=plan_id, digest=state.digest, data=data)], contents)
            await self.back_to_person(plan_id)

    async def _as_refused(self, plan_id: str, data: JsonObject) -> JsonObject:
        """What is recorded of a plan that was refused in its note: rejected or cancelled, in which words."""
        note = await self._presence.note_facts(plan_id)
        if note is None:
            return {**data, "status": Status.REJECTED.value}
        decision = refused_by_person(note)
        status = Status.CANCELLED if decision.do is Do.CANCEL else Status.REJECTED
        return {"status": status.value, "reason": decision.code, "message": decision.message}

    def _has_nothing_to_stand_on(self, state: PlanState) -> bool:
        """Is there no note that could be approved again, or none whose approval would count?"""
        return self._presence.is_lost(state.id) or self._is_left_over(state)

    def _is_left_over(self, state: PlanState) -> bool:
        """Is this a run of a plan that does not stand any more?"""
        return state.parent is not None and self._parts.state.status(state.parent) not in LIVE

    def _when_expired(self, state: PlanState) -> str:
        return self._parts.rules.policy.when_expired(Risk(state.risk))

    async def _wait_to_be_known(self, plan_id: str, data: JsonObject) -> None:
        """The server does not take our credentials: no call leaves until it may have changed."""
        frozen = self._presence.frozen(self._parts.state.plans[plan_id].digest)
        servers = {pin.partition(".")[0] for pin in frozen.pins} if frozen else set()
        ends = [end for server, end in self._locked_out.items() if server in servers]
        until = max(ends, default=self._presence.now())
        data["until"] = until.isoformat(timespec="milliseconds")
        await self.record([Event("waiting", plan=plan_id, data=data)])
        if self.clock is not None:
            self.clock.wake_at(plan_id, until)

    async def _wait_for_dependencies(self, plan_id: str, data: JsonObject) -> None:
        state = self._parts.state.plans[plan_id]
        frozen = self._presence.frozen(state.digest)
        for name in frozen.depends_on if frozen else ():
            self._dependents.setdefault(name, set()).add(plan_id)
        if (state.status, state.message) != (Status.WAITING, data["message"]):
            await self.record([Event("waiting", plan=plan_id, data=data)])

    def heard(self, entry: Entry) -> None:
        """What was recorded of one plan may be what others wait for, or say of it in their notes."""
        if entry.plan is None or entry.event not in _TURNS:
            return
        self.look_at_dependents(entry.plan)
        plan = self._parts.state.plans.get(entry.plan)
        if plan is not None and plan.parent is not None and plan.status not in LIVE:
            again = partial(self.start, plan.parent, asleep=False)  # another run may have come due meanwhile
            asyncio.get_running_loop().call_soon(again)

    def look_at_dependents(self, plan_id: str) -> None:
        """Start those that wait for a plan; those that must go on waiting say how it stands now."""
        for dependent in self._dependents.pop(plan_id, ()):
            self.start_soon(dependent)

    # ------------------------------------------------------------ the world of a run

    async def facts(self, plan_id: str) -> Facts:
        """See `World.facts`. The run of a repeating plan stands only as long as that plan does."""
        state = self._parts.state.plans[plan_id]
        if self._is_left_over(state):
            why = f"The plan that this is a run of, {state.parent}, does not stand."
            raise GateRefused(why, code="revoked")
        return await self._presence.facts(plan_id)

    async def record(self, events: Sequence[Event], contents: Sequence[bytes] = ()) -> None:
        """See `World.record`."""
        try:
            await self._parts.ledger.append(events, contents=contents)
        except LedgerError as error:
            self._say_trouble(error)
            raise
        if self._trouble:
            self._trouble = ""
            logger.info("The audit log can be written again; the plans go on.")

    def keep_ahead(self, contents: Sequence[bytes]) -> None:
        """See `World.keep_ahead`."""
        self._parts.ledger.keep_ahead(contents)

    def _say_trouble(self, error: LedgerError) -> None:
        """Once, not at every attempt."""
        if str(error) != self._trouble:
            self._trouble = str(error)
            logger.error("Nothing is called while the audit log cannot be written. {}", error)

    def result_of(self, blob: str) -> JsonObject:
        """See `World.result_of`."""
        data = self._parts.blobs.get(blob)
        strict = _LONG_NUMBER.search(data) is None
        try:
            found: JsonObject = orjson.loads(data) if strict else json.loads(data)
        except orjson.JSONDecodeError:  # a result that strict JSON does not allow, such as NaN
            found = json.loads(data)
        return found

    @property
    def sequence(self) -> int:
        """See `World.sequence`."""
        return self._parts.state.sequence

    def state_of(self, plan_id: str) -> PlanState:
        """See `World.state_of`."""
        return self._parts.state.plans[plan_id]

    def terms(self, frozen: FrozenPlan, step: FrozenStep) -> CallTerms:
        """See `World.terms`."""
        rules, execution = self._parts.rules, self._parts.settings.execution
        action = rules.catalogue.find(step.action)
        timeout = step.timeout or (action.timeout if action else None) or execution.timeout
        retries = step.retries
        if retries is None:
            retries = action.retries if action and action.retries is not None else execution.retries
        return CallTerms(
            timeout=timeout,
            retries=retries,
            repeatable=tuple(
                repeatable(call, action, annotations_of(frozen, call), rules.policy) for call in step.calls
            ),
            secret=self._presence.assessment(frozen).secret(origin_id(step.id)),
            key_argument=tuple(_key_name(action, call) for call in step.calls),
        )

    def within_limits(self, frozen: FrozenPlan, step: FrozenStep, call: Call) -> str:
        """See `World.within_limits`."""
        own = (step.limits,) if step.limits else ()
        limits = (*self._presence.limits(frozen, step, call), *own)
        if not limits:
            return ""
        arguments = final_arguments(step.arguments, call.arguments)
        return first_broken(limits, arguments, plan={"id": frozen.id}, step={"id": step.id}).message

    def line(self, server: str) -> Slots | None:
        """See `World.line`. Where the limit was changed, those in the old line still get their turn there."""
        most = self._parts.servers.most_at_once(server)
        known = self._lines.get(server)
        if most is None or (known is not None and known.limit == most):
            return None if most is None else known
        self._lines[server] = Slots(most)
        return self._lines[server]

    def away(self, server: str) -> str:
        """See `World.away`."""
        return self._absence.away(server)

    def tried_until(self, plan_id: str) -> datetime:
        """See `World.tried_until`."""
        return self._absence.tried_until(self._parts.state.plans[plan_id])

    def misfit(self, frozen: FrozenPlan, call: Call) -> str:
        """See `World.misfit`."""
        definition = cast("dict[str, Any]", frozen.pins[call.name]["definition"])
        tool = Tool(
            definition["name"],
            definition["description"],
            definition["inputSchema"],
            definition["annotations"],
        )
        try:
            found = problems(call.arguments, tool, server=call.server)
        except NoteError as error:
            return str(error)
        return f"{found[0].message} It was filled in at run time; nothing was called." if found else ""

    def summary(self, value: Json, secret: Iterable[str], hidden: Iterable[str] = ()) -> Json:
        """See `World.summary`."""
        redactor, known = self._parts.rules.redactor, list(hidden)
        return _bounded((redactor.knowing(known) if known else redactor).json(value, set(secret)))

    def shown(self, value: Json, secret: Iterable[str]) -> Json:
        """See `World.shown`."""
        return self._parts.rules.redactor.json(value, set(secret))

    async def call(
        self,
        call: Call,
        *,
        timeout: float,
        meta: JsonObject,
        pin: JsonObject,
        person: Person,
        still: Callable[[], bool],
        resuming: Callable[[], Awaitable[bool]],
        suspended: InputNeeded | None,
    ) -> CallResult:
        """See `World.call`."""
        try:
            result = await self._parts.servers.call(
                call.server,
                call.tool,
                dict(call.arguments),
                timeout=timeout,
                meta=meta,
                pin=pin,
                person=person,
                still=still,
                resuming=resuming,
                suspended=suspended,
                cache=0.0 if is_verify(str(meta.get("signoff/step"))) else None,  # not what was before
            )
        except AuthenticationFailed as error:
            self._locked_out[call.server] = self._presence.now() + timedelta(seconds=LOCKED_OUT)
            logger.error("{} does not know us; plans that need it wait. {}", call.server, error)
            raise
        self._locked_out.pop(call.server, None)
        return result

    def locked_out(self, server: str) -> str:
        """See `World.locked_out`."""
        until = self._locked_out.get(server)
        if until is None or until <= self._presence.now():
            return ""
        return f"The server `{server}` has refused to know us; it is tried again in a few minutes."

    def try_again(self, server: str) -> None:
        """A person has restarted a server: those that wait because it did not know us go on."""
        self._locked_out.pop(server, None)
        for plan in list(self._parts.state.plans.values()):
            if plan.status is Status.WAITING and plan.reason == "authentication":
                plan.until = None
                self.start_soon(plan.id)

    def progressed(self, plan_id: str) -> None:
        """See `World.progressed`."""
        self.note_changed(plan_id)

    def said(self, plan_id: str, step: str, line: str, text: str) -> None:
        """See `World.said`."""
        say_action(line, plan_id, step, self._parts.rules.redactor.text(text))


def _final(outside: OutsideLimits) -> Json:
    """What is recorded of one call outside its limits that a person is asked about."""
    return {"step": outside.step, "sha256": outside.arguments, "kept": sha256_hex(outside.shown)}


def _turn(plan: PlanState) -> tuple[int, str]:
    """Plans start in this order: by priority, then by the time of their approval."""
    approved = max((given.time for given in plan.approvals), default=plan.frozen)
    return RANK.get(plan.priority, RANK["normal"]), approved


def annotations_of(frozen: FrozenPlan, call: Call) -> JsonObject:
    """What the tool of a call declared when it was frozen."""
    definition = frozen.pins[call.name]["definition"]
    found = definition.get("annotations") if isinstance(definition, dict) else None
    return found if isinstance(found, dict) else {}


def _key_name(action: Action | None, call: Call) -> str | None:
    """The tool's own name of the argument that takes the idempotency key, or None."""
    if action is None or action.idempotency_key is None:
        return None
    tool = next((tool for tool in action.tools if tool.name == call.name), None)
    if tool is None:
        return None
    renamed = (own for own, named in tool.names.items() if named == action.idempotency_key)
    return next(renamed, action.idempotency_key)


def _bounded(value: Json) -> Json:
    """A value that the ledger can hold exactly, cut to what a person reads."""
    if isinstance(value, str):
        value = value if value.isascii() else value.encode("utf-8", "replace").decode()
        over = len(value) - LONGEST_SUMMARY
        return value if over <= 0 else f"{value[:LONGEST_SUMMARY]}… ({over} more characters)"
    if isinstance(value, list):
        rest: list[Json] = [f"… ({len(value) - LONGEST_LIST} more)"] if len(value) > LONGEST_LIST else []
        return [_bounded(item) for item in value[:LONGEST_LIST]] + rest
    if isinstance(value, dict):
        kept = {str(_bounded(key)): _bounded(value[key]) for key in list(value)[:LONGEST_LIST]}
        return kept if len(value) <= LONGEST_LIST else {**kept, "…": f"({len(value) - LONGEST_LIST} more)"}
    inexact = (isinstance(value, float) and not math.isfinite(value)) or (
        isinstance(value, int) and abs(value) > _EXACT
    )
    return str(value) if inexact else value
