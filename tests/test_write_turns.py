"""What a person saved is decided upon before the daemon writes to that note again."""

from __future__ import annotations

import asyncio

import pytest

from signoff.errors import NoteError
from signoff.ledger.entry import Event
from support.inside import NOTE, reconciler, save


@pytest.mark.promise("1.4")
async def test_a_gesture_that_is_being_decided_upon_is_not_written_over(tmp_path):
    async with reconciler(tmp_path) as made:
        save(tmp_path / "vault" / "Inbox" / "plan.md", NOTE)
        await made.consider("Inbox/plan.md")
        note = tmp_path / "vault" / "Pending_Approval" / "plan.md"
        save(note, note.read_text().replace("status: pending", "status: approved"))
        decided = made.deeds.carry_out
        seen = []

        async def meanwhile(decision, sight, plan_id):
            await made._parts.ledger.append(
                [Event("refused", plan="plan", data={"reason": "x", "message": "y"})]
            )
            made.writeback._start("plan")  # the note should tell that, at this very moment
            await asyncio.wait(list(made.writeback._tasks), timeout=0.3)
            seen.append(note.read_text())
            await decided(decision, sight, plan_id)

        made.deeds.carry_out = meanwhile
        await made.consider("Pending_Approval/plan.md")

        assert "status: approved" in seen[0]
        assert [given.approver for given in made._parts.state.plans["plan"].approvals] == ["ana"]


async def test_a_question_about_a_server_is_looked_at_again_when_it_came_while_the_question_was_put(tmp_path):
    async with reconciler(tmp_path) as made:
        made._parts.servers.there = False
        save(tmp_path / "vault" / "Inbox" / "plan.md", NOTE)
        asked = made.writeback.ask

        async def ask(path, error: NoteError, plan_id):
            written = await asked(path, error, plan_id)
            made._parts.servers.there = True
            made.servers_changed()  # before it is known that the question was put
            return written

        made.writeback.ask = ask
        await made.consider("Inbox/plan.md")
        shown = tmp_path / "vault" / "Pending_Approval" / "plan.md"
        async with asyncio.timeout(10):
            while not shown.exists():
                await asyncio.sleep(0.01)


@pytest.mark.promise("7")
async def test_a_server_that_comes_back_while_it_is_put_down_as_away_is_not_waited_for(tmp_path):
    async with reconciler(tmp_path) as made:
        parts = made._parts
        folded = parts.ledger.on_entries

        def comes_back(entries):
            folded(entries)
            if any(entry.event == "waiting" for entry in entries):
                parts.servers.there = True
                made.runs.look_for_servers()  # its run has not ended yet

        parts.ledger.on_entries = comes_back
        save(tmp_path / "vault" / "Inbox" / "plan.md", NOTE)
        await made.consider("Inbox/plan.md")
        parts.servers.there = False
        note = tmp_path / "vault" / "Pending_Approval" / "plan.md"
        save(note, note.read_text().replace("status: pending", "status: approved"))
        await made.consider("Pending_Approval/plan.md")

        async with asyncio.timeout(10):
            while not parts.servers.called:
                await asyncio.sleep(0.01)


@pytest.mark.promise("1.5")
async def test_a_plan_that_a_defect_of_ours_stops_says_so_and_is_not_left_as_if_it_ran(tmp_path):
    async with reconciler(tmp_path) as made:
        parts = made._parts
        save(tmp_path / "vault" / "Inbox" / "plan.md", NOTE)
        await made.consider("Inbox/plan.md")
        parts.servers.defect = True
        note = tmp_path / "vault" / "Pending_Approval" / "plan.md"
        save(note, note.read_text().replace("status: pending", "status: approved"))
        await made.consider("Pending_Approval/plan.md")
        failed = tmp_path / "vault" / "Failed" / "plan.md"
        async with asyncio.timeout(10):
            while not failed.exists():
                await asyncio.sleep(0.01)

        assert parts.servers.called == 0
        assert "A defect of Signoff stood in the way. (`defect`)" in failed.read_text()
        assert "**Done:** nothing." in failed.read_text()
