"""What happened to a plan: while it runs, and when it has ended. Pure."""

from __future__ import annotations

import json
from datetime import datetime

from signoff.model import (
    Approval,
    Folder,
    JsonObject,
    Method,
    OutcomeClass,
    PlanState,
    Status,
    StepState,
    StepStatus,
)
from signoff.say.block import callout, paragraphs, table
from signoff.say.escape import RESULT_LIMIT, bounded, code, fenced, fenced_json, sentence
from signoff.say.preview import METHODS, shell_word, short_digest
from signoff.say.view import PlanView
from signoff.say.words import advice, clock, joined, plural, zone_name

ALL_RESULTS = 60_000
"""Characters of all results of a plan together, so that a note with many steps stays readable."""
SHORTEST_RESULT = 200

_TITLES = {
    Status.APPROVED: "approved, about to start",
    Status.SCHEDULED: "approved, scheduled",
    Status.RUNNING: "running",
    Status.WAITING: "waiting",
}


def live(view: PlanView) -> str:
    """The section of a plan that was approved and has not ended."""
    state = view.state
    lines = paragraphs(_standing(view), approved_by(view), _how_to_stop(view))
    last = _results(view) if state.status is Status.SCHEDULED else []
    return callout(
        "info", f"Signoff: {_TITLES[state.status]}", [*lines, *step_table(view), *last, record(view)]
    )


def done(view: PlanView) -> str:
    """The section of a plan that ended well, with its results."""
    lines = paragraphs(_count(view), approved_by(view), _times(view))
    return callout("success", "Signoff: done", [*lines, *step_table(view), *_results(view), record(view)])


def failed(view: PlanView) -> str:
    """The section of a plan that stopped: what happened, what was and was not done, what to do now."""
    lines = paragraphs(
        _what_happened(view),
        _what_was_done(view),
        _what_was_not_done(view),
        what_to_do(view),
        approved_by(view),
    )
    return callout(
        "failure",
        "Signoff: failed",
        [*lines, *_details(view), *step_table(view), *_results(view), record(view)],
    )


def ended(view: PlanView) -> str:
    """The section of a plan that was rejected or cancelled, or that expired."""
    state = view.state
    by = f" by {code(view.ended_by)}" if view.ended_by else ""
    when = f" on {view.moment(state.finished)}" if state.finished else ""
    said = {Status.REJECTED: f"Rejected{by}{when}.", Status.CANCELLED: f"Cancelled{by}{when}."}.get(
        state.status, f"Expired{when}."
    )
    reason = view.redactor.text(view.ended_reason or state.message)
    lines = paragraphs(
        f"{said} {_called_so_far(view)}",
        f"Reason: {sentence(reason)}" if reason else "",
        f"If you want it after all, move this note to {code(view.folder(Folder.INBOX))}. "
        "It is checked there and shown for approval again.",
    )
    shown = step_table(view) if view.started() else []
    return callout(
        "abstract", f"Signoff: {state.status.value}", [*lines, *shown, *_results(view), record(view)]
    )


# ---------------------------------------------------------------- sentences


def progress(state: PlanState) -> str:
    """Finished of all steps: `2/3`."""
    finished = sum(step.status is StepStatus.DONE for step in state.steps.values())
    return f"{finished}/{len(state.steps)}"


def _standing(view: PlanView) -> str:
    state = view.state
    parts = [_count(view)]
    if state.status in {Status.WAITING, Status.SCHEDULED} and state.until:
        parts.append(f"Next: {view.moment(state.until)}.")
    if state.reason or state.message:
        parts.append(_reason(view, state.reason, state.message))
    return " ".join(parts)


def _count(view: PlanView) -> str:
    steps = list(view.state.steps.values())
    finished = len(view.steps(StepStatus.DONE))
    if finished == len(steps) and steps:
        return {1: "The step is done.", 2: "Both steps are done."}.get(
            finished, f"All {finished} steps are done."
        )
    parts = [f"{finished} of {plural(len(steps), 'step')} done"]
    for status, word in (
        (StepStatus.SKIPPED, "skipped"),
        (StepStatus.FAILED, "failed"),
        (StepStatus.CANCELLED, "cancelled"),
    ):
        if count := len(view.steps(status)):
            parts.append(f"{count} {word}")
    return f"{', '.join(parts)}."


def approved_by(view: PlanView) -> str:
    """Who approved, how, when and until when."""
    given = [_approval(view, one) for one in view.state.approvals]
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


def _called_so_far(view: PlanView) -> str:
    if not view.started():
        return "Nothing was called."
    finished = view.steps(StepStatus.DONE)
    return f"Done before that: {_names(view, finished)}." if finished else "No step was finished before that."


def _reason(view: PlanView, reason: str, message: str) -> str:
    said = sentence(view.redactor.text(message))
    if not reason:
        return said
    return f"{said} ({code(reason)})".strip()


# ---------------------------------------------------------------- failures


def _failures(view: PlanView) -> list[StepState]:
    return view.steps(StepStatus.FAILED)


def _what_happened(view: PlanView) -> str:
    state = view.state
    said = [
        f"**What happened:** step {_number(view, step)} ({_name(view, step)}) failed when it called "
        f"{code(_call(step))}: "
        f"{_reason(view, step.reason, step.message)}"
        for step in _failures(view)
    ]
    return " ".join(said) or f"**What happened:** {_reason(view, state.reason, state.message)}"


def _what_was_done(view: PlanView) -> str:
    finished = view.steps(StepStatus.DONE)
    return f"**Done:** {_names(view, finished)}." if finished else "**Done:** nothing."


def _what_was_not_done(view: PlanView) -> str:
    rest = view.steps(StepStatus.PENDING, StepStatus.WAITING, StepStatus.SKIPPED, StepStatus.CANCELLED)
    surely = [step for step in _failures(view) if not _may_have_happened(step)]
    perhaps = [step for step in _failures(view) if _may_have_happened(step)]
    said = f"**Not done:** {_names(view, [*surely, *rest])}." if surely or rest else ""
    if perhaps:
        said += f" **Perhaps done:** {_names(view, perhaps)} (the server failed after the call was sent)."
    return said.strip()


def _may_have_happened(step: StepState) -> bool:
    return bool(step.attempts) and step.attempts[-1].outcome is OutcomeClass.SERVER_ERROR


def what_to_do(view: PlanView) -> str:
    """What a person can do now, with the command for this plan."""
    reasons = dict.fromkeys([*(step.reason for step in _failures(view)), view.state.reason])
    told = " ".join(said for said in (sentence(advice(reason)) for reason in reasons) if said)
    again = (
        f"To try again: run {code(f'signoff retry {shell_word(view.state.id)}')} or move this note to "
        f"{code(view.folder(Folder.INBOX))}. It is shown for approval again; finished steps stay finished."
    )
    return f"**What to do now:** {told} {again}".replace("  ", " ")


def _details(view: PlanView) -> list[str]:
    """The servers' own words, where they are more than one line."""
    lines: list[str] = []
    for step in _failures(view):
        message = view.redactor.text(step.message)
        if len(message) > 200 or "\n" in message:
            lines.extend([f"The whole message of step {_name(view, step)}:", *fenced(bounded(message)), ""])
    return lines


# ---------------------------------------------------------------- steps


def step_table(view: PlanView) -> list[str]:
    """One line a step: what it calls and where it stands."""
    rows = [
        [str(number), _name(view, step), code(_call(step)), _state(view, step)]
        for number, step in enumerate(view.state.steps.values(), start=1)
    ]
    zone = zone_name(view.zone, datetime.fromisoformat(view.state.frozen))
    return table(["#", "Step", "Call", f"State (times in {zone})"], rows)


def _number(view: PlanView, step: StepState) -> int:
    return list(view.state.steps).index(step.id) + 1


def _state(view: PlanView, step: StepState) -> str:
    said = [_stands(view, step)]
    if step.message or step.reason:
        said.append(_reason(view, step.reason, step.message))
    if step.resolved_by:
        said.append(f"answered by {code(step.resolved_by)}")
    if len(step.attempts) > 1:
        said.append(plural(len(step.attempts), "attempt"))
    return "; ".join(part for part in said if part)


def _stands(view: PlanView, step: StepState) -> str:
    last = step.attempts[-1] if step.attempts else None
    if step.status is StepStatus.DONE:
        when = _at(view, last.ended) if last and last.ended else ""
        return f"✓ done{when}"
    if step.status is StepStatus.RUNNING:
        return f"running since{_at(view, last.started)}" if last else "running"
    if step.status is StepStatus.WAITING:
        return f"waiting until{_at(view, step.until)}" if step.until else "waiting"
    return {
        StepStatus.PENDING: "not started",
        StepStatus.FAILED: "✗ failed",
        StepStatus.SKIPPED: "skipped",
        StepStatus.UNKNOWN: "**not known**",
        StepStatus.CANCELLED: "cancelled",
    }[step.status]


def _at(view: PlanView, time: str | None) -> str:
    if time is None:
        return ""
    return f" {clock(time, view.zone)}"


def _call(step: StepState) -> str:
    last = step.attempts[-1] if step.attempts else None
    return f"{last.server}.{last.tool}" if last else step.call


def _name(view: PlanView, step: StepState) -> str:
    return sentence(view.redactor.text(step.name)) if step.name else code(step.id)


def _names(view: PlanView, steps: list[StepState]) -> str:
    return joined([_name(view, step) for step in steps])


# ---------------------------------------------------------------- results


def _results(view: PlanView) -> list[str]:
    """What the tools answered, fenced and bounded, a fence a step."""
    limit = max(SHORTEST_RESULT, min(RESULT_LIMIT, ALL_RESULTS // max(1, len(view.results))))
    lines: list[str] = []
    for number, step in enumerate(view.state.steps.values(), start=1):
        result = view.results.get(step.id)
        if result is not None:
            lines.extend([f"Step {number} answered:", *_answer(result, limit), ""])
    return lines


def _answer(result: JsonObject, limit: int) -> list[str]:
    text = result.get("text")
    if isinstance(text, str) and text:
        return fenced(bounded(text, limit))
    value = next((result[key] for key in ("structured", "content") if result.get(key)), None)
    if value is None:
        return ["(an empty answer)"]
    whole = json.dumps(value, ensure_ascii=False, indent=2)
    return fenced_json(value) if len(whole) <= limit else fenced(bounded(whole, limit))


def record(view: PlanView) -> str:
    """Where the whole record is."""
    plan = shell_word(view.state.id)
    return f"Every attempt is in the audit log: {code(f'signoff show {plan}')}."
