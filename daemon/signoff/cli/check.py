"""`signoff check`: what a note asks for, and the approval it needs, before the daemon sees it.

Changes nothing without `--fix`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from signoff.cli.checked import Checked, bind, named_servers, never_begins, read, write_mended
from signoff.cli.circles import refuse_circles
from signoff.cli.connect import views as server_views
from signoff.cli.project import Project
from signoff.cli.screen import SCREEN
from signoff.cli.screen import status as coloured
from signoff.errors import SignoffError
from signoff.flow import MOST_LATE_ITEMS
from signoff.model import Assessment, FrozenStep, Json, JsonObject
from signoff.model.values import is_late
from signoff.plan.expressions import late_arguments
from signoff.policy import explain


def check(project: Project, files: Sequence[Path], *, fix: bool, live: bool, as_json: bool) -> int:
    """Checks files and shows what each comes to; the exit code.

    Args:
        project: the project.
        files: notes, wherever they lie.
        fix: mend the known breakages of front matter, in the file.
        live: ask the servers even where it is known what they offer.
        as_json: answer with JSON.

    Raises:
        ConfigError: the configuration is wrong.
    """
    project.require_valid()
    found = [read(project, file, fix=fix) for file in files]
    for checked, file in zip(found, files, strict=True):
        if not as_json:
            SCREEN.diff(checked.diff)  # what will be changed, before it is
        write_mended(checked, file)
    plans = [checked.plan for checked in found if checked.plan is not None]
    views = server_views(project, named_servers(project, plans), live=live) if plans else {}
    for checked in found:
        bind(project, checked, views)
    refuse_circles(project, found)
    if as_json:
        SCREEN.json([_as_object(project, checked) for checked in found])
    else:
        for checked in found:
            _say(project, checked)
    return int(any(checked.problem for checked in found))


# ---------------------------------------------------------------- JSON


def _as_object(project: Project, checked: Checked) -> JsonObject:
    found: JsonObject = {
        "file": checked.file,
        "kind": checked.kind,
        "reason": checked.problem.code if checked.problem else "",
        "message": _message(checked),
        "hint": checked.problem.hint if checked.problem else "",
        "line": checked.problem.line if checked.problem else None,
        "column": checked.problem.column if checked.problem else None,
    }
    if checked.diff:
        found["fixed"] = list(checked.diff)
    if checked.frozen is None or checked.assessment is None or checked.plan is None:
        return found
    found |= {
        "id": checked.plan.id,
        "title": checked.plan.title,
        "dialect": checked.plan.dialect,
        "digest": checked.frozen.digest,
        "risk": checked.assessment.risk.value,
        "steps": [_step(project, checked.assessment, step) for step in checked.frozen.steps],
        "needs": checked.assessment.requirement.to_json() | {"sentence": explain(checked.assessment)},
        "warning": never_begins(project, checked),
    }
    return found


def _message(checked: Checked) -> str:
    if checked.problem is not None:
        return checked.problem.message
    if checked.assessment is not None:
        return explain(checked.assessment)
    reading = checked.reading
    if reading is not None and reading.problem is not None:
        said = f"line {reading.problem.line}: {reading.problem.message}"
        return f"No action was found in this note; it is left alone, although it cannot be read ({said})."
    return "No action was found in this note; it is left alone."


def _step(project: Project, assessment: Assessment, step: FrozenStep) -> JsonObject:
    first = step.calls[0]
    late: list[Json] = [_spelled(path) for path in sorted(late_arguments(first), key=str)]
    return {
        "id": step.id,
        "action": step.action,
        "server": first.server,
        "tool": first.tool,
        "arguments": project.redactor.json(dict(first.arguments), assessment.secret(step.id)),
        "late": late,
        "risk": _risk(assessment, step),
        "fallback": [call.name for call in step.calls[1:]],
    }


def _limits(assessment: Assessment, step: FrozenStep) -> list[str]:
    """The limits on a step's preferred call: the policy's and its own."""
    entry = next((entry for entry in assessment.steps if entry.step == step.id), None)
    ruled = entry.limits_on.get(step.calls[0].name, ()) if entry else ()
    return list(dict.fromkeys([*ruled, *([step.limits] if step.limits else [])]))


def _risk(assessment: Assessment, step: FrozenStep) -> str:
    return next((entry.risk.value for entry in assessment.steps if entry.step == step.id), "")


def _spelled(path: tuple[str | int, ...]) -> str:
    """The place of an argument: `to`, `items[0].name`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")


# ---------------------------------------------------------------- for people


def _say(project: Project, checked: Checked) -> None:
    if checked.problem is not None:
        SCREEN.line(_place(checked, checked.problem), "red")
        if hint := checked.problem.hint.strip():
            SCREEN.line(f"  {hint}")
        return
    if checked.frozen is None or checked.assessment is None:
        SCREEN.line(f"{checked.file}: {_message(checked)} (not a plan)", "dim")
        return
    steps: list[dict[str, Any]] = [_step(project, checked.assessment, step) for step in checked.frozen.steps]
    SCREEN.line(f"{checked.file}: {checked.plan.title if checked.plan else ''}", "bold")
    rows = [
        (str(number), step["id"], f"{step['server']}.{step['tool']}", coloured(step["risk"]))
        for number, step in enumerate(steps, 1)
    ]
    SCREEN.table(("#", "Step", "Call", "Risk"), rows)
    for number, (step, frozen) in enumerate(zip(steps, checked.frozen.steps, strict=True), 1):
        SCREEN.line(f"Step {number}:")
        SCREEN.lines(json.dumps(step["arguments"], indent=2, ensure_ascii=False), indent="  ")
        if step["late"]:
            SCREEN.line(f"  Filled in when it runs: {', '.join(step['late'])}.")
        for line in _terms(project, checked.assessment, frozen):
            SCREEN.line(f"  {line}")
    if len(steps) > 1:
        SCREEN.line(f"Order: {checked.frozen.mode}; if a step fails: {checked.frozen.on_failure}.")
    SCREEN.line(explain(checked.assessment))
    if warning := never_begins(project, checked):
        SCREEN.line(warning, "yellow")
    SCREEN.line()


def _terms(project: Project, assessment: Assessment, step: FrozenStep) -> Iterator[str]:
    """When a step runs, how often, within what, and how it is taken back."""
    if step.calls[1:]:
        yield f"If it cannot be reached: {', '.join(call.name for call in step.calls[1:])}."
    if step.needs:
        yield f"After: {', '.join(step.needs)}."
    if step.condition is not None:
        yield f"Only if: {step.condition}"
    if step.for_each is not None:
        most = f" (up to {MOST_LATE_ITEMS}, known when it runs)" if is_late(step.for_each) else ""
        yield f"For each of: {_as_line(project.redactor.json(step.for_each))}{most}"
    for limit in _limits(assessment, step):
        yield f"Only within: {limit}"
    if step.undo is not None:
        arguments = project.redactor.json(dict(step.undo.arguments), assessment.secret(step.id))
        yield f"Taken back with: {step.undo.name} {_as_line(arguments)}"


def _as_line(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


def _place(checked: Checked, problem: SignoffError) -> str:
    place = ":".join(str(part) for part in (checked.file, problem.line, problem.column) if part is not None)
    return f"{place}: {problem.message} ({problem.code})"
