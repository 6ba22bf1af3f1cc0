"""Servers that come, change and go while the pool runs; against real processes."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from servers.kit import Project, available, is_running, pin_of, until
from signoff.errors import Refused, Transient
from signoff.servers.calling import PinChanged
from signoff.servers.succession import Change, change


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path).stub()


def with_only(project, name, *options):
    """The configuration in which there is this stub and no other."""
    project.entries.clear()
    return project.stub(*options, name=name).configs()


@pytest.mark.promise("8")
async def test_a_server_that_is_added_is_there_and_the_others_go_on_untouched(project):
    async with project.pool() as pool:
        await available(pool)
        before = pool.health()["stub"].pid
        found = pool.reconfigure(
            project.stub(name="new").configs(), capabilities={"note": [("new", "record")]}
        )
        assert found == Change(added=("new",))
        await available(pool, "new")
        assert (await pool.call("new", "look", {"text": "in"})).text == "ok: in"
        assert pool.registry.recommended("note").name == "new.record"
        assert pool.health()["stub"].pid == before
        assert pool.health()["stub"].restarts == 0


@pytest.mark.promise("8")
async def test_a_server_that_is_taken_out_finishes_its_calls_and_takes_no_other(project):
    told = []
    async with project.pool(on_change=told.append) as pool:
        await available(pool)
        pid = pool.health()["stub"].pid
        under_way = asyncio.create_task(pool.call("stub", "slow", {"seconds": 1, "text": "last"}, timeout=10))
        await until(lambda: pool.health()["stub"].in_flight)
        told.clear()
        assert pool.reconfigure({}) == Change(removed=("stub",))
        assert told == ["stub"]
        with pytest.raises(Refused) as caught:
            await pool.call("stub", "record", {"text": "late"})
        assert caught.value.code == "unknown-server"
        assert (await under_way).text == "ok: last"
        await until(lambda: not is_running(pid))
        assert pool.registry.find("record") == ()
        assert pool.health() == {}
    assert [call["arguments"]["text"] for call in project.calls()] == ["last"]


@pytest.mark.promise("8")
async def test_a_changed_server_is_replaced_once_its_last_call_has_ended(project):
    async with project.pool() as pool:
        await available(pool)
        old = pool.health()["stub"].pid
        under_way = asyncio.create_task(pool.call("stub", "slow", {"seconds": 1, "text": "old"}, timeout=10))
        await until(lambda: pool.health()["stub"].in_flight)
        assert pool.reconfigure(with_only(project, "stub", "--greet")) == Change(changed=("stub",))
        assert is_running(old)
        new = await pool.call("stub", "record", {"text": "new"}, timeout=15)
        assert (await under_way).text, new.text == ("ok: old", "ok: new")
        assert not is_running(old), "two of them never ran at once"
        assert pool.health()["stub"].pid != old
    first, second = project.calls()
    assert [first["pid"], first["arguments"]["text"]] == [old, "old"]
    assert second["pid"] != old


@pytest.mark.promise("1.1")
async def test_a_call_that_waits_for_its_turn_never_reaches_a_server_that_was_taken_out(tmp_path):
    project = Project(tmp_path).stub(max_concurrency=1)
    async with project.pool() as pool:
        await available(pool)
        first = asyncio.create_task(pool.call("stub", "slow", {"seconds": 1, "text": "first"}, timeout=10))
        await until(lambda: pool.health()["stub"].in_flight)
        waiting = [
            asyncio.create_task(pool.call("stub", "record", {"text": str(number)}, timeout=10))
            for number in range(3)
        ]
        await asyncio.sleep(0)
        pool.reconfigure({})
        assert (await first).text == "ok: first"
        for answer in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(answer, Transient)
            assert answer.code == "server-changed"
    assert [call["arguments"]["text"] for call in project.calls()] == ["first"]


@pytest.mark.promise("5")
async def test_an_approval_of_a_server_as_it_was_does_not_count_for_what_it_is_now(project):
    async with project.pool() as pool:
        await available(pool)
        pin = pin_of(pool, "record")
        pool.reconfigure(with_only(project, "stub", "--greet"))
        await available(pool)
        with pytest.raises(PinChanged):
            await pool.call("stub", "record", {"text": "x"}, pin=pin)
    assert project.calls() == []


async def test_a_pool_that_is_stopped_ends_those_that_are_leaving_too(project):
    configs = project.configs()
    async with project.pool() as pool:
        await available(pool)
        pid = pool.health()["stub"].pid
        under_way = asyncio.create_task(pool.call("stub", "slow", {"seconds": 60}, timeout=90))
        await until(lambda: pool.health()["stub"].in_flight)
        for configured in ({}, configs, {}):
            pool.reconfigure(configured)
    assert not is_running(pid)
    await asyncio.gather(under_way, return_exceptions=True)


async def test_a_server_that_goes_and_comes_back_again_and_again_is_never_there_twice(project):
    configs = project.configs()
    async with project.pool() as pool:
        await available(pool)
        under_way = asyncio.create_task(pool.call("stub", "slow", {"seconds": 1, "text": "old"}, timeout=10))
        await until(lambda: pool.health()["stub"].in_flight)
        for _ in range(5):
            pool.reconfigure({})
            pool.reconfigure(configs)
        assert (await under_way).text == "ok: old"
        assert len(project.pids()) == 1
        await available(pool)
        assert (await pool.call("stub", "look", {"text": "back"})).text == "ok: back"
        assert len(project.running()) == 1
    assert project.running() == []


def test_what_is_said_about_an_entry_is_no_change_and_everything_else_is(project):
    configs = project.configs()
    same = {"stub": dataclasses.replace(configs["stub"], warnings=("a word",))}
    assert not change(configs, same)
    assert change(configs, same).sentence() == "No server has changed."
    slower = {"stub": dataclasses.replace(configs["stub"], timeout=5.0), "more": configs["stub"]}
    assert change(configs, slower).sentence() == "Servers added more; changed stub."
    peer = {"stub": dataclasses.replace(configs["stub"], peers=(configs["stub"],))}
    assert change(configs, peer).changed == ("stub",)
