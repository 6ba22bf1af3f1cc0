"""Plans that stopped short: failed, rejected, cancelled, expired. Pure."""

from __future__ import annotations

from collections import Counter

from signoff.model import Folder, OutcomeClass, Status, StepState, StepStatus
from signoff.say.block import callout, paragraphs
from signoff.say.calls import shell_word
from signoff.say.escape import RESULT_LIMIT, bounded, code, fenced, sentence
from signoff.say.failures import ITEMS_FAILED, MOST_LISTED, class_of, failures, failures_table
from signoff.say.form import answered
from signoff.say.progress import approved_by
from signoff.say.repeats import occasion, runs_had
from signoff.say.steps import (
    ALL_RESULTS,
    SHORTEST_RESULT,
    call_of,
    name_of,
    names_of,
    number_of,
    reason_of,
    record,
    results,
    step_table,
    taken_back,
)
from signoff.say.view import PlanView
from signoff.say.words import advice


def failed(view: PlanView) -> str:
    """The section of a plan that stopped: what happened, what was and was not done, what to do now."""
    happened = paragraphs(_what_happened(view))
    lines = paragraphs(
        _what_was_done(view),
        _what_was_not_done(view),
        what_to_do(view),
        occasion(view),
        approved_by(view),
    )
    return callout(
        "failure",
        "Signoff: failed",
        [
            *happened,
            *failures_table(view),
            *lines,
            *_details(view),
            *step_table(view),
            *answered(view),
            *results(view),
            record(view),
        ],
    )


def ended(view: PlanView) -> str:
    """The section of a plan that was rejected or cancelled, or that expired."""
    state = view.state
    by = f" by {code(view.ended_by)}" if view.ended_by else ""
    when = f" on {view.moment(state.finished)}" if state.finished else ""
    said = {Status.REJECTED: f"Rejected{by}{when}.", Status.CANCELLED: f"Cancelled{by}{when}."}.get(
        state.status, f"Expired{when}."
    )
    reason = view.ended_reason or state.message.removeprefix("Rejected: ")
    lines = paragraphs(
        f"{said} {_called_so_far(view)}",
        occasion(view),
        f"Reason: {sentence(view.redactor.text(reason))}" if reason else "",
        f"If you want it after all, move this note to {code(view.folder(Folder.INBOX))}. "
        "It is checked there and shown for approval again.",
    )
    shown = [*failures_table(view), *step_table(view), *answered(view)] if view.started() else []
    return callout(
        "abstract", f"Signoff: {state.status.value}", [*lines, *shown, *results(view), record(view)]
    )


# ---------------------------------------------------------------- sentences


def _called_so_far(view: PlanView) -> str:
    if not view.started() or view.state.repeats:
        return runs_had(view) or "Nothing was called."
    finished, back = _finished(view), taken_back(view)
    said = f"Done before that: {names_of(view, finished)}." if finished else ""
    said += f" Taken back: {names_of(view, back)}." if back else ""
    unknown = view.steps(StepStatus.UNKNOWN)
    said += f" It is not known whether this happened: {names_of(view, unknown)}." if unknown else ""
    return said.strip() or "No step was finished before that."


def _what_happened(view: PlanView) -> str:
    state = view.state
    failed = failures(view)
    said = [_failure(view, step) for step in failed]
    if len(failed) > 1:
        said = [f"{len(failed)} steps failed. {_by_class(failed)}"]
    if state.reason and state.reason not in {ITEMS_FAILED, *(step.reason for step in failed)}:
        said.append(reason_of(view, state.reason, state.message))
    return f"**What happened:** {' '.join(said)}"


def _by_class(failed: list[StepState]) -> str:
    """How many failures there are of which class."""
    counts = Counter(class_of(step) for step in failed)
    return f"By class: {', '.join(f'{count} {said}' for said, count in counts.most_common())}."


def _failure(view: PlanView, step: StepState) -> str:
    calling = f" when it called {code(call_of(step))}" if step.attempts else ""
    why = reason_of(view, step.reason, step.message)
    return f"step {number_of(view, step)} ({name_of(view, step)}) failed{calling}: {why}"


def _what_was_done(view: PlanView) -> str:
    finished = _finished(view)
    said = f"**Done:** {names_of(view, finished)}." if finished else "**Done:** nothing."
    if back := taken_back(view):
        said += f" **Taken back:** {names_of(view, back)}."
    steps = view.state.steps
    undos = [step for step in steps.values() if step.undoes and step.status is not StepStatus.DONE]
    if left := [steps[undo.undoes] for undo in undos if undo.undoes in steps]:
        said += f" **Not taken back:** {names_of(view, left)}."
    return said


def _finished(view: PlanView) -> list[StepState]:
    """The steps that are done and not taken back, and of those that are not done as a whole, the items."""
    done = [step for step in view.steps(StepStatus.DONE) if view.state.is_done(step) and not step.undoes]
    whole = {step.id for step in done if "[" not in step.id}
    return [step for step in done if step.id in whole or step.id.partition("[")[0] not in whole]


def _what_was_not_done(view: PlanView) -> str:
    rest = view.steps(StepStatus.PENDING, StepStatus.WAITING, StepStatus.SKIPPED, StepStatus.CANCELLED)
    rest = [step for step in rest if not step.undoes]
    failed = [step for step in failures(view) if not step.undoes]
    surely = [step for step in failed if not _may_have_happened(step)]
    perhaps = [step for step in failed if _may_have_happened(step)]
    said = f"**Not done:** {names_of(view, [*surely, *rest])}." if surely or rest else ""
    if perhaps:
        said += f" **Perhaps done:** {names_of(view, perhaps)} (the server failed after the call was sent)."
    return said.strip()


def _may_have_happened(step: StepState) -> bool:
    return any(attempt.outcome is OutcomeClass.SERVER_ERROR for attempt in step.attempts)


def what_to_do(view: PlanView) -> str:
    """What a person can do now, with the command for this plan."""
    reasons = dict.fromkeys([*(step.reason for step in failures(view)), view.state.reason])
    told = " ".join(said for said in (sentence(advice(reason)) for reason in reasons) if said)
    again = (
        f"To try again: run {code(f'signoff retry {shell_word(view.state.id)}')} or move this note to "
        f"{code(view.folder(Folder.INBOX))}. It is shown for approval again; finished steps stay finished."
    )
    return f"**What to do now:** {told} {again}".replace("  ", " ")


def _details(view: PlanView) -> list[str]:
    """The servers' own words, where they are more than one line."""
    lines: list[str] = []
    failed = failures(view)[:MOST_LISTED]
    limit = max(SHORTEST_RESULT, min(RESULT_LIMIT, ALL_RESULTS // max(1, len(failed))))
    for step in failed:
        message = view.redactor.text(step.message)
        if len(message) > 200 or "\n" in message:
            lines.extend(
                [f"The whole message of step {name_of(view, step)}:", *fenced(bounded(message, limit)), ""]
            )
    return lines
