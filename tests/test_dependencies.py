"""Plans that wait for other plans: in no circle, until all are done, and saying for what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.dependencies import MOST_NAMED, Dependency, require_no_circle, unmet
from signoff.errors import NoteError
from signoff.model import Status
from support.project import Project, eventually, plan, projects, record


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    yield from projects(tmp_path)


# ---------------------------------------------------------------- circles


def way(graph: Mapping[str, list[str]], plan: str) -> str:
    """The question about a circle that a plan is in; empty where it is in none."""
    try:
        require_no_circle(plan, graph.get(plan, []), lambda name: graph.get(name, []), 3)
    except NoteError as error:
        return f"{error.code}: {error}"
    return ""


@pytest.mark.promise("7")
def test_the_way_around_a_circle_of_plans_is_named_and_is_the_shortest() -> None:
    said = way({"a": ["b"], "b": ["a"]}, "a")
    assert said.startswith("depends-cycle: 3: ")
    assert "a → b → a" in said
    assert "b → c → a → b" in way({"a": ["x", "b"], "b": ["c"], "c": ["x", "a"]}, "b")
    assert "a → d → a" in way({"a": ["b", "d"], "b": ["c"], "c": ["d"], "d": ["a"]}, "a")
    assert "depends on itself" in way({"a": ["b", "a"]}, "a")


def test_a_plan_that_waits_for_others_in_a_circle_is_in_none_itself() -> None:
    assert not way({"a": ["b"], "b": ["c"], "c": ["b"]}, "a")
    assert not way({"a": ["b", "c"], "b": ["d"], "c": ["d"]}, "a")
    assert not way({"a": ["nobody"]}, "a")


def test_a_long_circle_is_found_without_recursion_and_named_in_part() -> None:
    long = {f"p{n}": [f"p{(n + 1) % 20_000}"] for n in range(20_000)}
    said = way(long, "p0")
    assert "p0 → p1 → p2" in said
    assert len(said) < 500


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=3)))
def test_a_plan_is_refused_exactly_where_it_can_be_reached_from_itself(graph: dict[str, list[str]]) -> None:
    reached = set(graph.get("a", []))
    for _ in range(6):
        reached |= {other for name in reached for other in graph.get(name, [])}
    assert bool(way(graph, "a")) == ("a" in reached)


# ---------------------------------------------------------------- in which words


@pytest.mark.parametrize(
    ("dependency", "says"),
    [
        (Dependency("b", None), "no note has asked for yet"),
        (Dependency("b", Status.PENDING), "waits for approval"),
        (Dependency("b", Status.PENDING, gone=True), "has lost its note: put the note back"),
        (Dependency("b", Status.RUNNING, gone=True), "is running"),
        (Dependency("b", Status.WAITING), "is waiting itself"),
        (Dependency("b", Status.SCHEDULED), "is approved and scheduled"),
        (Dependency("b", Status.SCHEDULED, repeats=True), "repeats and so is never done"),
        (Dependency("b", Status.FAILED), "failed: `signoff retry b`"),
        (Dependency("b", Status.UNKNOWN), "answer the question in its note"),
        (Dependency("b", Status.REJECTED), "was rejected, and does not run by itself: move its note"),
        (Dependency("b", Status.CANCELLED), "was cancelled"),
        (Dependency("b", Status.CANCELLED, gone=True), "has no note any more: take it out of `depends_on`"),
        (Dependency("b", Status.EXPIRED), "expired, and does not"),
    ],
)
def test_what_is_waited_for_is_named_with_why_and_what_to_do(dependency: Dependency, says: str) -> None:
    said = unmet([Dependency("a", Status.DONE), dependency])
    assert said.startswith("It waits for the plan `b`, which ")
    assert says in said
    assert not unmet([Dependency("a", Status.DONE)])


def test_every_status_but_done_is_waited_for_and_has_words_of_its_own() -> None:
    said = {unmet([Dependency("b", status)]) for status in Status if status is not Status.DONE}
    assert len(said) == len(Status) - 1


def test_of_several_all_are_named_as_far_as_a_person_reads() -> None:
    said = unmet([Dependency("a", Status.FAILED), Dependency("b", None)])
    assert "It waits for 2 plans: `a`, which failed" in said
    assert "`b`, which" in said
    many = unmet([Dependency(f"p{n}", None) for n in range(50)])
    assert f"and {50 - MOST_NAMED} more" in many


# ---------------------------------------------------------------- over a real daemon


def waiting_on(other: str, own: str, text: str = "after") -> str:
    return plan(record(text), front=f"id: {own}\ndepends_on: {other}")


def section(path: Path) -> str:
    return path.read_text().split("%% signoff %%")[1]


@pytest.mark.promise("7")
def test_plans_that_would_wait_for_each_other_are_refused_also_by_a_later_change(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    house.pending("A.md", plan(record("a"), front="id: a\ndepends_on: b"))
    house.pending("B.md", plan(record("b"), front="id: b\ndepends_on: c"))
    house.drop("C.md", plan(record("c"), front="id: c\ndepends_on: [x, a]"))

    asked = house.await_note("C.md", "Inbox", "c → a → b → c")

    assert "`depends-cycle`" in section(asked)
    assert "Line 3." in section(asked)
    house.pending("Last.md", plan(record("last"), front="id: last"))
    other = house.pending("First.md", plan(record("first"), front="id: first\ndepends_on: last"))
    closing = house.vault / "Pending_Approval" / "Last.md"
    house.edit(closing, "id: last", "id: last\ndepends_on: first")
    house.await_note("Last.md", "Pending_Approval", "last → first → last")
    house.edit(closing, "status: draft", "status: approved")
    house.await_entry("refused", plan="last", reason="depends-cycle")
    house.edit(other, "depends_on: last", "depends_on: []")
    house.await_note("First.md", "Pending_Approval", "Signoff: this plan changed")
    eventually(
        lambda: "last → first" not in section(house.find("Last.md") or closing), "the question is gone"
    )
    assert house.calls() == []


def test_of_two_plans_that_close_a_circle_at_the_same_moment_one_is_refused(
    project: Callable[..., Project],
) -> None:
    house = project()
    for number in range(6):
        own, other = f"a{number}", f"b{number}"
        house.drop(f"{own}.md", waiting_on(other, own))
        house.drop(f"{other}.md", waiting_on(own, other))
    assert house.once().returncode == 0
    assert len(house.entries("refused", reason="depends-cycle")) == 6
    assert len(house.entries("frozen")) == 6


@pytest.mark.promise("7")
def test_a_plan_waits_for_one_that_was_rejected_says_so_and_goes_on_when_it_is_brought_back(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    house.approve(house.pending("Second.md", waiting_on("first", "second")))
    note = house.await_note("Second.md", "Approved", "no note has asked for yet")
    assert "status: waiting" in note.read_text()
    first = house.pending("First.md", plan(record("before"), front="id: first"))
    house.await_note("Second.md", "Approved", "`first`, which waits for approval")

    house.edit(first, "status: pending", "status: rejected")

    note = house.await_note("Second.md", "Approved", "`first`, which was rejected")
    assert "`dependency-unmet`" in section(note)
    assert "move its note to the inbox" in section(note)
    first = house.await_note("First.md", "Rejected", "status: rejected")
    first.rename(house.vault / "Inbox" / "First.md")
    first = house.await_note("First.md", "Pending_Approval", "status: pending")
    house.await_note("Second.md", "Approved", "`first`, which waits for approval")
    assert house.calls() == []
    house.approve(first)
    house.await_note("Second.md", "Done", "status: done")
    assert [call["arguments"]["text"] for call in house.calls()] == ["before", "after"]


@pytest.mark.promise("7")
def test_a_plan_waits_for_one_that_failed_and_runs_once_that_was_tried_again(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    house.approve(house.pending("Second.md", waiting_on("first", "second")))
    text = plan("action: stub.fail\nwith:\n  text: no\n", front="id: first")
    house.approve(house.pending("First.md", text))
    house.await_note("First.md", "Failed", "status: failed")
    house.await_note("Second.md", "Approved", "`first`, which failed: `signoff retry first` shows it again")
    assert house.stop() == 0
    house.start()
    assert "which failed" in section(house.await_note("Second.md", "Approved", "status: waiting"))
    first = house.vault / "Failed" / "First.md"
    house.edit(first, "action: stub.fail", "action: stub.record")
    assert house.signoff("retry", "first").returncode == 0
    house.approve(house.await_note("First.md", "Pending_Approval", "status: pending"))
    house.await_note("Second.md", "Done", "status: done")
    assert [call["arguments"]["text"] for call in house.calls()] == ["no", "no", "after"]


def test_a_plan_that_is_waited_for_may_be_renamed_and_one_that_is_deleted_is_missed(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    house.approve(house.pending("Second.md", plan(record("after"), front="id: second\ndepends_on: [x, y]")))
    first = house.pending("X.md", plan(record("x"), front="id: x"))
    other = house.pending("Y.md", plan(record("y"), front="id: y"))
    renamed = first.with_name("Another name.md")
    first.rename(renamed)
    kept = other.read_bytes()
    other.unlink()

    house.await_note("Second.md", "Approved", "`y`, which has lost its note: put the note back")

    assert "`x`, which waits for approval" in section(house.vault / "Approved" / "Second.md")
    house.approve(renamed)
    house.await_note("Another name.md", "Done", "status: done")
    other.write_bytes(kept)
    house.await_note("Second.md", "Approved", "`y`, which waits for approval")
    house.approve(other)
    house.await_note("Second.md", "Done", "status: done")
    assert [call["arguments"]["text"] for call in house.calls()] == ["x", "y", "after"]


@pytest.mark.promise("1.5")
@pytest.mark.parametrize("term", ["run_at: 2099-01-01", "schedule: 0 9 1 1 *", "depends_on: nothing"])
@pytest.mark.parametrize("how", ["deleted", "deleted while nobody looks", "under another id"])
def test_an_approved_plan_that_has_lost_its_note_is_cancelled_at_once_and_whoever_waits_for_it_says_so(
    project: Callable[..., Project], term: str, how: str
) -> None:
    house = project().start()
    house.approve(house.pending("First.md", plan(record("first"), front=f"id: first\n{term}")))
    first = house.await_note("First.md", "Approved", "next_run:" if "on:" not in term else "status: waiting")
    house.approve(house.pending("Second.md", plan(record("after"), front="id: second\ndepends_on: first")))
    house.await_note("Second.md", "Approved", "status: waiting")
    if how == "under another id":
        house.edit(first, "id: first", "id: other")
    elif how == "deleted":
        first.unlink()
    else:
        assert house.stop() == 0
        first.unlink()
        house.start()

    said = "`first`, which was cancelled, and has no note any more: take it out of `depends_on`"
    if how == "under another id":
        said = "`first`, which was cancelled"
    if "schedule" in term:
        said = "`first`, which repeats and so is never done: take it out of `depends_on`"
    house.await_entry("finished", plan="first", status="cancelled")
    house.await_note("Second.md", "Approved", said)
    assert house.entries("returned") == house.calls() == []


@pytest.mark.promise("1.1")
def test_a_plan_that_waits_for_another_ends_with_its_own_approval_and_can_be_rejected_meanwhile(
    project: Callable[..., Project],
) -> None:
    house = project(settings='[approval]\nttl = "3s"\n').start()
    refused = house.pending("Refused.md", waiting_on("never", "refused"))
    house.approve(refused)
    waits = house.await_note("Refused.md", "Approved", "status: waiting")
    house.edit(waits, "status: waiting", "status: rejected")
    house.await_note("Refused.md", "Rejected", "status: rejected")
    house.approve(house.pending("Second.md", waiting_on("never", "second")))
    house.await_note("Second.md", "Rejected", "status: expired")
    assert house.calls() == []
