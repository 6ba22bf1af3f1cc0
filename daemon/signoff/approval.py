"""The gate: an ordered list of checks, each with its own reason code. Pure.

Two questions are asked of it, over the same frozen facts:

* `claim`: may this gesture be recorded as one approver's approval?
* `admit`: may the plan run, or its next call leave, now? Only this makes an `ApprovedPlan`, and only
  an `ApprovedPlan` reaches execution.

Each check is one small function that raises `GateRefused` with its code. The order is that of the
specification, section 6. `now` is one moment for all of them, and never earlier than the latest time
in the ledger, so that a clock set back revives nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Protocol

from signoff.dependencies import Dependency, unmet
from signoff.errors import GateRefused
from signoff.evidence import Evidence
from signoff.gesture import NoteFacts, Stance, kind_of_gesture, stance_on_live, stance_on_pending
from signoff.model import LIVE, Approval, Call, FrozenPlan, Method, PlanState, Requirement, Status
from signoff.say.words import moment


class Approver(Protocol):
    """A person who may approve, as the settings name them."""

    @property
    def name(self) -> str:
        """The name in the settings."""

    @property
    def methods(self) -> tuple[Method, ...]:
        """The kinds of evidence accepted from this person."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the gate looks at, at one moment.

    Attributes:
        plan: what the ledger knows; None for a plan never frozen.
        frozen: the content that would run, read from its blob.
        note: the plan's note as it is now; None where it is gone.
        requirement: what the policy asks for this plan now.
        denied: ids of steps that the policy forbids now.
        approvers: by name, from the settings.
        default_approver: whose gesture it is where `approved_by` is absent.
        dependencies: each plan in `depends_on`, as it stands.
        now: with a zone; never earlier than the ledger's latest time.
        evidence: what this approval rests on; an edit of the note where nothing else is given.
        by: the approver named by a command; None where the note itself is the gesture.
        zone: in which times are said.
    """

    plan: PlanState | None
    frozen: FrozenPlan | None
    note: NoteFacts | None
    requirement: Requirement
    approvers: Mapping[str, Approver]
    default_approver: str | None
    now: datetime
    denied: frozenset[str] = frozenset()
    dependencies: Sequence[Dependency] = ()
    evidence: Evidence = field(default_factory=Evidence)
    by: str | None = None
    zone: tzinfo = UTC


@dataclass(frozen=True, slots=True)
class Claim:
    """A gesture that passed: one approver agrees to one digest."""

    approver: str
    method: Method
    gesture: str


_GATE = object()


class ApprovedPlan:
    """A frozen plan that a valid approval covers at one moment; made by `admit` alone.

    Attributes:
        frozen: the content that may run.
        approvals: the evidence that counted.
        expires: the earliest expiry among them.
    """

    __slots__ = ("approvals", "expires", "frozen")

    def __init__(
        self, gate: object, frozen: FrozenPlan, approvals: tuple[Approval, ...], expires: str
    ) -> None:
        if gate is not _GATE:
            raise TypeError("Only the gate makes an ApprovedPlan.")
        self.frozen = frozen
        self.approvals = approvals
        self.expires = expires

    def require(self, step: str, call: Call) -> None:
        """May exactly this call of a step leave?

        Raises:
            GateRefused: `action-outside`; it is not among those that were approved.
        """
        found = self.frozen.by_id.get(step)
        if found is None or all(call.name != other.name for other in found.all_calls):
            raise GateRefused(f"`{call.name}` is not among the approved calls.", code="action-outside")


def claim(facts: Facts) -> Claim:
    """May this gesture be recorded as an approval?

    Raises:
        GateRefused: with the code of the first check that refuses.
    """
    for check in _CLAIM_CHECKS:
        check(facts)
    assert facts.note is not None  # noqa: S101  the checks have looked
    by_command = facts.by is not None or stance_on_pending(facts.note) is Stance.SILENT
    gesture = "command" if by_command else kind_of_gesture(facts.note)
    return Claim(approver=_claimed(facts), method=facts.evidence.method, gesture=gesture)


def admit(facts: Facts) -> ApprovedPlan:
    """May the plan run now, and those of its calls leave that `ApprovedPlan.require` lets pass?

    Raises:
        GateRefused: with the code of the first check that refuses.
    """
    for check in _ADMIT_CHECKS:
        check(facts)
    assert facts.plan is not None  # noqa: S101  the checks have looked
    assert facts.frozen is not None  # noqa: S101
    counted = counted_approvals(facts)
    return ApprovedPlan(_GATE, facts.frozen, counted, min((given.expires for given in counted), default=""))


def answers(facts: Facts, *, declines: bool = False) -> str:
    """May what a server asks in the middle of a call be answered so now? Who the answer counts for.

    The plan must stand, and whoever answers must be one who may approve it, by evidence as strong as its
    approval needs. To decline needs no evidence: what is given is nothing.

    Raises:
        GateRefused: with the code of the first check that refuses.
    """
    for check in _ADMIT_CHECKS:
        check(facts)
    for check in () if declines else _ANSWER_CHECKS:
        check(facts)
    return _claimed(facts)


def counted_approvals(facts: Facts) -> tuple[Approval, ...]:
    """The approvals that count now: of this digest and presentation, by approvers still named.

    One person counts once; an approval whose method the policy no longer takes does not count, nor
    does one of the proposer where the policy forbids it.
    """
    plan = facts.plan
    if plan is None:
        return ()
    found: dict[str, Approval] = {}
    for given in plan.approvals:
        approver = facts.approvers.get(given.approver)
        counts = (
            approver is not None
            and given.method in approver.methods
            and given.digest == plan.digest
            and given.presentation == plan.presentation
            and given.method.rank >= facts.requirement.method.rank
            and _may(given.approver, facts.requirement)
            and (facts.requirement.allow_proposer or given.approver != plan.proposed_by)
        )
        if counts:
            found[given.approver] = given
    return tuple(found.values())


def missing_approvers(facts: Facts) -> int:
    """How many further approvers the policy asks for."""
    if facts.requirement.method is Method.AUTO:
        return 0
    return max(0, facts.requirement.approvers - len(counted_approvals(facts)))


# ---------------------------------------------------------------- the checks, in their order


def _known_plan(facts: Facts) -> None:
    if facts.plan is None or facts.frozen is None:
        raise GateRefused("This plan was never checked and shown for approval.", code="unknown-plan")


def _not_consumed(facts: Facts) -> None:
    if facts.plan is not None and facts.plan.status is not Status.PENDING:
        raise GateRefused(
            f"The approval of this plan has been used: the plan is {facts.plan.status.value}.",
            code="consumed",
        )


def _live(facts: Facts) -> None:
    if facts.plan is not None and facts.plan.status not in LIVE:
        if facts.plan.status is Status.PENDING:
            raise GateRefused("Nobody has approved this plan yet.", code="no-gesture")
        raise GateRefused(
            f"The approval of this plan has been used: the plan is {facts.plan.status.value}.",
            code="consumed",
        )


def _gesture_approves(facts: Facts) -> None:
    note = facts.note
    if note is None:
        raise GateRefused("The note of this plan is gone.", code="no-gesture")
    stance = stance_on_pending(note, evidence=facts.evidence.method is not Method.EDIT)
    if stance is Stance.REFUSES:
        raise GateRefused("The note says that this plan is refused.", code="refused-by-gesture")
    if stance is Stance.BLOCKED:
        raise GateRefused(
            f"The note's status is `{note.gesture.status}`, which does not approve.",
            code="refused-by-gesture",
        )
    given = facts.by is not None or facts.evidence.method is not Method.EDIT
    if stance is not Stance.APPROVES and not given:
        raise GateRefused("Nobody has approved this plan yet.", code="no-gesture")


def _gesture_stands(facts: Facts) -> None:
    assert facts.plan is not None  # noqa: S101
    if facts.note is None:
        raise GateRefused("The note of this plan is gone.", code="revoked")
    stance = stance_on_live(facts.note, facts.plan)
    if stance is Stance.REFUSES:
        raise GateRefused("The note says that this plan is refused.", code="refused-by-gesture")
    if stance is not Stance.APPROVES:
        raise GateRefused("The approval was withdrawn in the note.", code="revoked")


def _presented(facts: Facts) -> None:
    """An edit approves only what was shown; a code or a signature cannot be written by who writes notes."""
    forgeable = facts.evidence.method.rank < Method.CODE.rank and facts.requirement.presented
    if facts.plan is None or not forgeable:
        return
    if not facts.plan.presented:
        raise GateRefused("This plan has not been shown for approval yet.", code="not-presented")
    if facts.by is None and facts.note is not None and facts.note.sha256 in facts.plan.spent:
        raise GateRefused(
            "This is an older copy of the note, as it was before the plan was last shown for approval.",
            code="not-presented",
        )


def _claimed(facts: Facts) -> str:
    typed = facts.note.gesture.approved_by if facts.note else None
    return facts.evidence.approver or facts.by or typed or facts.default_approver or ""


def _evidence_valid(facts: Facts) -> None:
    evidence = facts.evidence
    if evidence.problem is not None:
        code, words = evidence.problem
        raise GateRefused(words, code=code)
    named = facts.by or (facts.note.gesture.approved_by if facts.note else None)
    if evidence.approver is not None and named is not None and named != evidence.approver:
        raise GateRefused(
            f"The {evidence.method.value} is by `{evidence.approver}`, but `{named}` is named as approver.",
            code="evidence-invalid",
        )


def _approver_known(facts: Facts) -> None:
    name = _claimed(facts)
    if not name:
        raise GateRefused(
            "The note does not say who approves, and the settings name no default approver.",
            code="unknown-approver",
            hint="Write `approved_by: NAME` in the properties.",
        )
    if name not in facts.approvers:
        raise GateRefused(f"`{name}` is not an approver in config/signoff.toml.", code="unknown-approver")
    if not _may(name, facts.requirement):
        raise GateRefused(f"The policy does not let `{name}` approve this plan.", code="approver-not-allowed")


def _may(name: str, requirement: Requirement) -> bool:
    return requirement.who is None or name in requirement.who


def _not_the_proposer(facts: Facts) -> None:
    name = _claimed(facts)
    if not facts.requirement.allow_proposer and facts.plan is not None and name == facts.plan.proposed_by:
        raise GateRefused(f"`{name}` proposed this plan and may not approve it.", code="proposer-approves")


def _method_sufficient(facts: Facts) -> None:
    needed, given = facts.requirement.method, facts.evidence.method
    if given.rank < needed.rank:
        raise GateRefused(_too_weak(given, needed), code="method-insufficient")
    name = _claimed(facts)
    if given not in facts.approvers[name].methods:
        raise GateRefused(f"`{name}` may not approve by {_WORDS[given]}.", code="method-insufficient")


def _answer_sufficient(facts: Facts) -> None:
    needed, given = facts.requirement.method, facts.evidence.method
    if given.rank < needed.rank:
        how = (
            "type the six digits of your authenticator on the line for the code, or use `signoff answer` "
            "with `--code` or `--sign`"
            if needed is Method.CODE
            else "use `signoff answer` with `--sign`"
        )
        raise GateRefused(
            f"The plan needs {_WORDS[needed]}, and so does an answer to its servers: {how}.",
            code="method-insufficient",
        )
    name = _claimed(facts)
    if given not in facts.approvers[name].methods:
        raise GateRefused(f"`{name}` may not decide by {_WORDS[given]}.", code="method-insufficient")


_WORDS = {
    Method.AUTO: "nothing",
    Method.EDIT: "editing the note",
    Method.CODE: "a one-time code",
    Method.SIGNATURE: "a signature",
}


def _too_weak(given: Method, needed: Method) -> str:
    how = (
        "type the six digits of your authenticator as `approval_code` (set one up with "
        "`signoff approvers add NAME --code`), or sign with `signoff approve --sign`"
        if needed is Method.CODE
        else "sign with `signoff approve --sign`"
    )
    return f"Approving by {_WORDS[given]} is not enough for this plan. It needs {_WORDS[needed]}: {how}."


def _enough_approvers(facts: Facts) -> None:
    missing = missing_approvers(facts)
    if missing:
        raise GateRefused(f"{missing} more approver(s) must agree.", code="approvers-missing")


def _digest_unchanged(facts: Facts) -> None:
    assert facts.plan is not None  # noqa: S101
    assert facts.frozen is not None  # noqa: S101
    if facts.frozen.digest != facts.plan.digest:
        raise GateRefused("The stored content is not what was shown for approval.", code="digest-changed")
    if facts.note is None:
        raise GateRefused("The note of this plan is gone.", code="revoked")
    if facts.note.problem:
        raise GateRefused(f"The note cannot be read any more: {facts.note.problem}", code="digest-changed")
    if facts.note.digest != facts.plan.digest:
        raise GateRefused("The note no longer says what was shown for approval.", code="digest-changed")


def _not_denied(facts: Facts) -> None:
    if facts.denied:
        steps = ", ".join(sorted(facts.denied))
        raise GateRefused(f"The policy forbids the call of step {steps}.", code="denied-by-policy")


def _not_expired(facts: Facts) -> None:
    for given in counted_approvals(facts):
        if datetime.fromisoformat(given.expires) <= facts.now:
            ended = moment(given.expires, facts.zone)
            raise GateRefused(f"The approval by {given.approver} ended on {ended}.", code="expired")


def _note_not_expired(facts: Facts) -> None:
    plan = facts.plan
    if plan is not None and plan.expires and datetime.fromisoformat(plan.expires) <= facts.now:
        raise GateRefused(f"The plan expired on {moment(plan.expires, facts.zone)}.", code="expired")


def _dependencies_met(facts: Facts) -> None:
    waits = unmet(facts.dependencies)
    if waits:
        raise GateRefused(waits, code="dependency-unmet")


_CLAIM_CHECKS: tuple[Callable[[Facts], None], ...] = (
    _known_plan,
    _not_consumed,
    _gesture_approves,
    _presented,
    _evidence_valid,
    _approver_known,
    _not_the_proposer,
    _method_sufficient,
    _digest_unchanged,
    _not_denied,
    _note_not_expired,
)

_ADMIT_CHECKS: tuple[Callable[[Facts], None], ...] = (
    _known_plan,
    _live,
    _gesture_stands,
    _enough_approvers,
    _digest_unchanged,
    _not_denied,
    _not_expired,
    _dependencies_met,
)

_ANSWER_CHECKS: tuple[Callable[[Facts], None], ...] = (
    _evidence_valid,
    _approver_known,
    _not_the_proposer,
    _answer_sufficient,
)
