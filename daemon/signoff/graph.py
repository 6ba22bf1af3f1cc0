"""Which steps may run now. Pure.

A step may start when every step before it has ended well enough: `needs` names them, and in the
sequential mode each step also follows the one before it. A step whose predecessor failed, was skipped
because of a failure, or whose outcome is unknown does not start; whether the rest of the plan goes on is
`on_failure`'s to say.
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


def predecessors(plan: FrozenPlan) -> dict[str, tuple[str, ...]]:
    """For each step the ids of those that must have ended before it."""
    found: dict[str, tuple[str, ...]] = {}
    before: str | None = None
    for step in plan.steps:
        chain = (before,) if before is not None and plan.mode == "sequential" else ()
        found[step.id] = tuple(dict.fromkeys((*step.needs, *chain)))
        before = step.id
    return found


def passable(step: FrozenStep, status: StepStatus, on_failure: str, *, needed: bool) -> bool | None:
    """May a successor start after this step? None while it is still open or under way.

    A failed step lets successors pass where it says `continue_on_error`, or where the plan goes on
    after failures and the successor does not need this step's result. An unknown outcome lets
    nothing pass: a person has to say first what happened.
    """
    if status is StepStatus.DONE:
        return True
    if status in OPEN or status is StepStatus.RUNNING:
        return None
    if status is StepStatus.UNKNOWN:
        return False
    if step.continue_on_error:
        return True
    if status is StepStatus.SKIPPED:
        return not needed
    return on_failure == "continue" and not needed


def frontier(plan: FrozenPlan, statuses: Mapping[str, StepStatus]) -> Frontier:
    """What may be done next, given where each step stands.

    A plan that is halted has no frontier: its other steps stay as they are, not run and not skipped, so
    that they can follow when a person has answered or approved again.
    """
    if halted_by(plan, statuses) is not None:
        return Frontier((), ())
    steps = {step.id: step for step in plan.steps}
    before = predecessors(plan)
    ready: list[FrozenStep] = []
    skip: list[tuple[FrozenStep, str]] = []
    for step in plan.steps:
        if statuses[step.id] not in OPEN:
            continue
        passes = {
            other: passable(steps[other], statuses[other], plan.on_failure, needed=other in step.needs)
            for other in before[step.id]
        }
        blocker = next((other for other, answer in passes.items() if answer is False), None)
        if blocker is not None:
            skip.append((step, blocker))
        elif all(passes.values()):
            ready.append(step)
    return Frontier(tuple(ready), tuple(skip))


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
