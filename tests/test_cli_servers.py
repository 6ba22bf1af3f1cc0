"""`signoff servers`: how they are, what they offer, starting one again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from signoff.cli import health
from signoff.cli.project import Project as Opened
from support.commands import Laid
from support.project import eventually

KEYS = {"status", "response_time_ms", "error_count", "last_check", "breaker", "reason", "tools"}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Laid]:
    laid = Laid(tmp_path / "home")
    yield laid
    laid.close()


@pytest.mark.promise("10")
def test_servers_are_unknown_until_somebody_has_seen_them(house: Laid) -> None:
    found = house.json("servers")["stub"]
    assert set(found) >= KEYS
    assert found["status"] == "unknown"
    assert found["tools"] is None
    assert found["last_check"] is None
    assert found["breaker"] == "closed"
    assert found["error_count"] == 0


@pytest.mark.promise("10")
def test_check_connects_measures_and_remembers(house: Laid) -> None:
    found = house.json("servers", "check")["stub"]
    assert set(found) >= KEYS
    assert found["status"] == "available"
    assert found["response_time_ms"] > 0
    assert "record" in found["tools"]
    kept = house.json("servers")["stub"]
    assert kept["status"] == "available"
    assert kept["tools"] == found["tools"]
    assert kept["last_check"] == found["last_check"]
    assert "available" in house.signoff("servers").stdout
    assert house.calls() == []


@pytest.mark.promise("8")
@pytest.mark.skipif(sys.platform == "win32", reason="has a terminal of its own")
def test_the_table_fits_a_terminal_of_eighty_columns_and_says_what_to_do(house: Laid) -> None:
    from support.terminal import in_terminal

    house.set_servers(
        {
            "stub": house.stub(),
            "gone-for-good": {"command": "no-such-program-anywhere-on-this-computer"},
            "poor": {"command": sys.executable, "required_env": ["NO_SUCH_VARIABLE_ANYWHERE"]},
        }
    )
    house.signoff("servers", "check")
    command = [sys.executable, "-m", "signoff", "servers", "--config", str(house.config)]
    lines = in_terminal(command, env=house.environment())
    assert max(map(len, lines)) <= 80
    for word in ("Status", "Tools", "Answers in", "Errors", "Breaker", "Last change"):
        assert word in lines[0]
    assert "Uses" not in lines[0]
    assert [line.split()[:2] for line in lines[2:5]] == [
        ["stub", "available"],
        ["gone-for-good", "unavailable"],
        ["poor", "unavailable"],
    ]
    text = " ".join(line.strip() for line in lines)
    assert (
        "poor: It needs NO_SUCH_VARIABLE_ANYWHERE, which is not set. (missing-variable) Write it into" in text
    )
    assert "Uses" in in_terminal(command, columns=120, env=house.environment())[0]


@pytest.mark.promise("10")
def test_check_ends_with_1_where_an_enabled_server_is_not_there_and_says_why(house: Laid) -> None:
    house.set_servers(
        {
            "stub": house.stub(),
            "gone": {"command": "no-such-program-anywhere"},
            "off": {**house.stub(), "disabled": True},
            "poor": {"command": sys.executable, "env": {"KEY": "${NO_SUCH_VARIABLE_ANYWHERE}"}},
        }
    )
    found = house.json("servers", "check", code=1)
    assert found["stub"]["status"] == "available"
    assert (found["gone"]["status"], found["gone"]["reason"]) == ("unavailable", "command-not-found")
    assert found["off"]["reason"] == "disabled"
    assert found["poor"]["reason"] == "missing-variable"
    assert "NO_SUCH_VARIABLE_ANYWHERE" in found["poor"]["message"]
    assert set(house.json("servers", "check", "stub", "off")) == {
        "stub",
        "off",
    }  # a disabled one is no problem
    assert "(unknown-server)" in house.refused("servers", "check", "sutb")


def test_tools_are_listed_with_what_they_say_of_themselves(house: Laid) -> None:
    found = house.json("servers", "tools", "stub")["stub"]
    look = next(tool for tool in found if tool["name"] == "look")
    assert look["annotations"]["readOnlyHint"] is True
    assert look["inputSchema"]["required"] == ["text"]
    text = house.signoff("servers", "tools").stdout
    assert "look" in text
    assert "read-only" in text


@pytest.mark.promise("10")
def test_with_a_running_daemon_it_is_the_daemon_that_asks_and_no_server_is_started_twice(house: Laid) -> None:
    starts = house.root / "starts"
    broken = house.stub("--exit", "3", "--stderr", "no database here")
    house.set_servers({"stub": house.stub("--instance-file", str(starts)), "dies": broken})
    house.start()
    before = house.json("servers", "check", "stub")["stub"]
    number = starts.read_text()
    after = house.json("servers", "check", "stub")["stub"]
    assert after["status"] == "available"
    assert (after["pid"], starts.read_text()) == (before["pid"], number)
    assert after["last_check"] > before["last_check"]
    assert "record" in after["tools"]
    dies = house.json("servers", "check", "dies", code=1)["dies"]
    assert (dies["status"], dies["reason"]) == ("unavailable", "exited")
    told = house.json("servers", "diagnose", "dies", code=1)["findings"][0]
    assert told["said"] == ["no database here"]


@pytest.mark.promise("8")
def test_one_that_does_not_answer_is_not_started_a_second_time_to_ask_it(
    house: Laid, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = house.root / "starts"
    house.set_servers({"mute": house.stub("--mute", "--instance-file", str(starts))})
    house.start()
    eventually(starts.exists, "it was started")
    monkeypatch.setattr(health, "PATIENCE", 0.5)
    assert health.check(Opened(house.config, house.environment()), [], as_json=True) == 1
    assert starts.read_text() == "1"


@pytest.mark.promise("8")
def test_one_that_waits_to_be_tried_again_is_tried_at_once_when_a_person_asks(house: Laid) -> None:
    file = house.root / "starts"
    house.set_servers({"stub": house.stub("--instance-file", str(file), "--bad-starts", "99")})
    house.start()
    eventually(lambda: house.json("servers")["stub"]["breaker"] == "open", "it has failed again and again")
    file.write_text("99")
    found = house.json("servers", "check")["stub"]
    assert (found["status"], found["breaker"]) == ("available", "closed")


@pytest.mark.promise("8")
def test_a_change_of_a_server_is_seen_soon_without_a_check(house: Laid) -> None:
    house.start()
    eventually(lambda: house.json("servers")["stub"]["status"] == "available", "it is there")
    before = house.json("servers")["stub"]
    psutil.Process(before["pid"]).kill()
    eventually(lambda: house.json("servers")["stub"]["restarts"] == 1, "it is there again")
    after = house.json("servers")["stub"]
    assert after["pid"] != before["pid"]
    assert after["errors"] == 1


def test_the_daemon_starts_a_server_again_when_asked(house: Laid) -> None:
    count = house.root / "starts"
    house.set_servers({"stub": house.stub("--instance-file", str(count))})
    assert "(no-daemon)" in house.refused("servers", "restart", "stub")
    assert "(unknown-server)" in house.refused("servers", "restart", "nobody")

    house.start()
    eventually(count.exists, "the server was started")
    before = int(count.read_text())
    answer = house.json("servers", "restart", "stub")
    assert answer["ok"] is True
    assert answer["answered"] is True
    eventually(lambda: int(count.read_text() or 0) > before, "the server is started again")


def test_a_wrong_file_of_servers_is_named_with_its_line(house: Laid) -> None:
    (house.config / "mcp_servers.json").write_text('{\n  "mcpServers": {\n    "a": {"command": 7}\n  }\n}\n')
    error = house.refused("servers")
    assert "mcp_servers.json:3" in error
