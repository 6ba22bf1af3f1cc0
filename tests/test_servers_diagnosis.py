"""What is wrong with a server is said in words, with what to do now; each with a real process or server."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from servers.http_stub import HttpStub
from servers.kit import Project, available, until
from signoff.errors import AuthenticationFailed
from signoff.servers import diagnosis
from signoff.servers.config import ServerConfig
from signoff.servers.launch import HttpLaunch, StdioLaunch
from signoff.servers.remedy import REMEDIES, remedy
from signoff.servers.stderr import STARTED, StderrLog, of_last_start

TRACE = "Traceback (most recent call last):\n  File server.py, line 7\nOSError: no database at db:5432"
DIES = f"import sys; sys.exit({TRACE!r})"


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def first(pool, name="bad"):
    return pool.diagnose(name).findings[0]


@pytest.mark.promise("8")
async def test_a_missing_variable_is_named_and_where_to_write_it(project):
    project.server("bad", command=sys.executable, required_env=["BAD_TOKEN"])
    async with project.pool() as pool:
        await pool.settled(15)
        found = first(pool)
        assert (found.code, found.what) == ("missing-variable", "It needs BAD_TOKEN, which is not set.")
        assert "config/.env" in found.do
        with pytest.raises(AuthenticationFailed) as caught:
            await pool.call("bad.do", {}, timeout=5)
        assert caught.value.hint == found.do


@pytest.mark.promise("8")
@pytest.mark.parametrize(
    ("command", "do"),
    [
        ("no-such-program", "Install it"),
        ("/no/such/npx", "nodejs.org"),
        ("/no/such/uvx", "astral.sh/uv"),
    ],
)
async def test_a_program_that_is_not_there_is_named_and_where_to_have_it_from(project, command, do):
    async with project.server("bad", command=command).pool() as pool:
        await pool.settled(15)
        found = first(pool)
        assert (found.code, found.what) == ("command-not-found", f"Its program {command!r} was not found.")
        assert do in found.do
        assert "signoff servers restart bad" in found.do


@pytest.mark.promise("8")
async def test_one_that_exits_is_shown_with_its_code_and_the_last_lines_it_wrote(project):
    project.server("bad", command=sys.executable, args=["-c", DIES], env={"KEY": "db:5432"})
    async with project.pool() as pool:
        await pool.settled(15)
        found = first(pool)
        assert found.code == "exited"
        assert found.what == "It exited with code 1; the last it said: OSError: no database at ***."
        assert found.said[0] == "Traceback (most recent call last):"
        assert found.said[-1] == "OSError: no database at ***"
        assert "logs/servers/bad.stderr" in found.do


@pytest.mark.promise("8")
async def test_one_that_does_not_let_us_in_says_how_to_be_let_in(project):
    with HttpStub() as stub:
        stub.token = "the right one"
        async with project.server("bad", url=stub.url).pool() as pool:
            await pool.settled(15)
            found = first(pool)
            assert (found.code, found.what) == ("authentication", "It does not let us in (HTTP 401).")
            assert "signoff servers login bad" in found.do


@pytest.mark.promise("8")
async def test_one_where_nothing_answers_is_named_by_its_place_alone(project):
    with HttpStub() as stub:
        url = f"{stub.url}?key=very-secret"
    async with project.server("bad", url=url).pool() as pool:
        await pool.settled(15)
        found = first(pool)
        assert found.code == "unreachable"
        assert found.what == f"Nothing answers at 127.0.0.1:{stub.port}: the connection was refused."
    async with project.server("bad", url="http://nobody.invalid/mcp").pool() as pool:
        await pool.settled(15)
        assert first(pool).what == "No address is known for nobody.invalid."


@pytest.mark.promise("8")
async def test_one_that_is_slow_is_said_to_be_with_how_slow(project, monkeypatch):
    monkeypatch.setattr(diagnosis, "SLOW_CHECK", 0.0)
    monkeypatch.setattr(diagnosis, "SLOW_CALL", 20.0)
    async with project.stub(name="bad").pool() as pool:
        await pool.settled(15)
        await pool.call("bad.slow", {"seconds": 0.03}, timeout=10)
        found = {finding.code: finding for finding in pool.diagnose("bad").findings}
        assert "one answer in twenty took longer than" in found["slow"].what
        assert "one call in twenty longer than" in found["slow-calls"].what
        assert "`timeout`" in found["slow-calls"].do


@pytest.mark.promise("8")
@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
async def test_one_that_comes_and_goes_is_said_to_flap(project):
    async with project.stub("--stderr", "I tend to fall over", name="bad").pool() as pool:
        await pool.settled(15)
        for times in range(1, 4):
            os.kill(pool.health()["bad"].pid, signal.SIGKILL)
            await until(lambda: pool.health()["bad"].restarts == times)  # noqa: B023
            await available(pool, "bad")
        found = next(each for each in pool.diagnose("bad").findings if each.code == "flapping")
        assert found.what.startswith("It comes and goes")
        assert "connected again 3 times" in found.what
        assert found.said == ("I tend to fall over",)


@pytest.mark.parametrize("reason", sorted(REMEDIES))
@pytest.mark.parametrize("launch", [StdioLaunch("x"), HttpLaunch("http://x")], ids=["program", "address"])
def test_what_to_do_is_a_sentence_that_needs_no_knowledge_of_protocols(reason, launch):
    transport = "stdio" if isinstance(launch, StdioLaunch) else "http"
    config = ServerConfig("files", transport, launch, {"command": "x"}, missing=("A_KEY",))
    text = remedy(reason, config)
    assert text[0].isupper()
    assert "{" not in text
    for jargon in ("JSON-RPC", "stdio", "stdout", "handshake", "transport", "session", "initialize"):
        assert jargon not in text
    if transport == "http":
        assert ".stderr" not in text


def test_of_a_file_only_what_was_written_since_the_last_start_is_told(tmp_path):
    path = tmp_path / "x.stderr"
    for words in (b"first\n", b"second\n\nthird"):
        log = StderrLog(path)
        log.feed(words)
        log.close()
    assert path.read_text().count(STARTED) == 2
    assert of_last_start(path.read_text(), 10) == ["second", "third"]
    assert of_last_start(path.read_text(), 1) == ["third"]
