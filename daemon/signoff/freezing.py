"""What is recorded when a plan is frozen, and what is asked of it before. Pure.

The approval is bound to what this module puts under the digest's name: nothing of it is read back from
the note later.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import cast

from signoff.canonical import canonical
from signoff.decide import Decision
from signoff.errors import NoteError
from signoff.flow import is_follow_up, is_undo, item_id, origin_id, taken_back, undo_id, undo_of
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
    StepState,
    StepStatus,
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

    A step that has finished stays finished where it still asks for the same, and an item of a list that has
    changed where the list still has its value; one whose outcome is
    unknown stays unknown whatever it asks for now, since nobody has said yet what happened.
    """
    risks = {entry.step: entry.risk.value for entry in assessment.steps}
    names = {step.id: step.name for step in plan.steps}
    needs = assessment.requirement
    old = {step.id: step for step in former.steps} if former else {}
    steps: list[Json] = []
    for step in frozen.steps:
        item: JsonObject = {
            "id": step.id,
            "name": names.get(step.id, step.id),
            "action": step.action,
            "call": step.calls[0].name,
            "risk": risks.get(step.id, "medium"),
        }
        same = _asks_the_same(old.get(step.id), step)
        known = before.steps.get(step.id) if before else None
        if before is not None and known is not None:
            whole = same and _is_whole(before, step.id)
            if _is_kept(known, same=whole):
                item["kept"] = _kept(known)
        steps.append(item)
        former_step = old.get(step.id)
        if before is not None and former_step is not None and _is_other_list(before, former_step, step):
            steps.extend(_kept_values(before, former_step, step))
        else:
            steps.extend(_kept_items(before, step.id, same=same))
    changed = before is not None and before.digest != frozen.digest
    data: JsonObject = {
        "path": path,
        "title": plan.title,
        "steps": steps,
        "risk": assessment.risk.value,
        "needs": {
            "method": needs.method.value,
            "approvers": needs.approvers,
            "allow_proposer": needs.allow_proposer,
            "ttl": needs.ttl,
            "presented": needs.presented,
        },
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


def _asks_the_same(former: FrozenStep | None, step: FrozenStep) -> bool:
    """Is what a step calls as it was? Its bounds and patience may have changed: that undoes nothing."""
    return former is not None and step == replace(
        former,
        limits=step.limits,
        timeout=step.timeout,
        retries=step.retries,
        continue_on_error=step.continue_on_error,
    )


def _is_undone(before: PlanState, called: str) -> bool:
    """Was this step or item done and then undone?"""
    undo = before.steps.get(undo_id(called))
    return undo is not None and undo.status is StepStatus.DONE


def _is_whole(before: PlanState, step: str) -> bool:
    """Is a step as it was done? Where it, or one of its items, was undone, it is to be done again."""
    undos = (each.id for each in before.steps.values() if is_undo(each.id) and origin_id(each.id) == step)
    return not any(_is_undone(before, taken_back(undo)) for undo in undos)


def _kept_items(before: PlanState | None, step: str, *, same: bool) -> list[Json]:
    """The items of a step with `for_each` that are done, or unknown, already; and undos of it."""
    kept: list[Json] = []
    if before is None:
        return kept
    for known in before.steps.values():
        belongs = known.id != step and origin_id(known.id) == step
        undone = is_follow_up(known.id) or _is_undone(before, known.id)
        if belongs and _is_kept(known, same=same and not undone):
            named: JsonObject = {
                "id": known.id,
                "name": known.name,
                "action": known.action,
                "call": known.call,
                "risk": known.risk,
                "kept": _kept(known),
            }
            kept.append(named)
    return kept


def _is_other_list(before: PlanState, former: FrozenStep, step: FrozenStep) -> bool:
    """Has only the list of a step with `for_each` changed, and is nothing unknown or taken back of it?"""
    lists = isinstance(former.for_each, list) and isinstance(step.for_each, list)
    if not lists or former.for_each == step.for_each or replace(former, for_each=step.for_each) != step:
        return False
    own = [known for known in before.steps.values() if origin_id(known.id) == step.id]
    return not any(known.status is StepStatus.UNKNOWN or is_follow_up(known.id) for known in own)


def _kept_values(before: PlanState, former: FrozenStep, step: FrozenStep) -> list[Json]:
    """The items of a changed list that were done for the same value, each once, wherever they stand now."""
    done: dict[bytes, list[StepState]] = {}
    for number, value in enumerate(cast("list[Json]", former.for_each)):
        known = before.steps.get(item_id(step.id, number))
        if known is not None and known.status is StepStatus.DONE:
            done.setdefault(canonical(value), []).append(known)
    kept: list[Json] = []
    values = cast("list[Json]", step.for_each)
    name = before.steps[step.id].name
    for number, value in enumerate(values):
        if same := done.get(canonical(value)):
            known = same.pop(0)
            kept.append(
                {
                    "id": item_id(step.id, number),
                    "name": f"{name} ({number + 1} of {len(values)})",
                    "action": known.action,
                    "call": known.call,
                    "risk": known.risk,
                    "kept": _kept(known),
                }
            )
    return kept


def _is_kept(step: StepState, *, same: bool) -> bool:
    return step.status is StepStatus.UNKNOWN or (step.status is StepStatus.DONE and same)


def _kept(step: StepState) -> JsonObject:
    last = step.attempts[-1] if step.attempts else None
    kept: JsonObject = {"status": step.status.value}
    if last is not None:
        kept |= {
            "attempt": last.number,
            "server": last.server,
            "tool": last.tool,
            "started": last.started,
            "ended": last.ended,
            "result": last.result,
            "summary": last.summary,
        }
    return kept
