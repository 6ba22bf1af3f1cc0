"""How calls end, and what follows: failures, retries, fallbacks, limits, and questions to the person."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from signoff.ledger.state import fold, history
from signoff.ledger.walk import read_entries
from signoff.model import PlanState
from signoff.requests import Request, Requests
from support.project import STUB, Project, eventually, plan, projects, record

FAST = '[execution]\nretry_delay = "100ms"\n'


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    yield from projects(tmp_path)


def step(action: str, **arguments: object) -> str:
    with_ = "".join(f"  {key}: {value}\n" for key, value in arguments.items())
    return f"action: {action}\n" + (f"with:\n{with_}" if arguments else "with: {}\n")


def approved(house: Project, name: str, *steps: str, front: str = "") -> None:
    note = house.pending(name, plan(*steps, front=front))
    house.approve(note)


def ask(house: Project, kind: str, plan_id: str, **fields: str) -> str:
    """Leave a request, as the commands do, and wait for the answer's message."""
    requests = Requests(house.logs / "requests")
    name = requests.leave(Request(kind, plan_id, "ana", **fields))
    answer = eventually(lambda: requests.answered(name), f"an answer to {kind}")
    return answer.code or "ok"


def known(house: Project, name: str) -> PlanState:
    """What the ledger says of the plan whose note has that name."""
    state = fold(read_entries(house.logs / "audit"))
    plans = {plan_id: plan.path for plan_id, plan in state.plans.items()}
    plans |= {plan_id: ended.path for plan_id, ended in state.ended.items()}
    plan_id = next(each for each, path in plans.items() if path.endswith(f"/{name}"))
    found = history(plan_id, read_entries(house.logs / "audit"))
    assert found is not None
    return found


def texts(house: Project, name: str = "stub") -> list[str]:
    return [call["arguments"].get("text") for call in house.calls(name)]


# ---------------------------------------------------------------- unknown outcomes


@pytest.mark.promise("7")
def test_a_server_that_acts_and_dies_leaves_a_question_that_two_boxes_in_the_note_answer(
    project: Callable[..., Project],
) -> None:
    house = project(servers={}, settings=FAST)
    house.set_servers({"stub": house.stub(), "other": house.stub(name="other")})
    house.start()
    for name in ("Yes", "No", "Both"):
        approved(house, f"{name}.md", step("stub.crash", text=name), step("other.record", text=name))
    notes = {
        name: house.await_note(f"{name}.md", "Failed", "It did not happen") for name in ("Yes", "No", "Both")
    }
    assert sorted(texts(house)) == ["Both", "No", "Yes"]
    for name, note in notes.items():
        text = note.read_text()
        assert "status: unknown" in text
        assert "- [ ] It happened (step step-1)" in text
        assert known(house, f"{name}.md").steps["step-2"].status.value == "pending"

    house.edit(notes["Both"], "- [ ] It happened", "- [x] It happened")  # half a second thought
    text = notes["Both"].read_text().replace("- [ ] It did not", "- [x] It did not")
    notes["Both"].write_text(text)
    house.edit(notes["Yes"], "- [ ] It happened", "- [x] It happened")
    house.edit(notes["No"], "- [ ] It did not happen", "- [x] It did not happen")

    done = house.await_note("Yes.md", "Done", "status: done")
    assert "2. [x] Step 2" in done.read_text()
    eventually(lambda: texts(house).count("No") == 2, "the call is made once more")
    again = house.await_note("No.md", "Failed", "- [ ] It did not happen")
    assert "[x] It did" not in again.read_text()
    assert texts(house).count("Yes") == 1
    assert texts(house).count("Both") == 1
    assert texts(house, "other") == ["Yes"]


@pytest.mark.promise("7")
def test_a_question_is_answered_by_a_request_once_and_only_while_it_stands(
    project: Callable[..., Project],
) -> None:
    house = project(settings=FAST).start()
    approved(house, "A.md", step("stub.crash", text="a"), record("after"))
    house.await_note("A.md", "Failed", "It did not happen")
    plan_id = known(house, "A.md").id

    assert ask(house, "retry", plan_id) == "outcome-unknown"
    assert ask(house, "resolve", plan_id, step="step-2", answer="happened") == "not-unknown"
    assert ask(house, "resolve", plan_id, step="step-1", answer="happened") == "ok"

    house.await_note("A.md", "Done", "status: done")
    assert ask(house, "resolve", plan_id, step="step-1", answer="did-not-happen") == "not-unknown"
    assert ask(house, "cancel", plan_id) == "consumed"
    assert texts(house) == ["a", "after"]
    resolved = house.entries("resolved")
    assert [(entry.approver, entry.data["answer"]) for entry in resolved] == [("ana", "happened")]


@pytest.mark.promise("1.2")
def test_an_answer_that_is_older_than_the_call_in_question_does_not_count(
    project: Callable[..., Project],
) -> None:
    house = project(settings=FAST).start()
    stale = f"{time.time_ns():020d}-0000"
    approved(house, "A.md", step("stub.crash", text="a"))
    house.await_note("A.md", "Failed", "It did not happen")
    requests = Requests(house.logs / "requests")
    asked = {
        "kind": "resolve",
        "plan": known(house, "A.md").id,
        "by": "ana",
        "step": "step-1",
        "answer": "did-not-happen",
    }
    aside = requests.folder / "aside"
    aside.write_text(json.dumps(asked))
    aside.rename(requests.folder / f"{stale}.request.json")

    answer = eventually(lambda: requests.answered(stale), "an answer")
    assert (answer.ok, answer.code) == (False, "out-of-date")
    assert texts(house) == ["a"]


@pytest.mark.promise("7")
def test_after_a_timeout_a_repeatable_call_is_made_again_and_another_one_is_not(
    project: Callable[..., Project],
) -> None:
    house = project(settings=FAST)
    house.actions("peek:\n  tools: [{tool: stub.slow}]\n  repeatable: true\n  timeout: 300ms\n  retries: 1\n")
    house.start()
    approved(house, "Once.md", step("stub.slow", seconds=5, text="once") + "timeout: 300ms\n")
    approved(house, "Again.md", step("peek", seconds=5, text="again"))

    once = house.await_note("Once.md", "Failed", "It did not happen")
    house.await_note("Again.md", "Failed", "It did not happen")
    assert "no answer came within 0.3 seconds" in once.read_text()
    assert texts(house).count("once") == 1
    assert texts(house).count("again") == 2
    again = [call for call in house.calls() if call["arguments"]["text"] == "again"]
    assert len({call["meta"]["signoff/idempotency-key"] for call in again}) == 1


@pytest.mark.promise("7")
def test_a_server_killed_in_the_middle_of_a_call_makes_its_outcome_unknown(
    project: Callable[..., Project],
) -> None:
    house = project(settings=FAST).start()
    approved(house, "A.md", step("stub.slow", seconds=60, text="a"))
    house.await_calls(1)
    psutil.Process(house.calls()[0]["pid"]).kill()

    house.await_note("A.md", "Failed", "It did not happen")
    outcome = house.await_entry("outcome")
    assert outcome.data["class"] == "unknown"


@pytest.mark.promise("7")
def test_a_question_about_one_call_can_be_answered_while_another_is_still_under_way(
    project: Callable[..., Project],
) -> None:
    house = project(servers={}, settings=FAST)
    house.set_servers({"stub": house.stub(), "other": house.stub(name="other")})
    house.start()
    approved(
        house,
        "A.md",
        step("stub.crash", text="a"),
        step("other.slow", seconds=3, text="slow"),
        front="mode: parallel",
    )
    house.await_note("A.md", "Approved", "unknown")
    assert ask(house, "resolve", known(house, "A.md").id, step="step-1", answer="happened") == "ok"

    house.await_note("A.md", "Done", "status: done")
    assert (texts(house), texts(house, "other")) == (["a"], ["slow"])


# ---------------------------------------------------------------- failures


@pytest.mark.promise("7")
def test_a_tool_that_says_it_failed_stops_the_plan_with_the_servers_words_made_harmless(
    project: Callable[..., Project],
) -> None:
    house = project(settings=FAST).start()
    words = "'no such *room* [[Secret]] ![[x]] <b>- [ ] now</b>'"
    approved(house, "A.md", record("first"), step("stub.fail", text=words), record("never"))

    note = house.await_note("A.md", "Failed", "status: failed")
    text = note.read_text()
    assert texts(house) == ["first", words.strip("'")]
    assert "no such" in text
    section = text[text.index("%% signoff %%") :]
    outside = re.sub(r"(`+).+?\1", "", section, flags=re.DOTALL)  # without code, where nothing acts
    assert "[[" not in outside
    assert "<b>" not in outside
    assert known(house, "A.md").steps["step-3"].status.value == "pending"
    assert house.front(note)["progress"] == "1/3"


@pytest.mark.promise("7")
def test_what_goes_on_after_a_failure_is_what_the_plan_says(project: Callable[..., Project]) -> None:
    house = project(settings=FAST).start()
    approved(house, "Tolerated.md", step("stub.fail") + "continue_on_error: true\n", record("t2"))
    approved(
        house,
        "Continued.md",
        "id: bad\n" + step("stub.fail"),
        record("c2"),
        "needs: [bad]\n" + record("c3"),
        front="on_failure: continue",
    )
    house.await_note("Tolerated.md", "Done", "status: done")
    house.await_note("Continued.md", "Failed", "status: failed")
    assert "t2" in texts(house)
    assert "c2" in texts(house)
    assert "c3" not in texts(house)
    assert known(house, "Continued.md").steps["step-3"].status.value == "skipped"


@pytest.mark.promise("7")
def test_a_failed_plan_is_shown_again_on_request_and_only_the_rest_runs(
    project: Callable[..., Project],
) -> None:
    house = project(settings=FAST).start()
    approved(house, "A.md", record("first"), step("stub.fail", text="no"), record("last"))
    failed = house.await_note("A.md", "Failed", "status: failed")
    house.edit(failed, "action: stub.fail", "action: stub.record")

    assert ask(house, "retry", known(house, "A.md").id) == "ok"
    note = house.await_note("A.md", "Pending_Approval", "status: pending")
    eventually(lambda: len(house.entries("presented")) == 2, "it is shown again")
    assert texts(house) == ["first", "no"]
    house.approve(note)

    house.await_note("A.md", "Done", "status: done")
    assert texts(house) == ["first", "no", "no", "last"]


@pytest.mark.promise("7")
def test_a_cancelled_plan_records_the_call_under_way_and_makes_no_other(
    project: Callable[..., Project],
) -> None:
    house = project(settings=FAST).start()
    approved(house, "Running.md", step("stub.slow", seconds=1, text="slow"), record("never"))
    house.await_calls(1)
    assert ask(house, "cancel", known(house, "Running.md").id, reason="changed my mind") == "ok"

    note = house.await_note("Running.md", "Rejected", "status: cancelled")
    assert "changed my mind" in note.read_text()
    assert house.entries("outcome")[0].data["class"] == "done"
    assert texts(house) == ["slow"]


# ---------------------------------------------------------------- not now, not there, not allowed


@pytest.mark.promise("7")
def test_a_rate_limit_makes_the_plan_wait_as_long_as_the_server_says_also_over_a_restart(
    project: Callable[..., Project],
) -> None:
    house = project(settings=FAST).start()
    approved(house, "Long.md", step("stub.rate"), record("after"))
    note = house.await_note("Long.md", "Approved", "status: waiting")
    waiting = house.await_entry("waiting")
    assert waiting.data["reason"] == "rate-limited"
    until = waiting.data["until"]

    house.kill()
    house.start()
    house.await_note("Long.md", "Approved", "status: waiting")
    assert known(house, "Long.md").until == until
    assert len(house.calls()) == 1
    stands = next(line for line in note.read_text().splitlines() if "Waits until: " in line)
    assert "`stub.rate` is limited in how often it may be called" in stands


@pytest.mark.promise("6")
@pytest.mark.parametrize("front", ["", "run_at: 2099-01-01T09:00:00Z", "schedule: 0 9 1 1 *"])
def test_a_plan_whose_note_is_deleted_while_it_waits_for_a_time_is_cancelled_then_and_not_at_that_time(
    project: Callable[..., Project], front: str
) -> None:
    house = project(settings=FAST).start()
    house.policy("requires:\n  medium: {method: edit, ttl: 36500d}\n")
    note = house.pending("A.md", plan(step("stub.rate", text="Rate limit exceeded"), front=front))
    house.approve(note)
    waiting = house.await_note("A.md", "Approved", "next_run:")
    house.await_entry("moved", plan=known(house, "A.md").id)

    waiting.unlink()

    assert house.await_entry("finished").data["status"] == "cancelled"


@pytest.mark.promise("7")
def test_a_short_limit_is_waited_out_and_the_call_made_again(project: Callable[..., Project]) -> None:
    house = project(settings=FAST)
    house.actions("try:\n  tools: [{tool: stub.rate}]\n")
    house.start()
    approved(house, "A.md", step("try", text="'Too many requests, retry after 1 s'"))
    house.await_calls(3)
    assert [entry.attempt for entry in house.entries("intent")][:3] == [1, 2, 3]


@pytest.mark.promise("7")
def test_a_server_that_is_gone_leads_to_the_fallback_and_without_one_to_a_wait_that_says_so(
    project: Callable[..., Project],
) -> None:
    house = project(servers={}, settings=FAST)
    program = house.root / "first-server"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} {STUB} --log {house.root}/first.jsonl\n")
    program.chmod(0o755)
    house.set_servers({"first": {"command": str(program)}, "second": house.stub(name="second")})
    house.actions("note:\n  tools: [{tool: first.record}, {tool: second.record}]\n  retries: 1\n")
    house.start()
    both = house.pending("Both.md", plan(step("note", text="both")))
    alone = house.pending("Alone.md", plan("retries: 1\n" + step("first.record", text="alone")))
    program.unlink()
    assert house.process is not None
    for child in psutil.Process(house.process.pid).children(recursive=True):
        if f"{house.root}/first.jsonl" in child.cmdline():
            child.kill()

    house.approve(both)
    house.approve(alone)

    house.await_note("Both.md", "Done", "status: done")
    waiting = house.await_note("Alone.md", "Approved", "status: waiting")
    assert (texts(house, "first"), texts(house, "second")) == ([], ["both"])
    assert [entry.data["class"] for entry in house.entries("outcome", server="first")] == ["transient"] * 4
    assert known(house, "Alone.md").steps["step-1"].status.value == "waiting"
    assert "The server `first` is not available" in waiting.read_text()


@pytest.mark.promise("7")
def test_a_missing_variable_fails_the_step_as_a_matter_of_authentication(
    project: Callable[..., Project],
) -> None:
    house = project(servers={}, settings=FAST)
    entry = house.stub() | {"env": {"KEY": "${STUB_KEY}"}}
    house.set_servers({"stub": entry})
    (house.config / ".env").write_text("STUB_KEY=abc\n")
    house.start()
    note = house.pending("A.md", plan(record("a")))
    house.stop()
    (house.config / ".env").write_text("")
    house.start()
    house.approve(note)

    failed = house.await_note("A.md", "Failed", "status: failed")
    assert house.await_entry("outcome").data["class"] == "authentication"
    assert "STUB_KEY" in failed.read_text()
    assert house.calls() == []


# ---------------------------------------------------------------- odd results


@pytest.mark.promise("7")
def test_arguments_filled_in_from_results_must_fit_the_tool_before_it_is_called(
    project: Callable[..., Project],
) -> None:
    house = project(settings=FAST).start()
    approved(
        house,
        "A.md",
        "id: one\n" + step("stub.structured", text="five"),
        step("stub.typed", count="${{ steps.one.result.text }}"),
    )
    failed = house.await_note("A.md", "Failed", "status: failed")
    assert [call["tool"] for call in house.calls()] == ["structured"]
    assert known(house, "A.md").steps["step-2"].reason == "argument-invalid"
    assert "count" in failed.read_text()


def nested(levels: int) -> str:
    """A result whose structure is nested so deep."""
    structure = "[" * levels + "]" * levels
    return f'{{"content": [{{"type": "text", "text": "ok"}}], "structuredContent": {{"v": {structure}}}}}'


@pytest.mark.promise("7")
@pytest.mark.parametrize("last", [(), ("--last",)], ids=["its number first", "its number last"])
def test_an_answer_nested_too_deep_to_be_read_is_unknown_at_once_and_never_awaited(
    project: Callable[..., Project], last: tuple[str, ...]
) -> None:
    house = project()
    (house.root / "raw.json").write_text(nested(600))
    odd = [str(STUB.with_name("odd.py")), "--raw", str(house.root / "raw.json"), *last]
    house.set_servers({"odd": {"command": sys.executable, "args": odd}})
    house.start()
    approved(house, "Deep.md", "action: odd.do\nwith: {}\n")  # whose time is longer than anybody waits here
    note = house.await_note("Deep.md", "Failed", "status: unknown")
    assert house.entries("outcome")[0].data["reason"] == "answer-unreadable"
    assert "its answer cannot be read; it most likely acted" in note.read_text()


@pytest.mark.promise("7")
@pytest.mark.parametrize(
    "structure",
    [
        '{"v": ' + "[" * 190 + "]" * 190 + "}",
        '{"' + "k" * 1_000_000 + '": 1}',
        json.dumps({"v": list(range(100_000))}),
        '{"v": "half a \\ud83d", "\\udc00": 1}',
    ],
    ids=["deep", "a key of a million characters", "a hundred thousand items", "half a character"],
)
def test_an_answer_that_is_large_or_odd_but_can_be_read_is_kept_and_flows_on(
    project: Callable[..., Project], structure: str
) -> None:
    house = project()
    content = '[{"type": "text", "text": "half a \\ud83d"}]'
    (house.root / "raw.json").write_text(f'{{"content": {content}, "structuredContent": {structure}}}')
    odd = [str(STUB.with_name("odd.py")), "--raw", str(house.root / "raw.json")]
    house.set_servers({"odd": {"command": sys.executable, "args": odd}})
    house.start()
    again = "action: odd.do\nwith: {v: '${{ steps.a.result }}'}\n"
    approved(house, "Large.md", "id: a\naction: odd.do\nwith: {}\n", again)
    house.await_note("Large.md", "Done", "status: done")
    assert [entry.data["class"] for entry in house.entries("outcome")] == ["done", "done"]
