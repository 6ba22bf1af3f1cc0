"""How each event changes what is known of a plan. What the events hold is said in `signoff.ledger.state`."""

from __future__ import annotations

from collections.abc import Callable

from signoff.ledger.data import count_of, object_of, optional_of, text_of, time_of, word_of
from signoff.ledger.entry import Entry
from signoff.ledger.questions import answered, asked, close_questions, resumed, wait_for_answers
from signoff.model import Approval, Attempt, Method, OutcomeClass, PlanState, Status, StepState, StepStatus

STEP_AFTER = {
    OutcomeClass.DONE: StepStatus.DONE,
    OutcomeClass.REFUSED: StepStatus.FAILED,
    OutcomeClass.TRANSIENT: StepStatus.FAILED,
    OutcomeClass.RATE_LIMITED: StepStatus.WAITING,
    OutcomeClass.AUTHENTICATION: StepStatus.FAILED,
    OutcomeClass.SERVER_ERROR: StepStatus.FAILED,
    OutcomeClass.UNKNOWN: StepStatus.UNKNOWN,
}
"""Where a step stands after an outcome that says nothing of another attempt (`again`)."""
RECENT = 10
"""How many runs of a repeating plan are remembered, and how many plans that have ended with all details."""
INPUT_REQUIRED = "input-required"
"""The reason code of a call that was suspended, and not resumed: it has done nothing."""


def _presented(plan: PlanState, entry: Entry) -> None:
    plan.presented = entry.digest == plan.digest
    plan.shown = entry.time


def _moved(plan: PlanState, entry: Entry) -> None:
    plan.path = text_of(entry.data, "to", plan.path)


def _approved(plan: PlanState, entry: Entry) -> None:
    if entry.digest is None or entry.digest != plan.digest:
        return
    expires = time_of(entry.data, "expires")
    if entry.approver is not None and expires is not None:  # None: the policy asks for no approval
        plan.approvals = [given for given in plan.approvals if given.approver != entry.approver]
        plan.approvals.append(
            Approval(
                approver=entry.approver,
                method=word_of(Method, entry.data, "method", Method.AUTO),
                time=time_of(entry.data, "given") or entry.time,
                expires=expires,
                digest=entry.digest,
                presentation=plan.presentation,
            )
        )
    plan.note_at_approval = optional_of(entry.data, "note")
    plan.gesture_at_approval = optional_of(entry.data, "gesture")
    plan.reason = plan.message = ""
    if entry.data.get("complete") is True:
        plan.status = Status.APPROVED


def _started(plan: PlanState, entry: Entry) -> None:
    if entry.data.get("resumed") is not True or plan.run == 0:
        plan.run += 1
    plan.status = Status.RUNNING
    plan.started = plan.started or entry.time
    plan.until = None
    plan.reason = plan.message = ""
    wait_for_answers(plan)


def _intent(plan: PlanState, entry: Entry) -> None:
    step = plan.steps.get(entry.step or "")
    if step is None:
        return
    step.status = StepStatus.RUNNING
    step.until = None
    step.attempts.append(
        Attempt(
            number=entry.attempt or len(step.attempts) + 1,
            server=entry.server or "",
            tool=entry.tool or "",
            started=entry.time,
        )
    )
    plan.status = Status.RUNNING
    plan.until = None
    plan.reason = plan.message = ""


def _outcome(plan: PlanState, entry: Entry) -> None:
    step = plan.steps.get(entry.step or "")
    if step is None:
        return
    attempt = next((made for made in reversed(step.attempts) if made.number == entry.attempt), None)
    if attempt is None:
        return
    data = entry.data
    attempt.outcome = word_of(OutcomeClass, data, "class", OutcomeClass.UNKNOWN)
    attempt.ended = entry.time
    attempt.reason = text_of(data, "reason")
    attempt.message = text_of(data, "message")
    attempt.summary = text_of(data, "summary")
    attempt.result = optional_of(data, "result")
    attempt.cached_at = time_of(data, "cached_at")
    step.until = time_of(data, "until")
    step.status = StepStatus.WAITING if data.get("again") is True else STEP_AFTER[attempt.outcome]
    step.reason, step.message = attempt.reason, attempt.message
    close_questions(plan, step, attempt, entry)


def _added(plan: PlanState, entry: Entry) -> None:
    """An item of a `for_each`, or the undo of a step, as a call of its own."""
    if entry.step is None or entry.step in plan.steps:
        return
    of = plan.steps.get(text_of(entry.data, "of"))
    plan.steps[entry.step] = StepState(
        id=entry.step,
        name=text_of(entry.data, "name"),
        action=text_of(entry.data, "action"),
        call=text_of(entry.data, "call"),
        risk=of.risk if of else "medium",
    )


def _occurrence(plan: PlanState, entry: Entry) -> None:
    plan.run += 1
    plan.last_due = time_of(entry.data, "at")
    plan.missed, plan.skipped = count_of(entry.data, "missed"), False
    plan.occurrences = [*plan.occurrences, text_of(entry.data, "note")][-RECENT:]


def _passed(plan: PlanState, entry: Entry) -> None:
    plan.last_due = time_of(entry.data, "at")
    plan.missed, plan.skipped = count_of(entry.data, "missed"), True


def _step(plan: PlanState, entry: Entry) -> None:
    step = plan.steps.get(entry.step or "")
    if step is None:
        return
    step.status = word_of(StepStatus, entry.data, "status", step.status)
    step.reason = text_of(entry.data, "reason")
    step.message = text_of(entry.data, "message")
    step.until = time_of(entry.data, "until")


def _resolved(plan: PlanState, entry: Entry) -> None:
    step = plan.steps.get(entry.step or "")
    if step is None:
        return
    if step.status is not StepStatus.UNKNOWN:
        return  # somebody was first
    happened = entry.data.get("answer") == "happened"
    step.status = StepStatus.DONE if happened else StepStatus.PENDING
    step.resolved_by = entry.approver
    for attempt in step.attempts:
        if attempt.outcome is OutcomeClass.UNKNOWN:
            attempt.resolved = "happened" if happened else "did-not-happen"
    step.reason = "resolved"
    said = "A person said that it happened." if happened else "A person said that it did not happen."
    step.message = text_of(entry.data, "message", said)
    if plan.status is Status.UNKNOWN and not _asks(plan):
        _go_on(plan)


def _asks(plan: PlanState) -> bool:
    """Is the outcome of any step unknown?"""
    return any(step.status is StepStatus.UNKNOWN for step in plan.steps.values())


def _go_on(plan: PlanState) -> None:
    """Every question is answered: the run goes on, as far as its approval still reaches.

    Only a plan that was stopped by the question: one that was rejected meanwhile stays rejected.
    """
    plan.status = Status.APPROVED
    plan.finished = None
    plan.reason = plan.message = ""


def _waiting(plan: PlanState, entry: Entry) -> None:
    plan.status = Status.SCHEDULED if entry.data.get("scheduled") is True else Status.WAITING
    plan.reason = text_of(entry.data, "reason")
    plan.message = text_of(entry.data, "message")
    plan.until = time_of(entry.data, "until")


def _returned(plan: PlanState, entry: Entry) -> None:
    final, also = entry.data.get("final"), entry.data.get("also")
    if isinstance(final, dict):  # what was outside its limits is what is asked for now
        for each in map(object_of, [final, *(also if isinstance(also, list) else [])]):
            plan.exceptions[text_of(each, "step")] = text_of(each, "sha256")
            plan.finals[text_of(each, "step")] = text_of(each, "kept")
    else:
        plan.exceptions.clear()
        plan.finals.clear()
    plan.status = Status.PENDING
    plan.presented = False
    if plan.note_at_approval is not None and plan.gesture_at_approval in {"status", "tick"}:
        plan.spent |= {plan.note_at_approval}
    plan.approvals = []
    plan.note_at_approval = plan.gesture_at_approval = None
    plan.until = None
    plan.reason = text_of(entry.data, "reason")
    plan.message = text_of(entry.data, "message")
    for step in plan.steps.values():
        given_up = step.status is StepStatus.FAILED and step.reason == INPUT_REQUIRED
        if given_up or step.status in {StepStatus.WAITING, StepStatus.SKIPPED, StepStatus.CANCELLED}:
            step.status = StepStatus.PENDING
            step.reason = step.message = ""  # it is looked at afresh
            step.until = None


def _finished(plan: PlanState, entry: Entry) -> None:
    plan.status = word_of(Status, entry.data, "status", Status.FAILED)
    plan.finished = entry.time
    plan.until = None
    plan.reason = text_of(entry.data, "reason")
    plan.message = text_of(entry.data, "message")
    if plan.status is Status.UNKNOWN and not _asks(plan):
        _go_on(plan)  # it was answered in the moment before


def _refused(plan: PlanState, entry: Entry) -> None:
    if entry.data.get("copy") is True:
        return
    plan.reason = text_of(entry.data, "reason")
    plan.message = text_of(entry.data, "message")


CHANGES: dict[str, Callable[[PlanState, Entry], None]] = {
    "presented": _presented,
    "moved": _moved,
    "approved": _approved,
    "started": _started,
    "intent": _intent,
    "outcome": _outcome,
    "asked": asked,
    "answered": answered,
    "resumed": resumed,
    "added": _added,
    "occurrence": _occurrence,
    "passed": _passed,
    "step": _step,
    "resolved": _resolved,
    "waiting": _waiting,
    "returned": _returned,
    "finished": _finished,
    "refused": _refused,
}
