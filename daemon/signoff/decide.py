"""What to do about one note, given what it says and what the ledger knows. Pure.

The table below is the daemon's whole policy towards notes. It never looks at anything but its two
arguments, so that every row can be tested without a disk. Three ideas carry it:

* the ledger is right about what happened, the note about what its person wants;
* a plan's own note is the one where it was last seen; another note with its id is a copy;
* only the gate approves: a row says `CLAIM`, never "run".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from signoff.errors import NoteError
from signoff.gesture import REFUSING, NoteFacts, Stance, stance_on_live, stance_on_pending
from signoff.model import FINAL, LIVE, Folder, PlanState, Status, StepStatus

ACTIVE = frozenset({Folder.INBOX, Folder.PENDING, Folder.APPROVED})


class Do(StrEnum):
    """What the daemon does about a note."""

    NOTHING = "nothing"
    ASK = "ask"
    """Write the question or refusal into the note; it stays where it is."""
    FREEZE = "freeze"
    """Freeze what it says now and show it for approval."""
    PRESENT = "present"
    """Show what is frozen for approval (again)."""
    CLAIM = "claim"
    """Ask the gate whether this gesture is an approval."""
    REJECT = "reject"
    CANCEL = "cancel"
    WITHDRAW = "withdraw"
    """Stop a live plan and go back to the person."""
    RETRY = "retry"
    """Present a failed plan again; finished steps stay finished."""
    RESOLVE = "resolve"
    """A person ticked what happened to a call of unknown outcome."""
    ANSWER = "answer"
    """A person answered what a server asks in the middle of a call."""
    PROJECT = "project"
    """Make the note say, and lie, as the ledger has it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a note says now.

    Attributes:
        facts: place, gesture, digest; see `NoteFacts`.
        is_plan: it asks for an action.
        problem: why it cannot be read or bound; None where it can.
        conflict_copy: a sync tool put it aside.
        answers: step to `happened` or `did-not-happen`, as ticked in the daemon's section.
        replies: number of a server's question to `accept`, `decline` or `both`, as ticked there.
    """

    facts: NoteFacts
    is_plan: bool
    problem: NoteError | None = None
    conflict_copy: bool = False
    answers: tuple[tuple[str, str], ...] = ()
    replies: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger knows of the plan whose id the note carries.

    Attributes:
        status: None for a plan never frozen.
        plan: its details; None where it ended long ago or was never frozen.
        path: where its note was last seen.
        home: what the folder of that path is for; None where it is not known.
        original_elsewhere: another note, at that path, still carries the id.
        deleted: it was withdrawn, since there was no note of it any more.
    """

    status: Status | None = None
    plan: PlanState | None = None
    path: str | None = None
    home: Folder | None = None
    original_elsewhere: bool = False
    deleted: bool = False

    def taken_from(self, folder: Folder, facts: NoteFacts) -> bool:
        """Has a person taken the note out of this folder, where it lay, to one where plans are looked at?"""
        return self.home is folder and facts.folder in ACTIVE


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do and, where something is refused, under which code and in which words."""

    do: Do
    code: str = ""
    message: str = ""
    error: NoteError | None = None


NOTHING = Decision(Do.NOTHING)
PROJECT = Decision(Do.PROJECT)


def decide(seen: Seen, known: Known) -> Decision:
    """What to do about a note."""
    if seen.conflict_copy:
        return _conflict_copy(seen)
    if known.status is None:
        return _on_new(seen)
    if known.original_elsewhere:
        return _on_copy(seen, known.status)
    if known.status in FINAL:
        return _on_final(seen, known)
    if known.plan is None:
        return NOTHING
    if known.status is Status.PENDING:
        return _on_pending(seen, known.plan)
    if known.status in LIVE:
        return _on_live(seen, known.plan)
    return _on_stopped(seen, known, known.plan)


def ask(error: NoteError) -> Decision:
    """Write this question into the note."""
    return Decision(Do.ASK, error.code, error.message, error)


def _conflict_copy(seen: Seen) -> Decision:
    if seen.facts.folder not in ACTIVE or not (seen.is_plan or seen.problem):
        return NOTHING
    return ask(
        NoteError(
            "A sync tool made this copy because two edits collided. It never runs.",
            code="conflict-copy",
            hint="Compare it with the original, keep there what you want, and delete this copy.",
        )
    )


def _on_new(seen: Seen) -> Decision:
    facts = seen.facts
    if facts.folder not in ACTIVE or facts.gesture.status in REFUSING:
        return NOTHING
    if seen.problem is not None:
        return ask(seen.problem)
    if not seen.is_plan:
        return NOTHING
    if stance_on_pending(facts) is Stance.APPROVES:
        return Decision(
            Do.FREEZE,
            "not-presented",
            "It arrived already approved. An approval counts only after the preview was shown, "
            "so it is shown now, and nothing was called for it.",
        )
    return Decision(Do.FREEZE)


def _on_copy(seen: Seen, status: Status) -> Decision:
    if seen.facts.folder not in ACTIVE:
        return NOTHING
    if status in FINAL or status in {Status.FAILED, Status.UNKNOWN}:
        error = NoteError(
            f"This is a copy of a plan that is {status.value} already. Its approval has been used: "
            "nothing was called for this copy.",
            code="consumed",
            hint="To make it a plan of its own, delete its line `id:` and move it to the inbox.",
        )
    else:
        error = NoteError(
            "Another note carries the same `id`. Nothing was called for this one.",
            code="duplicate-id",
            hint="Delete this copy, or delete the line `id:` in its properties to make it a plan of its own.",
        )
    return ask(error)


def _on_pending(seen: Seen, plan: PlanState) -> Decision:
    facts = seen.facts
    stance = stance_on_pending(facts)
    if stance is Stance.REFUSES:
        return refused_by_person(facts)
    if facts.folder in {Folder.DONE, Folder.FAILED}:
        return Decision(Do.CANCEL, "refused-by-gesture", "The note was moved away before it was approved.")
    if any(_is_unknown(plan, step) for step, _ in seen.answers):
        return Decision(Do.RESOLVE)
    return _on_waiting(seen, plan, stance)


def _on_waiting(seen: Seen, plan: PlanState, stance: Stance) -> Decision:
    """A pending plan that nobody refused."""
    facts = seen.facts
    if seen.problem is not None:
        return ask(seen.problem)
    if not seen.is_plan:
        return ask(NoteError("This note no longer asks for any action.", code="no-action"))
    if facts.digest != plan.digest:
        if stance is Stance.APPROVES and plan.presented:
            more = "more " if plan.has_begun else ""
            return Decision(
                Do.FREEZE,
                "digest-changed",
                "The plan was changed after it was shown for approval. "
                f"Nothing {more}was called; it is shown anew.",
            )
        return Decision(Do.FREEZE)
    if stance is Stance.SILENT and facts.expires_at != plan.expires:
        return Decision(Do.FREEZE)  # the preview says until when
    if facts.folder is Folder.INBOX or not plan.presented:
        return Decision(Do.PRESENT)
    if stance is Stance.BLOCKED:
        status = facts.gesture.status
        return Decision(
            Do.PRESENT, "refused-by-gesture", f"The status `{status}` in the note does not approve."
        )
    return Decision(Do.CLAIM) if stance is Stance.APPROVES else PROJECT


def _is_unknown(plan: PlanState, step: str) -> bool:
    """Is it not known what became of a call of the plan, so that a person may say it?"""
    known = plan.steps.get(step)
    return known is not None and known.status is StepStatus.UNKNOWN


def refused_by_person(facts: NoteFacts) -> Decision:
    """What follows where a person refused a plan in its note."""
    if facts.gesture.status in {"cancelled", "canceled"}:
        return Decision(Do.CANCEL, "refused-by-gesture", "Cancelled in the note.")
    reason = facts.gesture.rejection_reason
    return Decision(
        Do.REJECT, "refused-by-gesture", f"Rejected: {reason}" if reason else "Rejected in the note."
    )


def _on_live(seen: Seen, plan: PlanState) -> Decision:
    stance = stance_on_live(seen.facts, plan)
    if stance is Stance.REFUSES:
        return refused_by_person(seen.facts)
    if stance is not Stance.APPROVES:
        return Decision(Do.WITHDRAW, "revoked", "The approval was withdrawn in the note.")
    if seen.problem is not None:
        return Decision(
            Do.WITHDRAW, "digest-changed", f"The note cannot be read any more: {seen.problem.message}"
        )
    if seen.facts.digest != plan.digest:
        return Decision(Do.WITHDRAW, "digest-changed", "The plan was changed after it was approved.")
    if seen.replies and _asks(plan) & {number for number, _ in seen.replies}:
        return Decision(Do.ANSWER)
    return PROJECT


def _asks(plan: PlanState) -> set[int]:
    """The numbers of the questions that servers have open."""
    return {question.number for step in plan.steps.values() for question in step.open_questions}


def _on_stopped(seen: Seen, known: Known, plan: PlanState) -> Decision:
    """A plan that failed, or whose outcome is unknown.

    Until its note lies among the failed ones, what the note says is older than the failure.
    """
    facts = seen.facts
    if facts.path != plan.path and facts.folder is Folder.REJECTED:
        return Decision(
            Do.CANCEL, "refused-by-gesture", "Moved to the rejected plans; nothing more is called."
        )
    if seen.answers and plan.status is Status.UNKNOWN:
        return Decision(Do.RESOLVE)
    if known.taken_from(Folder.FAILED, facts):
        if plan.status is Status.UNKNOWN:
            return Decision(
                Do.PROJECT,
                "outcome-unknown",
                "Say first whether the call happened; then the plan goes on by itself.",
            )
        return ask(seen.problem) if seen.problem is not None else Decision(Do.RETRY)
    if facts.gesture.status == "approved" and known.home is Folder.FAILED:
        return Decision(
            Do.PROJECT, "consumed", "The approval of this plan has been used; nothing more was called."
        )
    return PROJECT


def _on_final(seen: Seen, known: Known) -> Decision:
    """A plan that ended for good; until its note lies where it belongs, it says nothing new."""
    facts = seen.facts
    if known.deleted and facts.folder in ACTIVE:
        return _on_new(seen)  # a sync tool or an undo brought it back: it is shown anew
    if known.status is not Status.DONE:
        refused = REFUSING - {str(known.status)}
        if not known.taken_from(Folder.REJECTED, facts) or facts.gesture.status in refused:
            return PROJECT
        return ask(seen.problem) if seen.problem is not None else Decision(Do.FREEZE)
    approved_again = facts.gesture.status == "approved" and known.home is Folder.DONE
    if known.taken_from(Folder.DONE, facts) or approved_again:
        return Decision(
            Do.PROJECT,
            "consumed",
            "This plan has run. Its approval has been used: nothing was called again. To run it again as a "
            "new plan, copy it to the inbox without its `id` line.",
        )
    return PROJECT
