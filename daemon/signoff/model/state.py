"""What happened to a plan: attempts, questions, approvals, and how it all stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, takewhile

from signoff.model.risk import Method, Risk
from signoff.model.status import OutcomeClass, Status, StepStatus
from signoff.model.values import Json, JsonObject


@dataclass(slots=True)
class Attempt:
    """One call that was intended, and how it ended; `outcome` is None while it is not known.

    `resolved` is what a person said of it, `happened` or `did-not-happen`; empty where nobody did.
    `cached_at` is when the answer was really given, where it came from the cache; nothing was called then.
    `resumed` is what it was suspended as when it was last resumed; None where it never was.
    """

    number: int
    server: str
    tool: str
    started: str
    outcome: OutcomeClass | None = None
    ended: str | None = None
    reason: str = ""
    message: str = ""
    summary: str = ""
    result: str | None = None
    resolved: str = ""
    cached_at: str | None = None
    resumed: str | None = None


@dataclass(slots=True)
class Question:
    """What a server asked in the middle of a call, and what became of it.

    Attributes:
        number: unique in the log, so that an old answer never fits a new question.
        attempt: of which call of its step.
        kept: the blob of the question; None where it could not be put to anybody.
        message: the server's words, redacted and bounded.
        until: when it is given up.
        action: what the server was told, `accept`, `decline` or `cancel`; empty while it is open.
        answer: the values as they may be shown.
        reason: why it was not answered; empty where it was.
        suspended: the blob of the call that was suspended for it; None where its call is open meanwhile.
        place: which of the questions in there it is, from 0.
        content: the blob of the values that were accepted; None where they are not kept.
    """

    number: int
    attempt: int
    server: str
    tool: str
    asked: str
    kept: str | None = None
    message: str = ""
    until: str | None = None
    action: str = ""
    answer: Json = None
    reason: str = ""
    answered: str | None = None
    approver: str | None = None
    suspended: str | None = None
    place: int = 0
    content: str | None = None


@dataclass(slots=True)
class StepState:
    """What happened to a step. `until` is when it is looked at again, while it waits."""

    id: str
    name: str
    action: str
    call: str
    risk: str = Risk.MEDIUM.value
    status: StepStatus = StepStatus.PENDING
    attempts: list[Attempt] = field(default_factory=list)
    reason: str = ""
    message: str = ""
    until: str | None = None
    resolved_by: str | None = None
    questions: list[Question] = field(default_factory=list)

    @property
    def open_questions(self) -> list[Question]:
        """What a server waits to be told."""
        return [question for question in self.questions if not question.action]

    @property
    def suspended(self) -> str | None:
        """The blob of its call, where that was answered with what it lacks, and was not resumed since."""
        last = self.attempts[-1] if self.attempts else None
        if last is None or last.outcome is not None:
            return None
        held = [each.suspended for each in self.questions if each.attempt == last.number and each.suspended]
        return held[-1] if held and held[-1] != last.resumed else None

    @property
    def verifies(self) -> bool:
        """Is it the call that answers what became of another one, and none of the plan's own?"""
        return self.id.endswith(":verify")

    @property
    def undoes(self) -> str:
        """The id of the step or item that this call takes back; empty where it is no such call."""
        return self.id.removesuffix(":undo") if self.id.endswith(":undo") else ""


@dataclass(frozen=True, slots=True)
class Approval:
    """Evidence that one approver agreed to one digest, until an expiry."""

    approver: str
    method: Method
    time: str
    expires: str
    digest: str
    presentation: int


@dataclass(slots=True)
class PlanState:
    """Everything that the ledger knows of one plan.

    Attributes:
        path: where the note was last seen, relative to the vault, with `/`.
        presentation: counts the times the plan was frozen and shown; approvals are bound to one.
        presented: the preview is in the note; only then does an edit of it approve.
        shown: when that was recorded last.
        approvals: of this presentation only.
        note_at_approval, gesture_at_approval: SHA-256 of the note as it was when the last approval was
            recorded, and which gesture it was (`status`, `tick`, `move`, `command`).
        spent: SHA-256 of notes that have had their say: what was frozen, and approvals that were taken
            back. The same bytes again are a stale copy, not a gesture.
        replaces: the digest that was shown before this one, where the plan was frozen anew.
        exceptions: by step, the SHA-256 of final arguments outside their limits that a fresh approval of
            this presentation allows.
        finals: by step, the blob that shows these arguments and their call.
        asking: ids of steps whose servers wait for an answer.
        parent, due: of a run of a repeating plan, that plan's id, and when the run was due.
        last_due, occurrences: of a repeating plan, when its latest run was due, and its runs' latest notes.
        missed: of a run, how many due times before it passed without one; of a repeating plan, before its
            latest run, or as `skipped`.
        skipped: of a repeating plan, that what was missed was left out, as the settings have it.
        run: counts the runs; 0 before the first.
        reason, message: the last refusal or failure, as code and in plain words.
    """

    id: str
    title: str
    path: str
    digest: str
    status: Status
    risk: str
    needs: JsonObject
    frozen: str
    presentation: int = 1
    presented: bool = False
    shown: str | None = None
    proposed_by: str | None = None
    priority: str = "normal"
    expires: str | None = None
    approvals: list[Approval] = field(default_factory=list)
    steps: dict[str, StepState] = field(default_factory=dict)
    replaces: str | None = None
    spent: frozenset[str] = frozenset()
    exceptions: dict[str, str] = field(default_factory=dict)
    finals: dict[str, str] = field(default_factory=dict)
    asking: set[str] = field(default_factory=set)
    parent: str | None = None
    due: str | None = None
    missed: int = 0
    skipped: bool = False
    last_due: str | None = None
    occurrences: list[str] = field(default_factory=list)
    run: int = 0
    note_at_approval: str | None = None
    gesture_at_approval: str | None = None
    started: str | None = None
    finished: str | None = None
    reason: str = ""
    message: str = ""
    until: str | None = None

    def verifying(self, step: str) -> StepState | None:
        """The call that was to answer what became of a step, where there is one."""
        return self.steps.get(f"{step}:verify")

    def is_done(self, step: StepState) -> bool:
        """Is a step or item done, and neither it nor one of its items was taken back since?"""
        return step.status is StepStatus.DONE and not self._is_taken_back(step.id)

    def _is_taken_back(self, called: str) -> bool:
        undo = self.steps.get(f"{called}:undo")
        if undo is not None and undo.status is StepStatus.DONE:
            return True
        items = (f"{called}[{number}]" for number in count())
        return any(map(self._is_taken_back, takewhile(self.steps.__contains__, items)))

    @property
    def repeats(self) -> bool:
        """Does it have runs, each a plan of its own, and calls nothing itself? Known once it is scheduled."""
        return bool(self.occurrences or self.last_due) or self.reason == "schedule"

    @property
    def has_begun(self) -> bool:
        """Was any call of it ever intended?"""
        return self.run > 0 or any(step.attempts for step in self.steps.values())

    @property
    def approvals_end(self) -> datetime:
        """When the first of its approvals ends; the end of time where it needs none."""
        ends = [datetime.fromisoformat(given.expires) for given in self.approvals]
        return min(ends, default=datetime.max.replace(tzinfo=UTC))
