"""What a person saved is decided upon before the daemon writes to that note again."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import asynccontextmanager

import pytest

from signoff.config import load_settings
from signoff.errors import NoteError
from signoff.ledger.blobs import BlobStore
from signoff.ledger.entry import Event
from signoff.ledger.log import Ledger
from signoff.ledger.state import State
from signoff.model import ServerView, Tool
from signoff.parts import Parts
from signoff.reconcile import Reconciler
from signoff.reload import read_configuration
from signoff.vault import Vault

NOTE = "---\nid: plan\naction: stub.record\nwith:\n  text: hello\n---\n# A plan\n"
SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}}


class Servers:
    """What is known of one server; nothing is ever called."""

    def __init__(self):
        self.there = True

    def views(self):
        tools = {"record": Tool("record", "", SCHEMA, {})} if self.there else None
        return {"stub": ServerView("stub", {"command": "stub"}, tools, problem="" if tools else "it is away")}


@asynccontextmanager
async def reconciler(root):
    for folder in ("config", "vault", "logs"):
        (root / folder).mkdir()
    (root / "config" / "signoff.toml").write_text("[approvers.ana]\ndefault = true\n")
    settings = load_settings(root / "config", {})
    vault = Vault(settings.vault.path, settings.vault.folders)
    vault.make_folders()
    state = State()
    blobs = BlobStore(root / "logs" / "blobs")
    ledger = Ledger.open(root / "logs" / "audit", blobs=blobs.folder, key=None, keep=blobs.keep)
    ledger.on_entries = lambda entries: [state.apply(entry) for entry in entries]
    rules = read_configuration(settings, {}).rules
    made = Reconciler(Parts(settings, rules, vault, ledger, state, blobs, Servers()))
    try:
        yield made
    finally:
        made.closing = True
        await made.writeback.finish()
        ledger.close()
        blobs.close()


def save(path, text):
    """As an editor saves: a rename; and a moment ago, so that the daemon may write at once."""
    aside = path.with_name(".aside.tmp")
    aside.write_text(text)
    then = time.time() - 5
    os.utime(aside, (then, then))
    aside.replace(path)


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

        async def ask(path, error: NoteError):
            written = await asked(path, error)
            made._parts.servers.there = True
            made.servers_changed()  # before it is known that the question was put
            return written

        made.writeback.ask = ask
        await made.consider("Inbox/plan.md")
        shown = tmp_path / "vault" / "Pending_Approval" / "plan.md"
        async with asyncio.timeout(10):
            while not shown.exists():
                await asyncio.sleep(0.01)
