"""Plans that repeat, and their runs: when, how late, and what was missed. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from signoff.model import Method, PlanState, Requirement
from signoff.say.escape import code, is_linkable
from signoff.say.view import PlanView
from signoff.say.words import duration, joined, moment, plural

LATE = timedelta(minutes=1)
"""What `signoff.occurrences` calls late."""
MOST_COUNTED = 1000
"""How far it counts what was missed."""
MOST_LINKED = 3


def starts(view: PlanView) -> str:
    """The time before which a plan does not start, or that it is over already; empty where it names none."""
    frozen = view.frozen
    if frozen is None or frozen.run_at is None:
        return ""
    if view.start is None:
        return f"It starts on {code(frozen.run_at)} at the earliest."
    when = view.moment(view.start.isoformat())
    if view.start > datetime.fromisoformat(view.state.frozen):
        return f"It starts on {when} at the earliest."
    so = "it starts as soon as it is approved" if frozen.schedule is None else "only the schedule counts"
    return f"Its time, {when}, has passed: {so}."


def begins(view: PlanView) -> str:
    """When a plan with a schedule or a time has its first run; or that an approval ends before."""
    first, frozen = view.begins, view.frozen
    if first is None or frozen is None:
        return ""
    expires = view.state.expires
    ended = ends_before(
        first,
        datetime.fromisoformat(view.state.frozen),
        view.requirement,
        expires=datetime.fromisoformat(expires) if expires is not None else None,
        ttl=view.ttl,
        risk=view.assessment.risk.value if view.assessment else "",
        zone=view.zone,
    )
    if ended:
        return f"**Approved now, it would never begin:** {ended}"
    return f"The first run is on {view.moment(first.isoformat())}." if frozen.schedule is not None else ""


def ends_before(
    first: datetime,
    approved: datetime,
    requirement: Requirement,
    *,
    expires: datetime | None,
    ttl: float | None,
    risk: str,
    zone: tzinfo,
) -> str:
    """Why a plan that is approved then never begins, and what to do; empty where its approval holds.

    Args:
        first: when it would begin.
        approved: when it is approved.
        requirement: what the policy asks for.
        expires: the author's expiry, if any.
        ttl: seconds an approval holds where the author names no expiry.
        risk: of the plan, as the policy has it.
        zone: local time.
    """
    longest = approved + timedelta(seconds=requirement.ttl) if requirement.ttl is not None else None
    own = expires or (approved + timedelta(seconds=ttl) if ttl is not None else None)
    ends = [each for each in (longest, own) if each is not None]
    if requirement.method is Method.AUTO or not ends or first < min(ends):
        return ""
    mend = []
    if own is not None and own <= first:
        mend.append(f"write {'a later' if expires else 'an'} `expires` into this note")
    if longest is not None and requirement.ttl is not None and longest <= first:
        known = f" (its risk is {risk})" if risk else ""
        mend.append(f"set a `ttl` longer than {duration(requirement.ttl)} in config/policy.yaml{known}")
    return (
        f"its time is {moment(first, zone)}, and the approval would end before that, "
        f"on {moment(min(ends), zone)}. To have it run, {joined(mend)}."
    )


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


def runs_had(view: PlanView) -> str:
    """Of a repeating plan that has ended, how many runs it had, with links; empty for all else."""
    links = _latest(view.state)
    return f"It had {plural(view.state.run, 'run')}; the latest: {links}." if links else ""


def _latest(state: PlanState) -> str:
    return joined([_link(path) for path in reversed(state.occurrences[-MOST_LINKED:])])


def runs_so_far(view: PlanView) -> str:
    """Of a repeating plan, how many runs it had, links to the latest, and what was missed."""
    state, links = view.state, _latest(view.state)
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
    return f"[[{name}]]" if is_linkable(name) else code(name)
