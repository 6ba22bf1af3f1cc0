"""The inside of a daemon without its process: real vault, ledger and blobs, and one server of our own."""

from __future__ import annotations

import os
import time
from contextlib import asynccontextmanager

from signoff.config import load_settings
from signoff.errors import Transient
from signoff.ledger.blobs import BlobStore
from signoff.ledger.log import Ledger
from signoff.ledger.state import State
from signoff.model import CallResult, ServerView, Tool
from signoff.parts import Parts
from signoff.reconcile import Reconciler
from signoff.reload import read_configuration
from signoff.servers.health import ServerHealth
from signoff.vault import Vault

NOTE = "---\nid: plan\naction: stub.record\nwith:\n  text: hello\n---\n# A plan\n"
SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}}


class Servers:
    """One server, which is there or away as one likes, and counts its calls."""

    def __init__(self):
        self.there = True
        self.called = 0
        self.defect = False

    def health_of(self, name):
        return (
            ServerHealth("available")
            if self.there
            else ServerHealth("unavailable", reason="exited", message="It is away.")
        )

    def most_at_once(self, name):
        if self.defect:
            raise ZeroDivisionError("a defect of ours")

    async def call(self, server, tool, arguments, **_):
        if not self.there:
            raise Transient("It was not called: it is away.", server=server, tool=tool, code="not-sent")
        self.called += 1
        return CallResult([], None, "ok")

    def views(self):
        tools = {"record": Tool("record", "", SCHEMA, {})} if self.there else None
        return {"stub": ServerView("stub", {"command": "stub"}, tools, problem="" if tools else "it is away")}


@asynccontextmanager
async def reconciler(root):
    for folder in ("config", "vault", "logs"):
        (root / folder).mkdir()
    (root / "config" / "signoff.toml").write_text(
        "[execution]\nretries = 0\n[approvers.ana]\ndefault = true\n"
    )
    settings = load_settings(root / "config", {})
    vault = Vault(settings.vault.path, settings.vault.folders)
    vault.make_folders()
    state = State()
    blobs = BlobStore(root / "logs" / "blobs")
    ledger = Ledger.open(root / "logs" / "audit", blobs=blobs.folder, key=None, keep=blobs.keep)
    ledger.on_entries = lambda entries: [state.apply(entry) for entry in entries]
    rules = read_configuration(settings, {}).rules
    made = Reconciler(Parts(settings, rules, vault, ledger, state, blobs, Servers()))
    made.runs.open()
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
