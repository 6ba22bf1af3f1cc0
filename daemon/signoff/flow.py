"""Where a running plan stands and what may come next: steps, the items of a `for_each`, and taking back.

A pure state machine over `signoff.graph`; the run (`signoff.execute`) tells it what happened and asks what
is due. It knows three kinds of things to call:

* a step as it stands in the plan;
* an item of a step with `for_each`, called `step[0]`, `step[1]` and so on: one call each. The step has
  ended when its items have; it is done when all of them are;
* the undo of a finished step, called `step:undo`, in reverse order, where the plan failed and says
  `on_failure: undo`. An undo that fails stops the taking back.

In the sequential mode no two calls of a plan are under way at the same time, items included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from signoff import graph
from signoff.model import Attempt, FrozenPlan, FrozenStep, Json, PlanState, Status, StepState, StepStatus

MOST_ITEMS = 1000
"""Items of one `for_each` that is written out in the plan."""
MOST_LATE_ITEMS = 50
"""Items of one `for_each` whose list is only known when it runs; the preview says "up to 50"."""
ENDED = frozenset({StepStatus.DONE, StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.CANCELLED})


def item_id(step: str, index: int) -> str:
    """The id of one item of a step."""
    return f"{step}[{index}]"


def undo_id(step: str) -> str:
    """The id of the call that takes a step back."""
    return f"{step}:undo"


def origin_id(called: str) -> str:
    """The step of the plan that a call belongs to."""
    return called.partition(":")[0].partition("[")[0]


def origin_step(plan: FrozenPlan, called: str) -> FrozenStep | None:
    """The step of the plan that a call belongs to; None where the plan has no such step."""
    return next((step for step in plan.steps if step.id == origin_id(called)), None)


@dataclass(slots=True)
class Flow:
    """The picture of one run.

    Attributes:
        plan: what was approved.
        statuses, attempts: by id, of steps, items and undos.
        until: by id, when a call that waits is due.
        items: by id, the value of an item.
        members: by step, its items, once its list is known.
    """

    plan: FrozenPlan
    statuses: dict[str, StepStatus] = field(default_factory=dict)
    attempts: dict[str, list[Attempt]] = field(default_factory=dict)
    until: dict[str, datetime] = field(default_factory=dict)
    items: dict[str, Json] = field(default_factory=dict)
    members: dict[str, tuple[FrozenStep, ...]] = field(default_factory=dict)
    undoing: tuple[FrozenStep, ...] = ()
    _known: Mapping[str, StepState] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: FrozenPlan, state: PlanState) -> Flow:
        """The picture as the ledger has it."""
        flow = cls(plan, _known=dict(state.steps))
        for step in plan.steps:
            flow._take(step.id)
        return flow

    def _take(self, called: str) -> None:
        known = self._known.get(called)
        self.statuses[called] = known.status if known else StepStatus.PENDING
        self.attempts[called] = list(known.attempts) if known else []
        if known is not None and known.status is StepStatus.WAITING and known.until is not None:
            self.until[called] = datetime.fromisoformat(known.until)

    # ------------------------------------------------------------ what may come next

    def skips(self) -> tuple[tuple[FrozenStep, str], ...]:
        """Steps that can no longer run, each with the one that stands in the way."""
        return () if self.undoing else graph.frontier(self.plan, self.statuses).skip

    def due(self, now: datetime, flying: set[str]) -> list[FrozenStep]:
        """What may be called now, what is under way and what still waits left out.

        A step with `for_each` whose list is not known yet is given as it is: it is to be unfolded first.
        """
        ready = [self._next_undo()] if self.undoing else self._ready()
        return [
            step
            for step in ready
            if step is not None and step.id not in flying and self.until.get(step.id, now) <= now
        ]

    def _ready(self) -> list[FrozenStep | None]:
        ready: list[FrozenStep | None] = []
        for step in graph.frontier(self.plan, self.statuses).ready:
            ready.extend(self._members_due(step) if step.id in self.members else [step])
        if self.plan.mode != "sequential" and graph.halted_by(self.plan, self.statuses) is None:
            for name in self.members:
                if self.statuses[name] is StepStatus.RUNNING:
                    ready.extend(self._members_due(self._step(name)))
        return ready

    def _members_due(self, step: FrozenStep) -> list[FrozenStep]:
        members = self.members[step.id]
        if self._stopped_within(step):
            return []
        open_ones = [member for member in members if self.statuses[member.id] in graph.OPEN]
        return open_ones[:1] if self.plan.mode == "sequential" else open_ones

    def _stopped_within(self, step: FrozenStep) -> bool:
        """Has an item failed where the plan does not go on after failures?"""
        goes_on = step.continue_on_error or self.plan.on_failure == "continue"
        return not goes_on and any(
            self.statuses[member.id] in {StepStatus.FAILED, StepStatus.UNKNOWN}
            for member in self.members[step.id]
        )

    def _next_undo(self) -> FrozenStep | None:
        """The next call that takes a step back; None where one is under way, or one has not worked."""
        for step in self.undoing:
            status = self.statuses[step.id]
            if status in graph.OPEN:
                return step
            if status is not StepStatus.DONE:
                return None
        return None

    # ------------------------------------------------------------ what happened

    def unfold(self, step: FrozenStep, values: Sequence[Json]) -> tuple[FrozenStep, ...]:
        """Take the list of a step with `for_each`: one member for each item, in order."""
        members = tuple(
            replace(step, id=item_id(step.id, index), for_each=None, needs=()) for index in range(len(values))
        )
        for member, value in zip(members, values, strict=True):
            self.items[member.id] = value
            self._take(member.id)
        self.members[step.id] = members
        self.settle(step.id)
        return members

    def mark(self, called: str, status: StepStatus) -> None:
        """A call, or a step without one, now stands so; the step it is an item of follows."""
        self.statuses[called] = status
        if status is not StepStatus.WAITING:
            self.until.pop(called, None)
        parent = origin_id(called)
        if called in self.items and parent in self.members:
            self.settle(parent)

    def settle(self, name: str) -> None:
        """Where a step stands, by its items."""
        step = self._step(name)
        found = [self.statuses[member.id] for member in self.members[name]]
        if StepStatus.RUNNING in found:
            self.statuses[name] = StepStatus.RUNNING
        elif StepStatus.UNKNOWN in found:
            self.statuses[name] = StepStatus.UNKNOWN
        elif self._stopped_within(step):
            self.statuses[name] = StepStatus.FAILED
        elif all(status in ENDED for status in found):
            self.statuses[name] = _all_together(found)
        elif any(status in ENDED for status in found):
            self.statuses[name] = StepStatus.WAITING
        else:
            self.statuses[name] = StepStatus.PENDING

    def take_back(self) -> tuple[FrozenStep, ...]:
        """Begin to take finished steps back, the last first; nothing where the plan does not ask for it."""
        if self.plan.on_failure != "undo" or graph.verdict(self.plan, self.statuses) is not Status.FAILED:
            return ()
        undone = [
            replace(
                step, id=undo_id(step.id), action=step.undo.name, calls=(step.undo,), for_each=None, undo=None
            )
            for step in reversed(self.plan.steps)
            if step.undo is not None and step.for_each is None and self.statuses[step.id] is StepStatus.DONE
        ]
        for step in undone:
            self._take(step.id)
        self.undoing = tuple(replace(step, needs=(), condition=None, limits=None) for step in undone)
        return self.undoing

    # ------------------------------------------------------------ how it ends

    def halted_by(self) -> str | None:
        """What stops the plan: the step, or the item or undo of unknown outcome."""
        culprit = graph.halted_by(self.plan, self._of_steps())
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
        ended = graph.verdict(self.plan, self._of_steps())
        taken_back = [self.statuses[step.id] for step in self.undoing]
        if StepStatus.RUNNING in taken_back or self._next_undo() is not None:
            return None
        return Status.UNKNOWN if StepStatus.UNKNOWN in taken_back else ended

    def _of_steps(self) -> dict[str, StepStatus]:
        return {step.id: self.statuses[step.id] for step in self.plan.steps}

    def _step(self, name: str) -> FrozenStep:
        return next(step for step in self.plan.steps if step.id == name)


def _all_together(ended: Sequence[StepStatus]) -> StepStatus:
    """What items that have all ended come to; of no items at all: done."""
    if ended and all(status is StepStatus.SKIPPED for status in ended):
        return StepStatus.SKIPPED
    well = all(status in {StepStatus.DONE, StepStatus.SKIPPED} for status in ended)
    return StepStatus.DONE if well else StepStatus.FAILED
