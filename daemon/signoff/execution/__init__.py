"""One run of one plan: an `ApprovedPlan` to outcomes, every intent recorded before its call.

`run` is the coordinator and its loop; `prepare` says what must hold before a call; `landing` makes the call
and says how it ended; `values` are what the expressions of a step see; `events` are what is recorded, and
`outbox` records it; `world` is all that a run needs of what is around it.
"""

from signoff.execution.run import Run
from signoff.execution.world import CallTerms, World

__all__ = ["CallTerms", "Run", "World"]
