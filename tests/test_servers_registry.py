"""What is known of servers without asking them, who can do what, and how they were over time."""

from __future__ import annotations

import asyncio
import json
import os
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.kit import Project, available, pin_of, until
from signoff.errors import Transient
from signoff.model import ServerView, Tool
from signoff.servers.diagnosis import diagnose
from signoff.servers.health import ServerHealth, together
from signoff.servers.history import History, Point, chart, read_history
from signoff.servers.launch import ServerConfig, StdioLaunch
from signoff.servers.pool import PinChanged
from signoff.servers.registry import Registry
from signoff.servers.remedy import REMEDIES


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


# ---------------------------------------------------------------- definitions


@pytest.mark.promise("8")
async def test_the_next_pool_knows_the_tools_before_any_server_has_answered(project):
    kept = project.root / "tools.json"
    async with project.stub().pool(definitions=kept) as pool:
        await pool.settled(15)
    async with Project(project.root).stub("--start-delay", "20").pool(definitions=kept) as pool:
        # Started otherwise, so what was known of it does not count.
        assert pool.view("stub").tools is None
    project.entries.clear()
    async with project.stub().pool(definitions=kept) as pool:
        view = pool.view("stub")
        assert view.cached
        assert "record" in view.tools
        assert pool.health()["stub"].status == "unknown"
        await pool.known(0.001)
        await available(pool)
        assert not pool.view("stub").cached


@pytest.mark.promise("5")
async def test_a_call_is_compared_with_the_live_definition_and_never_with_the_kept_one(project):
    kept, definitions = project.root / "tools.json", project.root / "definitions.json"
    project.stub("--definitions", str(definitions))
    async with project.pool(definitions=kept) as pool:
        await pool.settled(15)
    definitions.write_text(json.dumps([{"name": "record", "description": "Now sends it to everybody."}]))
    async with project.pool(definitions=kept) as pool:
        pin = pin_of(pool, "record")
        assert pool.view("stub").cached
        with pytest.raises(PinChanged) as caught:
            await pool.call("stub", "record", {"text": "a"}, timeout=20, pin=pin)
        assert caught.value.new["definition"]["description"] == "Now sends it to everybody."
        await until(lambda: "everybody" in kept.read_text())
    assert project.calls() == []


async def test_a_server_that_is_away_is_known_and_not_called(project):
    kept = project.root / "tools.json"
    options = ["--instance-file", str(project.root / "starts"), "--bad-starts", "0"]
    async with project.stub(*options).pool(definitions=kept) as pool:
        await pool.settled(15)
    program = project.root / "gone"
    project.entries["stub"]["command"] = str(program)
    text = json.loads(kept.read_text())
    async with project.pool(definitions=kept) as pool:
        assert pool.view("stub").tools is None  # another command is another server
        await pool.settled(15)
        with pytest.raises(Transient):
            await pool.call("stub", "record", {}, timeout=5)
    assert json.loads(kept.read_text()) == text


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1, "servers": 5}', '{"format": 9}'])
async def test_a_file_of_definitions_that_is_wrong_is_made_anew(project, text):
    kept = project.root / "tools.json"
    kept.write_text(text)
    async with project.stub().pool(definitions=kept) as pool:
        assert pool.view("stub").tools is None
        await pool.settled(15)
    assert "record" in kept.read_text()


# ---------------------------------------------------------------- look-ups


def view(name, *tools):
    return ServerView(name, {"command": name}, {tool: Tool(tool, "", {}) for tool in tools})


def registry(views, health, **capabilities):
    return Registry(lambda: views, lambda: health, capabilities)


VIEWS = {
    "mail": view("mail", "send_email", "list"),
    "gmail": view("gmail", "send-email"),
    "slack": view("slack", "post"),
    "away": ServerView("away", {}, None, "it is away"),
}
HEALTH = {
    "mail": ServerHealth("available", median_ms=5, calls=3),
    "gmail": ServerHealth("available", median_ms=1),
    "slack": ServerHealth("degraded"),
    "away": ServerHealth("unavailable", error_count=2),
}


@pytest.mark.promise("8")
def test_a_capability_is_found_under_its_name_however_it_is_written():
    found = registry(VIEWS, HEALTH)
    assert [offer.name for offer in found.find("Send Email")] == ["mail.send_email", "gmail.send-email"]
    assert found.find("fly") == ()
    assert found.recommended("fly") is None
    assert found.tool("slack.post").server == "slack"
    assert found.tool("slack.nothing") is None
    assert found.capabilities() == ["list", "post", "send_email"]


@pytest.mark.promise("8")
def test_the_healthiest_server_is_recommended_and_the_others_follow():
    assert registry(VIEWS, HEALTH).recommended("send_email").server == "gmail"
    worse = HEALTH | {"gmail": ServerHealth("unavailable")}
    found = registry(VIEWS, worse)
    assert [offer.server for offer in found.fallbacks("send_email")] == ["mail", "gmail"]
    nobody = worse | {"mail": ServerHealth("unknown")}
    assert registry(VIEWS, nobody).recommended("send_email") is None


@pytest.mark.promise("8")
def test_an_order_that_was_given_counts_among_those_that_are_there():
    tools = [("mail", "send_email"), ("gone", "send"), ("gmail", "send-email"), ("slack", "post")]
    found = registry(VIEWS, HEALTH, tell=tools)
    assert [offer.server for offer in found.fallbacks("tell")] == ["mail", "gmail", "slack"]
    away = registry(VIEWS, HEALTH | {"mail": ServerHealth("unavailable")}, tell=tools)
    assert [offer.server for offer in away.fallbacks("tell")] == ["gmail", "slack", "mail"]


def test_the_index_follows_the_tools_and_is_kept_while_they_are_the_same():
    views = dict(VIEWS)
    found = registry(views, HEALTH)
    offers = found.find("send_email")
    assert found.find("send_email") is offers
    views["slack"] = view("slack", "send_email")
    assert [offer.server for offer in found.find("send_email")] == ["mail", "gmail", "slack"]


def test_the_statistics_count_all_servers():
    found = registry(VIEWS, HEALTH).statistics()
    assert (found.servers, found.available, found.degraded, found.unavailable) == (4, 2, 1, 1)
    assert (found.tools, found.calls, found.errors) == (4, 3, 2)


async def test_the_pool_answers_look_ups_for_its_servers(project):
    project.stub(name="one").stub(name="two", disabled=False)
    async with project.pool(capabilities={"note": [("two", "record"), ("one", "record")]}) as pool:
        await pool.settled(15)
        assert pool.registry.recommended("note").name == "two.record"
        os.kill(pool._owners["two"].incarnation.link.pid, signal.SIGSTOP)
        pool._owners["two"].stop()
        await until(lambda: pool._owners["two"].incarnation is None)
        assert pool.registry.statistics().servers == 2


# ---------------------------------------------------------------- how they were


def test_the_history_is_kept_over_restarts_and_bounded(tmp_path):
    path = tmp_path / "state" / "health.jsonl"
    history = History(path, most=5)
    for number in range(9):
        history.note("a", ServerHealth("available", response_time_ms=float(number)))
    history.noted_change("a", ServerHealth("available", response_time_ms=99.0))
    history.noted_change("a", ServerHealth("unavailable", reason="exited"))
    history.noted_change("b", ServerHealth("degraded"))
    history.save()
    again = read_history(path)
    assert [point.ms for point in again["a"]] == [5.0, 6.0, 7.0, 8.0, None]
    assert again["a"][-1].reason == "exited"
    assert [point.status for point in again["b"]] == ["degraded"]
    assert path.stat().st_mode & 0o077 == 0 or os.name == "nt"


@given(st.binary(max_size=200))
def test_a_history_that_is_wrong_begins_anew(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("h") / "health.jsonl"
    path.write_bytes(data + b'\n{"server": "a", "time": "t", "status": "available"}\n')
    assert History(path).of("a")[-1] == Point("t", "available")


def test_the_chart_is_as_high_as_the_response_time():
    points = [Point("", "available", ms) for ms in (1.0, 4.0, 8.0)]
    points += [Point("", "unavailable", reason="exited"), Point("", "unknown")]
    assert chart(points) == "▂▅█×·"
    assert chart(points, width=2) == "×·"
    assert chart([]) == ""


# ---------------------------------------------------------------- diagnosis


CONFIG = ServerConfig("files", "stdio", StdioLaunch("x"), {"command": "x"})


@pytest.mark.promise("8")
@pytest.mark.parametrize("reason", sorted(REMEDIES))
def test_every_reason_has_words_and_something_to_do(reason):
    health = ServerHealth("unavailable", reason=reason, message="It is away.")
    found = diagnose(CONFIG, health, ServerView("files", {}, None)).findings[0]
    assert (found.code, found.what) == (reason, "It is away.")
    assert found.do
    assert "{" not in found.do


def test_a_server_that_is_well_needs_nothing():
    tools = {"a": Tool("a", "", {})}
    diagnosis = diagnose(CONFIG, ServerHealth("available"), ServerView("files", {}, tools))
    assert [finding.code for finding in diagnosis.findings] == ["well"]
    assert diagnosis.well


@pytest.mark.parametrize(
    ("health", "code"),
    [
        (ServerHealth("available", p95_ms=2000), "slow"),
        (ServerHealth("available", call_p95_ms=20_000), "slow-calls"),
        (ServerHealth("available", errors=9, error_rate=0.5), "errors"),
        (ServerHealth("available", flapping=True), "flapping"),
        (ServerHealth("unavailable", breaker="open"), "breaker-open"),
        (ServerHealth("unknown"), "unknown"),
    ],
)
def test_what_the_figures_tell_is_told(health, code):
    tools = {"a": Tool("a", "", {})}
    assert code in [each.code for each in diagnose(CONFIG, health, ServerView("files", {}, tools)).findings]


def test_replicas_together_are_as_good_as_the_best_and_say_what_is_missing():
    up = ServerHealth("available", replicas_up=1, calls=2, in_flight=1, error_count=1)
    away = ServerHealth("unavailable", reason="exited", message="It exited.", error_count=3)
    both = together([away, up])
    assert (both.status, both.reason, both.replicas, both.replicas_up) == ("degraded", "replica-exited", 2, 1)
    assert (both.calls, both.in_flight, both.error_count) == (2, 1, 4)
    assert both.message.startswith("1 of 2 replicas are connected.")
    assert together([up]) is up
    assert together([away, away]).status == "unavailable"


async def test_a_change_is_told_once_its_health_says_so(project):
    seen = asyncio.Queue()
    async with project.stub("--exit", "3", "--stderr", "no database").pool() as pool:
        pool.subscribe(lambda name, health: seen.put_nowait((name, health)))
        name, health = await asyncio.wait_for(seen.get(), 15)
        assert (name, health.status, health.reason) == ("stub", "unavailable", "exited")
        assert health.changed.endswith("Z")
        found = pool.diagnose("stub").findings[0]
        assert "no database" in found.what
        assert "stub.stderr" in found.do
