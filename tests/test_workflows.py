"""Plans that are more than a list: fan-out, conditions, data flow, taking back, final values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from servers.http_stub import HttpStub
from support.project import Project, eventually, plan, projects, record


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    yield from projects(tmp_path)


def texts(house: Project) -> list[str]:
    return [call["arguments"].get("text", "") for call in house.calls()]


@pytest.mark.promise("7")
def test_a_step_for_each_item_calls_once_for_each_in_order(project: Callable[..., Project]) -> None:
    house = project().start()
    step = "id: all\nfor_each: [a, b, c]\naction: stub.record\nwith:\n  text: item ${{ item }}\n"
    after = "action: stub.record\nwith:\n  text: ${{ steps.all.result[1].text }}\n"
    note = house.pending("Each.md", plan(step, after))
    assert '["a","b","c"]' in note.read_text().replace(" ", "")

    house.approve(note)

    done = house.await_note("Each.md", "Done", "status: done")
    assert texts(house) == ["item a", "item b", "item c", "ok: item b"]
    assert "(2 of 3)" in done.read_text()


@pytest.mark.promise("7")
def test_an_item_that_fails_stops_the_rest_and_a_retry_does_not_repeat_what_is_done(
    project: Callable[..., Project],
) -> None:
    house = project()
    house.actions("act:\n  tools:\n    - tool: stub.record\n")
    house.start()
    step = "id: all\nfor_each: [one, two]\naction: stub.crash\nwith:\n  text: ${{ item }}\n"
    house.approve(house.pending("Crash.md", plan(step)))

    note = house.await_note("Crash.md", "Failed", "status: unknown")
    assert texts(house) == ["one"]
    house.edit(note, "- [ ] It happened", "- [x] It happened")

    house.await_calls(2)
    note = house.await_note("Crash.md", "Failed", "It happened (step all[1])")
    house.edit(note, "- [ ] It happened (step all[1])", "- [x] It happened (step all[1])")
    house.await_note("Crash.md", "Done", "status: done")
    assert texts(house) == ["one", "two"]


@pytest.mark.promise("7")
def test_a_list_that_is_longer_than_was_approved_calls_nothing(project: Callable[..., Project]) -> None:
    house = project().start()
    first = "id: many\naction: stub.structured\nwith:\n  text: x\n"
    step = "for_each: ${{ steps.many.result.length }}\naction: stub.record\nwith:\n  text: n\n"
    house.approve(house.pending("List.md", plan(first, step)))
    house.await_note("List.md", "Failed", "did not come to a list")
    assert "record" not in [call["tool"] for call in house.calls()]


@pytest.mark.promise("7")
def test_a_failed_plan_takes_back_what_was_done_in_reverse_order(project: Callable[..., Project]) -> None:
    house = project().start()
    undo = "undo:\n  action: stub.record\n  with:\n    text: undo {0}\n"
    steps = [
        f"id: {name}\naction: stub.record\nwith:\n  text: do {name}\n" + undo.format(name)
        for name in ("a", "b")
    ]
    text = plan(*steps, "action: stub.fail\nwith:\n  text: broken\n", front="on_failure: undo")
    house.approve(house.pending("Undo.md", text))
    note = house.await_note("Undo.md", "Failed", "status: failed")
    done = [name for name in texts(house) if name != "broken"]
    assert done == ["do a", "do b", "undo b", "undo a"]
    assert "Take back: Step 1" in note.read_text()


@pytest.mark.promise("7")
def test_final_values_outside_their_limits_wait_for_a_fresh_approval_of_exactly_these(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    first = "id: s\naction: stub.structured\nwith:\n  text: lang\n"
    second = "action: stub.record\nlimits: size(with.text) <= 2\nwith:\n  text: ${{ steps.s.result.text }}\n"
    house.approve(house.pending("Limit.md", plan(first, second)))
    note = house.await_note("Limit.md", "Pending_Approval", "limits-violated")
    assert [call["tool"] for call in house.calls()] == ["structured"]
    assert "lang" in note.read_text().split("%% signoff %%")[1]

    house.approve(note)

    house.await_note("Limit.md", "Done", "status: done")
    assert [call["tool"] for call in house.calls()] == ["structured", "record"]


@pytest.mark.promise("7")
def test_a_step_whose_condition_is_false_is_skipped_and_said_to_be(project: Callable[..., Project]) -> None:
    house = project().start()
    first = record("first", "a")
    second = "if: ${{ steps.a.failed }}\naction: stub.record\nwith:\n  text: never\n"
    house.approve(house.pending("If.md", plan(first, second, record("last"))))
    done = house.await_note("If.md", "Done", "status: done")
    assert texts(house) == ["first", "last"]
    assert "skipped" in done.read_text()


@pytest.mark.promise("9")
def test_a_secret_argument_that_the_server_repeats_is_hidden_everywhere_but_in_the_blobs(
    project: Callable[..., Project],
) -> None:
    house = project()
    house.policy('rules:\n  - match: {tool: "record"}\n    secret: [text]\n')
    house.start()
    secret = "correct-horse-battery"
    note = house.pending("Secret.md", plan(record("see below")).replace("see below", secret))
    shown = note.read_text().split("%% signoff %%")[1]
    assert secret not in shown
    house.approve(note)
    done = house.await_note("Secret.md", "Done", "status: done")
    assert house.calls()[0]["arguments"]["text"] == secret
    assert secret not in done.read_text().split("%% signoff %%")[1]
    assert house.stop() == 0
    for path in house.logs.rglob("*"):
        if path.is_file() and "blobs" not in path.parts:
            assert secret not in path.read_text(errors="replace"), path


@pytest.mark.promise("7")
def test_a_step_that_always_runs_does_so_after_the_plan_was_halted_and_reads_what_was_left_out(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    broken = "id: broken\naction: stub.fail\nwith:\n  text: no\n"
    last = (
        "if: ${{ always() }}\naction: stub.record\nwith:\n"
        "  text: failed ${{ steps.broken.failed }}, left out ${{ steps.never.skipped }}\n"
    )
    house.approve(house.pending("Always.md", plan(broken, record("never", "never"), last)))

    note = house.await_note("Always.md", "Failed", "status: failed")

    assert texts(house) == ["no", "failed true, left out true"]
    shown = note.read_text().split("%% signoff %%")[1]
    assert "not started" in shown
    house.edit(note, "action: stub.fail", "action: stub.record")
    note.rename(house.vault / "Inbox" / "Always.md")
    again = house.await_note("Always.md", "Pending_Approval", "status: pending")
    house.approve(again)
    house.await_note("Always.md", "Done", "status: done")
    assert texts(house) == ["no", "failed true, left out true", "no", "never"], "what is done stays done"


@pytest.mark.promise("7")
def test_a_step_for_one_failure_mends_it_before_what_was_done_is_taken_back(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    first = record("a", "a") + "undo:\n  action: stub.record\n  with:\n    text: undo a\n"
    broken = "id: b\naction: stub.fail\nwith:\n  text: b\n"
    mend = "id: mend\nneeds: [b]\nif: ${{ steps.b.failed }}\naction: stub.record\nwith:\n  text: mend\n"
    other = "needs: [a]\nif: ${{ steps.a.failed }}\naction: stub.record\nwith:\n  text: other\n"
    text = plan(first, broken, mend, other, front="on_failure: undo")
    house.approve(house.pending("Mend.md", text))
    house.await_note("Mend.md", "Failed", "status: failed")
    assert texts(house) == ["a", "b", "mend", "undo a"]


@pytest.mark.promise("1.2")
def test_nothing_runs_after_an_unknown_outcome_however_it_is_conditioned(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    last = "if: ${{ always() }}\naction: stub.record\nwith:\n  text: last\n"
    house.approve(house.pending("Crash.md", plan("id: c\naction: stub.crash\nwith:\n  text: c\n", last)))
    house.await_note("Crash.md", "Failed", "status: unknown")
    assert texts(house) == ["c"]


@pytest.mark.promise("7")
def test_the_errors_of_several_steps_stand_in_one_list_each_with_its_class(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    refused = "action: stub.fail\nwith:\n  text: I will not\n"
    items = "for_each: [x, y]\naction: stub.fail\nwith:\n  text: no ${{ item }}\n"
    late = "action: stub.record\nwith:\n  text: ${{ steps.first.result.nothing }}\n"
    text = plan(record("one", "first"), refused, late, items, record("two"), front="on_failure: continue")
    house.approve(house.pending("Errors.md", text))

    note = house.await_note("Errors.md", "Failed", "status: failed")

    assert texts(house) == ["one", "I will not", "no x", "no y", "two"]
    shown = note.read_text().split("%% signoff %%")[1]
    assert "4 steps failed. By class: 3 refused by the server, 1 not called." in shown
    table = [line for line in shown.splitlines() if "| refused by the server |" in line]
    assert len(table) == 3
    assert "I will not" in table[0]
    assert "(`tool-refused`)" in table[0]
    assert [line for line in shown.splitlines() if "| not called |" in line and "expression-failed" in line]
    assert "**Done:** Step 1 and Step 5." in shown


@pytest.mark.promise("7")
def test_a_server_that_does_not_know_us_fails_its_plan_and_lets_the_others_wait(
    project: Callable[..., Project],
) -> None:
    with HttpStub() as stub:
        house = project(servers={"web": {"url": stub.url}})
        house.start()
        first = house.pending("First.md", plan("action: web.record\nwith:\n  text: first\n"))
        second = house.pending("Second.md", plan("action: web.record\nwith:\n  text: second\n"))
        stub.next(status=401)
        house.approve(first)
        house.await_note("First.md", "Failed", "authentication")
        house.approve(second)
        house.await_entry("waiting", reason="authentication")
        house.await_note("Second.md", "Approved", "status: waiting")
        assert stub.calls == []

        assert house.signoff("servers", "restart", "web").returncode == 0

        house.await_note("Second.md", "Done", "status: done")
        assert len(stub.calls) == 1


UNDO = "undo:\n  action: stub.record\n  with:\n    text: undo ${{ with.text }} (${{ result.text }})\n"


@pytest.mark.promise("7")
def test_each_item_that_was_done_is_taken_back_the_last_one_first_and_once(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    many = "id: many\naction: stub.record\nfor_each: [a, b, c]\nwith:\n  text: ${{ item }}\n" + UNDO
    note = house.pending("A.md", plan(many, "action: stub.fail\nwith: {}\n", front="on_failure: undo"))
    shown = note.read_text()
    assert "each entry that is done is taken back, last first, with `stub.record`" in shown
    house.approve(note)

    failed = house.await_note("A.md", "Failed", "status: failed").read_text()

    undone = ["undo c (ok: c)", "undo b (ok: b)", "undo a (ok: a)"]
    assert [text for text in texts(house) if text] == ["a", "b", "c", *undone]
    assert "Take back: Step 1 (3 of 3)" in failed
    proof = house.signoff("audit", "verify", "--evidence")
    assert proof.returncode == 0, proof.stdout


@pytest.mark.promise("1.2")
def test_items_are_taken_back_once_although_the_daemon_is_killed_meanwhile(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    slow = "undo:\n  action: stub.slow\n  with:\n    text: undo ${{ item }}\n    seconds: 1\n"
    many = "id: many\naction: stub.record\nfor_each: [a, b, c]\nwith:\n  text: ${{ item }}\n" + slow
    house.approve(
        house.pending("A.md", plan(many, "action: stub.fail\nwith: {}\n", front="on_failure: undo"))
    )
    eventually(lambda: "undo b" in texts(house), "the second item is being taken back")
    house.kill()
    house.start()

    asked = house.await_note("A.md", "Failed", "It did not happen (step many[1]:undo)")
    house.edit(asked, "- [ ] It happened (step many[1]:undo)", "- [x] It happened (step many[1]:undo)")
    eventually(lambda: "undo a" in texts(house), "the taking back goes on")
    house.await_note("A.md", "Failed", "status: failed")
    assert [text for text in texts(house) if text] == ["a", "b", "c", "undo c", "undo b", "undo a"]


@pytest.mark.promise("1.2")
def test_after_a_retry_only_items_that_were_taken_back_are_done_again(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    many = (
        "id: many\naction: stub.record\nfor_each: [1, 0, 2]\nwith:\n  text: n ${{ item }}\n"
        "undo:\n  action: stub.typed\n  with:\n    count: ${{ item }}\n"  # at least 1: the second one fails
    )
    text = plan(many, "action: stub.fail\nwith: {}\n", front="on_failure: undo")
    house.approve(house.pending("A.md", text))
    failed = house.await_note("A.md", "Failed", "status: failed")
    assert [call["arguments"].get("count") for call in house.calls() if call["tool"] == "typed"] == [2]
    assert house.signoff("retry", house.front(failed)["id"]).returncode == 0
    again = house.await_note("A.md", "Pending_Approval", "status: pending")
    finished = len(house.entries("finished"))
    house.approve(again)

    eventually(lambda: len(house.entries("finished")) > finished, "it has failed once more")

    done = [call["arguments"]["text"] for call in house.calls() if call["tool"] == "record"]
    assert done == ["n 1", "n 0", "n 2", "n 2"]


@pytest.mark.promise("7")
def test_the_catalogue_says_how_an_action_is_taken_back_where_the_step_does_not(
    project: Callable[..., Project],
) -> None:
    house = project()
    house.actions(
        "write:\n  tools: [{tool: stub.record}]\n"
        "  undo: {tool: stub.put, with: {text: 'not ${{ with.text }}, which said ${{ result.text }}'}}\n"
    )
    house.start()
    steps = ("action: write\nwith: {text: a}\n", "action: stub.fail\nwith: {}\n")
    plain = house.pending("Plain.md", plan(*steps))
    assert "stub.put" not in plain.read_text(), "this plan takes nothing back"
    note = house.pending("A.md", plan(*steps, front="on_failure: undo"))
    assert "taken back with `stub.put`" in note.read_text()
    house.approve(note)
    house.await_note("A.md", "Failed", "status: failed")
    assert texts(house)[0] == "a"
    assert texts(house)[-1].startswith("not a, which said ")


@pytest.mark.promise("1.5")
def test_an_undo_that_fails_stops_the_taking_back_and_the_note_says_what_was_not_taken_back(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    undo = "undo:\n  action: stub.{tool}\n  with:\n    text: undo {name}\n"
    steps = [
        record(name, name) + undo.format(tool=tool, name=name)
        for name, tool in (("a", "record"), ("b", "fail"), ("c", "record"))
    ]
    note = house.pending(
        "A.md", plan(*steps, "action: stub.fail\nwith: {text: no}\n", front="on_failure: undo")
    )
    house.approve(note)
    text = house.await_note("A.md", "Failed", "status: failed").read_text()
    assert texts(house) == ["a", "b", "c", "no", "undo c", "undo b"]
    assert "2 steps failed. By class: 2 refused by the server." in text
    assert "Take back: Step 2" in text
    assert (
        "**Done:** Step 1 and Step 2. **Taken back:** Step 3. **Not taken back:** Step 2 and Step 1." in text
    )
    assert "progress: 2/4" in text
    assert "3. [ ] Step 3" in text, "it is ticked although it was taken back"


@pytest.mark.promise("7")
def test_the_results_of_a_step_for_each_item_are_there_after_a_restart(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    many = "id: many\naction: stub.record\nfor_each: [a, b]\nwith:\n  text: ${{ item }}\n"
    last = "action: stub.record\nwith:\n  text: last ${{ steps.many.result[1].text }}\n"
    house.approve(house.pending("A.md", plan(many, "id: gone\naction: stub.crash\nwith: {text: x}\n", last)))
    asked = house.await_note("A.md", "Failed", "- [ ] It happened")
    house.edit(asked, "- [ ] It happened", "- [x] It happened")

    house.await_note("A.md", "Done", "status: done")

    assert texts(house) == ["a", "b", "x", "last ok: b"]
