"""Plans that were approved: while they run, and when they are done. Pure."""

from __future__ import annotations

from signoff.errors import ServerAway
from signoff.model import Approval, Folder, Method, PlanState, Status, StepState, StepStatus
from signoff.say.block import callout, paragraphs
from signoff.say.calls import short_digest
from signoff.say.escape import code
from signoff.say.failures import failures_table
from signoff.say.form import answered, questions
from signoff.say.preview import METHODS
from signoff.say.repeats import occasion, runs_so_far
from signoff.say.steps import reason_of, record, results, step_table, taken_back
from signoff.say.view import PlanView
from signoff.say.words import joined, plural

_TITLES = {
    Status.APPROVED: "approved, about to start",
    Status.SCHEDULED: "approved, scheduled",
    Status.RUNNING: "running",
    Status.WAITING: "waiting",
}


def live(view: PlanView) -> str:
    """The section of a plan that was approved and has not ended."""
    state = view.state
    lines = paragraphs(occasion(view), _standing(view), approved_by(view), _how_to_stop(view))
    last = results(view) if state.status is Status.SCHEDULED else []
    stands = callout(
        "info",
        f"Signoff: {_TITLES[state.status]}",
        [*lines, *step_table(view), *answered(view), *last, record(view)],
    )
    return "\n".join([*questions(view), stands])


def done(view: PlanView) -> str:
    """The section of a plan that ended well, with its results."""
    state = view.state
    asked = reason_of(view, state.reason, state.message) if state.reason else ""
    lines = paragraphs(_count(view), asked, occasion(view), approved_by(view), _times(view))
    return callout(
        "success",
        "Signoff: done",
        [
            *lines,
            *failures_table(view),
            *step_table(view),
            *answered(view),
            *results(view),
            record(view),
        ],
    )


# ---------------------------------------------------------------- sentences


def progress(state: PlanState) -> str:
    """Finished of all steps: `2/3`."""
    steps = counted(state)
    return f"{sum(map(state.is_done, steps))}/{len(steps)}"


def so_far(state: PlanState) -> str:
    """How far it is: `2/3 done`; of a plan that repeats, how many runs it had."""
    if state.repeats:
        return f"{plural(state.run, 'run')} so far"
    return f"{progress(state)} done"


def counted(state: PlanState) -> list[StepState]:
    """What counts as a step: of one with `for_each` whose items are known, the items in its place."""
    own = [step for step in state.steps.values() if not step.verifies and not step.undoes]
    unfolded = {step.id.partition("[")[0] for step in own if "[" in step.id}
    return [step for step in own if step.id not in unfolded]


def _standing(view: PlanView) -> str:
    state = view.state
    repeats = view.frozen is not None and view.frozen.schedule is not None
    parts = [runs_so_far(view) if repeats else _count(view)]
    if state.status in {Status.WAITING, Status.SCHEDULED} and state.until:
        waits = "Next" if state.status is Status.SCHEDULED else "Waits until"
        parts.append(f"{waits}: {view.moment(state.until)}.")
    if state.message or (state.reason and state.status is not Status.SCHEDULED):
        parts.append(reason_of(view, state.reason, state.message))
    if state.status is Status.WAITING and state.reason == ServerAway.code:
        parts.append(_until_when(view))
    return " ".join(parts)


def _until_when(view: PlanView) -> str:
    """How long a plan is tried whose server is away."""
    goes_on = "Nothing was sent for it. It goes on by itself as soon as the server is there"
    if not view.state.approvals:
        return f"{goes_on}."
    end = view.moment(view.state.approvals_end.isoformat())
    return f"{goes_on}, until the approval ends on {end}."


def _count(view: PlanView) -> str:
    steps = counted(view.state)
    finished = sum(map(view.state.is_done, steps))
    many = "steps and items" if any("[" in step.id for step in steps) else "steps"
    if finished == len(steps) and steps:
        return {1: "The step is done.", 2: "Both steps are done."}.get(
            finished, f"All {finished} {many} are done."
        )
    parts = [f"{finished} of {plural(len(steps), 'step', many)} done"]
    for status, word in (
        (StepStatus.SKIPPED, "skipped"),
        (StepStatus.FAILED, "failed"),
        (StepStatus.CANCELLED, "cancelled"),
    ):
        if count := sum(step.status is status for step in steps):
            parts.append(f"{count} {word}")
    if back := taken_back(view):
        parts.append(f"{len(back)} taken back")
    return f"{', '.join(parts)}."


def approved_by(view: PlanView) -> str:
    """Who approved, how, when and until when."""
    given = [_approval(view, one) for one in view.state.approvals]
    if given and view.state.parent is not None:
        return f"That plan was approved by {joined(given)}. {short_digest(view)}"
    if given:
        return f"Approved by {joined(given)}. {short_digest(view)}"
    return "The policy asks for no approval of it." if view.requirement.method is Method.AUTO else ""


def _approval(view: PlanView, given: Approval) -> str:
    said = f"{code(given.approver)} {METHODS[given.method]} on {view.moment(given.time)}"
    return f"{said}, valid until {view.moment(given.expires)}" if given.expires else said


def _how_to_stop(view: PlanView) -> str:
    rejected = code(view.folder(Folder.REJECTED))
    return f"To stop it before its next call, set `status: rejected` or move this note to {rejected}."


def _times(view: PlanView) -> str:
    state = view.state
    started = f"Started on {view.moment(state.started)}" if state.started else ""
    finished = (
        f"{'finished' if started else 'Finished'} on {view.moment(state.finished)}" if state.finished else ""
    )
    said = ", ".join(part for part in (started, finished) if part)
    return f"{said}." if said else ""
