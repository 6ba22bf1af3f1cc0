"""Calls that wait for an answer, in the newer protocol: they outlive the daemon, and are never made twice."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from signoff.ledger.blobs import BlobStore
from signoff.proof import prove
from support.project import Project, eventually, plan, projects, record
from test_elicitation import DESK, asked, fill, save

KEY = "k" * 40


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    yield from projects(tmp_path)


def desk(house: Project, *options: str, **entry: Any) -> dict[str, Any]:
    files = ["--log", str(house.root / "desk.jsonl"), "--wire", str(house.root / "wire.jsonl")]
    return {"command": sys.executable, "args": [str(DESK), *files, *options], **entry}


def opened(make: Callable[..., Project], *options: str, settings: str = "", **entry: Any) -> Project:
    """A project with a desk whose state is good after its process was started again."""
    house = make(servers={}, settings=settings)
    house.set_servers({"desk": desk(house, *(options or ("--key", KEY)), **entry)})
    return house.start()


def step(tool: str = "book", more: str = "") -> str:
    return f"action: desk.{tool}\nwith:\n  text: x\n{more}"


def waiting(house: Project, tool: str = "book", *, times: int = 1, front: str = "") -> Path:
    """The note of an approved plan whose server asks."""
    house.approve(house.pending("Ask.md", plan(step(tool), front=front)))
    return asked(house, "Ask.md", times)  # type: ignore[arg-type]


def sent(house: Project, tool: str) -> tuple[int, int]:
    """How often the call went over the wire: from the beginning, and resumed."""
    text = (house.root / "wire.jsonl").read_text()
    found = [json.loads(line) for line in text.splitlines()]
    calls = [each["params"] for each in found if each.get("method") == "tools/call"]
    mine = [each for each in calls if each["name"] == tool]
    resumed = [each for each in mine if "requestState" in each or "inputResponses" in each]
    return len(mine) - len(resumed), len(resumed)


def done(house: Project, tool: str) -> list[dict[str, Any]]:
    """What the desk has carried out."""
    return [call["arguments"] for call in house.calls("desk") if call["tool"] == tool]


# ---------------------------------------------------------------- the daemon ends meanwhile


@pytest.mark.promise("1.2")
@pytest.mark.promise("7")
def test_a_call_that_waits_for_its_answer_outlives_a_daemon_that_is_killed(
    project: Callable[..., Project],
) -> None:
    house = opened(project)
    note = waiting(house)
    save(house, note, fill(note, tick="", seats="3"))
    house.kill()

    house.start()

    assert asked(house, "Ask.md") == note  # type: ignore[arg-type]
    assert "status: waiting" in note.read_text()
    save(house, note, fill(note, seats="3", kind="lunch"))
    house.await_note("Ask.md", "Done", "booked 3 for lunch")
    assert sent(house, "book") == (1, 1)
    assert done(house, "book") == [{"text": "x", "seats": 3, "window": False, "kind": "lunch"}]
    assert [len(house.entries(event)) for event in ("intent", "asked", "answered", "resumed")] == [1, 1, 1, 1]
    assert len(house.entries("outcome")) == 1
    entries, blob = house.entries(), BlobStore(house.logs / "blobs").get
    assert {found.kind for found in prove(entries, blob, house.config / "allowed_signers")} == {"ok"}
    late = [
        each._replace(time="2999-01-01T00:00:00.000Z") if each.event == "resumed" else each
        for each in entries
    ]
    wrong = [
        found.words for found in prove(late, blob, house.config / "allowed_signers") if found.kind == "wrong"
    ]
    assert wrong == ["desk.book was resumed after the approval had ended."]


@pytest.mark.promise("1.4")
def test_an_answer_given_while_no_daemon_ran_is_taken_by_the_next(project: Callable[..., Project]) -> None:
    house = opened(project)
    note = waiting(house)
    house.kill()
    save(house, note, fill(note, seats="3", kind="lunch"))

    house.start()

    house.await_note("Ask.md", "Done", "booked 3 for lunch")
    assert sent(house, "book") == (1, 1)


def test_so_is_one_that_was_left_by_a_command(project: Callable[..., Project]) -> None:
    house = opened(project)
    waiting(house)
    house.kill()

    left = house.signoff("answer", "Ask", "1", "seats=4", "kind=dinner")

    assert left.returncode == 0, left.stderr
    house.start()
    house.await_note("Ask.md", "Done", "booked 4 for dinner")
    assert sent(house, "book") == (1, 1)


@pytest.mark.promise("10")
def test_it_outlives_a_daemon_that_is_stopped_too_and_what_was_answered_of_a_round_is_not_asked_again(
    project: Callable[..., Project],
) -> None:
    house = opened(project)
    waiting(house, "book_both", times=2)
    numbers = [entry.data["question"] for entry in house.entries("asked") if "seats" in entry.data["fields"]]
    first = ("answer", "Ask", "1", "--question", str(numbers[0]), "seats=5", "kind=lunch")
    assert house.signoff(*first).returncode == 0
    house.await_entry("answered")
    assert house.stop() == 0
    assert house.entries("outcome") == []

    house.start()

    note = asked(house, "Ask.md")  # type: ignore[arg-type]
    assert note.read_text().count("- [ ] Decline") == 1
    save(house, note, fill(note, name="Mia"))
    house.await_note("Ask.md", "Done", "booked 5 for Mia")
    assert sent(house, "book_both") == (1, 1)
    assert len(house.entries("asked")) == 2


def test_a_second_round_outlives_it_as_well(project: Callable[..., Project]) -> None:
    house = opened(project)
    note = waiting(house, "book_twice")
    save(house, note, fill(note, seats="2", kind="1"))
    eventually(lambda: "In which name are the 2 seats?" in note.read_text(), "the second question")
    house.kill()

    house.start()

    note = asked(house, "Ask.md")  # type: ignore[arg-type]
    save(house, note, fill(note, name="Mia"))
    house.await_note("Ask.md", "Done", "booked 2 for Mia")
    assert sent(house, "book_twice") == (1, 2)


@pytest.mark.promise("1.2")
def test_a_call_that_was_resumed_when_the_daemon_was_killed_is_unknown(
    project: Callable[..., Project],
) -> None:
    house = opened(project)
    note = waiting(house, "book_slowly")
    save(house, note, fill(note))
    eventually(lambda: done(house, "book_slowly"), "it is being carried out")
    house.kill()

    house.start()

    house.await_note("Ask.md", "Failed", "status: unknown")
    assert sent(house, "book_slowly") == (1, 1)


def test_what_looked_secret_was_kept_nowhere_and_is_asked_again(project: Callable[..., Project]) -> None:
    house = opened(project, "--key", KEY, max_concurrency=1)
    house.drop("Slow.md", plan(step("slow", "  seconds: 60\n")))
    note = waiting(house, "unlock")
    house.approve(house.await_note("Slow.md", "Pending_Approval", "status: pending"))
    eventually(lambda: done(house, "slow"), "the other call has the only turn")
    save(house, note, fill(note, password="correct-horse"))
    house.await_entry("answered")
    house.kill()

    house.start()

    eventually(lambda: len(house.entries("asked")) == 2, "it is asked again")
    note = asked(house, "Ask.md")  # type: ignore[arg-type]
    everything = b"".join(path.read_bytes() for path in house.logs.rglob("*") if path.is_file())
    assert b"correct-horse" not in everything
    save(house, note, fill(note, password="battery-staple"))
    house.await_note("Ask.md", "Done", "status: done")
    assert done(house, "unlock") == [{"text": "x", "length": 14}]
    assert sent(house, "unlock") == (1, 1)


@pytest.mark.promise("1.5")
def test_a_server_that_does_not_know_its_own_state_any_more_has_done_nothing_and_the_note_says_so(
    project: Callable[..., Project],
) -> None:
    house = project(servers={})
    house.set_servers({"desk": desk(house)})  # with a key of its own for each process
    house.start()
    note = waiting(house)
    house.kill()
    house.start()
    note = asked(house, "Ask.md")  # type: ignore[arg-type]

    save(house, note, fill(note, seats="3", kind="lunch"))

    failed = house.await_note("Ask.md", "Failed", "status: failed").read_text()
    assert "did not take the answer" in failed
    assert "`seats` = `3`" in failed
    assert sent(house, "book") == (1, 1)
    assert done(house, "book") == []


# ---------------------------------------------------------------- the approval ends meanwhile


@pytest.mark.promise("6")
@pytest.mark.parametrize("how", ["rejected", "moved", "deleted"])
def test_a_plan_turned_down_while_no_daemon_ran_is_not_resumed(
    project: Callable[..., Project], how: str
) -> None:
    house = opened(project)
    note = waiting(house)
    house.kill()
    text = fill(note, seats="3", kind="lunch")
    if how == "rejected":
        save(house, note, text.replace("status: waiting", "status: rejected", 1))
    elif how == "moved":
        save(house, note, text)
        note.rename(house.vault / "Rejected" / note.name)
    else:
        note.unlink()

    house.start()

    house.await_entry("outcome")
    assert house.entries("outcome")[0].data["reason"] == "input-required"
    assert sent(house, "book") == (1, 0)
    assert house.entries("answered") == []
    if how != "deleted":
        note = house.await_note("Ask.md", "Rejected", "has done nothing")
        assert house.front(note)["status"] == "rejected"


@pytest.mark.promise("6")
def test_a_plan_withdrawn_while_it_asks_goes_back_to_its_person_and_can_be_approved_again(
    project: Callable[..., Project],
) -> None:
    house = opened(project)
    note = waiting(house)

    house.edit(note, "status: waiting", "status: pending")

    eventually(lambda: len(house.entries("presented")) == 2, "it is shown again")
    note = house.await_note("Ask.md", "Pending_Approval", "status: pending")
    assert sent(house, "book") == (1, 0)
    house.approve(note)
    note = asked(house, "Ask.md")  # type: ignore[arg-type]
    save(house, note, fill(note, seats="3", kind="lunch"))
    house.await_note("Ask.md", "Done", "booked 3 for lunch")
    assert sent(house, "book") == (2, 1)


@pytest.mark.promise("6")
@pytest.mark.parametrize("status", ["rejected", "pending"])
def test_an_answer_that_waits_for_its_turn_does_not_leave_once_the_plan_is_stopped(
    project: Callable[..., Project], status: str
) -> None:
    house = opened(project, "--key", KEY, max_concurrency=1)
    house.drop("Slow.md", plan(step("slow", "  seconds: 3\n")))
    note = waiting(house)
    house.approve(house.await_note("Slow.md", "Pending_Approval", "status: pending"))
    eventually(lambda: done(house, "slow"), "the other call has the only turn")
    save(house, note, fill(note, seats="3", kind="lunch"))
    house.await_entry("answered")

    save(house, note, re.sub(r"(?m)^status: \w+$", f"status: {status}", note.read_text(), count=1))

    folder = "Rejected" if status == "rejected" else "Pending_Approval"
    house.await_note("Ask.md", folder, f"status: {status}")
    house.await_note("Slow.md", "Done")
    assert sent(house, "book") == (1, 0)
    assert done(house, "book") == []
    told = house.entries("answered")
    assert [(each.data["action"], each.data.get("withheld", False)) for each in told] == [
        ("accept", False),
        ("cancel", True),
    ]
    if status == "rejected":
        assert "was not sent" in house.await_note("Ask.md", folder).read_text()


@pytest.mark.promise("6")
def test_an_approval_that_ends_while_it_asks_ends_the_plan_as_expired(
    project: Callable[..., Project],
) -> None:
    house = opened(project, settings='[approval]\nttl = "4s"\n')
    waiting(house)

    house.await_note("Ask.md", "Rejected", "status: expired")

    assert sent(house, "book") == (1, 0)


def test_the_steps_beside_it_go_on_under_the_next_daemon(project: Callable[..., Project]) -> None:
    house = project(servers={})
    house.set_servers({"desk": desk(house, "--key", KEY), "stub": house.stub()})
    house.start()
    after = "needs: [other]\n" + record("after")
    other = "id: other\naction: stub.slow\nwith:\n  seconds: 1\n  text: meanwhile\n"
    house.approve(house.pending("Ask.md", plan(f"id: table\n{step()}", other, after, front="mode: parallel")))
    note = asked(house, "Ask.md")  # type: ignore[arg-type]
    eventually(lambda: len(house.entries("outcome")) == 2, "the others have ended")
    house.kill()

    house.start()

    note = asked(house, "Ask.md")  # type: ignore[arg-type]
    save(house, note, fill(note, seats="3", kind="lunch"))
    house.await_note("Ask.md", "Done", "booked 3 for lunch")
    assert [call["tool"] for call in house.calls()] == ["slow", "record"]


# ---------------------------------------------------------------- no answer


@pytest.mark.parametrize("down", [False, True])
def test_a_question_that_nobody_answers_in_time_is_given_up_whether_a_daemon_runs_or_not(
    project: Callable[..., Project], down: bool
) -> None:
    house = opened(project, settings='[execution]\nanswer_within = "3s"\n')
    waiting(house)
    if down:
        house.kill()
        until = house.entries("asked")[0].data["until"]
        eventually(lambda: datetime.now(UTC) > datetime.fromisoformat(until), "its time is up")
        house.start()

    note = house.await_note("Ask.md", "Done", "not booked: cancel")

    assert "Not answered (`not-answered`)" in note.read_text()
    assert sent(house, "book") == (1, 1)
    assert house.entries("answered")[0].data["reason"] == "not-answered"


def test_declining_is_told_to_the_server_as_well(project: Callable[..., Project]) -> None:
    house = opened(project)
    note = waiting(house)
    house.kill()
    save(house, note, fill(note, tick="Decline"))

    house.start()

    assert "Declined by `ana`" in house.await_note("Ask.md", "Done", "not booked: decline").read_text()
    assert sent(house, "book") == (1, 1)
