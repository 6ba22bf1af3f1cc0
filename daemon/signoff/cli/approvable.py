"""Whether the gate would take an approval by command, as far as that is known without the daemon.

The gate's own checks, in their order and with their codes. What the note says of the decision counts as it
is now; whether its content is still what was shown is left to the daemon, which can ask the servers.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

from tzlocal import get_localzone

from signoff import observe
from signoff.approval import Facts, claim
from signoff.cli.project import Project
from signoff.errors import GateRefused, SignoffError
from signoff.gesture import NoteFacts
from signoff.ledger.blobs import BlobStore
from signoff.model import Folder, FrozenPlan, Gesture, PlanState
from signoff.plan.freeze import thaw
from signoff.policy import assess


def require_approvable(project: Project, plan: PlanState, by: str) -> None:
    """Refuses an approval that the gate would surely refuse.

    Raises:
        GateRefused: with the code of the first check that refuses.
    """
    if not by:
        raise GateRefused(
            "The settings name no default approver.", code="unknown-approver", hint="Say who: `--as NAME`."
        )
    claim(_facts(project, plan, by))


def _facts(project: Project, plan: PlanState, by: str) -> Facts:
    latest = project.state.latest
    frozen = _frozen(project, plan)
    assessment = assess(frozen, project.catalogue, project.policy)
    now = datetime.now(UTC)
    return Facts(
        plan=plan,
        frozen=frozen,
        note=_note(project, plan),
        requirement=assessment.requirement,
        approvers=project.settings.approvers,
        default_approver=None,
        now=max(now, datetime.fromisoformat(latest)) if latest else now,
        denied=frozenset(entry.step for entry in assessment.steps if entry.denied),
        by=by,
        zone=get_localzone() or UTC,
    )


def _frozen(project: Project, plan: PlanState) -> FrozenPlan:
    return thaw(BlobStore(project.places.blobs).get(plan.digest), digest=plan.digest)


def _note(project: Project, plan: PlanState) -> NoteFacts:
    gesture = Gesture()
    with contextlib.suppress(OSError, SignoffError):  # it was moved since: the daemon will find it
        data, _ = project.vault.read(plan.path)
        gesture = observe.read(plan.path, data, project.catalogue).gesture
    folder = project.vault.kind_of(plan.path) or Folder.PENDING
    return NoteFacts(plan.path, folder, gesture, sha256="", digest=plan.digest)
