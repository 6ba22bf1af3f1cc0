"""Plans that wait for other plans: whether in a circle, and in which words. Pure.

A plan with `depends_on` starts when all of those plans are done. One that was turned down, has failed or was
never seen may still become done (it can be shown again, tried again, or be written), so whoever depends on it
keeps waiting, says for what, and ends with its own approval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from signoff.errors import NoteError
from signoff.model import Status

MOST_NAMED = 5
"""Plans that are waited for and named one by one."""
LONGEST_WAY = 20
"""Plans of a circle that are named."""

_OPEN = {
    Status.DRAFT: "is a draft that must be mended",
    Status.PENDING: "waits for approval",
    Status.APPROVED: "is approved and about to start",
    Status.SCHEDULED: "is approved and scheduled",
    Status.RUNNING: "is running",
    Status.WAITING: "is waiting itself",
}
_HAS_A_NOTE = frozenset({Status.PENDING, Status.FAILED, Status.UNKNOWN})
"""Where the note of a plan is gone in one of these, nothing happens by itself any more."""


class Dependency(NamedTuple):
    """A plan that another one waits for.

    Attributes:
        plan: its id.
        status: None for one never seen.
        gone: there is no note of it any more.
        repeats: it has a schedule, and so is never done.
    """

    plan: str
    status: Status | None
    gone: bool = False
    repeats: bool = False


def unmet(dependencies: Iterable[Dependency]) -> str:
    """Which plans are still waited for, why, and what to do; empty where all are done."""
    open_ones = [each for each in dependencies if each.status is not Status.DONE]
    if not open_ones:
        return ""
    if len(open_ones) == 1:
        return f"It waits for the plan `{open_ones[0].plan}`, which {_stands(open_ones[0])}."
    said = "; ".join(f"`{each.plan}`, which {_stands(each)}" for each in open_ones[:MOST_NAMED])
    more = f"; and {len(open_ones) - MOST_NAMED} more" if len(open_ones) > MOST_NAMED else ""
    return f"It waits for {len(open_ones)} plans: {said}{more}."


def _stands(dependency: Dependency) -> str:
    """Where a plan stands that is not done, and what would bring it on."""
    plan, status = dependency.plan, dependency.status
    if status is None:
        return (
            "no note has asked for yet: it goes on when there is one with that `id` and it is done. "
            "If the id is misspelt, correct `depends_on`"
        )
    if dependency.repeats:
        return "repeats and so is never done: take it out of `depends_on`"
    if dependency.gone and status in _HAS_A_NOTE:
        return "has lost its note: put the note back, or take the plan out of `depends_on`"
    if status is Status.FAILED:
        return f"failed: `signoff retry {plan}` shows it again"
    if status is Status.UNKNOWN:
        return "has a call of unknown outcome: answer the question in its note"
    if status in _OPEN:
        return _OPEN[status]
    turned = {Status.EXPIRED: "expired"}.get(status, f"was {status.value}")
    if dependency.gone:
        return f"{turned}, and has no note any more: take it out of `depends_on`"
    return (
        f"{turned}, and does not run by itself: move its note to the inbox to have it shown again, "
        "or take it out of `depends_on`"
    )


def require_no_circle(
    plan: str, depends_on: Sequence[str], look: Callable[[str], Sequence[str]], line: int | None = None
) -> None:
    """Refuse a plan that would wait for itself, by way of others.

    Args:
        plan: its id.
        depends_on: what it would wait for.
        look: what another plan waits for; nothing where it waits for nothing, or will not run by itself.
        line: where `depends_on` stands in the note.

    Raises:
        NoteError: `depends-cycle`, with the way around.
    """
    way = _way_back(plan, depends_on, look)
    if not way:
        return
    if len(way) == 2:
        message, hint = f"The plan `{plan}` depends on itself.", "Take it out of `depends_on`."
    else:
        around = " → ".join(way[:LONGEST_WAY]) + (" → …" if len(way) > LONGEST_WAY else "")
        message = f"These plans wait for each other, so that none could ever start: {around}."
        hint = "Take one of them out of `depends_on`, here or in another of these notes."
    raise NoteError(message, code="depends-cycle", hint=hint, line=line)


def _way_back(plan: str, depends_on: Sequence[str], look: Callable[[str], Sequence[str]]) -> list[str]:
    """The shortest way from a plan over others back to itself; empty where there is none."""
    came_from = dict.fromkeys(depends_on, plan)
    queue = list(came_from)
    for name in queue:  # it grows meanwhile
        if name == plan:
            way = [plan]
            while (before := came_from[way[-1]]) != plan:
                way.append(before)
            return [plan, *reversed(way)]
        for other in look(name):
            if other not in came_from:
                came_from[other] = name
                queue.append(other)
    return []
