"""The nouns of the program, frozen: plans as read, plans as frozen, calls, results, and their state.

Three forms of a plan, one after the other:

* `Plan`: what a note says, as read by a pure function from its bytes and the catalogue;
* `FrozenPlan`: what will be called, exactly: tools, servers and definitions pinned, under a digest;
* `PlanState`: what happened to it, folded from the ledger (see `signoff.ledger.state`).

Nothing here does I/O or knows where it is stored. Times are UTC ISO 8601 strings where they are
recorded and `datetime` with a zone where they are compared; durations are seconds (`float`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from itertools import count, takewhile
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = "dict[str, Json]"


class Status(StrEnum):
    """Where a plan stands; the values are those of the `status` key in a note."""

    DRAFT = "draft"
    PENDING = "pending"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


FINAL = frozenset({Status.DONE, Status.REJECTED, Status.CANCELLED, Status.EXPIRED})
"""Nothing follows by itself and nothing may be retried under the same approval."""


LIVE = frozenset({Status.APPROVED, Status.SCHEDULED, Status.RUNNING, Status.WAITING})
"""Approved and not yet ended: calls may follow by themselves."""


class Folder(StrEnum):
    """What a folder of the vault is for; its name is a setting."""

    INBOX = "inbox"
    PENDING = "pending"
    APPROVED = "approved"
    DONE = "done"
    FAILED = "failed"
    REJECTED = "rejected"


class StepStatus(StrEnum):
    """Where a step stands."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


class OutcomeClass(StrEnum):
    """How a call ended: the classes of the specification, section 7."""

    DONE = "done"
    REFUSED = "refused"
    TRANSIENT = "transient"
    RATE_LIMITED = "rate_limited"
    AUTHENTICATION = "authentication"
    SERVER_ERROR = "server_error"
    UNKNOWN = "unknown"


class Risk(StrEnum):
    """How much harm a call could do; ordered by `rank`."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """0 for low, 2 for high."""
        return _RISKS[self]


class Method(StrEnum):
    """Evidence of an approval, weakest first; ordered by `rank`."""

    AUTO = "auto"
    EDIT = "edit"
    CODE = "code"
    SIGNATURE = "signature"

    @property
    def rank(self) -> int:
        """0 for none needed, 3 for a signature."""
        return _METHODS[self]


_RISKS = {risk: rank for rank, risk in enumerate(Risk)}
_METHODS = {method: rank for rank, method in enumerate(Method)}


# ---------------------------------------------------------------- a plan as the note says it


@dataclass(frozen=True, slots=True)
class Step:
    """One action as the author wrote it.

    Attributes:
        id: unique in the plan; `step-N` (counting from 1) where the author gave none.
        name: the first line of the item; for people, not in the digest.
        action: an action of the catalogue, or `server.tool`.
        arguments: `with`, in the action's argument names.
        needs: ids of steps that must have ended before.
        condition: the `if` expression, without `${{ }}`; None where always.
        for_each: a list, or an expression giving one; None where the step runs once.
        timeout: seconds for one call; None for the catalogue's or the setting's.
        retries: how often a call that provably was not sent is tried again; None for the default.
        fallback: further `server.tool` names for the same action, in order.
        continue_on_error: the plan goes on although this step failed.
        undo: `action` and `with` of the call that takes this one back; None where there is none.
        limits: a CEL expression that must hold over the final arguments; None where any may go.
        line: the line of the item or key in the note, from 1; for messages, not in the digest.
        checkbox: byte offset of the mark in `[ ]` on the item's own line; None where there is none.
    """

    id: str
    name: str
    action: str
    arguments: Mapping[str, Json]
    needs: tuple[str, ...] = ()
    condition: str | None = None
    for_each: Json = None
    timeout: float | None = None
    retries: int | None = None
    fallback: tuple[str, ...] = ()
    continue_on_error: bool = False
    undo: Mapping[str, Json] | None = None
    limits: str | None = None
    line: int = 1
    checkbox: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a note asks for, as read; see the specification, section 4.

    `run_at` and `expires` are the author's text, unread; `dialect` names the reader that understood
    the note (`steps`, `front-matter`, `short`).
    """

    title: str
    steps: tuple[Step, ...]
    id: str | None = None
    proposed_by: str | None = None
    mode: str = "sequential"
    on_failure: str = "stop"
    depends_on: tuple[str, ...] = ()
    priority: str = "normal"
    run_at: str | None = None
    schedule: str | None = None
    expires: str | None = None
    dialect: str = "steps"


@dataclass(frozen=True, slots=True)
class Gesture:
    """What the note's front matter says about the decision; trimmed and in lower case where compared.

    Attributes:
        status: the `status` key, or None where there is none.
        ticked: `approved: true`.
        approved_by, approval_code, rejection_reason: as typed by the approver; None where absent.
    """

    status: str | None = None
    ticked: bool = False
    approved_by: str | None = None
    approval_code: str | None = None
    rejection_reason: str | None = None


# ---------------------------------------------------------------- what servers offer


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as its server declares it.

    Attributes:
        annotations: `readOnlyHint`, `destructiveHint`, `idempotentHint`, `openWorldHint` as far as
            the server gave them (the names of the protocol); a claim, not a fact.
    """

    name: str
    description: str
    input_schema: JsonObject
    annotations: JsonObject = field(default_factory=dict)

    def definition(self) -> JsonObject:
        """The part that the digest pins: name, description, input schema and annotations."""
        return {
            "name": self.name,
            "description": self.description,
            "inputSchema": self.input_schema,
            "annotations": self.annotations,
        }


@dataclass(frozen=True, slots=True)
class ServerView:
    """What is known of one server at one moment, as the reader and the gate need it.

    Attributes:
        launch: its launch identity: `{"command": ..., "args": [...]}` or `{"url": ...}`, with
            references to the environment unexpanded, so that no secret is in it.
        tools: by name; None while they are not known (not yet connected and none cached).
        problem: in plain words, why they are not known; empty where they are.
        cached: the tools are what an earlier connection saw, not this one: good for reading a note, never
            the ground for a call.
    """

    name: str
    launch: JsonObject
    tools: Mapping[str, Tool] | None
    problem: str = ""
    cached: bool = False


@dataclass(frozen=True, slots=True)
class CallResult:
    """What a tool answered, when it did not say that it failed.

    Attributes:
        content: the content blocks as JSON, as the protocol has them.
        structured: the structured content, or None.
        text: the text blocks joined with newlines, for people and for `result.text`.
        cached_at: when the call was made that this answer comes from, where it was not this one; else None.
    """

    content: list[Json]
    structured: Json
    text: str
    cached_at: str | None = None

    def to_json(self) -> JsonObject:
        """The form in which results are kept as blobs."""
        found: JsonObject = {"content": self.content, "structured": self.structured, "text": self.text}
        return found if self.cached_at is None else found | {"cached_at": self.cached_at}


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What a server asks a person in the middle of a call.

    Attributes:
        mode: `form`, or `url`: something is to be done at an address, outside of this program.
        message: the server's words.
        schema: of a form, the schema of the answer; else None.
        url: the address; empty for a form.
        problem: reason code and words, where it cannot be put to anybody; else None.
        key: the server's name for it, where its call is suspended meanwhile; else empty.
        needed: all that this call lacks; None where it is merely open while its server asks.
    """

    mode: str
    message: str
    schema: Json = None
    url: str = ""
    problem: tuple[str, str] | None = None
    key: str = ""
    needed: InputNeeded | None = None

    def to_json(self) -> JsonObject:
        """The form in which questions are kept as blobs."""
        return {"mode": self.mode, "message": self.message, "schema": self.schema, "url": self.url}

    @classmethod
    def of_json(cls, kept: JsonObject) -> Inquiry:
        """The opposite of `to_json`."""
        mode, message, url = (str(kept.get(key) or "") for key in ("mode", "message", "url"))
        return cls(mode, message, kept.get("schema"), url)


@dataclass(frozen=True, slots=True)
class InputNeeded:
    """A call was answered with what is missing, and has not been carried out: it is suspended.

    Attributes:
        requests: by the server's key, what it asks.
        state: given back as it is when the call is resumed; None where there is none.
    """

    requests: Mapping[str, Inquiry]
    state: str | None

    def to_json(self) -> JsonObject:
        """The form in which it is kept."""
        asked: JsonObject = {key: inquiry.to_json() for key, inquiry in self.requests.items()}
        return {"requests": asked, "state": self.state}

    @classmethod
    def of_json(cls, kept: JsonObject) -> InputNeeded:
        """The opposite of `to_json`."""
        requests, state = kept.get("requests"), kept.get("state")
        asked = requests if isinstance(requests, dict) else {}
        found = {key: Inquiry.of_json(each) for key, each in asked.items() if isinstance(each, dict)}
        return cls(found, state if isinstance(state, str) else None)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server is told: `accept` with the values of the form, `decline` or `cancel`.

    `goes_on` is False where the call may not be resumed, since its approval does not stand any more.
    """

    action: str
    content: JsonObject | None = None
    goes_on: bool = True


# ---------------------------------------------------------------- a plan as it will run


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call with its arguments in the tool's own names."""

    server: str
    tool: str
    arguments: Mapping[str, Json]

    @property
    def name(self) -> str:
        """`server.tool`."""
        return f"{self.server}.{self.tool}"


@dataclass(frozen=True, slots=True)
class Verification:
    """The call that answers what became of a step whose outcome is not known.

    Attributes:
        call: it only reads.
        happened: CEL over `result` and `with`.
        after: seconds after the step's call at which it is asked, and its "no" is final; None where it is
            asked at once and only its "yes" counts.
        read_only: the catalogue says that it only reads.
    """

    call: Call
    happened: str
    after: float | None = None
    read_only: bool = False


SURVIVES_ALL = "*"
"""In `FrozenStep.survives`: every step. No id of a step is written so."""


@dataclass(frozen=True, slots=True)
class FrozenStep:
    """A step bound to exact calls: the first is preferred, the others may be fallen back to.

    `arguments` are in the action's names (what the person wrote); each call has them in its tool's.
    `undo` is the bound call that takes the step back, or None. `survives` names the steps whose failure
    does not keep this one from running, since its condition reads it (`always()`: all of them).
    """

    id: str
    action: str
    arguments: Mapping[str, Json]
    calls: tuple[Call, ...]
    needs: tuple[str, ...] = ()
    condition: str | None = None
    for_each: Json = None
    timeout: float | None = None
    retries: int | None = None
    continue_on_error: bool = False
    undo: Call | None = None
    limits: str | None = None
    survives: frozenset[str] = frozenset()
    verify: Verification | None = None


@dataclass(frozen=True, slots=True)
class FrozenPlan:
    """The executable content of a plan, under its digest.

    `content` is the JSON whose canonical form (RFC 8785) is hashed and kept as a blob; all other
    fields are read from it, so that what runs is what was hashed. `pins` maps `server.tool` to
    `{"launch": ..., "definition": ...}`.
    """

    id: str
    digest: str
    content: JsonObject
    steps: tuple[FrozenStep, ...]
    pins: Mapping[str, JsonObject]
    mode: str = "sequential"
    on_failure: str = "stop"
    depends_on: tuple[str, ...] = ()
    run_at: str | None = None
    schedule: str | None = None
    by_id: Mapping[str, FrozenStep] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_id", {step.id: step for step in self.steps})


# ---------------------------------------------------------------- what approval it needs


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a risk needs before it may run (`requires` in the policy).

    `ttl` is the longest expiry in seconds, None where only the setting counts; `who` names those who
    may approve, None where every approver may.
    """

    method: Method = Method.EDIT
    approvers: int = 1
    allow_proposer: bool = True
    ttl: float | None = None
    presented: bool = True
    who: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class StepRisk:
    """What the policy says of one step, and which rule said it.

    `limits` are those on all its calls; `limits_on` has them by call, as `server.tool`.
    """

    step: str
    risk: Risk
    rule: str
    denied: bool = False
    limits: tuple[str, ...] = ()
    secret: frozenset[str] = frozenset()
    limits_on: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the policy says of a plan: the strictest of its calls."""

    risk: Risk
    requirement: Requirement
    steps: tuple[StepRisk, ...]
    denied: frozenset[str] = field(init=False, compare=False, repr=False)
    """The steps that the policy forbids."""
    _secrets: Mapping[str, frozenset[str]] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "denied", frozenset(entry.step for entry in self.steps if entry.denied))
        object.__setattr__(self, "_secrets", {entry.step: entry.secret for entry in self.steps})

    def secret(self, step: str) -> frozenset[str]:
        """The argument names of a step that may be shown nowhere."""
        return self._secrets.get(step, frozenset())


# ---------------------------------------------------------------- what happened to it


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
