"""A plan whose server is away waits for it, as long as its approval holds, and is never called twice."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.project import STUB, Project, eventually, plan, projects, record

FAST = '[execution]\nretry_delay = "50ms"\nretries = 1\n[health]\ninterval = "1s"\n'


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    yield from projects(tmp_path)


def switched(house: Project, name: str = "stub") -> dict[str, object]:
    """A stub server that starts only while `<name>.away` is not there; it then exits with 9."""
    script = house.root / f"{name}.py"
    script.write_text(
        "import os, sys\n"
        f"if os.path.exists({str(house.root / f'{name}.away')!r}):\n"
        "    sys.exit('no route to the mail room')\n"
        f"os.execv(sys.executable, [sys.executable, {str(STUB)!r}, '--log', "
        f"{str(house.root / f'{name}.jsonl')!r}])\n"
    )
    return {"command": sys.executable, "args": [str(script)]}


def take_away(house: Project, name: str = "stub") -> None:
    """The server ends, and does not start again."""
    (house.root / f"{name}.away").touch()
    (house.root / f"{name}.pid").unlink(missing_ok=True)


def bring_back(house: Project, name: str = "stub") -> None:
    (house.root / f"{name}.away").unlink()
    house.signoff("servers", "restart", name)


def waiting(house: Project, name: str = "A.md", *steps: str, front: str = "") -> Path:
    """A plan that was approved, and whose server went away before it ran."""
    note = house.pending(name, plan(*(steps or (record("a"),)), front=front))
    house.stop()
    take_away(house)
    house.start()
    house.approve(note)
    return house.await_note(name, "Approved", "Signoff: waiting")


def texts(house: Project, name: str = "stub") -> list[str]:
    return [call["arguments"].get("text") for call in house.calls(name)]


@pytest.mark.promise("7")
def test_a_plan_waits_for_its_server_says_so_and_goes_on_when_it_is_there(
    project: Callable[..., Project],
) -> None:
    house = project(settings=FAST)
    house.set_servers({"stub": switched(house)})
    house.start()
    note = waiting(house, "A.md", record("a"), record("b"))
    text = note.read_text()
    assert "status: waiting" in text
    assert "`stub` is not available" in text
    assert "no route to the mail room" in text
    assert "`server-unavailable`" in text
    assert "as soon as the server is there, until the approval ends on" in text
    assert not house.calls()

    bring_back(house)

    house.await_note("A.md", "Done", "status: done")
    assert texts(house) == ["a", "b"]


@pytest.mark.promise("1.2")
def test_a_wait_for_a_server_survives_a_killed_daemon_and_calls_once(
    project: Callable[..., Project],
) -> None:
    house = project(settings=FAST)
    house.set_servers({"stub": switched(house)})
    house.start()
    waiting(house)
    before = len(house.entries("intent"))
    house.kill()
    house.start()
    eventually(lambda: house.signoff("status").stdout, "it answers")
    assert len(house.entries("intent")) == before, "nothing is tried while the server is known to be away"
    house.kill()
    house.start()

    bring_back(house)

    house.await_note("A.md", "Done", "status: done")
    assert texts(house) == ["a"]


@pytest.mark.parametrize("how", ["reject", "cancel", "move"])
def test_a_plan_that_waits_for_a_server_can_be_stopped(project: Callable[..., Project], how: str) -> None:
    house = project(settings=FAST)
    house.set_servers({"stub": switched(house)})
    house.start()
    note = waiting(house)
    if how == "reject":
        house.edit(note, "status: waiting", "status: rejected")
    elif how == "cancel":
        assert house.signoff("cancel", house.front(note)["id"]).returncode == 0
    else:
        note.rename(house.vault / "Rejected" / "A.md")
    house.await_note("A.md", "Rejected", "status: cancelled" if how == "cancel" else "status: rejected")
    bring_back(house)
    house.drop("B.md", plan(record("b")))
    house.await_note("B.md", "Pending_Approval", "status: pending")
    assert not house.calls()


@pytest.mark.promise("1.1")
def test_a_wait_for_a_server_ends_with_the_approval(project: Callable[..., Project]) -> None:
    house = project(settings=FAST + '[approval]\nttl = "6s"\n')
    house.set_servers({"stub": switched(house)})
    house.start()
    waiting(house)
    house.await_note("A.md", "Rejected", "status: expired")
    bring_back(house)
    house.drop("B.md", plan(record("b")))
    house.await_note("B.md", "Pending_Approval", "status: pending")
    assert not house.calls()


def test_a_plan_whose_server_is_not_configured_any_more_comes_back_to_the_person(
    project: Callable[..., Project],
) -> None:
    house = project(settings=FAST)
    house.set_servers({"stub": switched(house), "other": house.stub(name="other")})
    house.start()
    waiting(house)
    house.stop()
    house.set_servers({"other": house.stub(name="other")})
    house.start()

    house.await_note("A.md", "Pending_Approval", "There is no server `stub`")

    assert not house.calls()


@pytest.mark.promise("7")
def test_while_one_step_waits_for_its_server_others_go_on_and_the_first_server_there_takes_it(
    project: Callable[..., Project],
) -> None:
    house = project(settings=FAST)
    house.set_servers(
        {"stub": switched(house), "second": switched(house, "second"), "other": house.stub(name="other")}
    )
    house.start()
    steps = (
        record("a") + "fallback: [second.record]\n",
        "action: other.record\nwith: {text: o}\n",
    )
    note = house.pending("A.md", plan(*steps, front="mode: parallel"))
    house.stop()
    take_away(house)
    take_away(house, "second")
    house.start()
    house.approve(note)
    said = house.await_note("A.md", "Approved", "Signoff: waiting").read_text()
    assert "1 of 2 steps done" in said
    assert said.count("is not available") >= 2, "each server is named"
    assert texts(house, "other") == ["o"]

    bring_back(house, "second")

    house.await_note("A.md", "Done", "status: done")
    assert (texts(house), texts(house, "second"), texts(house, "other")) == ([], ["a"], ["o"])


@pytest.mark.promise("1.5")
def test_an_answer_from_the_cache_says_so_and_how_old_it_is(project: Callable[..., Project]) -> None:
    house = project(settings=FAST)
    house.actions("peek:\n  tools: [{tool: stub.look}]\n  cache: 1h\n")
    house.start()
    for name in ("A.md", "B.md"):
        note = house.pending(name, plan("action: peek\nwith: {text: hello}\n"))
        house.approve(note)
        text = house.await_note(name, "Done", "status: done").read_text()
        assert ("answer from the cache, " in text) == (name == "B.md")
    assert texts(house) == ["hello"]
    assert "Step 1 answered (answer from the cache, " in text
    assert " old" in house.signoff("show", house.front(house.vault / "Done" / "B.md")["id"]).stdout
    assert [entry.data.get("cached_at") is not None for entry in house.entries("outcome")] == [False, True]


@pytest.mark.promise("7")
def test_what_a_fallback_did_is_not_taken_back_at_the_server_that_did_not_do_it(
    project: Callable[..., Project],
) -> None:
    house = project(settings=FAST)
    house.set_servers({"stub": switched(house), "other": house.stub(name="other")})
    house.actions(
        "book:\n  tools: [{tool: stub.record}, {tool: other.record}]\n"
        "  undo: {tool: stub.put, with: {text: 'no ${{ result.text }}'}}\n"
    )
    house.start()
    book, broken = "action: book\nwith: {text: room}\n", "action: other.fail\nwith: {text: broken}\n"
    note = house.pending("A.md", plan(book, broken, front="on_failure: undo"))
    assert "where `stub` did it" in note.read_text()
    house.stop()
    take_away(house)
    house.start()
    house.approve(note)

    failed = house.await_note("A.md", "Failed", "status: failed").read_text()

    assert texts(house, "other") == ["room", "broken"]
    assert "Step 1 was carried out by `other.record`" in failed
    bring_back(house)
    assert not house.calls(), "what `other` did was taken back at `stub`"
