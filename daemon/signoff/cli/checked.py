"""What a note comes to: read, bound and judged as the daemon does it, without the daemon."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from tzlocal import get_localzone

from signoff import durable, observe
from signoff.cli.project import Project
from signoff.errors import NoteError, SignoffError
from signoff.freezing import require_harmless_verify, require_not_denied, require_within_limits
from signoff.limits import final_arguments, first_broken
from signoff.model import Assessment, Call, FrozenPlan, FrozenStep, Plan, ServerView
from signoff.note.mend import mend
from signoff.occurrences import first_begin
from signoff.plan.broken import DAMAGED
from signoff.plan.followups import undo_of
from signoff.plan.freeze import freeze
from signoff.plan.known import known_calls
from signoff.plan.times import read_time
from signoff.policy import assess, limits_on
from signoff.say.repeats import ends_before
from signoff.vault import has_control_characters, is_conflict_copy

UNASSIGNED = "not-assigned-yet"
"""Stands for the id of a plan that has none, in its digest: the daemon assigns one when it freezes it."""


@dataclass(slots=True)
class Checked:
    """What became of one file.

    Attributes:
        problem: the question; None for a plan, and for what is not a plan.
        diff: what `--fix` changes.
        mended: the note as `--fix` will write it in place of `unmended`; None where it changes nothing.
    """

    file: str
    reading: observe.Reading | None = None
    problem: SignoffError | None = None
    frozen: FrozenPlan | None = None
    assessment: Assessment | None = None
    diff: list[str] = field(default_factory=list)
    unmended: bytes = b""
    mended: bytes | None = None

    @property
    def plan(self) -> Plan | None:
        """What the note asks for, where it can be read."""
        return self.reading.plan if self.reading else None

    def line_of(self, key: str) -> int | None:
        """The line of a property; None where it cannot be said."""
        front = self.reading.note.front if self.reading and self.reading.note else None
        place = front.places.get((key,)) if front else None
        return place.line if place else None

    @property
    def kind(self) -> str:
        """`plan`, `question` or `not-a-plan`."""
        if self.problem is not None:
            return "question"
        return "plan" if self.plan is not None else "not-a-plan"


# ---------------------------------------------------------------- reading


def read(project: Project, file: Path, *, fix: bool) -> Checked:
    """Reads a file, with `fix` as it will be once the known breakages of its front matter are mended."""
    checked = Checked(str(file))
    try:
        data, _ = durable.read_regular(file.parent, file.name)
        if fix:
            data = _mended(checked, data)
    except SignoffError as error:
        checked.problem = error
        return checked
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        checked.problem = NoteError(f"It cannot be read: {said}.", code="unreadable")
        return checked
    checked.reading = observe.read(file.name, data, project.catalogue)
    problem = checked.reading.problem
    if problem is not None and checked.reading.left_alone and problem.code not in DAMAGED:
        problem = None
    checked.problem = _problem_of_name(file.name) or problem
    return checked


def _mended(checked: Checked, data: bytes) -> bytes:
    mended = mend(data)
    if mended is None:
        return data
    old, new = (each.decode().splitlines() for each in (data, mended))
    checked.diff = list(difflib.unified_diff(old, new, checked.file, checked.file, lineterm="", n=1))
    checked.unmended, checked.mended = data, mended
    return mended


def write_mended(checked: Checked, file: Path) -> None:
    """Writes what `--fix` mends, if the file is still as it was read."""
    if checked.mended is None:
        return
    try:
        durable.replace(file, checked.mended, expect=checked.unmended)
    except SignoffError as error:
        checked.problem = error
    except OSError as error:
        checked.problem = NoteError(f"It cannot be written: {error.strerror}.", code="unwritable")


def _problem_of_name(name: str) -> NoteError | None:
    if has_control_characters(name):
        return NoteError(
            "The name of this note holds line breaks or control characters.",
            code="name-invalid",
            hint="Rename the note.",
        )
    if is_conflict_copy(name):
        return NoteError(
            "This is a conflict copy: two devices changed the note at the same time.",
            code="conflict-copy",
            hint="Keep the right one, under the old name.",
        )
    return None


def named_servers(project: Project, plans: Iterable[Plan]) -> set[str]:
    """The servers that plans name, by way of the catalogue or directly."""
    names: set[str] = set()
    for plan in plans:
        for step in plan.steps:
            undo = undo_of(step, project.catalogue.find(step.action), plan.on_failure)
            known = project.catalogue.find(step.action)
            more = [undo[0].action] if undo else []
            more += [known.verify.action] if known and known.verify else []
            for action in (step.action, *step.fallback, *more):
                names.update(tool.server for tool in project.catalogue.resolve(action).tools)
    return names


# ---------------------------------------------------------------- binding


def bind(project: Project, checked: Checked, views: Mapping[str, ServerView]) -> None:
    """Binds a plan to the servers' tools, and asks of it what the daemon asks before it shows a plan."""
    plan = checked.plan
    if plan is None or checked.problem is not None:
        return
    try:
        frozen = freeze(plan, plan.id or UNASSIGNED, project.catalogue, views)
        assessment = assess(frozen, project.catalogue, project.policy)
        require_not_denied(frozen, assessment, plan)
        require_harmless_verify(frozen, plan, project.policy.trusted_servers)
        require_within_limits(frozen, plan, partial(_broken, project))
        _require_not_expired(plan)
    except NoteError as error:
        checked.problem = error
        return
    checked.frozen, checked.assessment = frozen, assessment


def _broken(project: Project, frozen: FrozenPlan, step: FrozenStep, call: Call) -> str:
    """What is wrong with a call's arguments by the limits on them; empty where that is not known now."""
    limits = [*limits_on(call, step, frozen, project.catalogue, project.policy)]
    limits += [step.limits] if step.limits else []
    for own, final in known_calls(step, call, frozen.id):
        arguments = final_arguments(own.arguments, final.arguments)
        verdict = first_broken(limits, arguments, plan={"id": frozen.id}, step={"id": step.id})
        if not verdict:
            return verdict.message
    return ""


def _require_not_expired(plan: Plan) -> None:
    if plan.expires is None:
        return
    zone = get_localzone() or UTC
    if read_time(plan.expires, zone=zone, end_of_day=True, key="expires") <= datetime.now(UTC):
        raise NoteError(
            f"This plan expired at {plan.expires}.", code="expired", hint="Change or delete `expires`."
        )


def never_begins(project: Project, checked: Checked) -> str:
    """That a plan would never begin which is approved now, and what to do; empty where it would."""
    frozen, assessment, plan = checked.frozen, checked.assessment, checked.plan
    if frozen is None or assessment is None or plan is None:
        return ""
    zone, now = get_localzone() or UTC, datetime.now(UTC)
    first = first_begin(frozen, now.isoformat(), zone)
    if first is None:
        return ""
    said = plan.expires
    ended = ends_before(
        first,
        now,
        assessment.requirement,
        expires=read_time(said, zone=zone, end_of_day=True, key="expires") if said is not None else None,
        ttl=project.settings.approval.ttl,
        risk=assessment.risk.value,
        zone=zone,
    )
    return f"Approved now, it would never begin: {ended}" if ended else ""
