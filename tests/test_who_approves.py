"""Who may approve what by editing a note, under a policy: each refusal says why in the note."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.house import House
from support.project import eventually, plan, record

pytestmark = pytest.mark.promise("6")

SETTINGS = """
[approvers.ana]
default = true
methods = ["edit", "code"]
[approvers.ben]
methods = ["edit"]
[approvers.kim]
methods = ["signature"]
"""
POLICY = """
rules:
  - match: {server: stub, tool: put}
    deny: true
  - match: {server: stub, tool: record}
    limits: "!with.text.startsWith('far too')"
  - match: {server: stub, tool: look}
    risk: low
requires:
  low: {method: edit, presented: false}
  medium: {method: edit, approvers: 2, allow_proposer: false}
  high: {method: code, approvers: 2, allow_proposer: false}
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("who"), settings=SETTINGS)
    made.policy(POLICY)
    try:
        yield made.start()
    finally:
        made.close()


def approve(house: House, word: str, by: str | None = None) -> None:
    note = house.vault / "Pending_Approval" / f"{word}.md"
    house.edit(note, "status: pending", "status: approved" + (f"\napproved_by: {by}" if by else ""))


def test_two_approvers_are_two_people_and_the_note_says_who_is_missing(house: House) -> None:
    word = house.word()
    note = house.shown(word)
    assert "It needs 2 different approvers." in note.read_text()

    approve(house, word)
    house.await_note(note.name, "Pending_Approval", "Still missing: 1 approver.")
    house.await_status(word, "Pending_Approval", "pending")
    told = note.read_text()
    assert "Approved so far by `ana`" in told
    assert "`ben`" in told.split("It can be")[1].split("\n")[0]
    assert house.called(word) == []

    approve(house, word, "ana")  # the same person again is one person
    eventually(lambda: len(house.of(word, "approved")) == 2, "the second gesture is recorded")
    house.await_status(word, "Pending_Approval", "pending")
    house.rest()
    assert house.called(word) == []

    house.edit(note, "approved_by: ana", "approved_by: ben")
    house.approve(note)
    done = house.await_done(word)
    assert len(house.called(word)) == 1
    assert "`ana`" in done.read_text()
    assert "`ben`" in done.read_text()


def test_an_edit_between_two_approvals_voids_the_first(house: House) -> None:
    word = house.word()
    note = house.shown(word)
    approve(house, word)
    house.await_note(note.name, "Pending_Approval", "Still missing: 1 approver.")
    house.edit(note, f"text: {word}", f"text: {word} changed")
    house.await_shown(word, times=2)
    approve(house, word, "ben")
    house.await_note(note.name, "Pending_Approval", "Still missing: 1 approver.")
    house.rest()
    assert house.called(word) == []
    assert "Approved so far by `ben`" in note.read_text()


REFUSED = [
    ("stranger", "", "unknown-approver"),
    ("kim", "", "method-insufficient"),
    ("ana", "proposed_by: ana", "proposer-approves"),
    (None, "proposed_by: ana", "proposer-approves"),
]


@pytest.mark.parametrize(("by", "front", "reason"), REFUSED)
def test_who_may_not_approve_is_refused_in_the_note_and_in_the_ledger(
    house: House, by: str | None, front: str, reason: str
) -> None:
    word = house.word()
    note = house.shown(word, front=front)
    approve(house, word, by)
    house.await_refusal(word, reason)
    house.await_note(note.name, "Pending_Approval", f"({'`' + reason + '`'})")
    house.await_status(word, "Pending_Approval", "pending")
    assert house.called(word) == []
    assert not house.of(word, "approved")


def test_a_destructive_tool_is_not_approved_by_an_edit_and_the_note_says_what_it_needs(house: House) -> None:
    word = house.word()
    note = house.shown(word, steps=(f"action: stub.wipe\nwith:\n  text: {word}\n",))
    assert "risk: high" in note.read_text()
    approve(house, word)
    house.await_refusal(word, "method-insufficient")
    house.await_note(note.name, "Pending_Approval", "method-insufficient")
    house.await_status(word, "Pending_Approval", "pending")
    assert "approval_code" in note.read_text()
    assert "one-time code" in note.read_text()
    assert house.called(word) == []


ASKED = [
    ("action: stub.put\nwith:\n  text: WORD\n", "denied-by-policy"),
    ("action: stub.record\nwith:\n  text: far too WORD\n", "limits-violated"),
]


@pytest.mark.parametrize(("step", "reason"), ASKED)
def test_what_the_rules_forbid_is_not_even_shown_for_approval(house: House, step: str, reason: str) -> None:
    word = house.word()
    house.drop(f"{word}.md", plan(step.replace("WORD", word), front="status: approved"), "Approved")
    house.await_note(f"{word}.md", "Approved", reason)
    house.await_refusal(word, reason)
    house.rest(0.3)
    assert house.called(word) == []
    assert not house.of(word, "frozen")


def test_a_note_that_expired_before_it_came_says_so(house: House) -> None:
    word = house.word()
    house.drop(f"{word}.md", plan(record(word), front="expires: 2020-01-01\nstatus: approved"))
    house.await_note(f"{word}.md", "Inbox", "expired at 2020-01-01")
    assert house.called(word) == []


def test_where_the_policy_says_so_a_plan_need_not_have_been_shown(house: House) -> None:
    word, other = house.word(), house.word()
    step = "action: stub.look\nwith:\n  text: WORD\n"
    house.drop(f"{word}.md", plan(step.replace("WORD", word), front="status: approved"))
    house.drop(f"{other}.md", plan(step.replace("WORD", other), front="status: draft"))
    house.await_done(word)
    house.await_shown(other)
    assert len(house.called(word)) == 1
    assert house.called(other) == []


@pytest.mark.parametrize("how", ["out", "pending"])
def test_a_plan_that_needs_no_approval_does_not_start_again_by_itself_when_it_was_stopped(
    tmp_path: Path, how: str
) -> None:
    house = House(tmp_path)
    house.policy("requires:\n  low: auto\n  medium: auto\n  high: {method: code}\n")
    try:
        house.start()
        word = house.word()
        slow = f"action: stub.slow\nwith:\n  seconds: 1.5\n  text: {word}\n"
        house.drop(f"{word}.md", plan(slow, record(word)))
        house.await_entry("intent")
        note = house.await_status(word, "Approved", "running")
        if how == "out":
            note.rename(house.vault / "Pending_Approval" / note.name)
        else:
            house.edit(note, "status: running", "status: pending")
        back = house.await_note(note.name, "Pending_Approval", "revoked")
        house.await_entry("outcome")
        house.rest(0.6)
        assert [call["tool"] for call in house.called(word)] == ["slow"]

        house.approve(back)
        house.await_done(word)
        assert [call["tool"] for call in house.called(word)] == ["slow", "record"]
    finally:
        house.close()
