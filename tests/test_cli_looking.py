"""`status`, `show`, `metrics`, `doctor`: what they tell, and in which words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.commands import Laid
from support.project import plan, record


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Laid]:
    laid = Laid(tmp_path / "home")
    yield laid
    laid.close()


@pytest.mark.promise("10")
def test_status_says_what_waits_for_whom_what_failed_and_what_needs_mending(house: Laid) -> None:
    house.shown("Waits.md", plan(record("a")))
    house.shown("Fails.md", plan("action: stub.fail\nwith:\n  text: no luck\n"))
    house.json("approve", "Fails")
    house.drop("Typo.md", plan("action: stub.recrod\nwith:\n  text: x\n"))
    house.worked()

    found = house.json("status")

    by_path = {entry["path"]: entry for entry in found["plans"]}
    waits, fails = by_path["Pending_Approval/Waits.md"], by_path["Failed/Fails.md"]
    assert waits["status"] == "pending"
    assert waits["waiting_for"] == ["ana"]
    assert waits["progress"] == "0/1"
    assert set(waits) >= {"id", "title", "status", "risk", "path", "reason", "message", "progress"}
    assert fails["status"] == "failed"
    assert fails["reason"] == "tool-refused"
    assert "no luck" in fails["message"]
    assert found["counts"] == {"pending": 1, "failed": 1}
    assert found["daemon"]["running"] is False
    assert [(draft["path"], draft["reason"]) for draft in found["drafts"]] == [
        ("Inbox/Typo.md", "unknown-tool")
    ]
    text = house.signoff("status").stdout
    assert "Waiting for approval" in text
    assert "Failed" in text
    assert "tool-refused" in text
    assert "Inbox/Typo.md" in text


def test_status_knows_whether_a_daemon_runs(house: Laid) -> None:
    house.start()
    daemon = house.json("status")["daemon"]
    assert house.process is not None
    assert daemon["running"] is True
    assert daemon["pid"] == house.process.pid
    house.kill()
    assert house.json("status")["daemon"]["running"] is False


@pytest.mark.promise("10")
def test_show_gives_steps_attempts_approvals_and_the_last_reason(house: Laid) -> None:
    fails = "id: second\naction: stub.fail\nwith:\n  text: not today\n"
    plan_id = house.shown("Two.md", plan(record("hello", "first"), fails))
    house.json("approve", plan_id)
    house.worked()

    found = house.json("show", plan_id)

    assert found["id"] == plan_id
    assert found["status"] == "failed"
    assert found["path"] == "Failed/Two.md"
    assert found["reason"] == "tool-refused"
    assert found["risk"] == "medium"
    assert found["needs"]["method"] == "edit"
    assert found["started"]
    assert found["finished"]
    first, second = found["steps"]
    assert first["call"] == "stub.record"
    assert first["arguments"] == {"text": "hello"}
    assert [attempt["outcome"] for attempt in first["attempts"]] == ["done"]
    attempt = second["attempts"][0]
    assert attempt["number"] == 1
    assert (attempt["server"], attempt["tool"]) == ("stub", "fail")
    assert attempt["outcome"] == "refused"
    assert "not today" in attempt["message"]
    assert attempt["started"] <= attempt["ended"]
    approval = found["approvals"][0]
    assert approval["approver"] == "ana"
    assert approval["method"] == "edit"
    assert approval["digest"] == found["digest"]
    assert approval["expires"] > approval["time"]
    text = house.signoff("show", plan_id).stdout
    assert "not today" in text
    assert "Approvals" in text


def test_show_hides_what_the_policy_marks_secret(house: Laid) -> None:
    house.policy("rules:\n  - match: {tool: record}\n    secret: [text]\n")
    plan_id = house.shown("One.md", plan(record("hush-hush")))
    house.json("approve", plan_id)
    house.worked()
    assert "hush-hush" not in house.signoff("show", plan_id, "--json").stdout
    assert "hush-hush" not in house.signoff("show", plan_id).stdout
    assert house.calls()[0]["arguments"]["text"] == "hush-hush"


def test_a_title_cannot_forge_a_line_of_the_answer(house: Laid) -> None:
    house.shown("One.md", plan(record("a"), front='title: "x\\e[31m\\nThe daemon runs"'))
    result = house.signoff("status")
    assert "\x1b" not in result.stdout
    assert "\nThe daemon runs" not in result.stdout


def test_metrics_count_from_the_ledger(house: Laid) -> None:
    house.shown("One.md", plan(record("a"), "action: stub.fail\nwith:\n  text: no\n"))
    house.json("approve", "One")
    house.worked()
    found = house.json("metrics")
    assert found["plans"] == {"failed": 1}
    assert found["calls"] == {"done": 1, "refused": 1}
    assert found["tools"] == {"stub.record": 1, "stub.fail": 1}
    assert found["approvals"] == {"edit": 1}
    assert "stub.record" in house.signoff("metrics").stdout


def test_the_doctor_finds_everything_in_place(house: Laid) -> None:
    found = house.json("doctor")
    assert found["ok"] is True
    looked_at = {check["what"] for check in found["checks"]}
    assert {"python", "settings", "policy", "vault", "ledger", "permissions", "server stub"} <= looked_at


@pytest.mark.parametrize("wrong", ["vault", "server stub", "policy", "ledger", "permissions"])
def test_the_doctor_finds_what_is_wrong(house: Laid, wrong: str) -> None:
    if wrong == "vault":
        house.vault.rename(house.root / "elsewhere")
    elif wrong == "server stub":
        house.set_servers({"stub": {"command": "no-such-program-anywhere"}})
    elif wrong == "policy":
        house.policy("rules: what\n")
    elif wrong == "ledger":
        house.shown("One.md", plan(record("a")))
        log = next((house.logs / "audit").glob("*.jsonl"))
        log.write_bytes(log.read_bytes().replace(b'"daemon-started"', b'"daemon-stoped!"'))
    else:
        house.config.chmod(0o777)
    found = house.json("doctor", code=1)
    assert [check["what"] for check in found["checks"] if check["status"] == "wrong"] == [wrong]
