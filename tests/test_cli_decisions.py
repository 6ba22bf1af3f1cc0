"""The commands that decide, with and without a daemon, and how they say no."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.commands import Laid
from support.project import eventually, plan, record


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Laid]:
    laid = Laid(tmp_path / "home")
    yield laid
    laid.close()


@pytest.mark.promise("10")
def test_approving_without_a_daemon_is_recorded_and_takes_effect_when_one_runs(house: Laid) -> None:
    plan_id = house.shown("One.md", plan(record("hello")))

    answer = house.json("approve", plan_id)
    assert answer["ok"] is True
    assert answer["plan"] == plan_id
    assert answer["answered"] is False
    assert answer["request"]
    assert house.calls() == []

    house.worked()
    assert [call["arguments"]["text"] for call in house.calls()] == ["hello"]
    assert (house.vault / "Done" / "One.md").exists()
    shown = house.json("show", plan_id)
    assert shown["status"] == "done"
    assert [given["approver"] for given in shown["approvals"]] == ["ana"]


@pytest.mark.promise("10")
def test_approving_with_a_daemon_is_answered_at_once(house: Laid) -> None:
    house.start()
    house.pending("One.md", plan(record("hello")))

    answer = house.json("approve", "One")
    assert answer["ok"] is True
    assert answer["answered"] is True
    house.await_note("One.md", "Done")
    assert len(house.calls()) == 1

    again = house.json("approve", "One", code=1)
    assert again["ok"] is False
    assert again["reason"] == "consumed"
    assert again["error"]["code"] == "consumed"
    assert len(house.calls()) == 1


@pytest.mark.promise("10")
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["approve", "nobody-knows-it"], "unknown-plan"),
        (["approve", "One", "--as", "mallory"], "unknown-approver"),
        (["resolve", "One", "1", "happened"], "not-unknown"),
        (["resolve", "One", "7", "happened"], "unknown-step"),
        (["retry", "One"], "not-failed"),
    ],
)
def test_what_the_ledger_can_tell_is_refused_at_once_and_leaves_nothing(
    house: Laid, arguments: list[str], reason: str
) -> None:
    house.shown("One.md", plan(record("hello")))

    answer = house.json(*arguments, code=1)
    assert answer["ok"] is False
    assert answer["reason"] == reason
    assert answer["request"] is None
    assert f"({reason})" in house.refused(*arguments)
    folder = house.logs / "requests"
    assert not folder.exists() or not list(folder.iterdir())
    house.worked()
    assert house.calls() == []


@pytest.mark.promise("6")
def test_a_command_alone_does_not_approve_what_needs_a_code(house: Laid) -> None:
    house.policy("requires:\n  medium: {method: code}\n")
    house.shown("One.md", plan(record("hello")))
    assert house.json("approve", "One", code=1)["reason"] == "method-insufficient"
    house.worked()
    assert house.calls() == []


@pytest.mark.promise("6")
def test_the_proposer_may_not_approve_where_the_policy_forbids_it(house: Laid) -> None:
    house.policy("requires:\n  medium: {method: edit, allow_proposer: false}\n")
    house.shown("One.md", plan(record("hello"), front="proposed_by: ana"))
    assert house.json("approve", "One", code=1)["reason"] == "proposer-approves"


def test_a_note_that_says_no_is_not_approved_by_command(house: Laid) -> None:
    house.shown("One.md", plan(record("hello")))
    house.edit(house.vault / "Pending_Approval" / "One.md", "status: pending", "status: rejected")
    assert house.json("approve", "One", code=1)["reason"] == "refused-by-gesture"


def test_rejecting_tells_the_note_and_the_ledger_why(house: Laid) -> None:
    house.shown("One.md", plan(record("hello")))
    assert house.signoff("reject", "One").returncode == 2  # a reason is asked for
    assert house.json("reject", "One", "--reason", "Not this year.")["ok"] is True

    house.worked()
    assert "Not this year." in (house.vault / "Rejected" / "One.md").read_text()
    assert house.json("show", "One")["status"] == "rejected"
    assert house.json("cancel", "One", code=1)["reason"] == "consumed"
    assert house.calls() == []


def test_cancelling_ends_a_plan_that_waits(house: Laid) -> None:
    house.shown("One.md", plan(record("hello")))
    assert house.json("cancel", "One", "--reason", "no need")["ok"] is True
    house.worked()
    assert house.json("show", "One")["status"] == "cancelled"


def test_a_failed_plan_can_be_shown_again_and_keeps_what_is_done(house: Laid) -> None:
    fail = "action: stub.fail\nwith:\n  text: broken\n"
    house.shown("Two.md", plan(record("first"), fail))
    house.json("approve", "Two")
    house.worked()
    shown = house.json("show", "Two")
    assert shown["status"] == "failed"
    assert [step["status"] for step in shown["steps"]] == ["done", "failed"]

    assert house.json("retry", "Two")["ok"] is True
    house.worked()
    again = house.json("show", "Two")
    assert again["status"] == "pending"
    assert [step["status"] for step in again["steps"]] == ["done", "pending"]
    assert len([call for call in house.calls() if call["tool"] == "record"]) == 1


@pytest.mark.promise("7")
@pytest.mark.parametrize(
    ("answer", "status", "calls"), [("happened", "done", 1), ("did-not-happen", "unknown", 2)]
)
def test_a_person_resolves_a_call_of_unknown_outcome(
    house: Laid, answer: str, status: str, calls: int
) -> None:
    house.shown("Crash.md", plan("id: boom\naction: stub.crash\nwith:\n  text: once\n"))
    house.json("approve", "Crash")
    house.worked()
    assert house.json("show", "Crash")["status"] == "unknown"
    assert house.json("retry", "Crash", code=1)["reason"] == "outcome-unknown"
    assert len(house.calls()) == 1

    assert house.json("resolve", "Crash", "boom", answer)["ok"] is True
    house.worked()
    assert house.json("show", "Crash")["status"] == status
    assert len(house.calls()) == calls


def test_a_plan_is_found_by_id_file_and_by_the_start_of_either(house: Laid) -> None:
    house.drop("First note.md", plan(record("a")).replace("# A plan", "# Alpha one"))
    house.drop("Second.md", plan(record("b")).replace("# A plan", "# Alpha two"))
    house.worked()
    ids = {each["path"]: each["id"] for each in house.json("status")["plans"]}
    first = ids["Pending_Approval/First note.md"]
    file = house.vault / "Pending_Approval" / "First note.md"
    for named in (first, first[:-3], str(file), "Pending_Approval/First note.md", "First", "First note.md"):
        assert house.json("show", named)["id"] == first, named
    assert "(ambiguous)" in house.refused("show", "alpha")
    assert "(unknown-plan)" in house.refused("show", "")
    error = house.refused("show", "Secnd.md")
    assert "Second.md" in error  # the nearest is named

    moved = file.rename(house.vault / "Approved" / "Renamed.md")
    assert house.json("show", str(moved))["id"] == first


def test_a_daemon_that_does_not_answer_is_not_waited_for_for_ever(house: Laid) -> None:
    import signal

    house.start()
    house.pending("One.md", plan(record("hello")))
    assert house.process is not None
    house.process.send_signal(signal.SIGSTOP)
    try:
        answer = house.json("approve", "One")
    finally:
        house.process.send_signal(signal.SIGCONT)
    assert answer["ok"] is True
    assert answer["answered"] is False
    assert "not answered" in answer["message"]
    eventually(lambda: len(house.calls()) == 1, "the request takes effect later")
