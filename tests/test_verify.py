"""What became of a call is asked of a call that only reads, where the action names one; else of a person."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.project import Project, eventually, plan, projects, record

FAST = '[execution]\nretry_delay = "50ms"\nretries = 1\n'
SENT = "action: send\nwith: {text: a}\n"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    yield from projects(tmp_path)


def house_with(
    project: Callable[..., Project],
    *,
    happened: str,
    after: str | None = "200ms",
    tool: str = "stub.crash",
    verify: str = "other.structured",
    read_only: bool = True,
    **arguments: object,
) -> Project:
    """A house whose action `send` acts and is never answered, and is verified by a call of another server."""
    house = project(settings=FAST)
    house.set_servers({"stub": house.stub(), "other": house.stub(name="other")})
    asked = {
        "tool": verify,
        "with": {"text": "${{ with.text }}", **arguments},
        "happened": happened,
        "read_only": read_only,
        **({} if after is None else {"after": after}),
    }
    house.actions(json.dumps({"send": {"tools": [{"tool": tool}], "timeout": "20s", "verify": asked}}))
    return house.start()


def texts(house: Project, name: str = "stub") -> list[str]:
    return [call["arguments"].get("text") for call in house.calls(name)]


@pytest.mark.promise("7")
def test_a_verifying_call_says_that_it_happened_and_nobody_is_asked(project: Callable[..., Project]) -> None:
    house = house_with(project, happened="result.length == 1 && with.text == 'a'")
    note = house.pending("A.md", plan(SENT, record("after")))
    shown = note.read_text()
    assert '`other.structured` is asked 200 ms later, which only reads: `text` = `"a"`' in shown
    house.approve(note)

    done = house.await_note("A.md", "Done", "status: done").read_text()

    assert "Verified by `other.structured`: it happened." in done
    assert "progress: 2/2" in done
    assert (texts(house), texts(house, "other")) == (["a", "after"], ["a"])
    answer = house.await_entry("resolved")
    assert (answer.data["answer"], answer.data["via"], answer.approver) == ("happened", "verify", None)
    assert (answer.server, answer.tool) == ("other", "structured")
    result = json.loads((house.logs / "blobs" / answer.data["result"]).read_bytes())
    assert result["structured"]["length"] == 1
    proof = house.signoff("audit", "verify", "--evidence")
    assert proof.returncode == 0, proof.stdout


@pytest.mark.promise("7")
def test_where_it_did_not_happen_it_is_called_again_and_a_person_is_asked_in_the_end(
    project: Callable[..., Project],
) -> None:
    house = house_with(project, happened="result.length == 7")
    house.approve(house.pending("A.md", plan(SENT)))

    asked = house.await_note("A.md", "Failed", "- [ ] It happened (step step-1)")

    assert texts(house) == ["a"] * 4, "as often as answers are believed, and no more"
    assert texts(house, "other") == ["a"] * 3
    assert "status: unknown" in asked.read_text()
    assert [entry.data["answer"] for entry in house.entries("resolved")] == ["did-not-happen"] * 3


@pytest.mark.promise("1.2")
@pytest.mark.parametrize(
    ("happened", "after", "verify"),
    [
        ("result.length == 7", None, "other.structured"),  # nobody says when a no is final
        ("result.lenght == 1", "100ms", "other.structured"),  # cannot be worked out
        ("result.text", "100ms", "other.structured"),  # neither true nor false
        ("result.length == 7", "100ms", "other.fail"),
        ("result.length == 7", "100ms", "other.crash"),
    ],
)
def test_without_a_clear_answer_the_person_is_asked_and_nothing_is_called_again(
    project: Callable[..., Project], happened: str, after: str | None, verify: str
) -> None:
    house = house_with(project, happened=happened, after=after, verify=verify)
    house.approve(house.pending("A.md", plan(SENT)))

    asked = house.await_note("A.md", "Failed", "- [ ] It happened (step step-1)")

    assert texts(house) == ["a"]
    assert "`not-verified`" in asked.read_text()
    assert asked.read_text().count("asked whether it happened") == 2, (
        "where the question is, and in the table"
    )
    house.edit(asked, "- [ ] It happened", "- [x] It happened")
    done = house.await_note("A.md", "Done", "status: done").read_text()
    assert "The step is done." in done
    assert texts(house) == ["a"]


@pytest.mark.promise("1.2")
@pytest.mark.parametrize("moment", ["the call", "the verifying call", "the wait"])
def test_a_daemon_that_is_killed_at_any_moment_asks_again_and_calls_once(
    project: Callable[..., Project], moment: str
) -> None:
    house = house_with(
        project,
        happened="has(result.text)",
        after="2s" if moment == "the wait" else "100ms",
        tool="stub.slow" if moment == "the call" else "stub.crash",
        verify="other.slow",
        seconds=1,
    )
    step = "action: send\nwith: {text: a, seconds: 5}\n" if moment == "the call" else SENT
    house.approve(house.pending("A.md", plan(step)))
    if moment == "the call":
        house.await_calls(1)
    elif moment == "the verifying call":
        house.await_calls(1, "other")
    else:
        house.await_entry("step", reason="verifying")
    house.kill()
    house.start()

    done = house.await_note("A.md", "Done", "status: done").read_text()

    assert "it happened" in done
    assert texts(house) == ["a"]


@pytest.mark.promise("7")
def test_a_person_may_answer_while_the_verifying_call_waits(project: Callable[..., Project]) -> None:
    house = house_with(project, happened="false", after="20s")
    house.approve(house.pending("A.md", plan(SENT)))
    note = house.await_note("A.md", "Approved", "status: waiting")
    assert "other.structured` is asked then" in note.read_text()

    assert house.signoff("resolve", house.front(note)["id"], "1", "happened").returncode == 0

    house.await_note("A.md", "Done", "status: done")
    assert (texts(house), texts(house, "other")) == (["a"], [])


@pytest.mark.promise("1.1")
def test_a_verifying_call_that_is_not_known_to_only_read_is_refused_before_anybody_approves(
    project: Callable[..., Project],
) -> None:
    house = house_with(project, happened="true", read_only=False)
    house.drop("A.md", plan(SENT))
    asked = eventually(
        lambda: (note := house.vault / "Inbox" / "A.md").exists() and note.read_text().count("%%") and note,
        "a question",
    )
    assert "is not known to only read" in asked.read_text()
    assert "verify-not-read-only" in asked.read_text()
    house.policy("trusted_servers: [other]\n")
    house.stop()
    house.start()
    house.await_note("A.md", "Pending_Approval", "status: pending")


def test_items_are_verified_each_on_its_own(project: Callable[..., Project]) -> None:
    house = house_with(project, happened="result.text == with.text")
    many = "id: many\naction: send\nfor_each: [a, b]\nwith:\n  text: ${{ item }}\n"
    house.approve(house.pending("A.md", plan(many)))
    house.await_note("A.md", "Done", "status: done")
    assert (texts(house), texts(house, "other")) == (["a", "b"], ["a", "b"])
