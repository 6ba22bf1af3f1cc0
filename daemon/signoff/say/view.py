"""What there is to say about one plan, gathered by the caller and frozen."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Protocol

from signoff.form import Form
from signoff.model import (
    Assessment,
    Folder,
    FrozenPlan,
    Inquiry,
    Json,
    JsonObject,
    Method,
    PlanState,
    Question,
    Requirement,
    StepState,
    StepStatus,
)
from signoff.redact import Redactor
from signoff.say.words import moment

FOLDERS: Mapping[Folder, str] = {
    Folder.INBOX: "Inbox",
    Folder.PENDING: "Pending_Approval",
    Folder.APPROVED: "Approved",
    Folder.DONE: "Done",
    Folder.FAILED: "Failed",
    Folder.REJECTED: "Rejected",
}


class Change(Protocol):
    """One difference between what was shown before and what the note says now, as text to be shown."""

    @property
    def where(self) -> str:
        """The place, such as `step proposal, argument to`."""

    @property
    def old(self) -> str:
        """What it was."""

    @property
    def new(self) -> str:
        """What it is now."""


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """What a server asks in the middle of a call of a step, with all that its form is made of.

    `rows` are the lines of its form as they have been written so far, once for each wording: what must be
    hidden may have changed since, and what a person typed on a line counts on each of them. `offered` is the
    answer that was read from it and not sent yet, since its code is still missing.
    """

    step: StepState
    question: Question
    inquiry: Inquiry
    form: Form
    rows: tuple[tuple[str, ...], ...] = ()
    offered: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Final:
    """A call as it would be made, outside its limits; without arguments where they are gone."""

    step: StepState
    call: str
    arguments: JsonObject | None


@dataclass(frozen=True, slots=True)
class PlanView:
    """Everything that the daemon's section of a note is made of.

    Attributes:
        state: what the ledger knows.
        frozen: what will be called; None where its blob is gone (it may be deleted after a time).
        assessment: what the policy says now; None where it was not asked (ended plans).
        results: by step id, `CallResult.to_json()` of finished steps, already redacted.
        sent: by step id, the arguments of its last call as they were sent, already redacted.
        changes: what changed since an earlier approval or presentation.
        finals: calls that a fresh approval lets go outside their limits.
        questions: what servers wait to be told.
        typed: the items of lists in the section as the note has it: what a person typed into the forms.
        missing: how many further approvers are needed.
        candidates: names of approvers who may still approve.
        ended_by, ended_reason: who rejected or cancelled it and why, as typed; empty where not known.
        start: its `run_at`, where it has one.
        begins: when it would begin if it were approved as soon as it is shown, where it says a time.
        ttl: seconds an approval holds where neither the note nor the policy says less.
        zone: local time.
        folders: the folder names of the settings.
        redactor: hides secrets in whatever is shown.
    """

    state: PlanState
    frozen: FrozenPlan | None = None
    assessment: Assessment | None = None
    results: Mapping[str, JsonObject] = field(default_factory=dict)
    sent: Mapping[str, JsonObject] = field(default_factory=dict)
    changes: Sequence[Change] = ()
    finals: Sequence[Final] = ()
    questions: Sequence[OpenQuestion] = ()
    typed: Sequence[str] = ()
    missing: int = 0
    candidates: Sequence[str] = ()
    ended_by: str = ""
    ended_reason: str = ""
    start: datetime | None = None
    begins: datetime | None = None
    ttl: float | None = None
    zone: tzinfo = UTC
    folders: Mapping[Folder, str] = field(default_factory=lambda: FOLDERS)
    redactor: Redactor = field(default_factory=Redactor)

    @property
    def requirement(self) -> Requirement:
        """What the policy asks for: now, or at the freeze where it was not asked again."""
        if self.assessment is not None:
            return self.assessment.requirement
        method, approvers = self.state.needs.get("method"), self.state.needs.get("approvers")
        return Requirement(
            method=Method(method) if isinstance(method, str) else Method.EDIT,
            approvers=approvers if isinstance(approvers, int) else 1,
        )

    def folder(self, folder: Folder) -> str:
        """The name of a folder with a slash, as a person sees it."""
        return f"{self.folders[folder]}/"

    def moment(self, time: str) -> str:
        """A recorded time in local time, with the zone."""
        return moment(time, self.zone)

    def steps(self, *statuses: StepStatus) -> list[StepState]:
        """The steps in one of these states, in the order of the plan."""
        return [step for step in self.state.steps.values() if step.status in statuses and not step.verifies]

    def started(self) -> bool:
        """Whether any call of this plan was ever intended."""
        return self.state.has_begun

    def hide(self, value: Json, secret: Collection[str] = ()) -> Json:
        """The value with secrets replaced by `[redacted]`; `secret` names further arguments to hide."""
        return self.redactor.json(value, secret)
