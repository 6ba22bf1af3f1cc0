"""The calls of a plan, shown exactly: the table, and below it all that does not fit in. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from signoff.model import SURVIVES_ALL, Call, FrozenStep, Verification
from signoff.model.values import is_late
from signoff.say.arguments import reads_steps, show_arguments
from signoff.say.block import paragraphs, table
from signoff.say.drawing import MOST_LATE_ITEMS, drawing
from signoff.say.escape import code, inline, sentence
from signoff.say.repeats import begins, starts
from signoff.say.view import PlanView
from signoff.say.words import duration, joined


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
    return [*table(head, rows), *drawing(view), *below, *paragraphs(*_terms(view)), short_digest(view)]


def _call(view: PlanView, number: int, step: FrozenStep) -> tuple[list[str], list[str]]:
    label = f"Step {number}"
    secret = view.assessment.secret(step.id) if view.assessment else frozenset()
    first = step.calls[0]
    shown = show_arguments(view, first.arguments, label=label, secret=secret)
    state = view.state.steps.get(step.id)
    name = sentence(view.redactor.text(state.name)) if state and state.name else code(step.id)
    if state is not None and view.state.is_done(state):
        name = f"{name} (✓ done already)"
    row = [str(number), name, code(first.name), shown.brief, _risk(view, step)]
    more = [*shown.below]
    for other in step.calls[1:]:
        more.extend(_fallback(view, label, step, other, secret))
    if step.undo is not None:
        more.extend(_undo(view, label, step, step.undo, secret))
    if step.verify is not None:
        more.extend(_verify(view, label, step, step.verify, secret))
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
    said += _only_within(view, step, other)
    return [*paragraphs(f"{label}: {said}"), *shown.below]


def _undo(view: PlanView, label: str, step: FrozenStep, undo: Call, secret: frozenset[str]) -> list[str]:
    shown = show_arguments(view, undo.arguments, label=f"{label}, {code(undo.name)}", secret=secret)
    used = view.frozen is not None and view.frozen.on_failure == "undo"
    when, what = "if a later step fails", "it is taken back"
    if step.for_each is not None:
        when, what = (
            "if an entry or a later step fails",
            "each entry that is done is taken back, last first,",
        )
    if undo.server in {call.server for call in step.calls} != {undo.server}:
        what = f"{what} where {code(undo.server)} did it,"
    said = f"{when}, {what} with {code(undo.name)}: {shown.brief}"
    if not used:
        said = f"its undo call is {code(undo.name)}: {shown.brief}. This plan does not use it."
    else:
        said += _only_within(view, step, undo)
    return [*paragraphs(f"{label}: {said}"), *shown.below]


def _verify(
    view: PlanView, label: str, step: FrozenStep, verify: Verification, secret: frozenset[str]
) -> list[str]:
    call = verify.call
    shown = show_arguments(view, call.arguments, label=f"{label}, {code(call.name)}", secret=secret)
    when, no = "", "otherwise you are asked"
    if verify.after is not None:
        when, no = f" {duration(verify.after)} later", "where that is false it did not, and is called again"
    said = (
        f"if its outcome is not known, {code(call.name)} is asked{when}, which only reads: {shown.brief}. "
        f"It happened where {code(verify.happened)}; {no}{_only_within(view, step, call) or '.'}"
    )
    return [*paragraphs(f"{label}: {said}"), *shown.below]


def _conditions(view: PlanView, step: FrozenStep) -> list[str]:
    """In words: when the step runs, how often, and what bounds it."""
    said = []
    if step.needs:
        said.append(f"runs after {joined([code(name) for name in step.needs])}.")
    if step.condition is not None and step.condition.replace(" ", "") != "always()":
        said.append(f"runs only if {code(step.condition)}; otherwise it is skipped.")
    if SURVIVES_ALL in step.survives:
        said.append("runs also after a step has failed.")
    elif step.survives:
        said.append(
            f"runs also after {joined([code(name) for name in sorted(step.survives)], 'or')} has failed."
        )
    if step.for_each is not None:
        said.append(f"runs once for each entry of {_list(step)}.")
    if step.continue_on_error:
        said.append("if it fails, the plan goes on all the same.")
    said.extend(_limits(view, step))
    return said


def _list(step: FrozenStep) -> str:
    if is_late(step.for_each):
        return f"{inline(step.for_each)} (a list that is known when it runs, up to {MOST_LATE_ITEMS} entries)"
    return inline(step.for_each)


def _limits(view: PlanView, step: FrozenStep) -> list[str]:
    limits = [*_limits_on(view, step, step.calls[0])]
    limits += [step.limits] if step.limits and step.limits not in limits else []
    said = [f"runs only within {code(limit)}; otherwise it comes back to you." for limit in limits]
    if not limits and _comes_from_steps(step):
        said.append(
            "nothing limits what is filled in when it runs: it comes from the earlier steps as it is."
        )
    return said


def _limits_on(view: PlanView, step: FrozenStep, call: Call) -> tuple[str, ...]:
    """The policy's limits on one of a step's calls."""
    entries = view.assessment.steps if view.assessment else ()
    return next((entry.limits_on.get(call.name, ()) for entry in entries if entry.step == step.id), ())


def _only_within(view: PlanView, step: FrozenStep, call: Call) -> str:
    """The same, as a sentence after others."""
    limits = [code(limit) for limit in _limits_on(view, step, call)]
    return f". That runs only within {joined(limits)}; otherwise it comes back to you." if limits else ""


def _comes_from_steps(step: FrozenStep) -> bool:
    """Is anything filled in that nobody can know before? What a list in the plan gives stands there."""
    arguments = dict(step.calls[0].arguments)
    return reads_steps(arguments) or (is_late(step.for_each) and is_late(arguments))


def _terms(view: PlanView) -> Sequence[str]:
    """In words: what holds for the plan as a whole."""
    frozen = view.frozen
    if frozen is None:
        return ()
    said = []
    if frozen.depends_on:
        said.append(f"It starts when {joined([code(name) for name in frozen.depends_on])} is done.")
    said.append(starts(view))
    if frozen.schedule is not None:
        local = "" if frozen.schedule.lower().startswith("every") else ", in local time"
        said.append(
            f"**It repeats:** {code(frozen.schedule)}{local}. "
            "One approval covers every run until the approval ends."
        )
    said.append(begins(view))
    if len(frozen.steps) > 1 or frozen.on_failure != "stop":
        said.append(_on_failure(frozen.on_failure))
    return [each for each in said if each]


def _on_failure(choice: str) -> str:
    said = {
        "continue": "If a step fails, the steps that do not depend on it run all the same.",
        "undo": "If a step fails, the finished steps are taken back where that is possible.",
    }
    return said.get(choice, "If a step fails, the plan stops there.")


def short_digest(view: PlanView) -> str:
    """The beginning of the digest; the whole of it is in the properties."""
    return f"Digest: {code(view.state.digest[:16])}…"


_PLAIN_ID = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


def shell_word(text: str) -> str:
    """A plan's id or step as one word of a command line that a person may copy safely."""
    if text and set(text) <= _PLAIN_ID and not text.startswith("-"):
        return text
    return "PLAN"  # quoting differs from shell to shell: leave it to be typed
