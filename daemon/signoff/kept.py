"""What of a plan stays as it was when the plan is frozen anew: finished steps stay finished. Pure.

A step is known again by what it asks for (its action, arguments, calls and list), under its own id first,
else wherever it stands now: steps without an id are named by their place, and a step that is put in above
them must not let them be done twice. What only says when and how it runs (`needs`, `timeout`, `retries` and
so on) makes no other step of it.

* A step that has finished stays finished, unless it was taken back.
* So does each entry of a `for_each`; where only the list has changed, for the values that it still has. Where
  the list is worked out of steps that run again, nobody knows its values yet: its entries are done anew.
* A call whose outcome is unknown stays unknown. Where it has no place in the new content, that content is not
  shown for approval before somebody has said what happened.

Of a step that runs again although it was done, or may have been, the person is told so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from signoff.canonical import canonical
from signoff.errors import CallLost
from signoff.flow import is_follow_up, is_undo, is_verify, item_id, origin_id, taken_back
from signoff.model import (
    FrozenPlan,
    FrozenStep,
    Json,
    JsonObject,
    OutcomeClass,
    PlanState,
    StepState,
    StepStatus,
)
from signoff.plan.expressions import names_in_value

CHANGED, TAKEN_BACK, LIST_ANEW, PERHAPS = "changed-since", "taken-back", "list-anew", "perhaps-done"
_AGAIN = {
    CHANGED: "It was done before, and was changed since: it is called again.",
    TAKEN_BACK: "It was done before, and taken back: it is called again.",
    LIST_ANEW: "Its list is worked out anew, so entries that were done before are called again.",
    PERHAPS: "It was called before, the server failed, and it may have happened: it is called again.",
}


class Kept:
    """What is known of an earlier content of a plan, held against its new one."""

    def __init__(self, before: PlanState, former: FrozenPlan | None, frozen: FrozenPlan) -> None:
        """Compare.

        Args:
            before: what is known of the plan.
            former, frozen: its content then and now.
        """
        self._before, self._former, self._frozen = before, former, frozen
        self._origins = _origins(before, former, frozen)
        self._taken = frozenset(self._origins.values())
        self._entries: dict[str, list[StepState]] = {}
        self._undone: set[str] = set()
        for known in before.steps.values():
            if is_undo(known.id) and known.status is StepStatus.DONE:
                self._undone |= {taken_back(known.id), origin_id(known.id)}
            elif not is_follow_up(known.id) and (origin := origin_id(known.id)) != known.id:
                self._entries.setdefault(origin, []).append(known)
        self._staying = self._all_that_stay()

    def step(self, step: FrozenStep) -> JsonObject:
        """What is recorded of a step beside what it is: that it is done or unknown already, or done again."""
        known = self._known(step)
        if known is None:
            return {}
        if known.status is StepStatus.UNKNOWN or step.id in self._staying:
            return {"kept": _kept(known)}
        reason = self._again(step, known)
        return {"reason": reason, "message": _AGAIN[reason]} if reason else {}

    def entries(self, step: FrozenStep) -> Iterator[JsonObject]:
        """The entries of a step with `for_each` that are done or unknown already, as steps of their own."""
        origin = self._origins.get(step.id)
        if step.for_each is None:
            return
        if origin is None:
            yield from self._of_other_list(step)
            return
        anew = self._is_anew(step)
        for known in self._entries.get(origin, ()):
            stays = known.status is StepStatus.DONE and not anew and known.id not in self._undone
            if stays or (known.status is StepStatus.UNKNOWN and not anew):
                yield _entry(known, step.id + known.id.removeprefix(origin), known.name)

    def require_answered(self) -> None:
        """No call whose outcome is unknown is lost.

        Raises:
            CallLost: there is no place for it in the new content.
        """
        asked = {known.id for known in self._before.steps.values() if known.status is StepStatus.UNKNOWN}
        asked = {called for called in asked if not is_verify(called)}
        if not asked:
            return
        placed = {known.id for step in self._frozen.steps if (known := self._known(step)) is not None}
        for step in self._frozen.steps:
            own = self._origins.get(step.id)
            if own is not None and not self._is_anew(step):
                placed |= {known.id for known in self._entries.get(own, ())}
        lost = next((known for known in self._before.steps.values() if known.id in asked - placed), None)
        if lost is not None:
            say = f"signoff resolve {self._before.id} {lost.id}"
            raise CallLost(
                f"It is not known whether `{lost.call}` happened ({lost.name}), and that call is no part of "
                "what the note says now.",
                step=lost.id,
                hint=f"Look at the other end, then tick what is true. Or run `{say} happened` or "
                f"`{say} did-not-happen`.",
            )

    # ------------------------------------------------------------ which steps stay

    def _known(self, step: FrozenStep) -> StepState | None:
        """What is known of a step: as what it was, else as what had its id and is nowhere else now."""
        origin = self._origins.get(step.id)
        if origin is None and step.id not in self._taken:
            origin = step.id
        return None if origin is None else self._before.steps.get(origin)

    def _all_that_stay(self) -> set[str]:
        """The steps that are done, ask for what was done, and whose list nothing works out anew."""
        reads = {step.id: _read_by_list(step) for step in self._frozen.steps}
        staying = {step.id for step in self._frozen.steps if self._is_done(step)}
        while gone := {name for name in staying if not reads[name] <= staying}:
            staying -= gone
        return staying

    def _is_done(self, step: FrozenStep) -> bool:
        origin = self._origins.get(step.id)
        known = self._before.steps.get(origin) if origin is not None else None
        return known is not None and known.status is StepStatus.DONE and known.id not in self._undone

    def _is_anew(self, step: FrozenStep) -> bool:
        """Is the list of a step worked out of steps that run again?"""
        return not _read_by_list(step) <= self._staying

    def _again(self, step: FrozenStep, known: StepState) -> str:
        """Why a step that was called before is called again; empty where there is nothing to tell."""
        entries = self._entries.get(known.id, ())
        done = any(each.status is StepStatus.DONE for each in (known, *entries))
        if known.id in self._undone:
            return TAKEN_BACK
        if done and step.id not in self._origins and not self._has_other_list(step):
            return CHANGED
        if done and self._is_anew(step):
            return LIST_ANEW
        if any(made.outcome is OutcomeClass.SERVER_ERROR for made in known.attempts):
            return PERHAPS
        return known.reason if known.reason in _AGAIN and not known.attempts else ""

    # ------------------------------------------------------------ entries of a list

    def _has_other_list(self, step: FrozenStep) -> bool:
        """Has only the list of a step changed, and is nothing unknown or taken back of it?"""
        former = self._former.by_id.get(step.id) if self._former is not None else None
        if former is None or step.id in self._taken:
            return False
        if not isinstance(former.for_each, list) or not isinstance(step.for_each, list):
            return False
        if names_in_value([former.for_each, step.for_each]).steps or _without_list(former) != _without_list(
            step
        ):
            return False
        own = [known for known in self._before.steps.values() if origin_id(known.id) == step.id]
        return not any(known.status is StepStatus.UNKNOWN or is_follow_up(known.id) for known in own)

    def _of_other_list(self, step: FrozenStep) -> Iterator[JsonObject]:
        """The entries of a changed list that were done for the same value, each once, wherever they stand."""
        if not self._has_other_list(step) or self._former is None:
            return
        done: dict[bytes, list[StepState]] = {}
        for number, value in enumerate(cast("list[Json]", self._former.by_id[step.id].for_each)):
            known = self._before.steps.get(item_id(step.id, number))
            if known is not None and known.status is StepStatus.DONE:
                done.setdefault(canonical(value), []).append(known)
        values = cast("list[Json]", step.for_each)
        name = self._before.steps[step.id].name
        for number, value in enumerate(values):
            if same := done.get(canonical(value)):
                yield _entry(same.pop(0), item_id(step.id, number), f"{name} ({number + 1} of {len(values)})")


def _origins(before: PlanState, former: FrozenPlan | None, frozen: FrozenPlan) -> dict[str, str]:
    """By id of a step now, the id of the one that asked for the same then; each then was one step only."""
    free: dict[bytes, dict[str, None]] = {}
    for step in sorted(former.steps if former else (), key=lambda step: not _is_settled(before, step.id)):
        free.setdefault(_asked(step), {})[step.id] = None
    found: dict[str, str] = {}
    for step in frozen.steps:
        same = free.get(_asked(step), {})
        if step.id in same:
            del same[step.id]
            found[step.id] = step.id
    for step in frozen.steps:
        same = free.get(_asked(step), {})
        if step.id not in found and same:
            found[step.id] = next(iter(same))
            del same[found[step.id]]
    return found


def _read_by_list(step: FrozenStep) -> frozenset[str]:
    """The steps whose results the list of a step is worked out of."""
    return frozenset(names_in_value(step.for_each).steps) if step.for_each is not None else frozenset()


def _is_settled(before: PlanState, step: str) -> bool:
    known = before.steps.get(step)
    return known is not None and known.status in {StepStatus.DONE, StepStatus.UNKNOWN}


def _asked(step: FrozenStep) -> bytes:
    """What a step asks for, whenever and however it runs."""
    return canonical([*_without_list(step), step.for_each])


def _without_list(step: FrozenStep) -> list[Json]:
    calls: list[Json] = [[call.server, call.tool, dict(call.arguments)] for call in step.calls]
    return [step.action, dict(step.arguments), calls]


def _entry(known: StepState, called: str, name: str) -> JsonObject:
    return {
        "id": called,
        "name": name,
        "action": known.action,
        "call": known.call,
        "risk": known.risk,
        "kept": _kept(known),
    }


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
