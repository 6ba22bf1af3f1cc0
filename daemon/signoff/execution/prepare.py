"""What must hold before a call: the gate, the limits, the tool's schema; and the intent to record."""

from __future__ import annotations

import hashlib
import json

from signoff.approval import ApprovedPlan
from signoff.canonical import digest_of_data
from signoff.errors import GateRefused, OutsideLimits, ServerAway, SignoffError
from signoff.execution.suspension import Suspended
from signoff.execution.values import Values
from signoff.execution.world import Begin, CallTerms, World, now, stamp
from signoff.flow import Flow, is_undo, is_verify, origin_id, taken_back
from signoff.ledger.entry import Event
from signoff.model import Call, FrozenStep, JsonObject, OutcomeClass
from signoff.sequel import call_after_wait, in_doubt, next_call


def prepare(
    world: World, flow: Flow, values: Values, step: FrozenStep, approved: ApprovedPlan
) -> Begin | None:
    """A call that may leave once its intent is durable; None where the step's condition is false.

    Args:
        approved: what the gate let pass, asked since the loop last waited for anything.

    Raises:
        GateRefused: the gate refuses, or a limit does not hold; nothing of the plan may leave.
        ServerAway: no server of it is there; it waits for one.
        SignoffError: this step cannot be called; it has failed.
    """
    plan = flow.plan
    attempts = flow.attempts[step.id]
    if is_undo(step.id):
        _require_done_there(world, flow, step)
    terms = world.terms(plan, step)
    chosen = step.calls[index := _choice(world, flow, step, terms)]
    approved.require(origin_id(step.id), chosen)
    locked_out = world.locked_out(chosen.server)
    if locked_out and is_verify(step.id):
        raise SignoffError(locked_out, code="authentication")
    if locked_out:
        raise GateRefused(locked_out, code="authentication")
    if not values.wanted(step):
        return None
    key = _key(world, plan.id, step)
    call = _with_key(values.final(step, chosen), terms, index, key)
    _require_within_limits(world, flow, values.filled(step), call, terms)
    _require_fit(world, flow, chosen, call)
    number = max((made.number for made in attempts), default=0) + 1
    keyed = len(terms.key_argument) > index and terms.key_argument[index] is not None
    return Begin(
        step=step,
        call=call,
        attempt=number,
        intent=Event(
            "intent",
            plan=plan.id,
            step=step.id,
            attempt=number,
            server=call.server,
            tool=call.tool,
            digest=approved.frozen.digest,
            data={
                "arguments": world.summary(dict(call.arguments), terms.secret),
                "key": key,
                "sha256": digest_of_data(dict(call.arguments)),
                **({"keyed": True} if keyed else {}),
            },
        ),
        meta=_meta(world, step, number, key, approved),
        pin=plan.pins[chosen.name],
        terms=terms,
        repeatable=is_verify(step.id) or terms.repeatable[index],
    )


def next_server(world: World, flow: Flow, step: FrozenStep) -> str:
    """The server that a step calls next; raises as `prepare` does where there is none."""
    return step.calls[_choice(world, flow, step, world.terms(flow.plan, step))].server


def taken_up(world: World, flow: Flow, called: str) -> Begin:
    """A call that an earlier daemon left suspended, as that one made it."""
    step, attempt = flow.called(called), flow.attempts[called][-1]
    kept = world.state_of(flow.plan.id).steps[called].suspended or ""
    held = Suspended.of_json(world.result_of(kept))
    terms = world.terms(flow.plan, step)
    index = next(
        number for number, each in enumerate(step.calls) if each.name == f"{attempt.server}.{attempt.tool}"
    )
    return Begin(
        step=step,
        call=Call(attempt.server, attempt.tool, held.arguments),
        attempt=attempt.number,
        intent=Event("intent", plan=flow.plan.id, step=called, digest=flow.plan.digest),
        meta=held.meta,
        pin=flow.plan.pins[step.calls[index].name],
        terms=terms,
        repeatable=terms.repeatable[index],
        suspended=held,
    )


def _choice(world: World, flow: Flow, step: FrozenStep, terms: CallTerms) -> int:
    """The index of the call to make now.

    Raises:
        ServerAway: all retries are used up, nothing was ever sent, and no server is there.
        SignoffError: `not-sent`; the same, and no time is left, or something may have been sent before.
    """
    attempts = flow.attempts[step.id]
    index = next_call(step, attempts, terms.retries)
    if index is None and now() < world.tried_until(flow.plan.id):
        index = call_after_wait(step, attempts, lambda server: bool(world.away(server)))
        if index is None and not any(in_doubt(made) for made in attempts):
            raise ServerAway(absence(world, step))
    if index is None:
        raise SignoffError("No server could be reached for this step.", code="not-sent")
    return index


def absence(world: World, step: FrozenStep) -> str:
    """What is wrong with each server of a step; empty where one of them is there."""
    said = {call.server: world.away(call.server) for call in step.calls}
    return " ".join(said.values()) if all(said.values()) else ""


def _require_done_there(world: World, flow: Flow, undo: FrozenStep) -> None:
    """What one server did is not taken back at another that might have done it, and did not.

    Raises:
        SignoffError: `done-elsewhere`.
    """
    origin = taken_back(undo.id)
    attempts = reversed(flow.attempts[origin])
    done = next((made for made in attempts if made.outcome is OutcomeClass.DONE or made.resolved), None)
    there = undo.calls[0].server
    may_do_it = {call.server for call in flow.called(origin).calls}
    if done is None or done.server == there or there not in may_do_it:
        return
    name = world.state_of(flow.plan.id).steps[origin].name
    raise SignoffError(
        f"{name} was carried out by `{done.server}.{done.tool}`, and `{undo.calls[0].name}` takes back only "
        f"what `{there}` did. Nothing was called.",
        code="done-elsewhere",
    )


def _with_key(call: Call, terms: CallTerms, index: int, key: str) -> Call:
    """The call with the idempotency key where its tool takes one."""
    name = terms.key_argument[index] if index < len(terms.key_argument) else None
    return call if name is None else Call(call.server, call.tool, {**call.arguments, name: key})


def _require_within_limits(world: World, flow: Flow, step: FrozenStep, call: Call, terms: CallTerms) -> None:
    """Limits hold over the final arguments, or a person has approved exactly these since."""
    wrong = world.within_limits(flow.plan, step, call)
    if not wrong:
        return
    final = digest_of_data(dict(call.arguments))
    if world.state_of(flow.plan.id).exceptions.get(step.id) == final:
        return
    shown: JsonObject = {"call": call.name, "arguments": world.shown(dict(call.arguments), terms.secret)}
    raise OutsideLimits(
        f"Step {step.id}: {wrong} To allow exactly the values shown, approve again.",
        step=step.id,
        arguments=final,
        shown=json.dumps(shown).encode(),
    )


def _require_fit(world: World, flow: Flow, chosen: Call, final: Call) -> None:
    """Arguments that were filled in just now must fit the tool's schema, as the others did before."""
    if chosen.arguments == final.arguments:
        return
    wrong = world.misfit(flow.plan, final)
    if wrong:
        raise SignoffError(wrong, code="argument-invalid")


def _key(world: World, plan_id: str, step: FrozenStep) -> str:
    """The idempotency key: the same for every attempt under one approval."""
    state = world.state_of(plan_id)
    source = f"{plan_id}\n{state.digest}\n{state.presentation}\n{step.id}"
    return hashlib.sha256(source.encode()).hexdigest()[:32]


def _meta(world: World, step: FrozenStep, number: int, key: str, approved: ApprovedPlan) -> JsonObject:
    plan_id = approved.frozen.id
    return {
        "signoff/plan": plan_id,
        "signoff/step": step.id,
        "signoff/attempt": number,
        "signoff/digest": approved.frozen.digest,
        "signoff/risk": world.state_of(plan_id).risk,
        "signoff/approvers": [given.approver for given in approved.approvals],
        "signoff/time": stamp(now()),
        "signoff/idempotency-key": key,
    }
