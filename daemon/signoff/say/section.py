"""The daemon's section of a note and its properties, for a plan in any state."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from signoff.model import Json, Status
from signoff.say import preview, progress, questions, stopped
from signoff.say.escape import plain_property
from signoff.say.view import PlanView
from signoff.say.words import property_time

KEYS = ("status", "risk", "digest", "progress", "started", "finished", "next_run", "error", "run")
"""The properties that the daemon writes, `id` aside, in the order in which new ones are added."""

_SECTIONS: Mapping[Status, Callable[[PlanView], str]] = {
    Status.DRAFT: preview.pending,
    Status.PENDING: preview.pending,
    Status.APPROVED: progress.live,
    Status.SCHEDULED: progress.live,
    Status.RUNNING: progress.live,
    Status.WAITING: progress.live,
    Status.DONE: progress.done,
    Status.FAILED: stopped.failed,
    Status.UNKNOWN: questions.unknown,
    Status.REJECTED: stopped.ended,
    Status.CANCELLED: stopped.ended,
    Status.EXPIRED: stopped.ended,
}

_TELLS_ERROR = frozenset({Status.PENDING, Status.FAILED, Status.UNKNOWN, Status.EXPIRED})


def section(view: PlanView) -> str:
    """Everything between the daemon's markers: lines that start with `>`, and empty lines.

    The same view gives the same text at any time, so that a note is only written when something
    happened.
    """
    return _SECTIONS[view.state.status](view)


def front_keys(view: PlanView) -> dict[str, Json]:
    """The daemon's properties; None for one that is to be removed. `id` is the caller's."""
    state = view.state

    def time(text: str | None) -> str | None:
        return property_time(text, view.zone) if text else None

    repeats = view.frozen is not None and view.frozen.schedule is not None
    tells = state.status in _TELLS_ERROR and bool(state.reason or state.message)
    error = questions.error_line(state.reason, view.redactor.text(state.message)) if tells else None
    values: dict[str, Json] = {
        "status": state.status.value,
        "risk": plain_property(state.risk),
        "digest": state.digest,
        "progress": progress.progress(state) if view.started() and not repeats else None,
        "started": time(state.started),
        "finished": time(state.finished),
        "next_run": time(state.until),
        "error": error,
        "run": state.run if repeats and state.run else None,
    }
    return {key: values[key] for key in KEYS}
