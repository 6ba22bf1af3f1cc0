"""The gate: each check with its code, in its order, and random histories through the real fold."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from signoff.approval import ApprovedPlan, Facts, admit, claim
from signoff.decide import Do, Known, Seen, decide
from signoff.dependencies import Dependency
from signoff.errors import GateRefused
from signoff.evidence import Evidence
from signoff.gesture import NoteFacts
from signoff.ledger.entry import Entry
from signoff.ledger.state import State
from signoff.model import (
    FINAL,
    LIVE,
    Approval,
    Call,
    Folder,
    FrozenPlan,
    FrozenStep,
    Gesture,
    Method,
    PlanState,
    Requirement,
    Status,
)

pytestmark = pytest.mark.promise("6")

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = (NOON + timedelta(hours=1)).isoformat()
PAST = (NOON - timedelta(hours=1)).isoformat()
CALL = Call("mail", "send", {"to": "a@b.c"})
ELSEWHERE = Call("bank", "pay", {})


@dataclass(frozen=True)
class Person:
    name: str
    methods: tuple[Method, ...] = (Method.EDIT, Method.CODE, Method.SIGNATURE)


PEOPLE = {name: Person(name) for name in ("ana", "ben", "eve")}


def content(digest: str = "d1", **other: Any) -> FrozenPlan:
    return FrozenPlan("p", digest, {}, (FrozenStep("a", "send", {}, (CALL,)),), {}, **other)


def note(folder: Folder = Folder.PENDING, status: str | None = "approved", **other: Any) -> NoteFacts:
    typed = {key: other.pop(key) for key in ("ticked", "approved_by") if key in other}
    fields = {"path": "Pending_Approval/a.md", "sha256": "now", "digest": "d1", **other}
    return NoteFacts(folder=folder, gesture=Gesture(status=status, **typed), **fields)


def approval(name: str = "ana", **other: Any) -> Approval:
    fields: dict[str, Any] = {
        "method": Method.EDIT,
        "time": NOON.isoformat(),
        "expires": LATER,
        "digest": "d1",
        "presentation": 1,
        **other,
    }
    return Approval(name, **fields)


def waiting(**plan: Any) -> PlanState:
    fields: dict[str, Any] = {"status": Status.PENDING, "presented": True, **plan}
    status = fields.pop("status")
    return PlanState("p", "A plan", "Pending_Approval/a.md", "d1", status, "medium", {}, "", **fields)


def running(**plan: Any) -> PlanState:
    fields = {"approvals": [approval()], "gesture_at_approval": "status", **plan}
    return waiting(status=fields.pop("status", Status.RUNNING), **fields)


def facts(plan: PlanState | None, said: NoteFacts | None, **other: Any) -> Facts:
    fields: dict[str, Any] = {
        "frozen": content(),
        "requirement": Requirement(),
        "approvers": PEOPLE,
        "default_approver": "ana",
        "now": NOON,
        **other,
    }
    return Facts(plan=plan, note=said, **fields)


def test_a_gesture_on_what_was_shown_is_an_approval_of_the_named_or_the_default_approver() -> None:
    assert claim(facts(waiting(), note())).approver == "ana"
    assert claim(facts(waiting(), note(approved_by="ben"))).approver == "ben"
    assert claim(facts(waiting(), note(Folder.APPROVED, "pending"))).gesture == "move"
    assert claim(facts(waiting(), note(status="pending", ticked=True))).gesture == "tick"
    assert claim(facts(waiting(), note(status="pending"), by="ben")).gesture == "command"


TWO = Requirement(approvers=2)
OTHERS = Requirement(allow_proposer=False)
USED = Evidence(Method.CODE, problem=("evidence-invalid", "It was used before."))
TWICE = [approval(), approval("ben", expires=PAST)]
CLAIMS: list[tuple[str, Facts]] = [
    ("unknown-plan", facts(None, note())),
    ("unknown-plan", facts(waiting(), note(), frozen=None)),
    ("consumed", facts(running(), note())),
    ("consumed", facts(waiting(status=Status.DONE), note())),
    ("no-gesture", facts(waiting(), None)),
    ("no-gesture", facts(waiting(), note(status="pending"))),
    ("refused-by-gesture", facts(waiting(), note(status="rejected", ticked=True))),
    ("refused-by-gesture", facts(waiting(), note(Folder.APPROVED, "draft"))),
    ("refused-by-gesture", facts(waiting(), note(Folder.REJECTED))),
    ("not-presented", facts(waiting(presented=False), note())),
    ("not-presented", facts(waiting(spent=frozenset({"now"})), note())),
    ("evidence-invalid", facts(waiting(), note(), evidence=USED)),
    ("unknown-approver", facts(waiting(), note(approved_by="stranger"))),
    ("unknown-approver", facts(waiting(), note(), default_approver=None)),
    ("approver-not-allowed", facts(waiting(), note(), requirement=Requirement(who=frozenset({"ben"})))),
    ("proposer-approves", facts(waiting(proposed_by="ana"), note(), requirement=OTHERS)),
    ("method-insufficient", facts(waiting(), note(), requirement=Requirement(method=Method.CODE))),
    ("method-insufficient", facts(waiting(), note(), approvers={"ana": Person("ana", (Method.CODE,))})),
    ("digest-changed", facts(waiting(), note(digest="d2"))),
    ("digest-changed", facts(waiting(), note(digest=None, problem="broken"))),
    ("digest-changed", facts(waiting(), note(), frozen=content("d2"))),
    ("denied-by-policy", facts(waiting(), note(), denied=frozenset({"a"}))),
    ("expired", facts(waiting(expires=PAST), note())),
]  # fmt: skip


@pytest.mark.promise("1.1")
@pytest.mark.parametrize(("code", "what"), CLAIMS)
def test_each_claim_is_refused_under_its_own_code(code: str, what: Facts) -> None:
    with pytest.raises(GateRefused) as refused:
        claim(what)
    assert refused.value.code == code
    assert refused.value.message


def test_claims_are_checked_in_the_order_of_the_specification() -> None:
    """Everything is wrong at once; each mended in turn, the next check speaks."""
    bad = facts(
        None,
        note(Folder.PENDING, "rejected", digest="d2", approved_by="stranger"),
        denied=frozenset({"a"}),
        requirement=Requirement(method=Method.CODE, allow_proposer=False),
    )
    plan = running(presented=False, proposed_by="ana", expires=PAST)
    said = bad.note
    assert said is not None
    mends: list[Facts] = [bad]
    mends.append(bad := replace(bad, plan=plan))
    mends.append(bad := replace(bad, plan=(plan := replace(plan, status=Status.PENDING))))
    mends.append(bad := replace(bad, note=(said := note(digest="d2", approved_by="stranger"))))
    mends.append(bad := replace(bad, plan=(plan := replace(plan, presented=True))))
    mends.append(bad := replace(bad, note=(said := note(digest="d2"))))
    mends.append(bad := replace(bad, plan=(plan := replace(plan, proposed_by="agent"))))
    mends.append(bad := replace(bad, requirement=Requirement()))
    mends.append(bad := replace(bad, note=note()))
    mends.append(bad := replace(bad, denied=frozenset()))
    codes = []
    for mended in mends:
        with pytest.raises(GateRefused) as refused:
            claim(mended)
        codes.append(refused.value.code)
    assert codes == [
        *("unknown-plan", "consumed", "refused-by-gesture", "not-presented", "unknown-approver"),
        *("proposer-approves", "method-insufficient", "digest-changed", "denied-by-policy", "expired"),
    ]
    assert claim(replace(bad, plan=replace(plan, expires=None))).approver == "ana"


LIVE_NOTE = note(Folder.APPROVED, "running", path="Approved/a.md")
ADMISSIONS: list[tuple[str, Facts]] = [
    ("unknown-plan", facts(None, LIVE_NOTE)),
    ("unknown-plan", facts(running(), LIVE_NOTE, frozen=None)),
    ("no-gesture", facts(waiting(), LIVE_NOTE)),
    ("consumed", facts(running(status=Status.DONE), LIVE_NOTE)),
    ("consumed", facts(running(status=Status.FAILED), LIVE_NOTE)),
    ("consumed", facts(running(status=Status.UNKNOWN), LIVE_NOTE)),
    ("revoked", facts(running(), None)),
    ("revoked", facts(running(), note(Folder.APPROVED, "pending"))),
    ("revoked", facts(running(), note(Folder.PENDING, "running", moved_out=True))),
    ("revoked", facts(running(gesture_at_approval="move"), note(Folder.PENDING, "pending"))),
    ("refused-by-gesture", facts(running(), note(Folder.APPROVED, "rejected"))),
    ("refused-by-gesture", facts(running(), note(Folder.REJECTED, "running"))),
    ("approvers-missing", facts(running(approvals=[]), LIVE_NOTE)),
    ("approvers-missing", facts(running(), LIVE_NOTE, requirement=TWO)),
    ("approvers-missing", facts(running(approvals=[approval(), approval()]), LIVE_NOTE, requirement=TWO)),
    ("approvers-missing", facts(running(), LIVE_NOTE, approvers={"ben": Person("ben")})),
    ("approvers-missing", facts(running(), LIVE_NOTE, requirement=Requirement(method=Method.CODE))),
    ("approvers-missing", facts(running(), LIVE_NOTE, requirement=Requirement(who=frozenset({"ben"})))),
    ("approvers-missing", facts(running(approvals=[approval(digest="d0")]), LIVE_NOTE)),
    ("approvers-missing", facts(running(presentation=2), LIVE_NOTE)),
    ("approvers-missing", facts(running(proposed_by="ana"), LIVE_NOTE, requirement=OTHERS)),
    ("digest-changed", facts(running(), replace(LIVE_NOTE, digest="d2"))),
    ("digest-changed", facts(running(), replace(LIVE_NOTE, digest=None, problem="broken"))),
    ("digest-changed", facts(running(), LIVE_NOTE, frozen=content("d2"))),
    ("denied-by-policy", facts(running(), LIVE_NOTE, denied=frozenset({"a"}))),
    ("expired", facts(running(approvals=[approval(expires=PAST)]), LIVE_NOTE)),
    ("expired", facts(running(approvals=TWICE), LIVE_NOTE, requirement=TWO)),
    ("dependency-unmet", facts(running(), LIVE_NOTE, dependencies=[Dependency("q", None)])),
    ("dependency-unmet", facts(running(), LIVE_NOTE, dependencies=[Dependency("q", Status.FAILED)])),
]  # fmt: skip


@pytest.mark.promise("1.1")
@pytest.mark.parametrize(("code", "what"), ADMISSIONS)
def test_no_call_is_admitted_against_any_check(code: str, what: Facts) -> None:
    with pytest.raises(GateRefused) as refused:
        admit(what)
    assert refused.value.code == code


@pytest.mark.promise("1.1")
def test_exactly_the_approved_calls_are_admitted_and_only_the_gate_makes_an_approved_plan() -> None:
    approved = admit(facts(running(), LIVE_NOTE))
    assert approved.expires == LATER
    assert [given.approver for given in approved.approvals] == ["ana"]
    for step, call in (("a", ELSEWHERE), ("b", CALL)):
        with pytest.raises(GateRefused) as refused:
            approved.require(step, call)
        assert refused.value.code == "action-outside"
    approved.require("a", CALL)
    with pytest.raises(TypeError):
        ApprovedPlan(object(), content(), (), "")


@pytest.mark.promise("1.1")
def test_a_used_signature_that_still_stands_in_the_note_is_no_edit_that_approves() -> None:
    left = note(status="pending", signed="a statement about another digest")
    with pytest.raises(GateRefused) as refused:
        claim(facts(waiting(), left, evidence=Evidence()))
    assert refused.value.code == "no-gesture"


# ---------------------------------------------------------------- random histories

statuses = st.sampled_from(
    ["approved", "pending", "rejected", "cancelled", "draft", "expired", "running", None]
)
folders = st.sampled_from(Folder)
NAMES = {kind: f"{kind.value}/a.md" for kind in Folder}


@dataclass(frozen=True)
class Paper:
    """A note as it lies on disk: what it asks for, and what it says."""

    folder: Folder = Folder.INBOX
    version: int = 1
    status: str | None = None
    ticked: bool = False
    by: str | None = None
    shows: int = 0

    @property
    def sha(self) -> str:
        return f"{self.version}-{self.status}-{self.ticked}-{self.by}-{self.shows}"


class History(RuleBasedStateMachine):
    """A person, an agent, a sync tool and a clock against the real decisions, the real gate, the real fold.

    The machine carries out decisions as the daemon does. What it checks, it knows by itself: from the order
    of what was recorded, not from what the gate looks at.
    """

    def __init__(self) -> None:
        super().__init__()
        self.state = State()
        self.paper: Paper | None = Paper()
        self.former: list[Paper] = []
        self.clock = NOON
        self.sequence = 0
        self.requirement = Requirement()
        self.people = dict(PEOPLE)
        self.denied: frozenset[str] = frozenset()
        self.shows = itertools.count(1)
        # what this machine knows by itself
        self.frozen_version = 0
        self.shown = False
        self.granted: dict[str, str] = {}
        self.latest = NOON

    # ------------------------------------------------------------ the world

    @rule(version=st.integers(1, 3))
    def somebody_edits(self, version: int) -> None:
        self.save(version=version)

    @rule(status=statuses, ticked=st.booleans(), by=st.sampled_from([None, "ana", "ben", "eve", "stranger"]))
    def somebody_writes_properties(self, status: str | None, ticked: bool, by: str | None) -> None:
        self.save(status=status, ticked=ticked, by=by)

    @rule(version=st.integers(1, 3), by=st.sampled_from([None, "ben"]))
    def an_edit_and_an_approval_arrive_in_one_write(self, version: int, by: str | None) -> None:
        self.save(version=version, status="approved", by=by)

    @rule(by=st.sampled_from([None, "ana", "ben", "eve"]))
    def a_person_approves(self, by: str | None) -> None:
        self.save(status="approved", by=by)

    @rule(folder=folders)
    def somebody_moves_it(self, folder: Folder) -> None:
        self.save(folder=folder)

    @rule()
    def somebody_deletes_it(self) -> None:
        self.paper = None

    @rule(data=st.data())
    @precondition(lambda self: bool(self.former))
    def a_stale_buffer_is_written(self, data: st.DataObject) -> None:
        old = data.draw(st.sampled_from(self.former))
        self.paper = replace(old, folder=self.paper.folder if self.paper else old.folder)

    @rule(hours=st.integers(-50, 30))
    def the_clock_is_set(self, hours: int) -> None:
        self.clock += timedelta(hours=hours)
        self.latest = max(self.latest, self.clock) if self.sequence == 0 else self.latest

    @rule(
        approvers=st.integers(1, 2),
        allow=st.booleans(),
        who=st.sampled_from([None, frozenset({"ben", "eve"})]),
    )
    def the_policy_changes(self, approvers: int, allow: bool, who: frozenset[str] | None) -> None:
        self.requirement = Requirement(approvers=approvers, allow_proposer=allow, ttl=24 * 3600, who=who)

    @rule(step=st.sampled_from([frozenset(), frozenset({"a"})]))
    def the_policy_denies(self, step: frozenset[str]) -> None:
        self.denied = step

    @rule(name=st.sampled_from(sorted(PEOPLE)))
    def an_approver_comes_or_goes(self, name: str) -> None:
        if name in self.people:
            del self.people[name]
        else:
            self.people[name] = PEOPLE[name]

    @rule()
    @precondition(lambda self: "p" in self.state.plans and self.state.plans["p"].status in FINAL)
    def the_story_begins_anew(self) -> None:
        """Another plan; the people, the policy and the clock stay as they are."""
        self.state.plans.clear()
        self.paper, self.former, self.granted = Paper(), [], {}

    # ------------------------------------------------------------ the daemon

    @rule()
    def the_daemon_looks(self) -> None:
        if self.paper is None:
            return
        seen = Seen(self.note(), is_plan=True)
        decision = decide(seen, self.known())
        deed = {
            Do.FREEZE: self.freeze,
            Do.RETRY: self.freeze,
            Do.PRESENT: self.present,
            Do.CLAIM: self.claim,
            Do.REJECT: lambda: self.end("rejected"),
            Do.CANCEL: lambda: self.end("cancelled"),
            Do.WITHDRAW: self.give_back,
            Do.PROJECT: self.project,
        }.get(decision.do)
        if deed is not None:
            deed()

    @rule(by=st.sampled_from([None, "ana", "ben"]))
    def a_person_approves_what_the_daemon_showed(self, by: str | None) -> None:
        """The main road, so that histories reach what lies behind it."""
        self.the_daemon_looks()
        self.a_person_approves(by)
        self.the_daemon_looks()
        self.a_call_is_asked_for(ends=False)

    @rule(ends=st.sampled_from([False, False, False, False, True]))
    def a_call_is_asked_for(self, ends: bool) -> None:
        if "p" not in self.state.plans:
            return
        try:
            admit(self.facts()).require("a", CALL)
        except GateRefused:
            return
        self.must_be_right()
        self.record("started")
        if ends:
            self.record("finished", status="done")

    def must_be_right(self) -> None:
        """What the promise says, from what this machine knows by itself."""
        paper, now = self.paper, max(self.clock, self.latest)
        assert paper is not None
        assert paper.version == self.frozen_version
        assert paper.folder not in {Folder.REJECTED, Folder.INBOX, Folder.DONE, Folder.FAILED}
        assert paper.status not in {"rejected", "cancelled"}
        assert not self.denied
        good = [
            name
            for name, until in self.granted.items()
            if name in self.people
            and datetime.fromisoformat(until) > now
            and (self.requirement.who is None or name in self.requirement.who)
            and (self.requirement.allow_proposer or name != "eve")
        ]
        assert len(good) >= self.requirement.approvers

    @invariant()
    def nothing_is_approved_that_was_not_granted(self) -> None:
        plan = self.state.plans.get("p")
        if plan is not None and plan.status in LIVE:
            assert self.granted
            assert {given.approver for given in plan.approvals} == set(self.granted)

    # ------------------------------------------------------------ how the daemon does things

    def freeze(self) -> None:
        assert self.paper is not None
        before = self.state.plans.get("p")
        spent = {self.paper.sha, *(before.spent if before else ())}
        if (
            before is not None
            and before.note_at_approval
            and before.gesture_at_approval in {"status", "tick"}
        ):
            spent.add(before.note_at_approval)
        self.frozen_version, self.shown, self.granted = self.paper.version, False, {}
        self.record(
            "frozen",
            path=NAMES[self.paper.folder],
            title="A plan",
            steps=[{"id": "a", "name": "A", "action": "send", "call": "mail.send"}],
            proposed_by="eve",
            spent=sorted(spent),
        )
        self.present()

    def present(self) -> None:
        self.project()
        self.shown = True
        self.record("presented")

    def claim(self) -> None:
        assert self.paper is not None
        try:
            passed = claim(self.facts())
        except GateRefused:
            self.project()
            return
        assert self.shown
        assert self.paper.version == self.frozen_version
        until = (max(self.clock, self.latest) + timedelta(hours=24)).isoformat()
        others = set(self.granted) - {passed.approver}
        self.granted[passed.approver] = until
        self.record(
            "approved",
            approver=passed.approver,
            method="edit",
            gesture=passed.gesture,
            expires=until,
            note=self.paper.sha,
            complete=len(others) + 1 >= self.requirement.approvers,
        )
        self.project()

    def end(self, status: str) -> None:
        self.granted = {}
        self.record("finished", status=status)
        self.project()

    def give_back(self) -> None:
        self.granted, self.shown = {}, False
        self.record("returned", reason="revoked")

    def project(self) -> None:
        plan = self.state.plans["p"]
        assert self.paper is not None
        home = {
            Status.PENDING: Folder.PENDING,
            Status.DONE: Folder.DONE,
            **dict.fromkeys(LIVE, Folder.APPROVED),
        }.get(plan.status, Folder.REJECTED)
        ticked = self.paper.ticked and plan.status is not Status.PENDING
        self.save(folder=home, status=plan.status.value, ticked=ticked, shows=next(self.shows))
        self.record("moved", to=NAMES[home])

    # ------------------------------------------------------------ tools

    def save(self, **changes: Any) -> None:
        self.paper = replace(self.paper or Paper(folder=Folder.PENDING), **changes)
        self.former = [*self.former, self.paper][-6:]

    def record(self, event: str, approver: str | None = None, **data: Any) -> None:
        self.sequence += 1
        time = self.clock.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.latest = max(self.latest, self.clock)
        digest = f"d{self.frozen_version}"
        self.state.apply(
            Entry(self.sequence, time, event, "p", None, None, None, None, approver, digest, data, "", "")
        )

    def note(self) -> NoteFacts:
        assert self.paper is not None
        plan = self.state.plans.get("p")
        inside = plan is not None and plan.path.startswith("approved/")
        return NoteFacts(
            path=NAMES[self.paper.folder],
            folder=self.paper.folder,
            gesture=Gesture(self.paper.status, self.paper.ticked, self.paper.by),
            sha256=self.paper.sha,
            digest=f"d{self.paper.version}",
            moved_out=inside and self.paper.folder is not Folder.APPROVED,
        )

    def known(self) -> Known:
        plan = self.state.plans.get("p")
        if plan is None:
            return Known()
        home = Folder(plan.path.split("/")[0])
        return Known(plan.status, plan, plan.path, home)

    def facts(self) -> Facts:
        plan = self.state.plans.get("p")
        latest = datetime.fromisoformat(self.state.latest) if self.state.latest else self.clock
        return facts(
            plan,
            self.note() if self.paper else None,
            frozen=content(plan.digest) if plan else None,
            requirement=self.requirement,
            approvers=self.people,
            denied=self.denied,
            now=max(self.clock, latest),
        )


History.TestCase.settings = settings(max_examples=400, stateful_step_count=50, deadline=None)


@pytest.mark.promise("1.1")
class TestNoHistoryLetsACallThroughThatNobodyApproved(History.TestCase):  # type: ignore[misc]
    """Every random history keeps the promise."""


@pytest.mark.promise("1.5")
@pytest.mark.parametrize(
    ("said", "words"),
    [
        (facts(waiting(expires=PAST), note()), "The plan expired on 2026-11-21 12:00 (Europe/Berlin)."),
        (
            facts(running(approvals=[approval(expires=PAST)]), LIVE_NOTE),
            "The approval by ana ended on 2026-11-21 12:00 (Europe/Berlin).",
        ),
    ],
)
def test_a_time_at_which_something_ended_is_said_as_a_person_has_it(said: Facts, words: str) -> None:
    said = replace(said, zone=ZoneInfo("Europe/Berlin"))
    with pytest.raises(GateRefused) as refusal:
        (admit if said.plan is not None and said.plan.status in LIVE else claim)(said)
    assert refusal.value.message == words
