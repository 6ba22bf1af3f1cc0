"""`signoff status`: what waits for whom, what runs, what failed and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from signoff.cli.project import Project
from signoff.cli.screen import SCREEN, Cell
from signoff.cli.screen import status as coloured
from signoff.cli.words import near
from signoff.config import Approver
from signoff.ledger.entry import Entry
from signoff.ledger.state import State
from signoff.model import FINAL, LIVE, Folder, JsonObject, Method, PlanState, Status
from signoff.say.progress import progress, so_far
from signoff.say.words import advice


def status(project: Project, *, as_json: bool) -> None:
    """Shows the plans that may still do something, the last that ended, and the questions to authors."""
    state, questions = _read(project)
    plans = [*state.plans.values(), *state.recent]
    approvers = project.settings.approvers.values()
    if as_json:
        SCREEN.json(
            {
                "plans": [_plan(plan, approvers) for plan in plans],
                "drafts": questions,
                "counts": counts(state),
                "daemon": _daemon(project),
            }
        )
        return
    _say_daemon(project)
    _say_plans(plans, list(approvers))
    _say_drafts(questions)


def counts(state: State) -> dict[str, int]:
    """How many plans there are, by status."""
    found = Counter(plan.status.value for plan in state.plans.values())
    found.update(ended.status.value for ended in state.ended.values())
    return {each.value: found[each.value] for each in Status if found[each.value]}


def waiting_for(plan: PlanState, approvers: Iterable[Approver]) -> list[str]:
    """Whom a plan waits for: those who may still approve it, or, of an unknown outcome, all approvers."""
    asked = any(step.open_questions for step in plan.steps.values())
    if plan.status is Status.UNKNOWN or asked:
        return [approver.name for approver in approvers]
    if plan.status is not Status.PENDING:
        return []
    needed = plan.needs.get("method")
    rank = Method(needed).rank if isinstance(needed, str) else 0
    given = {approval.approver for approval in plan.approvals}
    barred = {plan.proposed_by} if plan.needs.get("allow_proposer") is False else set()
    return [
        approver.name
        for approver in approvers
        if approver.name not in given | barred and any(method.rank >= rank for method in approver.methods)
    ]


def _read(project: Project) -> tuple[State, list[JsonObject]]:
    """The state, and the questions that stand in notes that are no plans yet."""
    state = State()
    questions: dict[str, Entry] = {}
    for entry in project.entries():
        state.apply(entry)
        if entry.plan is not None:
            _forget(questions, entry)
            if entry.event == "moved":
                state.retire(entry.plan)
        elif entry.event == "refused" and isinstance(path := entry.data.get("path"), str):
            questions[path] = entry
    state.retire_all()
    inbox = [path for path, entry in questions.items() if _still_asked(project, path)]
    return state, [_question(path, questions[path]) for path in inbox]


def _forget(questions: dict[str, Entry], entry: Entry) -> None:
    for key in ("path", "to"):
        path = entry.data.get(key)
        if isinstance(path, str):
            questions.pop(path, None)


def _still_asked(project: Project, path: str) -> bool:
    return project.vault.kind_of(path) is not Folder.DONE and project.vault.stamp(path) is not None


def _question(path: str, entry: Entry) -> JsonObject:
    return {"path": path, "reason": entry.data.get("reason"), "message": entry.data.get("message")}


def _plan(plan: PlanState, approvers: Iterable[Approver]) -> JsonObject:
    return {
        "id": plan.id,
        "title": plan.title,
        "status": plan.status.value,
        "risk": plan.risk,
        "path": plan.path,
        "reason": plan.reason,
        "message": plan.message,
        "progress": progress(plan),
        "waiting_for": list(waiting_for(plan, approvers)),
        "until": plan.until,
    }


def _daemon(project: Project) -> JsonObject:
    running = project.running()
    if running is None:
        return {"running": False, "pid": None, "host": None, "since": None}
    return {"running": True, **asdict(running)}


# ---------------------------------------------------------------- for people


def _say_daemon(project: Project) -> None:
    running = project.running()
    if running is None:
        SCREEN.line("No daemon runs: nothing happens until `signoff run`.", "yellow")
    else:
        since = f", since {near(running.since)}" if running.since else ""
        SCREEN.line(f"The daemon runs (process {running.pid}{since}).", "green")


def _say_plans(plans: Sequence[PlanState], approvers: Sequence[Approver]) -> None:
    if not plans:
        SCREEN.line("There are no plans yet. Drop one into the inbox of the vault.")
    pending = [plan for plan in plans if plan.status is Status.PENDING]
    _group(
        "Waiting for approval",
        ("Plan", "Title", "Risk", "Steps", "Waits for", "Note"),
        [
            (
                plan.id,
                plan.title,
                coloured(plan.risk),
                str(len(plan.steps)),
                ", ".join(waiting_for(plan, approvers)) or "nobody who may approve it",
                plan.path,
            )
            for plan in pending
        ],
    )
    _reasons(pending)
    unknown = [plan for plan in plans if plan.status is Status.UNKNOWN]
    _group("Did it happen?", ("Plan", "Title", "Step", "Note"), [_unknown(plan) for plan in unknown])
    if unknown:
        SCREEN.line("Look at the other end, then: signoff resolve PLAN STEP happened|did-not-happen")
    failed = [plan for plan in plans if plan.status is Status.FAILED]
    _group("Failed", ("Plan", "Title", "Done", "Note"), [_brief(plan) for plan in failed])
    _reasons(failed)
    live = [plan for plan in plans if plan.status in LIVE]
    _group("Running", ("Plan", "Title", "Status", "Done", "Next"), [_live(plan) for plan in live])
    _reasons(live)
    ended = [plan for plan in plans if plan.status in FINAL]
    _group("Ended lately", ("Plan", "Title", "Status", "Done", "When"), [_ended(plan) for plan in ended])


def _group(title: str, head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    if rows:
        SCREEN.heading(title)
        SCREEN.table(head, rows)


def _reasons(plans: Iterable[PlanState]) -> None:
    for plan in plans:
        if plan.reason and (plan.message or plan.status is not Status.SCHEDULED):
            SCREEN.line(f"{plan.id}: {plan.message} ({plan.reason}) {advice(plan.reason)}".rstrip())


def _unknown(plan: PlanState) -> tuple[Cell, ...]:
    steps = ", ".join(step.id for step in plan.steps.values() if step.status == "unknown")
    return plan.id, plan.title, steps, plan.path


def _brief(plan: PlanState) -> tuple[Cell, ...]:
    return plan.id, plan.title, progress(plan), plan.path


def _live(plan: PlanState) -> tuple[Cell, ...]:
    until = near(plan.until) if plan.until else ""
    return plan.id, plan.title, coloured(plan.status.value), _done(plan), until


def _ended(plan: PlanState) -> tuple[Cell, ...]:
    when = near(plan.finished) if plan.finished else ""
    return plan.id, plan.title, coloured(plan.status.value), _done(plan), when


def _done(plan: PlanState) -> str:
    """Steps that are done, or the runs that there were."""
    return so_far(plan).removesuffix(" done").removesuffix(" so far")


def _say_drafts(questions: Sequence[JsonObject]) -> None:
    if questions:
        SCREEN.heading("Notes that need mending")
    for question in questions:
        SCREEN.line(f"{question['path']}: {question['message']} ({question['reason']})")
