"""What all commands share: where the configuration is, exit codes, and how they fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.commands import Laid
from support.project import eventually, plan, record

COMMANDS = (
    ["run", "--once"],
    ["status"],
    ["show", "x"],
    ["approve", "x"],
    ["check", "x"],
    ["servers"],
    ["servers", "check"],
    ["servers", "tools"],
    ["audit"],
    ["audit", "verify"],
    ["audit", "export"],
    ["metrics"],
    ["approvers", "list"],
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Laid]:
    laid = Laid(tmp_path / "home")
    yield laid
    laid.close()


def run(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SIGNOFF_")}
    return subprocess.run(
        [sys.executable, "-m", "signoff", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=cwd,
        env=environment | variables,
        check=False,
    )


@pytest.mark.promise("10")
@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["bogus"],
        ["show"],
        ["resolve", "x", "1", "maybe"],
        ["status", "--nonsense"],
        ["audit", "nonsense"],
    ],
)
def test_wrong_usage_ends_with_2(tmp_path: Path, arguments: list[str]) -> None:
    result = run(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert "Usage" in result.stderr + result.stdout


@pytest.mark.promise("10")
def test_the_configuration_is_found_where_it_is_said_to_be(house: Laid, tmp_path: Path) -> None:
    config = str(house.config)
    answers = [
        run("status", "--json", cwd=house.root),
        run("status", "--json", "--config", config, cwd=tmp_path),
        run("--config", config, "status", "--json", cwd=tmp_path),
        run("status", "--json", cwd=tmp_path, SIGNOFF_CONFIG=config),
    ]
    assert [answer.returncode for answer in answers] == [0, 0, 0, 0]
    assert len({answer.stdout for answer in answers}) == 1
    group = run("audit", "--config", config, "--json", "verify", cwd=tmp_path)
    assert json.loads(group.stdout)["status"] == "unanchored"


@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_missing_or_wrong_configuration_is_said_in_words(tmp_path: Path, arguments: list[str]) -> None:
    missing = run(*arguments, cwd=tmp_path)
    assert missing.returncode == 1
    assert "(config-missing)" in missing.stderr
    assert "signoff init" in missing.stderr
    assert list(tmp_path.iterdir()) == []

    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "signoff.toml").write_text("[vault]\nsettel = '1s'\n")
    wrong = run(*arguments, cwd=tmp_path)
    assert wrong.returncode == 1
    assert "signoff.toml:2" in wrong.stderr
    assert "settle" in wrong.stderr  # the nearest known key
    assert "Traceback" not in wrong.stderr


@pytest.mark.promise("10")
def test_errors_are_json_too_where_it_is_asked_for(house: Laid) -> None:
    result = house.signoff("show", "nobody-knows-it", "--json")
    assert result.returncode == 1
    error = json.loads(result.stdout)["error"]
    assert error["code"] == "unknown-plan"
    assert set(error) == {"code", "message", "hint", "file", "line", "column"}
    assert result.stderr.startswith("error: ")


@pytest.mark.promise("10")
def test_a_second_daemon_ends_with_3_and_says_who_holds_the_vault(house: Laid) -> None:
    house.start()
    assert house.process is not None
    error = house.refused("run", "--once", code=3)
    assert str(house.process.pid) in error


@pytest.mark.promise("10")
@pytest.mark.parametrize(
    "arguments", [["status"], ["approve", "One"], ["show", "One"], ["audit"], ["servers"]]
)
def test_commands_that_only_look_do_not_load_the_client(house: Laid, arguments: list[str]) -> None:
    house.shown("One.md", plan(record("a")))
    program = (
        "import atexit, sys\n"
        f"sys.argv = ['signoff', *{arguments!r}, '--config', {str(house.config)!r}]\n"
        "atexit.register(lambda: sys.stderr.write('LOADED ' + str('mcp' in sys.modules)))\n"
        "from signoff.cli import main\n"
        "main()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        env=house.environment(),
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "LOADED False" in result.stderr


@pytest.mark.skipif(os.name == "nt", reason="pipes")
def test_a_reader_that_goes_away_causes_no_traceback(house: Laid) -> None:
    house.shown("One.md", plan(*(record(f"text {number}") for number in range(200))))
    process = subprocess.Popen(
        [sys.executable, "-m", "signoff", "audit", "--json", "--config", str(house.config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=house.environment(),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    process.wait(timeout=30)
    assert b"Traceback" not in errors
    assert b"Exception" not in errors


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_an_interrupted_command_ends_quietly(house: Laid) -> None:
    import signal

    pids = house.root / "pids"
    house.set_servers({"stub": house.stub("--mute", "--pids", str(pids))})
    process = subprocess.Popen(
        [sys.executable, "-m", "signoff", "servers", "check", "--config", str(house.config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=house.environment(),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )  # a test run in the background is started deaf to interrupts, and so would this be
    eventually(lambda: pids.exists() and pids.read_text().strip(), "the command connects")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in errors


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals")
def test_on_a_terminal_there_is_colour_and_without_one_there_is_none(house: Laid) -> None:
    import pty

    house.shown("One.md", plan(record("a")))
    ours, theirs = pty.openpty()
    environment = house.environment() | {"TERM": "xterm-256color", "COLUMNS": "200"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "signoff", "status", "--config", str(house.config)],
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        stdin=theirs,
        env=environment,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert process.wait(timeout=30) == 0
    assert b"\x1b[" in shown
    assert b"Waiting for approval" in shown
    assert "\x1b" not in house.signoff("status").stdout


def test_the_version_is_said(tmp_path: Path) -> None:
    result = run("--version", cwd=tmp_path)
    assert result.returncode == 0
    assert result.stdout.startswith("signoff ")


def test_every_command_explains_itself(tmp_path: Path) -> None:
    top = run("--help", cwd=tmp_path).stdout
    for command in (
        "init",
        "run",
        "check",
        "approve",
        "reject",
        "status",
        "show",
        "resolve",
        "retry",
        "cancel",
    ):
        assert command in top
        assert "--config" in run(command, "--help", cwd=tmp_path).stdout
