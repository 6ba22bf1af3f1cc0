"""No process of a server outlives the pool, whatever the server does and however the daemon ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from servers.kit import Project, available, is_running, until
from signoff.servers.stderr import StderrLog, log_path
from signoff.servers.tree import Keeper, finish

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals; on Windows a job object does this")

DAEMON = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from servers.kit import Project
async def main():
    project = Project(Path({root!r})).stub(*{options!r})
    async with project.pool() as pool:
        await pool.settled(30)
        print("ready", pool.health()["stub"].status, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


@pytest.mark.promise("8")
@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--child",),
        ("--ignore-term",),
        ("--child", "--ignore-term"),
        ("--child-leaves",),
        ("--child-leaves", "--ignore-term"),
    ],
    ids=" ".join,
)
async def test_stopping_the_pool_leaves_no_process_behind(project, options):
    async with project.stub(*options).pool() as pool:
        await pool.settled(15)
        await pool.call("stub", "look", {"text": "a"}, timeout=10)
        assert project.running() == project.pids()
    assert project.running() == []


@pytest.mark.promise("8")
async def test_stopping_a_frozen_server_is_bounded_and_leaves_no_process(project):
    async with project.stub("--child").pool() as pool:
        await pool.settled(15)
        os.kill(project.pids()[0], signal.SIGSTOP)
        async with asyncio.timeout(6):
            await pool.stop()
    assert project.running() == []


@pytest.mark.promise("8")
async def test_stopping_while_a_server_is_still_starting_leaves_no_process(project):
    pool = project.stub("--mute", "--child").pool()
    await pool.start()
    await until(lambda: project.pid_file.exists() and len(project.pids()) == 2)
    async with asyncio.timeout(6):
        await pool.stop()
    assert project.running() == []


@pytest.mark.promise("8")
async def test_cancelling_the_stop_twice_leaks_no_process(project):
    """Pitfall 6: a second cancel during the SDK's shutdown leaks the server."""
    pool = project.stub("--ignore-term", "--child").pool()
    await pool.start()
    await pool.settled(15)
    stopping = asyncio.create_task(pool.stop())
    for _ in range(3):
        await asyncio.sleep(0.05)
        stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
    await until(lambda: project.running() == [])
    await pool.stop()


@pytest.mark.promise("8")
@pytest.mark.parametrize("option", ["--child", "--child-leaves"])
async def test_the_children_of_a_server_that_died_are_ended_too(project, option):
    async with project.stub(option).pool() as pool:
        await pool.settled(15)
        server, child = project.pids()
        os.kill(server, signal.SIGKILL)
        await until(lambda: not is_running(child))
        await available(pool)


@pytest.mark.promise("8")
@pytest.mark.parametrize("option", ["--child", "--child-leaves"])
async def test_a_restart_ends_a_server_with_its_children_and_no_other_servers(project, option):
    async with project.stub(option).stub(option, name="other").pool() as pool:
        await pool.settled(15)
        before = project.pids()
        mine = pool.health()["stub"].pid
        await pool.restart("stub")
        await until(lambda: pool.health()["stub"].restarts == 1)
        at = before.index(mine)
        assert [pid for pid in before if is_running(pid)] == before[:at] + before[at + 2 :]


@pytest.mark.promise("8")
@pytest.mark.parametrize(
    "options",
    [
        ("--child",),
        ("--child", "--ignore-term"),
        pytest.param(
            ("--child-leaves", "--ignore-term"),
            marks=pytest.mark.skipif(sys.platform != "linux", reason="environments are not shown"),
        ),
    ],
    ids=" ".join,
)
async def test_killing_the_daemon_ends_its_servers_and_their_children(project, options):
    program = DAEMON.format(tests=str(Path(__file__).parent), root=str(project.root), options=options)
    daemon = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        assert await asyncio.to_thread(daemon.stdout.readline) == "ready available\n"
        assert len(project.running()) == 2
    finally:
        daemon.send_signal(signal.SIGKILL)
        daemon.communicate()
    await until(lambda: project.running() == [])


@pytest.mark.promise("8")
async def test_a_keeper_that_was_ended_is_replaced_and_takes_all_groups(project):
    keeper = Keeper()
    keeper.start()
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        keeper.add(child.pid)
        first = keeper._process
        first.kill()
        first.wait()
        keeper.add(other.pid)
        assert keeper._process.pid != first.pid
        await asyncio.to_thread(keeper.stop)
        assert [await asyncio.to_thread(process.wait, 10) for process in (child, other)] == [-15, -15]
    finally:
        for process in (child, other):
            process.kill()
            process.wait()


async def test_a_keeper_leaves_alone_what_was_taken_out_of_its_care():
    keeper = Keeper()
    keeper.start()
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        keeper.add(child.pid)
        keeper.remove(child.pid)
        await asyncio.to_thread(keeper.stop)
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


async def test_what_must_be_finished_is_finished_however_often_it_is_cancelled():
    done, gate = [], asyncio.Event()

    async def work():
        await gate.wait()
        done.append(True)

    waiting = asyncio.create_task(finish(asyncio.create_task(work())))
    for _ in range(3):
        await asyncio.sleep(0)
        waiting.cancel()
    await asyncio.sleep(0)
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert done == [True]


@pytest.mark.promise("8")
async def test_a_server_that_exits_at_once_is_unavailable_and_says_why(project):
    async with project.stub("--exit", "3", "--stderr", "no database here").pool() as pool:
        await pool.settled(15)
        health = pool.health()["stub"]
        assert (health.status, health.reason) == ("unavailable", "exited")
        assert health.message == "It exited with code 3; the last it said: no database here."
        assert "no database here" in pool.view("stub").problem
    assert "no database here" in (project.root / "logs" / "servers" / "stub.stderr").read_text()


def test_the_file_of_stderr_is_bounded_and_keeps_the_newest(tmp_path):
    path = log_path(tmp_path, "odd/../name")
    log = StderrLog(path, largest=100)
    for number in range(50):
        log.feed(f"line {number}\n".encode())
    log.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["odd____name.stderr", "odd____name.stderr.1"]
    assert all(file.stat().st_size <= 100 for file in tmp_path.iterdir())
    assert path.read_text().endswith("line 49\n")
    assert log.last_line() == "line 49"


def test_stderr_that_cannot_be_written_to_its_file_is_kept_in_memory_all_the_same(tmp_path):
    (tmp_path / "taken").write_text("")
    log = StderrLog(tmp_path / "taken" / "x.stderr")
    log.feed(b"words\n")
    log.feed(b"more\n")
    assert log.last_line() == "more"
