"""`Dashboard.md`: what waits for a person, what runs, what went wrong, and how the servers are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Protocol

from signoff.model import PlanState, Status
from signoff.say.calls import shell_word
from signoff.say.escape import LINKABLE, code, is_linkable, sentence
from signoff.say.progress import progress, so_far
from signoff.say.words import advice, moment, plural

_ASKS = "a call was sent and no answer came. Open the note and tick what is true."
MARK = "Written by Signoff"
"""Begins the line that tells when; a dashboard without it is a person's own."""
LAST_DONE = 10
"""How many finished plans are listed."""


_LOST: Mapping[Status, str] = {
    Status.PENDING: "it waited for approval. It is withdrawn, unless its note comes back within a minute.",
    Status.FAILED: "it failed. See {show}.",
    Status.UNKNOWN: "it is not known whether a call of it happened. See {show}.",
}


class ServerState(Protocol):
    """How a server is."""

    @property
    def status(self) -> str:
        """`available`, `degraded`, `unavailable` or `unknown`."""

    @property
    def reason(self) -> str:
        """What is wrong, in plain words; empty where nothing is."""


def dashboard(
    plans: Iterable[PlanState],
    servers: Mapping[str, ServerState],
    now: datetime,
    lost: Collection[str] = (),
) -> str:
    """The whole file. The daemon's own: nothing that is typed into it is kept.

    Args:
        plans: all that may still do something, and those that have ended lately.
        servers: by name.
        now: with the local zone.
        lost: ids of plans whose notes are not there.
    """
    known = sorted(plans, key=lambda plan: (plan.frozen, plan.id))
    zone = now.tzinfo
    assert zone is not None  # noqa: S101

    def at(time: str) -> str:
        return moment(time, zone)

    there = [plan for plan in known if plan.id not in lost]
    parts = [
        "# Signoff",
        f"{MARK} on {moment(now, zone)}. What you type here is lost. All plans: [[Plans.base]].",
        *_part(
            "Waiting for you",
            there,
            {Status.PENDING},
            lambda plan: _waits(plan, at),
            "Nothing waits for you.",
        ),
        *_asked(there, at),
        *_part("Did it happen?", there, {Status.UNKNOWN}, lambda _plan: _ASKS, ""),
        *_part("Stopped", there, {Status.FAILED}, _stopped, ""),
        *_part(
            "Running",
            known,
            {Status.APPROVED, Status.RUNNING, Status.WAITING, Status.SCHEDULED},
            lambda plan: _runs(plan, at),
            "Nothing runs.",
        ),
        *_lost(known, lost),
        *_finished(known, at),
        *_servers(servers),
    ]
    return "\n\n".join(parts) + "\n"


def _part(
    title: str,
    plans: Iterable[PlanState],
    statuses: set[Status],
    line: Callable[[PlanState], str],
    empty: str,
) -> list[str]:
    lines = [f"- {link(plan)}: {line(plan)}" for plan in plans if plan.status in statuses]
    if not lines:
        return [f"## {title}", empty] if empty else []
    return [f"## {title}", "\n".join(lines)]


def _lost(plans: Iterable[PlanState], lost: Collection[str]) -> list[str]:
    """The plans that a person has something to say to, and whose notes are not there."""
    lines = [
        f"- {_title(plan)} ({code(plan.path)}): {_LOST[plan.status].format(show=show_command(plan))}"
        for plan in plans
        if plan.id in lost and plan.status in _LOST
    ]
    return ["## Notes that are gone", "\n".join(lines)] if lines else []


def show_command(plan: PlanState) -> str:
    """The command that shows all of a plan."""
    return code(f"signoff show {shell_word(plan.id)}")


def _asked(plans: Iterable[PlanState], at: Callable[[str], str]) -> list[str]:
    """The plans in which a server waits to be told something."""
    lines = [
        f"- {link(plan)}: {code(question.server)} asks: {sentence(question.message, limit=200)}"
        + (f" Until {at(question.until)}." if question.until else "")
        for plan in plans
        for step in plan.steps.values()
        for question in step.open_questions
    ]
    return ["## Servers ask you", "\n".join(lines)] if lines else []


def _waits(plan: PlanState, at: Callable[[str], str]) -> str:
    said = f"{sentence(plan.risk)} risk, {plural(len(plan.steps), 'step')}, shown on {at(plan.frozen)}"
    if plan.approvals:
        said += (
            f", approved by {', '.join(code(one.approver) for one in plan.approvals)}, more approvers needed"
        )
    if plan.expires:
        said += f", expires on {at(plan.expires)}"
    return f"{said}. {_why(plan)}".rstrip()


def _stopped(plan: PlanState) -> str:
    return f"{progress(plan)} done. {_why(plan)} {sentence(advice(plan.reason))}".rstrip()


def _runs(plan: PlanState, at: Callable[[str], str]) -> str:
    until = f", next on {at(plan.until)}" if plan.until else ""
    return f"{plan.status.value}, {so_far(plan)}{until}. {_why(plan)}".rstrip()


def _why(plan: PlanState) -> str:
    if not plan.reason or (plan.status is Status.SCHEDULED and not plan.message):
        return ""
    return f"{sentence(plan.message, limit=200)} ({code(plan.reason)})".lstrip()


def _finished(plans: Iterable[PlanState], at: Callable[[str], str]) -> list[str]:
    done = [plan for plan in plans if plan.status is Status.DONE]
    latest = sorted(done, key=lambda plan: plan.finished or "", reverse=True)[:LAST_DONE]
    if not latest:
        return []
    lines = [
        f"- {link(plan)}: {at(plan.finished)}" if plan.finished else f"- {link(plan)}" for plan in latest
    ]
    return ["## Done lately", "\n".join(lines)]


def _servers(servers: Mapping[str, ServerState]) -> list[str]:
    if not servers:
        return []
    lines = []
    for name, state in sorted(servers.items()):
        reason = f". {sentence(state.reason, limit=200)}" if state.reason else ""
        lines.append(f"- {code(name)}: {sentence(str(state.status))}{reason}")
    return ["## Servers", "\n".join(lines)]


def link(plan: PlanState) -> str:
    """A wiki link to the plan's note, or its path as code where a link could mean something else."""
    title = _title(plan)
    path = plan.path.removesuffix(".md")
    if not is_linkable(path) or not plan.path.endswith(".md"):
        return f"{title} ({code(plan.path)})"
    if title == plan.title and LINKABLE.fullmatch(title):
        return f"[[{path}|{title}]]"
    return f"[[{path}]] {title}"


def _title(plan: PlanState) -> str:
    return sentence(plan.title, limit=100) if plan.title else code(plan.id)
