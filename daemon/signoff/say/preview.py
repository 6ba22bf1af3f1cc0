"""What a plan would do, shown for approval: every call with its arguments, and what approval it needs."""

from __future__ import annotations

from collections.abc import Iterator

from signoff.model import Folder, FrozenPlan, Method, StepState, StepStatus
from signoff.say.block import callout, paragraphs, table
from signoff.say.calls import calls, shell_word
from signoff.say.escape import code, fenced, sentence
from signoff.say.final import final_values
from signoff.say.steps import name_of, taken_back
from signoff.say.view import Change, PlanView
from signoff.say.words import advice, duration, joined, plural

MOST_NAMED = 30
"""Steps that are named in one place; where each of them stands is told by `signoff show` too."""

METHODS = {
    Method.AUTO: "without approval",
    Method.EDIT: "by editing the note",
    Method.CODE: "with a one-time code",
    Method.SIGNATURE: "with a signature",
}


def pending(view: PlanView) -> str:
    """The section of a plan that waits for a person: what changed, what it would do, how to decide."""
    parts = [
        _changed(view) if view.changes else _refused(view),
        callout("question", "Signoff: waiting for your approval", [*_summary(view), *calls(view)]),
    ]
    return "\n".join(part for part in parts if part)


# ---------------------------------------------------------------- what happened before


def _changed(view: PlanView) -> str:
    more = "Nothing more was called." if view.started() else "Nothing was called."
    rows = [
        [sentence(change.where), _value(view, change.old), _value(view, change.new)]
        for change in view.changes
    ]
    below = [line for change in view.changes for line in _long_values(view, change)]
    since = "after it was approved" if view.state.reason in _VOIDED else "since it was last shown"
    said = f"This plan changed {since}. {more} Look at what changed, then approve or refuse it."
    changed = table(["What", "Before", "Now"], rows)
    lines = [*paragraphs(said, _why(view)), *final_values(view), *changed, *below]
    return callout("warning", "Signoff: this plan changed", lines)


_SHOWN_IN_TABLE = 300
_VOIDED = frozenset({"digest-changed", "definition-changed", "limits-violated"})


def _value(view: PlanView, value: str) -> str:
    shown = code(view.redactor.text(value))
    return shown if len(shown) <= _SHOWN_IN_TABLE else "below"


def _long_values(view: PlanView, change: Change) -> list[str]:
    lines: list[str] = []
    for when, value in (("before", change.old), ("now", change.new)):
        if _value(view, value) == "below":
            lines.extend([f"{sentence(change.where)}, {when}:", *fenced(view.redactor.text(value)), ""])
    return lines


def _refused(view: PlanView) -> str:
    if view.state.reason in {"", "approvers-missing"}:  # who is missing stands in the preview
        return ""
    title = "Signoff: not approved yet" if not view.started() else "Signoff: stopped, waiting for you"
    why, do = paragraphs(_why(view)), paragraphs(sentence(advice(view.state.reason)))
    return callout("warning", title, [*why, *final_values(view), *do])


def _why(view: PlanView) -> str:
    state = view.state
    if not state.reason:
        return ""
    return f"{sentence(view.redactor.text(state.message))} ({code(state.reason)})".lstrip()


# ---------------------------------------------------------------- how to decide


def _summary(view: PlanView) -> list[str]:
    return paragraphs(
        _what_it_makes(view),
        *_what_was_called(view),
        _approvers(view),
        _how_to_approve(view),
        _how_to_refuse(view),
        _how_long(view),
    )


def _what_it_makes(view: PlanView) -> str:
    risk = f"Risk: **{view.assessment.risk.value if view.assessment else code(view.state.risk)}**."
    if view.frozen is None:
        return f"{risk} The stored content of this plan is gone, so it cannot run."
    count = len(view.frozen.steps)
    order = (
        "" if count < 2 else ", side by side" if view.frozen.mode == "parallel" else ", one after the other"
    )
    if _has_failed(view):
        ends = "what was done is taken back" if view.frozen.on_failure == "undo" else "nothing more is called"
        return f"This plan has failed already. If you approve, {ends}, and it ends. {risk}"
    makes = f"If you approve, {plural(count, 'step')} will run{order}, exactly as shown here."
    return " ".join([makes, *_so_far(view, view.frozen), risk])


def _is_item_of(step: str, called: str) -> bool:
    """Is this an item of a step, and not what takes it back or verifies it?"""
    return called.startswith(f"{step}[") and called.endswith("]")


def _so_far(view: PlanView, frozen: FrozenPlan) -> Iterator[str]:
    """What of the steps has run already, and so does not run again."""
    known = [state for step in frozen.steps if (state := view.state.steps.get(step.id))]
    if done := sum(map(view.state.is_done, known)):
        yield f"Of these, {done} {'is' if done == 1 else 'are'} done already and will not run again."
    for number, step in enumerate(frozen.steps, 1):
        items = [state.status for state in view.state.steps.values() if _is_item_of(step.id, state.id)]
        ready = items.count(StepStatus.DONE)
        if ready and view.state.steps[step.id].status is not StepStatus.DONE:
            said = "is done already and does" if ready == 1 else "are done already and do"
            yield f"{plural(ready, 'item')} of step {number} {said} not run again."


def _what_was_called(view: PlanView) -> list[str]:
    """Of a plan that has begun: which steps are done, which are done again, and of which nobody knows."""
    done = [step for step in view.steps(StepStatus.DONE) if view.state.is_done(step) and not step.undoes]
    again = [step for step in view.steps(StepStatus.PENDING) if step.reason and not step.attempts]
    said = [f"**Done already, not called again:** {_named(view, done)}."] if done else []
    said += [_about(view, step) for step in again[:MOST_NAMED]]
    if len(again) > MOST_NAMED:
        said.append(f"{plural(len(again) - MOST_NAMED, 'more step')} that ran before will be called again.")
    if back := taken_back(view):
        said.append(f"**Taken back:** {_named(view, back)}.")
    if failed := [step for step in view.steps(StepStatus.FAILED) if not step.undoes]:
        said.append(f"**Failed already:** {_named(view, failed)}.")
    if unknown := view.steps(StepStatus.UNKNOWN):
        said.append(f"**Not known:** {_named(view, unknown)}. You are asked before anything else runs.")
    return said


def _has_failed(view: PlanView) -> bool:
    """Did a step fail and stop the plan, with none that runs after a failure?"""
    if view.frozen is None or view.frozen.on_failure == "continue":
        return False
    known = view.frozen.by_id
    failed = [step.id for step in view.steps(StepStatus.FAILED) if step.id in known]
    return not all(known[name].continue_on_error for name in failed) and not any(
        step.survives for step in view.frozen.steps
    )


def _named(view: PlanView, steps: list[StepState]) -> str:
    names = [f"{name_of(view, step)}" for step in steps[:MOST_NAMED]]
    more = len(steps) - MOST_NAMED
    return joined([*names, f"{more} more"] if more > 0 else names)


def _about(view: PlanView, step: StepState) -> str:
    return f"**{name_of(view, step)}:** {sentence(step.message)}"


def _approvers(view: PlanView) -> str:
    need = view.requirement
    given = [
        f"{code(one.approver)} ({METHODS[one.method]}, {view.moment(one.time)})"
        for one in view.state.approvals
    ]
    parts = []
    if need.approvers > 1:
        parts.append(f"It needs {need.approvers} different approvers.")
    if given:
        missing = plural(view.missing, "approver")
        parts.append(f"Approved so far by {joined(given)}. Still missing: {missing}.")
    if given and view.candidates:
        parts.append(f"It can be {joined([code(name) for name in view.candidates], 'or')}.")
    if not need.allow_proposer:
        proposer = f" ({code(view.state.proposed_by)})" if view.state.proposed_by else ""
        parts.append(f"Whoever proposed it{proposer} may not approve it.")
    return " ".join(parts)


def _how_to_approve(view: PlanView) -> str:
    method = view.requirement.method
    approved = view.folder(Folder.APPROVED)
    gesture = f"set `status: approved` in the properties, or move this note to {code(approved)}"
    command = code(f"signoff approve {shell_word(view.state.id)} --sign KEY")
    if method is Method.SIGNATURE:
        return (
            f"**To approve:** run {command} in a terminal, with your SSH key as KEY. "
            "Editing the note is not enough."
        )
    if method is Method.CODE:
        return (
            "**To approve:** type the six digits that your authenticator app shows as `approval_code` in the "
            f"properties. Or sign it: {command}."
        )
    if method is Method.AUTO:
        return "**It needs no approval:** the policy lets it run by itself."
    return f"**To approve:** {gesture}."


def _how_to_refuse(view: PlanView) -> str:
    rejected = view.folder(Folder.REJECTED)
    return f"**To refuse:** set `status: rejected`, or move it to {code(rejected)}."


def _how_long(view: PlanView) -> str:
    lengths = [length for length in (view.requirement.ttl, view.ttl) if length]
    parts = []
    if lengths and view.requirement.method is not Method.AUTO:
        parts.append(f"An approval holds for {duration(min(lengths))} at most.")
    if view.state.expires:
        parts.append(f"The plan expires on {view.moment(view.state.expires)}.")
    return " ".join(parts)
