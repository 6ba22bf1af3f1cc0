"""What is decided about a note: every row of the table, and what no row may ever do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.decide import ACTIVE, Do, Known, Seen, decide
from signoff.errors import NoteError
from signoff.gesture import REFUSING, NoteFacts, Stance, stance_on_live, stance_on_pending
from signoff.model import FINAL, LIVE, Folder, Gesture, PlanState, Status

pytestmark = pytest.mark.promise("3")

HOME = {
    Folder.INBOX: "Inbox",
    Folder.PENDING: "Pending_Approval",
    Folder.APPROVED: "Approved",
    Folder.DONE: "Done",
    Folder.FAILED: "Failed",
    Folder.REJECTED: "Rejected",
}
LIES_IN = {
    Status.PENDING: Folder.PENDING,
    **dict.fromkeys(LIVE, Folder.APPROVED),
    Status.DONE: Folder.DONE,
    Status.FAILED: Folder.FAILED,
    Status.UNKNOWN: Folder.FAILED,
    **dict.fromkeys((Status.REJECTED, Status.CANCELLED, Status.EXPIRED), Folder.REJECTED),
}
BROKEN = NoteError("It cannot be read.", code="yaml-broken")


def facts(folder: Folder = Folder.PENDING, status: str | None = "pending", **other: Any) -> NoteFacts:
    gesture = Gesture(status=status, ticked=other.pop("ticked", False), **other.pop("typed", {}))
    fields: dict[str, Any] = {"path": f"{HOME[folder]}/a.md", "sha256": "now", "digest": "d1", **other}
    return NoteFacts(folder=folder, gesture=gesture, **fields)


def seen(folder: Folder = Folder.PENDING, status: str | None = "pending", **other: Any) -> Seen:
    mine = {key: other.pop(key) for key in ("is_plan", "problem", "conflict_copy", "answers") if key in other}
    return Seen(facts(folder, status, **other), **{"is_plan": True, **mine})


def known(status: Status, *, home: Folder | None = None, elsewhere: bool = False, **other: Any) -> Known:
    lies = home or LIES_IN[status]
    path = f"{HOME[lies]}/a.md"
    fields: dict[str, Any] = {"presented": True, **other}
    plan = PlanState("p", "A plan", path, "d1", status, "medium", {}, "2026-11-21T10:00:00Z", **fields)
    return Known(status, None if status in FINAL else plan, path, lies, elsewhere)


def do(what: Seen, about: Known) -> tuple[Do, str]:
    decision = decide(what, about)
    return decision.do, decision.code


# ---------------------------------------------------------------- row by row

NEW = [
    (seen(Folder.INBOX, None), Do.FREEZE, ""),
    (seen(Folder.INBOX, "draft"), Do.FREEZE, ""),
    (seen(Folder.PENDING, "pending"), Do.FREEZE, ""),
    (seen(Folder.INBOX, "approved"), Do.FREEZE, "not-presented"),
    (seen(Folder.INBOX, None, ticked=True), Do.FREEZE, "not-presented"),
    (seen(Folder.APPROVED, None), Do.FREEZE, "not-presented"),
    (seen(Folder.PENDING, "approved"), Do.FREEZE, "not-presented"),
    (seen(Folder.INBOX, "rejected"), Do.NOTHING, ""),
    (seen(Folder.APPROVED, "cancelled"), Do.NOTHING, ""),
    (seen(Folder.INBOX, None, is_plan=False), Do.NOTHING, ""),
    (seen(Folder.INBOX, None, is_plan=False, problem=BROKEN), Do.ASK, "yaml-broken"),
    (seen(Folder.INBOX, "rejected", is_plan=False, problem=BROKEN), Do.NOTHING, ""),
    (seen(Folder.DONE, "approved"), Do.NOTHING, ""),
    (seen(Folder.FAILED, "approved"), Do.NOTHING, ""),
    (seen(Folder.REJECTED, "approved"), Do.NOTHING, ""),
    (seen(Folder.INBOX, "approved", conflict_copy=True), Do.ASK, "conflict-copy"),
    (seen(Folder.INBOX, None, conflict_copy=True, is_plan=False), Do.NOTHING, ""),
    (seen(Folder.DONE, "approved", conflict_copy=True), Do.NOTHING, ""),
]


@pytest.mark.parametrize(("what", "deed", "code"), NEW)
def test_a_note_never_seen_before_is_at_most_frozen(what: Seen, deed: Do, code: str) -> None:
    assert do(what, Known()) == (deed, code)


PENDING = [
    (seen(), {}, Do.PROJECT, ""),
    (seen(status=None), {}, Do.PROJECT, ""),
    (seen(status="yes"), {}, Do.PROJECT, ""),
    (seen(status="approved"), {}, Do.CLAIM, ""),
    (seen(ticked=True), {}, Do.CLAIM, ""),
    (seen(Folder.APPROVED), {}, Do.CLAIM, ""),
    (seen(Folder.APPROVED, "approved"), {}, Do.CLAIM, ""),
    (seen(Folder.APPROVED, "draft"), {}, Do.PRESENT, "refused-by-gesture"),
    (seen(Folder.APPROVED, "expired"), {}, Do.PRESENT, "refused-by-gesture"),
    (seen(Folder.APPROVED, "rejected"), {}, Do.REJECT, "refused-by-gesture"),
    (seen(Folder.APPROVED, "cancelled"), {}, Do.CANCEL, "refused-by-gesture"),
    (seen(status="rejected", ticked=True), {}, Do.REJECT, "refused-by-gesture"),
    (seen(Folder.REJECTED), {}, Do.REJECT, "refused-by-gesture"),
    (seen(Folder.REJECTED, "approved", ticked=True), {}, Do.REJECT, "refused-by-gesture"),
    (seen(Folder.DONE), {}, Do.CANCEL, "refused-by-gesture"),
    (seen(Folder.FAILED, "approved"), {}, Do.CANCEL, "refused-by-gesture"),
    (seen(status="draft"), {}, Do.PROJECT, ""),
    (seen(Folder.INBOX, "approved"), {}, Do.PRESENT, ""),
    (seen(status="approved"), {"presented": False}, Do.PRESENT, ""),
    (seen(digest="d2"), {}, Do.FREEZE, ""),
    (seen(expires_at="2027-01-01T00:00:00+00:00"), {}, Do.FREEZE, ""),
    (seen(expires_at="2027-01-01T00:00:00+00:00"), {"expires": "2027-01-01T00:00:00+00:00"}, Do.PROJECT, ""),
    (seen(status="approved", expires_at="2027-01-01T00:00:00+00:00"), {}, Do.CLAIM, ""),
    (seen(status="approved", digest="d2"), {}, Do.FREEZE, "digest-changed"),
    (seen(Folder.APPROVED, digest="d2"), {}, Do.FREEZE, "digest-changed"),
    (seen(status="approved", digest="d2"), {"presented": False}, Do.FREEZE, ""),
    (seen(status="approved", problem=BROKEN, digest=None), {}, Do.ASK, "yaml-broken"),
    (seen(status="approved", is_plan=False, digest=None), {}, Do.ASK, "no-action"),
]


@pytest.mark.parametrize(("what", "plan", "deed", "code"), PENDING)
def test_a_plan_that_waits_is_claimed_only_by_a_gesture_on_what_was_shown(
    what: Seen, plan: dict[str, Any], deed: Do, code: str
) -> None:
    assert do(what, known(Status.PENDING, **plan)) == (deed, code)


STATUS = {"gesture_at_approval": "status", "note_at_approval": "then"}
MOVE = {"gesture_at_approval": "move", "note_at_approval": "then"}
TICK = {"gesture_at_approval": "tick", "note_at_approval": "then"}
COMMAND = {"gesture_at_approval": "command", "note_at_approval": "then"}
RUNNING = [
    (seen(Folder.APPROVED, "running"), STATUS, Do.PROJECT, ""),
    (seen(Folder.APPROVED, "done"), STATUS, Do.PROJECT, ""),
    (seen(Folder.APPROVED, None), STATUS, Do.PROJECT, ""),
    (seen(Folder.APPROVED, "pending"), STATUS, Do.WITHDRAW, "revoked"),
    (seen(Folder.APPROVED, "draft"), STATUS, Do.WITHDRAW, "revoked"),
    (seen(Folder.APPROVED, "pending", sha256="then"), MOVE, Do.PROJECT, ""),
    (seen(Folder.PENDING, "pending", sha256="then"), MOVE, Do.WITHDRAW, "revoked"),
    (seen(Folder.PENDING, "approved", sha256="then"), STATUS, Do.PROJECT, ""),
    (seen(Folder.PENDING, "approved", sha256="then", moved_out=True), STATUS, Do.WITHDRAW, "revoked"),
    (seen(Folder.PENDING, "running", moved_out=True), STATUS, Do.WITHDRAW, "revoked"),
    (seen(Folder.PENDING, "pending"), STATUS, Do.WITHDRAW, "revoked"),
    (seen(Folder.PENDING, "pending"), COMMAND, Do.PROJECT, ""),
    (seen(Folder.PENDING, "pending", ticked=True), TICK, Do.PROJECT, ""),
    (seen(Folder.APPROVED, "running"), TICK, Do.WITHDRAW, "revoked"),
    (seen(Folder.INBOX, "approved"), STATUS, Do.WITHDRAW, "revoked"),
    (seen(Folder.APPROVED, "rejected"), STATUS, Do.REJECT, "refused-by-gesture"),
    (seen(Folder.APPROVED, "cancelled"), STATUS, Do.CANCEL, "refused-by-gesture"),
    (seen(Folder.REJECTED, "approved", sha256="then"), STATUS, Do.REJECT, "refused-by-gesture"),
    (seen(Folder.DONE, "running"), STATUS, Do.REJECT, "refused-by-gesture"),
    (seen(Folder.FAILED, "running"), STATUS, Do.REJECT, "refused-by-gesture"),
    (seen(Folder.APPROVED, "running", digest="d2"), STATUS, Do.WITHDRAW, "digest-changed"),
    (seen(Folder.APPROVED, "running", digest=None, problem=BROKEN), STATUS, Do.WITHDRAW, "digest-changed"),
]


@pytest.mark.parametrize("status", sorted(LIVE))
@pytest.mark.parametrize(("what", "plan", "deed", "code"), RUNNING)
def test_a_plan_that_runs_stops_for_whatever_speaks_against_it(
    what: Seen, plan: dict[str, Any], deed: Do, code: str, status: Status
) -> None:
    assert do(what, known(status, home=Folder.PENDING, **plan)) == (deed, code)


def test_a_plan_that_goes_on_after_an_answer_is_not_refused_by_the_folder_it_still_lies_in() -> None:
    answered = known(Status.APPROVED, home=Folder.FAILED, **MOVE)
    assert do(seen(Folder.FAILED, "unknown"), answered) == (Do.PROJECT, "")
    assert do(seen(Folder.FAILED, "pending"), answered) == (Do.WITHDRAW, "revoked")


STOPPED = [
    (Status.FAILED, seen(Folder.FAILED, "failed"), Folder.FAILED, Do.PROJECT, ""),
    (Status.FAILED, seen(Folder.FAILED, "approved"), Folder.FAILED, Do.PROJECT, "consumed"),
    (Status.FAILED, seen(Folder.INBOX, "failed"), Folder.FAILED, Do.RETRY, ""),
    (Status.FAILED, seen(Folder.APPROVED, "failed"), Folder.FAILED, Do.RETRY, ""),
    (Status.FAILED, seen(Folder.INBOX, None, problem=BROKEN), Folder.FAILED, Do.ASK, "yaml-broken"),
    (Status.FAILED, seen(Folder.REJECTED, "failed"), Folder.FAILED, Do.CANCEL, "refused-by-gesture"),
    # approved by a move, and failed before the daemon wrote anything into the note
    (Status.FAILED, seen(Folder.APPROVED, "pending"), Folder.PENDING, Do.PROJECT, ""),
    (Status.FAILED, seen(Folder.PENDING, "approved"), Folder.PENDING, Do.PROJECT, ""),
    (Status.UNKNOWN, seen(Folder.INBOX, "unknown"), Folder.FAILED, Do.PROJECT, "outcome-unknown"),
    (Status.UNKNOWN, seen(Folder.FAILED, answers=(("a", "happened"),)), Folder.FAILED, Do.RESOLVE, ""),
    (Status.UNKNOWN, seen(Folder.FAILED, "approved"), Folder.FAILED, Do.PROJECT, "consumed"),
]


@pytest.mark.parametrize(("status", "what", "home", "deed", "code"), STOPPED)
def test_a_plan_that_stopped_is_shown_again_only_when_it_is_taken_out_of_the_failed_ones(
    status: Status, what: Seen, home: Folder, deed: Do, code: str
) -> None:
    assert do(what, known(status, home=home)) == (deed, code)


ENDED = [
    (Status.DONE, seen(Folder.DONE, "done"), Folder.DONE, Do.PROJECT, ""),
    (Status.DONE, seen(Folder.DONE, "approved"), Folder.DONE, Do.PROJECT, "consumed"),
    (Status.DONE, seen(Folder.APPROVED, "done"), Folder.DONE, Do.PROJECT, "consumed"),
    (Status.DONE, seen(Folder.INBOX, None), Folder.DONE, Do.PROJECT, "consumed"),
    (Status.DONE, seen(Folder.INBOX, None, digest="d2"), Folder.DONE, Do.PROJECT, "consumed"),
    # it ran so fast that the note still says what its person wrote
    (Status.DONE, seen(Folder.PENDING, "approved"), Folder.PENDING, Do.PROJECT, ""),
    (Status.DONE, seen(Folder.APPROVED, "pending"), Folder.PENDING, Do.PROJECT, ""),
    (Status.REJECTED, seen(Folder.REJECTED, "rejected"), Folder.REJECTED, Do.PROJECT, ""),
    (Status.REJECTED, seen(Folder.REJECTED, "approved"), Folder.REJECTED, Do.PROJECT, ""),
    (Status.REJECTED, seen(Folder.INBOX, "rejected"), Folder.REJECTED, Do.FREEZE, ""),
    (Status.REJECTED, seen(Folder.APPROVED, "rejected"), Folder.REJECTED, Do.FREEZE, ""),
    (Status.REJECTED, seen(Folder.INBOX, "cancelled"), Folder.REJECTED, Do.PROJECT, ""),
    (Status.EXPIRED, seen(Folder.INBOX, "expired"), Folder.REJECTED, Do.FREEZE, ""),
    (Status.CANCELLED, seen(Folder.INBOX, "cancelled"), Folder.REJECTED, Do.FREEZE, ""),
    (Status.REJECTED, seen(Folder.INBOX, None, problem=BROKEN), Folder.REJECTED, Do.ASK, "yaml-broken"),
    # rejected in the very note that had been moved to the approved ones: it stays rejected
    (Status.REJECTED, seen(Folder.APPROVED, "rejected"), Folder.PENDING, Do.PROJECT, ""),
]


@pytest.mark.parametrize(("status", "what", "home", "deed", "code"), ENDED)
def test_a_plan_that_ended_is_brought_back_only_by_a_person_and_never_when_it_is_done(
    status: Status, what: Seen, home: Folder, deed: Do, code: str
) -> None:
    assert do(what, known(status, home=home)) == (deed, code)


@pytest.mark.parametrize(
    ("status", "code"),
    [(Status.DONE, "consumed"), (Status.REJECTED, "consumed"), (Status.FAILED, "consumed"),
     (Status.PENDING, "duplicate-id"), (Status.RUNNING, "duplicate-id")],
)  # fmt: skip
def test_a_copy_is_told_why_it_does_not_run(status: Status, code: str) -> None:
    assert do(seen(Folder.APPROVED, "approved"), known(status, elsewhere=True)) == (Do.ASK, code)
    assert do(seen(Folder.DONE, "approved"), known(status, elsewhere=True)) == (Do.NOTHING, "")


# ---------------------------------------------------------------- what never happens

statuses = st.sampled_from(
    [None, "", "approved", "pending", *sorted(REFUSING), "draft", "expired", "running", "yes"]
)
notes = st.builds(
    lambda folder, status, ticked, digest, sha, moved, renamed, code: NoteFacts(
        path=f"{HOME[folder]}/{'b' if renamed else 'a'}.md",
        folder=folder,
        gesture=Gesture(status=status, ticked=ticked, approval_code=code),
        sha256=sha,
        digest=digest,
        moved_out=moved,
    ),
    st.sampled_from(Folder),
    statuses,
    st.booleans(),
    st.sampled_from(["d1", "d2"]),
    st.sampled_from(["now", "then"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, "123456"]),
)
sights = st.builds(
    lambda note, plan, broken, copy, answers: Seen(
        replace(note, digest=None) if broken or not plan else note,
        plan,
        BROKEN if broken else None,
        copy,
        answers,
    ),
    notes,
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from([(), (("a", "happened"),)]),
)
plans = st.builds(
    lambda status, home, elsewhere, presented, gesture, at: known(
        status,
        home=home,
        elsewhere=elsewhere,
        presented=presented,
        gesture_at_approval=gesture,
        note_at_approval=at,
    ),
    st.sampled_from([status for status in Status if status is not Status.DRAFT]),
    st.sampled_from(Folder),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, "status", "tick", "move", "command", "evidence", "policy"]),
    st.sampled_from([None, "then"]),
)
anything = st.one_of(st.just(Known()), plans)


@pytest.mark.promise("1.1")
@given(sights, anything)
def test_only_a_gesture_on_exactly_what_was_shown_is_ever_claimed(what: Seen, about: Known) -> None:
    if decide(what, about).do is not Do.CLAIM:
        return
    assert about.plan is not None
    assert about.status is Status.PENDING
    assert stance_on_pending(what.facts) is Stance.APPROVES
    assert what.facts.digest == about.plan.digest
    assert about.plan.presented
    assert what.facts.folder in {Folder.PENDING, Folder.APPROVED}
    assert what.is_plan
    assert what.problem is None


@pytest.mark.promise("1.2")
@given(sights, anything)
def test_a_plan_that_is_done_is_never_frozen_or_claimed_again(what: Seen, about: Known) -> None:
    if about.status is Status.DONE:
        assert decide(what, about).do in {Do.NOTHING, Do.ASK, Do.PROJECT}


@given(sights, anything)
def test_an_ended_plan_is_frozen_only_when_a_person_took_it_from_where_it_was_put(
    what: Seen, about: Known
) -> None:
    if about.status in FINAL and decide(what, about).do is Do.FREEZE:
        assert about.home is Folder.REJECTED
        assert what.facts.folder in ACTIVE


@pytest.mark.promise("1.2")
@given(sights, anything)
def test_a_copy_is_never_more_than_told_so(what: Seen, about: Known) -> None:
    if what.conflict_copy or about.original_elsewhere:
        assert decide(what, about).do in {Do.NOTHING, Do.ASK}


@given(sights, anything)
def test_a_refusal_wins_over_every_approving_gesture(what: Seen, about: Known) -> None:
    refuses = what.facts.gesture.status in REFUSING or what.facts.folder is Folder.REJECTED
    if refuses and about.status in LIVE | {Status.PENDING}:
        own = not what.conflict_copy and not about.original_elsewhere
        deeds = {Do.REJECT, Do.CANCEL} if own else {Do.NOTHING, Do.ASK}
        assert decide(what, about).do in deeds


@given(sights, anything)
def test_outside_the_active_folders_nothing_is_frozen_claimed_or_asked(what: Seen, about: Known) -> None:
    if what.facts.folder not in ACTIVE and about.status not in {Status.PENDING, *LIVE}:
        assert decide(what, about).do in {Do.NOTHING, Do.PROJECT, Do.CANCEL, Do.RESOLVE}


@given(notes, plans)
def test_a_live_note_is_projected_only_while_its_approval_stands(note: NoteFacts, about: Known) -> None:
    if about.status not in LIVE or about.original_elsewhere or about.plan is None:
        return
    decision = decide(Seen(note, is_plan=True), about)
    stands = stance_on_live(note, about.plan) is Stance.APPROVES and note.digest == about.plan.digest
    assert (decision.do is Do.PROJECT) == stands


@pytest.mark.promise("1.1")
@given(notes)
def test_what_is_left_of_used_evidence_is_no_gesture(note: NoteFacts) -> None:
    bare = replace(note, signed=None, gesture=replace(note.gesture, approval_code=None))
    pasted = replace(note, signed="a statement and its signature")
    assert stance_on_pending(pasted, evidence=False) is stance_on_pending(bare)
