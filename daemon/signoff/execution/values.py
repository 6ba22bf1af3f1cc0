"""What the expressions of a step see: the outcomes and results of others, the item, the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from signoff.errors import SignoffError
from signoff.execution.world import World
from signoff.flow import MOST_ITEMS, MOST_LATE_ITEMS, Flow, taken_back
from signoff.model import Call, FrozenStep, Json, JsonObject, StepStatus
from signoff.model.values import is_late
from signoff.plan import conditions, expressions


@dataclass(slots=True)
class Values:
    """The values of one run, as far as they are known.

    Attributes:
        unrecorded: by hash, results that came just now and are not kept yet.
    """

    world: World
    flow: Flow
    unrecorded: Mapping[str, JsonObject]
    _results: dict[str, JsonObject] = field(default_factory=dict)

    def wanted(self, step: FrozenStep) -> bool:
        """Does the step's condition hold?

        Raises:
            SignoffError: it could not be worked out.
        """
        if step.condition is None:
            return True
        return conditions.holds(step.condition, self.context(step))

    def items(self, step: FrozenStep) -> list[Json]:
        """The list of a `for_each`, within the number of items that the preview showed.

        Raises:
            SignoffError: it is no list, or too long; nothing was called for any item.
        """
        late = bool(expressions.late_paths(step.for_each))
        values = expressions.evaluate(step.for_each, self.context(step))
        most = MOST_LATE_ITEMS if late else MOST_ITEMS
        if not isinstance(values, list):
            raise SignoffError("`for_each` did not come to a list.", code="expression-failed")
        if len(values) > most:
            raise SignoffError(
                f"`for_each` came to {len(values)} items; up to {most} were approved.", code="too-many-items"
            )
        return values

    def final(self, step: FrozenStep, call: Call) -> Call:
        """The call with its late arguments filled in, once, as data."""
        if not is_late(call.arguments):
            return call
        filled = expressions.evaluate(dict(call.arguments), self.context(step))
        return Call(call.server, call.tool, cast("JsonObject", filled))

    def context(self, of: FrozenStep) -> dict[str, Json]:
        """What the expressions of a step, an item or an undo may read."""
        steps: dict[str, Json] = {}
        names = _read_by(of)
        for name in sorted(names.steps):
            status = self.flow.statuses[name]
            steps[name] = {
                "ok": status is StepStatus.DONE,
                "failed": status is StepStatus.FAILED,
                "skipped": self.flow.standing.left_out(name),
                "result": self.result(name) if self._has_result(name) else None,
            }
        context: dict[str, Json] = {"steps": steps, "plan": {"id": self.flow.plan.id}}
        origin = taken_back(of.id)
        if origin in self.flow.items:
            context["item"] = self.flow.items[origin]
        if names.own and origin != of.id:
            context["with"] = self.own_arguments(self.flow.called(origin))
            context["result"] = self.result(origin)
        return context

    def _has_result(self, step: str) -> bool:
        """Is it done, or was it begun for several items? Those that are not done are null in its list."""
        return self.flow.statuses[step] is StepStatus.DONE or step in self.flow.members

    def filled(self, step: FrozenStep) -> FrozenStep:
        """The step with its arguments in the plan's own names, filled in."""
        if not is_late(step.arguments):
            return step
        filled = expressions.evaluate(dict(step.arguments), self.context(step))
        return replace(step, arguments=cast("JsonObject", filled))

    def own_arguments(self, step: FrozenStep) -> JsonObject:
        """These arguments alone."""
        return dict(self.filled(step).arguments)

    def result(self, step: str) -> Json:
        """A result as expressions see it: its structured content, with the plain text as `text`.

        Of a step with `for_each`, the list of its items' results in the order of the items, null for one
        that is not done.
        """
        if step in self.flow.members:
            names = [member.id for member in self.flow.members[step]]
            return [
                self.result(name) if self.flow.statuses[name] is StepStatus.DONE else None for name in names
            ]
        kept = self._results.get(step)
        if kept is None:
            done = next((made for made in reversed(self.flow.attempts[step]) if made.result), None)
            if done is None or done.result is None:
                return None
            kept = self.unrecorded.get(done.result) or self.world.result_of(done.result)
            self._results[step] = kept
        structured = kept.get("structured")
        if isinstance(structured, dict):
            return {"text": kept.get("text"), **structured}
        return {"text": kept.get("text")}


def _read_by(step: FrozenStep) -> expressions.Names:
    """What the expressions of a step, an item or an undo read."""
    written: list[Json] = [
        step.for_each,
        dict(step.arguments),
        *(dict(call.arguments) for call in step.calls),
    ]
    names = expressions.names_in_value(written)
    if step.condition is not None:
        names |= conditions.names_in_condition(step.condition)
    return names
