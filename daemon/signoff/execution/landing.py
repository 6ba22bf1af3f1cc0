"""The call itself, and how it landed: what is recorded of it, and where its step stands after."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from loguru import logger

from signoff.errors import CallError, GateRefused, OutcomeUnknown, SignoffError
from signoff.execution.asking import Asking, Place
from signoff.execution.outbox import Outbox
from signoff.execution.prepare import absence
from signoff.execution.world import Begin, Ended, World, now, stamp
from signoff.flow import SERVER_AWAY, Flow, is_verify
from signoff.ledger.changes import INPUT_REQUIRED
from signoff.ledger.entry import Event
from signoff.model import Attempt, CallResult, Json, JsonObject, OutcomeClass, StepStatus
from signoff.redact import secret_values
from signoff.sequel import Sequel, class_of, sequel

EARLIER = "An earlier attempt was sent, and it is not known whether that one happened."
ANSWER_MISSING = "answer-missing"
LONGEST_VERIFY = 30.0
"""Seconds; a call that is to answer a question is not tried again after longer: a person is asked."""
STOPPED = "The daemon was stopped during the call."


async def make(
    world: World, begin: Begin, plan_id: str, place: Place, *, stop: asyncio.Event, still: Callable[[], bool]
) -> Ended:
    """Make the call, and give its place back; never raises for what a server or a cancellation does.

    Args:
        place: the one that it has.
        stop: what the server asks meanwhile is put to a person until this is set.
        still: asked right before the call is written: may it still leave?
    """
    asking = Asking(world, begin, plan_id, stop, place)
    if begin.suspended is not None:
        asking.take_up(begin.suspended)
    clock = asyncio.get_running_loop().time
    start = clock()
    result: CallResult | None = None
    error: SignoffError | None = None
    try:
        result = await world.call(
            begin.call,
            timeout=begin.terms.timeout,
            meta=begin.meta,
            pin=begin.pin,
            person=asking.person,
            still=still,
            resuming=asking.resuming,
            suspended=begin.suspended.needed if begin.suspended else None,
        )
    except SignoffError as failed:
        error = failed
    except asyncio.CancelledError:
        error = stopped()
    except Exception as defect:  # noqa: BLE001  whatever went wrong in here, the call may have gone out
        error = SignoffError(f"Making the call failed: {defect!r}.", code="outcome-unknown")
    finally:
        asking.close()
    replies = tuple(reply.action for reply in asking.replies)
    refusal = asking.refusal if result is None else None
    suspended = result is None and asking.suspended
    return Ended(begin, result, error, (clock() - start) * 1000, replies, refusal, suspended)


def unanswered(ended: Ended) -> GateRefused | None:
    """Why the steps after a call wait for a person: it ended well, but without the answer it asked for.

    What it did is done. But the plan was approved by somebody who took it that the call gets what it asks.
    """
    missing = next((action for action in ended.replies if action != "accept"), None)
    if ended.result is None or missing is None or ended.begin.step.continue_on_error:
        return None
    how = "was declined" if missing == "decline" else "was not answered"
    return GateRefused(
        f"Step {ended.begin.step.id} has ended, but what its server asked {how}. See what it answered before "
        "the steps after it run.",
        code=ANSWER_MISSING,
    )


def is_given_up(ended: Ended) -> bool:
    """Was the call suspended, and not resumed? It has done nothing."""
    return ended.error is not None and ended.error.code == INPUT_REQUIRED


def is_unanswered(refusal: GateRefused | None) -> bool:
    """Is this what `unanswered` gave?"""
    return refusal is not None and refusal.code == ANSWER_MISSING


def stopped() -> SignoffError:
    """A call that the end of the daemon broke off."""
    return SignoffError(STOPPED, code="outcome-unknown")


@dataclass(frozen=True, slots=True)
class Landed:
    """How a call ended.

    Attributes:
        event: its outcome, to record.
        status: where its step stands now.
        refusal: what ends the run, or None.
    """

    event: Event
    status: StepStatus
    refusal: GateRefused | None = None


def land(world: World, flow: Flow, outbox: Outbox, ended: Ended) -> Landed:
    """Class a call that ended, keep its result, and bring its attempt up to date.

    Whatever is wrong with what its server said: the call was made, and that is recorded.
    """
    try:
        return _landed(world, flow, outbox, ended)
    except Exception as defect:  # noqa: BLE001  or its step would stand there as running for good
        logger.opt(exception=defect).error("The answer of {} could not be kept.", ended.begin.call.name)
        return _landed(world, flow, outbox, replace(ended, result=None, error=not_kept(ended.begin)))


def not_kept(begin: Begin) -> OutcomeUnknown:
    """It was answered, but by a defect of ours its answer is lost."""
    call = begin.call
    return OutcomeUnknown(
        f"{call.name} was called and answered, but its answer could not be kept; it most likely acted.",
        server=call.server,
        tool=call.tool,
        code="answer-unreadable",
    )


def _landed(world: World, flow: Flow, outbox: Outbox, ended: Ended) -> Landed:
    begin = ended.begin
    attempt = flow.attempts[begin.step.id][-1]
    attempt.outcome, reason, message, retry_after = _classified(ended)
    follow = _follow(world, begin, flow.attempts[begin.step.id], attempt.outcome, retry_after)
    if follow.outcome is not attempt.outcome:
        attempt.outcome, message = follow.outcome, f"{message} {EARLIER}"
    data: JsonObject = {"class": attempt.outcome.value, "ms": _tenths(ended.milliseconds)}
    if ended.result is not None:
        attempt.result = outbox.keep(ended.result.to_json())
        data["result"] = attempt.result
        data["summary"] = _said_by(world, begin, ended.result.text)
        if ended.result.cached_at is not None:
            data["cached_at"] = ended.result.cached_at
    else:
        data["reason"], data["message"] = reason, _said_by(world, begin, message)
    if isinstance(ended.error, CallError) and ended.error.detail:
        data["summary"] = _said_by(world, begin, ended.error.detail)
    status = _status_after(attempt.outcome)
    if is_verify(begin.step.id):  # a person is not kept waiting for it
        if follow.again and not follow.used_up and follow.delay <= LONGEST_VERIFY:
            data |= _wait(flow, begin, follow.delay)
        status = status if status is StepStatus.DONE else StepStatus.SKIPPED
    elif follow.used_up:
        data |= _wait_for_server(world, flow, begin, follow, message)
    elif follow.again:
        data |= _wait(flow, begin, follow.delay)
    if "again" in data:
        status = StepStatus.WAITING
    refusal = GateRefused(message, code=reason) if reason == "definition-changed" else None
    world.said(flow.plan.id, begin.step.id, "RESPONSE", _response(attempt.outcome, data))
    return Landed(_outcome(flow, begin, data), status, refusal)


def _follow(
    world: World, begin: Begin, attempts: list[Attempt], outcome: OutcomeClass, retry_after: float | None
) -> Sequel:
    return sequel(
        begin.step,
        attempts,
        outcome,
        repeatable=begin.repeatable,
        retries=begin.terms.retries,
        retry_delay=world.retry_delay,
        retry_after=retry_after,
        jitter=random.random(),  # noqa: S311  spreads retries, guards nothing
    )


def _wait(flow: Flow, begin: Begin, delay: float) -> JsonObject:
    """It is tried again in so many seconds."""
    flow.until[begin.step.id] = until = now() + timedelta(seconds=delay)
    return {"again": True, "until": stamp(until)}


def _wait_for_server(world: World, flow: Flow, begin: Begin, follow: Sequel, message: str) -> JsonObject:
    """Nothing was ever sent: it is tried again once a server is there, for as long as that is allowed.

    A server that is there and takes no call all the same is tried again after a while.
    """
    if now() >= world.tried_until(flow.plan.id):
        return {}
    missing = absence(world, begin.step)
    data: JsonObject = {"reason": SERVER_AWAY, "message": _said_by(world, begin, missing or message)}
    if missing:
        flow.away.add(begin.step.id)
        return {**data, "again": True}
    return {**data, **_wait(flow, begin, follow.delay)}


def _outcome(flow: Flow, begin: Begin, data: JsonObject) -> Event:
    return Event(
        "outcome",
        plan=flow.plan.id,
        step=begin.step.id,
        attempt=begin.attempt,
        server=begin.call.server,
        tool=begin.call.tool,
        digest=flow.plan.digest,
        data=data,
    )


def _said_by(world: World, begin: Begin, text: str) -> Json:
    """What a server said, without the secret arguments it was given and may have repeated."""
    hidden = secret_values(dict(begin.call.arguments), begin.terms.secret)
    return world.summary(text, (), hidden)


def _classified(ended: Ended) -> tuple[OutcomeClass, str, str, float | None]:
    """Class, reason code, message and the server's wait in seconds."""
    error = ended.error
    if error is None:
        return OutcomeClass.DONE, "", "", None
    if isinstance(error, CallError):
        return class_of(error), error.code, str(error), getattr(error, "retry_after", None)
    if error.code == "definition-changed":
        return OutcomeClass.TRANSIENT, error.code, str(error), None
    return OutcomeClass.UNKNOWN, error.code, str(error), None


def _status_after(outcome: OutcomeClass) -> StepStatus:
    if outcome is OutcomeClass.DONE:
        return StepStatus.DONE
    return StepStatus.UNKNOWN if outcome is OutcomeClass.UNKNOWN else StepStatus.FAILED


def _tenths(milliseconds: float) -> float:
    """Rounded; a whole number as one, which JSON writes in the same way and at less cost."""
    rounded = round(milliseconds, 1)
    return int(rounded) if rounded.is_integer() else rounded


def _response(outcome: OutcomeClass, data: Mapping[str, Json]) -> str:
    words = data.get("summary") or data.get("message") or ""
    return f"{outcome.value} {words}".strip()
