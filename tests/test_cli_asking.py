"""`signoff servers call`, `diagnose`, `login`, `logout`, and the table of `servers`."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.oauth_stub import OAuthStub
from support.commands import Laid
from support.project import eventually


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Laid]:
    laid = Laid(tmp_path / "home")
    yield laid
    laid.close()


@pytest.mark.promise("8")
def test_a_tool_that_only_reads_is_called_and_the_call_is_written_down(house: Laid) -> None:
    found = house.json("servers", "call", "stub", "look", "--with", "text=what is it")
    assert found["text"] == "ok: what is it"
    assert house.signoff("servers", "call", "stub", "look", "--with", '{"text": "x"}').stdout == "ok: x\n"
    log = (house.logs / "mcp_actions.log").read_text()
    assert "CALL     - - stub.look asked for on the command line" in log
    assert '{"text": "what is it"}' in log
    assert [call["tool"] for call in house.calls()] == ["look", "look"]


@pytest.mark.promise("1.1")
@pytest.mark.parametrize("tool", ["record", "put", "wipe"])
def test_a_tool_that_may_do_something_needs_a_plan(house: Laid, tool: str) -> None:
    assert "(needs-a-plan)" in house.refused("servers", "call", "stub", tool, "--with", "text=x")
    assert house.calls() == []


@pytest.mark.promise("1.1")
@pytest.mark.parametrize(
    "policy",
    [
        "rules: [{match: {tool: look}, deny: true}]",
        "rules: [{match: {tool: look}, risk: medium}]",
        "requires: {low: {method: code}}",
        "requires: {low: {method: edit, approvers: 2}}",
        "rules: [{match: {tool: look}, limits: \"with.text == 'x'\"}]",
    ],
)
def test_where_the_policy_asks_for_more_a_word_is_not_enough(house: Laid, policy: str) -> None:
    (house.config / "policy.yaml").write_text(policy + "\n")
    assert "(needs-a-plan)" in house.refused("servers", "call", "stub", "look", "--with", "text=x")
    assert house.calls() == []


@pytest.mark.promise("6")
def test_where_nobody_may_approve_by_a_gesture_nothing_is_called(house: Laid) -> None:
    settings = house.config / "signoff.toml"
    settings.write_text(
        '[vault]\npath = "../vault"\n[approvers.ana]\ndefault = true\nmethods = ["code"]\n', encoding="utf-8"
    )
    assert "(needs-a-plan)" in house.refused("servers", "call", "stub", "look", "--with", "text=x")
    assert house.calls() == []


def test_a_wrong_call_is_told_before_anything_is_called(house: Laid) -> None:
    assert "(unknown-tool)" in house.refused("servers", "call", "stub", "lok")
    assert "(unknown-server)" in house.refused("servers", "call", "stab", "look")
    assert "(argument-invalid)" in house.refused("servers", "call", "stub", "look")
    assert "(argument-invalid)" in house.refused("servers", "call", "stub", "look", "--with", "text")
    assert "(argument-invalid)" in house.refused("servers", "call", "stub", "big", "--with", "bytes=many")
    assert house.json("servers", "call", "stub", "big", "--with", "bytes=3")["text"] == "xxx"
    house.set_servers({"gone": {"command": "no-such-program-anywhere"}})
    assert "(server-unavailable)" in house.refused("servers", "call", "gone", "look")
    assert [call["tool"] for call in house.calls()] == ["big"]


@pytest.mark.promise("8")
def test_a_diagnosis_says_what_is_wrong_and_what_to_do(house: Laid) -> None:
    well = house.json("servers", "diagnose", "stub")
    assert well["well"] is True
    assert well["health"]["memory_bytes"] > 0
    house.set_servers(
        {
            "dies": house.stub("--exit", "3", "--stderr", "no database here"),
            "off": {"command": "x", "disabled": True},
        }
    )
    found = house.json("servers", "diagnose", "dies", code=1)
    assert found["findings"][0]["code"] == "exited"
    assert "no database here" in found["findings"][0]["what"]
    assert found["stderr"][-1] == "no database here"
    text = house.signoff("servers", "diagnose", "dies").stdout
    assert "exited with code 3" in text
    assert "dies.stderr" in text
    assert house.json("servers", "diagnose", "off", code=1)["findings"][0]["code"] == "disabled"


@pytest.mark.promise("8")
def test_the_daemons_health_and_its_history_are_shown(house: Laid) -> None:
    settings = house.config / "signoff.toml"
    settings.write_text(settings.read_text().replace('interval = "60s"', 'interval = "1s"'))
    house.start()
    eventually(lambda: len(house.json("servers", "diagnose", "stub")["history"]) >= 3, "checks were made")
    found = house.json("servers", "diagnose", "stub")
    assert {point["status"] for point in found["history"]} <= {"available", "unknown"}
    assert "as high as they were slow" in house.signoff("servers", "diagnose", "stub").stdout
    listed = house.json("servers")["stub"]
    assert listed["status"] == "available"
    assert listed["median_ms"] > 0
    assert listed["memory_bytes"] > 0
    head = house.signoff("servers").stdout.splitlines()[0]
    for column in ("Status", "Tools", "Answers in", "Errors", "Breaker", "Uses", "Last change"):
        assert column in head
    before = len(found["history"])
    house.stop()
    house.start()
    eventually(
        lambda: len(house.json("servers", "diagnose", "stub")["history"]) > before, "the history went on"
    )


@pytest.mark.promise("8")
def test_logging_in_keeps_what_lets_us_in_and_logging_out_forgets_it(house: Laid) -> None:
    with OAuthStub() as web:
        house.set_servers({"web": {"url": web.url}})
        assert house.json("servers", "check", code=1)["web"]["reason"] == "authentication"
        command = [sys.executable, "-m", "signoff", "servers", "login", "web", "--no-browser"]
        command += ["--config", str(house.config)]
        login = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
        )
        assert login.stderr is not None
        address = login.stderr.readline().removeprefix("Log in at: ").strip()

        def browser() -> None:
            with urllib.request.urlopen(address, timeout=10) as page:
                page.read()

        threading.Thread(target=browser, daemon=True).start()
        out, error = login.communicate(timeout=30)
        assert login.returncode == 0, error
        assert "Logged in at web" in out
        assert house.json("servers", "check")["web"]["status"] == "available"
        assert "Logged out" in house.signoff("servers", "logout", "web").stdout
        assert house.json("servers", "check", code=1)["web"]["reason"] == "authentication"
        house.set_servers({"stub": house.stub()})
        assert "(not-remote)" in house.refused("servers", "login", "stub")
