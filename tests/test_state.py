"""The fold: from entries to what is known of every plan."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signoff.ledger.entry import GENESIS, Entry
from signoff.ledger.state import State, fold, history
from signoff.model import FINAL, LIVE, OutcomeClass, PlanState, Status, StepStatus

EVENTS = ["frozen", "presented", "moved", "approved", "started", "intent", "outcome", "step", "resolved",
          "waiting", "returned", "finished", "refused", "daemon-started", "some-later-event"]  # fmt: skip
KEYS = ["path", "title", "steps", "risk", "needs", "proposed_by", "priority", "expires", "replaces", "to",
        "method", "gesture", "note", "complete", "resumed", "class", "reason", "message", "summary", "result",
        "until", "again", "status", "answer", "scheduled"]  # fmt: skip
T0 = "2026-11-20T10:00:00.000Z"
LATER = "2027-11-20T10:00:00.000Z"


def entry(seq: int, event: str, plan: str | None = "p", **fields: Any) -> Entry:
    data = fields.pop("data", {})
    values: dict[str, Any] = dict.fromkeys(("step", "attempt", "server", "tool", "approver", "digest"))
    values |= fields
    return Entry(seq=seq, time=T0, event=event, plan=plan, data=data, prev=GENESIS, hash=GENESIS, **values)


WORDS = st.sampled_from(
    ["", "done", "unknown", "failed", "edit", "nonsense", "happened", T0, "2026-11-20", *StepStatus, *Status]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=6,
)
STEP = st.fixed_dictionaries(
    {"id": st.sampled_from(["a", "b"])},
    optional={"name": JSON, "kept": JSON | st.fixed_dictionaries({"status": WORDS, "attempt": JSON})},
)
MAYBE = st.none() | st.sampled_from(["a", "b"])


@st.composite
def logs(draw: st.DrawFn) -> list[Entry]:
    """Logs that hold anything a newer, older or mad program could have written under valid hashes."""
    entries = []
    for number in range(1, draw(st.integers(0, 25)) + 1):
        data = draw(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4))
        event = draw(st.sampled_from(EVENTS))
        if event == "frozen" and draw(st.booleans()):
            data["steps"] = draw(st.lists(STEP, max_size=3))
        entries.append(
            entry(
                number,
                event,
                draw(st.sampled_from(["p", "q", None])),
                step=draw(MAYBE),
                attempt=draw(st.none() | st.integers(1, 3)),
                server=draw(MAYBE),
                tool=draw(MAYBE),
                approver=draw(MAYBE),
                digest=draw(st.sampled_from(["d1", "d2", None])),
                data=data,
            )
        )
    return entries


@pytest.mark.promise("9")
@settings(max_examples=120, deadline=None)
@given(logs())
def test_no_entry_can_stop_the_fold_and_what_it_makes_can_always_be_compared(entries: list[Entry]) -> None:
    state = fold(entries)
    for plan in state.plans.values():
        assert plan.approvals_end is not None  # every expiry that counts can be compared
        assert all(isinstance(step.status, StepStatus) for step in plan.steps.values())


@pytest.mark.promise("9")
@settings(max_examples=120, deadline=None)
@given(logs(), st.sets(st.integers(0, 24)))
def test_the_state_kept_while_running_is_the_one_folded_at_a_start(
    entries: list[Entry], retired_after: set[int]
) -> None:
    live = State()
    for number, each in enumerate(entries):
        live.apply(each)
        if number in retired_after and each.plan is not None:
            live.retire(each.plan)  # its note was written
    live.retire_all()
    folded = fold(entries)

    assert folded.plans == live.plans
    assert folded.ended == live.ended
    assert (folded.sequence, folded.latest) == (live.sequence, live.latest)


@pytest.mark.promise("9")
@settings(max_examples=80, deadline=None)
@given(logs())
def test_the_history_of_a_plan_is_the_live_state_of_it(entries: list[Entry]) -> None:
    state = State()
    for each in entries:
        state.apply(each)
    for plan_id in ("p", "q"):
        assert history(plan_id, entries) == state.plans.get(plan_id)


# ---------------------------------------------------------------- what single events mean


def frozen(seq: int = 1, digest: str = "d1", **data: Any) -> Entry:
    steps = [{"id": "a", "name": "A", "action": "s.t", "call": "s.t"}, {"id": "b", "action": "s.t"}]
    return entry(seq, "frozen", digest=digest, data={"path": "Inbox/x.md", "steps": steps, **data})


def approved(seq: int, approver: str = "ana", **data: Any) -> Entry:
    said = {"method": "edit", "expires": LATER, "complete": True, **data}
    return entry(seq, "approved", approver=approver, digest="d1", data=said)


def running(*more: Entry) -> PlanState:
    entries = [
        frozen(1),
        entry(2, "presented", digest="d1"),
        approved(3),
        entry(4, "started", digest="d1"),
        entry(5, "intent", step="a", attempt=1, server="s", tool="t"),
        *more,
    ]
    found = history("p", entries)
    assert found is not None
    return found


def outcome(seq: int, kind: str, step: str = "a", **data: Any) -> Entry:
    return entry(seq, "outcome", step=step, attempt=1, data={"class": kind, **data})


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("done", StepStatus.DONE),
        ("refused", StepStatus.FAILED),
        ("transient", StepStatus.FAILED),
        ("authentication", StepStatus.FAILED),
        ("server_error", StepStatus.FAILED),
        ("unknown", StepStatus.UNKNOWN),
        ("a class of tomorrow", StepStatus.UNKNOWN),
    ],
)
def test_an_outcome_that_is_not_followed_by_another_attempt_ends_the_step(
    kind: str, status: StepStatus
) -> None:
    assert running(outcome(6, kind)).steps["a"].status is status


@pytest.mark.parametrize("kind", list(OutcomeClass))
def test_an_outcome_after_which_it_is_tried_again_makes_the_step_wait(kind: OutcomeClass) -> None:
    step = running(outcome(6, kind.value, again=True, until=LATER)).steps["a"]
    assert (step.status, step.until) == (StepStatus.WAITING, LATER)


def test_an_intent_without_an_outcome_is_a_call_under_way() -> None:
    plan = running()
    assert plan.steps["a"].status is StepStatus.RUNNING
    assert plan.steps["a"].attempts[0].outcome is None


@pytest.mark.promise("7")
@pytest.mark.parametrize(
    ("answer", "status"), [("happened", StepStatus.DONE), ("did-not-happen", StepStatus.PENDING)]
)
def test_an_answer_lets_the_plan_go_on(answer: str, status: StepStatus) -> None:
    plan = running(
        outcome(6, "unknown"),
        entry(7, "finished", data={"status": "unknown"}),
        entry(8, "resolved", step="a", approver="ana", data={"answer": answer}),
    )
    assert plan.status is Status.APPROVED
    assert plan.steps["a"].status is status
    assert plan.finished is None


@pytest.mark.promise("1.2")
def test_of_two_answers_to_one_question_the_first_one_counts() -> None:
    plan = running(
        outcome(6, "unknown"),
        entry(7, "resolved", step="a", approver="ana", data={"answer": "happened"}),
        entry(8, "resolved", step="a", data={"answer": "did-not-happen", "via": "verify"}),
    )
    assert plan.steps["a"].status is StepStatus.DONE
    assert plan.steps["a"].attempts[0].resolved == "happened"


@pytest.mark.promise("1.1")
@pytest.mark.parametrize("ended", ["rejected", "cancelled", "expired"])
def test_an_answer_about_a_plan_that_was_turned_down_meanwhile_does_not_bring_it_back_to_life(
    ended: str,
) -> None:
    plan = running(
        outcome(6, "unknown"),
        entry(7, "finished", data={"status": "unknown"}),
        entry(8, "finished", data={"status": ended}),
        entry(9, "resolved", step="a", approver="ana", data={"answer": "did-not-happen"}),
    )
    assert plan.status.value == ended
    assert plan.status in FINAL


@pytest.mark.promise("1.1")
def test_an_answer_about_a_plan_that_waits_for_approval_approves_nothing() -> None:
    plan = running(
        outcome(6, "unknown"),
        entry(7, "returned", data={"reason": "digest-changed"}),
        entry(8, "resolved", step="a", approver="ana", data={"answer": "happened"}),
    )
    assert plan.status is Status.PENDING
    assert plan.approvals == []


@pytest.mark.promise("7")
def test_an_answer_that_was_recorded_just_before_the_question_stopped_the_plan_still_counts() -> None:
    plan = running(
        outcome(6, "unknown"),
        entry(7, "resolved", step="a", approver="ana", data={"answer": "happened"}),
        entry(8, "finished", data={"status": "unknown"}),
    )
    assert plan.status in LIVE


@pytest.mark.promise("6")
@pytest.mark.parametrize("expires", [None, "", "soon", "2027-01-01", "2027-01-01T10:00:00", 5])
def test_an_approval_without_a_readable_expiry_is_no_approval(expires: object) -> None:
    plan = history("p", [frozen(), approved(2, expires=expires)])
    assert plan is not None
    assert plan.approvals == []


@pytest.mark.promise("6")
def test_an_approval_of_another_digest_is_no_approval() -> None:
    plan = history("p", [frozen(), approved(2)._replace(digest="d2")])
    assert plan is not None
    assert (plan.approvals, plan.status) == ([], Status.PENDING)


@pytest.mark.promise("6")
def test_freezing_again_voids_approvals_and_counts_on() -> None:
    plan = history("p", [frozen(), approved(2), frozen(3, digest="d2")])
    assert plan is not None
    assert (plan.approvals, plan.status, plan.presentation) == ([], Status.PENDING, 2)


def test_a_run_that_goes_on_after_a_restart_is_the_same_run() -> None:
    plan = running(entry(6, "started", digest="d1", data={"resumed": True}))
    assert plan.run == 1


@pytest.mark.promise("1.5")
@pytest.mark.parametrize("status", ["waiting", "skipped"])
def test_of_a_step_that_is_looked_at_afresh_nothing_is_said_that_held_before(status: str) -> None:
    before = {"status": status, "reason": "condition-false", "message": "Skipped.", "until": LATER}
    found = fold(
        [
            entry(1, "frozen", digest="d", data={"steps": [{"id": "a"}]}),
            entry(2, "step", step="a", data=before),
            entry(3, "returned", data={"reason": "revoked"}),
        ]
    )
    step = found.plans["p"].steps["a"]
    assert (step.status, step.reason, step.message, step.until) == (StepStatus.PENDING, "", "", None)
