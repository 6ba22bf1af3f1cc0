"""Finished steps stay finished when a plan is frozen anew, wherever they stand; nothing unknown is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from say_material import state
from signoff.errors import NoteError
from signoff.kept import Kept
from signoff.model import Call, FrozenPlan, FrozenStep, Json, Status, StepState, StepStatus
from support.project import Project, eventually, plan, projects, record

DONE, FAILED, UNKNOWN, PENDING = StepStatus.DONE, StepStatus.FAILED, StepStatus.UNKNOWN, StepStatus.PENDING


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    yield from projects(tmp_path)


def step(name: str, text: str, **more: object) -> FrozenStep:
    return FrozenStep(name, "s.t", {"text": text}, (Call("s", "t", {"text": text}),), **more)  # type: ignore[arg-type]


def frozen(*steps: FrozenStep, **more: object) -> FrozenPlan:
    return FrozenPlan("p", "d", {}, steps, {}, **more)  # type: ignore[arg-type]


def kept(before: dict[str, StepStatus], former: FrozenPlan, now: FrozenPlan) -> Kept:
    known = [StepState(name, name, "s.t", "s.t", status=status) for name, status in before.items()]
    return Kept(state(Status.FAILED, *known), former, now)


def stays(found: Kept, now: FrozenPlan) -> dict[str, Json]:
    """By id, where the steps stand that are not to be done again."""
    items = {each.id: found.step(each) for each in now.steps}
    return {name: item["kept"]["status"] for name, item in items.items() if "kept" in item}  # type: ignore[index,call-overload]


# ---------------------------------------------------------------- which steps are known again


@pytest.mark.promise("7")
@given(st.permutations(["a", "b", "c", "d"]), st.permutations(["1", "2", "3", "4"]), st.data())
def test_each_finished_step_is_known_again_under_any_id_at_any_place_and_counts_for_one_only(
    texts: list[str], names: list[str], data: st.DataObject
) -> None:
    former = frozen(*(step(f"s{number}", text) for number, text in enumerate(["a", "b", "c", "a"])))
    before = {each.id: data.draw(st.sampled_from([DONE, FAILED, PENDING])) for each in former.steps}
    now = frozen(*(step(name, text, timeout=5.0) for name, text in zip(names, texts, strict=True)))

    found = stays(kept(before, former, now), now)

    for text in ("a", "b", "c"):
        was = sum(before[each.id] is DONE for each in former.steps if each.arguments["text"] == text)
        there = [each for each in now.steps if each.arguments["text"] == text]
        assert sum(each.id in found for each in there) == min(was, len(there))


@pytest.mark.promise("7")
def test_what_a_step_asks_for_makes_it_another_and_when_and_how_it_runs_does_not() -> None:
    former = frozen(step("a", "a"), step("b", "b"))
    now = frozen(
        step("a", "a", timeout=5.0, retries=7, continue_on_error=True, limits="true"),
        step("b", "other", needs=("a",)),
    )
    found = kept({"a": DONE, "b": DONE}, former, now)
    assert stays(found, now) == {"a": "done"}
    assert found.step(now.steps[1])["reason"] == "changed-since"


def test_entries_of_a_list_that_is_worked_out_of_a_step_that_runs_again_are_done_anew() -> None:
    late = "${{ steps.a.result.list }}"
    former = frozen(step("a", "a"), step("b", "b", for_each=late))
    before = {"a": DONE, "b": DONE, "b[0]": DONE, "b[1]": DONE}
    for first, still in (("a", ["b[0]", "b[1]"]), ("other", [])):
        now = frozen(step("a", first), step("b", "b", for_each=late))
        found = kept(before, former, now)
        assert [entry["id"] for entry in found.entries(now.steps[1])] == still
        assert ("b" in stays(found, now)) == bool(still)


def test_a_long_chain_of_lists_is_looked_through_without_recursion() -> None:
    def chain(first: str) -> FrozenPlan:
        rest = (step(f"s{n}", "x", for_each=f"${{{{ steps.s{n - 1}.result }}}}") for n in range(1, 1000))
        return frozen(step("s0", first), *rest)

    former, now = chain("a"), chain("other")
    found = kept(dict.fromkeys((each.id for each in former.steps), DONE), former, now)
    assert stays(found, now) == {}


@pytest.mark.promise("7")
@pytest.mark.parametrize("lost", ["b", "a:undo", "c[1]"])
def test_content_without_a_place_for_a_call_of_unknown_outcome_is_not_shown_before_that_is_known(
    lost: str,
) -> None:
    former = frozen(step("a", "a", undo=Call("s", "u", {})), step("b", "b"), step("c", "c", for_each=[1, 2]))
    now = frozen(step("a", "a"), step("c", "c", for_each=[1]))
    before = dict.fromkeys(["a", "b", "c", "c[0]", "c[1]"], DONE) | {lost: UNKNOWN}
    with pytest.raises(NoteError) as refused:
        kept(before, former, now).require_answered()
    assert refused.value.code == "outcome-unknown"
    assert f"signoff resolve offer-7f3a {lost} happened" in refused.value.hint
    if lost != "a:undo":
        kept(before, former, former).require_answered()


# ---------------------------------------------------------------- as a person sees it


def texts(house: Project) -> list[str]:
    return [call["arguments"].get("text", "") for call in house.calls()]


def failed(house: Project, name: str, text: str) -> Path:
    house.approve(house.pending(name, text))
    return house.await_note(name, "Failed", "Signoff: failed")


def shown_again(house: Project, note: Path) -> Path:
    """Move a failed note to the inbox, and wait for its preview."""
    shown = len(house.entries("presented"))
    note.rename(house.vault / "Inbox" / note.name)
    eventually(lambda: len(house.entries("presented")) > shown, "it is shown again")
    return house.await_note(note.name, "Pending_Approval", "status: pending")


@pytest.mark.promise("7")
def test_steps_that_were_put_in_renamed_or_given_more_time_do_not_let_others_be_done_twice(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    broken = "action: stub.fail\nwith: {text: broken}\n"
    note = failed(house, "A.md", plan(record("one"), record("a", "a"), record("b", "b"), broken))
    text = note.read_text().replace("id: a\n", "id: x\n").replace("id: b\n", "id: a\n   timeout: 50s\n")
    text = text.replace("id: x\n", "id: b\n")
    zero = "1. [ ] Step 0\n   ```yaml\n   action: stub.record\n   with:\n     text: zero\n   ```\n"
    note.write_text(text.replace("1. [x] Step 1", f"{zero}2. [x] Step 1"))

    again = shown_again(house, note)

    said = again.read_text()
    assert "**Done already, not called again:** Step 1, Step 2 and Step 3." in said
    assert "| 2 | Step 1 (✓ done already) |" in said
    assert "Nothing was called" not in said
    finished = len(house.entries("finished"))
    house.approve(again)
    eventually(lambda: len(house.entries("finished")) > finished, "it has failed once more")
    assert texts(house) == ["one", "a", "b", "broken", "zero", "broken"]


@pytest.mark.promise("1.5")
def test_what_was_taken_back_is_said_to_be_done_again_before_anybody_approves(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    undo = "undo:\n  action: stub.record\n  with:\n    text: undo\n"
    broken = "action: stub.fail\nwith: {text: broken}\n"
    note = failed(house, "A.md", plan(record("a"), record("b") + undo, broken, front="on_failure: undo"))

    said = shown_again(house, note).read_text()

    assert "**Done already, not called again:** Step 1." in said
    assert "**Step 2:** It was done before, and taken back: it is called again." in said


@pytest.mark.promise("7")
def test_a_plan_with_an_undo_of_unknown_outcome_is_not_shown_again_before_somebody_says_what_happened(
    project: Callable[..., Project],
) -> None:
    house = project(servers={})
    house.set_servers({"stub": house.stub(), "other": house.stub(name="other")})
    house.start()
    undo = "undo:\n  action: other.crash\n  with:\n    text: undo\n"
    broken = "action: stub.fail\nwith: {text: broken}\n"
    house.approve(house.pending("A.md", plan(record("a") + undo, broken, front="on_failure: undo")))
    note = house.await_note("A.md", "Failed", "did it happen?")
    note.rename(house.vault / "Rejected" / "A.md")
    rejected = house.await_note("A.md", "Rejected", "Signoff: cancelled")
    rejected.rename(house.vault / "Inbox" / "A.md")

    asked = house.await_note("A.md", "Inbox", "It is not known whether `other.crash` happened")
    plan_id = house.front(asked)["id"]
    answered = house.signoff("resolve", plan_id, "step-1:undo", "happened")

    assert answered.returncode == 0, answered.stderr
    shown = house.await_note("A.md", "Pending_Approval", "taken back: it is called again")
    finished = len(house.entries("finished"))
    house.approve(shown)
    eventually(lambda: len(house.entries("finished")) > finished, "it has failed once more")
    assert texts(house) == ["a", "broken", "a", "broken"]


# ---------------------------------------------------------------- ways to ask for it


@pytest.mark.promise("7")
def test_a_plan_that_is_tried_again_in_the_moment_it_failed_is_shown_again(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    note = house.pending("A.md", plan("action: stub.fail\nwith: {text: broken}\n"))
    plan_id = house.front(note)["id"]
    house.approve(note)
    house.await_entry("finished", status="failed")

    answered = house.signoff("retry", plan_id)

    assert answered.returncode == 0, answered.stderr
    eventually(lambda: len(house.entries("frozen", plan=plan_id)) > 1, "it is frozen anew")
    house.await_note("A.md", "Pending_Approval", "status: pending")


@pytest.mark.promise("7")
def test_a_failed_note_that_a_sync_tool_moves_by_copying_and_deleting_is_shown_again(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    note = failed(house, "A.md", plan(record("a"), "action: stub.fail\nwith: {text: broken}\n"))
    copy = house.vault / "Inbox" / "A.md"
    copy.write_bytes(note.read_bytes())
    house.await_note("A.md", "Inbox", "consumed")
    note.unlink()

    shown = house.await_note("A.md", "Pending_Approval", "status: pending")

    assert "**Done already, not called again:** Step 1." in shown.read_text()


@pytest.mark.promise("1.5")
def test_a_plan_that_called_something_and_needs_mending_now_does_not_say_that_nothing_was_called(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    note = failed(house, "A.md", plan(record("a"), "action: stub.fail\nwith: {text: broken}\n"))
    text = note.read_text().replace("action: stub.fail", "action: stub.nosuchtool")
    (house.vault / "Inbox" / "A.md").write_text(text)
    note.unlink()
    asked = house.await_note("A.md", "Inbox", "status: draft").read_text()
    assert "This note is not ready for approval as it is now. Nothing more was called." in asked


@pytest.mark.promise("1.5")
def test_a_plan_changed_with_its_second_approval_says_that_nothing_more_was_called(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    note = failed(house, "A.md", plan(record("a"), "action: stub.fail\nwith: {text: broken}\n"))
    shown = shown_again(house, note)
    presented = len(house.entries("presented"))
    text = shown.read_text().replace("text: broken", "text: other")
    shown.write_text(text.replace("status: pending", "status: approved"))
    eventually(lambda: len(house.entries("presented")) > presented, "it is shown anew")
    said = house.await_note("A.md", "Pending_Approval", "status: pending").read_text()
    assert "Nothing more was called" in said
    assert "Nothing was called" not in said


@pytest.mark.promise("7")
@pytest.mark.parametrize("answer", ["It happened", "It did not happen"])
def test_what_became_of_a_call_that_is_no_part_of_the_plan_any_more_is_asked_and_answered_in_the_note(
    project: Callable[..., Project], answer: str
) -> None:
    house = project()
    house.set_servers({"stub": house.stub(), "other": house.stub(name="other")})
    house.start()
    lost = "id: gone\naction: stub.freeze\nwith: {}\ntimeout: 2s\n"
    late = "id: late\naction: other.look\nwith: {text: far too long}\n"
    out = "needs: [late]\naction: other.record\nwith: {text: '${{ steps.late.result.text }}'}\n"
    text = plan(lost, late, out + "limits: size(with.text) < 5\n", front="mode: parallel")
    house.approve(house.pending("A.md", text))
    house.await_entry("returned")
    again = house.await_note("A.md", "Pending_Approval", "status: pending")
    items = again.read_text()
    house.edit(again, items[items.index("1. [ ]") : items.index("2. [")], "")

    asked = house.await_note("A.md", "Pending_Approval", "is no part of what the note says now")
    house.await_note("A.md", "Pending_Approval", f"- [ ] {answer} (step gone)")
    shown = len(house.entries("presented"))
    house.edit(asked, f"- [ ] {answer} (step gone)", f"- [x] {answer} (step gone)")

    resolved = house.await_entry("resolved", step="gone")
    assert resolved.data["answer"] == answer.lower().replace("it ", "").replace(" ", "-")
    eventually(lambda: len(house.entries("presented")) > shown, "the plan is shown as it is now")
    house.await_note("A.md", "Pending_Approval", "status: pending")
    assert [call["tool"] for call in house.calls()] == ["freeze"]
