"""`approve`, `reject`, `resolve`, `retry`, `cancel`: what a person decides, checked and left for the daemon.

What the ledger can tell is checked at once, and refused with the same code that the daemon would give. What
passes is left as a request: the daemon takes it within a second, or at its next start. Nothing is decided
here: the daemon asks the gate again, with the note before it.
"""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Sequence
from typing import Any

from signoff.cli.find import find_plan, find_step
from signoff.cli.project import Project
from signoff.cli.screen import SCREEN
from signoff.cli.trouble import PROBLEM, described, exit_code_of, tell
from signoff.errors import NotFound, RequestRefused, SignoffError
from signoff.model import FINAL, PlanState, StepStatus
from signoff.requests import Answer, Request, Requests, require_stopped

PATIENCE = 5.0
"""Seconds that a running daemon's answer is waited for."""
LOOK = 0.02
"""Seconds between two looks for it."""


def decide(
    project: Project, named: str, make: Callable[[Project, PlanState], Request], *, as_json: bool
) -> int:
    """Checks and leaves a request about the plan that is meant; the exit code.

    Args:
        project: the project.
        named: PLAN as typed.
        make: checks what can be checked, and makes the request; raises where it is refused.
        as_json: answer with JSON.
    """
    plan_id = None
    try:
        plan_id = find_plan(project, named)
        request = make(project, _known(project, plan_id))
    except SignoffError as error:
        return _refused(error, plan_id, as_json=as_json)
    name, answer = ask_daemon(project, request)
    ok = answer is None or answer.ok
    message = answer.message if answer else _recorded(project)
    if as_json:
        SCREEN.json(
            _answer(
                ok=ok,
                plan=plan_id,
                request=name,
                answered=answer is not None,
                reason=answer.code if answer else "",
                message=message,
            )
        )
    elif ok:
        SCREEN.line(f"{plan_id}: {message}", "green" if answer else "")
    else:
        tell(RequestRefused(message, code=answer.code if answer else None), as_json=False)
    return 0 if ok else PROBLEM


def ask_daemon(project: Project, request: Request) -> tuple[str, Answer | None]:
    """Leaves a request; its name, and the answer of a daemon that runs and gives one in time."""
    requests = Requests(project.places.requests)
    name = requests.leave(request)
    if project.running() is None:
        return name, None
    return name, answers(requests, [name], PATIENCE).get(name)


def answers(requests: Requests, names: Sequence[str], patience: float) -> dict[str, Answer]:
    """The answers of the daemon to requests that were left, as far as they come within so many seconds."""
    found: dict[str, Answer] = {}
    deadline = time.monotonic() + patience
    with SCREEN.busy("Waiting for the daemon…"):
        while True:
            for name in names:
                answer = None if name in found else requests.answered(name)
                if answer is not None:
                    found[name] = answer
            if len(found) == len(names) or time.monotonic() >= deadline:
                return found
            time.sleep(LOOK)


def _known(project: Project, plan_id: str) -> PlanState:
    plan = project.plan(plan_id)
    if plan is None:
        raise NotFound(f"There is no plan `{plan_id}`.", code="unknown-plan")
    return plan


def _refused(error: SignoffError, plan_id: str | None, *, as_json: bool) -> int:
    tell(error, as_json=False)
    if as_json:
        found = _answer(
            ok=False, plan=plan_id, request=None, answered=False, reason=error.code, message=error.message
        )
        SCREEN.json(found | {"error": described(error)})
    return exit_code_of(error)


def _answer(**fields: Any) -> dict[str, Any]:
    return fields


def _recorded(project: Project) -> str:
    if project.running() is None:
        return "Recorded; it takes effect when the daemon runs."
    return "Recorded; the daemon has not answered yet. See `signoff show`."


def person() -> str:
    """Who uses the command, as the system names them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


# ---------------------------------------------------------------- the requests


def approval(by: str | None) -> Callable[[Project, PlanState], Request]:
    """To approve a plan as somebody, or as the default approver."""

    def make(project: Project, plan: PlanState) -> Request:
        from signoff.cli.approvable import require_approvable

        default = project.settings.default_approver
        name = by or (default.name if default else "")
        require_approvable(project, plan, name)
        return Request("approve", plan.id, name)

    return make


def rejection(reason: str) -> Callable[[Project, PlanState], Request]:
    """To turn a plan down."""
    return _ending("reject", reason)


def cancellation(reason: str) -> Callable[[Project, PlanState], Request]:
    """To end a plan: calls in flight are awaited, no further one leaves."""
    return _ending("cancel", reason)


def _ending(kind: str, reason: str) -> Callable[[Project, PlanState], Request]:
    def make(_: Project, plan: PlanState) -> Request:
        if plan.status in FINAL:
            raise RequestRefused(f"The plan is {plan.status.value} already.", code="consumed")
        return Request(kind, plan.id, person(), reason=reason)

    return make


def resolution(step: str, answer: str) -> Callable[[Project, PlanState], Request]:
    """To say what happened to a call of unknown outcome."""

    def make(_: Project, plan: PlanState) -> Request:
        found = find_step(plan, step)
        if found.status is not StepStatus.UNKNOWN:
            raise RequestRefused(
                f"The outcome of step {found.id} is not unknown: the step is {found.status.value}.",
                code="not-unknown",
            )
        return Request("resolve", plan.id, person(), step=found.id, answer=answer)

    return make


def retrial() -> Callable[[Project, PlanState], Request]:
    """To show a stopped plan for approval again; finished steps stay finished."""

    def make(_: Project, plan: PlanState) -> Request:
        require_stopped(plan, hint="`signoff resolve PLAN STEP happened` or `did-not-happen`.")
        return Request("retry", plan.id, person())

    return make
