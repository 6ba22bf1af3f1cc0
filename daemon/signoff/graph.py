"""Which steps may run now. Pure.

A step may start when every step that it needs has ended well enough, and in the sequential mode when
every step above it has ended. A step is skipped where one that it needs failed or was skipped; whether
the rest of the plan goes on after a failure is `on_failure`'s to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from signoff.model import FrozenPlan, FrozenStep, Status, StepStatus

OPEN = frozenset({StepStatus.PENDING, StepStatus.WAITING})


@dataclass(frozen=True, slots=True)
class Frontier:
    """What may be done next.

    Attributes:
        ready: steps whose call may be intended now, in the plan's order.
        skip: steps that can no longer run, each with the id of the step that stands in the way.
    """

    ready: tuple[FrozenStep, ...]
    skip: tuple[tuple[FrozenStep, str], ...]


def passable(step: FrozenStep, status: StepStatus) -> bool | None:
    """May a step that needs this one start after it? None while it is still open or under way.

    A failed step lets those that need it pass only where it says `continue_on_error`. An unknown outcome
    lets nothing pass: a person has to say first what happened.
    """
    if status in OPEN or status is StepStatus.RUNNING:
        return None
    if status is StepStatus.UNKNOWN:
        return False
    return status is StepStatus.DONE or step.continue_on_error


def frontier(plan: FrozenPlan, statuses: Mapping[str, StepStatus]) -> Frontier:
    """What may be done next, given where each step stands.

    A plan that is halted has no frontier: its other steps stay as they are, not run and not skipped, so
    that they can follow when a person has answered or approved again.
    """
    if halted_by(plan, statuses) is not None:
        return Frontier((), ())
    steps = {step.id: step for step in plan.steps}
    ready: list[FrozenStep] = []
    skip: list[tuple[FrozenStep, str]] = []
    for step in _candidates(plan, statuses):
        passes = {other: passable(steps[other], statuses[other]) for other in step.needs}
        if None in passes.values():
            continue
        blocker = next((other for other, answer in passes.items() if not answer), None)
        if blocker is None:
            ready.append(step)
        else:
            skip.append((step, blocker))
    return Frontier(tuple(ready), tuple(skip))


def _candidates(plan: FrozenPlan, statuses: Mapping[str, StepStatus]) -> list[FrozenStep]:
    """Open steps whose turn it is: in the sequential mode at most the first that has not ended."""
    if plan.mode != "sequential":
        return [step for step in plan.steps if statuses[step.id] in OPEN]
    for step in plan.steps:
        if statuses[step.id] is StepStatus.RUNNING:
            return []
        if statuses[step.id] in OPEN:
            return [step]
    return []


def halted_by(plan: FrozenPlan, statuses: Mapping[str, StepStatus]) -> str | None:
    """The step that stops the whole plan, or None: a failure under `stop` or `undo`, or an unknown."""
    for step in plan.steps:
        status = statuses[step.id]
        if status is StepStatus.UNKNOWN:
            return step.id
        failed = status in {StepStatus.FAILED, StepStatus.CANCELLED} and not step.continue_on_error
        if failed and plan.on_failure != "continue":
            return step.id
    return None


def verdict(plan: FrozenPlan, statuses: Mapping[str, StepStatus]) -> Status | None:
    """How the plan has ended; None while something is open or under way.

    Unknown weighs more than failed: a person is asked first. A step that failed under
    `continue_on_error` does not fail the plan.
    """
    if StepStatus.RUNNING in statuses.values():
        return None
    if StepStatus.UNKNOWN in statuses.values():
        return Status.UNKNOWN
    if halted_by(plan, statuses) is not None:
        return Status.FAILED
    if any(status in OPEN for status in statuses.values()):
        return None
    for step in plan.steps:
        if statuses[step.id] in {StepStatus.FAILED, StepStatus.CANCELLED} and not step.continue_on_error:
            return Status.FAILED
    return Status.DONE
