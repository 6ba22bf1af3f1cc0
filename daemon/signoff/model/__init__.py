"""The nouns of the program, frozen: plans as read, plans as frozen, calls, results, and their state.

Three forms of a plan, one after the other:

* `Plan`: what a note says, as read by a pure function from its bytes and the catalogue (`plan`);
* `FrozenPlan`: what will be called, exactly: tools, servers and definitions pinned, under a digest
  (`frozen`);
* `PlanState`: what happened to it, folded from the ledger (`state`; see `signoff.ledger.state`).

Beside them, what servers are and answer (`server`), what approval a plan needs (`risk`), and the words for
where all of it stands (`status`). Everybody else imports the nouns from here.

Nothing here does I/O or knows where it is stored. Times are UTC ISO 8601 strings where they are
recorded and `datetime` with a zone where they are compared; durations are seconds (`float`).
"""

from __future__ import annotations

from signoff.model.frozen import SURVIVES_ALL, Call, FrozenPlan, FrozenStep, Verification
from signoff.model.plan import Gesture, Plan, Step
from signoff.model.risk import Assessment, Method, Requirement, Risk, StepRisk
from signoff.model.server import CallResult, InputNeeded, Inquiry, Reply, ServerView, Tool
from signoff.model.state import Approval, Attempt, PlanState, Question, StepState
from signoff.model.status import FINAL, LIVE, Folder, OutcomeClass, Status, StepStatus
from signoff.model.values import Json, JsonObject

__all__ = [
    "FINAL",
    "LIVE",
    "SURVIVES_ALL",
    "Approval",
    "Assessment",
    "Attempt",
    "Call",
    "CallResult",
    "Folder",
    "FrozenPlan",
    "FrozenStep",
    "Gesture",
    "InputNeeded",
    "Inquiry",
    "Json",
    "JsonObject",
    "Method",
    "OutcomeClass",
    "Plan",
    "PlanState",
    "Question",
    "Reply",
    "Requirement",
    "Risk",
    "ServerView",
    "Status",
    "Step",
    "StepRisk",
    "StepState",
    "StepStatus",
    "Tool",
    "Verification",
]
