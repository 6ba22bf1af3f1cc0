"""To find out by itself what became of a call whose outcome is not known. Nothing here makes a call.

The action names a call that only reads, and says in CEL when its answer means that it happened. Only a clear
answer counts. A "no" counts only where the catalogue says after which time it is final: until then the call
may still be on its way, and calling again would do it twice. In every other case the person is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from signoff.execution.values import Values
from signoff.execution.world import Begin, World
from signoff.flow import Flow, taken_back
from signoff.ledger.entry import Event
from signoff.limits import truth
from signoff.model import FrozenStep, JsonObject, StepStatus

MOST = 3
"""Answers to one step; a call whose outcome is unknown after so many is no case for another one."""


@dataclass(frozen=True, slots=True)
class Verifying:
    """What verifying calls say in one run."""

    world: World
    flow: Flow
    values: Values

    def begin(self) -> Iterator[tuple[FrozenStep, FrozenStep]]:
        """The calls that are to answer what became of others, each with the step that it answers for."""
        for called in sorted(self.flow.unknown):
            answered = sum(bool(made.resolved) for made in self.flow.attempts.get(called, ()))
            if called in self.flow.members or answered >= MOST:
                continue
            step = self.flow.called(called)
            call = self.flow.verify(step)
            if call is not None:
                yield call, step

    def answer(self, begin: Begin, status: StepStatus, outcome: Event) -> list[Event]:
        """What follows from a verifying call that has ended: the answer, or that there is none."""
        step = self.flow.called(taken_back(begin.step.id))
        happened = self._judged(begin.step, step) if status is StepStatus.DONE else None
        if outcome.data.get("cached_at") is not None:
            happened = None  # it was given before the call in question
        if step.verify is None or (happened is False and step.verify.after is None):
            happened = None
        if self._was_called_since(step, begin.step):
            happened = None
        if happened is None:
            return [self._no_answer(begin, status, outcome)]
        words = "it happened" if happened else "it did not happen"
        data: JsonObject = {
            "answer": "happened" if happened else "did-not-happen",
            "via": "verify",
            "message": f"Verified by {begin.call.name}: {words}.",
            "result": outcome.data.get("result"),
        }
        plan, call = self.flow.plan, begin.call
        return [Event("resolved", plan.id, step.id, None, call.server, call.tool, None, plan.digest, data)]

    def _was_called_since(self, step: FrozenStep, call: FrozenStep) -> bool:
        """Was a step called again after this was asked, for a person had answered? In doubt it was."""
        called, asked = self.flow.attempts.get(step.id), self.flow.attempts.get(call.id)
        return not called or not asked or called[-1].started >= asked[-1].started

    def _judged(self, call: FrozenStep, step: FrozenStep) -> bool | None:
        if step.verify is None:
            return None
        seen: JsonObject = {"result": self.values.result(call.id), "with": self.values.own_arguments(step)}
        return truth(step.verify.happened, seen)

    def _no_answer(self, begin: Begin, status: StepStatus, outcome: Event) -> Event:
        said = f"{begin.call.name} was asked whether it happened, and its answer does not say it for sure."
        if status is not StepStatus.DONE:
            said = f"It could not be asked whether it happened: {outcome.data.get('message', '')}"
        data: JsonObject = {"status": StepStatus.SKIPPED.value, "reason": "not-verified", "message": said}
        plan = self.flow.plan
        return Event("step", plan=plan.id, step=begin.step.id, digest=plan.digest, data=data)
