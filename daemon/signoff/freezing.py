"""What is recorded when a plan is frozen, and what is asked of it before. Pure.

The approval is bound to what this module puts under the digest's name: nothing of it is read back from
the note later.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from signoff.decide import Decision
from signoff.errors import NoteError
from signoff.flow import undo_of
from signoff.kept import Kept
from signoff.ledger.entry import Event
from signoff.model import (
    Assessment,
    Call,
    FrozenPlan,
    FrozenStep,
    Json,
    JsonObject,
    Plan,
    PlanState,
    Status,
)
from signoff.note.splice import CannotSplice, set_keys


def require_writable(data: bytes, plan_id: str) -> None:
    """The daemon must be able to write its keys into the note, or a gesture in it could never be undone.

    Raises:
        NoteError: `cannot-splice`.
    """
    try:
        set_keys(data, {"id": plan_id, "status": Status.PENDING.value, "approved": False})
    except CannotSplice as error:
        raise NoteError(error.message, code=error.code, hint=error.hint, line=1) from error


def require_not_denied(frozen: FrozenPlan, assessment: Assessment, plan: Plan) -> None:
    """The policy must not forbid any step.

    Raises:
        NoteError: `denied-by-policy`, with the line of the step.
    """
    lines = {step.id: step.line for step in plan.steps}
    calls = {step.id: step.calls[0].name for step in frozen.steps}
    for entry in assessment.steps:
        if entry.denied:
            raise NoteError(
                f"The policy forbids `{calls[entry.step]}` (step {entry.step}): {entry.rule}.",
                code="denied-by-policy",
                line=lines.get(entry.step),
            )


def require_within_limits(
    frozen: FrozenPlan, plan: Plan, broken: Callable[[FrozenPlan, FrozenStep, Call], str]
) -> None:
    """The limits on arguments as far as they are known now; the late ones are asked right before the call.

    Args:
        frozen: what would be approved.
        plan: for the lines of its steps.
        broken: what is known to be wrong with a call of a step, in plain words; empty where nothing is.

    Raises:
        NoteError: `limits-violated`.
    """
    lines = {step.id: step.line for step in plan.steps}
    for step in frozen.steps:
        for made in (step, *(undo_of(step) if frozen.on_failure == "undo" else ())):
            for call in made.calls:
                if wrong := broken(frozen, made, call):
                    raise NoteError(
                        f"Step {made.id}: {wrong}",
                        code="limits-violated",
                        hint="Change the value. Limits stand in config/policy.yaml and in the step itself.",
                        line=lines[step.id],
                    )


def require_harmless_verify(frozen: FrozenPlan, plan: Plan, trusted: Collection[str]) -> None:
    """A call that answers what became of another one is made by itself, so it must only read.

    Args:
        frozen: what would be approved.
        plan: for the lines of its steps.
        trusted: servers whose word counts.

    Raises:
        NoteError: `verify-not-read-only`.
    """
    lines = {step.id: step.line for step in plan.steps}
    for step in frozen.steps:
        if step.verify is None or step.verify.read_only:
            continue
        call = step.verify.call
        if call.server not in trusted or not _declares_reading(frozen.pins[call.name]):
            raise NoteError(
                f"`{call.name}`, by which `{step.action}` would be verified, is not known to only read.",
                code="verify-not-read-only",
                line=lines.get(step.id),
                hint="If it does, write `read_only: true` into that `verify` in actions.yaml; or name its "
                "server in `trusted_servers` of policy.yaml, where it declares itself read-only.",
            )


def _declares_reading(pin: JsonObject) -> bool:
    definition = pin["definition"]
    declared = definition.get("annotations") if isinstance(definition, dict) else None
    if not isinstance(declared, dict):
        return False
    return declared.get("readOnlyHint") is True and declared.get("destructiveHint") is not True


def frozen_event(
    path: str,
    plan: Plan,
    frozen: FrozenPlan,
    *,
    assessment: Assessment,
    expires: str | None,
    before: PlanState | None,
    former: FrozenPlan | None,
    decision: Decision,
    note: str,
) -> Event:
    """What is recorded of a freeze.

    Args:
        path: where the note lies.
        plan: as read, for names and titles.
        frozen: the content that is shown for approval.
        assessment: what the policy says of it.
        expires: the author's expiry, in ISO 8601 with a zone.
        before: what is known of the plan, where it was frozen before.
        former: its content then.
        decision: why it is frozen, where something was refused.
        note: SHA-256 of the note's bytes; they are no gesture on what is shown from now on.

    What was done before stays done, as `signoff.kept` has it.
    """
    risks = {entry.step: entry.risk.value for entry in assessment.steps}
    names = {step.id: step.name for step in plan.steps}
    needs = assessment.requirement
    kept = None if before is None else Kept(before, former, frozen)
    steps: list[Json] = []
    for step in frozen.steps:
        item: JsonObject = {
            "id": step.id,
            "name": names.get(step.id, step.id),
            "action": step.action,
            "call": step.calls[0].name,
            "risk": risks.get(step.id, "medium"),
        }
        steps.append(item if kept is None else item | kept.step(step))
        steps.extend(() if kept is None else kept.entries(step))
    changed = before is not None and before.digest != frozen.digest
    data: JsonObject = {
        "path": path,
        "title": plan.title,
        "steps": steps,
        "risk": assessment.risk.value,
        "needs": needs.to_json(),
        "proposed_by": plan.proposed_by,
        "priority": plan.priority,
        "expires": expires,
        "replaces": before.digest if changed and before else None,
        "spent": [*sorted({note, *_spent(before)})],
    }
    reason, message = _why(decision, before)
    if reason:
        data["reason"], data["message"] = reason, message
    return Event("frozen", plan=frozen.id, digest=frozen.digest, data=data)


def _why(decision: Decision, before: PlanState | None) -> tuple[str, str]:
    """Why it is shown anew; an approval that was lost before, and of which nobody was told yet, included."""
    if decision.code or before is None or before.status is not Status.PENDING or before.presented:
        return decision.code, decision.message
    return before.reason, before.message


def _spent(before: PlanState | None) -> frozenset[str]:
    """The notes that gave approvals of what is frozen anew now."""
    if before is None:
        return frozenset()
    by_text = before.note_at_approval is not None and before.gesture_at_approval in {"status", "tick"}
    return before.spent | ({before.note_at_approval} if by_text and before.note_at_approval else frozenset())
