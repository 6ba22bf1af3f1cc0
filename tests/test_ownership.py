"""One daemon a vault; its orderly end within ten seconds; and no process left, however it ends."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from support.project import Project, eventually, plan, projects, record

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    yield from projects(tmp_path)


def slow(seconds: float, text: str = "slow") -> str:
    return f"action: stub.slow\nwith:\n  seconds: {seconds}\n  text: {text}\n"


def processes_of(house: Project) -> list[psutil.Process]:
    """The daemon and everything that it started, also what has left its session."""
    assert house.process is not None
    daemon = psutil.Process(house.process.pid)
    return [daemon, *daemon.children(recursive=True)]


def all_gone(processes: list[psutil.Process], *, within: float) -> None:
    def gone() -> bool:
        return all(not each.is_running() or each.status() == psutil.STATUS_ZOMBIE for each in processes)

    eventually(gone, f"the end of {processes}", deadline=within)


def stop_in_time(house: Project) -> None:
    processes = processes_of(house)
    begun = time.monotonic()
    assert house.stop() == 0
    assert time.monotonic() - begun < 10.0  # the promise of section 10
    all_gone(processes, within=4.0)
    assert house.entries("daemon-stopped")


# ---------------------------------------------------------------- one owner


@pytest.mark.promise("10")
def test_a_second_daemon_is_refused_and_told_who_holds_the_vault(project: Callable[..., Project]) -> None:
    house = project().start()
    assert house.process is not None
    before = len(house.entries())

    second = house.signoff("run", "--once")

    assert second.returncode == 3
    assert str(house.process.pid) in second.stderr
    assert "Traceback" not in second.stderr
    assert len(house.entries()) == before


@pytest.mark.promise("10")
@pytest.mark.parametrize("through", ["the same path", "a link"])
def test_another_configuration_with_other_logs_is_refused_for_the_same_vault(
    project: Callable[..., Project], through: str
) -> None:
    house = project().start()
    vault = house.vault
    if through == "a link":
        vault = house.root / "linked"
        vault.symlink_to(house.vault, target_is_directory=True)
    other = project(settings=f'[vault]\npath = "{vault}"\n')

    second = other.signoff("run", "--once")

    assert second.returncode == 3, second.stderr
    assert not other.entries("daemon-started")


@pytest.mark.promise("10")
def test_after_a_kill_the_vault_is_free_at_once(project: Callable[..., Project]) -> None:
    house = project().start()
    house.kill()
    assert house.once().returncode == 0


# ---------------------------------------------------------------- SIGTERM


@pytest.mark.promise("10")
def test_at_the_end_a_call_that_ends_soon_is_awaited_and_recorded(project: Callable[..., Project]) -> None:
    house = project().start()
    house.approve(house.pending("A.md", plan(slow(1.0), record("after"))))
    house.await_calls(1)

    stop_in_time(house)

    assert house.entries("outcome")[0].data["class"] == "done"
    assert [call["tool"] for call in house.calls()] == ["slow"]
    house.start()
    house.await_note("A.md", "Done", "status: done")
    assert [call["tool"] for call in house.calls()] == ["slow", "record"]


@pytest.mark.promise("10")
def test_at_the_end_a_call_that_takes_too_long_is_recorded_as_unknown(
    project: Callable[..., Project],
) -> None:
    house = project().start()
    house.approve(house.pending("A.md", plan(slow(60.0) + "timeout: 100s\n")))
    house.await_calls(1)

    stop_in_time(house)

    assert house.entries("outcome")[0].data["class"] == "unknown"
    house.start()
    house.await_note("A.md", "Failed", "It did not happen")
    assert len(house.calls()) == 1


@pytest.mark.promise("10")
def test_servers_that_freeze_ignore_sigterm_and_have_children_end_with_the_daemon(
    project: Callable[..., Project],
) -> None:
    house = project(servers={})
    house.set_servers(
        {
            "stub": house.stub("--ignore-term", "--child"),
            "holds": house.stub("--child-holds", "--ignore-term", name="holds"),
            "mute": house.stub("--mute", "--ignore-term", name="mute"),
        }
    )
    house.start()
    house.approve(house.pending("A.md", plan("action: stub.freeze\nwith: {}\ntimeout: 100s\n")))
    house.await_calls(1)
    assert len(processes_of(house)) >= 6

    stop_in_time(house)


@pytest.mark.promise("10")
def test_a_killed_daemon_leaves_no_server_behind(project: Callable[..., Project]) -> None:
    house = project(servers={})
    house.set_servers(
        {"stub": house.stub("--ignore-term", "--child"), "kind": house.stub("--child", name="kind")}
    )
    house.start()
    house.pending("A.md", plan(record("a")))
    processes = processes_of(house)
    assert len(processes) >= 5

    house.kill()

    all_gone(processes, within=8.0)


@pytest.mark.promise("10")
def test_a_daemon_that_is_stopped_while_it_starts_ends_as_well(project: Callable[..., Project]) -> None:
    house = project(servers={})
    house.set_servers({"mute": house.stub("--mute", name="mute")})
    house.start()
    processes = processes_of(house)
    assert house.stop() == 0
    all_gone(processes, within=4.0)


@pytest.mark.promise("10")
def test_once_ends_by_itself_and_leaves_nothing_that_could_run(project: Callable[..., Project]) -> None:
    house = project(settings='[execution]\nretry_delay = "100ms"\n')
    house.drop("A.md", plan(record("a"), record("b")))
    house.drop("B.md", plan(record("c")))
    assert house.once().returncode == 0
    for name in ("A", "B"):
        house.approve(house.await_note(f"{name}.md", "Pending_Approval", "status: pending"))
    assert house.once().returncode == 0
    assert sorted(path.name for path in (house.vault / "Done").iterdir()) == ["A.md", "B.md"]
    assert len(house.calls()) == 3
    left = [
        each
        for each in psutil.process_iter(["cmdline"])
        if str(house.root) in " ".join(each.info["cmdline"] or ())
    ]
    assert left == []
