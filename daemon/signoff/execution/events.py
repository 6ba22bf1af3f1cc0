"""What a run records of itself, its intents and outcomes aside: how it goes on, waits and ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from signoff.approval import ApprovedPlan
from signoff.errors import GateRefused, SignoffError
from signoff.execution.world import World, stamp
from signoff.flow import SERVER_AWAY, Flow, is_undo, is_verify, taken_back
from signoff.ledger.entry import Event
from signoff.model import FrozenStep, Json, JsonObject, Status, StepStatus

_REASONS = {StepStatus.DONE: "", StepStatus.SKIPPED: "condition-false"}
"""Of a step by its items, where none has failed: they are skipped only since their condition is false."""


def text_of(value: Json) -> str:
    """A value in one line of JSON."""
    return orjson.dumps(value).decode()


@dataclass(frozen=True, slots=True)
class Events:
    """The events of one run."""

    world: World
    flow: Flow

    def started(self, approved: ApprovedPlan) -> Event:
        """The run begins, or goes on."""
        state = self.world.state_of(approved.frozen.id)
        resumed = any(step.status is not StepStatus.PENDING for step in state.steps.values())
        return self._event("started", {"resumed": True} if resumed else {})

    def waits(self, until: datetime, unrecorded: Sequence[Event]) -> Event:
        """Nothing happens before a time.

        Args:
            until: when.
            unrecorded: what is recorded together with it, and may say why.
        """
        waits = self.flow.waits()
        step = min(waits, key=lambda name: waits[name])
        reason, message = self._said_of(step, unrecorded)
        data: JsonObject = {"reason": reason, "step": step, "until": stamp(until)}
        data["message"] = message
        if reason != SERVER_AWAY and not is_verify(step):
            last = self.flow.attempts[step][-1]
            data["reason"] = last.outcome.value.replace("_", "-") if last.outcome else "waiting"
        return self._event("waiting", data)

    def refused(self, refusal: GateRefused) -> Event:
        """Nothing more leaves; what follows from it, once the calls under way have ended."""
        message = f"{refusal.message} The calls under way are awaited first."
        return self._event("refused", {"reason": refusal.code, "message": self.world.summary(message, ())})

    def waits_for_server(self, step: str, unrecorded: Sequence[Event]) -> Event:
        """Nothing happens before a server is there."""
        reason, message = self._said_of(step, unrecorded)
        return self._event("waiting", {"reason": reason, "step": step, "message": message})

    def finished(self, status: Status, unrecorded: Sequence[Event]) -> Event:
        """The plan has ended so.

        Args:
            status: how.
            unrecorded: what is recorded together with it, and may say why.
        """
        data: JsonObject = {"status": status.value}
        culprit = self.flow.halted_by()
        if culprit is not None and status is not Status.DONE:
            data["step"] = culprit
            data["reason"], data["message"] = self._said_of(culprit, unrecorded)
        return self._event("finished", data)

    def _said_of(self, called: str, unrecorded: Sequence[Event]) -> tuple[Json, Json]:
        """The last reason and message of a call."""
        for event in reversed(unrecorded):
            if event.step == called and "reason" in event.data:
                return event.data["reason"], event.data.get("message", "")
        step = self.world.state_of(self.flow.plan.id).steps.get(called)
        return (step.reason, step.message) if step is not None else ("", "")

    def skipped(self, step: FrozenStep, reason: str, message: str) -> Event:
        """A step that is not called."""
        return self._step(step, StepStatus.SKIPPED, reason, message)

    def failed(self, step: FrozenStep, error: SignoffError) -> Event:
        """A step that could not be called."""
        return self._step(step, StepStatus.FAILED, error.code, str(error))

    def away(self, step: FrozenStep, words: str) -> Event:
        """A step that waits for a server."""
        return self._step(step, StepStatus.WAITING, SERVER_AWAY, words)

    def will_verify(self, call: FrozenStep, until: datetime) -> Event:
        """A call that is asked later what became of another one."""
        words = f"It is not known whether it happened; {call.action} is asked then."
        event = self._step(call, StepStatus.WAITING, "verifying", words)
        event.data["until"] = stamp(until)
        return event

    def added(self, called: FrozenStep, step: FrozenStep) -> Event:
        """An item, or an undo, is a call of its own from here on; said again it changes nothing."""
        state = self.world.state_of(self.flow.plan.id)
        name = state.steps[step.id].name
        of = self.flow.members.get(step.id, ())
        origin = taken_back(called.id)
        if origin in self.flow.items:
            name = f"{name} ({self.flow.place_of(origin) + 1} of {len(of)})"
        label = f"Take back: {name}" if is_undo(called.id) else name
        label = f"Verify: {name}" if is_verify(called.id) else label
        data: JsonObject = {
            "of": step.id,
            "name": label,
            "action": called.action,
            "call": called.calls[0].name,
        }
        if called.id in self.flow.items:
            secret = self.world.terms(self.flow.plan, step).secret
            data["item"] = self.world.summary(self.flow.items[called.id], secret)
        return self._event("added", data, called.id)

    def groups(self) -> list[Event]:
        """How steps with `for_each` ended, where it is not recorded yet."""
        recorded = self.world.state_of(self.flow.plan.id).steps
        ended = self.flow.ended_groups()
        return [
            self._step(
                self.flow.standing.step(name),
                self.flow.statuses[name],
                _REASONS.get(self.flow.statuses[name], "items-failed"),
                f"{done} of {len(self.flow.members[name])} items are done.",
            )
            for name, done in ended
            if recorded[name].status is not self.flow.statuses[name]
        ]

    def _step(self, step: FrozenStep, status: StepStatus, reason: str, message: str) -> Event:
        said = self.world.summary(message, ())
        return self._event("step", {"status": status.value, "reason": reason, "message": said}, step.id)

    def _event(self, kind: str, data: JsonObject, step: str | None = None) -> Event:
        return Event(kind, plan=self.flow.plan.id, step=step, digest=self.flow.plan.digest, data=data)
