"""Where a running plan stands and what may come next: steps, the items of a `for_each`, and taking back.

A pure state machine over `signoff.graph`; the run (`signoff.execution`) tells it what happened and asks what
is due. It knows three kinds of things to call:

* a step as it stands in the plan;
* an item of a step with `for_each`, called `step[0]`, `step[1]` and so on: one call each. The step has
  ended when its items have; it is done when all of them are;
* the undo of a finished step, called `step:undo`, or of an item, `step[0]:undo`, in reverse order, where
  the plan failed and says `on_failure: undo`: what needed another step goes before it, wherever the two
  stand in the plan. An undo that fails stops the taking back.

In the sequential mode no two calls of a plan are under way at the same time, items included.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain

from signoff import graph
from signoff.errors import ServerAway
from signoff.model import (
    Attempt,
    Call,
    FrozenPlan,
    FrozenStep,
    Json,
    PlanState,
    Status,
    StepState,
    StepStatus,
)

MOST_ITEMS = 1000
"""Items of one `for_each` that is written out in the plan."""
MOST_LATE_ITEMS = 50
"""Items of one `for_each` whose list is only known when it runs; the preview says "up to 50"."""
SERVER_AWAY = ServerAway.code
"""The reason of what waits for a server."""
ENDED = frozenset({StepStatus.DONE, StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.CANCELLED})


def item_id(step: str, index: int) -> str:
    """The id of one item of a step."""
    return f"{step}[{index}]"


def undo_id(step: str) -> str:
    """The id of the call that takes a step or an item back."""
    return f"{step}:undo"


def waits_for_server(step: StepState) -> bool:
    """Does a step wait, for no set time, until a server is there?"""
    return step.status is StepStatus.WAITING and step.until is None and step.reason == SERVER_AWAY


def calls_of(plan: FrozenPlan, called: str) -> tuple[Call, ...]:
    """The calls of a step, of an item, or of an undo; none where the plan has no such step."""
    step = next((step for step in plan.steps if step.id == origin_id(called)), None)
    if step is None:
        return ()
    if is_verify(called):
        return () if step.verify is None else (step.verify.call,)
    if is_undo(called):
        return () if step.undo is None else (step.undo,)
    return step.calls


def is_undo(called: str) -> bool:
    """Does a call take another one back?"""
    return called.endswith(":undo")


def undo_of(step: FrozenStep) -> tuple[FrozenStep, ...]:
    """The call that takes a step or an item back, as a step; none where there is no such call."""
    if step.undo is None:
        return ()
    name, call = step.undo.name, step.undo
    return (FrozenStep(undo_id(step.id), name, {}, (call,), timeout=step.timeout, retries=step.retries),)


def verify_id(called: str) -> str:
    """The id of the call that answers what became of a step or an item."""
    return f"{called}:verify"


def is_verify(called: str) -> bool:
    """Does a call answer what became of another one?"""
    return called.endswith(":verify")


def is_follow_up(called: str) -> bool:
    """Does a call belong to another one: take it back, or verify it?"""
    return is_undo(called) or is_verify(called)


def taken_back(called: str) -> str:
    """The id of what an undo takes back, or what is verified: a step or an item."""
    return called.partition(":")[0]


def origin_id(called: str) -> str:
    """The step of the plan that a call belongs to."""
    return called.partition(":")[0].partition("[")[0]


class Group:
    """The items of one step with `for_each`: how many stand how, and which are open."""

    def __init__(self, members: tuple[FrozenStep, ...]) -> None:
        self.members = members
        self.counts: Counter[StepStatus] = Counter()
        self._open = graph.Places()
        self._index = {member.id: index for index, member in enumerate(members)}

    def update(self, member: str, before: StepStatus | None, status: StepStatus) -> None:
        """An item now stands so."""
        if before is not None:
            self.counts[before] -= 1
        self.counts[status] += 1
        self._open.keep(self._index[member], there=status in graph.OPEN)

    def place(self, name: str) -> int:
        """The place of an item, from 0."""
        return self._index[name]

    def member(self, name: str) -> FrozenStep:
        """The item of this id."""
        return self.members[self._index[name]]

    def any_of(self, *statuses: StepStatus) -> bool:
        """Does any item stand so?"""
        return any(self.counts[status] for status in statuses)

    def open(self) -> Iterator[FrozenStep]:
        """The open items in order; statuses may change in between."""
        for index in self._open:
            yield self.members[index]


@dataclass(slots=True)
class Flow:
    """The picture of one run.

    Attributes:
        plan: what was approved.
        standing: where its steps stand.
        statuses, attempts: by id, of steps, items and undos.
        until: by id, when a call that waits is due.
        items: by id, the value of an item.
        members: by step, its items, once its list is known.
        unknown: ids of calls whose outcome is not known.
        away: ids of calls that wait for a server to be there.
        verifying: by id, calls that answer what became of others.
        servers: the names of all that its steps may call, to take back and to verify too.
        suspended: ids of calls that wait, under way, to be resumed with answers.
    """

    plan: FrozenPlan
    standing: graph.Standing
    statuses: dict[str, StepStatus] = field(default_factory=dict)
    attempts: dict[str, list[Attempt]] = field(default_factory=dict)
    until: dict[str, datetime] = field(default_factory=dict)
    items: dict[str, Json] = field(default_factory=dict)
    members: dict[str, tuple[FrozenStep, ...]] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    away: set[str] = field(default_factory=set)
    verifying: dict[str, FrozenStep] = field(default_factory=dict)
    suspended: set[str] = field(default_factory=set)
    undoing: tuple[FrozenStep, ...] = ()
    servers: frozenset[str] = field(init=False)
    _asked: dict[str, int] = field(default_factory=dict)
    _groups: dict[str, Group] = field(default_factory=dict)
    _known: Mapping[str, StepState] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.servers = frozenset(call.server for step in self.plan.steps for call in step.all_calls)

    @classmethod
    def of(cls, plan: FrozenPlan, state: PlanState) -> Flow:
        """The picture as the ledger has it."""
        known = dict(state.steps)
        statuses = {step.id: _status(known.get(step.id)) for step in plan.steps}
        flow = cls(plan, graph.Standing(plan, statuses), _known=known)
        for step in plan.steps:
            flow._take(step.id)
        return flow

    def _take(self, called: str) -> None:
        known = self._known.get(called)
        self._set(called, _status(known))
        self.attempts[called] = list(known.attempts) if known else []
        if known is not None and known.status is StepStatus.WAITING and known.until is not None:
            self.until[called] = datetime.fromisoformat(known.until)
        if known is not None and waits_for_server(known):
            self.away.add(called)
        if known is not None and known.suspended and not is_follow_up(called):
            self.suspended.add(called)

    def _set(self, called: str, status: StepStatus) -> None:
        before = self.statuses.get(called)
        self.statuses[called] = status
        (self.unknown.add if status is StepStatus.UNKNOWN else self.unknown.discard)(called)
        if called in self.items:
            self._groups[origin_id(called)].update(called, before, status)
        elif not is_follow_up(called):
            self.standing.update(called, status)

    # ------------------------------------------------------------ what may come next

    def skips(self) -> tuple[tuple[FrozenStep, str], ...]:
        """Steps that can no longer run, each with the one that stands in the way."""
        return () if self.undoing else self.standing.skips()

    def due(self, now: datetime, flying: set[str]) -> Iterator[FrozenStep]:
        """What may be called now, what is under way and what still waits left out; found as it is asked for.

        A step with `for_each` whose list is not known yet is given as it is: it is to be unfolded first.
        """
        for step in chain(self.verifications(), self._next_undo() if self.undoing else self._ready()):
            if step.id not in flying and step.id not in self.away and self.until.get(step.id, now) <= now:
                yield step

    def verifications(self) -> list[FrozenStep]:
        """The calls that are to answer what became of others, as long as nobody else has."""
        return [
            step
            for step in self.verifying.values()
            if self.statuses[step.id] in graph.OPEN and taken_back(step.id) in self.unknown
        ]

    def verify(self, step: FrozenStep) -> FrozenStep | None:
        """Begin to find out by itself what became of a call; None where it was asked, or cannot say."""
        check, name = step.verify, verify_id(step.id)
        last = self.attempts[step.id][-1]
        if check is None or (len(step.calls) > 1 and last.server != check.call.server):
            return None
        if self._asked.get(name) == len(self.attempts[step.id]):
            return None
        self._asked[name] = len(self.attempts[step.id])
        if name not in self.verifying:
            self._take(name)
        before = self.attempts[name]
        if self.statuses[name] not in graph.OPEN:
            if before and before[-1].started >= last.started:
                return None  # an earlier run has asked, and there was no clear answer
            self._set(name, StepStatus.PENDING)
        self.verifying[name] = FrozenStep(name, check.call.name, {}, (check.call,))
        return self.verifying[name]

    def _ready(self) -> Iterator[FrozenStep]:
        for step in self.standing.ready():
            if step.id in self.members:
                yield from self._members_due(step)
            else:
                yield step
        if self.plan.mode != "sequential":
            for name in tuple(self.members):
                step = self.standing.step(name)
                if self.statuses[name] is StepStatus.RUNNING and self.standing.may_follow(step):
                    yield from self._members_due(step)

    def _members_due(self, step: FrozenStep) -> Iterator[FrozenStep]:
        for member in self._groups[step.id].open():
            if self._stopped_within(step):
                return
            yield member
            if self.plan.mode == "sequential":
                return

    def _stopped_within(self, step: FrozenStep) -> bool:
        """Has an item failed where the plan does not go on after failures?"""
        goes_on = step.continue_on_error or self.plan.on_failure == "continue"
        return not goes_on and self._groups[step.id].any_of(StepStatus.FAILED, StepStatus.UNKNOWN)

    def _next_undo(self) -> tuple[FrozenStep, ...]:
        """The next call that takes a step back; none where one is under way, or one has not worked."""
        for step in self.undoing:
            status = self.statuses[step.id]
            if status in graph.OPEN:
                return (step,)
            if status is not StepStatus.DONE:
                return ()
        return ()

    def place_of(self, item: str) -> int:
        """The place of an item among those of its step, from 0."""
        return self._groups[origin_id(item)].place(item)

    def called(self, name: str) -> FrozenStep:
        """The step, item or undo of this id."""
        if name in self.items:
            return self._groups[origin_id(name)].member(name)
        if name in self.verifying:
            return self.verifying[name]
        undo = next((step for step in self.undoing if step.id == name), None)
        return undo or self.standing.step(name)

    def kept_away(self) -> list[str]:
        """The calls that wait for a server and may still be made, in order."""
        if self.undoing:
            return [step.id for step in self.undoing if step.id in self.away]
        return sorted(
            called for called in self.away if self.standing.may_follow(self.standing.step(origin_id(called)))
        )

    def waits(self) -> Mapping[str, datetime]:
        """By id, when the calls that wait, and may still be made, are due."""
        if not self.until:
            return self.until
        if self.undoing:
            undos = {step.id for step in self.undoing}
            return {called: until for called, until in self.until.items() if called in undos}
        if self.standing.halted_by() is None:
            return self.until
        verifying = {step.id for step in self.verifications()}
        return {
            called: until
            for called, until in self.until.items()
            if called in verifying or self.standing.may_follow(self.standing.step(origin_id(called)))
        }

    def rest(self, now: datetime, flying: set[str], *, crowded: bool) -> float | None:
        """Seconds after which a wait is over and a call may follow; None where none is to come.

        Args:
            now: this moment.
            flying: what is under way.
            crowded: nothing can begin before something else happens, such as the end of another call.
        """
        waits = self.waits()
        left = [(until - now).total_seconds() for until in waits.values()]
        over = any(seconds <= 0 for seconds in left)
        if over and not crowded and next(self.due(now, flying), None) is not None:
            return 0.0
        return min((seconds for seconds in left if seconds > 0), default=None)

    # ------------------------------------------------------------ what happened

    def unfold(self, step: FrozenStep, values: Sequence[Json]) -> tuple[FrozenStep, ...]:
        """Take the list of a step with `for_each`: one member for each item, in order."""
        members = tuple(
            replace(step, id=item_id(step.id, index), for_each=None, needs=()) for index in range(len(values))
        )
        self.members[step.id] = members
        self._groups[step.id] = Group(members)
        for member, value in zip(members, values, strict=True):
            self.items[member.id] = value
            self._take(member.id)
        self.settle(step.id)
        return members

    def mark(self, called: str, status: StepStatus) -> None:
        """A call, or a step without one, now stands so; the step it is an item of follows."""
        self._set(called, status)
        if status is not StepStatus.WAITING:
            self.until.pop(called, None)
            self.away.discard(called)
        if status is not StepStatus.UNKNOWN and self.until:
            self.until.pop(verify_id(called), None)  # nobody needs to ask any more
        if called in self.items and (parent := origin_id(called)) in self.members:
            self.settle(parent)

    def settle(self, name: str) -> None:
        """Where a step stands, by its items."""
        self._set(name, self._settled(name))

    def _settled(self, name: str) -> StepStatus:
        group = self._groups[name]
        if group.any_of(StepStatus.RUNNING):
            return StepStatus.RUNNING
        if group.any_of(StepStatus.UNKNOWN):
            return StepStatus.UNKNOWN
        if self._stopped_within(self.standing.step(name)):
            return StepStatus.FAILED
        if not group.any_of(*graph.OPEN):
            return _all_together(group)
        return StepStatus.WAITING if group.any_of(*ENDED) else StepStatus.PENDING

    def take_back(self) -> tuple[FrozenStep, ...]:
        """Begin to take finished steps back, the last first; nothing where the plan does not ask for it."""
        if self.plan.on_failure != "undo" or self.standing.verdict() is not Status.FAILED:
            return ()
        done = [
            called
            for step in reversed(self.standing.in_order)
            if step.undo is not None
            for called in reversed(self.members.get(step.id, (step,)))
            if self.statuses[called.id] is StepStatus.DONE
        ]
        self.undoing = tuple(undone for step in done for undone in undo_of(step))
        for step in self.undoing:
            self._take(step.id)
        return self.undoing

    # ------------------------------------------------------------ how it ends

    def ended_groups(self) -> Iterator[tuple[str, int]]:
        """The steps with `for_each` whose items have ended, with how many of these are done."""
        for name, group in self._groups.items():
            if self.statuses[name] in ENDED:
                yield name, group.counts[StepStatus.DONE]

    def halted_by(self) -> str | None:
        """What stops the plan: the step, or the item or undo of unknown outcome."""
        culprit = self.standing.halted_by()
        if culprit in self.members:
            return next(
                (
                    member.id
                    for member in self.members[culprit]
                    if self.statuses[member.id] in {StepStatus.FAILED, StepStatus.UNKNOWN}
                ),
                culprit,
            )
        return culprit

    def verdict(self) -> Status | None:
        """How the plan has ended; None while something is open or under way."""
        undone = [self.statuses[step.id] for step in self.undoing]
        if StepStatus.RUNNING in undone or self._next_undo() or self.verifications():
            return None
        return Status.UNKNOWN if StepStatus.UNKNOWN in undone else self.standing.verdict()


def _status(known: StepState | None) -> StepStatus:
    if known is None:
        return StepStatus.PENDING
    if known.suspended and not is_follow_up(known.id):
        return StepStatus.RUNNING
    if known.status is StepStatus.WAITING and any(made.outcome is None for made in known.attempts):
        return StepStatus.UNKNOWN  # a call that asked something and never ended is not to be made again
    return known.status


def _all_together(group: Group) -> StepStatus:
    """What items that have all ended come to; of no items at all: done."""
    skipped = group.counts[StepStatus.SKIPPED]
    if skipped and skipped == len(group.members):
        return StepStatus.SKIPPED
    well = skipped + group.counts[StepStatus.DONE] == len(group.members)
    return StepStatus.DONE if well else StepStatus.FAILED
