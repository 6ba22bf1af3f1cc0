"""What follows from the way a call ended. Pure; the table of the specification, section 7.

The rule behind every row: a call is made again by itself only where it provably did not go out, or
where its tool is declared repeatable. Everything else waits for a person.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from signoff.errors import (
    AuthenticationFailed,
    CallError,
    OutcomeUnknown,
    RateLimited,
    Refused,
    ServerFault,
    Transient,
)
from signoff.model import Attempt, FrozenStep, OutcomeClass

RATE_LIMIT_WAIT = 3600.0
"""Seconds to wait where the server names no time."""
SERVER_ERROR_WAIT = 300.0
"""Seconds before a repeatable call is made again after a server's own error."""
LONGEST_BACKOFF = 300.0
LONGEST_WAIT = 7 * 86_400.0
"""Seconds; a server that asks for more is asked again after these."""


@dataclass(frozen=True, slots=True)
class Sequel:
    """What to do after a call ended.

    Attributes:
        outcome: the class it is recorded under: its own, except that a step whose last attempt was
            not sent stays unknown where an earlier one is.
        again: the step is tried again (the same call or a fallback) by itself.
        delay: seconds until then.
        used_up: nothing was ever sent, and every retry of every call is used up: it is tried again only
            for as long as its approval holds.
    """

    outcome: OutcomeClass
    again: bool = False
    delay: float = 0.0
    used_up: bool = False


CLASSES: tuple[tuple[type[CallError], OutcomeClass], ...] = (
    (RateLimited, OutcomeClass.RATE_LIMITED),
    (AuthenticationFailed, OutcomeClass.AUTHENTICATION),
    (ServerFault, OutcomeClass.SERVER_ERROR),
    (Transient, OutcomeClass.TRANSIENT),
    (Refused, OutcomeClass.REFUSED),
    (OutcomeUnknown, OutcomeClass.UNKNOWN),
)


_NOTHING_FOLLOWS = frozenset({OutcomeClass.DONE, OutcomeClass.REFUSED, OutcomeClass.AUTHENTICATION})


def class_of(error: CallError) -> OutcomeClass:
    """The class of an error; one that nobody foresaw counts as unknown."""
    return next((found for kind, found in CLASSES if isinstance(error, kind)), OutcomeClass.UNKNOWN)


def next_call(step: FrozenStep, attempts: Sequence[Attempt], retries: int) -> int | None:
    """Which of the step's calls comes next: its index, or None where all are used up.

    Read from the recorded attempts alone, so that a restart changes nothing. Only attempts that were
    provably not sent use up a call; falling back is allowed from nothing else: where any attempt may
    have gone through, another server would do it a second time.
    """
    for index, call in enumerate(step.calls):
        own = [made for made in attempts if (made.server, made.tool) == (call.server, call.tool)]
        spent = sum(made.outcome is OutcomeClass.TRANSIENT for made in own)
        if spent <= retries:
            return index
        if any(in_doubt(made) for made in own):
            return None
    return None


def call_after_wait(step: FrozenStep, attempts: Sequence[Attempt], away: Callable[[str], bool]) -> int | None:
    """Which of a step's calls is made once all retries are used up: the first whose server is there.

    Args:
        away: whether a server of this name cannot be reached now.

    Returns:
        Its index; None where no server is there, or where it is in doubt whether anything was sent.
    """
    if any(in_doubt(made) for made in attempts):
        return None
    return next((index for index, call in enumerate(step.calls) if not away(call.server)), None)


def in_doubt(attempt: Attempt) -> bool:
    """May this attempt have done something, and nobody has said whether it did?"""
    perhaps = attempt.outcome in {OutcomeClass.UNKNOWN, OutcomeClass.SERVER_ERROR}
    return perhaps and not attempt.resolved


def sequel(
    step: FrozenStep,
    attempts: Sequence[Attempt],
    outcome: OutcomeClass,
    *,
    repeatable: bool,
    retries: int,
    retry_delay: float,
    retry_after: float | None,
    jitter: float,
) -> Sequel:
    """What follows; `attempts` are all of this step, the one that just ended included.

    Args:
        retry_delay: seconds before the first repetition; doubled each time.
        retry_after: seconds the server asked to wait, where it did.
        jitter: a number from 0 to 1 that spreads the repetitions (full delay to one and a half).
    """
    if outcome in _NOTHING_FOLLOWS:
        return Sequel(outcome)
    last = attempts[-1]
    tries = sum(
        1 for made in attempts if (made.server, made.tool, made.outcome) == (last.server, last.tool, outcome)
    )
    backoff = min(retry_delay * 2 ** (tries - 1), LONGEST_BACKOFF) * (1 + jitter / 2)
    match outcome:
        case OutcomeClass.TRANSIENT:
            following = next_call(step, attempts, retries)
            if following is None:
                asked = any(made.outcome is OutcomeClass.UNKNOWN and in_doubt(made) for made in attempts)
                if asked or any(in_doubt(made) for made in attempts):
                    return Sequel(OutcomeClass.UNKNOWN if asked else outcome)
                return Sequel(outcome, again=True, delay=backoff, used_up=True)
            same = (step.calls[following].server, step.calls[following].tool) == (last.server, last.tool)
            return Sequel(outcome, again=True, delay=backoff if same else 0.0)
        case OutcomeClass.RATE_LIMITED:
            return Sequel(outcome, again=True, delay=_rate_limit_wait(retry_after))
        case OutcomeClass.SERVER_ERROR if repeatable and tries <= retries:
            return Sequel(outcome, again=True, delay=SERVER_ERROR_WAIT)
        case OutcomeClass.UNKNOWN if repeatable and tries <= retries:
            return Sequel(outcome, again=True, delay=backoff)
    return Sequel(outcome)


def _rate_limit_wait(asked: float | None) -> float:
    """Seconds to wait; what a server asks for is its word, and may be nonsense."""
    if asked is None or math.isnan(asked):
        return RATE_LIMIT_WAIT
    return min(max(0.0, asked), LONGEST_WAIT)
