"""What a plan begins with when it is frozen: what the entry says, and what is left of it from before."""

from __future__ import annotations

from typing import NamedTuple

from signoff.ledger.data import count_of, object_of, optional_of, text_of, time_of, word_of
from signoff.ledger.entry import Entry
from signoff.model import Attempt, JsonObject, OutcomeClass, PlanState, Status, StepState, StepStatus

NOTE_DELETED = "note-deleted"
"""The reason code of a plan that was withdrawn since its note was deleted while it waited for approval."""


class Ended(NamedTuple):
    """What is kept in memory of a plan that has ended for good; `deleted`: as `NOTE_DELETED` says."""

    status: Status
    digest: str
    path: str
    presentation: int
    run: int = 0
    started: str | None = None
    deleted: bool = False

    @classmethod
    def of(cls, plan: PlanState) -> Ended:
        """The short form of a plan."""
        deleted = plan.status is Status.CANCELLED and plan.reason == NOTE_DELETED
        return cls(plan.status, plan.digest, plan.path, plan.presentation, plan.run, plan.started, deleted)


def frozen_state(entry: Entry, before: Ended | None) -> PlanState:
    """A plan as it was frozen; its presentations and runs are counted on from before."""
    data = entry.data
    listed = data.get("steps")
    steps = [_frozen_step(object_of(item)) for item in (listed if isinstance(listed, list) else [])]
    begun = any(step.attempts for step in steps)
    spent = data.get("spent")
    return PlanState(
        id=entry.plan or "",
        title=text_of(data, "title"),
        path=text_of(data, "path"),
        digest=entry.digest or "",
        status=Status.PENDING,
        risk=text_of(data, "risk", "medium"),
        needs=object_of(data.get("needs")),
        frozen=entry.time,
        presentation=before.presentation + 1 if before else 1,
        proposed_by=optional_of(data, "proposed_by"),
        priority=text_of(data, "priority", "normal"),
        expires=time_of(data, "expires"),
        steps={step.id: step for step in steps},
        replaces=optional_of(data, "replaces"),
        parent=optional_of(data, "parent"),
        due=time_of(data, "due"),
        missed=count_of(data, "missed"),
        spent=frozenset(map(str, spent)) if isinstance(spent, list) else frozenset(),
        run=before.run if before else 0,
        started=before.started if before and begun else None,
        reason=text_of(data, "reason"),
        message=text_of(data, "message"),
    )


def _frozen_step(item: JsonObject) -> StepState:
    step = StepState(
        id=text_of(item, "id"),
        name=text_of(item, "name"),
        action=text_of(item, "action"),
        call=text_of(item, "call"),
        risk=text_of(item, "risk", "medium"),
        reason=text_of(item, "reason"),
        message=text_of(item, "message"),
    )
    kept = item.get("kept")
    if not isinstance(kept, dict):
        return step
    step.status = word_of(StepStatus, kept, "status", StepStatus.UNKNOWN)
    number = kept.get("attempt")
    if isinstance(number, int):
        done = step.status is StepStatus.DONE
        step.attempts.append(
            Attempt(
                number=number,
                server=text_of(kept, "server"),
                tool=text_of(kept, "tool"),
                started=text_of(kept, "started"),
                outcome=OutcomeClass.DONE if done else OutcomeClass.UNKNOWN,
                ended=optional_of(kept, "ended"),
                summary=text_of(kept, "summary"),
                result=optional_of(kept, "result"),
            )
        )
    return step
