"""What it means to delete a note: of a plan that runs, that waits, and that was never approved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.project import Project, eventually, plan, projects, record

SLOW_RETRY = '[execution]\nretry_delay = "20s"\n'


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    yield from projects(tmp_path)


def dashboard(house: Project) -> str:
    path = house.vault / "Dashboard.md"
    return path.read_text() if path.exists() else ""


def approved(house: Project, name: str, *steps: str, front: str = "") -> str:
    """Approve a plan; its id."""
    note = house.pending(name, plan(*steps, front=front))
    house.approve(note)
    return str(house.await_entry("approved").plan)


@pytest.mark.promise("6")
@pytest.mark.parametrize(
    ("step", "front"),
    [
        ("action: stub.rate\nwith: {}\n", ""),
        (record("later"), "run_at: 2099-01-01T09:00:00Z"),
        (record("again"), "schedule: every 1h"),
        ("action: stub.slow\nwith: {seconds: 60, text: x}\n", ""),
    ],
    ids=["waits", "scheduled", "repeats", "runs"],
)
def test_a_live_plan_whose_note_is_deleted_while_no_daemon_runs_is_cancelled_at_the_next_start(
    project: Callable[..., Project], step: str, front: str
) -> None:
    house = project()
    house.start()
    plan_id = approved(house, "A.md", step, record("never"), front=front)
    house.await_entry("moved", plan=plan_id)
    note = house.await_note("A.md", "Approved", "status:")
    if not front:
        house.await_calls(1)
    house.kill()
    calls = len(house.calls())
    note.unlink()

    house.start()

    assert house.await_entry("finished", plan=plan_id).data["status"] == "cancelled"
    eventually(lambda: "Nothing runs." in dashboard(house), "the dashboard says so")
    assert len(house.calls()) == calls


@pytest.mark.promise("6")
def test_deleting_the_note_counts_at_once_while_a_call_waits_a_short_time_to_be_tried_again(
    project: Callable[..., Project],
) -> None:
    house = project(settings=SLOW_RETRY)
    house.actions("try:\n  repeatable: true\n  tools: [{tool: stub.crash}]\n")
    house.start()
    plan_id = approved(house, "A.md", "action: try\nwith: {text: x}\n", record("never"))
    waiting = house.await_note("A.md", "Approved", "status: waiting")
    waits = house.entries("waiting", plan=plan_id)[0]

    waiting.unlink()

    ended = house.await_entry("finished", plan=plan_id)
    assert (ended.data["status"], ended.data["reason"]) == ("cancelled", "revoked")
    assert ended.time < waits.data["until"]
    assert [call["tool"] for call in house.calls()] == ["crash"]


@pytest.mark.promise("1.4")
def test_a_pending_plan_whose_note_is_gone_is_told_apart_and_comes_back_with_it_as_it_was(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    note = house.pending("A.md", plan(record("once"), front="id: a"))
    eventually(lambda: "[[Pending_Approval/A|A plan]]" in dashboard(house), "it waits for a person")
    text = note.read_bytes()
    note.unlink()
    eventually(
        lambda: "## Notes that are gone" in dashboard(house), "the dashboard says that its note is gone"
    )
    assert "[[Pending_Approval/A" not in dashboard(house)
    assert "Nothing waits for you." in dashboard(house)

    (house.vault / "Approved" / "A.md").write_bytes(text)  # as a sync tool moves a note: late, in two steps

    house.await_note("A.md", "Done", "status: done")
    assert len(house.calls()) == 1
    eventually(lambda: "## Notes that are gone" not in dashboard(house), "nothing is gone any more")


@pytest.mark.promise("1.4")
@pytest.mark.parametrize("restarted", [False, True], ids=["while it runs", "after a restart"])
@pytest.mark.parametrize("status", ["pending", "approved"])
def test_a_pending_plan_whose_note_was_deleted_is_withdrawn_and_shown_anew_if_the_note_comes_back(
    project: Callable[..., Project], status: str, restarted: bool
) -> None:
    house = project().start()
    note = house.pending("A.md", plan(record("once"), front="id: a"))
    text = note.read_text().replace("status: pending", f"status: {status}")
    house.stop()
    note.unlink()
    assert house.once().returncode == 0
    withdrawn = house.entries("finished", plan="a")[0].data
    assert (withdrawn["status"], withdrawn["reason"]) == ("cancelled", "note-deleted")
    assert "Nothing waits for you." in dashboard(house)
    assert "gone" not in dashboard(house)

    if restarted:
        note.write_text(text)
        house.start()
    else:
        house.start()
        note.write_text(text)

    eventually(lambda: len(house.entries("presented", plan="a")) == 2, "it is shown anew")
    shown = house.await_note("A.md", "Pending_Approval", "status: pending")
    assert house.calls() == []
    house.approve(shown)
    house.await_note("A.md", "Done", "status: done")
    assert len(house.calls()) == 1


def test_a_note_that_a_person_rejected_before_it_was_deleted_does_not_come_back_to_life(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    note = house.pending("A.md", plan(record("never"), front="id: a"))
    text = note.read_text().replace("status: pending", "status: rejected")
    house.stop()
    note.unlink()
    house.once()
    house.start()
    note.write_text(text)
    again = house.pending("B.md", plan(record("other"), front="id: b"))
    house.approve(again)
    house.await_note("B.md", "Done", "status: done")
    assert len(house.entries("presented", plan="a")) == 1
    assert [call["arguments"]["text"] for call in house.calls()] == ["other"]


@pytest.mark.promise("1.5")
def test_a_refusal_is_told_while_the_question_of_a_server_is_still_open(
    project: Callable[..., Project],
) -> None:
    house = project()
    house.set_servers({"stub": house.stub(), "desk": house.stub(name="desk")})
    house.start()
    asks = "id: asks\naction: desk.ask\nwith: {text: Which one?}\n"
    late = "id: late\naction: stub.slow\nwith: {seconds: 1, text: far too long}\n"
    out = "id: out\nneeds: [late]\naction: stub.record\nwith: {text: '${{ steps.late.result.text }}'}\n"
    limit = "limits: size(with.text) < 5\n"
    approved(house, "A.md", asks, late, out + limit, front="mode: parallel")
    note = house.await_note("A.md", "Approved", "`limits-violated`")
    assert "Which one?" in note.read_text()
    assert house.entries("returned") == []
    assert note.read_text().count("awaited first") == 1
    house.edit(note, "- [ ] Decline", "- [x] Decline")
    shown = house.await_note("A.md", "Pending_Approval", "status: pending")
    assert "would call `stub.record`" in shown.read_text()
