"""What a run needs of everything around it, and the nouns that its parts hand to each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, TypeAlias

from signoff.approval import Facts
from signoff.errors import GateRefused, SignoffError
from signoff.execution.suspension import Suspended
from signoff.inquiries import Inquiries
from signoff.ledger.entry import Event
from signoff.model import (
    Call,
    CallResult,
    FrozenPlan,
    FrozenStep,
    InputNeeded,
    Inquiry,
    Json,
    JsonObject,
    PlanState,
    Reply,
)
from signoff.slots import Slots

Person: TypeAlias = Callable[[Inquiry], Awaitable[Reply]]
"""Answers what a server asks during a call."""


@dataclass(frozen=True, slots=True)
class CallTerms:
    """What the catalogue, the policy and the settings say about calling one step.

    Attributes:
        timeout: seconds for one call.
        retries: how often a call that was not sent is tried again.
        repeatable: by index of the step's calls, whether calling twice does no harm.
        secret: argument names that may be shown nowhere.
        key_argument: by index of the calls, the argument that takes the idempotency key, or None.
    """

    timeout: float
    retries: int
    repeatable: tuple[bool, ...]
    secret: frozenset[str] = frozenset()
    key_argument: tuple[str | None, ...] = ()


class World(Protocol):
    """What a run needs of everything around it."""

    slots: Slots
    inquiries: Inquiries
    retry_delay: float
    per_plan: int
    answer_within: float
    closing: bool

    @property
    def sequence(self) -> int:
        """The number of the ledger's last entry."""

    async def facts(self, plan_id: str) -> Facts:
        """What the gate looks at, read afresh."""

    async def record(self, events: Sequence[Event], contents: Sequence[bytes] = ()) -> None:
        """Append to the ledger, and keep the contents it speaks of; returns when durable and folded."""

    def keep_ahead(self, contents: Sequence[bytes]) -> None:
        """Begin to keep contents that a record will speak of in a moment; it waits less then."""

    def result_of(self, blob: str) -> JsonObject:
        """A stored result."""

    def state_of(self, plan_id: str) -> PlanState:
        """What the ledger knows of a plan."""

    def terms(self, frozen: FrozenPlan, step: FrozenStep) -> CallTerms:
        """How a step is to be called."""

    def within_limits(self, frozen: FrozenPlan, step: FrozenStep, call: Call) -> str:
        """Empty where the final arguments keep all limits, else what is wrong, in plain words.

        Both are filled in: the step's, in the plan's own names, and the call's.
        """

    def locked_out(self, server: str) -> str:
        """Empty, or why no plan calls this server now: it has refused to know us, a short time ago."""

    def line(self, server: str) -> Slots | None:
        """Where callers of a server stand in line; None where it takes any number of calls at once."""

    def away(self, server: str) -> str:
        """Empty where a server can be called now or is not configured, else what is wrong, in plain words."""

    def tried_until(self, plan_id: str) -> datetime:
        """Until when a call that was never sent is tried: as long as the approval holds."""

    def misfit(self, frozen: FrozenPlan, call: Call) -> str:
        """Empty where the final arguments fit the tool's input schema, else what is wrong."""

    def summary(self, value: Json, secret: Iterable[str], hidden: Iterable[str] = ()) -> Json:
        """A value as it may be shown: redacted and bounded.

        Args:
            value: what is to be shown.
            secret: names whose values are hidden.
            hidden: texts that are hidden wherever they stand.
        """

    def shown(self, value: Json, secret: Iterable[str]) -> Json:
        """A value as a person approves it: redacted, in full."""

    async def call(
        self,
        call: Call,
        *,
        timeout: float,
        meta: JsonObject,
        pin: JsonObject,
        person: Person,
        still: Callable[[], bool],
        resuming: Callable[[], Awaitable[bool]],
        suspended: InputNeeded | None,
    ) -> CallResult:
        """Make the call; raises the `CallError` classes and `PinChanged`.

        Args:
            call, timeout, meta, pin: what is called, for how many seconds at most, and as approved.
            person: answers the server.
            still: asked right before the call is written: it may have waited for its turn until then.
            resuming: asked right before it is resumed with answers: may these leave?
            suspended: what it lacks, where it was made before: it is not made again, but resumed.
        """

    def progressed(self, plan_id: str) -> None:
        """Something happened that the note should tell."""

    def said(self, plan_id: str, step: str, line: str, text: str) -> None:
        """A line for the readable log: CALL, PARAMS or RESPONSE."""


@dataclass(frozen=True, slots=True)
class Begin:
    """A call that may leave once its intent is durable."""

    step: FrozenStep
    call: Call
    attempt: int
    intent: Event
    meta: JsonObject
    pin: JsonObject
    terms: CallTerms
    repeatable: bool
    suspended: Suspended | None = None
    """As it was left by an earlier daemon: it is resumed, not made."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that ended: with a result or with an error.

    Attributes:
        begin, result, error, milliseconds: which call, what came of it, and how long it took.
        replies: what the server was told to its questions: `accept`, `decline` or `cancel`.
        refusal: why the gate let no answer leave, so that the call was not resumed; or None.
        suspended: it has not ended: the daemon does, and the next one resumes it.
    """

    begin: Begin
    result: CallResult | None
    error: SignoffError | None
    milliseconds: float
    replies: tuple[str, ...] = ()
    refusal: GateRefused | None = None
    suspended: bool = False


def now() -> datetime:
    """This moment."""
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """A moment as the ledger has it: UTC, in milliseconds."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
