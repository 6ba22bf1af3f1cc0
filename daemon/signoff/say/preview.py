"""What a plan would do, shown for approval: every call with its arguments, and what approval it needs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from signoff.model import Call, Folder, FrozenStep, Json, Method, StepStatus
from signoff.say.arguments import is_late, show_arguments
from signoff.say.block import callout, paragraphs, table
from signoff.say.escape import code, fenced, fenced_json, inline, sentence
from signoff.say.view import Change, PlanView
from signoff.say.words import advice, duration, joined, plural

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
    lines = [*paragraphs(said, _why(view)), *table(["What", "Before", "Now"], rows), *below]
    return callout("warning", "Signoff: this plan changed", lines)


_SHOWN_IN_TABLE = 200
_VOIDED = frozenset({"digest-changed", "definition-changed", "limits-violated"})


def _value(view: PlanView, value: Json) -> str:
    hidden = view.hide(value)
    if hidden is None:
        return "(nothing)"
    short = inline(hidden)
    return short if len(short) <= _SHOWN_IN_TABLE else "below"


def _long_values(view: PlanView, change: Change) -> list[str]:
    lines: list[str] = []
    for when, value in (("before", change.old), ("now", change.new)):
        hidden = view.hide(value)
        if hidden is not None and _value(view, value) == "below":
            whole = fenced(hidden) if isinstance(hidden, str) else fenced_json(hidden)
            lines.extend([f"{sentence(change.where)}, {when}:", *whole, ""])
    return lines


def _refused(view: PlanView) -> str:
    if view.state.reason in {"", "approvers-missing"}:  # who is missing stands in the preview
        return ""
    title = "Signoff: not approved yet" if not view.started() else "Signoff: stopped, waiting for you"
    return callout("warning", title, paragraphs(_why(view), sentence(advice(view.state.reason))))


def _why(view: PlanView) -> str:
    state = view.state
    if not state.reason:
        return ""
    return f"{sentence(view.redactor.text(state.message))} ({code(state.reason)})".lstrip()


# ---------------------------------------------------------------- how to decide


def _summary(view: PlanView) -> list[str]:
    return paragraphs(
        _what_it_makes(view), _approvers(view), _how_to_approve(view), _how_to_refuse(view), _how_long(view)
    )


def _what_it_makes(view: PlanView) -> str:
    risk = f"Risk: **{view.assessment.risk.value if view.assessment else code(view.state.risk)}**."
    if view.frozen is None:
        return f"{risk} The stored content of this plan is gone, so it cannot run."
    count = len(view.frozen.steps)
    kept = len(view.steps(StepStatus.DONE))
    order = (
        "" if count < 2 else ", side by side" if view.frozen.mode == "parallel" else ", one after the other"
    )
    makes = f"If you approve, {plural(count, 'step')} will run{order}, exactly as shown here."
    if kept:
        makes += f" Of these, {kept} {'is' if kept == 1 else 'are'} done already and will not run again."
    return f"{makes} {risk}"


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
    command = code(f"signoff approve {shell_word(view.state.id)}")
    if method is Method.SIGNATURE:
        return (
            f"**To approve:** run {command} in a terminal; it signs with your SSH key. "
            "Editing the note is not enough."
        )
    if method is Method.CODE:
        return (
            "**To approve:** type the number that your authenticator app shows as `approval_code` in the "
            f"properties, then {gesture}. Or run {command}."
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


_PLAIN_ID = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


def shell_word(text: str) -> str:
    """A plan's id or step as one word of a command line that a person may copy safely."""
    if text and set(text) <= _PLAIN_ID and not text.startswith("-"):
        return text
    return "PLAN"  # quoting differs from shell to shell: leave it to be typed


# ---------------------------------------------------------------- the calls


def calls(view: PlanView) -> list[str]:
    """The table of every call, and below it all that does not fit in: values, limits, order, digest."""
    if view.frozen is None:
        return []
    rows: list[list[str]] = []
    below: list[str] = []
    for number, step in enumerate(view.frozen.steps, start=1):
        row, more = _call(view, number, step)
        rows.append(row)
        below.extend(more)
    head = ["#", "Step", "Call", "Arguments", "Risk"]
    return [*table(head, rows), *below, *paragraphs(*_terms(view)), short_digest(view)]


def _call(view: PlanView, number: int, step: FrozenStep) -> tuple[list[str], list[str]]:
    label = f"Step {number}"
    secret = view.assessment.secret(step.id) if view.assessment else frozenset()
    first = step.calls[0]
    shown = show_arguments(view, first.arguments, label=label, secret=secret)
    state = view.state.steps.get(step.id)
    name = sentence(view.redactor.text(state.name)) if state and state.name else code(step.id)
    row = [str(number), name, code(first.name), shown.brief, _risk(view, step)]
    more = [*shown.below]
    for other in step.calls[1:]:
        more.extend(_fallback(view, label, step, other, secret))
    if step.undo is not None:
        more.extend(_undo(view, label, step.undo, secret))
    more.extend(paragraphs(*(f"{label}: {said}" for said in _conditions(view, step))))
    return row, more


def _risk(view: PlanView, step: FrozenStep) -> str:
    entries = view.assessment.steps if view.assessment else ()
    entry = next((one for one in entries if one.step == step.id), None)
    if entry is None:
        state = view.state.steps.get(step.id)
        return sentence(state.risk) if state else ""
    return "forbidden" if entry.denied else entry.risk.value


def _fallback(view: PlanView, label: str, step: FrozenStep, other: Call, secret: frozenset[str]) -> list[str]:
    first = step.calls[0]
    shown = show_arguments(
        view, other.arguments, label=f"{label}, {code(other.name)}", secret=secret, known=first.arguments
    )
    said = f"if {code(first.server)} cannot be reached, {code(other.name)} is called instead: {shown.brief}"
    return [*paragraphs(f"{label}: {said}"), *shown.below]


def _undo(view: PlanView, label: str, undo: Call, secret: frozenset[str]) -> list[str]:
    shown = show_arguments(view, undo.arguments, label=f"{label}, {code(undo.name)}", secret=secret)
    used = view.frozen is not None and view.frozen.on_failure == "undo"
    said = f"if a later step fails, it is taken back with {code(undo.name)}: {shown.brief}"
    if not used:
        said = f"its undo call is {code(undo.name)}: {shown.brief}. This plan does not use it."
    return [*paragraphs(f"{label}: {said}"), *shown.below]


def _conditions(view: PlanView, step: FrozenStep) -> list[str]:
    """In words: when the step runs, how often, and what bounds it."""
    said = []
    if step.needs:
        said.append(f"runs after {joined([code(name) for name in step.needs])}.")
    if step.condition is not None:
        said.append(f"runs only if {code(step.condition)}; otherwise it is skipped.")
    if step.for_each is not None:
        said.append(f"runs once for each entry of {_list(step)}.")
    if step.continue_on_error:
        said.append("if it fails, the plan goes on all the same.")
    said.extend(_limits(view, step))
    return said


def _list(step: FrozenStep) -> str:
    if is_late(step.for_each):
        return f"{inline(step.for_each)} (a list that is known when it runs)"
    return inline(step.for_each)


def _limits(view: PlanView, step: FrozenStep) -> list[str]:
    entries = view.assessment.steps if view.assessment else ()
    limits = [limit for entry in entries if entry.step == step.id for limit in entry.limits]
    limits += [step.limits] if step.limits and step.limits not in limits else []
    said = [f"runs only within {code(limit)}; otherwise it comes back to you." for limit in limits]
    late = any(is_late(value) for value in step.calls[0].arguments.values())
    if late and not limits:
        said.append(
            "nothing limits what is filled in when it runs: it comes from the earlier steps as it is."
        )
    return said


def _terms(view: PlanView) -> Sequence[str]:
    """In words: what holds for the plan as a whole."""
    frozen = view.frozen
    if frozen is None:
        return ()
    said = []
    if frozen.depends_on:
        said.append(f"It starts when {joined([code(name) for name in frozen.depends_on])} is done.")
    if frozen.run_at is not None:
        said.append(f"It starts on {_time(view, frozen.run_at)} at the earliest.")
    if frozen.schedule is not None:
        said.append(
            f"**It repeats:** {code(frozen.schedule)}. One approval covers every run until the approval ends."
        )
    if len(frozen.steps) > 1 or frozen.on_failure != "stop":
        said.append(_on_failure(frozen.on_failure))
    return said


def _on_failure(choice: str) -> str:
    said = {
        "continue": "If a step fails, the steps that do not depend on it run all the same.",
        "undo": "If a step fails, the finished steps are taken back where that is possible.",
    }
    return said.get(choice, "If a step fails, the plan stops there.")


def short_digest(view: PlanView) -> str:
    """The beginning of the digest; the whole of it is in the properties."""
    return f"Digest: {code(view.state.digest[:16])}…"


def _time(view: PlanView, text: str) -> str:
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        return code(text)
    return view.moment(text) if given.tzinfo else f"{code(text)} local time"
