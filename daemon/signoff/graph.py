"""Which steps may run now. Pure.

A step may start when every step that it needs has ended well enough, and in the sequential mode when
every step above it has ended. A step is skipped where one that it needs failed or was skipped; whether
the rest of the plan goes on after a failure is `on_failure`'s to say.

A step whose condition asks for it (`FrozenStep.survives`: `always()`, `steps.x.failed`, `steps.x.skipped`)
runs after such failures too, also where they halted the plan: then once all that can still run of what it
needs has. After an unknown outcome nothing runs.

`Standing` is kept up to date step by step, so that what a change costs depends on the step's neighbours,
never on how many steps have ended.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping
from heapq import heapify, heappop, heappush

from signoff.model import SURVIVES_ALL, FrozenPlan, FrozenStep, Status, StepStatus

OPEN = frozenset({StepStatus.PENDING, StepStatus.WAITING})
_UNENDED = OPEN | {StepStatus.RUNNING}
_BAD = frozenset({StepStatus.FAILED, StepStatus.CANCELLED})


def passable(step: FrozenStep, status: StepStatus, after: FrozenStep) -> bool | None:
    """May `after`, which needs `step`, start after it? None while it is still open or under way.

    A failed step lets those that need it pass where it says `continue_on_error`, or where their condition
    asks for its failure. An unknown outcome lets nothing pass: a person has to say first what happened.
    """
    if status in _UNENDED:
        return None
    if status is StepStatus.UNKNOWN:
        return False
    return status is StepStatus.DONE or step.continue_on_error or survives(after, step.id)


def survives(step: FrozenStep, other: str) -> bool:
    """Does a step run although another one failed or was skipped?"""
    return other in step.survives or SURVIVES_ALL in step.survives


class Standing:
    """Where the steps of a plan stand, and what follows from it.

    Attributes:
        in_order: the steps with each after those that it needs, else as they stand in the plan.
    """

    def __init__(self, plan: FrozenPlan, statuses: Mapping[str, StepStatus]) -> None:
        self.plan = plan
        self._steps = plan.steps
        self._number = {step.id: number for number, step in enumerate(plan.steps)}
        self._needs = [[self._number[other] for other in step.needs] for step in plan.steps]
        self._followers: list[list[int]] = [[] for _ in plan.steps]
        for number, needs in enumerate(self._needs):
            for other in needs:
                self._followers[other].append(number)
        order = range(len(plan.steps))
        ordered = self._in_order()
        self.in_order = tuple(plan.steps[number] for number in ordered)
        self._survivors = [number for number in ordered if plan.steps[number].survives]
        self._status = [statuses[step.id] for step in plan.steps]
        answers = [[self._answer(number, other) for other in self._needs[number]] for number in order]
        self._awaited = [each.count(None) for each in answers]
        self._refused = [each.count(False) for each in answers]
        self._coming: frozenset[int] | None = None
        self._unended = Places()
        self._running: set[int] = set()
        self._unknown = Places()
        self._failed = Places()
        self._ready = Places()
        self._skip = Places()
        for number in order:
            self._sort(number)
            self._place(number)

    def status(self, step: str) -> StepStatus:
        """Where a step stands."""
        return self._status[self._number[step]]

    def step(self, name: str) -> FrozenStep:
        """The step of this id."""
        return self._steps[self._number[name]]

    def update(self, step: str, status: StepStatus) -> None:
        """A step now stands so."""
        number = self._number[step]
        if self._status[number] is status:
            return
        before = [self._answer(follower, number) for follower in self._followers[number]]
        self._status[number] = status
        self._coming = None
        self._sort(number)
        self._place(number)
        for follower, was in zip(self._followers[number], before, strict=True):
            now = self._answer(follower, number)
            self._awaited[follower] += (now is None) - (was is None)
            self._refused[follower] += (now is False) - (was is False)
            self._place(follower)

    # ------------------------------------------------------------ what may come next

    def ready(self) -> Iterator[FrozenStep]:
        """Steps whose call may be intended now, in the plan's order; statuses may change in between."""
        if self.halted_by() is not None:
            yield from self._ready_after_all()
        elif self.plan.mode == "sequential":
            first = self._first_unended()
            if first is not None and first in self._ready:
                yield self._steps[first]
        else:
            for number in self._ready:
                yield self._steps[number]

    def skips(self) -> tuple[tuple[FrozenStep, str], ...]:
        """Steps that can no longer run, each with the step that stands in the way.

        Of a plan that is halted there are none: its other steps stay as they are, so that they can follow
        when a person has answered or approved again.
        """
        if not self._skip or self.halted_by() is not None:
            return ()
        numbers: Iterable[int] = self._skip
        if self.plan.mode == "sequential":
            first = self._first_unended()
            numbers = [first] if first is not None and first in self._skip else []
        return tuple((self._steps[number], self._blocker(number)) for number in numbers)

    def halted_by(self) -> str | None:
        """The step that stops the whole plan: a failure under `stop` or `undo`, or an unknown outcome."""
        first = self._unknown.first
        failed = None if self.plan.on_failure == "continue" else self._failed.first
        if failed is not None and (first is None or failed < first):
            first = failed
        return None if first is None else self._steps[first].id

    def may_follow(self, step: FrozenStep) -> bool:
        """May a step still run: the plan is not halted, or only by failures that the step survives?"""
        if self.halted_by() is None:
            return True
        return not self._unknown and all(survives(step, self._steps[other].id) for other in self._failed)

    def left_out(self, step: str) -> bool:
        """Was a step skipped, or can it not run any more because the plan is halted?"""
        number = self._number[step]
        status = self._status[number]
        if status in OPEN and self.halted_by() is not None:
            return number not in self._come_after_all()
        return status is StepStatus.SKIPPED

    def verdict(self) -> Status | None:
        """How the plan has ended; None while something is open or under way.

        Unknown weighs more than failed: a person is asked first. A step that failed under
        `continue_on_error` does not fail the plan.
        """
        if self._running:
            return None
        if self._unknown:
            return Status.UNKNOWN
        if self.halted_by() is not None:
            return Status.FAILED if next(self.ready(), None) is None else None
        if self._unended:
            return None
        return Status.FAILED if self._failed else Status.DONE

    # ------------------------------------------------------------ keeping up to date

    def _sort(self, number: int) -> None:
        """Into the lists that a step's own status puts it in."""
        status, step = self._status[number], self._steps[number]
        self._unended.keep(number, there=status in _UNENDED)
        self._unknown.keep(number, there=status is StepStatus.UNKNOWN)
        self._failed.keep(number, there=status in _BAD and not step.continue_on_error)
        (self._running.add if status is StepStatus.RUNNING else self._running.discard)(number)

    def _place(self, number: int) -> None:
        """Into `ready` or `skip`, or out of them, by what the step needs."""
        settled = self._status[number] in OPEN and not self._awaited[number]
        self._ready.keep(number, there=settled and not self._refused[number])
        self._skip.keep(number, there=settled and self._refused[number] > 0)

    def _answer(self, number: int, other: int) -> bool | None:
        """Does a step let one that needs it pass, as it stands?"""
        return passable(self._steps[other], self._status[other], self._steps[number])

    def _blocker(self, number: int) -> str:
        refusing = (other for other in self._needs[number] if self._answer(number, other) is False)
        return self._steps[next(refusing)].id

    def _first_unended(self) -> int | None:
        """In the sequential mode, the step whose turn it is; None where it is under way."""
        first = self._unended.first
        return None if first is None or self._status[first] is StepStatus.RUNNING else first

    def _in_order(self) -> list[int]:
        """The steps with each after those that it needs, else as in the plan; circles are left out."""
        missing = [len(needs) for needs in self._needs]
        free = [number for number, count in enumerate(missing) if count == 0]
        heapify(free)
        order: list[int] = []
        while free:
            order.append(number := heappop(free))
            for follower in self._followers[number]:
                missing[follower] -= 1
                if missing[follower] == 0:
                    heappush(free, follower)
        return order

    # ------------------------------------------------------------ after a failure that halted the plan

    def _ready_after_all(self) -> Iterator[FrozenStep]:
        """Steps that run although the plan is halted, each once all that can run of what it needs has."""
        coming = self._come_after_all()
        if self.plan.mode == "sequential":
            yield from (self._steps[number] for number in sorted(coming)[:1] if not self._running)
            return
        for number in sorted(coming):
            if self._status[number] in OPEN and not any(map(self._may_still_end, self._needs[number])):
                yield self._steps[number]

    def _come_after_all(self) -> frozenset[int]:
        """The open steps that will run although the plan is halted, as far as can be said now."""
        if self._coming is None:
            coming: set[int] = set()
            for number in self._survivors:
                step = self._steps[number]
                follows = self._status[number] in OPEN and self.may_follow(step)
                if follows and all(
                    self._leaves_its_turn(step, other, coming) for other in self._needs[number]
                ):
                    coming.add(number)
            self._coming = frozenset(coming)
        return self._coming

    def _leaves_its_turn(self, step: FrozenStep, other: int, coming: set[int]) -> bool:
        """Does a needed step let a survivor pass, or may it do so when it has ended?"""
        status = self._status[other]
        if status is StepStatus.RUNNING or other in coming:
            return True
        if status in OPEN:  # it will not run any more
            return survives(step, self._steps[other].id)
        return passable(self._steps[other], status, step) is True

    def _may_still_end(self, other: int) -> bool:
        """Is a step under way, or will it be, although the plan is halted?"""
        return self._status[other] is StepStatus.RUNNING or other in self._come_after_all()


class Places:
    """Places in a plan, in its order. Most changes of a step change nothing here, and cost nothing."""

    __slots__ = ("_numbers", "_there")

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._there: set[int] = set()

    def __contains__(self, number: int) -> bool:
        """Is this one among them?"""
        return number in self._there

    def __bool__(self) -> bool:
        """Is there any?"""
        return bool(self._numbers)

    def __iter__(self) -> Iterator[int]:
        """All in order; they may change in between."""
        last = -1
        while (position := bisect_right(self._numbers, last)) < len(self._numbers):
            last = self._numbers[position]
            yield last

    @property
    def first(self) -> int | None:
        """The first of them; None where there is none."""
        return self._numbers[0] if self._numbers else None

    def keep(self, number: int, *, there: bool) -> None:
        """Put one in, or take it out."""
        if there == (number in self._there):
            return
        if there:
            self._there.add(number)
            insort(self._numbers, number)
        else:
            self._there.discard(number)
            del self._numbers[bisect_left(self._numbers, number)]
