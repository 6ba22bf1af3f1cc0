"""What a person's hand says: the note's place and its status, read as a decision. Pure.

Two gestures approve (status `approved`, or a tick; a move to `Approved/`), two refuse (status
`rejected`, a move to `Rejected/`), and where they disagree the refusal wins. In real vaults the folder
is right and the status is often stale, so a move to `Approved/` approves although the status says
`pending`; a status of `rejected`, `cancelled`, `draft` or `expired` there does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from signoff.model import LIVE, Folder, Gesture, PlanState, Status

REFUSING = frozenset({"rejected", "cancelled", "canceled"})
BLOCKING = frozenset({"draft", "expired"})
STOPPED = frozenset({Status.UNKNOWN.value, Status.FAILED.value})
"""What the daemon itself wrote when the plan stopped; where a person has answered since, it is old."""
STANDING = frozenset({"approved"} | STOPPED | {status.value for status in LIVE})


class Stance(StrEnum):
    """What the note says about the decision."""

    SILENT = "silent"
    APPROVES = "approves"
    BLOCKED = "blocked"
    REFUSES = "refuses"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class NoteFacts:
    """What the gate needs to know of a note at one moment.

    Attributes:
        path, folder: where it lies, relative to the vault, and what that folder is for.
        gesture: what its front matter says.
        sha256: of its bytes.
        digest: of what it would do now; None where it cannot be read as a plan.
        problem: why it cannot be read; empty where it can.
        expires: the author's or approver's text of the expiry.
        expires_at: that moment, in UTC.
        signed: a signed statement pasted into the note, not yet verified; None where there is none.
        moved_out: it lay in `Approved/` when last seen and lies elsewhere now.
    """

    path: str
    folder: Folder
    gesture: Gesture
    sha256: str
    digest: str | None
    problem: str = ""
    expires: str | None = None
    expires_at: str | None = None
    signed: str | None = None
    moved_out: bool = False


def stance_on_pending(note: NoteFacts, *, evidence: bool = True) -> Stance:
    """What the note of a plan that waits for a person says.

    Args:
        note: as it is now.
        evidence: a code or a signature in it counts as a gesture. Where it turned out to be none (used
            before, or about another plan), only the gestures themselves count.
    """
    status = note.gesture.status
    if note.folder is Folder.REJECTED or status in REFUSING:
        return Stance.REFUSES
    given = evidence and (note.gesture.approval_code is not None or note.signed is not None)
    approving = note.folder is Folder.APPROVED or status == "approved" or note.gesture.ticked or given
    if status in BLOCKING:
        return Stance.BLOCKED if approving else Stance.SILENT
    return Stance.APPROVES if approving else Stance.SILENT


def kind_of_gesture(note: NoteFacts) -> str:
    """Which gesture approved: `move`, `status`, `tick`, or the `evidence` alone (a code, a signature)."""
    if note.folder is Folder.APPROVED:
        return "move"
    if note.gesture.status == "approved":
        return "status"
    return "tick" if note.gesture.ticked else "evidence"


def stance_on_live(note: NoteFacts | None, plan: PlanState) -> Stance:
    """What the note of a plan that was approved says now: does the approval stand?

    A note that is byte for byte what it was at the approval withdraws nothing, whatever stale status
    it carries: the daemon has just not written to it yet.
    """
    if note is None:
        return Stance.WITHDRAWN
    status = note.gesture.status
    if note.folder is Folder.REJECTED or status in REFUSING:
        return Stance.REFUSES
    if note.folder in {Folder.DONE, Folder.FAILED}:
        return _stance_where_it_stopped(note, plan)
    if note.moved_out or (plan.gesture_at_approval == "move" and note.folder is not Folder.APPROVED):
        return Stance.WITHDRAWN
    if note.sha256 == plan.note_at_approval:
        return Stance.APPROVES
    if note.folder is Folder.INBOX or (plan.gesture_at_approval == "tick" and not note.gesture.ticked):
        return Stance.WITHDRAWN
    if note.folder is Folder.APPROVED:
        return Stance.WITHDRAWN if status in BLOCKING | {"pending"} else Stance.APPROVES
    stands = status in STANDING or (note.gesture.ticked and status not in BLOCKING)
    elsewhere = plan.gesture_at_approval in {"command", "evidence", "policy"} and status == "pending"
    return Stance.APPROVES if stands or elsewhere else Stance.WITHDRAWN


def _stance_where_it_stopped(note: NoteFacts, plan: PlanState) -> Stance:
    """A live plan's note among the ended ones: put there by a person, or not yet fetched back from there.

    The second is a plan whose last question was just answered, so that it goes on. Where the daemon was
    killed before it recorded that it had moved the note there, its own words in the note tell.
    """
    answered = plan.status is Status.APPROVED and note.folder is Folder.FAILED
    if note.path != plan.path and not (answered and note.gesture.status in STOPPED):
        return Stance.REFUSES
    return Stance.WITHDRAWN if note.gesture.status in BLOCKING | {"pending"} else Stance.APPROVES
