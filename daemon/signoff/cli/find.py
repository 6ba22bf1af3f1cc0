"""Which plan and which step a person means.

PLAN is an id, a file, or the start of either; STEP is an id or a number. What is exact comes first: an
id, then a file, then the name of a note (the runs of a repeating plan have names that begin with its own).
A start counts only where one plan fits.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from signoff.cli.project import Project
from signoff.config import nearest
from signoff.errors import NotFound, SignoffError
from signoff.model import PlanState, StepState

SHOWN = 8
"""Plans that are named where several fit."""


def find_plan(project: Project, named: str) -> str:
    """The id of the plan that is meant.

    Raises:
        NotFound: `unknown-plan`, or `ambiguous` with the plans that fit.
    """
    paths = _paths(project)
    if named in paths:
        return named
    found = _of_file(project, named, paths) or _of_name(named, paths) or _of_start(project, named, paths)
    if len(found) == 1:
        return found[0]
    if found:
        shown = ", ".join(found[:SHOWN]) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")
        raise NotFound(
            f"`{named}` fits {len(found)} plans: {shown}.", code="ambiguous", hint="Type more of it."
        )
    raise _unknown(named, paths)


def find_step(plan: PlanState, named: str) -> StepState:
    """The step that is meant.

    Raises:
        NotFound: `unknown-step`.
    """
    if named in plan.steps:
        return plan.steps[named]
    steps = list(plan.steps.values())
    if named.isascii() and named.isdigit() and 1 <= int(named) <= len(steps):
        return steps[int(named) - 1]
    raise NotFound(
        f"The plan {plan.id} has no step `{named}`.",
        code="unknown-step",
        hint=f"Its steps are: {', '.join(plan.steps)}.",
    )


def _paths(project: Project) -> dict[str, str]:
    """Where each plan's note was last seen, by id."""
    state = project.state
    live = {plan.id: plan.path for plan in state.plans.values()}
    return live | {plan_id: ended.path for plan_id, ended in state.ended.items()}


def _of_file(project: Project, named: str, paths: dict[str, str]) -> list[str]:
    """The plan in a file: by the id in the note, else by the place where it was last seen."""
    for path in (Path(named), project.vault.root / named):
        carried = _id_in(project, path)
        if carried in paths:
            return [str(carried)]
        relative = project.vault.relative(_absolute(path))
        found = [plan_id for plan_id, known in paths.items() if known == relative]
        if found:
            return found[-1:]  # the latest of those that ever lay there
    return []


def _of_name(named: str, paths: dict[str, str]) -> list[str]:
    """The plans whose note has just this name, with or without its ending."""
    names = {named, f"{named}.md"}
    return [plan_id for plan_id, path in paths.items() if path.rsplit("/", 1)[-1] in names]


def _id_in(project: Project, path: Path) -> str | None:
    from signoff import durable, observe

    try:
        data, _ = durable.read_regular(path.parent, path.name)
    except (OSError, ValueError, SignoffError):
        return None
    return observe.read(path.name, data, project.catalogue).id


def _absolute(path: Path) -> Path:
    """Where a path leads, its folder's links followed."""
    return path.parent.resolve() / path.name


def _of_start(project: Project, named: str, paths: dict[str, str]) -> list[str]:
    """The plans whose id, file or file's name begins so."""
    if not named:
        return []
    starts = {named, project.vault.relative(_absolute(Path(named))) or named}
    return [plan_id for plan_id, path in paths.items() if plan_id.startswith(named) or _begins(path, starts)]


def _begins(path: str, starts: Iterable[str]) -> bool:
    name = path.rsplit("/", 1)[-1]
    return any(path.startswith(start) or name.startswith(start) for start in starts)


def _unknown(named: str, paths: dict[str, str]) -> NotFound:
    names = [*paths, *(path.rsplit("/", 1)[-1] for path in paths.values())]
    near = nearest(named, names)
    hint = f"Did you mean {', '.join(f'`{name}`' for name in near)}?" if near else "See `signoff status`."
    if not paths:
        hint = "No plan has been shown for approval yet: run the daemon, then see `signoff status`."
    return NotFound(f"There is no plan `{named}`.", code="unknown-plan", hint=hint)
