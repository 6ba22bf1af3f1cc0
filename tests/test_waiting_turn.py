"""A call that waits for its turn at a busy server does not leave once its plan is stopped."""

from __future__ import annotations

import sys

import pytest

from support.house import House
from support.project import STUB, record


@pytest.mark.promise("1.1")
@pytest.mark.parametrize(
    ("limit", "waits"),
    [({"max_concurrency": 1}, "started"), ({"rate_limit": "1/4s"}, "intent")],  # before the intent, after it
)
def test_a_call_whose_turn_comes_after_the_refusal_is_not_made(tmp_path, limit, waits):
    stub = {"command": sys.executable, "args": [str(STUB), "--log", str(tmp_path / "stub.jsonl")]}
    house = House(tmp_path, servers={"stub": {**stub, **limit}})
    house.start()
    try:
        first, second = house.word(), house.word()
        house.shown(first, steps=(f"action: stub.slow\nwith:\n  seconds: 3\n  text: {first}\n",))
        house.shown(second, steps=(record(second),))
        house.approve(house.vault / "Pending_Approval" / f"{first}.md")
        house.await_entry("intent", plan=house.plan_id(first))
        house.approve(house.vault / "Pending_Approval" / f"{second}.md")
        house.await_entry(waits, plan=house.plan_id(second))  # it waits for its turn now
        note = house.await_note(f"{second}.md", "Approved", "status:")
        note.rename(house.vault / "Rejected" / note.name)
        house.await_done(first)
        house.await_entry("finished", plan=house.plan_id(second))
        assert house.called(second) == []
    finally:
        house.stop()
