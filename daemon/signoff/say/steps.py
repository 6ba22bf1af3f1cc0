"""The steps of a plan after it began, one line each, and what the tools answered. Pure."""

from __future__ import annotations

import json
from datetime import datetime

from signoff.model import FINAL, JsonObject, Status, StepState, StepStatus
from signoff.say.block import table
from signoff.say.calls import shell_word
from signoff.say.escape import RESULT_LIMIT, bounded, code, fenced, fenced_json, sentence
from signoff.say.view import PlanView
from signoff.say.words import clock, from_cache, joined, plural, zone_name

ALL_RESULTS = 60_000
"""Characters of all results of a plan together, so that a note with many steps stays readable."""
SHORTEST_RESULT = 200


def step_table(view: PlanView) -> list[str]:
    """One line a step: what it calls and where it stands."""
    rows = [
        [str(number), name_of(view, step), code(call_of(step)), _state(view, step)]
        for number, step in enumerate(view.state.steps.values(), start=1)
    ]
    zone = zone_name(view.zone, datetime.fromisoformat(view.state.frozen))
    return table(["#", "Step", "Call", f"State (times in {zone})"], rows)


def number_of(view: PlanView, step: StepState) -> int:
    """The number of a step, from 1."""
    return list(view.state.steps).index(step.id) + 1


def _state(view: PlanView, step: StepState) -> str:
    said = [_stands(view, step)]
    if (step.message or step.reason) and not step.open_questions:
        said.append(reason_of(view, step.reason, step.message))
    if step.resolved_by:
        said.append(f"answered by {code(step.resolved_by)}")
    if step.status is StepStatus.DONE and step.attempts:
        said.append(_from_cache(step))
    if step.status is StepStatus.DONE and not view.state.is_done(step):
        said.append("taken back")
    if len(step.attempts) > 1:
        said.append(plural(len(step.attempts), "attempt"))
    parts = [part for part in said if part]
    return "; ".join([*(part.removesuffix(".") for part in parts[:-1]), *parts[-1:]])


def _stands(view: PlanView, step: StepState) -> str:
    last = step.attempts[-1] if step.attempts else None
    if step.status is StepStatus.DONE:
        when = _at(view, last.ended) if last and last.ended else ""
        return f"✓ done{when}"
    if step.status is StepStatus.RUNNING:
        return f"running since{_at(view, last.started)}" if last else "running"
    if step.open_questions:
        return "waiting for your answer"
    if step.verifies and step.status is StepStatus.SKIPPED:
        return "no clear answer"
    if step.status is StepStatus.WAITING:
        if view.state.status in FINAL or view.state.status is Status.FAILED:
            return "stopped while it waited"
        return f"waiting until{_at(view, step.until)}" if step.until else "waiting"
    if step.status is StepStatus.PENDING and view.state.repeats:
        return "in every run"
    if step.status is StepStatus.PENDING and f"{step.id}[0]" in view.state.steps:
        return "begun; see its entries"
    return {
        StepStatus.PENDING: "not started",
        StepStatus.FAILED: "✗ failed",
        StepStatus.SKIPPED: "skipped",
        StepStatus.UNKNOWN: "**not known**",
        StepStatus.CANCELLED: "cancelled",
    }[step.status]


def taken_back(view: PlanView) -> list[StepState]:
    """The steps and items that were taken back, in the order of the plan."""
    return [step for step in view.steps(StepStatus.DONE) if not view.state.is_done(step)]


def _from_cache(step: StepState) -> str:
    last = step.attempts[-1]
    return from_cache(last.ended or last.started, last.cached_at)


def _at(view: PlanView, time: str | None) -> str:
    if time is None:
        return ""
    return f" {clock(time, view.zone)}"


def call_of(step: StepState) -> str:
    """`server.tool` as last called, else as it would be."""
    last = step.attempts[-1] if step.attempts else None
    return f"{last.server}.{last.tool}" if last else step.call


def name_of(view: PlanView, step: StepState) -> str:
    """What the author called the step, escaped."""
    return sentence(view.redactor.text(step.name)) if step.name else code(step.id)


def names_of(view: PlanView, steps: list[StepState]) -> str:
    """The names of some steps in a row."""
    return joined([name_of(view, step) for step in steps])


def reason_of(view: PlanView, reason: str, message: str) -> str:
    """A message and its reason code, escaped."""
    said = sentence(view.redactor.text(message))
    if not reason:
        return said
    return f"{said} ({code(reason)})".strip()


# ---------------------------------------------------------------- results


def results(view: PlanView) -> list[str]:
    """What the tools answered, fenced and bounded, a fence a step."""
    limit = max(SHORTEST_RESULT, min(RESULT_LIMIT, ALL_RESULTS // max(1, len(view.results))))
    lines: list[str] = []
    for number, step in enumerate(view.state.steps.values(), start=1):
        result = view.results.get(step.id)
        if result is not None:
            cached = _from_cache(step) if step.attempts else ""
            said = f"answered ({cached})" if cached else "answered"
            lines.extend([f"Step {number} {said}:", *_answer(result, limit), ""])
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
