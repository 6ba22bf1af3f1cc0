"""What flows between steps over a real daemon: data as data, lists within bounds, items one by one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.project import STUB, Project, eventually, plan, projects, record


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    yield from projects(tmp_path)


def texts(house: Project) -> list[str]:
    return [call["arguments"].get("text", "") for call in house.calls()]


def section(path: Path) -> str:
    return path.read_text().split("%% signoff %%")[1]


@pytest.mark.promise("7")
def test_template_syntax_that_comes_out_of_a_step_is_data_and_never_expanded(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    made = "id: a\naction: stub.record\nwith:\n  text: \"$${{ '{{' }} plan.id }} {{ steps.a.ok }} {% x %}\"\n"
    through = "id: b\naction: stub.record\nwith:\n  text: ${{ steps.a.result.text }}\n"
    again = "for_each: ['${{ steps.b.result.text }}']\naction: stub.record\nwith:\n  text: <${{ item }}>\n"
    house.approve(house.pending("Template.md", plan(made, through, again, front="id: secret-id")))
    house.await_note("Template.md", "Done", "status: done")
    data = "${{ plan.id }} {{ steps.a.ok }} {% x %}"
    assert texts(house) == [data, f"ok: {data}", f"<ok: ok: {data}>"]


@pytest.mark.promise("7")
def test_a_value_that_is_only_an_expression_reaches_the_tool_as_the_kind_that_it_is(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    first = "id: s\naction: stub.structured\nwith:\n  text: four\n"
    count = "action: stub.typed\nwith:\n  count: ${{ steps.s.result.length }}\n"
    text = "action: stub.typed\nwith:\n  count: ${{ steps.s.result.text }}\n"
    house.approve(house.pending("Kinds.md", plan(first, count, text)))
    note = house.await_note("Kinds.md", "Failed", "status: failed")
    assert [call["arguments"] for call in house.calls() if call["tool"] == "typed"] == [{"count": 4}]
    assert "`argument-invalid`" in section(note)


@pytest.mark.promise("7")
def test_a_value_may_be_worked_out_of_what_came_before(project: Callable[..., Project]) -> None:
    house = project().start()
    first = "id: s\naction: stub.structured\nwith:\n  text: four\n"
    count = "action: stub.typed\nwith:\n  count: ${{ steps.s.result.length * 2 + 1 }}\n"
    each = (
        "for_each: ${{ [1, 2, 3].filter(n, n < steps.s.result.length - 1) }}\naction: stub.record\n"
        "with: {text: \"${{ item + 1 }} of ${{ steps.s.ok ? 'ok' : 'none' }}\"}\n"
        "undo: {action: stub.record, with: {text: \"${{ 'not ' + with.text }}\"}}\n"
    )
    text = plan(first, count, each, "action: stub.fail\nwith: {}\n", front="on_failure: undo")
    house.approve(house.pending("Sums.md", text))
    house.await_note("Sums.md", "Failed", "status: failed")
    assert [call["arguments"] for call in house.calls() if call["tool"] == "typed"] == [{"count": 9}]
    done = [call["arguments"]["text"] for call in house.calls() if call["tool"] == "record"]
    assert done == ["2 of ok", "3 of ok", "not 3 of ok", "not 2 of ok"]


@pytest.mark.promise("7")
def test_items_of_which_some_fail_are_reported_one_by_one_and_a_retry_makes_only_those(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    step = (
        "for_each: [one, 2, three]\nif: ${{ true }}\n"  # what it makes of the list is seen late
        "action: stub.record\nwith:\n  text: ${{ item }}\n"
    )
    house.approve(house.pending("Items.md", plan(step, record("after"), front="on_failure: continue")))

    note = house.await_note("Items.md", "Failed", "status: failed")

    assert texts(house) == ["one", "three", "after"]
    rows = [line for line in section(note).splitlines() if line.startswith("> | ") and " of 3)" in line]
    assert any("(2 of 3)" in row and "argument-invalid" in row for row in rows)
    assert all("argument-invalid" in row for row in rows if "(2 of 3)" in row)
    assert all("✓ done" in row for row in rows if "(1 of 3)" in row or "(3 of 3)" in row)
    house.edit(note, "[one, 2, three]", "[two, three, one, one]")
    note.rename(house.vault / "Inbox" / "Items.md")
    again = house.await_note("Items.md", "Pending_Approval", "status: pending")
    assert '`["two","three","one","one"]`' in section(again)
    house.approve(again)
    done = house.await_note("Items.md", "Done", "status: done")
    assert texts(house) == ["one", "three", "after", "two", "one"], "what was done for a value stays done"
    assert "(4 of 4)" in section(done)
    verified = house.signoff("audit", "verify", "--evidence")
    assert verified.returncode == 0, verified.stdout


@pytest.mark.promise("7")
def test_a_list_that_comes_to_more_items_than_the_preview_said_calls_nothing(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    numbers = ", ".join(f"n{n}" for n in range(60))
    many = f"id: many\nfor_each: [{numbers}]\naction: stub.look\nwith:\n  text: ${{{{ item }}}}\n"
    each = "for_each: ${{ steps.many.result }}\naction: stub.record\nwith:\n  text: ${{ item.text }}\n"
    note = house.pending("Many.md", plan(many, each, front="mode: sequential"))
    assert "up to 50 entries" in section(note)
    house.approve(note)
    note = house.await_note("Many.md", "Failed", "status: failed")
    assert "came to 60 items; up to 50 were approved" in section(note)
    assert "record" not in [call["tool"] for call in house.calls()]


@pytest.mark.promise("7")
def test_plans_start_by_priority_and_then_by_the_time_of_their_approval_also_after_a_restart(
    project: Callable[..., Project],
) -> None:
    house = project(settings="[execution]\nconcurrency = 1\n").start()
    slow = plan("action: stub.slow\nwith:\n  text: first\n  seconds: 600\n", front="priority: high")
    notes = {
        name: house.pending(f"{name}.md", plan(record(name), front=f"priority: {priority}"))
        for name, priority in (
            ("c", "normal"),
            ("b", "normal"),
            ("a", "normal"),
            ("low", "low"),
            ("top", "high"),
        )
    }
    house.approve(house.pending("Slow.md", slow))
    house.await_calls(1)
    for name in ("low", "a", "b", "c", "top"):
        house.approve(notes[name])
        house.await_entry("approved", plan=str(house.front(notes[name])["id"]))
    house.kill()

    house.start()

    for name in ("low", "a", "b", "c", "top"):
        house.await_note(f"{name}.md", "Done", "status: done")
    assert texts(house) == ["first", "top", "a", "b", "c", "low"]


@pytest.mark.promise("7")
def test_no_more_calls_of_one_plan_are_in_flight_than_the_settings_say_and_others_go_on(
    project: Callable[..., Project],
) -> None:
    house = project(settings="[execution]\nper_plan = 2\n").start()
    slow = "for_each: [a, b, c, d, e]\naction: stub.slow\nwith:\n  text: ${{ item }}\n  seconds: 1\n"
    house.approve(house.pending("Long.md", plan(slow, front="id: long\nmode: parallel")))
    house.await_calls(2)
    house.approve(house.pending("Other.md", plan(record("other"), front="id: other")))
    house.await_note("Other.md", "Done", "status: done")
    house.await_note("Long.md", "Done", "status: done")
    flying = most = 0
    for entry in house.entries(plan="long"):
        flying += {"intent": 1, "outcome": -1}.get(entry.event, 0)
        most = max(most, flying)
    assert most == 2


LIMITED = (
    "action: stub.record\nlimits: size(with.text) <= 3\n"
    "with:\n  text: ${{ steps.a.result.text }}\n  to: here\n"
)


def finals(house: Project, note: Path) -> list[dict[str, Any]]:
    """What a person is asked about, as `signoff show` has it."""
    shown = house.signoff("show", str(house.front(note)["id"]), "--json")
    return list(json.loads(shown.stdout)["final"])


@pytest.mark.promise("7")
def test_final_values_outside_their_limits_are_shown_in_full_and_exactly(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    value = "pay `ana` " + "and again " * 80 + "then pay mallory"
    made = f"id: a\naction: stub.structured\nwith:\n  text: {json.dumps(value)}\n"
    house.approve(house.pending("Long.md", plan(made, LIMITED)))

    note = house.await_note("Long.md", "Pending_Approval", "limits-violated")

    asked = section(note).partition("waiting for your approval")[0]
    assert value in asked
    assert '`to` = `"here"`' in asked
    assert "stub.record" in asked
    assert value not in note.read_text().split("# A plan")[0], "properties are no place for it"
    assert finals(house, note) == [
        {"step": "step-2", "call": "stub.record", "arguments": {"text": value, "to": "here"}}
    ]
    assert house.stop() == 0
    assert all(value not in path.read_text() for path in (house.logs / "audit").glob("*.jsonl"))


@pytest.mark.promise("7")
def test_what_was_done_stays_done_where_only_the_limits_are_changed(project: Callable[..., Project]) -> None:
    house = project().start()
    made = (
        "id: a\nfor_each: [x, y, zzzz]\nif: ${{ true }}\naction: stub.record\nlimits: size(with.text) < 4\n"
    )
    note = house.pending("A.md", plan(f"{made}with: {{text: '${{{{ item }}}}'}}\n"))
    house.approve(note)
    house.await_entry("returned", reason="limits-violated")
    note = house.await_note("A.md", "Pending_Approval", "(3 of 3)")
    shown = len(house.entries("presented"))
    house.edit(note, "limits: size(with.text) < 4", "limits: size(with.text) < 9")
    eventually(lambda: len(house.entries("presented")) > shown, "it is shown anew")
    assert "2 items of step 1 are done already and do not run again." in section(note)
    house.approve(note)
    house.await_note("A.md", "Done", "status: done")
    assert texts(house) == ["x", "y", "zzzz"]


@pytest.mark.promise("7")
def test_every_value_that_an_approval_lets_go_outside_its_limits_is_shown_when_it_is_given(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    items = (
        "for_each: [one, three, fifteen]\nif: item != ''\naction: stub.record\nlimits: size(with.text) <= 3\n"
        "with:\n  text: ${{ item }}\n"
    )
    house.approve(house.pending("Items.md", plan(items, front="id: items\nmode: parallel")))
    house.await_note("Items.md", "Pending_Approval", '`"three"`')
    note = house.await_note("Items.md", "Pending_Approval", "status: pending")
    assert [asked["arguments"]["text"] for asked in finals(house, note)] == ["three", "fifteen"]
    assert "1 step will run" in section(note)
    assert "done already" not in section(note)
    house.approve(note)
    house.await_note("Items.md", "Done", "status: done")
    assert sorted(texts(house)) == ["fifteen", "one", "three"]


@pytest.mark.promise("7")
def test_a_server_that_takes_few_calls_at_once_holds_up_no_other_and_leaves_nothing_in_doubt_that_only_waited(
    project: Callable[..., Project],
) -> None:
    house = project(settings="[execution]\nconcurrency = 3\n")
    house.set_servers({"stub": {**house.stub(), "max_concurrency": 1}, "other": house.stub(name="other")})
    house.start()
    slow = "for_each: [a, b, c, d, e]\naction: stub.slow\nwith: {text: '${{ item }}', seconds: 600}\n"
    house.approve(house.pending("Long.md", plan(slow, front="id: long\nmode: parallel")))
    house.await_calls(1)
    other = plan(*(record(text).replace("stub", "other") for text in ("x", "y")), front="mode: parallel")
    house.approve(house.pending("Other.md", other))
    house.await_note("Other.md", "Done", "status: done")
    assert [entry.step for entry in house.entries("intent", plan="long")] == ["step-1[0]"]
    house.kill()

    house.start()

    note = house.await_note("Long.md", "Failed", "status: unknown")
    assert section(note).count("- [ ] It happened") == 1
    house.edit(note, "- [ ] It happened", "- [x] It happened")
    house.await_calls(2)
    assert texts(house) == ["a", "b"]


@pytest.mark.promise("5")
def test_the_preview_says_of_each_call_the_limits_that_hold_for_it(project: Callable[..., Project]) -> None:
    house = project()
    house.policy(
        'rules:\n  - match: {tool: put}\n    limits: "size(with.text) < 9"\n'
        '  - match: {tool: wipe}\n    risk: low\n    limits: "size(with.text) < 5"\n'
    )
    house.start()
    made = (
        "id: a\naction: stub.put\nwith: {text: five}\n"
        "undo: {action: stub.wipe, with: {text: '${{ result.text }}'}}\n"
    )
    each = "for_each: [x, y]\naction: stub.record\nwith:\n  text: ${{ item }} of ${{ plan.id }}\n"
    late = "for_each: [x, y]\naction: stub.record\nwith:\n  text: ${{ item }} ${{ steps.a.result.text }}\n"
    shown = section(house.pending("A.md", plan(made, each, late, front="on_failure: undo")))
    bounds = [line for line in shown.splitlines() if "size(with.text)" in line]
    assert len(bounds) == 2
    assert "Step 1: runs only within `size(with.text) < 9`; otherwise it comes back to you." in bounds[1]
    assert "`stub.wipe`" in bounds[0]
    assert "only within `size(with.text) < 5`" in bounds[0]
    assert "Step 2: nothing limits" not in shown, "its values stand in the list"
    assert "Step 3: nothing limits what is filled in when it runs" in shown
    checked = house.signoff("check", str(house.vault / "Pending_Approval" / "A.md"))
    assert checked.returncode == 0, checked.stdout
    assert "Only within: size(with.text) < 9" in checked.stdout
    assert 'Taken back with: stub.wipe {"text": "${{ result.text }}"}' in checked.stdout
    assert 'For each of: ["x", "y"]' in checked.stdout
    assert "if a step fails: undo" in checked.stdout


@pytest.mark.promise("5")
def test_an_undo_that_is_outside_its_limits_is_a_question_before_anything_runs(
    project: Callable[..., Project],
) -> None:
    house = project()
    house.policy('rules:\n  - match: {tool: wipe}\n    limits: "size(with.text) < 5"\n')
    house.start()
    undo = "undo:\n  action: stub.wipe\n  with: {text: far too long}\n"
    note = house.drop("A.md", plan(record("a") + undo, front="on_failure: undo"))
    house.await_note("A.md", "Inbox", "limits-violated")
    checked = house.signoff("check", str(note))
    assert checked.returncode == 1
    assert "limits-violated" in checked.stdout
    assert "approve or refuse" not in note.read_text(), "there is nothing to approve yet"


RENAMED = "write:\n  tools:\n    - tool: stub.record\n      with: {text: what}\n"


@pytest.mark.promise("7")
def test_limits_see_the_final_value_under_the_name_of_the_action_too(project: Callable[..., Project]) -> None:
    house = project()
    house.actions(RENAMED)
    house.policy("rules:\n  - match: {tool: record}\n    limits: \"!with.what.contains('evil')\"\n")
    house.start()
    made = "id: a\naction: stub.structured\nwith: {text: %s}\n"
    write = "action: write\nwith: {what: '${{ steps.a.result.text }}'}\n"
    house.approve(house.pending("Evil.md", plan(made % "evil", write)))
    house.await_note("Evil.md", "Pending_Approval", "limits-violated")
    house.approve(house.pending("Good.md", plan(made % "good", write)))
    house.await_note("Good.md", "Done", "status: done")
    assert texts(house) == ["evil", "good", "good"], "the first one was only made, not written"


@pytest.mark.promise("7")
@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (
            "for_each: [{a: x}, {b: y}]\naction: stub.record\nwith: {text: '${{ item.a }}'}\n",
            "expression-failed",
        ),
        ("for_each: [1, two]\naction: stub.typed\nwith: {count: '${{ item }}'}\n", "argument-invalid"),
        ("for_each: [x, xxxxx]\naction: stub.record\nwith: {text: 'a ${{ item }}'}\n", "limits-violated"),
        (f"for_each: [{'1, ' * 1000}1]\naction: stub.record\nwith: {{text: x}}\n", "too-many-items"),
        (
            "for_each: [x, y]\naction: stub.record\nlimits: wth.text != 'x'\nwith: {text: '${{ item }}'}\n",
            "limit-invalid",
        ),
    ],
)
def test_what_a_list_in_the_plan_makes_wrong_is_a_question_before_anything_runs(
    project: Callable[..., Project], step: str, reason: str
) -> None:
    house = project()
    house.policy('rules:\n  - match: {tool: record}\n    limits: "size(with.text) < 5"\n')
    house.start()
    note = house.drop("A.md", plan(step))
    house.await_note("A.md", "Inbox", f"(`{reason}`)")
    [checked] = json.loads(house.signoff("check", str(note), "--json").stdout)
    assert checked["reason"] == reason


@pytest.mark.promise("1.5")
def test_what_was_skipped_and_what_became_of_each_item_is_said_and_counted_as_it_is(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    steps = (
        "id: s\nfor_each: [a, b]\nif: item != 'b'\naction: stub.record\nwith: {text: '${{ item }}'}\n",
        "id: none\nfor_each: [a, b]\nif: item == 'c'\naction: stub.record\nwith: {text: '${{ item }}'}\n",
        "id: never\nif: steps.none.ok\naction: stub.record\nwith: {text: x}\n",
        "needs: [never]\naction: stub.record\nwith: {text: y}\n",
        "action: stub.record\nwith: {text: '${{ steps.none.skipped }} ${{ steps.never.skipped }}'}\n",
    )
    house.approve(house.pending("A.md", plan(*steps)))
    note = house.await_note("A.md", "Done", "status: done")
    assert texts(house) == ["a", "true true"]
    shown = section(note)
    assert "2 of 7 steps and items done, 5 skipped." in shown
    assert "progress: 2/7" in note.read_text()
    rows = [line for line in shown.splitlines() if line.startswith("> | ")]
    assert any("skipped; 0 of 2 items are done. (`condition-false`)" in row for row in rows)
    assert any("skipped; Its condition is false. (`condition-false`)" in row for row in rows)
    assert any("skipped; Step never did not succeed. (`needs-failed`)" in row for row in rows)
    known = json.loads(house.signoff("show", str(house.front(note)["id"]), "--json").stdout)["steps"]
    skipped = {step["id"]: step["reason"] for step in known if step["status"] == "skipped"}
    assert skipped == {
        **dict.fromkeys(("none", "never", "s[1]", "none[0]", "none[1]"), "condition-false"),
        "step-4": "needs-failed",
    }


@pytest.mark.promise("7")
def test_the_results_of_the_items_that_are_done_can_be_read_in_order_although_others_failed(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    each = (
        "id: e\nfor_each: [1, 0, 3]\nif: ${{ true }}\ncontinue_on_error: true\naction: stub.typed\n"
        "with: {count: '${{ item }}'}\n"
    )
    then = (
        "action: stub.record\nwith: {text: '${{ steps.e.failed }} ${{ steps.e.result.map(r, r != null) }}'}\n"
    )
    house.approve(house.pending("A.md", plan(each, then)))
    house.await_note("A.md", "Done", "status: done")
    assert [text for text in texts(house) if text] == ["true [true,false,true]"]


@pytest.mark.promise("7")
def test_whole_numbers_of_any_size_reach_the_next_tool_as_they_are_also_after_a_restart(
    project: Callable[..., Project],
) -> None:
    numbers = [2**53 + 1, 1234567890123456789, 2**64, -(2**80), 5.0, 1e22]
    result = {"content": [{"type": "text", "text": "ok"}], "structuredContent": {"ids": numbers}}
    house = project()
    (house.root / "tools.json").write_text(
        json.dumps([{"name": "any", "description": "Anything.", "inputSchema": {"type": "object"}}])
    )
    odd = [str(STUB.with_name("odd.py")), "--result", json.dumps(result)]
    stub = house.stub("--definitions", str(house.root / "tools.json"))
    house.set_servers({"stub": stub, "odd": {"command": sys.executable, "args": odd}})
    house.start()
    made = "id: a\naction: odd.do\nwith: {}\n"
    put = "action: stub.any\nwith: {ids: '${{ steps.a.result.ids }}'}\n"
    text = plan(made, put, "id: gone\naction: stub.crash\nwith: {text: x}\n", put)
    house.approve(house.pending("Big.md", text))
    house.await_note("Big.md", "Failed", "status: unknown")
    house.kill()
    house.start()
    asked = house.await_note("Big.md", "Failed", "- [ ] It happened")
    house.edit(asked, "- [ ] It happened", "- [x] It happened")
    house.await_note("Big.md", "Done", "status: done")
    got = [call["arguments"]["ids"] for call in house.calls() if call["tool"] == "any"]
    assert [[repr(number) for number in ids] for ids in got] == [[repr(number) for number in numbers]] * 2


@pytest.mark.promise("7")
@pytest.mark.parametrize("mode", ["sequential", "parallel"])
def test_all_items_outside_their_limits_are_asked_about_in_one_approval_that_shows_them_in_full(
    project: Callable[..., Project], mode: str
) -> None:
    house = project().start()
    first = "id: a\naction: stub.look\nwith: {text: far too long}\n"
    listed = ", ".join(f"'${{{{ steps.a.result.text }}}} {number}'" for number in range(12))
    each = (
        f"id: e\nneeds: [a]\nfor_each: [ok, {listed}]\naction: stub.record\n"
        "with: {text: '${{ item }}'}\nlimits: size(with.text) < 5\n"
    )
    other = (
        "id: o\nneeds: [a]\naction: stub.record\nwith: {text: '${{ steps.a.result.text }} other'}\n"
        "limits: size(with.text) < 5\n"
    )
    house.approve(house.pending("Many.md", plan(first, each, other, front=f"mode: {mode}\nid: many")))
    house.await_entry("returned", reason="limits-violated")
    note = house.await_note("Many.md", "Pending_Approval", "status: pending")
    items = [f"ok: far too long {number}" for number in range(12)]
    known = items if mode == "sequential" else [*items, "ok: far too long other"]
    told = section(note)
    assert f"{len(known)} calls are outside their limits." in told
    for text in known:
        assert f'| `stub.record` | `text` = `"{text}"` |' in told
    asked = json.loads(house.signoff("show", "many", "--json").stdout)["final"]
    assert sorted(final["arguments"]["text"] for final in asked) == sorted(known)
    assert set(texts(house)) <= {"far too long", "ok"}

    house.approve(note)

    if mode == "sequential":
        eventually(lambda: len(house.entries("returned")) == 2, "the step after it was not known by then")
        assert texts(house) == ["far too long", "ok", *items]
        again = house.await_note("Many.md", "Pending_Approval", "status: pending")
        assert "far too long other" in section(again).split("waiting for your approval")[0]
        house.approve(again)
    house.await_note("Many.md", "Done", "status: done")
    assert sorted(texts(house)) == sorted(["far too long", "ok", *items, "ok: far too long other"])
