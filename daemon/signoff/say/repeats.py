"""Plans that repeat, and their runs: when, how late, and what was missed. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from signoff.model import Method, PlanState
from signoff.say.escape import code
from signoff.say.view import PlanView
from signoff.say.words import joined, plural

LATE = timedelta(minutes=1)
"""What `signoff.occurrences` calls late."""
MOST_COUNTED = 1000
"""How far it counts what was missed."""
MOST_LINKED = 3
_LINKABLE = re.compile(r"[\w ,.'()-]+")


def begins(view: PlanView) -> str:
    """When a plan with a schedule or a time has its first run; or that an approval ends before."""
    first, frozen = view.begins, view.frozen
    if first is None or frozen is None:
        return ""
    shown = datetime.fromisoformat(view.state.frozen)
    policy = view.requirement.ttl
    ends = [shown + timedelta(seconds=policy)] if policy is not None else []
    if view.state.expires is not None:
        ends.append(datetime.fromisoformat(view.state.expires))
    elif view.ttl is not None:
        ends.append(shown + timedelta(seconds=view.ttl))
    when = view.moment(first.isoformat())
    if not ends or first < min(ends) or view.requirement.method is Method.AUTO:
        return f"The first run is on {when}." if frozen.schedule is not None else ""
    mend = (
        "a longer `ttl` in config/policy.yaml"
        if policy is not None and ends[0] == min(ends)
        else "a later `expires` in this note"
    )
    return f"**It would never begin:** its time is {when}, and an approval ends before that. It needs {mend}."


def occasion(view: PlanView) -> str:
    """Of a run of a repeating plan, which run it is, and whether it is late; empty for all else."""
    state = view.state
    if state.parent is None or state.due is None:
        return ""
    said = f"This is the run of {code(state.parent)} that was due on {view.moment(state.due)}."
    late = datetime.fromisoformat(state.frozen) - datetime.fromisoformat(state.due) > LATE
    if late:
        said += f" It is late: it began on {view.moment(state.frozen)}."
    if state.missed:
        said += f" {_missed(state.missed)} before it, and will not be made up for."
    return said


def runs_so_far(view: PlanView) -> str:
    """Of a repeating plan, how many runs it had, links to the latest, and what was missed."""
    state = view.state
    links = joined([_link(path) for path in reversed(state.occurrences[-MOST_LINKED:])])
    parts = [f"{plural(state.run, 'run')} so far; the latest: {links}." if links else "No run so far."]
    if state.missed and state.last_due is not None:
        parts.append(_what_was_missed(view, state, state.last_due))
    return " ".join(parts)


def _what_was_missed(view: PlanView, state: PlanState, last_due: str) -> str:
    when = view.moment(last_due)
    if state.skipped:
        return f"{_missed(state.missed)}, the last one due on {when}; by the settings they are left out."
    return f"{_missed(state.missed)} before the one that was due on {when}."


def _missed(count: int) -> str:
    """`3 runs were missed`."""
    if count >= MOST_COUNTED:
        return f"{MOST_COUNTED:,} runs or more were missed"
    return f"{plural(count, 'run')} {'was' if count == 1 else 'were'} missed"


def _link(path: str) -> str:
    """A link to the note of a run, which finds it wherever it lies; not for a name that could act in one."""
    name = path.rsplit("/", 1)[-1].removesuffix(".md")
    return f"[[{name}]]" if _LINKABLE.fullmatch(name) else code(name)
