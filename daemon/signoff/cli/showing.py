"""`signoff show PLAN`: everything about one plan."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from signoff.cli.answer import as_object as asked_as_object
from signoff.cli.answer import open_question, say_questions
from signoff.cli.find import find_plan
from signoff.cli.project import Project
from signoff.cli.screen import SCREEN, Cell
from signoff.cli.screen import status as coloured
from signoff.cli.standing import waiting_for
from signoff.cli.words import near
from signoff.errors import LedgerError, NotFound
from signoff.ledger.blobs import BlobStore
from signoff.model import Attempt, FrozenPlan, Json, JsonObject, PlanState, Status, StepState
from signoff.plan.freeze import thaw
from signoff.policy import assess
from signoff.redact import secret_values
from signoff.say.final import finals_of
from signoff.say.progress import progress
from signoff.say.view import Final
from signoff.say.words import advice, from_cache


def show(project: Project, named: str, *, as_json: bool) -> None:
    """Shows a plan.

    Raises:
        NotFound: there is none of that name, or more than one.
    """
    plan = _found(project, named)
    arguments = shown_arguments(project, plan)
    _hide_secrets(project, plan)
    if as_json:
        SCREEN.json(as_object(plan, arguments, project))
    else:
        _say(project, plan, arguments)


def to_sign(project: Project, named: str) -> None:
    """Prints the statement that approves a plan, for a signature made anywhere.

    Raises:
        NotFound: there is no plan of that name, or more than one.
        RequestRefused: it does not wait for approval.
    """
    from signoff.cli.signing import to_sign as statement_of

    SCREEN.drawing(statement_of(project, _found(project, named)).decode().rstrip("\n"))


def _found(project: Project, named: str) -> PlanState:
    plan = project.plan(find_plan(project, named))
    if plan is None:
        raise NotFound(f"There is no plan `{named}`.", code="unknown-plan")
    return plan


def shown_arguments(project: Project, plan: PlanState) -> dict[str, Json]:
    """The arguments of each step's preferred call, by step id, without secrets; none where they are gone."""
    frozen = _frozen(project, plan)
    if frozen is None:
        return {}
    assessment = assess(frozen, project.catalogue, project.policy)
    return {
        step.id: project.redactor.json(dict(step.calls[0].arguments), assessment.secret(step.id))
        for step in frozen.steps
    }


def _hide_secrets(project: Project, plan: PlanState) -> None:
    """Takes the plan's secret arguments out of what is told of it: a tool may repeat them in its answer."""
    frozen = _frozen(project, plan)
    values: list[str] = []
    if frozen is not None:
        assessment = assess(frozen, project.catalogue, project.policy)
        for step in frozen.steps:
            for call in step.calls:
                values += secret_values(dict(call.arguments), assessment.secret(step.id))
    clean = project.redactor.knowing(values).text
    plan.message = clean(plan.message)
    for told in plan.steps.values():
        told.message = clean(told.message)
        for attempt in told.attempts:
            attempt.message, attempt.summary = clean(attempt.message), clean(attempt.summary)


def _frozen(project: Project, plan: PlanState) -> FrozenPlan | None:
    if not project.places.blobs.is_dir():
        return None
    try:
        return thaw(BlobStore(project.places.blobs).get(plan.digest), digest=plan.digest)
    except LedgerError:
        return None


def as_object(plan: PlanState, arguments: dict[str, Json], project: Project) -> JsonObject:
    """The plan as JSON; with the forms of open questions."""
    approvals: list[Json] = [
        {
            "approver": given.approver,
            "method": given.method.value,
            "time": given.time,
            "expires": given.expires,
            "digest": given.digest,
        }
        for given in plan.approvals
    ]
    return {
        "id": plan.id,
        "title": plan.title,
        "status": plan.status.value,
        "path": plan.path,
        "digest": plan.digest,
        "risk": plan.risk,
        "needs": plan.needs,
        "proposed_by": plan.proposed_by,
        "frozen": plan.frozen,
        "started": plan.started,
        "finished": plan.finished,
        "expires": plan.expires,
        "until": plan.until,
        "reason": plan.reason,
        "message": plan.message,
        "progress": progress(plan),
        "steps": [
            _step(step, arguments.get(step.id)) | {"questions": _questions(project, plan, step)}
            for step in plan.steps.values()
        ],
        "approvals": approvals,
        "final": [
            {"step": final.step.id, "call": final.call, "arguments": final.arguments}
            for final in _finals(project, plan)
        ],
    }


def _finals(project: Project, plan: PlanState) -> list[Final]:
    """What waits for approval although it is outside its limits."""
    return finals_of(plan, BlobStore(project.places.blobs).get) if plan.status is Status.PENDING else []


def _step(step: StepState, arguments: Json) -> JsonObject:
    return {
        "id": step.id,
        "name": step.name,
        "action": step.action,
        "call": step.call,
        "arguments": arguments,
        "risk": step.risk,
        "status": step.status.value,
        "reason": step.reason,
        "message": step.message,
        "until": step.until,
        "attempts": [_attempt(attempt) for attempt in step.attempts],
    }


def _questions(project: Project, plan: PlanState, step: StepState) -> list[Json]:
    """What was asked in a step; of what is open, the whole form."""
    found: list[Json] = []
    for question in step.questions:
        asked = None if question.action else open_question(project, plan, question.number)
        found.append(asdict(question) | ({"form": asked_as_object(asked)} if asked else {}))
    return found


def _attempt(attempt: Attempt) -> JsonObject:
    found: JsonObject = asdict(attempt)
    found["outcome"] = attempt.outcome.value if attempt.outcome else None
    return found


# ---------------------------------------------------------------- for people


def _say(project: Project, plan: PlanState, arguments: dict[str, Json]) -> None:
    SCREEN.line(plan.title, "bold")
    facts: list[tuple[str, Cell]] = [
        ("Plan", plan.id),
        ("Status", coloured(plan.status.value)),
        ("Risk", coloured(plan.risk)),
        ("Done", progress(plan)),
        ("Note", plan.path),
        ("Digest", plan.digest),
        *((name, near(time)) for name, time in _times(plan) if time),
    ]
    waits = waiting_for(plan, project.settings.approvers.values())
    if waits:
        facts.append(("Waits for", ", ".join(waits)))
    SCREEN.facts(facts)
    if plan.reason or plan.message:
        SCREEN.line()
        SCREEN.line(f"{plan.message} ({plan.reason})" if plan.reason else plan.message)
        SCREEN.line(advice(plan.reason))
    _say_finals(_finals(project, plan))
    say_questions(project, plan)
    _say_steps(plan, arguments)
    _say_approvals(plan)


def _say_finals(finals: Sequence[Final]) -> None:
    for final in finals:
        SCREEN.line(f"{final.step.id} would call {final.call} with:")
        gone = "values that are gone"
        said = gone if final.arguments is None else json.dumps(final.arguments, indent=2, ensure_ascii=False)
        SCREEN.lines(said, indent="  ")


def _times(plan: PlanState) -> list[tuple[str, str | None]]:
    return [
        ("Shown", plan.frozen),
        ("Started", plan.started),
        ("Finished", plan.finished),
        ("Expires", plan.expires),
        ("Next", plan.until),
    ]


def _say_steps(plan: PlanState, arguments: dict[str, Json]) -> None:
    SCREEN.heading("Steps")
    for number, step in enumerate(plan.steps.values(), 1):
        SCREEN.line(f"{number}. {step.name}", "bold")
        SCREEN.facts(
            [("", f"{step.id}: {step.call}, risk {step.risk}"), ("", coloured(step.status.value))], indent=3
        )
        if step.id in arguments:
            SCREEN.lines(json.dumps(arguments[step.id], indent=2, ensure_ascii=False), indent="   ")
        if step.message:
            SCREEN.line(f"   {step.message} ({step.reason})")
        for attempt in step.attempts:
            SCREEN.line(f"   {_attempt_line(attempt)}")


def _attempt_line(attempt: Attempt) -> str:
    outcome = attempt.outcome.value if attempt.outcome else "no outcome yet"
    said = f"attempt {attempt.number}: {attempt.server}.{attempt.tool}, {near(attempt.started)}: {outcome}"
    cached = from_cache(attempt.ended or attempt.started, attempt.cached_at)
    said += f", {cached}" if cached else ""
    return f"{said}. {attempt.message or attempt.summary}".rstrip(". ")


def _say_approvals(plan: PlanState) -> None:
    if not plan.approvals:
        return
    SCREEN.heading("Approvals")
    rows = [
        (given.approver, given.method.value, near(given.time), near(given.expires), given.digest[:16] + "…")
        for given in plan.approvals
    ]
    SCREEN.table(("Approver", "How", "When", "Until", "Digest"), rows)
