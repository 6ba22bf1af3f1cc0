"""From a note dropped in a vault to a finished plan: the main road, with a real daemon and a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.project import Project, eventually, plan, projects, record


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    yield from projects(tmp_path)


@pytest.mark.promise("3")
def test_a_plan_approved_by_editing_its_status_runs_and_is_found_done(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    note = house.pending("Two.md", plan(record("hello"), record("again")))
    assert house.calls() == []

    house.approve(note)

    done = house.await_note("Two.md", "Done", "status: done")
    assert [call["arguments"]["text"] for call in house.calls()] == ["hello", "again"]
    assert "1. [x] Step 1" in done.read_text()
    assert "2. [x] Step 2" in done.read_text()
    assert "Some words of the author." in done.read_text()
    assert house.front(done)["progress"] == "2/2"


@pytest.mark.promise("3")
def test_a_plan_approved_by_moving_it_runs_although_its_status_says_pending(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    note = house.pending("Moved.md", plan(record("moved")))

    note.rename(house.vault / "Approved" / "Moved.md")

    house.await_note("Moved.md", "Done", "status: done")
    assert [call["arguments"]["text"] for call in house.calls()] == ["moved"]


@pytest.mark.promise("1.3")
def test_the_intent_is_in_the_ledger_before_the_call_and_the_outcome_after(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    house.approve(house.pending("One.md", plan(record("once"))))
    house.await_note("One.md", "Done", "status: done")
    eventually(lambda: len(house.entries("moved")) == 2, "the move to Done is recorded")

    events = [entry.event for entry in house.entries(plan=house.entries("frozen")[0].plan)]
    assert events == [
        "frozen",
        "moved",
        "presented",
        "approved",
        "started",
        "intent",
        "outcome",
        "finished",
        "moved",
    ]
    intent = house.entries("intent")[0]
    assert intent.time.replace("Z", "+00:00") <= house.entries("outcome")[0].time.replace("Z", "+00:00")
    assert house.calls()[0]["meta"]["signoff/idempotency-key"] == intent.data["key"]


def test_sigterm_ends_the_daemon_and_leaves_nothing_behind(project: Callable[..., Project]) -> None:
    house = project().start()
    house.pending("One.md", plan(record("once")))
    assert house.stop() == 0
    assert house.entries("daemon-stopped")
