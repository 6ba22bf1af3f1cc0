"""What entries about servers' questions change in what is known of a plan."""

from __future__ import annotations

from signoff.ledger.data import count_of, optional_of, text_of, time_of
from signoff.ledger.entry import Entry
from signoff.model import LIVE, Attempt, PlanState, Question, Status, StepState, StepStatus

ANSWER_NEEDED = "answer-needed"
_WAITS_FOR_ANSWER = "A server waits for your answer."


def asked(plan: PlanState, entry: Entry) -> None:
    """A server asks something in the middle of a call."""
    step, number = plan.steps.get(entry.step or ""), entry.data.get("question")
    if step is None or not isinstance(number, int):
        return
    step.questions.append(
        Question(
            number=number,
            attempt=entry.attempt or 0,
            server=entry.server or "",
            tool=entry.tool or "",
            asked=entry.time,
            kept=optional_of(entry.data, "kept"),
            message=text_of(entry.data, "message"),
            until=time_of(entry.data, "until"),
            suspended=optional_of(entry.data, "suspended"),
            place=count_of(entry.data, "place"),
        )
    )
    plan.asking.add(step.id)
    wait_for_answers(plan)


def answered(plan: PlanState, entry: Entry) -> None:
    """What the server was told, or that it was told nothing."""
    step, number = plan.steps.get(entry.step or ""), entry.data.get("question")
    found = step.questions if step else []
    withheld = entry.data.get("withheld") is True  # it was answered, but the answer never left
    question = next((each for each in found if each.number == number and (withheld or not each.action)), None)
    if step is None or question is None:
        return
    question.action = text_of(entry.data, "action", "cancel")
    question.reason = text_of(entry.data, "reason")
    if withheld:
        return
    question.answer = entry.data.get("answer")
    question.content = optional_of(entry.data, "content")
    question.answered, question.approver = entry.time, entry.approver
    if plan.status in LIVE:
        plan.reason = plan.message = ""  # what was said of an earlier answer to it
    wait_for_answers(plan)


def resumed(plan: PlanState, entry: Entry) -> None:
    """A suspended call is about to be resumed: from here on nobody knows whether it was, until it ends."""
    step = plan.steps.get(entry.step or "")
    for attempt in step.attempts if step else ():
        if attempt.number == entry.attempt:
            attempt.resumed = optional_of(entry.data, "suspended")


def wait_for_answers(plan: PlanState) -> None:
    """A step waits while its server asks; the plan does, where nothing else of it is under way."""
    if plan.status not in LIVE:
        return
    for name in sorted(plan.asking):
        step = plan.steps.get(name)
        if step is not None and step.open_questions:
            step.status, step.reason, step.message = StepStatus.WAITING, ANSWER_NEEDED, _WAITS_FOR_ANSWER
            continue
        plan.asking.discard(name)
        if step is not None and step.status is StepStatus.WAITING and step.reason == ANSWER_NEEDED:
            step.status, step.reason, step.message = StepStatus.RUNNING, "", ""
    if plan.asking and not any(step.status is StepStatus.RUNNING for step in plan.steps.values()):
        plan.status, plan.until = Status.WAITING, None
        plan.reason = plan.reason or ANSWER_NEEDED
        plan.message = plan.message or _WAITS_FOR_ANSWER
    elif plan.status is Status.WAITING and plan.reason in {"", ANSWER_NEEDED}:
        plan.status, plan.reason, plan.message = Status.RUNNING, "", ""


def close_questions(plan: PlanState, step: StepState, attempt: Attempt, entry: Entry) -> None:
    """A call has ended, and with it what its server still asked."""
    for question in step.open_questions:
        if question.attempt == attempt.number:
            question.action, question.reason, question.answered = "cancel", "call-ended", entry.time
    wait_for_answers(plan)
