"""A configuration that changes while the daemon runs: taken whole, or refused whole."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.commands import Laid
from support.project import Project, eventually, plan, projects, record


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    yield from projects(tmp_path)


def log_of(project: Project) -> str:
    path = project.logs / "signoff.log"
    return path.read_text() if path.exists() else ""


@pytest.mark.promise("8")
def test_a_server_added_in_the_file_takes_calls_without_a_restart(project: Callable[..., Project]) -> None:
    house = project().start()
    house.set_servers({"stub": house.stub(), "new": house.stub(name="new")})
    change = house.await_entry("configured")
    assert change.data["servers"] == {"added": ["new"], "changed": [], "removed": []}
    path = house.pending("Plan.md", plan(record("through the new one").replace("stub.", "new.")))
    house.approve(path)
    house.await_note("Plan.md", "Done")
    assert [call["arguments"]["text"] for call in house.calls("new")] == ["through the new one"]


@pytest.mark.promise("5")
def test_a_plan_for_a_server_that_is_changed_needs_approval_again(project: Callable[..., Project]) -> None:
    house = project().start()
    path = house.pending("Plan.md", plan(record("one")))
    presented = len(house.entries("presented"))
    house.set_servers({"stub": house.stub("--greet")})
    house.await_entry("configured")
    eventually(lambda: len(house.entries("presented")) > presented, "it is shown anew")
    house.approve(house.await_note("Plan.md", "Pending_Approval", "--greet"))
    house.await_note("Plan.md", "Done")
    assert len(house.calls()) == 1
    assert path


@pytest.mark.promise("8")
def test_a_wrong_file_is_refused_with_its_line_and_the_servers_go_on(project: Callable[..., Project]) -> None:
    house = project().start()
    (house.config / "mcp_servers.json").write_text(
        '{\n  "mcpServers": {\n    "stub": {"command": 7}\n  }\n}\n'
    )
    eventually(lambda: "is not used" in log_of(house), "the refusal is in the log")
    line = next(line for line in log_of(house).splitlines() if "is not used" in line)
    assert "mcp_servers.json:3" in line
    assert house.entries("configured") == []
    asked = house.signoff("servers", "reload")
    assert asked.returncode == 1
    assert "mcp_servers.json:3" in asked.stderr
    path = house.pending("Plan.md", plan(record("still there")))
    house.approve(path)
    house.await_note("Plan.md", "Done")
    assert log_of(house).count("is not used") == 1


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGHUP on Windows")
def test_sighup_has_the_configuration_read_anew_and_does_not_end_the_daemon(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    eventually(lambda: "Watching" in log_of(house), "the daemon watches")
    assert house.process is not None
    house.process.send_signal(signal.SIGHUP)
    eventually(lambda: "No server has changed." in log_of(house), "it has read its configuration anew")
    assert house.process.poll() is None


@pytest.mark.promise("6")
def test_a_policy_made_stricter_counts_for_what_was_shown_before(project: Callable[..., Project]) -> None:
    house = project().start()
    path = house.pending("Plan.md", plan(record("one")))
    house.policy('rules:\n  - match: {tool: "record"}\n    deny: true\n')
    assert house.await_entry("configured").data["rules"] is True
    house.approve(path)
    eventually(lambda: house.entries("refused"), "the approval is refused")
    assert house.calls() == []


@pytest.mark.promise("8")
def test_an_action_that_is_added_answers_the_question_of_a_note(project: Callable[..., Project]) -> None:
    house = project().start()
    house.drop("Plan.md", plan("action: jot\nwith:\n  text: hello\n"))
    house.await_note("Plan.md", "Inbox", "jot")
    eventually(lambda: "status: draft" in house.find("Plan.md").read_text(), "it is asked about")  # type: ignore[union-attr]
    house.actions("jot:\n  tools:\n    - tool: stub.record\n")
    house.approve(house.await_note("Plan.md", "Pending_Approval", "status: pending"))
    house.await_note("Plan.md", "Done")
    assert len(house.calls()) == 1


@pytest.mark.promise("10")
def test_commands_that_change_the_servers_tell_the_daemon(tmp_path: Path) -> None:
    house = Laid(tmp_path / "home")
    other = house.root / "others.json"
    other.write_text(json.dumps({"mcpServers": {"brought": house.stub(name="brought")}}))
    try:
        assert "(no-daemon)" in house.refused("servers", "reload")
        assert "next one starts with it" in house.json("servers", "add", "sonarr", "--yes")["daemon"]
        house.start()
        answer = house.json("servers", "import", str(other), "--yes")
        assert "added brought" in answer["daemon"]
        assert house.entries("configured")[-1].data["servers"]["added"] == ["brought"]
        assert "No server has changed" in house.json("servers", "reload")["message"]
    finally:
        house.close()
