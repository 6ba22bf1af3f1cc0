"""What is known of every plan: a fold over the ledger's entries, and nothing else.

`State.apply` is the only place that changes a `PlanState`. It is total: an event it does not know
changes nothing, so that an older program can read a newer log without inventing facts. Plans that
have ended for good are kept as a few words each (`Ended`), since there may be hundreds of thousands;
their details are folded again from the log when somebody asks (`history`).

Events about plans, and what their `data` holds:

============  ==================================================================================
frozen        path, title, steps [{id, name, action, call, risk, kept, reason, message}], risk, needs,
              proposed_by, priority, expires, replaces [digest], spent [SHA-256 of notes]; `kept`: a step
              that is done or unknown already; `reason`: why one that was done is done again. Of a
              run of a repeating plan also parent, due, missed
presented     path: the preview is in the note
moved         to: where the note lies now
approved      method, expires, gesture, note (SHA-256 of the note's bytes), complete; of a run of a
              repeating plan: of, given (the plan, and when that was approved)
started       resumed: the approval is consumed from here on
intent        a call is about to leave: arguments (redacted), key
outcome       class, reason, message, summary, result (blob), until
asked         question (its number), mode, message, fields, kept (blob), until: a server asks in the
              middle of a call; of a call that is suspended meanwhile also suspended (blob), place
answered      question, action (`accept`, `decline`, `cancel`), reason, answer, via, method, nonce, content
              (blob); withheld: it had been answered, and the answer never left
resumed       suspended (blob): a suspended call is about to be resumed with its answers
added         of, name, action, call, item: an item of a `for_each`, or an undo, is a step of its own now
occurrence    at, run, note, missed: a repeating plan has a run, which is a plan of its own
passed        at, missed: due times of a repeating plan up to `at` were missed, and left out
step          status, reason, message, until: a step changed without a call
resolved      answer (`happened` or `did-not-happen`), via
waiting       reason, message, until
returned      reason, message, final {step, sha256, kept (blob)}, also [the same of further calls]: back to
              the person; approvals are void
finished      status, reason, message
code-used     code_step: a one-time code was taken from a note, and is used up
refused       reason, message, path, copy: something was asked for and not done; `copy`: it was asked
              in another note than the plan's own
============  ==================================================================================
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple

from signoff.evidence import Codes
from signoff.ledger.data import count_of, object_of, optional_of, text_of, time_of, word_of
from signoff.ledger.entry import Entry
from signoff.ledger.questions import answered, asked, close_questions, resumed, wait_for_answers
from signoff.model import (
    FINAL,
    Approval,
    Attempt,
    JsonObject,
    Method,
    OutcomeClass,
    PlanState,
    Status,
    StepState,
    StepStatus,
)

STEP_AFTER = {
    OutcomeClass.DONE: StepStatus.DONE,
    OutcomeClass.REFUSED: StepStatus.FAILED,
    OutcomeClass.TRANSIENT: StepStatus.FAILED,
    OutcomeClass.RATE_LIMITED: StepStatus.WAITING,
    OutcomeClass.AUTHENTICATION: StepStatus.FAILED,
    OutcomeClass.SERVER_ERROR: StepStatus.FAILED,
    OutcomeClass.UNKNOWN: StepStatus.UNKNOWN,
}
"""Where a step stands after an outcome that says nothing of another attempt (`again`)."""


RECENT = 10
INPUT_REQUIRED = "input-required"
"""The reason code of a call that was suspended, and not resumed: it has done nothing."""


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


class State:
    """Every plan, as the ledger tells it.

    Attributes:
        plans: those that may still do something, by id, with all their details.
        ended: those that have ended for good, by id.
        codes, nonces: what of one-time codes and signatures has been used.
        recent: the last few that ended, with their details, for the dashboard.
        sequence, latest: number and time of the last entry applied; the latest time ever seen, so
            that a clock set back does not revive an approval.
    """

    def __init__(self) -> None:
        self.plans: dict[str, PlanState] = {}
        self.ended: dict[str, Ended] = {}
        self.codes = Codes()
        self.nonces: set[str] = set()
        self.recent: deque[PlanState] = deque(maxlen=RECENT)
        self.sequence = 0
        self.latest = ""

    def apply(self, entry: Entry) -> None:
        """Take one entry into account. Unknown events and plans change nothing."""
        self.sequence = entry.seq
        self.latest = max(self.latest, entry.time)
        self._follow_evidence(entry)
        if entry.plan is None:
            return
        if entry.event == "frozen":
            self._freeze(entry)
            return
        plan = self.plans.get(entry.plan)
        if plan is None:
            self._touch_ended(entry)
            return
        change = _CHANGES.get(entry.event)
        if change is not None:
            change(plan, entry)

    def _follow_evidence(self, entry: Entry) -> None:
        """Codes and signatures are used up whatever becomes of the plan they were given for."""
        step, nonce = entry.data.get("code_step"), entry.data.get("nonce")
        if entry.event == "code-used" and entry.approver is not None and isinstance(step, int):
            self.codes.accept(entry.approver, step)
        elif entry.event == "codes-unlocked":
            self.codes.wrong.clear()
        elif entry.event == "refused" and entry.data.get("reason") == "code-wrong":
            self.codes.refuse(datetime.fromisoformat(entry.time))
        elif entry.event in {"approved", "answered"} and isinstance(nonce, str):
            self.nonces.add(nonce)

    def retire(self, plan_id: str) -> None:
        """Forget the details of a plan that has ended for good; its note has been written."""
        plan = self.plans.get(plan_id)
        if plan is not None and plan.status in FINAL:
            del self.plans[plan_id]
            self.recent.append(plan)
            self.ended[plan_id] = Ended.of(plan)

    def recall(self, plan: PlanState) -> None:
        """Take back the details of a plan that has ended, as `history` folded them."""
        self.ended.pop(plan.id, None)
        self.plans[plan.id] = plan

    def retire_all(self) -> None:
        """`retire` for every plan that has ended; used after the log was read at start."""
        for plan_id in [key for key, plan in self.plans.items() if plan.status in FINAL]:
            self.retire(plan_id)

    def status(self, plan_id: str) -> Status | None:
        """The status of a plan, live or ended; None for one never frozen."""
        if plan_id in self.plans:
            return self.plans[plan_id].status
        ended = self.ended.get(plan_id)
        return ended.status if ended else None

    def is_deleted(self, plan_id: str) -> bool:
        """Was the plan withdrawn since its note was deleted? It may come back with the note."""
        known = self.plans.get(plan_id)
        ended = Ended.of(known) if known is not None else self.ended.get(plan_id)
        return ended is not None and ended.deleted

    def has_begun(self, plan_id: str) -> bool:
        """Was any call of the plan ever intended, as far as is known?"""
        known, ended = self.plans.get(plan_id), self.ended.get(plan_id)
        return known.has_begun if known is not None else ended is not None and ended.run > 0

    def path(self, plan_id: str) -> str | None:
        """Where the plan's note was last seen; None for a plan never frozen."""
        if plan_id in self.plans:
            return self.plans[plan_id].path
        ended = self.ended.get(plan_id)
        return ended.path if ended else None

    def _freeze(self, entry: Entry) -> None:
        assert entry.plan is not None  # noqa: S101  `apply` has looked
        ended = self.ended.pop(entry.plan, None)
        known = self.plans.get(entry.plan)
        self.plans[entry.plan] = _frozen_state(entry, Ended.of(known) if known is not None else ended)

    def _touch_ended(self, entry: Entry) -> None:
        ended = self.ended.get(entry.plan or "")
        if ended is not None and entry.event == "moved":
            self.ended[entry.plan or ""] = ended._replace(path=str(entry.data.get("to", ended.path)))


def fold(entries: Iterable[Entry]) -> State:
    """The state after these entries, with ended plans in short."""
    state = State()
    for entry in entries:
        state.apply(entry)
        if entry.event == "moved" and entry.plan is not None:
            state.retire(entry.plan)
    state.retire_all()
    return state


def history(plan_id: str, entries: Iterable[Entry]) -> PlanState | None:
    """Everything about one plan, ended or not, folded from the log; None for one never frozen."""
    state = State()
    for entry in entries:
        if entry.plan == plan_id:
            state.apply(entry)
    return state.plans.get(plan_id)


# ---------------------------------------------------------------- how each event changes a plan


def _frozen_state(entry: Entry, before: Ended | None) -> PlanState:
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


def _presented(plan: PlanState, entry: Entry) -> None:
    plan.presented = entry.digest == plan.digest
    plan.shown = entry.time


def _moved(plan: PlanState, entry: Entry) -> None:
    plan.path = text_of(entry.data, "to", plan.path)


def _approved(plan: PlanState, entry: Entry) -> None:
    if entry.digest is None or entry.digest != plan.digest:
        return
    expires = time_of(entry.data, "expires")
    if entry.approver is not None and expires is not None:  # None: the policy asks for no approval
        plan.approvals = [given for given in plan.approvals if given.approver != entry.approver]
        plan.approvals.append(
            Approval(
                approver=entry.approver,
                method=word_of(Method, entry.data, "method", Method.AUTO),
                time=time_of(entry.data, "given") or entry.time,
                expires=expires,
                digest=entry.digest,
                presentation=plan.presentation,
            )
        )
    plan.note_at_approval = optional_of(entry.data, "note")
    plan.gesture_at_approval = optional_of(entry.data, "gesture")
    plan.reason = plan.message = ""
    if entry.data.get("complete") is True:
        plan.status = Status.APPROVED


def _started(plan: PlanState, entry: Entry) -> None:
    if entry.data.get("resumed") is not True or plan.run == 0:
        plan.run += 1
    plan.status = Status.RUNNING
    plan.started = plan.started or entry.time
    plan.until = None
    plan.reason = plan.message = ""
    wait_for_answers(plan)


def _intent(plan: PlanState, entry: Entry) -> None:
    step = plan.steps.get(entry.step or "")
    if step is None:
        return
    step.status = StepStatus.RUNNING
    step.until = None
    step.attempts.append(
        Attempt(
            number=entry.attempt or len(step.attempts) + 1,
            server=entry.server or "",
            tool=entry.tool or "",
            started=entry.time,
        )
    )
    plan.status = Status.RUNNING
    plan.until = None
    plan.reason = plan.message = ""


def _outcome(plan: PlanState, entry: Entry) -> None:
    step = plan.steps.get(entry.step or "")
    if step is None:
        return
    attempt = next((made for made in reversed(step.attempts) if made.number == entry.attempt), None)
    if attempt is None:
        return
    data = entry.data
    attempt.outcome = word_of(OutcomeClass, data, "class", OutcomeClass.UNKNOWN)
    attempt.ended = entry.time
    attempt.reason = text_of(data, "reason")
    attempt.message = text_of(data, "message")
    attempt.summary = text_of(data, "summary")
    attempt.result = optional_of(data, "result")
    attempt.cached_at = time_of(data, "cached_at")
    step.until = time_of(data, "until")
    step.status = StepStatus.WAITING if data.get("again") is True else STEP_AFTER[attempt.outcome]
    step.reason, step.message = attempt.reason, attempt.message
    close_questions(plan, step, attempt, entry)


def _added(plan: PlanState, entry: Entry) -> None:
    """An item of a `for_each`, or the undo of a step, as a call of its own."""
    if entry.step is None or entry.step in plan.steps:
        return
    of = plan.steps.get(text_of(entry.data, "of"))
    plan.steps[entry.step] = StepState(
        id=entry.step,
        name=text_of(entry.data, "name"),
        action=text_of(entry.data, "action"),
        call=text_of(entry.data, "call"),
        risk=of.risk if of else "medium",
    )


def _occurrence(plan: PlanState, entry: Entry) -> None:
    plan.run += 1
    plan.last_due = time_of(entry.data, "at")
    plan.missed, plan.skipped = count_of(entry.data, "missed"), False
    plan.occurrences = [*plan.occurrences, text_of(entry.data, "note")][-RECENT:]


def _passed(plan: PlanState, entry: Entry) -> None:
    plan.last_due = time_of(entry.data, "at")
    plan.missed, plan.skipped = count_of(entry.data, "missed"), True


def _step(plan: PlanState, entry: Entry) -> None:
    step = plan.steps.get(entry.step or "")
    if step is None:
        return
    step.status = word_of(StepStatus, entry.data, "status", step.status)
    step.reason = text_of(entry.data, "reason")
    step.message = text_of(entry.data, "message")
    step.until = time_of(entry.data, "until")


def _resolved(plan: PlanState, entry: Entry) -> None:
    step = plan.steps.get(entry.step or "")
    if step is None:
        return
    if step.status is not StepStatus.UNKNOWN:
        return  # somebody was first
    happened = entry.data.get("answer") == "happened"
    step.status = StepStatus.DONE if happened else StepStatus.PENDING
    step.resolved_by = entry.approver
    for attempt in step.attempts:
        if attempt.outcome is OutcomeClass.UNKNOWN:
            attempt.resolved = "happened" if happened else "did-not-happen"
    step.reason = "resolved"
    said = "A person said that it happened." if happened else "A person said that it did not happen."
    step.message = text_of(entry.data, "message", said)
    if plan.status is Status.UNKNOWN and not _asks(plan):
        _go_on(plan)


def _asks(plan: PlanState) -> bool:
    """Is the outcome of any step unknown?"""
    return any(step.status is StepStatus.UNKNOWN for step in plan.steps.values())


def _go_on(plan: PlanState) -> None:
    """Every question is answered: the run goes on, as far as its approval still reaches.

    Only a plan that was stopped by the question: one that was rejected meanwhile stays rejected.
    """
    plan.status = Status.APPROVED
    plan.finished = None
    plan.reason = plan.message = ""


def _waiting(plan: PlanState, entry: Entry) -> None:
    plan.status = Status.SCHEDULED if entry.data.get("scheduled") is True else Status.WAITING
    plan.reason = text_of(entry.data, "reason")
    plan.message = text_of(entry.data, "message")
    plan.until = time_of(entry.data, "until")


def _returned(plan: PlanState, entry: Entry) -> None:
    final, also = entry.data.get("final"), entry.data.get("also")
    if isinstance(final, dict):  # what was outside its limits is what is asked for now
        for each in map(object_of, [final, *(also if isinstance(also, list) else [])]):
            plan.exceptions[text_of(each, "step")] = text_of(each, "sha256")
            plan.finals[text_of(each, "step")] = text_of(each, "kept")
    else:
        plan.exceptions.clear()
        plan.finals.clear()
    plan.status = Status.PENDING
    plan.presented = False
    if plan.note_at_approval is not None and plan.gesture_at_approval in {"status", "tick"}:
        plan.spent |= {plan.note_at_approval}
    plan.approvals = []
    plan.note_at_approval = plan.gesture_at_approval = None
    plan.until = None
    plan.reason = text_of(entry.data, "reason")
    plan.message = text_of(entry.data, "message")
    for step in plan.steps.values():
        given_up = step.status is StepStatus.FAILED and step.reason == INPUT_REQUIRED
        if given_up or step.status in {StepStatus.WAITING, StepStatus.SKIPPED, StepStatus.CANCELLED}:
            step.status = StepStatus.PENDING
            step.reason = step.message = ""  # it is looked at afresh
            step.until = None


def _finished(plan: PlanState, entry: Entry) -> None:
    plan.status = word_of(Status, entry.data, "status", Status.FAILED)
    plan.finished = entry.time
    plan.until = None
    plan.reason = text_of(entry.data, "reason")
    plan.message = text_of(entry.data, "message")
    if plan.status is Status.UNKNOWN and not _asks(plan):
        _go_on(plan)  # it was answered in the moment before


def _refused(plan: PlanState, entry: Entry) -> None:
    if entry.data.get("copy") is True:
        return
    plan.reason = text_of(entry.data, "reason")
    plan.message = text_of(entry.data, "message")


_CHANGES: dict[str, Callable[[PlanState, Entry], None]] = {
    "presented": _presented,
    "moved": _moved,
    "approved": _approved,
    "started": _started,
    "intent": _intent,
    "outcome": _outcome,
    "asked": asked,
    "answered": answered,
    "resumed": resumed,
    "added": _added,
    "occurrence": _occurrence,
    "passed": _passed,
    "step": _step,
    "resolved": _resolved,
    "waiting": _waiting,
    "returned": _returned,
    "finished": _finished,
    "refused": _refused,
}
