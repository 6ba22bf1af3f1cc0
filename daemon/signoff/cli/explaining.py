"""`signoff policy explain PLAN`: which rule decided what about each call, and what approval is needed."""

from __future__ import annotations

from signoff.cli.find import find_plan
from signoff.cli.project import Project
from signoff.cli.screen import SCREEN
from signoff.cli.screen import status as coloured
from signoff.errors import NotFound
from signoff.ledger.blobs import BlobStore
from signoff.plan.freeze import thaw
from signoff.policy import assess, explain


def explain_policy(project: Project, named: str, *, as_json: bool) -> None:
    """Explains the policy's word on a plan as it was frozen.

    Raises:
        NotFound: there is no plan of that name, or more than one.
        LedgerError: its content is gone.
    """
    plan = project.plan(find_plan(project, named))
    if plan is None:
        raise NotFound(f"There is no plan `{named}`.", code="unknown-plan")
    frozen = thaw(BlobStore(project.places.blobs).get(plan.digest), digest=plan.digest)
    assessment = assess(frozen, project.catalogue, project.policy)
    needs = assessment.requirement
    calls = {step.id: [call.name for call in step.calls] for step in frozen.steps}
    if as_json:
        SCREEN.json(
            {
                "id": plan.id,
                "risk": assessment.risk.value,
                "needs": needs.to_json() | {"who": sorted(needs.who) if needs.who is not None else None},
                "sentence": explain(assessment),
                "steps": [
                    {
                        "id": entry.step,
                        "calls": calls[entry.step],
                        "risk": entry.risk.value,
                        "rule": entry.rule,
                        "denied": entry.denied,
                        "limits": list(entry.limits),
                        "secret": sorted(entry.secret),
                    }
                    for entry in assessment.steps
                ],
            }
        )
        return
    SCREEN.line(explain(assessment))
    SCREEN.table(
        ("Step", "Call", "Risk", "Why", "Limits"),
        [
            (
                entry.step,
                ", ".join(calls[entry.step]),
                coloured(entry.risk.value),
                entry.rule,
                "; ".join(entry.limits),
            )
            for entry in assessment.steps
        ],
    )
