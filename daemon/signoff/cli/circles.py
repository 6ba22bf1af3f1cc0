"""Plans that would wait for each other: among the files that are checked, and with plans that are known."""

from __future__ import annotations

from collections.abc import Sequence

from signoff.cli.checked import Checked
from signoff.cli.project import Project
from signoff.dependencies import require_no_circle
from signoff.errors import LedgerError, NoteError
from signoff.model import FINAL
from signoff.plan.freeze import thaw


def refuse_circles(project: Project, found: Sequence[Checked]) -> None:
    """Makes a question of each plan that would wait for itself; the log is read only where one waits."""
    named = {each.plan.id: each.plan.depends_on for each in found if each.plan is not None and each.plan.id}

    def look(name: str) -> Sequence[str]:
        return named[name] if name in named else _recorded(project, name)

    for checked in found:
        plan = checked.plan
        if checked.problem is not None or plan is None or plan.id is None or not plan.depends_on:
            continue
        try:
            require_no_circle(plan.id, plan.depends_on, look, checked.line_of("depends_on"))
        except NoteError as error:
            checked.problem = error


def _recorded(project: Project, name: str) -> Sequence[str]:
    """What a plan that is known already waits for; nothing where it does not run by itself any more."""
    from signoff.ledger.blobs import BlobStore

    plan = project.state.plans.get(name)
    if plan is None or plan.status in FINAL:
        return ()
    try:
        return thaw(BlobStore(project.places.blobs).get(plan.digest), digest=plan.digest).depends_on
    except LedgerError:
        return ()
