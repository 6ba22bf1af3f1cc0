"""`signoff metrics`: how much there was of what, counted from the ledger."""

from __future__ import annotations

from collections import Counter
from typing import Any

from signoff.cli.project import Project
from signoff.cli.screen import SCREEN
from signoff.cli.standing import counts
from signoff.ledger.state import State


def metrics(project: Project, *, as_json: bool) -> None:
    """Shows counts of plans by status, of calls by class and tool, of approvals and refusals.

    Raises:
        LedgerDamaged: a line of the log is not an entry.
    """
    found = _count(project)
    if as_json:
        SCREEN.json(found)
        return
    SCREEN.line(f"{found['entries']} entries in the audit log")
    for title, key in (
        ("Plans by status", "plans"),
        ("Calls by outcome", "calls"),
        ("Calls by tool", "tools"),
        ("Approvals by method", "approvals"),
        ("Refusals by reason", "refusals"),
    ):
        if found[key]:
            SCREEN.heading(title)
            SCREEN.table(("", "Count"), [(name, str(count)) for name, count in found[key].items()])


def _count(project: Project) -> dict[str, Any]:
    state = State()
    calls: Counter[str] = Counter()
    tools: Counter[str] = Counter()
    approvals: Counter[str] = Counter()
    refusals: Counter[str] = Counter()
    for entry in project.entries():
        state.apply(entry)
        if entry.event == "moved" and entry.plan is not None:
            state.retire(entry.plan)
        elif entry.event == "intent":
            tools[f"{entry.server}.{entry.tool}"] += 1
        elif entry.event == "outcome":
            calls[str(entry.data.get("class"))] += 1
        elif entry.event == "approved":
            approvals[str(entry.data.get("method"))] += 1
        elif entry.event == "refused":
            refusals[str(entry.data.get("reason"))] += 1
    state.retire_all()
    return {
        "entries": state.sequence,
        "plans": counts(state),
        "calls": dict(calls.most_common()),
        "tools": dict(tools.most_common()),
        "approvals": dict(approvals.most_common()),
        "refusals": dict(refusals.most_common()),
    }
